# SPDX-License-Identifier: Apache-2.0
"""Revaluation of a book over a grid and over paths: those who do it, and how they are judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpmath import mp, mpf
from scipy.special import ndtr

from benchmarks.side_by_side.entries import OURS, Entry, Prepared, Topic, error_text
from benchmarks.side_by_side.quotes import DIGITS, FORWARD_USD, BoolArray, FloatArray, exact_price

OPTIONS, QUICK_OPTIONS = 500, 40
GRID, PATHS, QUICK_PATHS = (33, 11), 10_000, 200
CHUNK = 64
# How many scenarios a peer does that loops over options one by one in Python.
LOOPED = 10
SAMPLE = 3


@dataclass(frozen=True, slots=True)
class Book:
    """Columns of options of one underlying, at no rate, with a quantity of each."""

    strike: FloatArray
    expiry_years: FloatArray
    vol_annual: FloatArray
    is_call: BoolArray
    quantity: FloatArray


@dataclass(frozen=True, slots=True)
class Case:
    """A book, and scenarios as a forward ratio and an additive vol shift each, by one walk.

    `grid` has its two axes where the scenarios are every ratio with every shift.
    """

    book: Book
    ratio: FloatArray
    shift: FloatArray
    grid: tuple[FloatArray, FloatArray] | None
    exact: FloatArray
    plain: FloatArray

    @property
    def scale_usd(self) -> float:
        """What the book's positions are worth, long and short added."""
        return float(np.sum(np.abs(self.book.quantity) * _worth(self.book, 1.0, 0.0)))


def book_of(count: int, seed: int) -> Book:
    """Strikes within 40 % of the forward, a day to a year, long and short."""
    random = np.random.default_rng(seed)
    strike = FORWARD_USD * np.exp(random.uniform(-0.4, 0.4, count))
    years = np.exp(random.uniform(np.log(1.0 / 365.0), 0.0, count))
    vol, calls = random.uniform(0.3, 1.2, count), random.random(count) < 0.5
    return Book(strike, years, vol, calls, random.normal(0.0, 2.0, count))


def grid_case(quick: bool) -> Case:
    """33 ratios from half to one and a half of the forward, 11 shifts of up to 25 points."""
    ratios, shifts = np.linspace(0.5, 1.5, GRID[0]), np.linspace(-0.25, 0.25, GRID[1])
    ratio, shift = (axis.reshape(-1) for axis in np.meshgrid(ratios, shifts, indexing="ij"))
    return _case(quick, ratio, shift, (ratios, shifts))


def paths_case(quick: bool) -> Case:
    """Paths with a ratio and a shift of their own."""
    random, count = np.random.default_rng(19), QUICK_PATHS if quick else PATHS
    ratio = np.exp(0.1 * random.standard_normal(count))
    return _case(quick, ratio, 0.05 * random.standard_normal(count), None)


def _case(
    quick: bool, ratio: FloatArray, shift: FloatArray, grid: tuple[FloatArray, FloatArray] | None
) -> Case:
    book = book_of(QUICK_OPTIONS if quick else OPTIONS, seed=17)
    few = np.linspace(0, len(ratio) - 1, SAMPLE).astype(np.int64)
    exact = np.array([_exact_pnl(book, ratio[place], shift[place]) for place in few])
    return Case(book, ratio, shift, grid, exact, _chunked_pnl(book, ratio, shift))


def _exact_pnl(book: Book, ratio: float, shift: float) -> float:
    """Profit of the book in 50 digits, then rounded."""
    with mp.workdps(DIGITS):
        total = mpf(0)
        for strike, years, vol, call, quantity in zip(
            book.strike.tolist(),
            book.expiry_years.tolist(),
            book.vol_annual.tolist(),
            book.is_call.tolist(),
            book.quantity.tolist(),
            strict=True,
        ):
            root = mp.sqrt(mpf(years))
            then = exact_price(
                mpf(FORWARD_USD) * mpf(ratio), mpf(strike), (mpf(vol) + mpf(shift)) * root, call
            )
            now = exact_price(mpf(FORWARD_USD), mpf(strike), mpf(vol) * root, call)
            total += mpf(quantity) * (then - now)
        return float(total)


