# SPDX-License-Identifier: Apache-2.0
"""Where a policy stands against a whole family of rules: less loss, more carry, or neither."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from tidegate.backtest.honesty.samples import FloatArray, finite_sample
from tidegate.model.errors import InputError

WHERE = "frontier"


class FrontierPoint(msgspec.Struct, frozen=True):
    """A policy by its loss in the tail and the carry it keeps in calm times, each in one unit."""

    label: str
    loss: float
    carry: float


class FrontierGap(msgspec.Struct, frozen=True):
    """How much more carry at the same loss, and less loss at the same carry; None is unknown."""

    more_carry: float | None
    less_loss: float | None


def envelope(family: Iterable[FrontierPoint]) -> tuple[FrontierPoint, ...]:
    """The best that a family reaches: its upper concave hull, from least loss to most carry.

    Between two policies stands the book split among them. Its carry is the blend of theirs and
    its expected shortfall at most that, as expected shortfall is convex; so the line between them
    is within the family's reach.

    Returns: points of the family, loss and carry both rising, slope falling.
    Raises: `InputError` on no point or on a number that is not finite.
    Source: Markowitz (1952); Andrew (1979) for the hull.
    """
    points = [_finite(point) for point in family]
    if not points:
        raise InputError(WHERE, "family", "expected at least one point")
    hull: list[FrontierPoint] = []
    for point in sorted(points, key=lambda one: (one.loss, -one.carry)):
        if hull and point.carry <= hull[-1].carry:
            continue
        while len(hull) > 1 and _not_above(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return tuple(hull)


def frontier_gap(family: Sequence[FrontierPoint], point: FrontierPoint) -> FrontierGap:
    """How far a point lies beyond a family's envelope; a negative gap is a shortfall.

    `more_carry` is its carry less the most that the family keeps at no more loss; `less_loss` the
    least loss at which the family keeps as much carry, less its loss. Past the point of most carry
    the envelope is flat, as nobody needs to lose more; below that of least loss it is upright.

    Args: `family` without the point itself. Returns: a `FrontierGap`, None where the point's loss,
    or its carry, lies outside of the family's range: nothing is extrapolated.
    Raises: `InputError` on no point or on a number that is not finite.
    """
    hull, own = envelope(family), _finite(point)
    losses, carries = [one.loss for one in hull], [one.carry for one in hull]
    more = own.carry - float(np.interp(own.loss, losses, carries))
    less = float(np.interp(own.carry, carries, losses)) - own.loss
    return FrontierGap(
        more if _within(own.loss, [one.loss for one in family]) else None,
        less if _within(own.carry, [one.carry for one in family]) else None,
    )


def expected_shortfall(losses: FloatArray, level: float) -> float:
    """The mean of the worst n (1 - level) losses, the last of them by its fraction.

    With m = n (1 - level) and losses from worst down: (sum of the first floor(m) + (m - floor(m))
    times the next) / m. Below one whole loss, m < 1, it is the worst loss.

    Args: `losses` float64[n], a loss is +; `level` in [0, 1), 0 is the plain mean.
    Returns: in the unit of the losses. Raises: `InputError`. Source: Acerbi and Tasche (2002).
    """
    where = "expected shortfall"
    if not (math.isfinite(level) and 0.0 <= level < 1.0):
        raise InputError(where, "level", f"expected at least 0 and below 1, got {level}")
    worst_first = np.sort(finite_sample(where, "losses", losses))[::-1]
    tail = worst_first.size * (1.0 - level)
    weights = np.clip(tail - np.arange(worst_first.size), 0.0, 1.0)
    return float(weights @ worst_first) / tail


def _not_above(left: FrontierPoint, middle: FrontierPoint, right: FrontierPoint) -> bool:
    """Whether the middle point lies on or below the line between the other two."""
    rise = (middle.carry - left.carry) * (right.loss - left.loss)
    return rise <= (right.carry - left.carry) * (middle.loss - left.loss)


def _within(value: float, values: Sequence[float]) -> bool:
    return min(values) <= value <= max(values)


def _finite(point: FrontierPoint) -> FrontierPoint:
    for field, number in (("loss", point.loss), ("carry", point.carry)):
        if not math.isfinite(number):
            expected = f"expected a finite {field}, got {number}"
            raise InputError(WHERE, point.label, expected)
    return point
