# SPDX-License-Identifier: Apache-2.0
"""Derive's portfolio margin PM2 of one coin's account, in dollar coins.

    margin = mark value + f x worst - contingencies          solvent where >= 0

of which `equity` is the mark value and the rest the requirement. The mark value is cash, options at
Black-76 discounted at the feed's rate, perpetuals' profit and funding, and collateral at its price
over the dollar coin's. The worst is the least of the scenarios and the basis contingency
(`scenario.table`), whose expiries are discounted by

    long   a exp(-T (r m + s))      short   min(exp(rT), a' exp(T (r m' + s')))

Initial margin adds to f what the dollar coin has lost of its peg, and a penalty on notional where a
feed is less sure than the threshold: the least of spot, perpetual (where one is held), forward,
rate and vols of the expiry for options; of spot and its own for collateral.

Source: docs.derive.xyz, PM2, and the formulas as reproduced on the venue's own published cases
(`tests/margin/test_parity_cases.py`); parameters in `derive_parameters`. A rate r below zero counts
as zero everywhere; a skew moves no forward, but perpetuals and collateral by its ratio, as in the
venue's published source, of which no case shows either. A confidence at the threshold itself is
enough, as the rule says "below"; no case shows it. Not pinned: the live venue's present parameters
(its third version changes them by governance), what open orders reserve, and what may be withdrawn
beyond what initial margin leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tidegate.margin.derive_moving import HAIRCUT, MovingDerive, table_scenarios
from tidegate.margin.derive_parameters import (
    MAINNET_2026,
    CollateralTerms,
    DiscountTerms,
    PortfolioParameters,
)
from tidegate.margin.holding_values import settled
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import (
    Key,
    MarketValues,
    dollar_of,
    forward_of,
    index_of,
    mark_of,
    rate_of,
    vol_of,
)
from tidegate.margin.rule_card import RuleCard
from tidegate.margin.scenario.charges import Charge, Side, stacked_charges
from tidegate.margin.scenario.prepared import Prepared
from tidegate.margin.scenario.quotes import option_columns, require_no_doubles, years_left
from tidegate.margin.scenario.revaluation import (
    FloatArray,
    Moves,
    OptionColumns,
    option_values,
)
from tidegate.margin.scenario.shocks import (
    least_vols,
    vol_multipliers,
)
from tidegate.margin.scenario.table import Group, Pool, ScenarioTable, stacked
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Option, Perpetual

WHERE = "derive portfolio margin"
LINEAR = "linear"

CARD = RuleCard(
    name="derive_portfolio",
    subject="Derive portfolio margin PM2, one coin, in a dollar coin",
    answers="derive_portfolio.DerivePortfolio",
    source=(
        "docs.derive.xyz, PM2; derivexyz/v2-core at 7736900d, mainnet configuration (January 2026)",
    ),
    not_pinned=(
        "the live venue's present parameters, set by governance",
        "what open orders reserve: nothing is counted",
        "what may be withdrawn beyond what initial margin leaves of cash",
    ),
    user_gives=("the account's coin", "haircuts of collateral beside cash"),
    closes_first="the whole book is auctioned: `derive_auction.DERIVE_AUCTION`",
    convex_form="a bound, tight at the signs of a reference book: `scenario.convex`",
)


@dataclass(frozen=True, slots=True)
class DerivePortfolio:
    """PM2 of an account of `coin` with cash in `cash`; `collateral` names what else may be held.

    `parameters` are dated; the caller may give its own.
    """

    coin: str
    collateral: Mapping[str, CollateralTerms]
    parameters: PortfolioParameters = MAINNET_2026
    cash: str = "USDC"
    name: str = CARD.name

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """The account now; `withdrawable` is cash as far as initial margin leaves it.

        Raises: `InputError` naming a value that is missing or stale, a position of another coin or
        kind, or collateral that has no terms or is negative. Low confidence is the venue's penalty,
        but of the dollar coin an error, as the venue has none for it.
        """
        held = [each for each in holdings.positions if each.size != 0.0]
        assets = [name for name, amount in holdings.collateral.items() if amount != 0.0]
        prepared = self.prepare([each.instrument for each in held], market, assets)
        stated = prepared.statement(prepared.sizes(self.amounts(holdings)))
        free = min(holdings.collateral.get(self.cash, 0.0), stated.equity - stated.initial)
        return replace(stated, withdrawable=max(0.0, free))

    def price_ratios(self, coin: str) -> tuple[float, ...]:
        """Prices of the account's coin in the scenarios, over those now."""
        moved = tuple(each.ratio for each in self.parameters.scenarios)
        return moved if coin == self.coin else ()

    def moving(self, holdings: Holdings, market: MarketValues) -> MovingDerive:
        """The account, ready for many markets; raises `InputError` as `statement` does."""
        held = [each for each in holdings.positions if each.size != 0.0]
        assets = [name for name, amount in holdings.collateral.items() if amount != 0.0]
        prepared = self.prepare([each.instrument for each in held], market, assets)
        sizes = prepared.sizes(self.amounts(holdings))
        instruments = [each.instrument for each in held]
        return MovingDerive(self, prepared, sizes, instruments, market.doubted())

    def amounts(self, holdings: Holdings) -> dict[str, float]:
        """Sizes by column: positions, collateral, and cash with what perpetuals have cost."""
        amounts = {self.cash: 0.0}
        for name, amount in settled(holdings).items():
            if amount != 0.0:
                amounts[name] = amount
            if name != self.cash and amount < 0.0:
                raise InputError(WHERE, name, "expected collateral of at least 0: none is lent")
        for each in holdings.positions:
            if each.size != 0.0:
                amounts[each.instrument.id] = each.size
                entry = 0.0 if isinstance(each.instrument, Option) else each.size * each.entry
                amounts[self.cash] += each.funding - entry
        return amounts

    def prepare(
        self,
        instruments: Sequence[Instrument],
        market: MarketValues,
        assets: Sequence[str] = (),
    ) -> Prepared:
        """The rule at this market for books of these instruments and assets; cash is a column.

        Raises: `InputError` as `statement` does.
        """
        require_no_doubles(instruments)
        book = _Book(self, instruments, assets, market)
        return book.prepared()


