# SPDX-License-Identifier: Apache-2.0
"""Two implementations of scenario margin, of two authors, agree on random books.

`scenario_oracle` is slow, in plain Python, and was written without sight of the rules. What venues
publish is compared, net maintenance and net initial margin (equity less requirement; how an option
is split between the two is each author's own), and what binds, where only one scenario does.

Tolerance: 1e-9 of 1 + |equity| + initial requirement, in the account's unit. For a hedged book that
is far less than the sum of its absolute values, so that no error hides behind a gross size; met is
some 1e-13.

Ten thousand books are drawn in all, each with a market of its own; beside it goes a second book of
the same instruments in other sizes, through the same batch. Every book goes through the batched
kernels and their numpy twin, every fifth through the rule's own statement, a what-if, and many
markets at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.margin.agreement import account_sizes, ruled
from tests.margin.oracle_black import Margins
from tests.margin.random_books import (
    DeribitBook,
    PortfolioBook,
    StandardBook,
    deribit_book,
    derive_portfolio_book,
    derive_standard_book,
)
from tests.margin.scenario_oracle import (
    deribit_parts,
    derive_portfolio_parts,
    derive_standard_parts,
)
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import Key, dollar_of, forward_of, index_of, mark_of, vol_of
from tidegate.model.instruments import Option, Perpetual

CLOSE = 1e-9
CHUNK = 250
KINDS: dict[str, Callable[[int], Any]] = {
    "derive-portfolio": derive_portfolio_book,
    "derive-standard": derive_standard_book,
    "deribit": deribit_book,
}
BOOKS = {"derive-portfolio": 3_500, "derive-standard": 3_000, "deribit": 3_500}
SOAK = 10_000


class Expected(NamedTuple):
    """The oracle's margins, and which scenario binds where the others are clearly better."""

    margins: Margins
    binding: int | None

    @property
    def room(self) -> float:
        return CLOSE * (1.0 + abs(self.margins.equity) + self.margins.initial)


def unique_least(results: list[float], room: float) -> int | None:
    """Where the least result stands alone, more than a rounding below zero and the others."""
    ordered = sorted([*results, 0.0])
    return results.index(ordered[0]) if ordered[1] - ordered[0] > room else None


def expected(book: Any) -> Expected:
    if isinstance(book, StandardBook):
        return standard_expected(book)
    if isinstance(book, PortfolioBook):
        portfolio = derive_portfolio_parts(*book)
        found = Expected(portfolio.margins, None)
        results = [profit for _, profit in portfolio.losses]
    else:
        deribit = deribit_parts(*book)
        found, results = Expected(deribit.margins, None), deribit.total
    return found._replace(binding=unique_least(results, found.room))


def standard_expected(book: StandardBook) -> Expected:
    """Here the options of one expiry bind, or all that is asked besides, by initial margin."""
    parts = derive_standard_parts(*book)
    needs = [parts.options_initial[at] for at in sorted(parts.options_initial)]
    found = Expected(parts.margins, None)
    rest = -parts.margins.initial - sum(needs)
    return found._replace(binding=unique_least([*needs, rest], found.room))


def resized(book: Any, seed: int) -> Any:
    """The same instruments in other sizes; futures and perpetuals at times in none."""
    random = Random(f"resized {seed}")
    positions = []
    for each in book.holdings.positions:
        size = each.size * random.choice((-1.0, 1.0)) * 10.0 ** random.uniform(-1.0, 1.0)
        flat = not isinstance(each.instrument, Option) and random.random() < 0.4
        positions.append(replace(each, size=0.0 if flat else size))
    return book._replace(holdings=replace(book.holdings, positions=tuple(positions)))


