# SPDX-License-Identifier: Apache-2.0
"""How long money takes on a route, and how likely it freezes, learned from transfers seen so far.

Given that it lands, the log of the latency is normal with unknown mean and variance under a
normal-inverse-gamma prior; whether it freezes is Bernoulli under a beta prior. The prior is the
route's stated median and 95 % point, worth a stated number of transfers, so that a route never
used is still a distribution and one transfer does not overturn it. The predictive log latency is
Student's t: what few observations leave open is in the tail, where buffers are decided.

A transfer still on its way says that it took longer than its age: its log latency is replaced by
its expectation beyond that age, under the parameters the others give, until nothing moves. One
older than `freeze_after_s` counts as frozen even if it landed later.

Source: Gelman et al., Bayesian Data Analysis (2013), section 3.3 for the posterior.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr
from scipy.stats import beta
from scipy.stats import t as student_t

from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]

_P95 = 1.6448536269514722
_NODES = 200
_ROUNDS = 30


class ObservedTransfer(msgspec.Struct, frozen=True):
    """When money left and when it landed (ms UTC); None while it has not."""

    sent_ms: int
    landed_ms: int | None = None

    def __post_init__(self) -> None:
        if self.landed_ms is not None and self.landed_ms <= self.sent_ms:
            raise InputError("transfer", "landed_ms", "expected after sent_ms")


class LatencyPrior(msgspec.Struct, frozen=True):
    """Stated median and 95 % point, and how many transfers the statement is worth; the freeze
    probability's mean, and how many transfers that is worth."""

    median_s: float
    p95_s: float
    worth: float = 5.0
    freeze_probability: float = 0.005
    freeze_worth: float = 100.0
    freeze_after_s: float = 86_400.0

    def __post_init__(self) -> None:
        if not 0.0 < self.median_s < self.p95_s <= self.freeze_after_s:
            raise InputError(
                "latency prior", "median_s, p95_s", "expected 0 < median < p95 <= freeze_after_s"
            )
        if not (self.worth > 0.0 and self.freeze_worth > 0.0):
            raise InputError("latency prior", "worth, freeze_worth", "expected above zero")
        if not 0.0 < self.freeze_probability < 1.0:
            raise InputError("latency prior", "freeze_probability", "expected in (0, 1)")


@dataclass(frozen=True, slots=True)
class LatencyForecast:
    """Predictive distribution of a route: t location, scale, freedom of log seconds, and freezes.

    `freeze_low`, `freeze_high` bound the freeze probability at 95 %; `n_landed`, `n_frozen` and
    `n_in_flight` are what it was learned from.
    """

    location: float
    scale: float
    freedom: float
    freeze_probability: float
    freeze_low: float
    freeze_high: float
    n_landed: int
    n_frozen: int
    n_in_flight: int

    def landed_quantile_s(self, probability: float) -> float:
        """Seconds within which a share of those that land have landed."""
        deviations = float(student_t.ppf(probability, self.freedom))
        return math.exp(self.location + self.scale * deviations)

    def quantile_s(self, probability: float) -> float:
        """Seconds within which money has landed with this probability; infinite beyond those
        that land at all."""
        landing = 1.0 - self.freeze_probability
        return self.landed_quantile_s(probability / landing) if probability < landing else math.inf

    def nodes(self) -> tuple[FloatArray, FloatArray]:
        """Seconds and weights float64[200] of equal probability; the weights lack the freeze
        probability of one, as a discrete latency that may never land expects."""
        middle = (np.arange(_NODES) + 0.5) / _NODES
        deviations = student_t.ppf(middle, self.freedom)
        seconds = np.exp(self.location + self.scale * deviations)
        return seconds, np.full(_NODES, (1.0 - self.freeze_probability) / _NODES)


def learn_latency(
    transfers: Sequence[ObservedTransfer], at_ms: int, prior: LatencyPrior
) -> LatencyForecast:
    """Posterior predictive at one moment, from what had been seen by then.

    A transfer sent later is not known; one that landed later is on its way.
    """
    known = [each for each in transfers if each.sent_ms <= at_ms]
    landed, waiting, frozen = _sorted_out(known, at_ms, prior.freeze_after_s)
    location, scale, freedom = _posterior(np.log(landed), np.log(waiting), prior)
    a = prior.freeze_worth * prior.freeze_probability + frozen
    b = prior.freeze_worth * (1.0 - prior.freeze_probability) + len(landed)
    low, high = beta.ppf([0.025, 0.975], a, b)
    return LatencyForecast(
        location,
        scale,
        freedom,
        a / (a + b),
        float(low),
        float(high),
        len(landed),
        frozen,
        len(waiting),
    )


def _sorted_out(
    known: Sequence[ObservedTransfer], at_ms: int, freeze_after_s: float
) -> tuple[list[float], list[float], int]:
    """Seconds of those that landed in time, ages of those on their way, and the frozen count."""
    landed, waiting, frozen = [], [], 0
    for each in known:
        has_landed = each.landed_ms is not None and each.landed_ms <= at_ms
        end_ms = each.landed_ms if has_landed and each.landed_ms is not None else at_ms
        seconds = (end_ms - each.sent_ms) / 1000.0
        if seconds > freeze_after_s:
            frozen += 1
        elif has_landed:
            landed.append(seconds)
        elif seconds > 0.0:
            waiting.append(seconds)
    return landed, waiting, frozen


def _posterior(
    landed: FloatArray, waiting: FloatArray, prior: LatencyPrior
) -> tuple[float, float, float]:
    """Location, scale and freedom of the predictive t of log seconds.

    The prior's shape is worth / 2 + 1, so that its mean variance is the stated one.
    """
    centre = math.log(prior.median_s)
    variance = (math.log(prior.p95_s / prior.median_s) / _P95) ** 2
    shape = prior.worth / 2.0 + 1.0
    location, spread = centre, math.sqrt(variance)
    n = landed.size + waiting.size
    for _ in range(_ROUNDS):
        filled, extra = _beyond(waiting, location, spread)
        values = np.concatenate([landed, filled])
        mean = float(values.mean()) if n else centre
        strength = prior.worth + n
        moved = (prior.worth * centre + n * mean) / strength
        squares = float(((values - mean) ** 2).sum()) + extra
        between = prior.worth * n * (mean - centre) ** 2 / strength
        rate = variance * (shape - 1.0) + 0.5 * (squares + between)
        new_spread = math.sqrt(rate / (shape + n / 2.0 - 1.0))
        settled = abs(moved - location) + abs(new_spread - spread) < 1e-9
        location, spread = moved, new_spread
        if settled:
            break
    final_shape = shape + n / 2.0
    scale = math.sqrt(rate / final_shape * (1.0 + 1.0 / strength))
    return location, scale, 2.0 * final_shape


def _beyond(waiting: FloatArray, location: float, spread: float) -> tuple[FloatArray, float]:
    """Mean log latency beyond each age, and the variance that stays around those means.

    With a the standardised age and h = phi(a) / (1 - Phi(a)): mean = m + s h, variance
    = s^2 (1 + a h - h^2).
    """
    a = (waiting - location) / spread
    hazard = np.exp(-0.5 * a**2 - 0.5 * math.log(2.0 * math.pi) - log_ndtr(-a))
    variance = spread**2 * np.maximum(1.0 + a * hazard - hazard**2, 0.0)
    return location + spread * hazard, float(variance.sum())
