# SPDX-License-Identifier: Apache-2.0
"""Where random books seldom go the two implementations of scenario margin agree as well.

Skew scenarios that also move spot, the last half hour before expiry with a part of the delivery
average fixed; and a test for each mistake of a rule that the comparison found.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.margin.oracle_derive_portfolio import Scenario
from tests.margin.random_books import (
    HOUR_MS,
    DeribitBook,
    PortfolioBook,
    StandardBook,
    deribit_book,
    derive_portfolio_book,
    derive_standard_book,
)
from tests.margin.scenario_cases import NOW_MS
from tests.margin.test_scenario_agreement import Checked, expected
from tidegate.margin.market_values import (
    Key,
    MarketValues,
    Seen,
    fixed_of,
    fixed_share_of,
    forward_of,
)
from tidegate.model.instruments import Option

SOON_MS = NOW_MS + HOUR_MS
MINUTES_15 = 15 * 60_000


def agrees(book: Any, seed: int) -> None:
    """By every way of the rule."""
    checked = Checked(book, seed)
    checked.by_batch()
    checked.by_single()
    checked.by_order()
    checked.by_markets()


def expiring(book: Any) -> list[str]:
    """Coins whose options expire an hour after the moment of all random books."""
    held = [x.instrument for x in book.holdings.positions if isinstance(x.instrument, Option)]
    return sorted({each.base for each in held if each.expiry_ms == SOON_MS})


def at_quarter_to(market: MarketValues, more: dict[Key, float]) -> MarketValues:
    """The same figures a quarter of an hour before the first expiry."""
    now = SOON_MS - MINUTES_15
    values = {key: replace(seen, as_of_ms=now) for key, seen in market.values.items()}
    values |= {key: Seen(value, now) for key, value in more.items()}
    return replace(market, now_ms=now, values=values)


@pytest.mark.parametrize("start", range(0, 300, 100))
def test_rules_agree_where_a_skew_scenario_moves_spot_as_well(start: int) -> None:
    more = (Scenario(0.85, "linear"), Scenario(1.2, "abs", 0.7))
    for seed in range(start, start + 100):
        book = derive_portfolio_book(seed)
        scenarios = book.parameters.scenarios + more
        agrees(book._replace(parameters=replace(book.parameters, scenarios=scenarios)), seed)


class PartlyFixed(Checked):
    """A book of which a part of the first expiry's forwards is fixed: the rule reads the part and
    the live forward, the oracle their sum and the share of it that stays."""

    def __init__(self, book: PortfolioBook | DeribitBook, seed: int, share: float) -> None:
        figures: dict[Key, float] = {}
        sums, stays = {}, {}
        for coin in expiring(book):
            live = book.market.value(forward_of(coin, SOON_MS))
            fixed = share * live * 1.01
            total = fixed + (1.0 - share) * live
            figures |= {fixed_of(coin, SOON_MS): fixed, fixed_share_of(coin, SOON_MS): share}
            sums[forward_of(coin, SOON_MS)] = total
            stays[coin] = fixed / total
        super().__init__(book._replace(market=at_quarter_to(book.market, figures)), seed)
        values = dict(at_quarter_to(book.market, figures).values)
        values |= {key: replace(values[key], value=total) for key, total in sums.items()}
        market = replace(self.market, values=values)
        deribit = isinstance(book, DeribitBook)
        shares = {((coin, SOON_MS) if deribit else SOON_MS): x for coin, x in stays.items()}
        parameters: Any = replace(book.parameters, fixed=shares)
        self.wanted = [
            expected(x._replace(market=market, parameters=parameters)) for x in self.books
        ]


@pytest.mark.parametrize("drawn", [derive_portfolio_book, deribit_book])
def test_portfolio_margin_agrees_where_part_of_the_forward_is_fixed(drawn: Any) -> None:
    seeds = [seed for seed in range(1_500) if expiring(drawn(seed))]
    for seed in seeds:
        checked = PartlyFixed(drawn(seed), seed, (0.0, 0.3, 0.9)[seed % 3])
        checked.by_batch()
        checked.by_order()
    assert len(seeds) > 50


def test_deribit_margin_agrees_in_the_last_half_hour_while_nothing_is_fixed() -> None:
    seeds = [seed for seed in range(1_500) if expiring(deribit_book(seed))]
    for seed in seeds:
        book = deribit_book(seed)
        coins = expiring(book)
        figures = {key(coin, SOON_MS): 0.0 for coin in coins for key in (fixed_of, fixed_share_of)}
        agrees(book._replace(market=at_quarter_to(book.market, figures)), seed)
    assert len(seeds) > 50


def test_standard_margin_agrees_in_the_last_half_hour_while_nothing_is_fixed() -> None:
    seeds = [seed for seed in range(1_000) if expiring(derive_standard_book(seed))]
    for seed in seeds:
        book = derive_standard_book(seed)
        coins = expiring(book)
        figures = {key(coin, SOON_MS): 0.0 for coin in coins for key in (fixed_of, fixed_share_of)}
        agrees(book._replace(market=at_quarter_to(book.market, figures)), seed)
    assert len(seeds) > 50


# --- mistakes that the comparison found ------------------------------------------------------


def doubted(book: PortfolioBook | StandardBook) -> tuple[float, float]:
    """Initial requirement with the first option's vol sure, and with it in doubt."""
    found = []
    first = next(x.instrument for x in book.holdings.positions if isinstance(x.instrument, Option))
    for confidence in (1.0, 0.2):
        values = {
            key: replace(seen, confidence=confidence if key == ("vol", first.id) else 1.0)
            for key, seen in book.market.values.items()
        }
        checked = Checked(book._replace(market=replace(book.market, values=values)), 0)
        found.append(float(checked.prepared.statements(checked.sizes).initial[0]))
    return found[0], found[1]


def first_expiry(book: PortfolioBook) -> list[float]:
    """Sizes of the options that expire with the first one held."""
    held = [(x.instrument, x.size) for x in book.holdings.positions]
    options = [(each, size) for each, size in held if isinstance(each, Option)]
    return [size for each, size in options if each.expiry_ms == options[0][0].expiry_ms]


def test_doubtful_vol_of_one_option_puts_all_of_its_expiry_in_doubt() -> None:
    books = [derive_portfolio_book(seed) for seed in range(30)]
    several = [x for x in books if x.holdings.positions and len(first_expiry(x)) > 1]
    assert several
    for book in several:
        sure, unsure = doubted(book)
        spot = book.market.value(("index", book.parameters.coin))
        notional = spot * sum(abs(size) for size in first_expiry(book))
        assert unsure - sure == pytest.approx(0.8 * notional, rel=1e-7)


def crossed_book(seed: int) -> DeribitBook:
    """One of the crossed accounts with something settled in dollars."""
    return next(
        book
        for book in map(deribit_book, range(seed, seed + 1_000))
        if book.parameters.settlement is None
        and any(x.instrument.settle == "USDC" for x in book.holdings.positions)
    )


def test_crossed_profit_in_a_dollar_coin_off_its_peg_is_worth_what_the_coin_is() -> None:
    book = crossed_book(0)
    key = ("dollar", "USDC")
    for price in (1.0, 0.6, 1.3):
        values = {**book.market.values, key: Seen(price, book.market.now_ms)}
        agrees(book._replace(market=replace(book.market, values=values)), 0)
