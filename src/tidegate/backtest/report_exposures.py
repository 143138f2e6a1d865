# SPDX-License-Identifier: Apache-2.0
"""What a book was exposed to: changes of its equity regressed on the window's own prices.

    change / capital = a + b1 r + b2 c + b3 v + error

r is the leading coin's return, c the carry that pairs could earn (per coin the highest less the
lowest sum of funding rates among its perpetuals, averaged over coins; where a coin has one alone,
its size), and v minus the sum of squared hourly returns of the leading coin: what a seller of
variance earns beyond a constant. Errors are those of Newey and West (1987), which allow for changes
that depend on each other, with floor(4 (n / 100)^(2/9)) lags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.honesty.samples import FloatArray
from tidegate.backtest.report_periods import Results
from tidegate.backtest.run import Series
from tidegate.engine.page import Columns, table
from tidegate.model.instruments import InstrumentId, Spot
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.simulation.tape import Tape

PERIODS_MIN = 10
FACTORS = ("leading coin", "carry", "short variance")
E12 = 1e12
PREFERRED = "BTC"


@dataclass(frozen=True, slots=True)
class Exposure:
    """Slopes and their errors by factor (None: the factor never varied), the share of variance that
    they explain, and how many periods."""

    slopes: tuple[tuple[float, float] | None, ...]
    explained: float
    periods: int


def leader_of(arrangement: Arrangement) -> InstrumentId | None:
    """The instrument whose price stands for the market: bitcoin's first contract, or the first."""
    contracts = [i for i in arrangement.terms.instruments.values() if not isinstance(i, Spot)]
    own = [i for i in contracts if i.base == PREFERRED] or contracts
    return own[0].id if own else None


def factors(arrangement: Arrangement, tape: Tape, leader: InstrumentId) -> FloatArray:
    """The three factors of each whole day, float64[n, 3]."""
    per_hour = max(1, HOUR_MS // tape.step_ms)
    track = tape.tracks[leader]
    prices = np.array(
        [track.open[0], *track.mark_close[per_hour - 1 :: per_hour]], dtype=np.float64
    )
    hours = prices[1:] / prices[:-1] - 1.0
    days = hours.size // 24
    coin = prices[24 : 24 * days + 1 : 24] / prices[: 24 * days : 24] - 1.0
    variance = (hours[: 24 * days] ** 2).reshape(days, 24).sum(axis=1)
    return np.column_stack([coin, _carry(arrangement, tape, days), -variance])


def _carry(arrangement: Arrangement, tape: Tape, days: int) -> FloatArray:
    sums: dict[str, dict[InstrumentId, FloatArray]] = {}
    for stamp in tape.funding:
        day = (stamp.ts_ms - tape.start_ms) // DAY_MS
        if day < days:
            coin = arrangement.terms.instruments[stamp.instrument].base
            own = sums.setdefault(coin, {})
            own.setdefault(stamp.instrument, np.zeros(days))[day] += stamp.rate_e12 / E12
    spreads = [_spread(own) for own in sums.values()]
    return np.mean(spreads, axis=0) if spreads else np.zeros(days)


def _spread(own: Mapping[InstrumentId, FloatArray]) -> FloatArray:
    rates = np.array(list(own.values()))
    if len(rates) == 1:
        return np.asarray(np.abs(rates[0]))
    return np.asarray(rates.max(axis=0) - rates.min(axis=0))


def changes(series: Series) -> FloatArray:
    """Change of equity over each whole day, on capital, float64[n]."""
    equity = np.array(series.equity[::24], dtype=np.float64)
    return np.asarray(np.diff(equity) / equity[0])


def exposure(returns: FloatArray, drivers: FloatArray) -> Exposure | None:
    """The regression of returns (n) on drivers (n, k); None with too few periods or no change."""
    n = min(returns.size, len(drivers))
    y, x = returns[:n], drivers[:n]
    if n < PERIODS_MIN or float(np.ptp(y)) == 0.0:
        return None
    used = [i for i in range(x.shape[1]) if float(np.ptp(x[:, i])) > 0.0]
    # Each factor is measured in its own deviations, so that none is lost to rounding.
    scale = x[:, used].std(axis=0)
    design = np.column_stack([np.ones(n), (x[:, used] - x[:, used].mean(axis=0)) / scale])
    fitted, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
    if rank < design.shape[1]:
        return None
    residual = y - design @ fitted
    errors = np.sqrt(np.maximum(np.diag(_newey_west(design, residual)), 0.0))
    slopes: list[tuple[float, float] | None] = [None] * x.shape[1]
    for place, i in enumerate(used, 1):
        width = float(scale[place - 1])
        slopes[i] = (float(fitted[place]) / width, float(errors[place]) / width)
    explained = 1.0 - float(residual @ residual) / float(((y - y.mean()) ** 2).sum())
    return Exposure(tuple(slopes), explained, n)


def _newey_west(design: FloatArray, residual: FloatArray) -> FloatArray:
    """Covariance of the coefficients; Bartlett weights."""
    n, k = design.shape
    scores = design * residual[:, None]
    middle = scores.T @ scores
    lags = int(4 * (n / 100) ** (2 / 9))
    for lag in range(1, min(lags, n - 1) + 1):
        cross = scores[lag:].T @ scores[:-lag]
        middle = middle + (1.0 - lag / (lags + 1)) * (cross + cross.T)
    bread = np.linalg.inv(design.T @ design)
    return np.asarray(bread @ middle @ bread * n / (n - k))


def exposures_section(results: Results, arrangement: Arrangement, tape: Tape | None) -> str:
    """Every levered policy's exposures."""
    title = '<h2 id="exposures">What it was exposed to</h2>\n'
    leader = leader_of(arrangement)
    if tape is None or leader is None:
        return title + "<p>Not computed: the study holds no prices.</p>"
    drivers = factors(arrangement, tape, leader)
    found = [
        (m.label, exposure(changes(o.series), drivers)) for o, m in results if m.avg_leverage > 0
    ]
    told = [(name, e) for name, e in found if e is not None]
    if not told:
        return title + f"<p>Fewer than {PERIODS_MIN} days: nothing can be said.</p>"
    return title + _table(told, leader)


def _table(told: Sequence[tuple[str, Exposure]], leader: str) -> str:
    rows = [
        [name, *(_slope(slope) for slope in e.slopes), f"{e.explained:.0%}", f"{e.periods}"]
        for name, e in told
    ]
    caption = (
        f"Daily changes of equity on capital, regressed on the return of {leader}, on the funding "
        "that pairs could earn, and on minus its realised variance (the side of who sells "
        "volatility). Slope, and its distance from 0 in standard errors (Newey and West): beyond 2 "
        "in size it is there. A slope of 0.01 to the coin means one basis point for a move of 1 %."
    )
    columns = Columns(("policy", *FACTORS, "explained", "days"), numeric=range(1, 6))
    return table(columns, rows, caption)


def _slope(slope: tuple[float, float] | None) -> str:
    if slope is None:
        return "none"
    value, error = slope
    return f"{value:+.3f} ({value / error:+.1f})" if error > 0.0 else f"{value:+.3f}"
