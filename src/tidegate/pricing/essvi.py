# SPDX-License-Identifier: Apache-2.0
"""eSSVI: smiles that hold no static arbitrage, at each expiry and between expiries.

A slice has three parameters: the total variance theta at the money and its two wings, p_put and
p_call. With k = ln(K / F), psi = (p_call + p_put) / 2, rho = (p_call - p_put) / (2 psi),
phi = psi / theta and A = theta + rho psi k the total variance is

    w(k) = theta / 2 (1 + rho phi k + sqrt((phi k + rho)**2 + 1 - rho**2))
         = (A + sqrt(A**2 + p_put p_call k**2)) / 2,

the second form by multiplying out. Far out it grows like p_call k / 2 and p_put |k| / 2.

**Bounds of a slice.** No butterfly arbitrage if p_put, p_call < 4 and psi p_put, psi p_call <=
4 theta: theta phi (1 + |rho|) < 4 and theta phi**2 (1 + |rho|) <= 4 in these letters
(Gatheral and Jacquier 2014, theorem 4.2). The theorem wants the first
one strictly, so wings stop at 3.999.

**Bounds between slices.** theta, p_put and p_call never fall and phi never rises with expiry
(Hendriks and Martini 2019; Corbetta, Cohort, Laachir and Martini 2019). Proof that w then never
falls, along any path that obeys these bounds. Take k > 0; for k < 0 exchange the wings. From
w**2 - A w - p_put p_call k**2 / 4 = 0 and D = 2 w - A > 0,

    D dw = w dtheta + (w k / 2 + p_put k**2 / 4) dp_call + (p_call k**2 / 4 - w k / 2) dp_put.

That phi does not rise says dtheta >= theta (dp_call + dp_put) / s with s = 2 psi, so the
coefficient of dp_put is at least w (theta / s - k / 2) + p_call k**2 / 4, and the others are
positive. It is positive if k s <= 2 theta. Else let r = k s / (k s - 2 theta) > 1; it is positive
where w <= W = p_call k r / 2, and so it is everywhere, for W**2 - A W - p_put p_call k**2 / 4 =
p_call**2 k**2 (r - 1)**2 / 4 >= 0 puts W above the root w.

**Between two slices** theta, p_put and p_call are interpolated linearly in the expiry. No slice on
the way leaves the bounds: the three are monotone; phi is a quotient of affine functions, hence
monotone; psi p - 4 theta has the second derivative dp (dp_call + dp_put) >= 0 in the position on
the way, hence is convex and, as at both ends, <= 0. The proof above then says that w never falls.

**Outside** the first and the last slice theta goes with the expiry and the wings with its square
root, as if the smile in units of sqrt(theta) stayed. Then phi falls, psi p / theta is constant, and
the wings rise; beyond the last slice they stop at 3.999.

A fit needs these bounds only; it needs no check afterwards. The tests check all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegate.model.errors import InputError
from tidegate.pricing._limits import CURVATURE_MAX as CURVATURE_MAX
from tidegate.pricing._limits import WING_MAX as WING_MAX
from tidegate.pricing.arrays import (
    AMOUNT_LEAST,
    ArrayLike,
    Batch,
    FloatArray,
    Rebuilt,
    as_floats,
    bearable,
    own,
)

# A bound passed by less, relative to its size, is met: that much is lost in rounding.
ROUNDING = 1e-14


@dataclass(frozen=True, slots=True)
class BrokenBound:
    """A sufficient condition of no arbitrage that parameters break, and by which share of it."""

    bound: str
    expiry_years: float
    excess: float


@dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """theta, put wing and call wing of any number of slices: three arrays of one shape, all > 0.

    Methods take k = ln(K / F) as arrays that broadcast against the slices, and give arrays; NaN
    where a number is missing or beyond 1e100. Raises: `InputError` for shapes that do not.
    Source: the module's text.
    """

    theta: FloatArray
    put_wing: FloatArray
    call_wing: FloatArray

    def total_variance(self, log_strike: FloatArray) -> FloatArray:
        """w(k) = (A + D) / 2, without cancellation where A < 0.

        Args: k = ln(K / F), broadcast against the parameters. Returns: w of the broadcast shape.
        Raises, Source: see the class.
        """
        a, d, pull = self._root(log_strike)
        below = pull / np.where(a >= 0.0, 1.0, d - a)
        return np.asarray(np.where(a >= 0.0, a + d, below) / 2.0)

    def derivatives(self, log_strike: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """w, dw/dk and d2w/dk2: with x = rho psi and Q = p_put p_call,
        w' = (x w + Q k / 2) / D and w'' = Q theta**2 / (2 D**3).

        Args, Raises, Source: as `total_variance`. Returns: three arrays of the broadcast shape.
        """
        _, d, _ = self._root(log_strike)
        w = self.total_variance(log_strike)
        tilt, product = (self.call_wing - self.put_wing) / 2.0, self.call_wing * self.put_wing
        slope = (tilt * w + product * self._strikes(log_strike) / 2.0) / d
        return w, slope, product * self.theta**2 / (2.0 * d**3)

    def durrleman(self, log_strike: FloatArray) -> FloatArray:
        """Durrleman's g(k) from the derivatives in closed form, by the function `durrleman`.

        Args, Raises: as `total_variance`. Returns: g of the broadcast shape.
        Source: Gatheral and Jacquier (2014), lemma 2.2.
        """
        return np.asarray(durrleman(log_strike, *self.derivatives(log_strike)))

    def _strikes(self, log_strike: FloatArray) -> FloatArray:
        k = bearable(as_floats("log_strike", log_strike, "eSSVI"))
        try:
            np.broadcast_shapes(k.shape, np.shape(self.theta))
        except ValueError:
            slices = np.shape(self.theta)
            expected = f"expected what broadcasts against {slices}, got the shape {k.shape}"
            raise InputError("eSSVI", "log_strike", expected) from None
        return k

    def _root(self, k: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """A, D = 2 w - A and p_put p_call k**2, all without cancellation."""
        k = self._strikes(k)
        a = self.theta + (self.call_wing - self.put_wing) / 2.0 * k
        pull = self.call_wing * self.put_wing * np.square(k)
        return np.asarray(a), np.sqrt(a * a + pull), np.asarray(pull)


@dataclass(frozen=True, slots=True, eq=False)
class Essvi(Rebuilt):
    """Slices of eSSVI at increasing expiries, and every expiry between and beyond them.

    Args: expiry_years, theta, put_wing, call_wing, each of shape (slices,) and positive; kept as
    copies that cannot be written to.
    Raises: `InputError` for what is not that. Broken bounds are no error: they are reported.
    """

    expiry_years: FloatArray
    theta: FloatArray
    put_wing: FloatArray
    call_wing: FloatArray

    def __post_init__(self) -> None:
        for name in ("expiry_years", "theta", "put_wing", "call_wing"):
            values = as_floats(name, getattr(self, name), "eSSVI")
            good = values.ndim == 1 and values.size == np.size(self.expiry_years) > 0
            if not (good and np.all(np.isfinite(values)) and np.all(values > 0.0)):
                raise InputError("eSSVI", name, "expected one positive number for each slice")
            object.__setattr__(self, name, own(values))
        if np.any(np.diff(self.expiry_years) <= 0.0):
            raise InputError("eSSVI", "expiry_years", "expected increasing expiries")

    @property
    def parameters(self) -> Parameters:
        """The parameters at the slices."""
        return Parameters(self.theta, self.put_wing, self.call_wing)

    def at(self, expiry_years: FloatArray) -> Parameters:
        """The parameters at any expiries, by the rules that the module's text proves.

        Args: T in years, any shape. Returns: `Parameters` of that shape; NaN where T is not
        positive. Raises: `InputError` for what is not numbers. Source: the module's text.
        """
        years = as_floats("expiry_years", expiry_years, "eSSVI")
        years = bearable(np.where(years > 0.0, years, np.nan))
        first, last = self.expiry_years[0], self.expiry_years[-1]
        inside = [
            np.interp(years, self.expiry_years, values)
            for values in (self.theta, self.put_wing, self.call_wing)
        ]
        ratio = np.where(years < first, years / first, np.maximum(years / last, 1.0))
        room = WING_MAX / np.maximum(inside[1], inside[2])
        grown = np.minimum(np.sqrt(ratio), np.maximum(room, 1.0))
        return Parameters(inside[0] * ratio, inside[1] * grown, inside[2] * grown)

    def total_variance(self, log_strike: ArrayLike, expiry_years: ArrayLike) -> Any:
        """w(k, T) of the module's text.

        Args: k = ln(K / F), T in years, positive, broadcast. Returns: a float, array or Series as
        the inputs were; NaN where T is not positive, or a number is missing or beyond 1e100.
        Raises: `InputError` for what is not numbers or does not broadcast.
        Source: Hendriks and Martini (2019), as the module's text has it.
        """
        batch = Batch.of(log_strike=log_strike, expiry_years=expiry_years)
        k, years = batch.arrays
        return batch.wrap(self.at(years).total_variance(k))

    def durrleman(self, log_strike: ArrayLike, expiry_years: ArrayLike) -> Any:
        """Durrleman's g(k, T), whose sign is that of the density.

        Args, Raises, Source: as `total_variance`. Returns: g, as the inputs were.
        """
        batch = Batch.of(log_strike=log_strike, expiry_years=expiry_years)
        k, years = batch.arrays
        return batch.wrap(self.at(years).durrleman(k))

    def broken_bounds(self) -> tuple[BrokenBound, ...]:
        """The bounds that do not hold; with none there is no static arbitrage at any expiry."""
        return tuple(
            BrokenBound(name, float(self.expiry_years[place]), float(excess[place]))
            for name, excess in self._excesses()
            for place in np.flatnonzero(excess > ROUNDING)
        )

    def _excesses(self) -> Iterator[tuple[str, FloatArray]]:
        """The share by which each bound is passed at each slice, against the slice before it."""
        psi = (self.put_wing + self.call_wing) / 2.0
        for side, wing in (("put", self.put_wing), ("call", self.call_wing)):
            yield f"butterfly: {side} wing < 4", wing / WING_MAX - 1.0
            limit = psi * wing / (CURVATURE_MAX * self.theta)
            yield f"butterfly: psi x {side} wing <= 4 theta", limit - 1.0
            yield f"calendar: {side} wing never falls", _falls(wing)
        yield "calendar: theta never falls", _falls(self.theta)
        yield "calendar: phi never rises", _falls(self.theta / psi)


def _falls(values: FloatArray) -> FloatArray:
    """The share of the value that the one before it lies above it; 0 for the first."""
    return np.concatenate([np.zeros(1), values[:-1] / values[1:] - 1.0])


def durrleman(log_strike: ArrayLike, variance: ArrayLike, slope: ArrayLike, bend: ArrayLike) -> Any:
    """Durrleman's function, whose sign is that of the density a smile implies.

    g(k) = (1 - k w' / (2 w))**2 - w'**2 / 4 (1 / w + 1 / 4) + w'' / 2

    Args: k = ln(K / F), w > 0, dw/dk, d2w/dk2, broadcast. Returns: g, a float, array or Series as
    the inputs were; NaN where w is not positive; a butterfly costs less than nothing exactly where
    g < 0. Raises: `InputError` for what is not numbers or does not broadcast.
    Source: Durrleman (2003); Gatheral and Jacquier (2014), lemma 2.2.
    """
    batch = Batch.of(log_strike=log_strike, variance=variance, slope=slope, bend=bend)
    k, w, first, second = (bearable(array) for array in batch.arrays)
    w = np.where(w >= AMOUNT_LEAST, w, np.nan)
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is an infinity or no number
        level = 1.0 - k * first / (2.0 * w)
        steep = np.square(first) / 4.0 * (1.0 / w + 0.25)
        return batch.wrap(np.square(level) - steep + second / 2.0)
