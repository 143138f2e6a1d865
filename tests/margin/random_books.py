# SPDX-License-Identifier: Apache-2.0
"""Random accounts for the rules of scenario margin: a seed gives the same book everywhere.

Plain draws seldom meet an edge, so that every seed first chooses a shape: nothing held, collateral
alone, a box, a spread that loses most in one far scenario, and so on. Half of the books are of no
shape at all. All books of a rule are valued at one moment.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import exp, sqrt
from random import Random
from typing import NamedTuple, TypeVar

from tests.margin import scenario_cases
from tests.margin.oracle_black import DAY_MS, YEAR_MS, black
from tests.margin.oracle_deribit import DOLLARS, DeribitPortfolioParameters
from tests.margin.oracle_derive_portfolio import DerivePortfolioParameters
from tests.margin.oracle_derive_standard import DeriveStandardParameters
from tests.margin.random_parameters import (
    deribit_parameters,
    derive_portfolio_parameters,
    derive_standard_parameters,
)
from tests.margin.scenario_cases import NOW_MS, Draft
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import (
    MarketValues,
    dollar_of,
    forward_of,
    index_of,
    mark_of,
    rate_of,
    vol_of,
)

T = TypeVar("T")
HOUR_MS = 3_600_000
HOURS = (1, 2, 5, 12, 23, 24, 25, 48)
DAYS = (3, 5, 9, 14, 21, 29, 30, 31, 45, 60, 91, 120, 182, 250, 365)
EXPIRIES = tuple(NOW_MS + n * HOUR_MS for n in HOURS) + tuple(NOW_MS + n * DAY_MS for n in DAYS)
SOON, LATE = EXPIRIES[4:12], EXPIRIES[14:]
SPOTS = {"BTC": 95_000.0, "ETH": 2_700.0}
STEPS = {"BTC": 500.0, "ETH": 25.0}
TAILS = (-0.66, -0.33, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)

option = lru_cache(maxsize=8192)(scenario_cases.option)
perpetual = lru_cache(scenario_cases.perpetual)
future = lru_cache(scenario_cases.future)


class Maker:
    """A book while it grows: the draws, the draft, and what has been seen already."""

    def __init__(self, rule: str, seed: int) -> None:
        self.random = Random(f"{rule} {seed}")
        self.draft = Draft()
        self.held: set[str] = set()
        self.doubtful = self.random.random() < 0.4
        self.unsmiling = False

    def between(self, low: float, high: float) -> float:
        return self.random.uniform(low, high)

    def one(self, choices: tuple[T, ...]) -> T:
        return self.random.choice(choices)

    def confidence(self) -> float:
        """Mostly sure; where the book is doubtful, below, at and above both rules' thresholds."""
        if not self.doubtful or self.random.random() < 0.6:
            return 1.0
        return self.one((0.55, 0.4, self.between(0.3, 0.6), self.between(0.0, 1.0)))

    def size(self, scale: float = 1.0) -> float:
        """Either sign, over four orders of magnitude."""
        return self.one((-1.0, 1.0)) * round(scale * 10.0 ** self.between(-2.0, 2.0), 6)

    def spot(self, coin: str) -> float:
        """The index, drawn when it is first asked for."""
        key = index_of(coin)
        if key not in self.draft.values:
            price = round(SPOTS[coin] * exp(self.random.gauss(0.0, 0.3)), 2)
            self.draft.see(key, price, self.confidence())
        return self.draft.values[key].value

    def forward(self, coin: str, expiry_ms: int) -> float:
        """With its rate: of either sign, and zero at times."""
        key, years = forward_of(coin, expiry_ms), (expiry_ms - NOW_MS) / YEAR_MS
        if key not in self.draft.values:
            rate = self.one((0.0, self.between(-0.1, 0.0), self.between(0.0, 0.4)))
            price = self.spot(coin) * exp(self.between(-0.05, 0.3) * years)
            self.draft.see(key, price * (1 + self.random.gauss(0, 0.001)), self.confidence())
            self.draft.see(rate_of(coin, expiry_ms), rate, self.confidence())
        return self.draft.values[key].value

    def strike(self, coin: str, price: float) -> float:
        """On a grid, so that strikes meet."""
        return max(1.0, round(price / STEPS[coin])) * STEPS[coin]


