# SPDX-License-Identifier: Apache-2.0
"""One quote a call: where what surrounds a formula costs more than the formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.side_by_side.entries import OURS, Entry, Prepared, Topic, error_text
from benchmarks.side_by_side.quotes import exact_vols, main_set


@dataclass(frozen=True, slots=True)
class Case:
    """A call as plain numbers, and its volatility by mpmath."""

    price: float
    forward: float
    strike: float
    expiry_years: float
    vol_annual: float


def case(quick: bool) -> Case:
    """The first call of a main set; it is one quote in the quick mode too."""
    quotes = main_set(64, seed=29)
    call = quotes.rows(quotes.is_call).head(1)
    price, forward, strike, years = (float(column[0]) for column in call.columns[:4])
    return Case(price, forward, strike, years, float(exact_vols(call)[0]))


def _one(solver: Callable[[Case], Callable[[], float]]) -> Callable[[Case], Prepared]:
    return lambda given: Prepared(solver(given), 1)


def _ours(c: Case) -> Callable[[], Any]:
    from tidegate.pricing.implied_vol import implied_vol

    return lambda: implied_vol(c.price, c.forward, c.strike, c.expiry_years, True).vol_annual


def _iv_engine(c: Case) -> Callable[[], float]:
    from iv_engine import implied_volatility

    return lambda: implied_volatility(c.price, c.forward, c.strike, c.expiry_years, True)


def _pyvolr(c: Case) -> Callable[[], float]:
    from pyvolr import black76

    return lambda: black76.implied_vol(c.price, "c", c.forward, c.strike, c.expiry_years, 0.0)


def _lbriv(c: Case) -> Callable[[], float]:
    from lbriv.black_core import implied_vol

    return lambda: implied_vol(c.price, c.forward, c.strike, 1) / c.expiry_years**0.5


def _fast_vollib(c: Case) -> Callable[[], float]:
    from fast_vollib import fast_implied_volatility_black as solve

    given = (c.price, c.forward, c.strike, 0.0, c.expiry_years, "c")
    return lambda: solve(*given, return_as="numpy", backend="numpy")[0]


def _quantlib(c: Case) -> Callable[[], float]:
    import QuantLib as quantlib

    solve, call = quantlib.blackFormulaImpliedStdDev, quantlib.Option.Call
    return lambda: solve(call, c.strike, c.forward, c.price) / c.expiry_years**0.5


def _vollib(c: Case) -> Callable[[], float]:
    from vollib.black.implied_volatility import implied_volatility

    return lambda: implied_volatility(c.price, c.forward, c.strike, 0.0, c.expiry_years, "c")


ENTRIES = (
    Entry("Tidegate", (OURS,), "More: the code of a refusal, discount factors.", _one(_ours)),
    Entry("lbriv", ("lbriv",), "Less: no expiry, discount or reason.", _one(_lbriv)),
    Entry("iv-engine", ("iv-engine",), "Less: no discount or reason.", _one(_iv_engine)),
    Entry("pyvolr", ("pyvolr",), "More: a rate. Less: no reason.", _one(_pyvolr)),
    Entry("QuantLib, as it is", ("QuantLib",), "Less: accuracy 1e-6.", _one(_quantlib)),
    Entry("vollib", ("vollib",), "More: a rate.", _one(_vollib)),
    Entry("fast-vollib, numpy", ("fast-vollib",), "More: a rate.", _one(_fast_vollib)),
)


def judge(given: Case, entry: Entry) -> dict[str, Any]:
    """Error of the one volatility."""
    found = float(entry.prepare(given).call())
    return {"max_error_mpmath": abs(found - given.vol_annual)}


TOPIC = Topic(
    "one-quote",
    "One quote a call",
    "calls",
    "The implied volatility of one quote, given and returned as a number.",
    ENTRIES,
    case,
    judge,
    {"error, mpmath": lambda e: error_text(e["max_error_mpmath"])},
)
