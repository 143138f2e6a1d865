# SPDX-License-Identifier: Apache-2.0
"""Implied volatility: the solvers, and how their answers are judged."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.side_by_side.entries import OURS, Entry, Prepared, Topic, error_text
from benchmarks.side_by_side.quotes import (
    FloatArray,
    Quotes,
    allowed_error,
    exact_vols,
    hard_sets,
    invalid_quotes,
    main_set,
)

COUNT, QUICK_COUNT, SAMPLE = 100_000, 2_000, 400
# Off by more than this, an answer is of no use as a mark; a solver that is accurate never is.
ACCURATE = 1e-8


@dataclass(frozen=True, slots=True)
class Case:
    """The main set, what mpmath says of its first quotes, and the sets that are hard."""

    quotes: Quotes
    exact: FloatArray
    hard: dict[str, Quotes]
    invalid: Quotes


def case(quick: bool) -> Case:
    quotes = main_set(QUICK_COUNT if quick else COUNT, seed=7)
    sample = quotes.head(SAMPLE // 10 if quick else SAMPLE)
    return Case(quotes, exact_vols(sample), hard_sets(quick), invalid_quotes())


Solver = Callable[[Quotes], Prepared]


def at_most(count: int, solver: Solver) -> Callable[[Any], Prepared]:
    """The solver on the main set's first quotes, so that a slow one does not take minutes."""
    return lambda given: solver(given.quotes.head(count) if isinstance(given, Case) else given)


def _quotes(given: Case | Quotes) -> Quotes:
    return given.quotes if isinstance(given, Case) else given


def _ours(quotes: Quotes) -> Prepared:
    from tidegate.pricing.implied_vol import implied_vol

    q = quotes
    return Prepared(
        lambda: implied_vol(q.price, q.forward, q.strike, q.expiry_years, q.is_call),
        len(q),
        lambda answer: answer.vol_annual,
    )


def _by_side(quotes: Quotes, solve: Callable[[Quotes, bool], FloatArray]) -> Prepared:
    """Calls and puts in a call each, for solvers that take one kind at a time."""
    sides = [(side, quotes.rows(quotes.is_call == side)) for side in (True, False)]
    sides = [(side, rows) for side, rows in sides if len(rows)]

    def read(answer: list[FloatArray]) -> FloatArray:
        vol = np.full(len(quotes), np.nan)
        for (side, _), part in zip(sides, answer, strict=True):
            vol[quotes.is_call == side] = part
        return vol

    return Prepared(lambda: [solve(rows, side) for side, rows in sides], len(quotes), read)


def _iv_engine(quotes: Quotes) -> Prepared:
    from iv_engine import implied_volatilities

    def solve(q: Quotes, side: bool) -> FloatArray:
        return implied_volatilities(q.price, q.forward, q.strike, q.expiry_years, side, False)

    return _by_side(quotes, solve)


def _pyvolr(quotes: Quotes) -> Prepared:
    from pyvolr import black76

    q, flag = quotes, np.where(quotes.is_call, 1, -1).astype(np.int8)
    return Prepared(
        lambda: black76.implied_vol(
            q.price, flag, q.forward, q.strike, q.expiry_years, 0.0, on_error="ignore"
        ),
        len(q),
    )


def _lbriv(quotes: Quotes) -> Prepared:
    from lbriv.black_core import vectorized_implied_vol_strikes

    def solve(q: Quotes, side: bool) -> FloatArray:
        total = vectorized_implied_vol_strikes(q.price, q.forward[0], q.strike, 1 if side else -1)
        return np.asarray(total / np.sqrt(q.expiry_years))

    prepared = _by_side(quotes, solve)

    def read(answer: list[FloatArray]) -> FloatArray:
        vol = prepared.read(answer)
        return np.where(vol == 0.0, np.nan, vol)

    return Prepared(prepared.call, prepared.things, read)


def _fast_vollib(backend: str) -> Solver:
    def solver(quotes: Quotes) -> Prepared:
        from fast_vollib import fast_implied_volatility_black as solve

        q, flag = quotes, np.where(quotes.is_call, "c", "p")
        given = (q.price, q.forward, q.strike, np.zeros(len(q)), q.expiry_years, flag)
        how = {"return_as": "numpy", "backend": backend, "on_error": "ignore"}
        return Prepared(lambda: solve(*given, **how), len(q), np.asarray)

    return solver


