# SPDX-License-Identifier: Apache-2.0
"""The columns of a Derive standard account at one market, and many books of them at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidegate.margin.market_values import (
    Key,
    MarketValues,
    dollar_of,
    forward_of,
    index_of,
    mark_of,
    vol_of,
)
from tidegate.margin.scenario.charges import Charge, Charges, Side, stacked_charges
from tidegate.margin.scenario.prepared import KINDS, BookStatements
from tidegate.margin.scenario.quotes import option_columns
from tidegate.margin.scenario.revaluation import Moves, option_values
from tidegate.margin.scenario.shocks import VolMove
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Option, Perpetual

if TYPE_CHECKING:
    from tidegate.margin.derive_standard import DeriveStandard

FloatArray = NDArray[np.float64]
WHERE = "derive standard margin"
# Rows of an expiry's rates per unit of short option.
INITIAL, MAINTENANCE = range(2)


@dataclass(frozen=True, slots=True, eq=False)
class ExpiryOptions:
    """One coin's options of one expiry: their columns [m], what a short of each needs by itself
    [2, m], payoffs [prices, m] at zero and every strike, calls [m] as 1, and what a net short call
    needs beyond its payoff, [2]; rows of two are initial and maintenance."""

    name: str
    columns: NDArray[np.int64]
    isolated: FloatArray
    payoffs: FloatArray
    calls: FloatArray
    unpaired: FloatArray

    def requirements(self, sizes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Isolated and max-loss requirements of books [B, n], [B, 2] each."""
        held = sizes[:, self.columns]
        isolated = np.maximum(-held, 0.0) @ self.isolated.T
        payoff = np.minimum((held @ self.payoffs.T).min(axis=1), 0.0)
        naked = np.maximum(-(held @ self.calls), 0.0)
        return isolated, -payoff[:, None] + np.multiply.outer(naked, self.unpaired)


@dataclass(frozen=True, eq=False)
class PreparedStandard:
    """The rule at one market over `columns`: instruments' ids, then coins, then cash."""

    rule: str
    unit: str
    columns: tuple[str, ...]
    expiries: tuple[ExpiryOptions, ...]
    charges: Charges
    equity_per_unit: FloatArray

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Column of an instrument's id or an asset."""
        return {name: index for index, name in enumerate(self.columns)}

    @property
    def binding_names(self) -> tuple[str, ...]:
        """The expiries whose options can require most, and what requires besides."""
        return (*(each.name for each in self.expiries), "perpetuals and coins", "nothing at risk")

    def sizes(self, amounts: Mapping[str, float]) -> FloatArray:
        """A book as sizes [n] of the columns; raises `InputError` for an unknown name."""
        row = np.zeros(len(self.columns))
        for name, amount in amounts.items():
            if name not in self.place:
                raise InputError(WHERE, name, "expected an instrument or asset prepared for")
            row[self.place[name]] += amount
        return row

    def statements(self, sizes: ArrayLike) -> BookStatements:
        """Many books [B, n] at this market; raises `InputError` for another shape."""
        books = np.atleast_2d(np.asarray(sizes, dtype=float))
        if books.ndim != 2 or books.shape[1] != len(self.columns) or not np.isfinite(books).all():
            raise InputError(WHERE, "sizes", f"expected {len(self.columns)} finite columns")
        by_expiry = [np.minimum(*each.requirements(books)) for each in self.expiries]
        asked = [row.sum(axis=1) for row in self.charges.asked(self.charges.nets(books))]
        needs = np.stack([*(each[:, INITIAL] for each in by_expiry), asked[INITIAL]])
        loss = np.sum([each[:, MAINTENANCE] for each in by_expiry], axis=0)
        total = needs.sum(axis=0)
        return BookStatements(
            equity=books @ self.equity_per_unit,
            initial=total,
            maintenance=loss + asked[MAINTENANCE],
            loss=np.zeros(len(books)) + loss,
            binding=np.where(total > 0.0, needs.argmax(axis=0), len(needs)),
        )

    def statement(self, sizes: FloatArray) -> Statement:
        """One book's statement with its addends by name."""
        stated = self.statements(sizes)
        return Statement(
            rule=self.rule,
            unit=self.unit,
            equity=float(stated.equity[0]),
            initial=float(stated.initial[0]),
            maintenance=float(stated.maintenance[0]),
            withdrawable=None,
            binding=self.binding_names[int(stated.binding[0])],
            parts=self._parts(np.atleast_2d(sizes)),
        )

    def _parts(self, book: FloatArray) -> dict[str, float]:
        parts: dict[str, float] = {}
        for each in self.expiries:
            isolated, most = each.requirements(book)
            for row, kind in enumerate(KINDS):
                which = "isolated" if isolated[0, row] <= most[0, row] else "max loss"
                amount = min(isolated[0, row], most[0, row])
                parts[f"{kind}: options {each.name}, {which}"] = float(amount)
        for kind, asked in zip(KINDS, self.charges.asked(self.charges.nets(book)), strict=True):
            for label, amount in zip(self.charges.labels, asked[0], strict=True):
                name = f"{kind}: {label}"
                parts[name] = parts.get(name, 0.0) + float(amount)
        return parts


