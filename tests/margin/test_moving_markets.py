# SPDX-License-Identifier: Apache-2.0
"""One book in many markets has in each what the rule states of it there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.margin.account_books import Book, drawn_book, with_size
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import (
    Key,
    MarketValues,
    forward_of,
    index_of,
    mark_of,
    vol_of,
)
from tidegate.margin.scenario.quotes import option_columns
from tidegate.margin.scenario.revaluation import Moves, option_values
from tidegate.margin.scenario.shocks import Scenario, VolMove
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option

KINDS = st.sampled_from(["derive-portfolio", "deribit-btc", "deribit-usdc", "deribit-cross"])
MARKETS = 4


def price_keys(book: Book) -> list[Key]:
    keys: list[Key] = []
    for each in book.instruments:
        keys.append(index_of(each.base))
        if isinstance(each, Option):
            keys.append(forward_of(each.base, each.expiry_ms))
        else:
            keys.append(mark_of(each.id))
    return list(dict.fromkeys(keys))


def drawn_paths(book: Book, seed: int) -> dict[Key, np.ndarray]:
    """Every price of the book moves by its own path, and so does every vol."""
    rng = np.random.default_rng(seed)
    vols = [vol_of(each.id) for each in book.instruments if isinstance(each, Option)]
    return {
        key: book.market.values[key].value * np.exp(rng.normal(size=MARKETS) * 0.1)
        for key in [*price_keys(book), *vols]
    }


def market_at(book: Book, paths: dict[Key, np.ndarray], place: int) -> MarketValues:
    """One market of the paths, with options at Black-76's marks."""
    values = dict(book.market.values)
    for key, path in paths.items():
        values[key] = replace(values[key], value=float(path[place]))
    market = replace(book.market, values=values)
    options = [each for each in book.instruments if isinstance(each, Option)]
    columns = option_columns(options, market.doubted())
    still = Moves.of((Scenario("now", 1.0, VolMove.NONE),))
    model = option_values(columns.rows(), columns.vol[None, :], still)[0]
    for each, value, forward in zip(options, model, columns.forward, strict=True):
        mark = value / forward if each.coin_settled else value
        values[mark_of(each.id)] = replace(values[mark_of(each.id)], value=float(mark))
    return replace(market, values=values)


def agree(many: Any, book: Book, markets: list[MarketValues]) -> None:
    for place, market in enumerate(markets):
        one = book.rule.statement(book.holdings, market)
        scale = 1.0 + one.initial + abs(one.equity)
        for name in ("equity", "initial", "maintenance"):
            assert abs(getattr(many, name)[place] - getattr(one, name)) <= 1e-9 * scale, name


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), KINDS)
def test_book_in_many_markets_has_in_each_what_the_rule_states(seed: int, kind: str) -> None:
    book = drawn_book(seed, kind)
    paths = drawn_paths(book, seed)
    rule: Any = book.rule
    many = rule.moving(book.holdings, book.market).statements(paths)
    agree(many, book, [market_at(book, paths, place) for place in range(MARKETS)])


@pytest.mark.parametrize("kind", ["derive-portfolio", "deribit-btc", "deribit-cross"])
def test_book_without_options_or_without_a_perpetual_moves_as_well(kind: str) -> None:
    book = drawn_book(11, kind)
    rule: Any = book.rule
    linear = tuple(p for p in book.holdings.positions if not isinstance(p.instrument, Option))
    options = tuple(p for p in book.holdings.positions if isinstance(p.instrument, Option))
    for positions in (linear, options):
        held = Book(rule, Holdings(positions, book.holdings.collateral), book.market)
        paths = drawn_paths(held, 5)
        many = rule.moving(held.holdings, held.market).statements(paths)
        agree(many, held, [market_at(held, paths, place) for place in range(MARKETS)])


def test_low_confidence_of_a_feed_grows_with_spot_when_the_market_moves() -> None:
    book = with_size(drawn_book(3, "derive-portfolio"), 0, -7.0)
    values = {
        key: replace(seen, confidence=1.0 if key[0] == "dollar" else 0.3)
        for key, seen in book.market.values.items()
    }
    book = replace(book, market=replace(book.market, values=values))
    paths = drawn_paths(book, 4)
    rule: Any = book.rule
    many = rule.moving(book.holdings, book.market).statements(paths)
    agree(many, book, [market_at(book, paths, place) for place in range(MARKETS)])


@pytest.mark.parametrize("kind", ["derive-portfolio", "deribit-usdc"])
def test_a_price_left_behind_an_unknown_figure_and_a_bad_one_are_refused(kind: str) -> None:
    book = drawn_book(3, kind)
    rule: Any = book.rule
    moving = rule.moving(book.holdings, book.market)
    paths = drawn_paths(book, 4)
    left = {key: path for key, path in paths.items() if key != index_of("BTC")}
    with pytest.raises(InputError, match="index BTC"):
        moving.statements(left)
    with pytest.raises(InputError, match="index DOGE"):
        moving.statements({**paths, index_of("DOGE"): np.ones(MARKETS)})
    with pytest.raises(InputError, match="above 0"):
        moving.statements({**paths, index_of("BTC"): np.zeros(MARKETS)})
    with pytest.raises(InputError, match="finite"):
        moving.statements({**paths, index_of("BTC"): np.full(MARKETS, np.nan)})
    with pytest.raises(InputError, match="one length"):
        moving.statements({**paths, index_of("BTC"): np.ones(MARKETS + 1)})


def test_vols_alone_may_move() -> None:
    book = drawn_book(3, "deribit-btc")
    rule: Any = book.rule
    vols = {key: path for key, path in drawn_paths(book, 4).items() if key[0] == "vol"}
    stated = rule.moving(book.holdings, book.market).statements(vols)
    assert len(np.unique(stated.maintenance)) == MARKETS
