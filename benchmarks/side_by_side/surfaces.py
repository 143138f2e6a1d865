# SPDX-License-Identifier: Apache-2.0
"""A whole surface of 12 expiries and 60 strikes: those who fit it, and how they are judged."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.side_by_side import smile_fits
from benchmarks.side_by_side.chains import DAYS, QUICK_EXPIRIES, STRIKES, Smiles, smiles
from benchmarks.side_by_side.entries import OURS, Entry, Prepared, Topic
from benchmarks.side_by_side.quotes import FloatArray
from benchmarks.side_by_side.smile_fits import Curve
from tidegate.pricing import static_arbitrage


@dataclass(frozen=True, slots=True)
class Case:
    """A chain that a surface without arbitrage can meet, and one that none can."""

    sound: Smiles
    arbitrageable: Smiles


def case(quick: bool) -> Case:
    expiries = QUICK_EXPIRIES if quick else len(DAYS)
    return Case(smiles(expiries, False), smiles(expiries, True))


def _given(given: Case | Smiles) -> Smiles:
    return given.sound if isinstance(given, Case) else given


def _ours(regimes: int) -> Callable[[Case | Smiles], Prepared]:
    def prepare(given: Case | Smiles) -> Prepared:
        from tidegate.pricing.calibration import Settings, calibrate

        chain, settings = _given(given).chain(), Settings(regimes=regimes)
        return Prepared(lambda: calibrate(chain, settings), 1)

    return prepare


def _fitted(fit: Callable[[Smiles], list[Curve]]) -> Callable[[Case | Smiles], Prepared]:
    def prepare(given: Case | Smiles) -> Prepared:
        chain = _given(given)
        return Prepared(lambda: fit(chain), 1)

    return prepare


_GIVEN_VOLS = (
    "Less: is given mid volatilities; no prices, no filter, no quality, no expiries between"
)

ENTRIES = (
    Entry(
        "Tidegate",
        (OURS,),
        "From prices in coin: filter, implied vols, fit of two regimes within the bounds, quality.",
        _ours(2),
    ),
    Entry(
        "Tidegate, one regime",
        (OURS,),
        "The same, with plain eSSVI: half of the parameters.",
        _ours(1),
    ),
    Entry(
        "scipy SLSQP, eSSVI",
        ("scipy",),
        f"{_GIVEN_VOLS}. The same bounds as ours, expiry by expiry; one regime; written by hand.",
        _fitted(smile_fits.scipy_essvi),
    ),
    Entry(
        "scipy least_squares, raw SVI",
        ("scipy",),
        f"{_GIVEN_VOLS}; nothing excludes arbitrage. Analytic Jacobian; written by hand.",
        _fitted(smile_fits.scipy_raw_svi),
    ),
    Entry(
        "QuantLib SABR",
        ("QuantLib",),
        f"{_GIVEN_VOLS}; nothing excludes arbitrage. SABRInterpolation, beta = 1, its defaults.",
        _fitted(smile_fits.quantlib_sabr),
    ),
    Entry(
        "QuantLib SVI",
        ("QuantLib",),
        f"{_GIVEN_VOLS}; nothing excludes arbitrage. SviInterpolatedSmileSection, its defaults.",
        _fitted(smile_fits.quantlib_svi),
        slow=True,
    ),
)


def judge(given: Case, entry: Entry) -> dict[str, Any]:
    """Misfit of the sound chain, and violations of either at the quoted expiries."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        sound, crossed = (_answer(entry, chain) for chain in (given.sound, given.arbitrageable))
        misfit = _misfit(sound, given.sound)
        found = {
            "sound": _violations(sound, given.sound.years),
            "arbitrageable": _violations(crossed, given.arbitrageable.years),
        }
    return {**misfit, "violations": found}


def _answer(entry: Entry, chain: Smiles) -> Any:
    prepared = entry.prepare(chain)
    return prepared.read(prepared.call())


def _curves(answer: Any, k: FloatArray, years: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Total variance and Durrleman's g at log-strikes [expiries, points] of the quoted expiries."""
    if not isinstance(answer, list):
        smile = answer.smile(k, np.broadcast_to(years[:, None], k.shape))
        return smile.total_variance, smile.durrleman
    w, slope, bend = (
        np.array(part)
        for part in zip(*(curve(row) for curve, row in zip(answer, k, strict=True)), strict=True)
    )
    centre = 1.0 - k * slope / (2.0 * w)
    return w, centre**2 - slope**2 / 4.0 * (1.0 / w + 0.25) + bend / 2.0


def _misfit(answer: Any, chain: Smiles) -> dict[str, Any]:
    w, _ = _curves(answer, chain.log_strike, chain.years)
    vol = np.sqrt(w / chain.years[:, None])
    return {
        "rms_error_vol_points": float(100.0 * np.sqrt(np.mean((vol - chain.mid) ** 2))),
        "share_inside": float(np.mean((vol >= chain.bid) & (vol <= chain.ask))),
    }


def _violations(answer: Any, years: FloatArray) -> dict[str, int]:
    """Points where a butterfly is free, and where a calendar is, on 300 log-strikes within 1.5."""
    k = np.tile(static_arbitrage.log_strikes(), (len(years), 1))
    w, g = _curves(answer, k, years)
    least = -static_arbitrage.TOLERANCE
    found = {
        "butterflies": int(np.sum(~(g >= least))),
        "calendars": int(np.sum(~(np.diff(w, axis=0) >= least))),
    }
    if not isinstance(answer, list):
        everywhere = static_arbitrage.check(answer, static_arbitrage.expiries_between(years))
        found["between_expiries"] = everywhere.butterflies + everywhere.calendars
    return found


def _counts(found: dict[str, int]) -> str:
    """Butterflies, calendars, and what is found between expiries by those who have any there."""
    return " / ".join(str(count) for count in found.values())


TOPIC = Topic(
    "surface",
    "A whole surface",
    "surfaces",
    f"A surface fitted to {len(DAYS)} expiries of {STRIKES} out-of-the-money quotes, mids of an "
    "SSVI surface with noise of a quarter of a vol point, half spreads of half a vol point.",
    ENTRIES,
    case,
    judge,
    {
        "rms misfit, vol points": lambda e: f"{e['rms_error_vol_points']:.3f}",
        "inside bid-ask": lambda e: f"{e['share_inside']:.1%}",
        "violations, sound chain": lambda e: _counts(e["violations"]["sound"]),
        "violations, arbitrageable chain": lambda e: _counts(e["violations"]["arbitrageable"]),
    },
)