def _fast_vollib_jackel(quotes: Quotes) -> Prepared:
    from fast_vollib.jackel import jackel_iv_black

    q = quotes
    return Prepared(
        lambda: jackel_iv_black(q.price, q.forward, q.strike, q.expiry_years, q.is_call), len(q)
    )


def _loop(solve: Callable[..., float], rows: list[tuple[Any, ...]]) -> Prepared:
    """A scalar function over a list of arguments; an exception is its way to refuse."""

    def call() -> list[float]:
        found = []
        for row in rows:
            try:
                found.append(solve(*row))
            except (ArithmeticError, ValueError, RuntimeError):
                found.append(math.nan)
        return found

    return Prepared(call, len(rows), np.asarray)


def _quantlib(function: str, accuracy: float | None) -> Solver:
    def solver(quotes: Quotes) -> Prepared:
        import QuantLib as quantlib

        how: tuple[Any, ...] = ()
        if accuracy is not None:
            how = (1.0, 0.0, quantlib.nullDouble(), accuracy, 1000)
        kinds = (quantlib.Option.Put, quantlib.Option.Call)
        rows = [
            (kinds[call], strike, forward, price, *how)
            for price, forward, strike, _, call, _ in zip(
                *(column.tolist() for column in quotes.columns), strict=True
            )
        ]
        looped = _loop(getattr(quantlib, function), rows)
        root = np.sqrt(quotes.expiry_years)
        return Prepared(looped.call, looped.things, lambda answer: np.asarray(answer) / root)

    return solver


def _vollib(quotes: Quotes) -> Prepared:
    from vollib.black.implied_volatility import implied_volatility

    rows = [
        (price, forward, strike, 0.0, years, "c" if call else "p")
        for price, forward, strike, years, call, _ in zip(
            *(column.tolist() for column in quotes.columns), strict=True
        )
    ]
    return _loop(implied_volatility, rows)


ENTRIES = (
    Entry(
        "Tidegate",
        (OURS,),
        "More: a code for why a quote is refused; discount factors.",
        lambda given: _ours(_quotes(given)),
    ),
    Entry(
        "iv-engine",
        ("iv-engine",),
        "Less: no discount, no reason for a refusal; calls and puts in separate calls, which were "
        "separated beforehand.",
        lambda given: _iv_engine(_quotes(given)),
    ),
    Entry(
        "pyvolr",
        ("pyvolr",),
        "More: a rate. Less: no reason for a refusal.",
        lambda given: _pyvolr(_quotes(given)),
    ),
    Entry(
        "lbriv",
        ("lbriv",),
        "Less: one forward and one kind of option a call, separated beforehand; no discount, no "
        "reason; total deviation, here divided by sqrt(T).",
        lambda given: _lbriv(_quotes(given)),
    ),
    Entry(
        "fast-vollib, jackel module",
        ("fast-vollib",),
        "Less: no discount, no checks; not what its main function calls. Its own numba kernels are "
        "compiled anew by each process.",
        lambda given: _fast_vollib_jackel(_quotes(given)),
        slow=True,
    ),
    Entry(
        "fast-vollib, jax",
        ("fast-vollib", "jax"),
        "More: a rate; checks of its input. Less: stops at an absolute price error; raises where "
        "one input is not finite.",
        at_most(20_000, _fast_vollib("jax")),
        slow=True,
    ),
    Entry(
        "fast-vollib, numba",
        ("fast-vollib",),
        "As with jax; its numba kernels, one thread.",
        at_most(20_000, _fast_vollib("numba")),
        slow=True,
    ),
    Entry(
        "fast-vollib, numpy",
        ("fast-vollib",),
        "As with jax; what it takes by default where jax is not installed.",
        at_most(20_000, _fast_vollib("numpy")),
    ),
    Entry(
        "QuantLib, as it is",
        ("QuantLib",),
        "Less: accuracy 1e-6 of the deviation, its default. One option a call, looped in Python "
        "over arguments prepared beforehand.",
        at_most(5_000, _quantlib("blackFormulaImpliedStdDev", None)),
    ),
    Entry(
        "QuantLib, accuracy 1e-13",
        ("QuantLib",),
        "As before, asked for 1e-13, up to 1,000 iterations.",
        at_most(5_000, _quantlib("blackFormulaImpliedStdDev", 1e-13)),
    ),
    Entry(
        "QuantLib, LiRS",
        ("QuantLib",),
        "As before, by Li's rational start and successive over-relaxation, defaults.",
        at_most(5_000, _quantlib("blackFormulaImpliedStdDevLiRS", None)),
    ),
    Entry(
        "vollib",
        ("vollib",),
        "More: a rate. One option a call, looped in Python over arguments prepared beforehand.",
        at_most(1_000, _vollib),
    ),
)