class Checked:
    """One book and its twin in other sizes, prepared once at their market."""

    def __init__(self, book: Any, seed: int) -> None:
        self.seed, self.books = seed, (book, resized(book, seed))
        self.wanted = [expected(each) for each in self.books]
        self.rule, self.holdings, self.market = ruled(book)
        held = [each.instrument for each in self.holdings.positions]
        self.prepared = self.rule.prepare(held, self.market, sorted(self.holdings.collateral))
        self.sizes = np.stack([self._sizes(each) for each in self.books])
        self.worst = 0.0

    def _sizes(self, book: Any) -> np.ndarray:
        return account_sizes(self.prepared, self.rule, ruled(book)[1])

    def near(self, stated: Any, wanted: Expected, how: str) -> None:
        """Net margins of a statement or a what-if, or of one place of a batch."""
        margins, scale = wanted.margins, wanted.room / CLOSE
        for name in ("maintenance", "initial"):
            net = stated.equity - getattr(stated, name)
            off = abs(net - getattr(margins, f"net_{name}")) / scale
            self.worst = max(self.worst, off)
            assert off <= CLOSE, f"{self.rule.name} book {self.seed}: {name} by {how}, {off:.1e}"

    def by_batch(self) -> None:
        """The kernels, and their numpy twin where there is one, on both books at once."""
        ways = {"kernel": self.prepared.statements}
        if hasattr(self.prepared, "statements_twin"):
            ways["numpy"] = self.prepared.statements_twin
        for how, statements in ways.items():
            stated = statements(self.sizes)
            for place, wanted in enumerate(self.wanted):
                self.near(Row(stated, place), wanted, f"{how} {place}")
                if wanted.binding is not None:
                    assert stated.binding[place] == wanted.binding, (self.seed, how, place)

    def by_single(self) -> None:
        for book, wanted in zip(self.books, self.wanted, strict=True):
            _, holdings, market = ruled(book)
            self.near(self.rule.statement(holdings, market), wanted, "statement")

    def by_order(self) -> None:
        """An order that makes the book of one that has more or less of one position."""
        random = Random(f"order {self.seed}")
        held = [each.instrument.id for each in self.holdings.positions]
        if not held or not hasattr(self.prepared, "what_if"):
            return
        name = random.choice(held)
        place = self.prepared.place[name]
        before = self.sizes[0].copy()
        bought = before[place] * random.choice((1.0, 0.5, -1.0, 3.0))
        before[place] -= bought
        self.near(self.prepared.what_if(before).order(name, bought), self.wanted[0], "what-if")

    def by_markets(self) -> None:
        """The book where every price and vol has moved, and where none has."""
        if not hasattr(self.rule, "moving") or not self.holdings.positions:
            return
        keys = moving_keys(self.books[0], self.holdings)
        random = Random(f"moved {self.seed}")
        moved = {key: self.market.value(key) * random.uniform(0.8, 1.2) for key in keys}
        paths = {key: np.array([self.market.value(key), value]) for key, value in moved.items()}
        stated = self.rule.moving(self.holdings, self.market).statements(paths)
        then = moved_book(self.books[0], moved)
        for place, wanted in enumerate((self.wanted[0], expected(then))):
            self.near(Row(stated, place), wanted, f"market {place}")


class Row:
    """One place of a batch."""

    def __init__(self, stated: Any, place: int) -> None:
        self.equity, self.initial = stated.equity[place], stated.initial[place]
        self.maintenance = stated.maintenance[place]


def moving_keys(book: Any, holdings: Holdings) -> list[Key]:
    """Every figure that moves with the market: prices, indices and vols, and Deribit's marks."""
    keys: list[Key] = []
    deribit = isinstance(book, DeribitBook)
    for each in (x.instrument for x in holdings.positions if x.size != 0.0):
        keys.append(index_of(each.base))
        if isinstance(each, Option):
            keys += [forward_of(each.base, each.expiry_ms), vol_of(each.id)]
        if deribit or isinstance(each, Perpetual):
            keys.append(mark_of(each.id))
    if not deribit:
        keys += [index_of(book.parameters.coin)]
    if not deribit or book.parameters.settlement is None:
        settled = {x.instrument.settle for x in holdings.positions} if deribit else set()
        owned = {asset for asset, amount in holdings.collateral.items() if amount or deribit}
        keys += [index_of(asset) for asset in owned | settled if deribit or asset != "USDC"]
    return list(dict.fromkeys(keys))


def moved_book(book: Any, moved: dict[Key, float]) -> Any:
    """The oracle's book at other figures; it reads a dollar coin's price where the rule reads an
    index."""
    values = dict(book.market.values)
    for key, value in moved.items():
        known = dollar_of(key[1]) if key == index_of("USDC") else key
        values[known] = replace(values[known], value=value)
    return book._replace(market=replace(book.market, values=values))


def compare(kind: str, seeds: range) -> float:
    """All ways of the rule on the books of these seeds; the greatest difference that was met."""
    worst = 0.0
    for seed in seeds:
        checked = Checked(KINDS[kind](seed), seed)
        checked.by_batch()
        if seed % 5 == 0:
            checked.by_single()
            checked.by_order()
            checked.by_markets()
        worst = max(worst, checked.worst)
    return worst


def chunks(books: dict[str, int]) -> Iterator[tuple[str, int]]:
    return ((kind, start) for kind, count in books.items() for start in range(0, count, CHUNK))


@pytest.mark.parametrize(("kind", "start"), list(chunks(BOOKS)))
def test_rule_agrees_with_the_slow_implementation_on_random_books(kind: str, start: int) -> None:
    worst = compare(kind, range(start, start + CHUNK))
    print(f"{kind}: {CHUNK} books, twice each, differ by at most {worst:.1e} of their scale")


def test_random_books_compared_are_ten_thousand() -> None:
    assert sum(BOOKS.values()) == 10_000
    assert len(list(chunks(BOOKS))) * CHUNK == 10_000


@pytest.mark.soak(promise="R16")
@pytest.mark.parametrize("kind", KINDS)
def test_rule_agrees_with_the_slow_implementation_on_ten_thousand_more_books_of_each_kind(
    kind: str,
) -> None:
    compare(kind, range(1_000_000, 1_000_000 + SOAK))
