# SPDX-License-Identifier: Apache-2.0
"""Price and seven Greeks: those who compute them, and how their answers are judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from mpmath import mp, mpf
from scipy.special import ndtr

from benchmarks.side_by_side.entries import OURS, Entry, Prepared, Topic, error_text
from benchmarks.side_by_side.quotes import (
    DIGITS,
    FORWARD_USD,
    HOUR_YEARS,
    BoolArray,
    FloatArray,
)

COUNT, QUICK_COUNT, SAMPLE = 100_000, 2_000, 300
RATE = 0.04
BLOCK = 8_192
NAMES = ("price", "delta", "gamma", "vega", "theta", "rho", "vanna", "volga")

# Outputs by name, in our units: vega per 1.0 of vol, theta per year, rho per 1.0 of rate.
Outputs = dict[str, FloatArray]


@dataclass(frozen=True, slots=True)
class Options:
    """Columns of options."""

    forward: FloatArray
    strike: FloatArray
    expiry_years: FloatArray
    vol_annual: FloatArray
    is_call: BoolArray
    discount: FloatArray

    def __len__(self) -> int:
        return len(self.strike)

    @property
    def columns(self) -> tuple[Any, ...]:
        return (
            self.forward,
            self.strike,
            self.expiry_years,
            self.vol_annual,
            self.is_call,
            self.discount,
        )

    @property
    def rate(self) -> FloatArray:
        """The rate of each discount as it stands, for those who take a rate."""
        return np.asarray(-np.log(self.discount) / self.expiry_years)

    def rows(self, kept: Any) -> Options:
        return Options(*(np.ascontiguousarray(column[kept]) for column in self.columns))

    def head(self, count: int) -> Options:
        return self.rows(slice(count))


@dataclass(frozen=True, slots=True)
class Case:
    """The options, what mpmath says of the first, and scipy of all."""

    options: Options
    exact: Outputs
    plain: Outputs


def options_of(count: int, seed: int) -> Options:
    """Log-moneyness within 1.5, an hour to a year, vols of 20 to 250 %, a rate of 4 %."""
    random = np.random.default_rng(seed)
    strike = FORWARD_USD * np.exp(random.uniform(-1.5, 1.5, count))
    years = np.exp(random.uniform(np.log(HOUR_YEARS), 0.0, count))
    vol, calls = random.uniform(0.2, 2.5, count), random.random(count) < 0.5
    forward = FORWARD_USD * (1.0 + 0.1 * years)
    return Options(forward, strike, years, vol, calls, np.exp(-RATE * years))


def case(quick: bool) -> Case:
    options = options_of(QUICK_COUNT if quick else COUNT, seed=13)
    sample = options.head(SAMPLE // 10 if quick else SAMPLE)
    return Case(options, exact_greeks(sample), _plain(options))


def exact_greeks(options: Options) -> Outputs:
    """All outputs in 50 digits, then rounded."""
    with mp.workdps(DIGITS):
        rows = [
            _exact_row(row)
            for row in zip(*(column.tolist() for column in options.columns), strict=True)
        ]
    return dict(zip(NAMES, np.array(rows, dtype=np.float64).T, strict=True))


def _exact_row(row: tuple[Any, ...]) -> list[float]:
    forward, strike, years, vol = (mpf(value) for value in row[:4])
    sign, discount = (1 if row[4] else -1), mpf(row[5])
    root = mpmath.sqrt(years)
    s = vol * root
    d1 = mpmath.log(forward / strike) / s + s / 2
    d2 = d1 - s
    likely, unlikely = mpmath.ncdf(sign * d1), mpmath.ncdf(sign * d2)
    density = discount * mpmath.npdf(d1)
    price = sign * discount * (forward * likely - strike * unlikely)
    vega = forward * density * root
    theta = -mpmath.log(discount) / years * price - forward * density * vol / (2 * root)
    outputs = (
        price,
        sign * discount * likely,
        density / (forward * s),
        vega,
        theta,
        -years * price,
        -density * d2 / vol,
        vega * d1 * d2 / vol,
    )
    return [float(value) for value in outputs]


def _plain(o: Options) -> Outputs:
    """All outputs with numpy and scipy's normal distribution, as they stand in a book."""
    root = np.sqrt(o.expiry_years)
    s = o.vol_annual * root
    d1 = np.log(o.forward / o.strike) / s + 0.5 * s
    d2 = d1 - s
    sign = np.where(o.is_call, 1.0, -1.0)
    likely, unlikely = ndtr(sign * d1), ndtr(sign * d2)
    density = o.discount * (np.exp(-0.5 * d1 * d1) / np.sqrt(2.0 * np.pi))
    price = sign * o.discount * (o.forward * likely - o.strike * unlikely)
    vega = o.forward * density * root
    return {
        "price": price,
        "delta": sign * o.discount * likely,
        "gamma": density / (o.forward * s),
        "vega": vega,
        "theta": o.rate * price - o.forward * density * o.vol_annual / (2.0 * root),
        "rho": -o.expiry_years * price,
        "vanna": -density * d2 / o.vol_annual,
        "volga": vega * d1 * d2 / o.vol_annual,
    }


