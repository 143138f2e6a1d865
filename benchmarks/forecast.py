# SPDX-License-Identifier: Apache-2.0
"""Refits of GARCH beside arch, statsforecast and SciPy, and of HAR beside statsmodels.

`python benchmarks/forecast.py` prints tables, with `--json` everything as JSON; `--quick` measures
in seconds. Returns are drawn from a GJR-GARCH with Student errors. One core; medians of interleaved
rounds in processor time. That arch finds the same optimum is measured on many series, parameters
and standard errors alike. A peer that is not installed is named as absent.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.side_by_side import machine
from benchmarks.side_by_side.forced_target import cache_folder

ROUNDS, LEAST_S = 7, 0.3
QUICK_ROUNDS, QUICK_LEAST_S = 5, 0.02
ROWS = 730
AIM = 20.0
PEERS = ("arch", "statsforecast", "statsmodels")
OURS, SLSQP = "Tidegate", "SciPy SLSQP on our likelihood"
ARCH, ARCH_WARM = "arch", "arch, from its own optimum"
SERIES, QUICK_SERIES = 40, 3
PARAMETERS = ("mu", "omega", "alpha", "gamma", "beta", "nu")


@dataclass(frozen=True, slots=True)
class Entry:
    """A way to fit; what it finds is its parameters and log-likelihood, where it gives them, and
    `note` what it does less or more than ours."""

    name: str
    fit: Callable[[], Any]
    found: Callable[[Any], dict[str, float]]
    note: str = ""


def returns_of(rows: int, seed: int) -> Any:
    """Returns in per cent of omega 0.3, alpha 0.04, gamma 0.08, beta 0.86, six degrees."""
    import numpy as np

    rng = np.random.default_rng(seed)
    z = rng.standard_t(6.0, rows) * math.sqrt(4.0 / 6.0)
    h, r = 5.0, np.empty(rows)
    for t in range(rows):
        e = math.sqrt(h) * z[t]
        r[t] = 0.05 + e
        h = 0.3 + (0.04 + 0.08 * (e < 0.0)) * e * e + 0.86 * h
    return r


def garch_entries(returns: Any) -> list[Entry]:
    """GJR-GARCH(1,1,1) with a mean and Student errors, from cold."""
    from tidegate.forecast.garch import estimate_garch

    entries = [
        Entry(OURS, lambda: estimate_garch(returns, True, True), _of_ours),
        Entry(SLSQP, lambda: _slsqp(returns), lambda found: found, "Less: no gradient, no errors."),
    ]
    if importable(ARCH):
        model = _arch_model(returns)
        warm = model.fit(disp="off").params.to_numpy()
        more = "More: other means, lags and laws; covariance and summary when asked."
        entries += [
            Entry(ARCH, lambda: model.fit(disp="off"), _of_arch, more),
            Entry(
                ARCH_WARM,
                lambda: model.fit(disp="off", starting_values=warm),
                _of_arch,
                "As before; ours is from cold.",
            ),
        ]
    return entries


def error_entries(returns: Any) -> list[Entry]:
    """The same with robust standard errors, which both make when they are asked for."""
    from tidegate.forecast.garch import estimate_garch

    def ours() -> Any:
        found = estimate_garch(returns, True, True)
        return found, found.standard_errors()

    entries = [Entry(OURS, ours, lambda _: {})]
    if importable(ARCH):
        model = _arch_model(returns)

        def theirs() -> Any:
            found = model.fit(disp="off")
            return found, found.std_err

        more = "The same sandwich, its derivatives by differences."
        entries.append(Entry(ARCH, theirs, lambda _: {}, more))
    return entries


def plain_entries(returns: Any) -> list[Entry]:
    """GARCH(1,1) with normal errors, which is what statsforecast has."""
    from tidegate.forecast.garch import estimate_garch

    entries = [Entry(OURS, lambda: estimate_garch(returns, False, False), _of_ours)]
    if importable(ARCH):
        from arch import arch_model

        model = arch_model(returns, p=1, o=0, q=1, dist="normal", rescale=False)
        entries.append(Entry(ARCH, lambda: model.fit(disp="off"), _of_plain_arch))
    if importable("statsforecast"):
        from statsforecast.models import GARCH

        less = "Less: no mean, no standard errors, no likelihood given; Nelder and Mead's search."
        entries.append(
            Entry("statsforecast", lambda: GARCH(1, 1).fit(returns), _of_statsforecast, less)
        )
    return entries


def har_entries(returns: Any) -> list[Entry]:
    """Log-HAR with leverage on a year of days, each from its history to coefficients."""
    import numpy as np

    from tidegate.forecast.volatility import fit_log_har

    variance = np.exp(np.convolve(np.log(returns**2 + 0.1), np.ones(20) / 20.0, "same"))
    entries = [Entry(OURS, lambda: fit_log_har(variance, returns / 100.0, 1), lambda _: {})]
    if importable("statsmodels"):
        from statsmodels.api import OLS

        from tidegate.forecast.volatility import _regressors

        def fit() -> Any:
            rows = _regressors(variance[-395:], returns[-395:] / 100.0)
            known = np.all(np.isfinite(rows), axis=1)[:-1]
            target = np.log(variance[-394:])
            return OLS(target[known], rows[:-1][known]).fit(cov_type="HAC", cov_kwds={"maxlags": 1})

        note = "More: tests and a summary. Less: rows of regressors are made by our code."
        entries.append(Entry("statsmodels OLS, HAC", fit, lambda _: {}, note))
    return entries


def measure(rounds: int, least_s: float) -> dict[str, Any]:
    """Every topic: milliseconds of a fit, how many times ours, and what was found."""
    from benchmarks.side_by_side.timing import Local, interleaved

    returns = returns_of(ROWS, 1)
    topics = {
        "GJR-GARCH-t": garch_entries(returns),
        "GJR-GARCH-t with standard errors": error_entries(returns),
        "GARCH": plain_entries(returns),
        "log-HAR with leverage": har_entries(returns),
    }
    found: dict[str, Any] = {}
    for topic, entries in topics.items():
        timed = interleaved([Local(e.name, 1, e.fit) for e in entries], rounds, least_s)
        found[topic] = [
            {
                "name": entry.name,
                "milliseconds": 1e3 * timed[entry.name].median_s,
                "times_ours": timed[entry.name].times_slower_than(timed[OURS]),
                "spread": timed[entry.name].spread,
                "note": entry.note,
                "found": entry.found(entry.fit()),
            }
            for entry in entries
        ]
    return found


def agreement(series: int) -> dict[str, float] | None:
    """How far arch is from ours over many series of returns, at the worst; None without arch.

    Parameters apart in standard errors, standard errors in per cent, and the log-likelihood by
    which arch's optimum is above ours.
    """
    if not importable(ARCH):
        return None
    from tidegate.forecast.garch import estimate_garch

    apart = {"parameters": 0.0, "standard errors, %": 0.0, "arch above ours": -math.inf}
    apart["ours above arch"] = -math.inf
    for seed in range(series):
        returns = returns_of(ROWS, 100 + seed)
        ours = _of_ours(estimate_garch(returns, True, True))
        theirs = _of_arch(_arch_model(returns).fit(disp="off"))
        above = theirs["log-likelihood"] - ours["log-likelihood"]
        apart["arch above ours"] = max(apart["arch above ours"], above)
        apart["ours above arch"] = max(apart["ours above arch"], -above)
        for name in PARAMETERS:
            error, other = ours[f"error of {name}"], theirs[f"error of {name}"]
            off = abs(ours[name] - theirs[name]) / error
            apart["parameters"] = max(apart["parameters"], off)
            worse = 100.0 * abs(other / error - 1.0)
            apart["standard errors, %"] = max(apart["standard errors, %"], worse)
    return apart | {"series": float(series)}


def importable(name: str) -> bool:
    """Whether a peer is here."""
    try:
        import_module(name)
    except Exception:
        return False
    return True


def _of_ours(estimate: Any) -> dict[str, float]:
    found = {name: getattr(estimate.parameters, name) for name in PARAMETERS}
    errors = estimate.standard_errors()
    found |= {f"error of {name}": getattr(errors, name) for name in PARAMETERS}
    found["log-likelihood"] = estimate.log_likelihood
    known = {name: value for name, value in found.items() if value is not None}
    return {name: value for name, value in known.items() if math.isfinite(value)}


def _of_arch(result: Any) -> dict[str, float]:
    names = ("mu", "omega", "alpha[1]", "gamma[1]", "beta[1]", "nu")
    found = {ours: float(result.params[n]) for ours, n in zip(PARAMETERS, names, strict=True)}
    errors = zip(PARAMETERS, names, strict=True)
    found |= {f"error of {ours}": float(result.std_err[n]) for ours, n in errors}
    return found | {"log-likelihood": float(result.loglikelihood)}


def _of_plain_arch(result: Any) -> dict[str, float]:
    named = {"mu": "mu", "omega": "omega", "alpha": "alpha[1]", "beta": "beta[1]"}
    found = {ours: float(result.params[theirs]) for ours, theirs in named.items()}
    found |= {f"error of {ours}": float(result.std_err[n]) for ours, n in named.items()}
    return found | {"log-likelihood": float(result.loglikelihood)}


def _of_statsforecast(fitted: Any) -> dict[str, float]:
    omega, alpha, beta = (float(value) for value in fitted.model_["coeff"])
    return {"omega": omega, "alpha": alpha, "beta": beta}


def _arch_model(returns: Any) -> Any:
    from arch import arch_model

    return arch_model(returns, p=1, o=1, q=1, dist="t", rescale=False)


def _slsqp(returns: Any) -> dict[str, float]:
    """The same compiled likelihood under a constrained solver with differences for a gradient."""
    import numpy as np
    from scipy.optimize import minimize

    from tidegate.forecast._garch import likelihood
    from tidegate.forecast.garch import _backcast

    scale = returns.std()
    unit, work = returns / scale, np.empty((len(returns), 6))
    presample = _backcast(unit)

    def loss(x: Any) -> float:
        theta = np.array([x[0], x[1], x[2], x[2] + x[3], x[4], x[5]])
        return -float(likelihood(theta, unit, presample, work)[0])

    best = minimize(
        loss,
        [0.0, 0.05, 0.03, 0.04, 0.9, 6.0],
        method="SLSQP",
        bounds=[(-1, 1), (1e-6, 1), (0, 1), (0, 1), (0, 1), (2.05, 500)],
        constraints={"type": "ineq", "fun": lambda x: 1.0 - x[2] - 0.5 * x[3] - x[4]},
    )
    units = (scale, scale**2, 1.0, 1.0, 1.0, 1.0)
    found = {n: float(x * u) for n, x, u in zip(PARAMETERS, best.x, units, strict=True)}
    return found | {"log-likelihood": float(-best.fun - len(returns) * math.log(scale))}


def text(found: dict[str, Any], absent: Sequence[str]) -> str:
    """The tables, as docs/performance.md holds them."""
    rows = [_machine_text(found["machine"])]
    for topic, entries in found["topics"].items():
        rows += [f"\n## {topic}, {ROWS} rows\n", "|  | ms | time of ours | spread | less or more |"]
        rows.append("|---|---|---|---|---|")
        for entry in entries:
            rows.append(
                f"| {entry['name']} | {entry['milliseconds']:.3f} | {entry['times_ours']:.3g}"
                f" | {entry['spread']:.2f} | {entry['note']} |"
            )
        for entry in filter(lambda entry: entry["found"], entries):
            told = "; ".join(f"{name} {value:.5g}" for name, value in entry["found"].items())
            rows.append(f"\n{entry['name']}: {told}")
    if found["agreement"] is not None:
        told = "; ".join(f"{name} {value:.2g}" for name, value in found["agreement"].items())
        rows.append(f"\narch and ours, furthest apart: {told}")
    rows.append(f"\nabsent here, so not compared: {', '.join(absent) or 'none'}")
    aim = "not measured, arch is absent"
    for entry in found["topics"]["GJR-GARCH-t"]:
        if entry["name"] == ARCH:
            aim = f"{'met' if entry['times_ours'] >= AIM else 'missed'}: {entry['times_ours']:.1f}"
    return "\n".join([*rows, f"aim, {AIM:.0f} times arch: {aim}"])


def _machine_text(told: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in told["versions"].items() if number)
    load = "/".join(f"{value:.1f}" for value in told["load_average"])
    return (
        f"{told['processor']} (family/model/stepping {'/'.join(told['family_model'])}),"
        f" {told['cores']} cores, {told['cache']} cache; {told['system']} {told['architecture']};"
        f" load average {load}. Python {told['python']}, {versions}."
    )


def main(given: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="few short rounds")
    options = parser.parse_args(given)
    core = machine.use_one_thread()
    os.environ.setdefault("NUMBA_CACHE_DIR", cache_folder("numba-native"))
    settings = (QUICK_ROUNDS, QUICK_LEAST_S) if options.quick else (ROUNDS, LEAST_S)
    topics = measure(*settings)
    absent = [name for name in PEERS if not importable(name)]
    described = machine.description(core)
    described["versions"] |= {name: machine.version(name) for name in PEERS}
    apart = agreement(QUICK_SERIES if options.quick else SERIES)
    found = {"machine": described, "topics": topics, "agreement": apart, "absent": absent}
    print(json.dumps(found, indent=1) if options.json else text(found, absent))


if __name__ == "__main__":
    main(sys.argv[1:])