def _worth(book: Book, ratio: Any, shift: Any) -> FloatArray:
    """Value of one of each option; ratio and shift may be columns of scenarios."""
    forward = FORWARD_USD * ratio
    s = (book.vol_annual + shift) * np.sqrt(book.expiry_years)
    d1 = np.log(forward / book.strike) / s + 0.5 * s
    sign = np.where(book.is_call, 1.0, -1.0)
    return np.asarray(sign * (forward * ndtr(sign * d1) - book.strike * ndtr(sign * (d1 - s))))


def _broadcast_pnl(book: Book, ratio: FloatArray, shift: FloatArray) -> FloatArray:
    now = _worth(book, 1.0, 0.0) @ book.quantity
    return np.asarray(_worth(book, ratio[:, None], shift[:, None]) @ book.quantity - now)


def _chunked_pnl(book: Book, ratio: FloatArray, shift: FloatArray) -> FloatArray:
    starts = range(0, len(ratio), CHUNK)
    parts = [(ratio[start : start + CHUNK], shift[start : start + CHUNK]) for start in starts]
    return np.concatenate([_broadcast_pnl(book, *part) for part in parts])


def _prepared(given: Case, call: Callable[[], Any], read: Any = None) -> Prepared:
    things = len(given.book.strike) * len(given.ratio)
    return Prepared(call, things, read or (lambda answer: answer))


def _ours(given: Case) -> Prepared:
    from tidegate.pricing import scenarios as ours

    b = given.book
    book = ours.OptionBook(
        FORWARD_USD, b.strike, b.expiry_years, b.vol_annual, b.is_call, b.quantity
    )
    if given.grid is None:
        return _prepared(
            given,
            lambda: ours.revalue_paths(book, given.ratio, given.shift),
            lambda answer: answer.pnl_usd,
        )
    grid = given.grid
    return _prepared(
        given,
        lambda: ours.revalue_grid(book, *grid),
        lambda answer: answer.pnl_usd.reshape(-1),
    )


def _numpy(pnl: Callable[[Book, FloatArray, FloatArray], FloatArray]) -> Any:
    return lambda given: _prepared(given, lambda: pnl(given.book, given.ratio, given.shift))


def _few(given: Case) -> list[tuple[float, float]]:
    return list(zip(given.ratio[:LOOPED].tolist(), given.shift[:LOOPED].tolist(), strict=True))


def _quantlib_formula(given: Case) -> Prepared:
    import QuantLib as quantlib

    kinds, b = (quantlib.Option.Put, quantlib.Option.Call), given.book
    rows = [
        (kinds[call], strike, years**0.5, vol, quantity)
        for call, strike, years, vol, quantity in zip(
            b.is_call.tolist(),
            b.strike.tolist(),
            b.expiry_years.tolist(),
            b.vol_annual.tolist(),
            b.quantity.tolist(),
            strict=True,
        )
    ]
    price, scenarios = quantlib.blackFormula, _few(given)

    def value(ratio: float, shift: float) -> float:
        forward = FORWARD_USD * ratio
        return sum(
            quantity * price(kind, strike, forward, (vol + shift) * root)
            for kind, strike, root, vol, quantity in rows
        )

    now = value(1.0, 0.0)
    return Prepared(
        lambda: [value(*scenario) - now for scenario in scenarios],
        len(rows) * len(scenarios),
        np.asarray,
    )


def _quantlib_instruments(given: Case) -> Prepared:
    """A market of quotes that the instruments observe; setting a quote makes them price anew."""
    import QuantLib as quantlib

    today = quantlib.Date(1, 1, 2026)
    quantlib.Settings.instance().evaluationDate = today
    b, spot = given.book, quantlib.SimpleQuote(FORWARD_USD)
    vols = [quantlib.SimpleQuote(vol) for vol in b.vol_annual.tolist()]
    days = np.maximum(1, np.round(365.0 * b.expiry_years)).astype(int).tolist()
    options = [
        _quantlib_option(quantlib, today + day, spot, vol, (strike, call))
        for day, vol, strike, call in zip(
            days, vols, b.strike.tolist(), b.is_call.tolist(), strict=True
        )
    ]
    quantities, base = b.quantity.tolist(), b.vol_annual.tolist()

    def value(ratio: float, shift: float) -> float:
        spot.setValue(FORWARD_USD * ratio)
        for vol, own in zip(vols, base, strict=True):
            vol.setValue(own + shift)
        worth = [option.NPV() for option in options]
        return sum(q * each for q, each in zip(quantities, worth, strict=True))

    now, scenarios = value(1.0, 0.0), _few(given)
    return Prepared(
        lambda: [value(*scenario) - now for scenario in scenarios],
        len(options) * len(scenarios),
        lambda answer: np.full(len(answer), np.nan),
    )