def hold_option(
    mk: Maker, coin: str, terms: tuple[int, float, bool], size: float, settle: str = "USDC"
) -> None:
    """Once an instrument: a second draw of one that is held is passed over."""
    expiry_ms, strike, is_call = terms
    thing, forward = option(coin, settle, *terms), mk.forward(coin, expiry_ms)
    if thing.id in mk.held:
        return
    mk.held.add(thing.id)
    vol = 0.0 if mk.unsmiling else mk.between(0.1, 1.2)
    mk.draft.see(vol_of(thing.id), vol, mk.confidence())
    deviation = vol * sqrt((expiry_ms - NOW_MS) / YEAR_MS)
    worth = black(forward, strike, is_call, deviation)
    mark = round(worth / forward, 4) if thing.coin_settled else round(worth, 1)
    mk.draft.see(mark_of(thing.id), mark, mk.confidence())
    mk.draft.hold(thing, size, mark)


def hold_perpetual(mk: Maker, coin: str, size: float, settle: str = "USDC") -> None:
    """`size` in coins; an inverse contract holds the dollars of it at its mark."""
    thing = perpetual(coin, settle)
    if thing.id in mk.held:
        return
    mk.held.add(thing.id)
    mark = mk.spot(coin) * (1 + mk.random.gauss(0, 0.005))
    mk.draft.see(mark_of(thing.id), mark, mk.confidence())
    entry = mark * exp(mk.random.gauss(0, 0.1))
    held = size * mark if thing.inverse else size
    mk.draft.hold(thing, held, entry, mk.one((0.0, 0.001 * size)))


def hold_future(mk: Maker, coin: str, expiry_ms: int, size: float, settle: str) -> None:
    thing = future(coin, settle, expiry_ms)
    if thing.id in mk.held:
        return
    mk.held.add(thing.id)
    mark = mk.forward(coin, expiry_ms)
    mk.draft.see(mark_of(thing.id), mark, mk.confidence())
    entry = mark * exp(mk.random.gauss(0, 0.1))
    mk.draft.hold(thing, size * mark if thing.inverse else size, entry)


# --- shapes of option books ------------------------------------------------------------------

Where = tuple[str, str]  # coin, settlement


def some_options(mk: Maker, where: Where, most: int = 12) -> None:
    """Calls and puts of either sign over several expiries and strikes."""
    coin, settle = where
    dates = [mk.one(EXPIRIES) for _ in range(mk.random.randint(1, 4))]
    width = mk.one((0.05, 0.2, 0.6))
    for _ in range(mk.random.randint(1, most)):
        price = mk.spot(coin) * exp(mk.random.gauss(0.0, width))
        terms = (mk.random.choice(dates), mk.strike(coin, price), mk.one((True, False)))
        hold_option(mk, coin, terms, mk.size(), settle)


def box(mk: Maker, where: Where) -> None:
    """Worth the difference of its strikes whatever happens; long or short."""
    coin, settle = where
    at, size = mk.one(EXPIRIES), mk.size()
    low = mk.strike(coin, mk.spot(coin) * mk.between(0.5, 1.2))
    high = low + STEPS[coin] * mk.random.randint(1, 40)
    for strike, sign in ((low, 1.0), (high, -1.0)):
        hold_option(mk, coin, (at, strike, True), sign * size, settle)
        hold_option(mk, coin, (at, strike, False), -sign * size, settle)


