# SPDX-License-Identifier: Apache-2.0
"""The convex form of Derive's standard manager in many moved markets.

Of each expiry the rule takes the smaller of two requirements, which is not convex; the form takes
one of them everywhere, and either bounds the rule. It is the max loss where the reference book
needs less by it now and its strikes still fit into `ROWS` rows, the expiries with most to save
first; else the isolated one. Whatever is of one option moves with its own price and with spot, so
the form is equal to the rule where the chosen requirement is the smaller one.

Formulas stand in `derive_standard`; confidence of feeds and the peg stay as they are now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidegate.margin.derive_standard import DeriveStandard
from tidegate.margin.derive_standard_book import (
    INITIAL,
    MAINTENANCE,
    ExpiryOptions,
    PreparedStandard,
    StandardBook,
)
from tidegate.margin.market_values import (
    Key,
    MarketValues,
    forward_of,
    index_of,
    mark_of,
    vol_of,
)
from tidegate.margin.scenario.charges import (
    LONG_INITIAL,
    LONG_MAINTENANCE,
    SHORT_INITIAL,
)
from tidegate.margin.scenario.moving import MovingOptions, Paths, moving_options
from tidegate.margin.scenario.path_form import FormBuilder, Layout, PathForm, Pieces, Scope
from tidegate.margin.scenario.revaluation import Moves
from tidegate.margin.scenario.shocks import VolMove, VolShock
from tidegate.model.instruments import Instrument, Option

FloatArray = NDArray[np.float64]

ROWS = 64
STILL = Moves(np.ones(1), np.array([int(VolMove.NONE)]))
UNSHOCKED = VolShock(0.0, 0.0, 1.0, 1.0, 1.0, 0.0)


def derive_standard_path_form(
    rule: DeriveStandard,
    instruments: Sequence[Instrument],
    market: MarketValues,
    moved: Mapping[Key, ArrayLike],
    scope: Scope,
    assets: Sequence[str] = (),
) -> PathForm:
    """A standard account in M markets, in each of which the figures of `moved` [M] are these.

    Args: as of `DeriveStandard.prepare`; `scope` by instrument, in coins; `assets` beside cash. An
        option is worth now what it is at its mark vol, which is what its premium takes of cash.
    Raises: `InputError` as the rule does, for a path that values nothing, where only some prices
        move, and for a span not above zero.
    """
    coins = tuple(name for name in assets if name != rule.cash)
    book = StandardBook(rule, tuple(instruments), coins, market)
    paths = Paths.of(book.market, moved)
    paths.require(*_keys(book))
    return _Form(book, tuple(instruments), paths, scope).build()


def _keys(book: StandardBook) -> tuple[list[Key], list[Key]]:
    prices = [index_of(coin) for coin in book.spot]
    prices += [forward_of(each.base, each.expiry_ms) for each in book.options]
    prices += [mark_of(each.id) for each in book.perpetuals]
    return list(dict.fromkeys(prices)), [vol_of(each.id) for each in book.options]


class _Form:
    """The columns of a standard account in every market: instruments, coins, cash."""

    def __init__(
        self,
        book: StandardBook,
        instruments: tuple[Instrument, ...],
        paths: Paths,
        scope: Scope,
    ) -> None:
        self.book, self.instruments, self.paths, self.scope = book, instruments, paths, scope
        self.prepared: PreparedStandard = book.prepared()
        self.row = INITIAL if scope.initial else MAINTENANCE
        self.place = {each.id: i for i, each in enumerate(instruments)}
        self.spot = {coin: paths.positive(index_of(coin)) for coin in book.spot}
        assets = (*book.coins, book.rule.cash)
        self.layout = Layout(
            columns=tuple(each.id for each in instruments),
            assets=assets,
            settle=np.full(len(instruments), len(assets) - 1),
            value_now=np.array([self._now(each) for each in instruments]),
            span=np.asarray(scope.span, dtype=float),
            reference=np.asarray(scope.reference, dtype=float),
            combinations=max(ROWS, scope.combinations),
        )
        equity = self.layout.from_now(self._equity())
        self.builder = FormBuilder(self.layout, equity, np.ones(paths.count))
        self.prices = self._option_prices()

    def _now(self, each: Instrument) -> float:
        if isinstance(each, Option):
            return float(self.book.prices[self.book.options.index(each)])
        return self.book.market.positive(mark_of(each.id))

    def _equity(self) -> FloatArray:
        """Options count for nothing, coins by their factor, [M, n + a]."""
        still = np.ones(self.paths.count)
        held = [
            0.0 * still if isinstance(each, Option) else self.paths.positive(mark_of(each.id))
            for each in self.instruments
        ]
        coins = [self.spot[coin] * self.book.rule.factors[coin][0] for coin in self.book.coins]
        return np.stack([*held, *coins, still], axis=1)

    def _option_prices(self) -> dict[str, FloatArray]:
        """Black-76 at the paths' vols, by option [M]."""
        found: dict[str, FloatArray] = {}
        ones = {each.id: 1.0 for each in self.book.options}
        for coin in sorted({each.base for each in self.book.options}):
            options = [each for each in self.book.options if each.base == coin]
            shocks = (UNSHOCKED, None)
            moving: MovingOptions = moving_options(
                options, ones, self.book.market, shocks, STILL, {}
            )
            value, _ = moving.present(self.paths)
            found |= {each.id: value[:, i] for i, each in enumerate(moving.options)}
        return found

    def build(self) -> PathForm:
        by_loss = self._by_loss()
        if by_loss:
            self.builder.scenario([self._max_loss(each) for each in by_loss])
        for each in self.prepared.expiries:
            if each in by_loss:
                self._unpaired(each)
            else:
                for m in each.columns:
                    self._isolated(self.book.options[m])
        self._perpetuals_and_coins()
        return self.builder.build()

    def _by_loss(self) -> list[ExpiryOptions]:
        """Expiries that the form holds to their max loss."""
        book = self.prepared.sizes(
            dict(zip(self.layout.columns, self.layout.reference.tolist(), strict=True))
        )
        saved = []
        for each in self.prepared.expiries:
            isolated, most = each.requirements(book[None, :])
            saved.append(float(isolated[0, self.row] - most[0, self.row]))
        chosen, rows = [], 1
        for e in np.argsort(-np.array(saved), kind="stable"):
            each = self.prepared.expiries[e]
            if saved[e] > 0.0 and rows * (len(each.payoffs) + 1) <= self.layout.combinations:
                rows *= len(each.payoffs) + 1
                chosen.append(each)
        return chosen

    def _options_of(self, each: ExpiryOptions) -> list[Option]:
        return [self.book.options[m] for m in each.columns]

    def _max_loss(self, each: ExpiryOptions) -> Pieces:
        """Payoffs at expiry, which no market moves."""
        places = [self.place[option.id] for option in self._options_of(each)]
        columns = len(self.instruments) + len(self.layout.assets)
        slopes = np.zeros((self.paths.count, len(each.payoffs) + 1, columns))
        slopes[:, :-1, places] = -each.payoffs
        return Pieces(slopes, np.zeros(slopes.shape[:2]))

    def _unpaired(self, each: ExpiryOptions) -> None:
        """What net short calls need beyond their payoff, a share of the live forward."""
        options = self._options_of(each)
        net = np.zeros(len(self.instruments))
        net[[self.place[option.id] for option in options]] = each.calls
        key = forward_of(options[0].base, options[0].expiry_ms)
        rate = float(each.unpaired[self.row]) / self.book.market.positive(key)
        self.builder.charge(net, (0.0, rate), self.paths.positive(key))

    def _isolated(self, option: Option) -> None:
        """What one short needs by itself in every market."""
        spot, price = self.spot[option.base], self.prices[option.id]
        rates = self.book.isolated_rates(option, spot, price)
        net = np.eye(len(self.instruments))[self.place[option.id]]
        self.builder.charge(net, (0.0, 1.0), rates[self.row])

    def _perpetuals_and_coins(self) -> None:
        """Shares of marks; confidence and peg, of initial margin alone, are shares of spot."""
        charges, eye = self.prepared.charges, np.eye(len(self.instruments))
        for k, label in enumerate(charges.labels):
            name = self.prepared.columns[charges.columns[charges.starts[k]]]
            rates = charges.rates[k]
            if label == "coins":
                if self.scope.initial:
                    of = np.array([each == name for each in self._columns()], dtype=float)
                    growth = self.spot[name] / self.book.spot[name]
                    self.builder.linear += np.multiply.outer(growth, rates[LONG_INITIAL] * of)
                continue
            net, base = eye[self.place[name]], self.instruments[self.place[name]].base
            share = 0.0
            if label == "perpetuals":
                mark, now = self.paths.positive(mark_of(name)), self._mark(name)
                share = self.book.parameters.perpetual_initial * now
                own = share if self.scope.initial else float(rates[LONG_MAINTENANCE])
                self.builder.charge(net, (own, own), mark / now)
            if self.scope.initial:
                more = max(float(rates[SHORT_INITIAL]) - share, 0.0)
                sides = (more if label == "perpetuals" else 0.0, more)
                self.builder.charge(net, sides, self.spot[base] / self.book.spot[base])

    def _mark(self, name: str) -> float:
        return self.book.market.positive(mark_of(name))

    def _columns(self) -> tuple[str, ...]:
        return (*self.layout.columns, *self.layout.assets)
