# SPDX-License-Identifier: Apache-2.0
"""What comes in comes out: numbers, lists, numpy, pandas and polars, broadcast and in order."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tidegate.model.errors import InputError
from tidegate.pricing.arrays import Batch, as_floats, prepared


def total(*inputs: Any) -> Any:
    """The sum of the inputs, as the kind that they were."""
    batch = Batch.of(*inputs)
    return batch.wrap(np.sum(batch.arrays, axis=0))


@given(hnp.mutually_broadcastable_shapes(num_shapes=3, min_dims=0, max_dims=3))
def test_arrays_broadcast_exactly_as_numpy_broadcasts_them(shapes: Any) -> None:
    arrays = [
        np.arange(np.prod(shape), dtype=float).reshape(shape) for shape in shapes.input_shapes
    ]
    batch = Batch.of(*arrays)
    assert batch.shape == shapes.result_shape
    for flat, expected in zip(batch.arrays, np.broadcast_arrays(*arrays), strict=True):
        assert flat.flags.c_contiguous
        np.testing.assert_array_equal(flat.reshape(batch.shape), expected)


@given(hnp.arrays(float, hnp.array_shapes(max_dims=3, min_side=0)))
def test_array_wrapped_again_is_what_came_in(array: Any) -> None:
    batch = Batch.of(array)
    np.testing.assert_array_equal(batch.wrap(batch.arrays[0]), array)


@pytest.mark.parametrize("number", [1, 1.0, True, np.float64(1), np.array(1.0), Decimal(1)])
def test_number_in_gives_a_float_out(number: Any) -> None:
    answer = total(number, 2.0)
    assert type(answer) is float
    assert answer == 3.0


@pytest.mark.parametrize("values", [[1, 2], (1.0, 2.0), np.array([1, 2]), range(1, 3)])
def test_list_or_array_in_gives_an_array_out(values: Any) -> None:
    answer = total(values, 10)
    assert isinstance(answer, np.ndarray)
    assert answer.tolist() == [11.0, 12.0]


def test_pandas_series_in_gives_the_same_index_and_name_out() -> None:
    strikes = pd.Series([1.0, None, 3.0], index=["a", "b", "c"], name="strike")
    pd.testing.assert_series_equal(
        total(strikes, 1), pd.Series([2.0, np.nan, 4.0], index=["a", "b", "c"], name="strike")
    )


def test_pandas_series_of_several_names_give_a_series_without_name() -> None:
    one = pd.Series([1.0], name="one")
    assert total(one, one.rename("other")).name is None
    assert total(one, one).name == "one"


def test_pandas_series_of_unlike_index_are_refused_and_the_second_named() -> None:
    with pytest.raises(InputError, match=r"strike: expected the index of forward"):
        Batch.of(forward=pd.Series([1, 2]), strike=pd.Series([1, 2], index=[1, 0]))


def test_polars_series_in_gives_a_polars_series_of_the_same_name_out() -> None:
    answer = total(pl.Series("strike", [1, None]), 1)
    assert isinstance(answer, pl.Series)
    assert answer.name == "strike"
    assert answer.to_list()[0] == 2.0
    assert np.isnan(answer.to_list()[1])


def test_series_beside_an_array_of_its_length_gives_a_series() -> None:
    assert isinstance(total(np.ones(2), pd.Series([1, 2])), pd.Series)


@pytest.mark.parametrize(
    ("missing", "place"),
    [
        ([None, 1.0], 0),
        (pd.Series([1, None], dtype="Int64"), 1),
        (pd.Series([True, None], dtype="boolean"), 1),
        (pl.Series([True, None]), 1),
        (pl.Series([None, 1], dtype=pl.Int32), 0),
        (np.ma.masked_array([1.0, 2.0], mask=[True, False]), 0),
    ],
)
def test_missing_value_becomes_nan_and_never_a_number(missing: Any, place: int) -> None:
    values = prepared(missing)[0]
    assert np.isnan(values).tolist() == [place == 0, place == 1]


@pytest.mark.parametrize(
    "value",
    [
        "1.5",
        ["1", "2"],
        np.array(["1.5"]),
        np.array(["1.5"], dtype=object),
        pd.Series(["1.5"]),
        pl.Series(["1.5"]),
        b"1",
        1j,
        {1.0},
        {"a": 1},
        [[1.0], [1.0, 2.0]],
        np.array(["2026-01-01"], dtype="datetime64[D]"),
        pd.Series(pd.to_datetime(["2026-01-01"])),
        pd.DataFrame({"a": [1.0]}),
        pl.DataFrame({"a": [1.0]}),
        object(),
    ],
)
def test_what_is_not_numbers_is_refused_and_its_place_named(value: Any) -> None:
    with pytest.raises(InputError, match=r"^pricing: vol: expected a number, a list"):
        Batch.of(forward=1.0, vol=value)
    with pytest.raises(InputError, match=r"^pricing: vol: "):
        as_floats("vol", value)


def test_shapes_that_do_not_broadcast_are_refused_and_listed() -> None:
    with pytest.raises(InputError, match=r"got argument 1 \(3,\), forward \(2,\)$"):
        Batch.of(np.ones(3), forward=np.ones(2))


def test_series_broadcast_to_more_values_than_its_index_is_refused() -> None:
    with pytest.raises(InputError, match="shapes"):
        Batch.of(pd.Series([1.0, 2.0]), np.ones((3, 2)))
    with pytest.raises(InputError, match="shapes"):
        Batch.of(pd.Series([1.0]), np.ones(3))


def test_pandas_beside_polars_is_refused() -> None:
    with pytest.raises(InputError, match="got both"):
        Batch.of(pd.Series([1.0]), pl.Series([1.0]))


def test_column_of_one_number_stays_short_and_arrays_spread_it() -> None:
    batch = Batch.of(np.ones(4), 2.0)
    assert [len(column) for column in batch.columns] == [4, 1]
    assert [len(array) for array in batch.arrays] == [4, 4]


def test_arrays_of_a_batch_cannot_be_written_to() -> None:
    prices = np.ones(4)
    batch = Batch.of(prices, np.arange(4), 3.0)
    for array in (*batch.given, *batch.columns, *batch.arrays):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7.0
    prices[0] = 2.0  # the caller's own memory stays his to write
    assert batch.arrays[0][0] == 2.0


@given(st.lists(st.booleans(), min_size=1))
def test_booleans_stay_booleans_as_given_and_are_0_or_1_as_columns(flags: list[bool]) -> None:
    batch = Batch.of(np.array(flags))
    assert batch.given[0].dtype == np.bool_
    assert batch.columns[0].tolist() == [float(flag) for flag in flags]


def test_faces_import_neither_numba_nor_pandas_nor_polars() -> None:
    faces = "arrays, black76, inverse, scenarios"
    heavy = {"numba", "pandas", "polars", "scipy"}
    code = f"import sys; from tidegate.pricing import {faces}; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
