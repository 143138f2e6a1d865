# SPDX-License-Identifier: Apache-2.0
"""The compiled reader of levels, held to plain decimals and a dictionary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.model.errors import InputError
from tidegate.venues.order_books import _levels
from tidegate.venues.order_books.book import (
    CAPACITY,
    BookTerms,
    Cells,
    OrderBook,
    Outcome,
    Unknown,
)

PAIR = Cells(0, 1, 2)


def twin(text: str, side: dict[int, int], cells: Cells, steps: tuple[Decimal, Decimal]) -> bool:
    """Put the levels of a text into a dictionary; false where one is not on the grid."""
    for level in json.loads(text, parse_float=Decimal, parse_int=Decimal):
        if isinstance(level, dict):
            level = [next(v for k, v in level.items() if k[0] == letter) for letter in "ps"]
            cells = PAIR
        with localcontext() as context:
            context.prec = 60
            price, size = (
                Decimal(level[cell]) / step
                for cell, step in zip((cells.price, cells.size), steps, strict=True)
            )
            if len(level) != cells.width or size < 0 or price % 1 or size % 1:
                return False
        side[int(price)] = int(size)
        if not size:
            del side[int(price)]
    return True


def written(number: Decimal, form: int) -> str:
    """The same number in one of the forms that venues use."""
    plain = format(number, "f")
    match form:
        case 0:
            return plain
        case 1:
            return f"{number:e}".replace("e", "E")
        case 2:
            return plain + ("00" if "." in plain else ".0")
        case _:
            return f"{number.scaleb(2):f}e-2"


NUMBERS = st.decimals(-(10**6), 10**6, places=3), st.decimals(0, 10**6, places=4)
GRID = st.integers(-300, 300).map(lambda n: Decimal(n) / 4), st.integers(0, 50).map(Decimal)
STEPS = (Decimal("0.25"), Decimal("0.5"))
SPACES = st.sampled_from(("", "", " ", "\n\t "))


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, Cells]:
    kind = draw(st.sampled_from(("pair", "quadruple", "delta", "named")))
    cells = {"quadruple": Cells(0, 1, 4), "delta": Cells(1, 2, 3)}.get(kind, PAIR)
    prices, sizes = draw(st.sampled_from((GRID, GRID, GRID, NUMBERS)))
    rows = []
    for price, size in draw(st.lists(st.tuples(prices, sizes), max_size=12)):
        pair = [written(n, draw(st.integers(0, 3))) for n in (price, size)]
        bare = not any(n.startswith("-0") and n[2:3].isdigit() for n in pair)
        if kind != "delta" or not bare:
            pair = [f'"{n}"' for n in pair]
        space = draw(SPACES)
        row = {
            "quadruple": [*pair, '"0"', '"4"'],
            "delta": ['"change"', *pair],
            "named": [f'"sz":{pair[1]}', f'"px"{space}:{pair[0]}', '"n":12'],
        }.get(kind, pair)
        inside = f"{space},{space}".join(row)
        rows.append(f"{{{inside}}}" if kind == "named" else f"[{space}{inside}]")
    return f"{draw(SPACES)}[{','.join(rows)}]", cells


@given(st.lists(st.tuples(texts(), st.booleans()), max_size=6))
@settings(max_examples=100)
def test_compiled_levels_equal_a_dictionary_of_decimals(
    given_: Sequence[tuple[tuple[str, Cells], bool]],
) -> None:
    book = OrderBook(BookTerms("X", *STEPS))
    bids: dict[int, int] = {}
    book.replace(b"[]", b"[]", PAIR)
    for (text, cells), whole in given_:
        if whole:
            bids.clear()
        put = book.replace if whole else book.change
        outcome = put(text.encode(), b"[]", cells)
        assert (outcome is Outcome.FRESH) == twin(text, bids, cells, STEPS)
        if outcome is not Outcome.FRESH:
            return
        assert book.levels(CAPACITY)[0] == sorted(bids.items(), reverse=True)


SEEDS = (
    b'[["1.5","2"],["1.25","0.5"]]',
    b'[["new",1.5,2.0],["delete",1.25,0.0]]',
    b'[{"px":"1.5","sz":"2","n":3}]',
)


@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 255)), max_size=4),
    st.integers(0, 40),
)
@settings(max_examples=200)
def test_any_bytes_are_read_within_their_bounds_and_end_in_a_code(
    seed: bytes, edits: list[tuple[int, int]], end: int
) -> None:
    changed = bytearray(seed)
    for place, value in edits:
        changed[place % len(changed)] = value
    book = OrderBook(BookTerms("X", *STEPS))
    outcome = book.replace(bytes(changed[:end]), b"[]", PAIR)
    assert (outcome is Outcome.FRESH) == book.live
    for price, size in book.levels(CAPACITY)[0]:
        assert size > 0 or not book.live
        assert abs(price) < 10**18


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"[]", _levels.FRESH),
        (b' [ [ "1.5" , "2" ] ] ', _levels.FRESH),
        (b'[["-1.5","2"]]', _levels.FRESH),
        (b'[["1.5","-2"]]', _levels.MALFORMED),
        (b'[["","2"]]', _levels.MALFORMED),
        (b'[["1.5"]]', _levels.MALFORMED),
        (b'[["1.5","2","3"]]', _levels.MALFORMED),
        (b'[["1.5","2"]]x', _levels.MALFORMED),
        (b'[["1.5","2"] ["1.5","2"]]', _levels.MALFORMED),
        (b'[["1,5","2"]]', _levels.MALFORMED),
        (b'[["1.5.5","2"]]', _levels.MALFORMED),
        (b'[["1e","2"]]', _levels.MALFORMED),
        (b'[["1e9999","2"]]', _levels.MALFORMED),
        (b'[[null,"2"]]', _levels.MALFORMED),
        (b'[{"px":"1","n":2}]', _levels.MALFORMED),
        (b'[{"px":"1","sz":"1","price":"2"}]', _levels.MALFORMED),
        (b'[["1.6","2"]]', _levels.FINER),
        (b'[["1.5","0.25"]]', _levels.FINER),
        (b'[["1e-300","2"]]', _levels.FINER),
        (b'[["1e300","2"]]', _levels.LARGE),
        (b'[["1.5","12345678901234567890"]]', _levels.LARGE),
        (b'[["0e300","2"]]', _levels.FRESH),
    ],
)
def test_text_of_a_side_ends_in_its_code(text: bytes, code: int) -> None:
    rows = np.zeros((5, 9), np.int64)
    rows[4] = [0, 0, 2, 25, 1, 5, *PAIR]
    assert _levels.put_levels(text, b"[]", rows)[0] == code


def test_side_that_is_full_makes_the_book_stale_and_takes_no_more_memory() -> None:
    book = OrderBook(BookTerms("X", Decimal(1), Decimal(1)))
    rows: list[Any] = [[n + 1, 1] for n in range(CAPACITY + 1)]
    assert book.replace(json.dumps(rows[:-1]).encode(), b"[]", PAIR) is Outcome.FRESH
    assert book.replace(json.dumps(rows).encode(), b"[]", PAIR) is Outcome.RESYNC
    assert book.reason == f"more than {CAPACITY} levels on a side"
    assert book.best(0, None) == Unknown(book.reason)  # type: ignore[arg-type]


@pytest.mark.parametrize("step", ["0", "-1", "NaN", "1e-13", "1e13"])
def test_step_that_is_none_is_refused_and_named(step: str) -> None:
    with pytest.raises(InputError, match="X: tick: expected a step above 0"):
        OrderBook(BookTerms("X", Decimal(step), Decimal(1)))
