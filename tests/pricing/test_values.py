# SPDX-License-Identifier: Apache-2.0
"""Every public frozen value of the room can be copied and sent to another process."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from tests.pricing.public import classes, examples, frozen

COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "deep copy": copy.deepcopy,
}


def assert_same(one: Any, other: Any) -> None:
    """Equal in kind, content, and in what can be written to."""
    assert type(one) is type(other)
    if is_dataclass(one):
        for each in fields(one):
            if each.init:
                assert_same(getattr(one, each.name), getattr(other, each.name))
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    elif isinstance(one, Mapping):
        assert dict(one) == dict(other)
    elif isinstance(one, tuple):
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other or (one != one and other != other)


def test_every_public_class_has_an_example() -> None:
    assert set(examples()) == set(classes())


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("name", frozen())
def test_frozen_value_copied_is_equal(name: str, way: str) -> None:
    value = examples()[name]
    assert_same(value, COPIES[way](value))


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("name", ["OptionChain", "OptionBook", "Essvi", "Surface", "VenueMarks"])
def test_copy_of_a_value_with_columns_cannot_be_written_to_either(name: str, way: str) -> None:
    value = COPIES[way](examples()[name])
    arrays = [each for each in (getattr(value, f.name) for f in fields(value)) if np.ndim(each)]
    assert arrays
    assert not any(array.flags.writeable for array in arrays)


@pytest.mark.parametrize("way", COPIES)
def test_surface_of_one_regime_is_still_of_one_after_a_copy(way: str) -> None:
    surface = examples()["Surface"]
    single = replace(surface, high=surface.low, high_share=0.0)
    again = COPIES[way](single)
    assert again.high is again.low
    assert again.vol(9e4, 0.05) == single.vol(9e4, 0.05)