def call_and_put(mk: Maker, where: Where) -> None:
    """As many calls as puts at each strike: of opposite sign a forward, of the same a straddle."""
    coin, settle = where
    at, sign = mk.one(EXPIRIES), mk.one((-1.0, -1.0, 1.0))
    for _ in range(mk.random.randint(1, 3)):
        strike, size = mk.strike(coin, mk.spot(coin) * mk.between(0.7, 1.4)), mk.size()
        hold_option(mk, coin, (at, strike, True), size, settle)
        hold_option(mk, coin, (at, strike, False), sign * size, settle)


def deep(mk: Maker, where: Where) -> None:
    """Far in and far out of the money."""
    coin, settle = where
    for _ in range(mk.random.randint(1, 5)):
        strike = mk.strike(coin, mk.spot(coin) * mk.one((0.05, 0.2, 4.0, 10.0)))
        hold_option(mk, coin, (mk.one(EXPIRIES), strike, mk.one((True, False))), mk.size(), settle)


def zero_vol(mk: Maker, where: Where) -> None:
    mk.unsmiling = True
    some_options(mk, where, 6)


def tail_spread(mk: Maker, where: Where) -> None:
    """Short between one far move and the move before it, so that it loses most at just that."""
    coin, settle = where
    move, at = mk.one(TAILS), mk.one(SOON)
    forward, size = mk.forward(coin, at), -abs(mk.size(50.0))
    before = {-0.66: -0.4, -0.33: -0.2, 0.5: 0.25}.get(move, TAILS[TAILS.index(move) - 1])
    near = mk.strike(coin, forward * (1 + before + 0.15 * (move - before)))
    far = mk.strike(coin, forward * (1 + move))
    hold_option(mk, coin, (at, near, move > 0), size, settle)
    hold_option(mk, coin, (at, far, move > 0), -size, settle)


def calendar(mk: Maker, where: Where) -> None:
    """Forwards of two expiries against each other: only the basis between them is left."""
    coin, settle = where
    size = mk.size()
    for at, sign in ((mk.one(EXPIRIES[:14]), 1.0), (mk.one(LATE), -1.0)):
        strike = mk.strike(coin, mk.forward(coin, at))
        hold_option(mk, coin, (at, strike, True), sign * size, settle)
        hold_option(mk, coin, (at, strike, False), -sign * size, settle)


def risk_reversal(mk: Maker, where: Where) -> None:
    """Long one wing and short the other, against the perpetual: the slope of the smile is left."""
    coin, settle = where
    at, size, side = mk.one(LATE), abs(mk.size()), mk.one((-1.0, 1.0))
    forward = mk.forward(coin, at)
    hold_option(mk, coin, (at, mk.strike(coin, 1.5 * forward), True), side * size, settle)
    hold_option(mk, coin, (at, mk.strike(coin, 0.7 * forward), False), -side * size, settle)
    hold_perpetual(mk, coin, -side * size * mk.between(0.3, 0.8), settle)


def butterfly(mk: Maker, where: Where) -> None:
    """Long or short both wings against the middle: the curvature of the smile is left."""
    coin, settle = where
    at, size, sign = mk.one(EXPIRIES), abs(mk.size()), mk.one((-1.0, 1.0))
    forward = mk.forward(coin, at)
    width = mk.one((0.1, 0.25, 0.5))
    low, mid, high = (mk.strike(coin, forward * x) for x in (1 / (1 + width), 1.0, 1 + width))
    hold_option(mk, coin, (at, low, False), sign * size, settle)
    hold_option(mk, coin, (at, high, True), sign * size, settle)
    for is_call in (True, False):
        hold_option(mk, coin, (at, mid, is_call), -sign * size * mk.between(0.3, 1.0), settle)


def nothing(mk: Maker, where: Where) -> None:
    """Neither options nor anything else of this coin."""


SHAPES: tuple[Callable[[Maker, Where], None], ...] = (
    *(nothing, box, call_and_put, deep, zero_vol),
    *(tail_spread, tail_spread, calendar, risk_reversal, butterfly),
)


