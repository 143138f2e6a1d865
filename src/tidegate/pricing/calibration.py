# SPDX-License-Identifier: Apache-2.0
"""Fits a surface to a chain of quotes, with the absence of arbitrage as a hard bound.

All expiries are fitted at once, each to its own quotes: misfit in half spreads of price, which
weighs by vega and spread, Huber's function against stale quotes, and a weak prior along the
expiries. The bounds of `tidegate.pricing.essvi` are kept by an interior-point method at every
step, whatever the quotes say; quotes that are themselves arbitrageable are met as nearly as can
be. The method is told in `tidegate.pricing._calibration`.

The settings' defaults were chosen among 64 trials on quotes before 2026-03 of the chains that
`tidegate.pricing.evidence` measures, and judged on those after. That two regimes are mixed was
chosen before, among 23 trials of forms and losses that saw both parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tidegate.model.errors import InputError
from tidegate.pricing.arrays import (
    FloatArray,
    as_floats,
    as_kind,
    as_number,
    as_row,
    as_whole,
)
from tidegate.pricing.essvi import WING_MAX, Essvi
from tidegate.pricing.option_chain import (
    BoolArray,
    Exclusion,
    IntArray,
    OptionChain,
    Quotes,
    count_exclusions,
    quotes,
)
from tidegate.pricing.surface import ExpiryQuality, Quality, Surface, VenueMarks

if TYPE_CHECKING:
    from tidegate.pricing._calibration import Problem

# Where the fit starts: ln theta over that at the money, and the wings over sqrt(theta), of the low
# and the high regime, and of a single one.
_STARTS = {2: ((-0.25, 0.38, 0.12), (0.55, 1.35, 0.7)), 1: ((0.0, 0.8, 0.5),)}
# The start's theta grows by at least this from slice to slice, so that it has room on all sides.
_GROWTH = 1.02
# A spread is taken to be at least this share of the mid; a locked quote is not infinitely sure.
_SPREAD_LEAST = 1e-3


@dataclass(frozen=True, slots=True)
class Settings:
    """How a surface is fitted.

    Attributes:
        regimes: 2, or 1 for a plain eSSVI surface.
        high_share: share of the high regime in the price, between 0 and 1.
        quotes_least: an expiry with fewer used quotes gets no slice; a slice has 3 parameters.
        huber: misfit in half spreads beyond which a quote pulls no harder.
        level_walk, wing_walk: precision of the prior on a change of level or wing from one expiry
            to the next, per unit of ln T, against misfits in half spreads.
        anchor: precision of the prior on the distance from the start.
    """

    regimes: int = 2
    high_share: float = 0.25
    quotes_least: int = 3
    huber: float = 2.0
    level_walk: float = 1.0
    wing_walk: float = 0.3
    anchor: float = 0.01

    def __post_init__(self) -> None:
        for name, least in (("regimes", 1), ("quotes_least", 1)):
            number = as_whole(name, getattr(self, name), least, "calibration")
            object.__setattr__(self, name, number)
        for name in ("high_share", "huber", "level_walk", "wing_walk", "anchor"):
            object.__setattr__(self, name, as_number(name, getattr(self, name), "calibration"))
        rules = {
            "regimes": (self.regimes in _STARTS, "1 or 2"),
            "high_share": (0.0 < self.high_share < 1.0, "a number between 0 and 1"),
            "huber": (0.0 < self.huber <= 1e6, "a number between 0 and 1e6"),
            "level_walk": (0.0 <= self.level_walk <= 1e6, "a number between 0 and 1e6"),
            "wing_walk": (0.0 <= self.wing_walk <= 1e6, "a number between 0 and 1e6"),
            "anchor": (0.0 < self.anchor <= 1e6, "a number above 0 and up to 1e6"),
        }
        for name, (holds, expected) in rules.items():
            if not holds:
                raise InputError("calibration", name, f"expected {expected}")


DEFAULTS = Settings()


def calibrate(
    chain: OptionChain, settings: Settings = DEFAULTS, held_out: BoolArray | None = None
) -> Surface:
    """Fits an arbitrage-free surface to a chain.

    Minimises sum huber((value - mid) / half spread) + prior over eSSVI slices within the bounds.

    Args:
        chain: n quotes at one time.
        settings: how; the defaults suit BTC and ETH.
        held_out: rows that must not inform the fit, shape (n,).
    Returns: a `Surface` with its quality, and with the venue's marks beside it. An expiry with too
    few quotes has no slice of its own and is interpolated; quality says so.
    Raises: `InputError` where no expiry has enough quotes, `held_out` is not a boolean for each
    row, or an argument is of another kind.
    Source: eSSVI of Hendriks and Martini (2019), fitted as in Corbetta et al. (2019), but all
    slices at once and with interior points; mixing in price is ours.
    """
    as_kind("settings", settings, Settings, "calibration")
    used = _without(quotes(chain), chain, held_out)
    slices = _slices(used, chain, settings)
    problem = _problem(used, slices, settings)
    logs, converged = _solve(problem, _start(used, slices, settings), settings)
    years = np.exp(problem.log_years)
    regimes = [Essvi(years, *_parameters(logs[:, c])) for c in range(settings.regimes)]
    bare = Surface(
        chain.ts_ms,
        chain.currency,
        chain.inverse,
        np.array([chain.expiry_ms[rows[0]] for rows in slices]),
        np.array([_median(chain.forward_usd[rows]) for rows in slices]),
        np.array([_median(chain.discount[rows]) for rows in slices]),
        regimes[0],
        regimes[-1],
        settings.high_share if settings.regimes == 2 else 0.0,
        quality=None,
        marks=VenueMarks(chain.expiry_ms, chain.strike_usd, chain.is_call, chain.mark_vol_annual),
    )
    return _with_quality(bare, used, slices, (chain, settings, converged))


def _without(every: Quotes, chain: OptionChain, held_out: BoolArray | None) -> Quotes:
    """The quotes with the held-out rows excluded, where nothing else excludes them."""
    if held_out is None:
        return every
    rows = as_floats("held_out", held_out, chain.where)
    if rows.shape != every.exclusion.shape or not np.isin(rows, (0.0, 1.0)).all():
        raise InputError(chain.where, "held_out", f"expected {every.exclusion.size} booleans")
    every.exclusion[every.used & (rows == 1.0)] = Exclusion.HELD_OUT
    return every


def _slices(used: Quotes, chain: OptionChain, settings: Settings) -> list[IntArray]:
    """Rows of each expiry that has enough quotes; the others are marked as excluded."""
    rows = np.flatnonzero(used.used)
    order = rows[np.argsort(chain.expiry_ms[rows], kind="stable")]
    cuts = np.flatnonzero(np.diff(chain.expiry_ms[order])) + 1
    groups = np.split(order, cuts)
    for group in groups:
        if group.size < settings.quotes_least:
            used.exclusion[group] = Exclusion.THIN_EXPIRY
    slices = [group for group in groups if group.size >= settings.quotes_least]
    if not slices:
        found = ", ".join(f"{n} {why}" for why, n in count_exclusions(used.exclusion).items())
        raise InputError(
            chain.where,
            "quotes",
            f"expected an expiry with at least {settings.quotes_least} usable quotes; {found}",
        )
    return slices


def _problem(used: Quotes, slices: list[IntArray], settings: Settings) -> Problem:
    from tidegate.pricing._calibration import Problem

    rows = np.concatenate(slices)
    k, mid = used.log_strike[rows], used.mid[rows]
    half = np.maximum(used.ask[rows] - used.bid[rows], _SPREAD_LEAST * mid) / 2.0
    unit = np.exp(np.minimum(k, 0.0))
    two = settings.regimes == 2
    return Problem(
        k,
        mid / unit,
        unit / half,
        np.cumsum([0, *(group.size for group in slices)]),
        np.log(used.expiry_years[[group[0] for group in slices]]),
        np.array([1.0 - settings.high_share, settings.high_share] if two else [1.0]),
    )


def _start(used: Quotes, slices: list[IntArray], settings: Settings) -> FloatArray:
    """Strictly within the bounds: theta grows, the wings go with its square root."""
    nearest = [group[np.argmin(np.abs(used.log_strike[group]))] for group in slices]
    theta = used.mid_vol_annual[nearest] ** 2 * used.expiry_years[nearest]
    steps = _GROWTH ** np.arange(theta.size)
    theta = np.maximum.accumulate(theta / steps) * steps
    logs = np.empty((theta.size, settings.regimes, 3))
    for c, (level, put, call) in enumerate(_STARTS[settings.regimes]):
        own = theta * np.exp(level)
        room = min(1.0, 0.875 * WING_MAX / (max(put, call) * np.sqrt(own[-1])))
        wings = np.outer(room * np.sqrt(own), [put, call])
        logs[:, c] = np.log(np.column_stack([own, wings]))
    return logs


def _solve(problem: Problem, start: FloatArray, settings: Settings) -> tuple[FloatArray, bool]:
    from tidegate.pricing import _calibration

    rules = _calibration.Rules(
        settings.huber, settings.level_walk, settings.wing_walk, settings.anchor
    )
    logs, _, _, converged = _calibration.solve(problem, start, rules)
    return logs, converged


def _parameters(logs: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    theta, put, call = np.exp(logs.T)
    return theta, put, call


def _with_quality(
    surface: Surface,
    used: Quotes,
    slices: list[IntArray],
    fit: tuple[OptionChain, Settings, bool],
) -> Surface:
    chain, settings, converged = fit
    rows = np.concatenate(slices)
    inside, error = fit_of(surface, used, rows)
    cuts = np.cumsum([group.size for group in slices])[:-1]
    parts = zip(surface.expiry_ms, np.split(inside, cuts), np.split(error, cuts), strict=True)
    table = tuple(
        ExpiryQuality(int(ms), part.size, float(part.mean()), _median(errors))
        for ms, part, errors in parts
    )
    listed = np.setdiff1d(chain.expiry_ms, surface.expiry_ms)
    reason = f"fewer than {settings.quotes_least} usable quotes"
    quality = Quality(
        rows.size,
        float(inside.mean()),
        _median(error),
        table,
        count_exclusions(used.exclusion),
        {int(ms): reason for ms in listed},
        converged,
    )
    return replace(surface, quality=quality)


def _median(values: FloatArray) -> float:
    """numpy's own takes ten times as long on a few numbers."""
    ordered = np.sort(values)
    return float((ordered[(ordered.size - 1) // 2] + ordered[ordered.size // 2]) / 2.0)


def fit_of(surface: Surface, every: Quotes, rows: IntArray) -> tuple[BoolArray, FloatArray]:
    """Whether the surface's value lies inside bid and ask, and its error in vol points.

    Args: a surface; quotes in the units of the fit; the rows asked for, none excluded as unusable.
    Returns: booleans and 100 |model vol - mid vol|, of the shape of `rows`.
    Raises: `InputError` for rows that are no places among the quotes, or arguments of other kinds.
    Source: w of `Surface.smile`, vol = sqrt(w / T).
    """
    as_kind("surface", surface, Surface, "fit")
    size = as_kind("quotes", every, Quotes, "fit").exclusion.size
    places = as_row("rows", rows, "fit")
    if not np.all((places == np.rint(places)) & (places >= 0.0) & (places < size)):
        raise InputError("fit", "rows", f"expected places among {size} quotes")
    rows = places.astype(np.int64)
    k, years = every.log_strike[rows], every.expiry_years[rows]
    smile = surface.smile(k, years)
    inside = (smile.value >= every.bid[rows]) & (smile.value <= every.ask[rows])
    vol = np.sqrt(smile.total_variance / years)
    return np.asarray(inside), np.asarray(100.0 * np.abs(vol - every.mid_vol_annual[rows]))
