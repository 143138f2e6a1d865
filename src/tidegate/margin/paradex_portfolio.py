# SPDX-License-Identifier: Apache-2.0
"""Paradex's portfolio margin of one coin's options and perpetual, in dollar coins.

    initial     = core + funding + fees        core = max(scan, least for delta)
    maintenance = core / 2 + funding + fees

Scan is the worst weighted loss of 24 scenarios of price and vol; the least for delta is
(2 % |net| + 1 % hedged) x spot, hedged = (gross - |net|) / 2 with gross summed by position. Funding
is what eight hours of it may cost, fees a share of the positions' worth.

Source: docs.paradex.trade, Portfolio Margin (beta, undated; the stored copy with the table of
scenarios, and the later one with the funding provision and the floor of days; read in November
2026). Not pinned, and so taken as follows: books of one coin, as nothing says how coins add up;
a call's delta is Black-76's on its forward; funding that would be received covers nothing; fees are
`fee_rate` of spot worth, which the caller names, as the page gives no formula; orders reserve
nothing; all that initial margin leaves of cash may be withdrawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tidegate.margin.holding_values import settled
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import MarketValues, funding_of, index_of, mark_of
from tidegate.margin.rule_card import RuleCard
from tidegate.margin.scenario.charges import Charge, Side, stacked_charges
from tidegate.margin.scenario.prepared import Prepared
from tidegate.margin.scenario.quotes import option_columns, require_no_doubles
from tidegate.margin.scenario.revaluation import (
    FloatArray,
    Moves,
    black_deltas,
    option_values,
)
from tidegate.margin.scenario.shocks import (
    Scenario,
    VolMove,
    VolShock,
    least_vols,
    vol_multipliers,
)
from tidegate.margin.scenario.table import EXTRA_ROWS, Group, Pool, ScenarioTable
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Option, Perpetual

WHERE = "paradex portfolio margin"

CARD = RuleCard(
    name="paradex_portfolio",
    subject="Paradex portfolio margin (beta), one coin's options and perpetual, in a dollar coin",
    answers="paradex_portfolio.ParadexPortfolio",
    source=("docs.paradex.trade, Portfolio Margin (beta, undated, read in November 2026)",),
    not_pinned=(
        "books of one coin, as nothing says how coins add up",
        "funding that would be received covers nothing",
        "fees are a share of spot worth; orders reserve nothing",
        "what may be withdrawn beyond what initial margin leaves of cash",
        "what is closed first",
    ),
    user_gives=("the account's coin", "the fee rate"),
    closes_first="not documented",
    convex_form="exact: `scenario.convex`",
)

_UP, _DOWN = VolMove.UP, VolMove.DOWN
_NEAR = ((1.16, (_UP,)), *((r, (_UP, _DOWN)) for r in (1.12, 1.08, 1.04, 1.0, 0.96, 0.92, 0.88)))
_FAR = (
    (0.34, 0.24),
    (0.67, 0.48),
    (1.5, 0.32),
    (2.0, 0.16),
    (3.0, 0.08),
    (4.0, 0.0533),
    (5.0, 0.04),
    (6.0, 0.032),
)


@dataclass(frozen=True, slots=True)
class PortfolioParameters:
    """What the rule takes; shares of spot per coin of delta, and of the core for maintenance."""

    scenarios: tuple[Scenario, ...]
    vol_shock: VolShock
    net_delta: float
    hedged_delta: float
    maintenance_share: float
    as_of: str
    source: str


DOCUMENTED_2026 = PortfolioParameters(
    scenarios=(
        *(
            Scenario(f"{ratio - 1.0:+.0%} vol {vol.name.lower()}", ratio, vol)
            for ratio, vols in (*_NEAR, (0.84, (_UP,)))
            for vol in vols
        ),
        *(Scenario(f"{ratio - 1.0:+.0%} vol up", ratio, _UP, weight) for ratio, weight in _FAR),
    ),
    vol_shock=VolShock(0.40, 0.22, 0.30, 0.13, 1.0, 0.0),
    net_delta=0.02,
    hedged_delta=0.01,
    maintenance_share=0.5,
    as_of="2026-11-22",
    source="docs.paradex.trade/risk/portfolio-margin",
)


@dataclass(frozen=True, slots=True)
class ParadexPortfolio:
    """Portfolio margin of an account of `coin` with cash in `cash`."""

    coin: str
    fee_rate: float
    parameters: PortfolioParameters = DOCUMENTED_2026
    cash: str = "USDC"
    name: str = CARD.name

    def __post_init__(self) -> None:
        if not 0.0 <= self.fee_rate < 1.0:
            raise InputError(WHERE, "fee_rate", f"expected 0 to 1, got {self.fee_rate}")

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """The account now.

        Raises: `InputError` naming a value that is missing, stale or unsure, an instrument of
        another coin or kind, or collateral other than cash.
        """
        for asset, amount in settled(holdings).items():
            if asset != self.cash and amount != 0.0:
                raise InputError(WHERE, asset, f"expected {self.cash}: no other collateral counts")
        held = [each for each in holdings.positions if each.size != 0.0]
        prepared = self.prepare([each.instrument for each in held], market)
        wallet = holdings.collateral.get(self.cash, 0.0)
        amounts = {each.instrument.id: each.size for each in held}
        cost = sum(
            each.size * each.entry for each in held if not isinstance(each.instrument, Option)
        )
        amounts[self.cash] = wallet + sum(each.funding for each in held) - cost
        stated = prepared.statement(prepared.sizes(amounts))
        free = min(wallet, stated.equity - stated.initial)
        return replace(stated, withdrawable=max(0.0, free))

    def price_ratios(self, coin: str) -> tuple[float, ...]:
        """Prices of the account's coin in the scenarios, over those now."""
        moved = tuple(each.ratio for each in self.parameters.scenarios)
        return moved if coin == self.coin else ()

    def prepare(
        self,
        instruments: Sequence[Instrument],
        market: MarketValues,
        assets: Sequence[str] = (),
    ) -> Prepared:
        """The rule at this market for books of these instruments; cash is a column."""
        require_no_doubles(instruments)
        for each in instruments:
            if not isinstance(each, Option | Perpetual) or each.inverse:
                raise InputError(WHERE, each.id, "expected an option or a linear perpetual")
            if each.settle != self.cash:
                raise InputError(WHERE, each.id, f"expected what is settled in {self.cash}")
            if each.base != self.coin:
                raise InputError(WHERE, each.id, f"expected an instrument of {self.coin}")
        for asset in assets:
            if asset != self.cash:
                raise InputError(WHERE, asset, f"expected {self.cash}: no other collateral counts")
        options = [each for each in instruments if isinstance(each, Option)]
        perpetuals = [each for each in instruments if isinstance(each, Perpetual)]
        return _prepared(self, options, perpetuals, market)


