# SPDX-License-Identifier: Apache-2.0
"""What every public function of the room promises: kinds of input, broadcasting, errors, text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.pricing.public import Shown, shown
from tidegate.model.errors import InputError

EVERY = shown()
# Scenarios are a grid or paths of their own shape; tests/pricing/test_scenarios.py is about them.
ARRAYS = [each for each in EVERY if each.arrays and not each.name.startswith("revalue_")]
BAD: dict[str, Any] = {
    "None": None,
    "text": "x",
    "texts": ["x", "y"],
    "complex": 1j,
    "object": object(),
    "dictionary": {"a": 1},
    "ragged": [[1.0], [1.0, 2.0]],
    "datetime": np.array(["2026-01-01"], dtype="datetime64[ms]"),
    "NaN": np.nan,
    "infinity": np.inf,
    "negative": -1.0,
    "zero": 0.0,
    "huge": 1e300,
    "empty": [],
    "cube": np.ones((2, 2, 2)),
    "five": np.ones(5),
    "masked": np.ma.masked_array([1.0, 2.0], mask=[True, False]),
}
NO_NUMBERS = ("text", "texts", "complex", "object", "dictionary", "ragged", "datetime")
KINDS: dict[str, tuple[Callable[[Any], Any], type]] = {
    "list": (list, np.ndarray),
    "numpy": (np.asarray, np.ndarray),
    "pandas": (lambda values: pd.Series(values, index=[7, 3, 5], name="n"), pd.Series),
    "polars": (lambda values: pl.Series("n", values), pl.Series),
}
# Inputs that are not read at every place: a missing one need not make an answer missing.
NOT_ALWAYS_READ = {
    ("delivery_inputs", "average"): "before the average begins",
}


def named(cases: list[Shown]) -> Any:
    return pytest.mark.parametrize("each", cases, ids=lambda each: each.name)


def flat(answer: Any) -> Iterator[Any]:
    """The arrays of an answer, in order."""
    if is_dataclass(answer):
        for each in fields(answer):
            yield from flat(getattr(answer, each.name))
    elif isinstance(answer, tuple):
        for part in answer:
            yield from flat(part)
    else:
        yield answer


def spread(value: Any, size: int) -> list[Any]:
    """Some values near a good one; of a truth value both."""
    if isinstance(value, bool):
        return [bool(place % 2) for place in range(size)]
    return [value * (1.0 + 0.02 * place) for place in range(size)]


def scalars(each: Shown, columns: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The answers one by one, put together again in the shape that numpy gives them."""
    together = np.broadcast(*columns.values())
    rows = [
        [
            float(x)
            for x in flat(each.call(**each.arguments | dict(zip(columns, point, strict=True))))
        ]
        for point in together
    ]
    return [np.array(column).reshape(together.shape) for column in zip(*rows, strict=True)]


@named(ARRAYS)
def test_array_function_of_numbers_gives_numbers(each: Shown) -> None:
    for answer in flat(each.call(**each.arguments)):
        assert type(answer) in (float, int)
        assert np.isfinite(answer)


@named(ARRAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_array_function_gives_the_kind_that_came_in(each: Shown, kind: str) -> None:
    make, expected = KINDS[kind]
    plain = {name: spread(each.arguments[name], 3) for name in each.arrays}
    columns = {name: np.array(values) for name, values in plain.items()}
    given = {name: make(values) for name, values in plain.items()}
    singly = scalars(each, columns)
    answers = list(flat(each.call(**each.arguments | given)))
    for answer, wanted in zip(answers, singly, strict=True):
        assert isinstance(answer, expected)
        np.testing.assert_allclose(np.asarray(answer), wanted, rtol=1e-11, atol=1e-14)
        if kind == "pandas":
            assert answer.index.tolist() == [7, 3, 5]
        if kind in ("pandas", "polars"):
            assert answer.name == "n"


@named(ARRAYS)
def test_array_function_broadcasts_as_numpy_does(each: Shown) -> None:
    columns = {}
    for place, name in enumerate(each.arrays):
        values = np.array(spread(each.arguments[name], 3))
        columns[name] = values[:, None] if place % 2 else values[:2]
    shape = np.broadcast(*columns.values()).shape
    singly = scalars(each, columns)
    answers = list(flat(each.call(**each.arguments | columns)))
    for answer, wanted in zip(answers, singly, strict=True):
        assert answer.shape == shape
        np.testing.assert_allclose(answer, wanted, rtol=1e-11, atol=1e-14)


@named(ARRAYS)
def test_array_function_of_shapes_that_do_not_broadcast_is_refused(each: Shown) -> None:
    if len(each.arrays) == 1:
        return
    for name in each.arrays:
        other = next(iter(set(each.arrays) - {name}))
        unlike = {name: np.ones(3), other: np.ones(2)}
        with pytest.raises(InputError, match="shapes that broadcast"):
            each.call(**each.arguments | unlike)


@named(ARRAYS)
def test_array_function_of_what_is_no_number_is_refused_and_the_input_named(each: Shown) -> None:
    for name, bad in product(each.arrays, NO_NUMBERS):
        with pytest.raises(InputError, match=name):
            each.call(**each.arguments | {name: BAD[bad]})


@named(ARRAYS)
def test_array_function_of_a_missing_number_has_no_answer(each: Shown) -> None:
    for name, missing in product(each.arrays, (None, np.nan, np.ma.masked)):
        if (each.name, name) in NOT_ALWAYS_READ:
            continue
        answer = each.call(**each.arguments | {name: missing})
        numbers = [x for x in flat(answer) if isinstance(x, float)]
        assert numbers
        assert np.isnan(numbers).all(), name


@named(ARRAYS)
def test_array_function_of_nothing_gives_nothing(each: Shown) -> None:
    for name in each.arrays:
        for answer in flat(each.call(**each.arguments | {name: []})):
            assert np.shape(answer) == (0,)


@named(EVERY)
def test_bad_argument_gets_an_answer_or_one_clear_error(each: Shown) -> None:
    for name, (kind, bad) in product(each.arguments, BAD.items()):
        try:
            with suppress(InputError):
                each.call(**each.arguments | {name: bad})
        except Exception as error:
            error.add_note(f"{name} was {kind}")
            raise


@named([each for each in EVERY if each.takes_arrays])
def test_text_of_an_array_function_tells_each_part(each: Shown) -> None:
    parts = ("Args", "Returns", "Raises", "Source")
    assert [part for part in parts if not re.search(rf"\b{part}\b", each.text)] == []
