# SPDX-License-Identifier: Apache-2.0
"""The volatility surface of one coin: a frozen value that knows its quality and its proof.

Two regimes, each an eSSVI term structure, are mixed in price with one share for all expiries:

    C(K, T) = (1 - share) Black(K, w_low(k, T)) + share Black(K, w_high(k, T)),  k = ln(K / F(T)).

At each k a regime's value never falls with expiry and is convex in K, because the regime keeps the
bounds of `tidegate.pricing.essvi`; the shares are constants, so the same holds for the mixture:
there is no butterfly and no calendar arbitrage at, between and beyond the quoted expiries. One
regime alone cannot follow the smiles of crypto options, whose wings and shoulders are not those of
one hyperbola. The volatility given out is the one that reprices the mixture.

`arbitrage_free` says whether that proof holds. A fit always has it; a shock or a sticky-strike
move may lose it, and then says which bound is broken. `static_arbitrage.check` looks itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Any

import numpy as np

from tidegate.model.errors import InputError
from tidegate.pricing.arrays import (
    AMOUNT_LEAST,
    AMOUNT_MOST,
    TIME_MAX_MS,
    ArrayLike,
    Batch,
    FloatArray,
    Rebuilt,
    as_floats,
    as_kind,
    as_number,
    as_positive,
    as_row,
    own,
)
from tidegate.pricing.essvi import BrokenBound, Essvi
from tidegate.pricing.option_chain import BoolArray, IntArray

DAYS_A_YEAR = 365.0
TERM_DAYS = 30.0
# A skew beyond would multiply a wing by more than float64 holds of its square.
_SKEW_MAX = 300.0


class Dynamics(Enum):
    """What stays when the forward moves: the volatility of a strike, or of a moneyness."""

    STICKY_STRIKE = "sticky strike"
    STICKY_DELTA = "sticky delta"


@dataclass(frozen=True, slots=True)
class Shock:
    """Relative moves of the surface; all zero is none.

    Attributes:
        level: change of the volatility at the money at all expiries, 0.1 being ten per cent up.
        term: a further change at 30 days and below, fading with sqrt(30 d / T) beyond.
        skew: the call wing is multiplied by exp(skew), the put wing by exp(-skew).
    """

    level: float = 0.0
    term: float = 0.0
    skew: float = 0.0


@dataclass(frozen=True, slots=True)
class ExpiryQuality:
    """One expiry of a fit: quotes used, share inside bid and ask, median error in vol points."""

    expiry_ms: int
    quotes: int
    inside_share: float
    median_error_vol_points: float


@dataclass(frozen=True, slots=True)
class Quality(Rebuilt):
    """How a surface meets the quotes it was fitted to, and what it was not fitted to.

    Attributes:
        quotes: number of quotes used.
        inside_share: share of them whose model value is neither below the bid nor above the ask.
        median_error_vol_points: median of |model - mid| volatility, in hundredths.
        expiries: the same for each expiry.
        excluded: number of quotes left out for each reason.
        dropped_expiries: expiries without a slice, and why.
        converged: whether the fit ended because nothing was left to gain.
    """

    quotes: int
    inside_share: float
    median_error_vol_points: float
    expiries: tuple[ExpiryQuality, ...]
    excluded: Mapping[str, int]
    dropped_expiries: Mapping[int, str]
    converged: bool

    def __post_init__(self) -> None:
        for name in ("excluded", "dropped_expiries"):
            counts = dict(as_kind(name, getattr(self, name), Mapping, "quality"))
            object.__setattr__(self, name, MappingProxyType(counts))

    def __reduce__(self) -> tuple[Any, ...]:
        kind, values = Rebuilt.__reduce__(self)
        plain = (dict(each) if isinstance(each, Mapping) else each for each in values)
        return kind, tuple(plain)


@dataclass(frozen=True, slots=True, eq=False)
class VenueMarks(Rebuilt):
    """The venue's own mark volatilities, which its liquidation uses and no fit of ours reads."""

    expiry_ms: IntArray
    strike_usd: FloatArray
    is_call: BoolArray
    vol_annual: FloatArray

    def __post_init__(self) -> None:
        names = ("expiry_ms", "strike_usd", "is_call", "vol_annual")
        columns = {name: as_row(name, getattr(self, name), "venue marks") for name in names}
        expiry_ms, is_call = columns["expiry_ms"], columns["is_call"]
        if len({column.size for column in columns.values()}) > 1:
            raise InputError("venue marks", "rows", "expected columns of one length")
        if not np.all((expiry_ms == np.rint(expiry_ms)) & (np.abs(expiry_ms) <= TIME_MAX_MS)):
            raise InputError("venue marks", "expiry_ms", "expected whole milliseconds since 1970")
        if not np.all((is_call == 0.0) | (is_call == 1.0)):
            raise InputError("venue marks", "is_call", "expected True or False in each row")
        columns |= {"expiry_ms": expiry_ms.astype(np.int64), "is_call": is_call == 1.0}
        for name, column in columns.items():
            object.__setattr__(self, name, own(column))