class StandardBook:
    """The account's instruments and coins at one market, while they are put together."""

    def __init__(
        self,
        rule: DeriveStandard,
        instruments: tuple[Instrument, ...],
        coins: tuple[str, ...],
        market: MarketValues,
    ) -> None:
        self.rule, self.parameters, self.market = rule, rule.parameters, market.doubted()
        self.options = [each for each in instruments if isinstance(each, Option)]
        self.perpetuals = [each for each in instruments if isinstance(each, Perpetual)]
        self.coins = coins
        for each in instruments:
            if not isinstance(each, Option | Perpetual) or each.inverse:
                raise InputError(WHERE, each.id, "expected an option or a linear perpetual")
            if each.settle != rule.cash:
                raise InputError(WHERE, each.id, f"expected what is settled in {rule.cash}")
        for coin in coins:
            if coin not in rule.factors:
                raise InputError(WHERE, coin, "expected a coin with a margin factor")
        bases = {each.base for each in instruments} | set(coins)
        self.spot = {coin: self.market.positive(index_of(coin)) for coin in sorted(bases)}
        stable = market.positive(dollar_of(rule.cash))
        self.depeg = max(0.0, self.parameters.peg_threshold - stable) * self.parameters.peg_factor
        self.prices = self._option_prices()

    def prepared(self) -> PreparedStandard:
        """Expiries, charges and equity over the columns."""
        instruments = (*self.options, *self.perpetuals)
        columns = (*(each.id for each in instruments), *self.coins, self.rule.cash)
        equity = [0.0] * len(self.options)
        equity += [self.market.positive(mark_of(each.id)) for each in self.perpetuals]
        equity += [self.spot[coin] * self.rule.factors[coin][0] for coin in self.coins]
        return PreparedStandard(
            rule=self.rule.name,
            unit=self.rule.cash,
            columns=columns,
            expiries=self._expiries(),
            charges=stacked_charges(self._charges(), columns),
            equity_per_unit=np.array([*equity, 1.0]),
        )

    def _option_prices(self) -> FloatArray:
        columns = option_columns(self.options, self.market)
        still = Moves(np.ones(1), np.array([int(VolMove.NONE)]))
        return np.asarray(option_values(columns.rows(), columns.vol[None, :], still)[0])

    def _expiries(self) -> tuple[ExpiryOptions, ...]:
        places: dict[tuple[str, int], list[int]] = {}
        for place, each in enumerate(self.options):
            places.setdefault((each.base, each.expiry_ms), []).append(place)
        return tuple(self._expiry(*key, members) for key, members in sorted(places.items()))

    def _expiry(self, coin: str, expiry_ms: int, members: list[int]) -> ExpiryOptions:
        options = [self.options[place] for place in members]
        strikes = np.array([float(each.strike) for each in options])
        calls = np.array([1.0 if each.is_call else 0.0 for each in options])
        at = np.concatenate([[0.0], np.unique(strikes)])[:, None]
        payoffs = np.where(calls == 1.0, np.maximum(at - strikes, 0.0), np.maximum(strikes - at, 0))
        key = forward_of(coin, expiry_ms)
        forward, p = self.market.positive(key), self.parameters
        return ExpiryOptions(
            name=" ".join(key[1:]),
            columns=np.array(members, dtype=np.int64),
            isolated=self._isolated(coin, members),
            payoffs=payoffs,
            calls=calls,
            unpaired=forward * np.array([p.unpaired_initial, p.unpaired_maintenance]),
        )

    def _isolated(self, coin: str, members: list[int]) -> FloatArray:
        """What one short of each option needs by itself, [2, m]."""
        spot = np.array([self.spot[coin]])
        rates = [
            self.isolated_rates(self.options[place], spot, self.prices[place : place + 1])[:, 0]
            for place in members
        ]
        return np.stack(rates, axis=1)

    def isolated_rates(self, option: Option, spot: FloatArray, price: FloatArray) -> FloatArray:
        """What one short of an option needs by itself in M markets of spot and of its price, [M]
        each: initial and maintenance, [2, M]."""
        p, strike = self.parameters, float(option.strike)
        out = np.maximum(strike - spot if option.is_call else spot - strike, 0.0)
        initial = price + np.maximum(p.most_of_spot - out / spot, p.least_of_spot) * spot
        if option.is_call:
            return np.stack([initial, price + p.call_maintenance * spot])
        put = price + np.maximum(p.put_maintenance * spot, p.put_mark_maintenance * price)
        return np.stack([np.maximum(initial, put * p.put_offset), put])

    def _confidence(self, *keys: Key) -> float:
        return min(self.market.seen(key).confidence for key in keys)

    def _expiry_confidence(self, coin: str, expiry_ms: int) -> float:
        """Of spot, forward and the vols of all options of an expiry, whose vol feed is one."""
        at = (coin, expiry_ms)
        vols = [vol_of(each.id) for each in self.options if (each.base, each.expiry_ms) == at]
        return self._confidence(forward_of(*at), index_of(coin), *vols)

    def _penalty(self, confidence: float) -> float:
        p = self.parameters
        unsure = confidence < p.confidence_threshold
        return (1.0 - confidence) * p.oracle_factor if unsure else 0.0

    def _charges(self) -> list[Charge]:
        return [
            *(self._short_charge(each) for each in self.options),
            *(self._perpetual_charge(each) for each in self.perpetuals),
            *(self._coin_charge(coin) for coin in self.coins),
        ]

    def _short_charge(self, option: Option) -> Charge:
        """Of a short option, initially: for an unsure feed of its expiry, and for the peg."""
        sure = self._expiry_confidence(option.base, option.expiry_ms)
        rate = (self._penalty(sure) + self.depeg) * self.spot[option.base]
        return Charge("oracle and peg, options", {option.id: 1.0}, short=Side(rate))

    def _perpetual_charge(self, perpetual: Perpetual) -> Charge:
        p, mark = self.parameters, self.market.positive(mark_of(perpetual.id))
        sure = self._confidence(mark_of(perpetual.id), index_of(perpetual.base))
        more = (self._penalty(sure) + self.depeg) * self.spot[perpetual.base]
        side = Side(mark * p.perpetual_initial + more, mark * p.perpetual_maintenance)
        return Charge("perpetuals", {perpetual.id: 1.0}, side, side)

    def _coin_charge(self, coin: str) -> Charge:
        factor, scale = self.rule.factors[coin]
        less = factor * (1.0 - scale) + self._penalty(self._confidence(index_of(coin)))
        return Charge("coins", {coin: 1.0}, long=Side(self.spot[coin] * less))
