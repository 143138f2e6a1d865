# SPDX-License-Identifier: Apache-2.0
"""A chain of option quotes of one coin at one moment, and which of them inform a surface.

A quote is used if it has two sides, is out of the money, is not wider than half of its mid, and has
an implied volatility. Everything else is excluded, each quote for one reason: the first of
`Exclusion` that applies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError
from tidegate.model.times import YEAR_MS, format_time
from tidegate.pricing.arrays import (
    AMOUNT_LEAST,
    AMOUNT_MOST,
    TIME_MAX_MS,
    FloatArray,
    Rebuilt,
    as_floats,
    as_kind,
    as_moment,
    as_row,
    own,
)

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
CodeArray = npt.NDArray[np.uint8]

RELATIVE_SPREAD_MAX = 0.5
_COLUMNS = "expiry_ms strike_usd is_call bid ask forward_usd mark_vol_annual discount".split()
# Prices stand on a grid of ticks: many spreads are half of the mid but for rounding.
ROUNDING = 1e-9


class Exclusion(IntEnum):
    """Why a quote does not inform the surface; NONE means that it does."""

    NONE = 0
    EXPIRED = 1
    NOT_POSITIVE = 2
    ONE_SIDED = 3
    CROSSED = 4
    IN_THE_MONEY = 5
    WIDE = 6
    UNSOLVABLE = 7
    HELD_OUT = 8
    THIN_EXPIRY = 9


_REASONS = MappingProxyType(
    {
        Exclusion.NONE: "used",
        Exclusion.EXPIRED: "at or past its expiry",
        Exclusion.NOT_POSITIVE: "strike, forward or discount is not a positive number",
        Exclusion.ONE_SIDED: "no bid or no ask",
        Exclusion.CROSSED: "bid above ask",
        Exclusion.IN_THE_MONEY: "in the money",
        Exclusion.WIDE: "spread over 50 % of the mid",
        Exclusion.UNSOLVABLE: "the mid has no implied volatility",
        Exclusion.HELD_OUT: "held out by the caller",
        Exclusion.THIN_EXPIRY: "its expiry has too few quotes",
    }
)


def exclusion_reason(code: int) -> str:
    """The reason that an exclusion code stands for, in words; `InputError` for no such code."""
    try:
        return _REASONS[Exclusion(code)]
    except ValueError:
        expected = f"expected one of 0 to {max(_REASONS):d}"
        raise InputError("option chain", "exclusion", expected) from None


@dataclass(frozen=True, slots=True, eq=False)
class OptionChain(Rebuilt):
    """Quotes of one coin's options at one time, each row an option.

    Attributes:
        ts_ms: the time of the quotes.
        currency: the coin.
        expiry_ms, strike_usd, is_call: the option, shape (rows,).
        bid, ask: per unit of the coin; in coin if `inverse`, else USD; NaN or 0 if there is none.
        forward_usd: the venue's forward for the row's expiry when it was quoted.
        mark_vol_annual: the venue's mark volatility, NaN if unknown; no fit reads it.
        discount: value now of one unit of the settlement currency at expiry; one number or rows.
        inverse: whether options settle in coin.

    A number that is missing (None, NA, null, masked) is NaN; expiry and side must be known. The
    chain keeps copies of its own that cannot be written to.

    Raises: `InputError` for no rows, and for columns that are no numbers or of unlike length.
    """

    ts_ms: int
    currency: str
    expiry_ms: IntArray
    strike_usd: FloatArray
    is_call: BoolArray
    bid: FloatArray
    ask: FloatArray
    forward_usd: FloatArray
    mark_vol_annual: FloatArray
    discount: Any = 1.0
    inverse: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "currency", as_kind("currency", self.currency, str, "option chain")
        )
        object.__setattr__(self, "ts_ms", as_moment("ts_ms", self.ts_ms, "option chain"))
        if not isinstance(self.inverse, bool | np.bool_):
            raise InputError(self.where, "inverse", "expected True or False")
        object.__setattr__(self, "inverse", bool(self.inverse))
        rows = np.size(as_floats("expiry_ms", self.expiry_ms, self.where))
        if rows == 0:
            raise InputError(self.where, "rows", "expected at least one option")
        kinds = {"expiry_ms": self._expiries, "is_call": self._sides}
        for name in _COLUMNS:
            column = kinds.get(name, self._numbers)(name, rows)
            object.__setattr__(self, name, own(column))

    @property
    def where(self) -> str:
        """How errors name the chain: the coin and the time."""
        return f"option chain of {self.currency} at {format_time(self.ts_ms)}"

    @property
    def expiry_years(self) -> FloatArray:
        """Time to expiry of each row, in years of 365 days."""
        return np.asarray((self.expiry_ms - self.ts_ms) / YEAR_MS)

    def _numbers(self, name: str, rows: int) -> FloatArray:
        column = as_floats(name, getattr(self, name), self.where)
        if name == "discount" and column.ndim == 0:
            return np.full(rows, float(column))
        if column.shape != (rows,):
            expected = f"expected a number for each of the {rows} rows"
            raise InputError(self.where, name, expected)
        return column

    def _expiries(self, name: str, rows: int) -> IntArray:
        column = self._numbers(name, rows)
        if not np.all((column == np.rint(column)) & (np.abs(column) <= TIME_MAX_MS)):
            raise InputError(self.where, name, "expected whole milliseconds since 1970 in each row")
        return column.astype(np.int64)

    def _sides(self, name: str, rows: int) -> BoolArray:
        expected = "expected True or 1 for a call, False or 0 for a put"
        try:
            column = self._numbers(name, rows)
        except InputError:
            raise InputError(self.where, name, expected) from None
        if not np.isin(column, (0.0, 1.0)).all():
            raise InputError(self.where, name, expected)
        return np.asarray(column == 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Quotes:
    """A chain's quotes in the units of the fit, row by row; NaN where the row is excluded.

    Attributes:
        log_strike: k = ln(K / F) with the row's own forward.
        expiry_years: T.
        bid, ask, mid: value over discounted forward; for inverse options the price in coin over D.
        mid_vol_annual: implied volatility of the mid.
        exclusion: an `Exclusion` for each row.
    """

    log_strike: FloatArray
    expiry_years: FloatArray
    bid: FloatArray
    ask: FloatArray
    mid: FloatArray
    mid_vol_annual: FloatArray
    exclusion: CodeArray

    @property
    def used(self) -> BoolArray:
        """Which rows are not excluded."""
        return np.asarray(self.exclusion == Exclusion.NONE)


def quotes(chain: OptionChain) -> Quotes:
    """The chain's quotes in the units of the fit, each unusable one excluded with its reason.

    Filter: both sides quoted; a call only for K >= F, a put only for K < F; (ask - bid) / mid at
    most 50 %; beyond that only what cannot be computed with (expired, not positive, crossed, no
    implied volatility).

    Args: chain of n rows. Returns: `Quotes` of n rows. Raises: `InputError` for no chain.
    Source: the filter above; mids are solved by `implied_vol`.
    """
    as_kind("chain", chain, OptionChain, "quotes")
    sound = _sound(chain.forward_usd) & _sound(chain.strike_usd) & _sound(chain.discount)
    forward = np.where(sound, chain.forward_usd, 1.0)
    k = np.log(np.where(sound, chain.strike_usd, 1.0) / forward)
    unit = np.where(sound, chain.discount, 1.0) * (1.0 if chain.inverse else forward)
    bid, ask = (np.where(_sound(side), side, np.nan) / unit for side in (chain.bid, chain.ask))
    two_sided = _sound(bid) & _sound(ask)
    mid = np.where(two_sided, (bid + ask) / 2.0, np.nan)
    tests = {
        Exclusion.EXPIRED: chain.expiry_ms <= chain.ts_ms,
        Exclusion.NOT_POSITIVE: ~sound,
        Exclusion.ONE_SIDED: ~two_sided,
        Exclusion.CROSSED: bid > ask,
        Exclusion.IN_THE_MONEY: np.where(chain.is_call, k < 0.0, k >= 0.0),
        Exclusion.WIDE: ask - bid > (RELATIVE_SPREAD_MAX + ROUNDING) * mid,
    }
    codes = _first_reason(tests, k.size)
    vol = _implied_vol(mid, k, chain, codes == Exclusion.NONE)
    codes[(codes == Exclusion.NONE) & np.isnan(vol)] = Exclusion.UNSOLVABLE
    out = codes != Exclusion.NONE
    bid, ask, mid, vol = (np.where(out, np.nan, column) for column in (bid, ask, mid, vol))
    return Quotes(k, chain.expiry_years, bid, ask, mid, vol, codes)


def count_exclusions(codes: CodeArray) -> Mapping[str, int]:
    """How many rows are excluded for each reason, in words; the used ones are not counted.

    Args: codes of `Exclusion`, shape (n,). Raises: `InputError` for numbers that are none.
    """
    known = as_row("codes", codes, "exclusions")
    numbers, counts = np.unique(known[known != Exclusion.NONE], return_counts=True)
    return {exclusion_reason(n): int(count) for n, count in zip(numbers, counts, strict=True)}


def _sound(amount: FloatArray) -> BoolArray:
    return np.asarray((amount >= AMOUNT_LEAST) & (amount <= AMOUNT_MOST))


def _first_reason(tests: Mapping[Exclusion, BoolArray], size: int) -> CodeArray:
    codes = np.zeros(size, dtype=np.uint8)
    for code, failed in reversed(list(tests.items())):
        codes[failed] = code
    return codes


def _implied_vol(mid: FloatArray, k: FloatArray, chain: OptionChain, good: BoolArray) -> FloatArray:
    """Implied volatility of the mids of the good rows, NaN elsewhere and where there is none."""
    from tidegate.pricing.implied_vol import implied_vol

    vol = np.full(k.size, np.nan)
    if np.any(good):
        answer = implied_vol(
            mid[good], 1.0, np.exp(k[good]), chain.expiry_years[good], chain.is_call[good]
        )
        vol[good] = answer.vol_annual
    return vol