def _quantlib_option(
    quantlib: Any, expiry: Any, spot: Any, vol: Any, terms: tuple[float, bool]
) -> Any:
    strike, call = terms
    today = quantlib.Settings.instance().evaluationDate
    year = quantlib.Actual365Fixed()
    flat = quantlib.YieldTermStructureHandle(quantlib.FlatForward(today, 0.0, year))
    surface = quantlib.BlackConstantVol(
        today, quantlib.NullCalendar(), quantlib.QuoteHandle(vol), year
    )
    process = quantlib.BlackProcess(
        quantlib.QuoteHandle(spot), flat, quantlib.BlackVolTermStructureHandle(surface)
    )
    kind = quantlib.Option.Call if call else quantlib.Option.Put
    option = quantlib.VanillaOption(
        quantlib.PlainVanillaPayoff(kind, strike), quantlib.EuropeanExercise(expiry)
    )
    option.setPricingEngine(quantlib.AnalyticEuropeanEngine(process))
    return option


ENTRIES = (
    Entry(
        "Tidegate",
        (OURS,),
        "More: profit in coin where options settle in coin; time that passes; discount factors; "
        "relative shifts; options past their expiry.",
        _ours,
    ),
    Entry(
        "numpy and scipy in chunks",
        ("numpy", "scipy"),
        f"Less: one forward, no rate, no time. {CHUNK} scenarios at a time, written by hand.",
        _numpy(_chunked_pnl),
    ),
    Entry(
        "numpy and scipy",
        ("numpy", "scipy"),
        "Less: one forward, no rate, no time. All scenarios at once, written by hand.",
        _numpy(_broadcast_pnl),
    ),
    Entry(
        "QuantLib blackFormula",
        ("QuantLib",),
        "Less: one forward, no rate, no time. One option a call, looped in Python; the first "
        f"{LOOPED} scenarios.",
        _quantlib_formula,
    ),
    Entry(
        "QuantLib instruments",
        ("QuantLib",),
        "More: dates, calendars, curves, and instruments that observe quotes. Less: expiries in "
        f"whole days, so that its profit is of other expiries; the first {LOOPED} scenarios.",
        _quantlib_instruments,
    ),
)


def judge(given: Case, entry: Entry) -> dict[str, Any]:
    """Largest error of a scenario's profit, as a share of what all positions are worth."""
    prepared = entry.prepare(given)
    found = np.asarray(prepared.read(prepared.call()), dtype=np.float64)
    plain = np.abs(found - given.plain[: len(found)]).max() / given.scale_usd
    few = np.linspace(0, len(given.ratio) - 1, SAMPLE).astype(np.int64)
    reached = few < len(found)
    exact = np.abs(found[few[reached]] - given.exact[reached]).max() / given.scale_usd
    return {
        "scenarios": len(found),
        "max_error_mpmath": float(exact),
        "max_error_scipy": float(plain),
    }


_SHOWN = {
    "scenarios": lambda e: str(e["scenarios"]),
    "largest error, mpmath": lambda e: error_text(e["max_error_mpmath"]),
    "largest difference, scipy": lambda e: error_text(e["max_error_scipy"]),
}
_ASKED = f"Profit in USD of a book of {OPTIONS} options in"

TOPICS = (
    Topic(
        "scenario-grid",
        "Scenarios on a grid",
        "option-scenarios",
        f"{_ASKED} each of {GRID[0]} forward ratios with each of {GRID[1]} additive vol shifts.",
        ENTRIES,
        grid_case,
        judge,
        _SHOWN,
    ),
    Topic(
        "scenario-paths",
        "Scenarios on paths",
        "option-scenarios",
        f"{_ASKED} {PATHS:,} scenarios, each with its own forward ratio and additive vol shift.",
        ENTRIES,
        paths_case,
        judge,
        _SHOWN,
    ),
)