Engine = Callable[[Options], Prepared]


def at_most(count: int, engine: Engine) -> Callable[[Case], Prepared]:
    """The engine on the first options, so that a slow one does not take minutes."""
    return lambda given: engine(given.options.head(count))


def whole(engine: Engine) -> Callable[[Case], Prepared]:
    return lambda given: engine(given.options)


def _read_ours(answer: Any) -> Outputs:
    return {name: getattr(answer, name) for name in NAMES}


def _ours(o: Options) -> Prepared:
    from tidegate.pricing import black76

    return Prepared(lambda: black76.greeks(*o.columns), len(o), _read_ours)


def _ours_again(o: Options) -> Prepared:
    from tidegate.pricing.black76 import GreeksBuffer

    memory = GreeksBuffer(len(o))
    return Prepared(lambda: memory.greeks(*o.columns), len(o), _read_ours)


def _ours_million(o: Options) -> Prepared:
    return _ours_again(o.rows(np.resize(np.arange(len(o)), 10 * len(o))))


def _blocks(o: Options) -> Prepared:
    parts = [o.rows(slice(start, start + BLOCK)) for start in range(0, len(o), BLOCK)]

    def read(answer: list[Outputs]) -> Outputs:
        return {name: np.concatenate([part[name] for part in answer]) for name in NAMES}

    return Prepared(lambda: [_plain(part) for part in parts], len(o), read)


def _iv_engine(o: Options) -> Prepared:
    import iv_engine as engine

    sides = [(side, o.rows(o.is_call == side)) for side in (True, False)]

    def call() -> list[tuple[FloatArray, ...]]:
        return [_iv_engine_side(engine, side, part.columns[:4]) for side, part in sides]

    def read(answer: list[tuple[FloatArray, ...]]) -> Outputs:
        outputs = {}
        for place, name in enumerate(("price", "delta", "gamma", "vega", "vanna", "volga")):
            outputs[name] = np.empty(len(o))
            for (side, _), part in zip(sides, answer, strict=True):
                outputs[name][o.is_call == side] = part[place]
            outputs[name] *= o.discount
        return outputs

    return Prepared(call, len(o), read)


def _iv_engine_side(engine: Any, side: bool, columns: tuple[FloatArray, ...]) -> Any:
    both = (engine.gammas, engine.vegas, engine.vannas, engine.vommas)
    return (
        engine.black_prices(*columns, side, False),
        engine.deltas(*columns, side, False),
        *(function(*columns, False) for function in both),
    )


def _pyvolr(o: Options) -> Prepared:
    from pyvolr import black76

    flag = np.where(o.is_call, 1, -1).astype(np.int8)
    given = (flag, o.forward, o.strike, o.expiry_years, o.rate, o.vol_annual)
    return Prepared(
        lambda: (black76.price(*given), black76.greeks(*given)),
        len(o),
        lambda answer: {"price": answer[0], **answer[1]},
    )