def judge(given: Case, entry: Entry) -> dict[str, Any]:
    """Errors on the main set against its makers and mpmath; failures on the hard sets."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return _errors(given, entry) | _failures(given, entry)


def _errors(given: Case, entry: Entry) -> dict[str, Any]:
    prepared = entry.prepare(given)
    found = np.asarray(prepared.read(prepared.call()))
    quotes = given.quotes.head(len(found))
    error = np.abs(found - quotes.vol_annual)
    sample = min(len(found), len(given.exact))
    exact = np.abs(found[:sample] - given.exact[:sample])
    return {
        "quotes": len(found),
        "max_error_mpmath": _largest(exact),
        "max_error_generator": _largest(error),
        "share_above_1e-8": float(np.mean(~(error <= ACCURATE))),
        "not_a_number": int(np.sum(np.isnan(found))),
    }


def _largest(error: FloatArray) -> float:
    """The largest of those that are numbers."""
    return float(np.nanmax(error)) if np.isfinite(error).any() else math.nan


def _failures(given: Case, entry: Entry) -> dict[str, Any]:
    found = {name: _answers(entry, quotes) for name, quotes in given.hard.items()}
    wrong = {
        name: int(np.sum(~(np.abs(found[name] - quotes.vol_annual) <= allowed_error(quotes))))
        for name, quotes in given.hard.items()
    }
    numbers = int(np.sum(np.isfinite(_answers(entry, given.invalid))))
    return {
        "hard_wrong": wrong,
        "hard_quotes": {name: len(quotes) for name, quotes in given.hard.items()},
        "invalid_given_a_number": numbers,
        "invalid_quotes": len(given.invalid),
    }


def _answers(entry: Entry, quotes: Quotes) -> FloatArray:
    """The answers to all quotes at once, or one by one where that raises; NaN is a refusal."""
    try:
        return _asked(entry, quotes)
    except Exception:
        return np.array([_alone(entry, quotes.rows([row])) for row in range(len(quotes))])


def _alone(entry: Entry, quote: Quotes) -> float:
    try:
        return float(_asked(entry, quote)[0])
    except Exception:
        return math.nan


def _asked(entry: Entry, quotes: Quotes) -> FloatArray:
    prepared = entry.prepare(quotes)
    return np.asarray(prepared.read(prepared.call()), dtype=np.float64).reshape(len(quotes))


TOPIC = Topic(
    "implied-vol",
    "Implied volatility",
    "options",
    f"The Black-76 volatility of {COUNT:,} out-of-the-money quotes: log-moneyness within 1.5, an "
    "hour to a year, 20 to 250 %; four in five worth at least 1e-6 of the forward, the others at "
    "least 1e-30.",
    ENTRIES,
    case,
    judge,
    {
        "largest error, mpmath": lambda e: error_text(e["max_error_mpmath"]),
        "largest error, all": lambda e: error_text(e["max_error_generator"]),
        "off by > 1e-8": lambda e: f"{e['share_above_1e-8']:.1%}",
        "hard ones wrong": lambda e: " / ".join(str(n) for n in e["hard_wrong"].values()),
        "invalid answered": lambda e: f"{e['invalid_given_a_number']} of {e['invalid_quotes']}",
    },
)