@dataclass(frozen=True, slots=True, eq=False)
class Smile:
    """A surface at given points: value of the out-of-the-money option over its discounted forward,
    total variance w, dw/dk, and Durrleman's g."""

    value: Any
    total_variance: Any
    slope: Any
    durrleman: Any


@dataclass(frozen=True, slots=True, eq=False)
class Surface(Rebuilt):
    """Implied volatility of one coin's options at any strike and expiry.

    Attributes:
        ts_ms, currency, inverse: when, of what, and whether options settle in coin.
        expiry_ms, forward_usd, discount: of each slice.
        low, high: the regimes, on the same expiries; one regime alone is given twice.
        high_share: the share of the second in the price, 0 for one regime alone.
        log_shift: ln of the forward's move since the fit, where smiles stayed at their strikes.
        quality, marks: of the fit, and of the venue; absent where there was no chain.
    """

    ts_ms: int
    currency: str
    inverse: bool
    expiry_ms: IntArray
    forward_usd: FloatArray
    discount: FloatArray
    low: Essvi
    high: Essvi
    high_share: float
    log_shift: float = 0.0
    quality: Quality | None = None
    marks: VenueMarks | None = None

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            as_kind(name, getattr(self, name), Essvi, "surface")
        for name in ("high_share", "log_shift"):
            object.__setattr__(self, name, as_number(name, getattr(self, name), "surface"))
        alike = self.high_share == 0.0 and self.low is self.high
        if not (alike or 0.0 < self.high_share < 1.0):
            raise InputError(
                "surface", "high_share", "expected between 0 and 1, or 0 and one regime twice"
            )
        if not np.array_equal(self.low.expiry_years, self.high.expiry_years):
            raise InputError("surface", "high", "expected the expiries of the low regime")
        for name in ("expiry_ms", "forward_usd", "discount"):
            values = as_floats(name, getattr(self, name), "surface")
            if values.shape != self.expiry_years.shape or not np.all(_positive(values)):
                raise InputError("surface", name, "expected a positive number for each slice")
            object.__setattr__(self, name, own(values))
        object.__setattr__(self, "expiry_ms", own(self.expiry_ms.astype(np.int64)))

    @property
    def expiry_years(self) -> FloatArray:
        """The expiries that have a slice, in years."""
        return self.low.expiry_years

    @property
    def broken_bounds(self) -> tuple[BrokenBound, ...]:
        """The bounds of either regime that do not hold; none for a fit."""
        regimes = (self.low,) if self.high is self.low else (self.low, self.high)
        return tuple(bound for regime in regimes for bound in regime.broken_bounds())

    @property
    def arbitrage_free(self) -> bool:
        """Whether the absence of butterfly and calendar arbitrage is proved, at all strikes."""
        return self.log_shift == 0.0 and not self.broken_bounds

    def smile(self, log_strike: ArrayLike, expiry_years: ArrayLike) -> Smile:
        """Value, total variance, its slope in k, and Durrleman's g.

        Args: k = ln(K / F), any sign; T in years, positive; broadcast.
        Returns: `Smile` of floats, arrays or Series as the inputs were; NaN where an input is no
        number or T is not positive. Errors: w to 1e-12 of itself.
        Raises: `InputError` for shapes that do not broadcast.
        Source: the module's text; g of Durrleman (2003), for the mixture from its density.
        """
        batch = Batch.of(log_strike=log_strike, expiry_years=expiry_years)
        return Smile(*(batch.wrap(row) for row in self._rows(*batch.arrays)))

    def total_variance(self, log_strike: ArrayLike, expiry_years: ArrayLike) -> Any:
        """w(k, T) = vol**2 T. Args, Raises, Source: as `smile`. Returns: w, as the inputs were."""
        return self.smile(log_strike, expiry_years).total_variance

    def durrleman(self, log_strike: ArrayLike, expiry_years: ArrayLike) -> Any:
        """Durrleman's g(k, T), below 0 where a butterfly would be free.

        Args, Raises, Source: as `smile`. Returns: g, as the inputs were.
        """
        return self.smile(log_strike, expiry_years).durrleman

    def vol(self, strike_usd: ArrayLike, expiry_years: ArrayLike) -> Any:
        """Implied volatility of a strike, sqrt(w(ln(K / F), T) / T), annual.

        Args: K in USD and T in years, positive, broadcast. Returns: as the inputs were; NaN where
        an input is not positive. Raises: `InputError` for shapes that do not broadcast.
        Source: the module's text; w by `smile`.
        """
        batch = Batch.of(strike_usd=strike_usd, expiry_years=expiry_years)
        strike, years = batch.arrays
        w = self._rows(self._log_strike(strike, years), years)[1]
        return batch.wrap(np.sqrt(w / np.where(years > 0.0, years, np.nan)))

    def forward_at(self, expiry_years: ArrayLike) -> Any:
        """Forward in USD: ln F is linear in T between the slices, constant outside.

        Args: T in years, not negative, any shape. Returns: USD, as T was; NaN where T is no time.
        Raises: `InputError` for what is not numbers. Source: no arbitrage needs any such line.
        """
        batch = Batch.of(expiry_years=expiry_years)
        years = _times(batch.arrays[0])
        return batch.wrap(np.exp(np.interp(years, self.expiry_years, np.log(self.forward_usd))))

    def discount_at(self, expiry_years: ArrayLike) -> Any:
        """Value now of one unit of the settlement currency: ln D is linear in T from ln 1 at 0,
        and goes on with the last rate.

        Args, Raises: as `forward_at`. Returns: D, as T was; NaN where T is no time.
        Source: constant forward rates between the slices.
        """
        batch = Batch.of(expiry_years=expiry_years)
        years, nodes = _times(batch.arrays[0]), np.concatenate([np.zeros(1), self.expiry_years])
        logs = np.concatenate([np.zeros(1), np.log(self.discount)])
        beyond = np.maximum(years / nodes[-1], 1.0) * logs[-1]
        inside = np.interp(years, nodes, logs)
        return batch.wrap(np.exp(np.where(years > nodes[-1], beyond, inside)))

    def price_usd(self, strike_usd: ArrayLike, expiry_years: ArrayLike, is_call: ArrayLike) -> Any:
        """Black-76 value in USD at the surface's volatility, forward and discount.

        Args: K in USD, T in years, true for a call; broadcast. Returns: as the inputs were.
        An inverse option is worth this over the forward in coin. Raises: as `vol`.
        Source: Black (1976), see `black76.price`.
        """
        from tidegate.pricing import black76

        batch = Batch.of(strike_usd=strike_usd, expiry_years=expiry_years, is_call=is_call)
        strike, years, call = batch.arrays
        return batch.wrap(
            black76.price(
                self.forward_at(years),
                strike,
                years,
                self.vol(strike, years),
                call,
                self.discount_at(years),
            )
        )

    def vol_per_usd(
        self, strike_usd: ArrayLike, expiry_years: ArrayLike, dynamics: Dynamics
    ) -> Any:
        """How the volatility of a strike follows the forward: d sigma / dF at fixed K.

        0 if sticky at the strike; -(d sigma / dk) / F = -w' / (2 F sqrt(w T)) if sticky in delta.
        A smile-adjusted delta is Black's plus vega times this (Alexander and Imeraj 2023).

        Args: K in USD, T in years, broadcast; `Dynamics`. Returns: 1 / USD, as the inputs were.
        Raises: as `vol`, and for what is no `Dynamics`. Source: as above, section 2.
        """
        batch = Batch.of(strike_usd=strike_usd, expiry_years=expiry_years)
        strike, years = batch.arrays
        if as_kind("dynamics", dynamics, Dynamics, "surface") is Dynamics.STICKY_STRIKE:
            return batch.wrap(np.where((strike > 0.0) & (years > 0.0), 0.0, np.nan))
        _, w, slope, _ = self._rows(self._log_strike(strike, years), years)
        spread = 2.0 * self.forward_at(years) * np.sqrt(w * np.where(years > 0.0, years, np.nan))
        return batch.wrap(-slope / spread)

    def moved(self, forward_ratio: float, dynamics: Dynamics) -> Surface:
        """The surface after all forwards moved by one ratio.

        Sticky delta: w(k) stays, and with it the proof. Sticky strike: the volatility of each
        strike stays, w(k + ln ratio); it was proved for the old forward, not for the new one, so
        `arbitrage_free` is then false.

        Args: new forward over old, positive; `Dynamics`. Returns: a new `Surface`.
        Raises: `InputError` for anything else. Source: Derman (1999), Regimes of volatility.
        """
        ratio = as_positive("forward_ratio", forward_ratio, "surface")
        if not AMOUNT_LEAST <= ratio <= AMOUNT_MOST:
            raise InputError("surface", "forward_ratio", "expected a positive number of some size")
        stays = as_kind("dynamics", dynamics, Dynamics, "surface") is Dynamics.STICKY_DELTA
        shift = 0.0 if stays else math.log(ratio)
        return replace(self, forward_usd=self.forward_usd * ratio, log_shift=self.log_shift + shift)

    def shocked(self, shock: Shock) -> Surface:
        """The surface under relative shocks of level, term and skew.

        With m(T) = 1 + level + term min(1, sqrt(30 d / T)) each regime has theta' = m**2 theta,
        p_call' = m exp(skew) p_call and p_put' = m exp(-skew) p_put: the smile keeps its form in
        units of its own deviation. A level shock keeps all bounds but the one on the wings, a
        downward-sloping term shock or a skew shock may break others; `broken_bounds` says so.

        Args: `Shock`. Returns: a new `Surface`. Raises: `InputError` for what is no number, or
        leaves no volatility. Source: ours, in the parameters of `tidegate.pricing.essvi`.
        """
        as_kind("shock", shock, Shock, "surface")
        level, term, skew = (
            as_number(f"shock.{name}", getattr(shock, name), "surface")
            for name in ("level", "term", "skew")
        )
        fade = np.sqrt(TERM_DAYS / np.maximum(self.expiry_years * DAYS_A_YEAR, TERM_DAYS))
        scale = 1.0 + level + term * fade
        if not (np.all(scale > 0.0) and abs(skew) <= _SKEW_MAX):
            raise InputError("surface", "shock", "expected numbers that leave volatility")

        def struck(regime: Essvi) -> Essvi:
            return Essvi(
                regime.expiry_years,
                regime.theta * scale**2,
                regime.put_wing * scale * math.exp(-skew),
                regime.call_wing * scale * math.exp(skew),
            )

        low = struck(self.low)
        high = low if self.high is self.low else struck(self.high)
        return replace(self, low=low, high=high)

    def _log_strike(self, strike: FloatArray, years: FloatArray) -> FloatArray:
        sound = np.where((strike > 0.0) & np.isfinite(strike), strike, np.nan)
        return np.asarray(np.log(sound / self.forward_at(years)))

    def _rows(self, k: FloatArray, years: FloatArray) -> FloatArray:
        """Value, w, dw/dk, g in rows; with a log_shift g is taken anew around the new forward."""
        from tidegate.pricing import _essvi

        good = np.isfinite(k) & np.isfinite(years) & (years > 0.0)
        years, k = np.where(good, years, 1.0), np.where(good, k, 0.0)
        inputs = np.empty((_essvi.INPUTS, k.size))
        inputs[0] = k + self.log_shift
        for row, regime in ((1, self.low), (4, self.high)):
            at = regime.at(years)
            inputs[row : row + 3] = at.theta, at.put_wing, at.call_wing
        rows = np.empty((_essvi.OUTPUTS, k.size))
        _essvi.smiles(inputs, self.high_share, rows)
        if self.log_shift != 0.0:
            rows = _essvi.shifted(rows, inputs[0], k)
        rows[:, ~good] = np.nan
        return rows


def _times(years: FloatArray) -> FloatArray:
    return np.where((years >= 0.0) & np.isfinite(years), years, np.nan)


def _positive(values: FloatArray) -> BoolArray:
    return np.asarray((values > 0.0) & np.isfinite(values))