def _lbriv(o: Options) -> Prepared:
    from lbriv.black_core import compute_trades_greeks

    price = _plain(o)["price"] / o.discount
    outs = tuple(np.empty(len(o)) for _ in range(4))
    given = (price, o.forward, o.strike, o.is_call.view(np.int8), o.discount, *outs)
    root = np.sqrt(o.expiry_years)
    return Prepared(
        lambda: compute_trades_greeks(*given),
        len(o),
        lambda _: {"delta": outs[1], "gamma": outs[2], "vega": outs[3] * 100.0 * root},
    )


def _fast_vollib(backend: str) -> Engine:
    def engine(o: Options) -> Prepared:
        import fast_vollib

        flag = np.where(o.is_call, "c", "p")
        given = (flag, o.forward, o.strike, o.expiry_years, o.rate, o.vol_annual)
        return Prepared(
            lambda: (
                fast_vollib.fast_black(*given, return_as="numpy", backend=backend),
                fast_vollib.get_all_greeks(
                    *given, model="black", return_as="dict", backend=backend
                ),
            ),
            len(o),
            _read_fast_vollib,
        )

    return engine


def _read_fast_vollib(answer: tuple[Any, dict[str, Any]]) -> Outputs:
    """Its rho is at constant spot, and not compared."""
    outputs = _read_vollib(answer)
    del outputs["rho"]
    return outputs


def _read_vollib(answer: tuple[Any, dict[str, Any]]) -> Outputs:
    """Vega and rho come per hundredth, theta per day of 365."""
    units = {"delta": 1.0, "gamma": 1.0, "vega": 100.0, "theta": 365.0, "rho": 100.0}
    greeks = {name: np.asarray(answer[1][name]) * unit for name, unit in units.items()}
    return {"price": np.asarray(answer[0]), **greeks}


def _vollib(o: Options) -> Prepared:
    from vollib.black import black
    from vollib.black.greeks import analytical as a

    rows = [
        ("c" if call else "p", forward, strike, years, rate, vol)
        for (forward, strike, years, vol, call, _), rate in zip(
            _tuples(o), o.rate.tolist(), strict=True
        )
    ]
    functions = (black, a.delta, a.gamma, a.vega, a.theta, a.rho)
    names = ("delta", "gamma", "vega", "theta", "rho")

    def read(answer: list[tuple[float, ...]]) -> Outputs:
        price, *greeks = np.array(answer).T
        return _read_vollib((price, dict(zip(names, greeks, strict=True))))

    def call() -> list[tuple[float, ...]]:
        return [tuple(function(*row) for function in functions) for row in rows]

    return Prepared(call, len(o), read)


def _tuples(o: Options) -> list[tuple[Any, ...]]:
    return list(zip(*(column.tolist() for column in o.columns), strict=True))


def _quantlib(o: Options) -> Prepared:
    import QuantLib as quantlib

    kinds = (quantlib.Option.Put, quantlib.Option.Call)
    rows = [
        (quantlib.PlainVanillaPayoff(kinds[call], strike), forward, years, vol, discount)
        for forward, strike, years, vol, call, discount in _tuples(o)
    ]
    root = np.sqrt(o.expiry_years)

    def read(answer: list[tuple[float, ...]]) -> Outputs:
        names = ("price", "delta", "gamma", "vega", "theta", "vanna", "volga")
        outputs = dict(zip(names, np.array(answer).T, strict=True))
        return outputs | {"volga": outputs["volga"] * root}

    calculator = quantlib.BlackCalculator
    return Prepared(lambda: [_quantlib_row(calculator, *row) for row in rows], len(o), read)


def _quantlib_row(
    calculator: Any, payoff: Any, forward: float, years: float, vol: float, discount: float
) -> tuple[float, ...]:
    option = calculator(payoff, forward, vol * years**0.5, discount)
    return (
        option.value(),
        option.deltaForward(),
        option.gammaForward(),
        option.vega(years),
        option.theta(forward, years),
        option.vanna(forward, years),
        option.volga(years),
    )


