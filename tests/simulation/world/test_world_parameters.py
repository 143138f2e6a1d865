# SPDX-License-Identifier: Apache-2.0
"""Parameters are checked, and their digest pins every number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from tests.simulation.world.worlds import PARAMETERS
from tidegate.model.errors import InputError
from tidegate.simulation.world import CRISES, WorldParameters
from tidegate.simulation.world.crises import CrisisShape


def changed(value: Any) -> Iterator[tuple[str, Any]]:
    """Every value that differs from the given one in exactly one number or word."""
    if is_dataclass(value):
        for part in fields(value):
            for name, other in changed(getattr(value, part.name)):
                copy = object.__new__(type(value))
                for each in fields(value):
                    object.__setattr__(copy, each.name, getattr(value, each.name))
                object.__setattr__(copy, part.name, other)
                yield f"{part.name}.{name}", copy
    elif isinstance(value, tuple):
        for k, member in enumerate(value):
            for name, other in changed(member):
                yield f"{k}.{name}", (*value[:k], other, *value[k + 1 :])
    else:
        yield "", value + "x" if isinstance(value, str) else value * 1.0000001 + 1e-9


def test_digest_changes_with_every_single_field() -> None:
    digests = {name: other.digest() for name, other in changed(PARAMETERS)}
    assert len(digests) > 200
    assert len({PARAMETERS.digest(), *digests.values()}) == len(digests) + 1


def test_digest_of_equal_parameters_is_equal() -> None:
    assert WorldParameters().digest() == PARAMETERS.digest()
    assert len(PARAMETERS.digest()) == 64


def test_crises_are_the_named_ones() -> None:
    names = {"calm", "crash", "gap", "squeeze", "freeze", "depeg", "insolvency"}
    assert set(CRISES) == names == {shape.name for shape in PARAMETERS.crises}


def test_unknown_crisis_is_refused_and_the_known_ones_named() -> None:
    with pytest.raises(InputError, match=r"world: crisis: expected one of calm, .*'flood'"):
        PARAMETERS.crisis("flood")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"start_ms": 1}, "start_ms: expected a midnight"),
        ({"step_ms": 7_000}, "step_ms: expected a divisor"),
        ({"substeps": 0}, "substeps: expected at least 1"),
        ({"coins": ()}, "coins: expected at least one"),
        ({"venues": PARAMETERS.venues * 2}, "venues: expected at least one, each name once"),
        ({"basis": replace(PARAMETERS.basis, deviation=-1.0)}, "deviation: expected a number"),
        ({"jumps": replace(PARAMETERS.jumps, down_share=1.1)}, "down_share: expected at most 1"),
        ({"basis": replace(PARAMETERS.basis, half_life_hours=0.0)}, "half_life_hours: .* above"),
        ({"regimes": replace(PARAMETERS.regimes, stress_vol=float("nan"))}, "stress_vol: expected"),
        ({"venues": (replace(PARAMETERS.venues[0], formula="x"),)}, "formula: expected one of"),
        ({"leverage": replace(PARAMETERS.leverage, leverage_max=200.0)}, "leverage_max: expected"),
        ({"crises": (CrisisShape("all", -1.0),)}, "all.move: expected a fall of less than all"),
        ({"crises": (CrisisShape("long", -0.1, 900),)}, "long.minutes: expected 1 or more"),
    ],
)
def test_unusable_parameter_is_refused_and_named(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=f"world: .*{complaint}"):
        replace(PARAMETERS, **change)