def _prepared(
    rule: ParadexPortfolio,
    options: list[Option],
    perpetuals: list[Perpetual],
    market: MarketValues,
) -> Prepared:
    p, spot = rule.parameters, market.positive(index_of(rule.coin))
    columns = option_columns(options, market)
    by = vol_multipliers(p.vol_shock, None, columns.log_strike, columns.expiry_years)
    vols = np.maximum(by * columns.vol, least_vols(p.vol_shock))
    still = (Scenario("now", 1.0, VolMove.NONE),) * EXTRA_ROWS
    moves = Moves.of((*p.scenarios, *still))
    rows = option_values(columns.rows(), vols, moves)
    marks = np.array([market.positive(mark_of(each.id)) for each in perpetuals])
    values = [rows, np.multiply.outer(moves.ratios, marks), np.ones((len(rows), 1))]
    names = (*(each.id for each in options), *(each.id for each in perpetuals), rule.cash)
    deltas = dict(zip(names, [*black_deltas(columns), *np.ones(len(perpetuals))], strict=False))
    equity = [*(market.value(mark_of(each.id)) for each in options), *marks, 1.0]
    return Prepared(
        rule=rule.name,
        unit=rule.cash,
        columns=names,
        table=_table(rule, np.concatenate(values, axis=1)),
        charges=stacked_charges(
            [*_funding(perpetuals, market), *_fees(rule.fee_rate * spot, names[:-1])], names
        ),
        equity_per_unit=np.array(equity),
        factors=Side(1.0, p.maintenance_share),
        floor=stacked_charges(delta_floor(p, spot, deltas), names),
    )


def _table(rule: ParadexPortfolio, values: FloatArray) -> ScenarioTable:
    scenarios = rule.parameters.scenarios
    count = len(scenarios)
    return ScenarioTable(
        names=tuple(each.name for each in scenarios),
        skews=np.zeros(count, dtype=bool),
        values=np.ascontiguousarray(values),
        starts=np.array([0, values.shape[1]], dtype=np.int64),
        groups=(Group(rule.coin),),
        pools=(Pool(rule.coin),),
        weights=np.array([[each.weight for each in scenarios]]),
        shrink_usd=np.zeros((1, count)),
        scale=np.ones(count),
    )


def delta_floor(p: PortfolioParameters, spot: float, deltas: dict[str, float]) -> list[Charge]:
    """(net - hedged / 2) |sum delta| + hedged / 2 sum |delta|, in USD."""
    half = p.hedged_delta / 2.0
    net, gross = Side(spot * (p.net_delta - half)), Side(spot * half)
    rows = [Charge("net delta", deltas, net, net)]
    return [*rows, *(Charge("gross delta", {n: d}, gross, gross) for n, d in deltas.items())]


def _funding(perpetuals: list[Perpetual], market: MarketValues) -> list[Charge]:
    rows = []
    for each in perpetuals:
        paid = market.value(funding_of(each.id)) * market.value(mark_of(each.id))
        long, short = max(paid, 0.0), max(-paid, 0.0)
        label = "funding provision"
        rows.append(Charge(label, {each.id: 1.0}, Side(long, long), Side(short, short)))
    return rows


def _fees(per_coin: float, names: Sequence[str]) -> list[Charge]:
    side = Side(per_coin, per_coin)
    return [Charge("fee provision", {name: 1.0}, side, side) for name in names]
