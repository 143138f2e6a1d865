# SPDX-License-Identifier: Apache-2.0
"""A user's slow series (macro, a halving calendar) as it was known at each origin.

A figure about a month is published weeks after it, and later revised. A row therefore carries the
moment it was published; an origin sees the newest period among rows published at or before it,
in that period's newest revision by then. A figure older than `max_age_ms` is unknown, not carried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class PublishedSeries:
    """Rows of (period, moment of publication, value), by publication; values finite."""

    name: str
    period_ms: IntArray
    published_ms: IntArray
    value: FloatArray

    def __post_init__(self) -> None:
        if not self.period_ms.shape == self.published_ms.shape == self.value.shape:
            raise InputError(self.name, "value", "expected one per period and publication")
        if np.any(np.diff(self.published_ms) < 0):
            raise InputError(self.name, "published_ms", "expected rows in order of publication")
        if np.any(self.published_ms < self.period_ms):
            raise InputError(self.name, "published_ms", "expected none before its own period")
        if not np.all(np.isfinite(self.value)):
            raise InputError(self.name, "value", "expected finite numbers")
        pairs = np.column_stack([self.period_ms, self.published_ms])
        if len(np.unique(pairs, axis=0)) < len(pairs):
            raise InputError(self.name, "published_ms", "expected one value per publication")


def as_known(series: PublishedSeries, at_ms: IntArray, max_age_ms: int) -> FloatArray:
    """Value of the newest period known at each origin, float64[m]; NaN before the first, or where
    it was published more than `max_age_ms` before."""
    known = np.full(at_ms.size, np.nan)
    count = np.searchsorted(series.published_ms, at_ms, side="right")
    for i, stop in enumerate(count.tolist()):
        if stop == 0:
            continue
        periods = series.period_ms[:stop]
        newest = stop - 1 - int(np.argmax(periods[::-1]))
        if at_ms[i] - series.published_ms[newest] <= max_age_ms:
            known[i] = series.value[newest]
    return known