def some_shape(mk: Maker, where: Where) -> Callable[[Maker, Where], None]:
    """Every second book is of no shape."""
    found = mk.one(SHAPES) if mk.random.random() < 0.5 else some_options
    found(mk, where)
    return found


# --- whole accounts --------------------------------------------------------------------------


class PortfolioBook(NamedTuple):
    holdings: Holdings
    market: MarketValues
    parameters: DerivePortfolioParameters


class StandardBook(NamedTuple):
    holdings: Holdings
    market: MarketValues
    parameters: DeriveStandardParameters


class DeribitBook(NamedTuple):
    holdings: Holdings
    market: MarketValues
    parameters: DeribitPortfolioParameters


def add_collateral(mk: Maker, scale: float) -> None:
    """Dollars of either sign, and at times coins of both kinds; all prices are there to be seen."""
    stable = mk.one((1.0, 1.0, 1.0, 1.0002, 0.995, 0.97, 0.6))
    mk.draft.see(dollar_of("USDC"), stable, mk.confidence())
    mk.draft.collateral["USDC"] = mk.one((0.0, round(scale * mk.random.gauss(0.5, 1.0), 2)))
    for coin in SPOTS:
        mk.spot(coin)
        if mk.random.random() < 0.4:
            mk.draft.collateral[coin] = abs(mk.size(0.2 * SPOTS["BTC"] / SPOTS[coin]))


def derive_portfolio_book(seed: int) -> PortfolioBook:
    """One underlying, with options and at times a perpetual."""
    mk = Maker("derive portfolio", seed)
    coin = mk.one(tuple(SPOTS))
    shape = some_shape(mk, (coin, "USDC"))
    plain = shape in (some_options, deep, zero_vol)
    if plain and mk.random.random() < 0.5:
        hold_perpetual(mk, coin, mk.size())
    if shape is not nothing or mk.random.random() < 0.8:
        add_collateral(mk, 1e5)
    else:
        mk.draft.see(dollar_of("USDC"), 1.0)
        mk.spot(coin)
    return PortfolioBook(*mk.draft.book(), derive_portfolio_parameters(mk.random, coin))


def derive_standard_book(seed: int) -> StandardBook:
    """Both underlyings in one account."""
    mk = Maker("derive standard", seed)
    for coin in SPOTS:
        if mk.random.random() < 0.7:
            some_shape(mk, (coin, "USDC"))
        if mk.random.random() < 0.3:
            hold_perpetual(mk, coin, mk.size())
    add_collateral(mk, 1e5)
    return StandardBook(*mk.draft.book(), derive_standard_parameters(mk.random))


def add_deribit_coin(mk: Maker, coin: str, settle: str) -> None:
    """Futures and options of one underlying in one settlement."""
    some_shape(mk, (coin, settle))
    if mk.random.random() < 0.4:
        hold_perpetual(mk, coin, mk.size(mk.one((1.0, 100.0))), settle)
    for _ in range(mk.random.randint(0, 2)):
        hold_future(mk, coin, mk.one(EXPIRIES), mk.size(mk.one((1.0, 30.0))), settle)


def deribit_book(seed: int) -> DeribitBook:
    """Segregated in a coin or in dollars, or crossed with everything; large books among them."""
    mk = Maker("deribit", seed)
    settlement = mk.one((None, "BTC", "ETH", "USDC"))
    pairs = [(coin, settle) for coin in SPOTS for settle in (coin, "USDC")]
    for coin, settle in pairs:
        wanted = settlement in (None, settle)
        if wanted and mk.random.random() < (0.9 if settle not in DOLLARS else 0.5):
            add_deribit_coin(mk, coin, settle)
    add_collateral(mk, 1e6)
    return DeribitBook(*mk.draft.book(), deribit_parameters(mk.random, settlement))