class _Book:
    """The columns of one coin's account at one market, while they are put together."""

    def __init__(
        self,
        rule: DerivePortfolio,
        instruments: Sequence[Instrument],
        assets: Sequence[str],
        market: MarketValues,
    ) -> None:
        self.rule, self.market, self.parameters = rule, market.doubted(), rule.parameters
        self.options = [each for each in instruments if isinstance(each, Option)]
        self.perpetuals = [each for each in instruments if isinstance(each, Perpetual)]
        self.assets = [name for name in assets if name != rule.cash]
        self._require_known(instruments)
        self.expiries = sorted({each.expiry_ms for each in self.options})
        self.stable = market.positive(dollar_of(rule.cash))
        self.spot = self.market.positive(index_of(rule.coin))
        self.columns = option_columns(self.options, self.market, self._discount)

    def prepared(self) -> Prepared:
        """Table, charges and equity over the columns, sorted by group."""
        values, order, starts = stacked(
            [self._option_rows(), self._linear_rows()], self._labels(), 1 + len(self.expiries)
        )
        names = (*self._names(), *self.assets, self.rule.cash)
        columns = tuple(names[place] for place in order)
        p = self.parameters
        weights = np.array([each.weight for each in p.scenarios])
        table = ScenarioTable(
            names=tuple(each.name for each in p.scenarios),
            skews=np.array([each.skews for each in p.scenarios]),
            values=values,
            starts=starts,
            groups=self._groups(),
            pools=(Pool(self.rule.coin),),
            weights=np.tile(weights, (1 + len(self.expiries), 1)),
            shrink_usd=np.zeros((1, len(weights))),
            scale=np.ones(len(weights)),
        )
        depeg = max(0.0, p.peg_threshold - self.stable) * p.peg_factor
        place = {name: index for index, name in enumerate(columns)}
        held = self.perpetuals[0].id if self.perpetuals else None
        return Prepared(
            rule=self.rule.name,
            unit=self.rule.cash,
            columns=columns,
            table=table,
            charges=stacked_charges(self._charges(True), columns),
            equity_per_unit=np.ascontiguousarray(values[-1]),
            factors=Side(p.initial_factor + depeg, p.maintenance_factor),
            flat_column=None if held is None else place[held],
            flat_charges=None if held is None else stacked_charges(self._charges(False), columns),
        )

    def _names(self) -> list[str]:
        return [each.id for each in (*self.options, *self.perpetuals)]

    def _labels(self) -> list[int]:
        """Group of each column: options by expiry, then all that is linear."""
        linear = len(self.perpetuals) + len(self.assets) + 1
        place = {expiry: index for index, expiry in enumerate(self.expiries)}
        options = [place[each.expiry_ms] for each in self.options]
        return [*options, *([len(self.expiries)] * linear)]

    def _require_known(self, instruments: Sequence[Instrument]) -> None:
        for each in instruments:
            if not isinstance(each, Option | Perpetual) or each.inverse:
                raise InputError(WHERE, each.id, "expected an option or a linear perpetual")
            if each.base != self.rule.coin:
                raise InputError(WHERE, each.id, f"expected an instrument of {self.rule.coin}")
            if each.settle != self.rule.cash:
                raise InputError(WHERE, each.id, f"expected what is settled in {self.rule.cash}")
        if len(self.perpetuals) > 1:
            raise InputError(WHERE, self.perpetuals[1].id, "expected one perpetual of the coin")
        for name in self.assets:
            if name not in self.rule.collateral:
                raise InputError(WHERE, name, "expected an asset with collateral terms")

    def _rate(self, expiry_ms: int) -> float:
        return max(self.market.value(rate_of(self.rule.coin, expiry_ms)), 0.0)

    def _discount(self, option: Option) -> float:
        return float(np.exp(-self._rate(option.expiry_ms) * years_left(option, self.market)))

    def _option_rows(self) -> FloatArray:
        """Options in each scenario, at the basis moves up and down, and now, [P + 3, n]."""
        moves = Moves.of(table_scenarios(self.rule))
        return option_values(self.columns.rows(), self._shocked_vols(self.columns), moves)

    def _shocked_vols(self, columns: OptionColumns) -> FloatArray:
        p = self.parameters
        by = vol_multipliers(p.vol_shock, p.skew_shock, columns.log_strike, columns.expiry_years)
        return np.maximum(by * columns.vol, least_vols(p.vol_shock))

    def _linear_rows(self) -> FloatArray:
        """Perpetuals, collateral and cash in the same rows; the basis leaves them alone."""
        ratios = np.array([each.ratio for each in self.parameters.scenarios])
        marks = [self.market.value(mark_of(each.id)) for each in self.perpetuals]
        prices = [self._price(name) for name in self.assets]
        moved = [mark * self._with_extra(ratios) for mark in marks]
        moved += [
            price * self._with_extra(ratios if self._cancels(name) else np.ones_like(ratios))
            for name, price in zip(self.assets, prices, strict=True)
        ]
        return np.stack([*moved, self._with_extra(np.ones_like(ratios))], axis=1)

    @staticmethod
    def _with_extra(ratios: FloatArray) -> FloatArray:
        return np.concatenate([ratios, np.ones(3)])

    def _cancels(self, name: str) -> bool:
        return self.rule.collateral[name].risk_cancelling

    def _price(self, name: str) -> float:
        return self.market.positive(index_of(name)) / self.stable

    def _groups(self) -> tuple[Group, ...]:
        return (*(self._expiry_group(expiry) for expiry in self.expiries), Group(LINEAR))

    def _expiry_group(self, expiry_ms: int) -> Group:
        option = next(each for each in self.options if each.expiry_ms == expiry_ms)
        years, rate, p = years_left(option, self.market), self._rate(expiry_ms), self.parameters
        return Group(
            name=str(expiry_ms),
            long_factor=_discounted(p.long_discount, rate, -years),
            short_factor=min(
                float(np.exp(rate * years)), _discounted(p.short_discount, rate, years)
            ),
            basis_factor=p.basis_static + p.basis_per_year * years,
            smiles=True,
        )

    def _charges(self, perpetual_held: bool) -> list[Charge]:
        least = self._confidence(index_of(self.rule.coin))
        if perpetual_held and self.perpetuals:
            least = min(least, self._confidence(mark_of(self.perpetuals[0].id)))
        return [
            *self._perpetual_charges(least),
            *self._option_charges(),
            *self._oracle_charges(least),
            *(self._collateral_charge(name) for name in self.assets),
        ]

    def _confidence(self, key: Key) -> float:
        return self.market.seen(key).confidence

    def _penalty(self, confidence: float, notional: float) -> float:
        """What a feed that is not sure costs on a notional, initial margin alone."""
        p = self.parameters
        unsure = confidence < p.confidence_threshold
        return (1.0 - confidence) * p.confidence_margin * notional if unsure else 0.0

    def _perpetual_charges(self, confidence: float) -> list[Charge]:
        p = self.parameters
        maintenance = self.spot * p.perpetual_maintenance
        initial = maintenance + self.spot * p.perpetual_initial
        side = Side(initial + self._penalty(confidence, self.spot), maintenance)
        label = "perpetual contingency"
        return [Charge(label, {each.id: 1.0}, side, side) for each in self.perpetuals]

    def _option_charges(self) -> list[Charge]:
        """Naked shorts by expiry and strike, where a call and a put of opposite sign cancel."""
        p = self.parameters
        short = Side(
            self.spot * (p.option_maintenance + p.option_initial), self.spot * p.option_maintenance
        )
        strikes: dict[tuple[int, float], dict[str, float]] = {}
        for each in self.options:
            strikes.setdefault((each.expiry_ms, float(each.strike)), {})[each.id] = 1.0
        return [Charge("naked shorts", weights, short=short) for weights in strikes.values()]

    def _oracle_charges(self, least: float) -> list[Charge]:
        """Of options, long and short, by the least sure feed of their expiry."""
        sure = {expiry: min(least, self._expiry_confidence(expiry)) for expiry in self.expiries}
        rows = []
        for each in self.options:
            side = Side(self._penalty(sure[each.expiry_ms], self.spot))
            rows.append(Charge("oracle contingency", {each.id: 1.0}, side, side))
        return [row for row in rows if row.long.initial]

    def _expiry_confidence(self, expiry_ms: int) -> float:
        """Of forward, rate and the vols of all its options: the venue has one vol feed an expiry,
        so that options whose confidences differ take the least of them."""
        keys = [forward_of(self.rule.coin, expiry_ms), rate_of(self.rule.coin, expiry_ms)]
        keys += [vol_of(each.id) for each in self.options if each.expiry_ms == expiry_ms]
        return min(self._confidence(key) for key in keys)

    def _collateral_charge(self, name: str) -> Charge:
        terms, price = self.rule.collateral[name], self._price(name)
        confidence = min(
            self._confidence(index_of(name)), self._confidence(index_of(self.rule.coin))
        )
        maintenance = price * terms.maintenance_haircut
        initial = maintenance + price * terms.initial_haircut + self._penalty(confidence, price)
        return Charge(HAIRCUT, {name: 1.0}, long=Side(initial, maintenance))


def _discounted(terms: DiscountTerms, rate: float, years: float) -> float:
    """Static discount of an expiry; `years` negative for longs, which it makes worth less."""
    return terms.static * float(np.exp(years * (rate * terms.rate_scale + terms.rate_add)))
