# SPDX-License-Identifier: Apache-2.0
"""Merton's and Kou's jump diffusions: option prices, and the law itself for scenarios.

X = ln(F_T / F) is a diffusion plus jumps that arrive at a constant rate:
X = -(sigma^2 / 2 + lambda kappa) T + sigma W_T + J_1 + ... + J_N, kappa = E exp(J) - 1, N Poisson
with mean lambda T. The drift makes the forward a martingale; whoever believes in another adds it to
the quantiles. These laws make scenarios; they do not mark a book, the surface does.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError
from tidegate.pricing.arrays import (
    AMOUNT_MOST,
    ArrayLike,
    Batch,
    FloatArray,
    as_floats,
    as_number,
    as_positive,
    bearable,
)
from tidegate.pricing.cos_method import (
    LOG_PRICE_MAX,
    NEGLECTED_MAX,
    CosineSeries,
    LawAtExpiry,
    inverted,
    support,
)
from tidegate.pricing.normal_mixture import NormalMixture, jump_counts, poisson_weights

ComplexArray = npt.NDArray[np.complex128]
Curve = Callable[[FloatArray], FloatArray]

# An expiry beyond this is a mistake of units.
EXPIRY_MAX_YEARS = 1000.0
# A jump of the log price beyond this is a mistake of units.
LOG_JUMP_MAX = 5.0
# More expected jumps than this are a diffusion, and their series is not worth its length.
EXPECTED_JUMPS_MAX = 1e5
# A deviation of 1e-15 is less than float64 resolves.
VARIANCE_MIN = 1e-30
_TINY = float(np.finfo(np.float64).tiny)
# Newton's step, in deviations of the diffusion, after which the next would be its square.
CLOSE = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Cumulants:
    """The first four cumulants of X = ln(F_T / F); skewness is third / variance^(3/2)."""

    mean: Any
    variance: Any
    third: Any
    fourth: Any


class JumpDiffusion(ABC):
    """What Merton's and Kou's laws have in common: prices, density, quantiles, cumulants.

    Every method takes numbers, lists, arrays or Series, broadcasts them, and gives the same back.
    """

    __slots__ = ()

    vol_annual: float

    def price(
        self,
        forward: ArrayLike,
        strike: ArrayLike,
        expiry_years: ArrayLike,
        is_call: ArrayLike,
        discount: ArrayLike = 1.0,
    ) -> Any:
        """European option prices: D E (F exp(X) - K)+ for a call, D E (K - F exp(X))+ for a put.

        Args: forward > 0 and strike > 0 in USD per coin, expiry_years >= 0 (at 0: intrinsic value),
        is_call true or false, discount > 0, strike / forward within exp(+-230); broadcast.
        Returns: USD per coin, never below D times intrinsic value; NaN for an input out of bounds.
        Raises: `InputError` where the law refuses an expiry (see the law), and for shapes that do
        not broadcast. Source: the law's.
        """
        batch = Batch.of(
            forward=forward,
            strike=strike,
            expiry_years=expiry_years,
            is_call=is_call,
            discount=discount,
        )
        ahead, struck, years, call, paid = _known(*batch.arrays)
        call = np.where((call == 0) | (call == 1), call, np.nan)
        ahead, struck, paid = (np.where(each > 0, each, np.nan) for each in (ahead, struck, paid))
        with np.errstate(over="ignore", divide="ignore"):
            log_strike = np.log(struck / ahead)
        log_strike = np.where(np.abs(log_strike) <= LOG_PRICE_MAX, log_strike, np.nan)
        time_value = _by_expiry(lambda t: self.at(t).out_of_the_money, log_strike, years)
        time_value = np.where((years == 0) & ~np.isnan(log_strike), 0.0, time_value)
        intrinsic = np.maximum(np.where(call != 0, ahead - struck, struck - ahead), 0.0)
        return batch.wrap(paid * (ahead * time_value + intrinsic) + 0.0 * call)

    def density(self, log_return: ArrayLike, expiry_years: ArrayLike) -> Any:
        """Density of X per unit of log return.

        Args: log_return = ln(F_T / F) and expiry_years > 0; broadcast.
        Returns: >= 0; NaN where an input is not finite or the expiry is not above zero.
        Raises: `InputError` as `price`. Source: the law's.
        """
        return _mapped(lambda t: self.at(t).density, expiry_years, log_return=log_return)

    def cumulative(self, log_return: ArrayLike, expiry_years: ArrayLike) -> Any:
        """P(X <= x).

        Args: log_return = ln(F_T / F) and expiry_years > 0; broadcast.
        Returns: in [0, 1]; NaN where an input is not finite or the expiry is not above zero.
        Raises: `InputError` as `price`. Source: the law's.
        """
        return _mapped(lambda t: self.at(t).cumulative, expiry_years, log_return=log_return)

    def quantile(self, probability: ArrayLike, expiry_years: ArrayLike) -> Any:
        """The log return x with P(X <= x) = probability; of uniform draws it makes scenarios.

        Args: probability in (0, 1), no closer to either end than `least_probability`, and
        expiry_years > 0; broadcast.
        Returns: log returns; NaN where an input is out of bounds.
        Raises: `InputError` as `price`. Source: the law's, inverted by Newton within a bracket.
        """
        return _mapped(self._quantiles, expiry_years, probability=probability)

    def cumulants(self, expiry_years: ArrayLike) -> Cumulants:
        """The first four cumulants of X, each proportional to the expiry.

        Args: expiry_years >= 0, any shape. Returns: four answers of that shape; NaN below zero.
        Raises: `InputError` for what is not numbers. Source: derivatives at 0 of `log_moment`.
        """
        batch = Batch.of(expiry_years=expiry_years)
        (years,) = _known(*batch.arrays)
        years = np.where(years >= 0, years, np.nan)
        return Cumulants(*(batch.wrap(rate * years) for rate in self._cumulants_annual()))

    @property
    @abstractmethod
    def least_probability(self) -> float:
        """Quantiles closer than this to 0 or 1 are refused, because rounding would decide them."""

    @abstractmethod
    def characteristic(self, frequency: FloatArray, expiry_years: float) -> ComplexArray:
        """E exp(i u X). Args: u, any shape; T in years. Returns: of that shape, complex.

        Raises: `InputError` for what is not numbers or no T > 0. Source: the law's.
        """

    @abstractmethod
    def log_moment(self, order: FloatArray, expiry_years: float) -> FloatArray:
        """ln E exp(s X). Args: s, any shape. Returns: of that shape, infinite where there is none.

        Raises, Source: as `characteristic`.
        """

    def diffusion_variance(self, expiry_years: float) -> float:
        """sigma^2 T, the variance without the jumps; refused where no price would show it."""
        variance = self.vol_annual**2 * _expiry(self, expiry_years)
        bound = f"with a variance of at least {VARIANCE_MIN} at {expiry_years} years"
        _require(self, variance >= VARIANCE_MIN, "vol_annual", bound)
        return variance

    @abstractmethod
    def at(self, expiry_years: float) -> LawAtExpiry:
        """The law at one expiry > 0."""

    @abstractmethod
    def _cumulants_annual(self) -> tuple[float, float, float, float]: ...

    def _quantiles(self, expiry_years: float) -> Curve:
        law, least = self.at(expiry_years), self.least_probability

        def quantiles(probability: FloatArray) -> FloatArray:
            inside = (probability >= least) & (probability <= 1.0 - least) & (probability < 1.0)
            answers = np.full(probability.shape, np.nan)
            if inside.any():
                wanted = probability[inside]
                nodes = self._nodes(expiry_years, float(np.min(wanted)))
                close = CLOSE * math.sqrt(self.diffusion_variance(expiry_years))
                answers[inside] = inverted(law, wanted, nodes, close)
            return answers

        return quantiles

    def _nodes(self, expiry_years: float, least: float) -> FloatArray:
        """Points that bracket every quantile down to the least: dense where the diffusion is."""
        log_tail = min(math.log(least) - 1.0, math.log(NEGLECTED_MAX))
        low, high = support(self, expiry_years, log_tail)
        spread = 10.0 * math.sqrt(self.diffusion_variance(expiry_years))
        # Without a jump, which is where most of the mass lies, X has this mean.
        centre = self._drift * expiry_years
        body = np.clip(np.linspace(centre - spread, centre + spread, 513), low, high)
        return np.union1d(np.linspace(low, high, 513), body)

    @property
    @abstractmethod
    def _drift(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Merton(JumpDiffusion):
    """Jumps of the log price are normal; prices, density and probabilities are closed series.

    Given n jumps X is normal with variance sigma^2 T + n d^2, so each answer is the Poisson mean of
    normal ones, a price that of Black-76 prices. Neglected is less than 4e-22 of the forward in a
    call, and of the strike in a put; the rest is as exact as `black76` is out of the money.

    `vol_annual` > 0 is sigma, `jumps_annual` >= 0 is lambda; `jump_mean` within +-5 and
    `jump_deviation` in [0, 5] are mean and standard deviation d of a jump of the log price.
    Raises: `InputError` for other parameters, and at an expiry with more than 100,000 expected
    jumps, or with one that leads to a forward above exp(230) of today's.
    Source: Merton 1976, Option Pricing When Underlying Stock Returns Are Discontinuous.
    """

    vol_annual: float
    jumps_annual: float
    jump_mean: float
    jump_deviation: float

    def __post_init__(self) -> None:
        _require_floats(self)
        _require(self, self.vol_annual > 0, "vol_annual", "> 0")
        _require(self, self.jumps_annual >= 0, "jumps_annual", ">= 0")
        _require(self, abs(self.jump_mean) <= LOG_JUMP_MAX, "jump_mean", "within +-5")
        _require(self, 0 <= self.jump_deviation <= LOG_JUMP_MAX, "jump_deviation", "in [0, 5]")

    @property
    def least_probability(self) -> float:
        """The least normal float; a lower tail is exact in its own scale, an upper one to 1e-16."""
        return _TINY

    def characteristic(self, frequency: FloatArray, expiry_years: float) -> ComplexArray:
        """Args, Returns, Raises, Source: as `JumpDiffusion.characteristic`."""
        u, expiry_years = _frequencies(self, frequency), _expiry(self, expiry_years)
        jump = np.exp(1j * u * self.jump_mean - 0.5 * (self.jump_deviation * u) ** 2)
        smooth = 1j * u * self._drift - 0.5 * (self.vol_annual * u) ** 2
        return np.asarray(np.exp(expiry_years * (smooth + self.jumps_annual * (jump - 1.0))))

    def log_moment(self, order: FloatArray, expiry_years: float) -> FloatArray:
        """Args, Returns, Raises, Source: as `JumpDiffusion.log_moment`; finite up to e**700."""
        order, expiry_years = _orders(self, order), _expiry(self, expiry_years)
        power = order * self.jump_mean + 0.5 * (self.jump_deviation * order) ** 2
        jump = np.expm1(np.minimum(power, 700.0))
        smooth = order * self._drift + 0.5 * (self.vol_annual * order) ** 2
        known = expiry_years * (smooth + self.jumps_annual * jump)
        return np.where(power < 700.0, known, np.inf)

    def at(self, expiry_years: float) -> LawAtExpiry:
        """The mixture over the number of jumps at one expiry > 0; `InputError` for another."""
        expiry_years = _expiry(self, expiry_years)
        expected = self.jumps_annual * expiry_years
        # A call weighs the number of jumps by the price they lead to, which changes their rate.
        weighted = expected * math.exp(self._growth)
        most = max(expected, weighted)
        _require(self, most <= EXPECTED_JUMPS_MAX, "jumps_annual", "with at most 1e5 jumps")
        counts = jump_counts(min(expected, weighted), most)
        means = self._drift * expiry_years + counts * self.jump_mean
        variances = self.diffusion_variance(expiry_years) + counts * self.jump_deviation**2
        largest = float(np.max(means + 0.5 * variances))
        _require(self, largest <= LOG_PRICE_MAX, "jump_mean", "with forwards below exp(230)")
        return NormalMixture(poisson_weights(counts, expected), means, variances)

    @property
    def _growth(self) -> float:
        """ln(1 + kappa): how much a jump moves the expected price."""
        return self.jump_mean + 0.5 * self.jump_deviation**2

    @property
    def _drift(self) -> float:
        return -0.5 * self.vol_annual**2 - self.jumps_annual * math.expm1(self._growth)

    def _cumulants_annual(self) -> tuple[float, float, float, float]:
        mean, square, rate = self.jump_mean, self.jump_deviation**2, self.jumps_annual
        return (
            self._drift + rate * mean,
            self.vol_annual**2 + rate * (mean**2 + square),
            rate * (mean**3 + 3 * mean * square),
            rate * (mean**4 + 6 * mean**2 * square + 3 * square**2),
        )


@dataclass(frozen=True, slots=True)
class Kou(JumpDiffusion):
    """Jumps of the log price are exponential on either side; answers are cosine series.

    A jump is up with probability p, then exponential with rate eta1, and else down with rate eta2.
    Prices are right to about 1e-15 of the larger of forward and strike, and 4e-16 more for each
    jump that is expected; probabilities to 1e-15.

    `vol_annual` > 0 is sigma, `jumps_annual` >= 0 is lambda, `up_share` in [0, 1] is p; `up_rate`
    > 1 and `down_rate` > 0 are eta1 and eta2, one over the mean size of a jump of the log price.
    Raises: `InputError` for other parameters, and at an expiry whose diffusion is so narrow against
    the jumps that the series would need more than 2^18 terms.
    Source: Kou 2002, A Jump-Diffusion Model for Option Pricing; the series is `cos_method`.
    """

    vol_annual: float
    jumps_annual: float
    up_share: float
    up_rate: float
    down_rate: float

    def __post_init__(self) -> None:
        _require_floats(self)
        _require(self, self.vol_annual > 0, "vol_annual", "> 0")
        _require(self, self.jumps_annual >= 0, "jumps_annual", ">= 0")
        _require(self, 0 <= self.up_share <= 1, "up_share", "in [0, 1]")
        _require(self, self.up_rate > 1, "up_rate", "> 1, or the forward is infinite")
        _require(self, self.down_rate > 0, "down_rate", "> 0")

    @property
    def least_probability(self) -> float:
        """1e-10, where an error of 1e-15 in the probability still leaves 5 digits of it."""
        return 1e-10

    def characteristic(self, frequency: FloatArray, expiry_years: float) -> ComplexArray:
        """Args, Returns, Raises, Source: as `JumpDiffusion.characteristic`."""
        frequency, expiry_years = _frequencies(self, frequency), _expiry(self, expiry_years)
        wave = 1j * frequency
        with np.errstate(invalid="ignore"):  # a missing number stays one
            up = self.up_share * self.up_rate / (self.up_rate - wave)
            down = (1.0 - self.up_share) * self.down_rate / (self.down_rate + wave)
        smooth = wave * self._drift - 0.5 * (self.vol_annual * frequency) ** 2
        return np.asarray(np.exp(expiry_years * (smooth + self.jumps_annual * (up + down - 1.0))))

    def log_moment(self, order: FloatArray, expiry_years: float) -> FloatArray:
        """Args, Returns, Raises, Source: as `JumpDiffusion.log_moment`; within (-eta2, eta1)."""
        order, expiry_years = _orders(self, order), _expiry(self, expiry_years)
        exists = (order < self.up_rate) & (order > -self.down_rate)
        held = np.where(exists, order, 0.0)
        smooth = held * self._drift + 0.5 * (self.vol_annual * held) ** 2
        known = expiry_years * (smooth + self.jumps_annual * self._jump(held))
        return np.where(exists, known, np.inf)

    def at(self, expiry_years: float) -> LawAtExpiry:
        """The cosine series at one expiry > 0; `InputError` for another."""
        return CosineSeries.of(self, _expiry(self, expiry_years))

    def _jump(self, order: Any) -> Any:
        """E exp(s J) - 1, for s inside (-eta2, eta1)."""
        up = self.up_share * order / (self.up_rate - order)
        return up - (1.0 - self.up_share) * order / (self.down_rate + order)

    @property
    def _drift(self) -> float:
        return -0.5 * self.vol_annual**2 - self.jumps_annual * float(self._jump(1.0))

    def _cumulants_annual(self) -> tuple[float, float, float, float]:
        up, down = self.up_share * self.jumps_annual, (1.0 - self.up_share) * self.jumps_annual
        a, b = 1.0 / self.up_rate, 1.0 / self.down_rate
        return (
            self._drift + up * a - down * b,
            self.vol_annual**2 + 2.0 * (up * a**2 + down * b**2),
            6.0 * (up * a**3 - down * b**3),
            24.0 * (up * a**4 + down * b**4),
        )


def _known(*arrays: FloatArray) -> tuple[FloatArray, ...]:
    """What is not finite becomes NaN, which every answer keeps."""
    return tuple(np.where(np.isfinite(array), array, np.nan) for array in arrays)


def _mapped(curve_at: Callable[[float], Curve], years: ArrayLike, **points: ArrayLike) -> Any:
    batch = Batch.of(**points, expiry_years=years)
    return batch.wrap(_by_expiry(curve_at, *_known(*batch.arrays)))


def _by_expiry(
    curve_at: Callable[[float], Curve], points: FloatArray, years: FloatArray
) -> FloatArray:
    """Each point on the curve of its own expiry, which is built once; NaN where one is unknown."""
    answers = np.full(points.shape, np.nan)
    known = np.isfinite(points) & (years > 0)
    for expiry in np.unique(years[known]):
        here = known & (years == expiry)
        answers[here] = curve_at(float(expiry))(points[here])
    return answers


def _require_floats(law: JumpDiffusion) -> None:
    """Every parameter becomes a plain float, so that none lowers the precision of the rest."""
    for field in fields(law):  # type: ignore[arg-type]
        number = as_number(field.name, getattr(law, field.name), _name(law))
        object.__setattr__(law, field.name, number)


def _expiry(law: JumpDiffusion, expiry_years: float) -> float:
    years = as_positive("expiry_years", expiry_years, _name(law))
    _require(law, years <= EXPIRY_MAX_YEARS, "expiry_years", f"up to {EXPIRY_MAX_YEARS:g}")
    return years


def _orders(law: JumpDiffusion, order: ArrayLike) -> FloatArray:
    return bearable(as_floats("order", order, _name(law)))


def _frequencies(law: JumpDiffusion, frequency: Any) -> Any:
    """Numbers as an array; complex ones continue the function."""
    try:
        values = np.asarray(frequency)
    except ValueError:
        values = np.asarray("ragged")
    _require(law, values.dtype.kind in "biufc", "frequency", "at each place")
    return np.where(np.abs(values) <= AMOUNT_MOST, values, np.nan)


def _name(law: JumpDiffusion) -> str:
    return f"{type(law).__name__} law"


def _require(law: JumpDiffusion, condition: bool, field: str, bound: str) -> None:
    if not condition:
        expected = f"expected a finite number {bound}".rstrip()
        raise InputError(_name(law), field, expected)