_SIX = "Less: 6 of 8 outputs, without vanna and volga."
_FAST = f"{_SIX} Its rho is at constant spot, and not compared. More: checks of its input."

ENTRIES = (
    Entry("Tidegate", (OURS,), "All 8 outputs, into memory used again.", whole(_ours_again)),
    Entry("Tidegate, new memory", (OURS,), "All 8 outputs, into new memory.", whole(_ours)),
    Entry(
        "Tidegate, ten times as many",
        (OURS,),
        "More: ten times as many options a call, which no cache holds.",
        whole(_ours_million),
    ),
    Entry(
        "numpy and scipy in blocks",
        ("numpy", "scipy"),
        "All 8 outputs, no checks of input; written by hand, blocks of 8,192 that fit the cache, "
        "cut beforehand.",
        whole(_blocks),
    ),
    Entry(
        "numpy and scipy",
        ("numpy", "scipy"),
        "All 8 outputs, no checks of input; written by hand, whole arrays.",
        whole(lambda o: Prepared(lambda: _plain(o), len(o))),
    ),
    Entry(
        "fast-vollib, jax",
        ("fast-vollib", "jax"),
        _FAST,
        whole(_fast_vollib("jax")),
        slow=True,
    ),
    Entry(
        "fast-vollib, numba",
        ("fast-vollib",),
        _FAST,
        whole(_fast_vollib("numba")),
        slow=True,
    ),
    Entry(
        "fast-vollib, numpy",
        ("fast-vollib",),
        f"{_FAST} Its default where jax is not installed.",
        whole(_fast_vollib("numpy")),
    ),
    Entry(
        "pyvolr",
        ("pyvolr",),
        f"{_SIX} Price and Greeks are two calls.",
        whole(_pyvolr),
    ),
    Entry(
        "iv-engine",
        ("iv-engine",),
        "Less: 6 of 8 outputs, without theta and rho, each in a call of its own; no discount; "
        "calls and puts separated beforehand.",
        whole(_iv_engine),
    ),
    Entry(
        "lbriv",
        ("lbriv",),
        "More: solves the volatility from the price first. Less: delta, gamma and vega alone.",
        whole(_lbriv),
    ),
    Entry(
        "QuantLib BlackCalculator",
        ("QuantLib",),
        "Less: 7 of 8 outputs; its rho is at constant spot, and left out. Its volga is ours over "
        "sqrt(T). One option a call, looped in Python over payoffs made beforehand.",
        at_most(5_000, _quantlib),
    ),
    Entry(
        "vollib",
        ("vollib",),
        f"{_SIX} One output of one option a call, looped in Python.",
        at_most(500, _vollib),
    ),
)


def judge(given: Case, entry: Entry) -> dict[str, Any]:
    """The largest error of any output, as a share of that output's largest size."""
    prepared = entry.prepare(given)
    with np.errstate(all="ignore"):
        found = prepared.read(prepared.call())
    return {
        "outputs": len(found),
        "max_error_mpmath": _worst(found, given.exact),
        "max_error_scipy": _worst(found, given.plain),
    }


def _worst(found: Outputs, true: Outputs) -> float:
    """NaN where an output is not a number; an error is counted in the largest size of its kind."""
    errors = []
    for name, values in found.items():
        size = min(len(values), len(true[name]))
        difference = np.abs(np.asarray(values)[:size] - true[name][:size])
        errors.append(difference.max() / np.abs(true[name]).max())
    return float(np.max(errors))


TOPIC = Topic(
    "greeks",
    "Price and seven Greeks",
    "options",
    f"Black-76 price, delta, gamma, vega, theta, rho, vanna and volga of {COUNT:,} options with "
    "forward, strike, expiry, volatility, kind and discount of their own.",
    ENTRIES,
    case,
    judge,
    {
        "outputs compared": lambda e: f"{e['outputs']} of {len(NAMES)}",
        "largest error, mpmath": lambda e: error_text(e["max_error_mpmath"]),
        "largest difference, scipy": lambda e: error_text(e["max_error_scipy"]),
    },
)
