# SPDX-License-Identifier: Apache-2.0
"""The most likely failure point: the nearest death in standard deviations of several factors.

With factors z of daily standard deviations D and correlations R it is

    min  sqrt(z' P z)   over health(z) < 0,      P = (D R D)^-1

the design point of structural reliability (Hasofer and Lind 1974, "Exact and invariant second-
moment code format"; Rackwitz and Fiessler 1978). Factors that are not `active` stand still, in the
same P, so that the point over more factors is never farther than over fewer.

Health need be neither concave nor continuous. Rays are walked outward to the first death; then the
direction is turned to the gradient and along each factor while that comes nearer. What is found is
a death; that none is nearer is a search's word, no proof. A ray on which health cannot be judged
ends there, and how near that was is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tidegate.model.errors import InputError

FloatArray = NDArray[np.float64]
Health = Callable[[FloatArray], float]
Place = tuple[float, float]
RAY_STEPS = 16
NARROWINGS = 90
# A death is known to this share of its distance; no step leaves out less than this of an interval.
CLOSE, LEAST_STEP = 1e-12, 1e-3
TURNS = (0.5, 0.2, 0.08, 0.03, 0.01)
GRADIENT_STEPS = 4
# Steps of a finite difference, in standard deviations.
DIFFERENCE = 1e-2
NEARER = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """What moves, n factors that are 0 now: daily standard deviations, correlations [n, n], and the
    range within which each is looked at."""

    names: tuple[str, ...]
    sd: FloatArray
    correlation: FloatArray
    lower: FloatArray
    upper: FloatArray

    @property
    def precision(self) -> FloatArray:
        """Inverse of the covariance; raises `LinAlgError` where correlations contradict."""
        np.linalg.cholesky(self.correlation)
        return np.asarray(np.linalg.inv(self.correlation * np.outer(self.sd, self.sd)))


@dataclass(frozen=True, slots=True, eq=False)
class FailurePoint:
    """The nearest death found, `distance` in daily standard deviations, None where there is none;
    `unjudged_from` is the least distance at which health could not be judged, None if it could."""

    distance: float | None
    at: FloatArray | None
    unjudged_from: float | None

    @property
    def sure(self) -> bool:
        """Whether nothing nearer was left unjudged."""
        near = self.unjudged_from
        return near is None or (self.distance is not None and self.distance <= near)


@dataclass(slots=True, eq=False)
class Search:
    """The searches over one account; rays walked for fewer factors serve those over more."""

    health: Health
    factors: Factors
    evaluations: int = 0
    _precision: FloatArray = field(init=False)
    _best: dict[tuple[int, ...], FloatArray] = field(init=False, default_factory=dict)
    _unjudged: dict[tuple[int, ...], float] = field(init=False, default_factory=dict)
    _axes: dict[tuple[int, float], FloatArray | None] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._precision = self.factors.precision

    def point(self, active: Sequence[int]) -> FailurePoint:
        """The most likely death by these factors, no farther than any found by some of them."""
        places = tuple(sorted(active))
        if self._judged(np.zeros(len(self.factors.sd))) < 0.0:
            return FailurePoint(0.0, np.zeros(len(self.factors.sd)), None)
        for direction in self._starts(places):
            self._keep(places, self._first_death(direction, places))
        self._turn_by_gradient(places)
        self._turn_by_factors(places)
        return self._found(places)

    def _found(self, places: tuple[int, ...]) -> FailurePoint:
        best = self._nearest(places)
        unjudged = [d for own, d in self._unjudged.items() if set(own) <= set(places)]
        distance = None if best is None else self.norm(best)
        return FailurePoint(distance, best, min(unjudged, default=None))

    def norm(self, z: FloatArray) -> float:
        """Standard deviations from now."""
        return float(np.sqrt(max(0.0, float(z @ self._precision @ z))))

    def _nearest(self, places: tuple[int, ...]) -> FloatArray | None:
        """The nearest of all points found by subsets of these factors."""
        own = [z for key, z in self._best.items() if set(key) <= set(places)]
        return min(own, key=self.norm) if own else None

    def _keep(self, places: tuple[int, ...], z: FloatArray | None) -> bool:
        best = self._nearest(places)
        if z is None or (best is not None and self.norm(z) >= self.norm(best) * (1.0 - NEARER)):
            return False
        self._best[places] = z
        return True

    def _starts(self, places: tuple[int, ...]) -> Iterator[FloatArray]:
        """Each factor alone, both ways; all of them as they go with one another; the gradient."""
        count = len(self.factors.sd)
        for place in places:
            for way in (-1.0, 1.0):
                alone = np.zeros(count)
                alone[place] = way
                yield alone
        covariance = self.factors.correlation * np.outer(self.factors.sd, self.factors.sd)
        for place in places if len(places) > 1 else ():
            for way in (-1.0, 1.0):
                yield self._only(way * covariance[place], places)
        yield self._downhill(np.zeros(count), places)

    def _only(self, z: FloatArray, places: tuple[int, ...]) -> FloatArray:
        """Active factors alone, none where its range does not let it go."""
        kept = np.zeros(len(z))
        kept[list(places)] = z[list(places)]
        kept[(self.factors.lower >= 0.0) & (kept < 0.0)] = 0.0
        kept[(self.factors.upper <= 0.0) & (kept > 0.0)] = 0.0
        return kept

    def _judged(self, z: FloatArray) -> float:
        self.evaluations += 1
        return self.health(z)

    def _first_death(
        self, direction: FloatArray, places: tuple[int, ...], below: float | None = None
    ) -> FloatArray | None:
        """The first death on a ray, if nearer than `below`; axes are walked once."""
        direction = self._only(direction, places)
        norm = self.norm(direction)
        if norm == 0.0:
            return None
        unit = direction / norm
        moved = np.flatnonzero(unit)
        if len(moved) > 1:
            return self._walk(unit, places, below)
        key = (int(moved[0]), float(np.sign(unit[moved[0]])))
        if key not in self._axes:
            self._axes[key] = self._walk(unit, (key[0],), None)
        return self._axes[key]

    def _walk(
        self, unit: FloatArray, places: tuple[int, ...], below: float | None
    ) -> FloatArray | None:
        """Steps outward, closer together near the present, to the first fall."""
        end = self._end(unit)
        if below is not None and below < end:
            end = below
        good = (0.0, 1.0)
        for step in range(1, RAY_STEPS + 1):
            at = end * (step / RAY_STEPS) ** 2
            try:
                found = self._judged(at * unit)
            except InputError:
                self._unjudged[places] = min(at, self._unjudged.get(places, at))
                return None
            if found < 0.0:
                return self._first_fall(unit, good, (at, found))
            good = (at, found)
        return None

    def _end(self, unit: FloatArray) -> float:
        bounds = np.where(unit > 0.0, self.factors.upper, self.factors.lower)
        moved = unit != 0.0
        return float(np.min(bounds[moved] / unit[moved]))

    def _first_fall(self, unit: FloatArray, good: Place, bad: Place) -> FloatArray:
        """The insolvent end of the interval between a solvent and an insolvent place, narrowed by
        regula falsi after Illinois, and by halves every third time, as health may jump."""
        for count in range(NARROWINGS):
            if bad[0] - good[0] <= CLOSE * bad[0]:
                break
            share = 0.5 if count % 3 == 2 else good[1] / (good[1] - bad[1])
            at = good[0] + (bad[0] - good[0]) * min(1.0 - LEAST_STEP, max(LEAST_STEP, share))
            found = self._judged(at * unit)
            if found >= 0.0:
                good, bad = (at, found), (bad[0], bad[1] / 2.0 if count % 3 == 0 else bad[1])
            else:
                bad, good = (at, found), (good[0], good[1] / 2.0 if count % 3 == 0 else good[1])
        return bad[0] * unit

    def _nearer(self, direction: FloatArray, places: tuple[int, ...]) -> bool:
        """Whether a ray dies before the best; asked at the best's distance before it is walked."""
        best = self._nearest(places)
        direction = self._only(direction, places)
        norm = self.norm(direction)
        if best is None or norm == 0.0:
            return self._keep(places, self._first_death(direction, places))
        reach = self.norm(best) * (1.0 - NEARER)
        unit = direction / norm
        if self._end(unit) < reach:
            return False
        try:
            if self._judged(reach * unit) >= 0.0:
                return False
        except InputError:
            self._unjudged[places] = min(reach, self._unjudged.get(places, reach))
            return False
        return self._keep(places, self._first_death(unit, places, reach))

    def _turn_by_gradient(self, places: tuple[int, ...]) -> None:
        for _ in range(GRADIENT_STEPS):
            best = self._nearest(places)
            if best is None or not self._nearer(self._downhill(best, places), places):
                return

    def _turn_by_factors(self, places: tuple[int, ...]) -> None:
        """Turn the best direction along each factor, by less and less, while that comes nearer."""
        for share in TURNS:
            turning = True
            while turning:
                turning = False
                best = self._nearest(places)
                if best is None:
                    return
                for place in places:
                    for way in (-share, share):
                        turned = best.copy()
                        turned[place] += way * self.norm(best) * self.factors.sd[place]
                        turning = self._nearer(turned, places) or turning

    def _downhill(self, z: FloatArray, places: tuple[int, ...]) -> FloatArray:
        """- (DRD)_S gradient: the way that costs the fewest standard deviations, one-sided where
        the range ends; none where health cannot be judged beside z."""
        slope = np.zeros(len(z))
        covariance = np.zeros((len(z), len(z)))
        index = np.ix_(list(places), list(places))
        covariance[index] = np.linalg.inv(self._precision[index])
        try:
            here = self._judged(z)
            for place in places:
                step = DIFFERENCE * self.factors.sd[place]
                step = -step if z[place] + step > self.factors.upper[place] else step
                beside = z.copy()
                beside[place] += step
                slope[place] = (self._judged(beside) - here) / step
        except InputError:
            return np.zeros(len(z))
        return -covariance @ slope
