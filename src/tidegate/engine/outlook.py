# SPDX-License-Identifier: Apache-2.0
"""What the engine expects: volatility, funding, edges, scenarios and the stress that holds.

Made once a day from closed bars and settled prints; every part refuses on too little history
rather than guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, exp, sqrt

import numpy as np
from numpy.typing import NDArray

from tidegate.costs.financing import Passage
from tidegate.engine.widening import widened, widening_factors
from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.funding import FundingEstimator, FundingForecast
from tidegate.forecast.funding_path import funding_forecasts
from tidegate.forecast.funding_prior import with_long_run
from tidegate.forecast.realised import realised_measures
from tidegate.forecast.volatility import forecast_volatility
from tidegate.model.instruments import Instrument, InstrumentId, Spot
from tidegate.model.mandate import Mandate
from tidegate.model.market import content_id
from tidegate.model.times import DAY_MS, SECOND_MS
from tidegate.ports import Feed, PastBars
from tidegate.risk.scenarios import (
    BarBlock,
    PathTables,
    Scenarios,
    filtered,
    path_tables,
    with_jump,
    worst_first,
)
from tidegate.risk.settlement import adverse_path_maxima, empirical_buffer
from tidegate.signals.carry import CarryEdge, CarryLeg, carry_edges, shrunk_carry

FloatArray = NDArray[np.float64]
SCENARIO_COUNT = 60
LATENCY_TAIL = 0.95
GOLDEN = 0.6180339887498949
VOL_TRAIN_DAYS = 400
TAIL_DAYS = 180
VOL_BARS_MIN = 21
LONG_RUN_DAYS = 365


@dataclass(frozen=True, slots=True)
class Outlook:
    """`carry_annual` per instrument is what a long is expected to earn a year, shrunk for error;
    `vol_daily` per coin; `outer` and `inner` are the stress moves, at least the mandate's, and
    wider in stress where its `stress.widen` says so."""

    ts_ms: int
    edges: tuple[CarryEdge, ...]
    carry_annual: Mapping[InstrumentId, float]
    vol_daily: Mapping[str, float]
    outer: Mapping[str, float]
    inner: Mapping[str, float]
    scenarios: Scenarios
    tail_windows: float


class Forecaster:
    """Makes outlooks from a feed under a mandate."""

    def __init__(
        self,
        feed: Feed,
        mandate: Mandate,
        instruments: Mapping[InstrumentId, Instrument],
        passages: Mapping[tuple[str, str], Passage],
    ) -> None:
        self._feed, self._mandate = feed, mandate
        self._instruments, self._passages = instruments, passages
        self._coins = mandate.coins

    @property
    def basis(self) -> str:
        """Content id of all that an outlook is made of besides the feed: books that differ in
        other terms alone expect the same."""
        said = self._mandate
        terms = (said.stress, said.edge, said.transfer, tuple(self._instruments))
        return content_id((*terms, said.limits.solvency_tail, said.mandate.decision_interval_s))

    def at(self, ts_ms: int) -> Outlook:
        """The outlook at a time, from what had closed and settled by then."""
        bars = self._feed.past(self._coins, ts_ms, VOL_TRAIN_DAYS)
        vol = np.array([self._volatility(bars, index) for index in range(len(self._coins))])
        edges = tuple(e for e in self.edges(ts_ms) if e.t_statistic >= self._mandate.edge.minimum_t)
        lengths = self._window_bars(bars.interval_ms)
        recent = _last_days(bars, self._mandate.stress.scenario_days)
        tail = _last_days(bars, TAIL_DAYS)
        tables = path_tables(_block(recent), lengths)
        scenarios, windows = self._scenarios(tables, vol, bars.interval_ms)
        vol_daily = dict(zip(self._coins, vol.tolist(), strict=True))
        stress = self._mandate.stress
        factors = widening_factors(stress.widen, bars, vol_daily)
        return Outlook(
            ts_ms,
            edges,
            self._carry(edges),
            vol_daily,
            widened(self._buffers(tail, lengths[-1], stress.outer), factors),
            widened(self._buffers(tail, lengths[0], stress.inner), factors),
            scenarios,
            self._mandate.limits.solvency_tail * windows,
        )

    def _volatility(self, bars: PastBars, index: int) -> float:
        """Forecast daily volatility of one coin over the next day."""
        measures = realised_measures(bars.open_ms, bars.close[:, index], bars.interval_ms)
        whole = ~np.isnan(measures.variance)
        last = int(np.flatnonzero(whole)[-1]) + 1 if whole.any() else 0
        forecast = forecast_volatility(measures.variance[:last], measures.return_log[:last], 1)
        return forecast.vol_annual / sqrt(365)

    def edges(self, ts_ms: int) -> tuple[CarryEdge, ...]:
        """Every pair on one coin in its paying direction, however uncertain."""
        legs = []
        for name, instrument in self._instruments.items():
            if isinstance(instrument, Spot):
                legs.append(CarryLeg(name, instrument.base, 1e12, None, is_spot=True))
                continue
            forecast = self._funding(name, ts_ms)
            if forecast is not None:
                legs.append(CarryLeg(name, instrument.base, 1e12, forecast))
        return carry_edges(legs, self._mandate.edge.correlation, 0.0)

    def _funding(self, name: InstrumentId, ts_ms: int) -> FundingForecast | None:
        """The forecast, or None where the history does not support one: no forecast, no edge."""
        prints = self._feed.funding(name, ts_ms)
        if prints is None:
            return None
        estimator = FundingEstimator(
            horizon_days=max(1, round(self._mandate.edge.payback_days)),
            half_life_days=self._mandate.edge.half_life_days,
        )
        found = funding_forecasts(prints, np.array([ts_ms]), estimator)
        if not np.isfinite(found.rate_annual[0]):
            return None
        near = FundingForecast(
            float(found.rate_annual[0]),
            float(found.standard_error_annual[0]),
            float(found.half_life_days[0]),
            int(found.n_prints[0]),
        )
        return with_long_run(prints, ts_ms, near, LONG_RUN_DAYS, estimator.horizon_days)

    def _carry(self, edges: tuple[CarryEdge, ...]) -> dict[InstrumentId, float]:
        """Carry of each leg: half of its best pair's shrunk carry, + where long, - where short.

        Only differences between legs of one coin matter to a hedged book; a coin without an edge
        has no carry and so no reason to trade.
        """
        carry = dict.fromkeys(self._instruments, 0.0)
        best: dict[str, CarryEdge] = {}
        for edge in edges:
            known = best.get(edge.coin)
            if known is None or shrunk_carry(edge) > shrunk_carry(known):
                best[edge.coin] = edge
        for edge in best.values():
            carry[edge.long_instrument] = shrunk_carry(edge) / 2
            carry[edge.short_instrument] = -shrunk_carry(edge) / 2
        return carry

    def _latency_s(self, probability: float) -> float:
        """Latency of the slowest route; without routes no money can come and none is waited for."""
        laws = [p.latency_quantile_s(probability) for p in self._passages.values()]
        return max(laws, default=0.0)

    def _window_bars(self, interval_ms: int) -> tuple[int, ...]:
        """Window lengths in bars from one decision to that decision plus the slow latency."""
        bar_s = interval_ms / SECOND_MS
        decision_s = self._mandate.mandate.decision_interval_s
        shortest = ceil(decision_s / bar_s)
        longest = ceil((decision_s + self._latency_s(LATENCY_TAIL)) / bar_s)
        return tuple(range(shortest, max(shortest, longest) + 1))

    def _scenarios(
        self, tables: PathTables, vol: FloatArray, interval_ms: int
    ) -> tuple[Scenarios, int]:
        windows = tables.down.shape[1]
        starts = worst_first(tables, SCENARIO_COUNT)
        shares = (np.arange(starts.size) + 1) * GOLDEN % 1.0
        latencies = [self._latency_s(max(1e-6, share)) for share in shares.tolist()]
        landing = tables.lengths[0] + np.array(latencies) * SECOND_MS / interval_ms
        scenarios = filtered(tables, starts, vol, landing)
        return with_jump(scenarios, self._mandate.stress.jump_multiple), windows

    def _buffers(self, bars: PastBars, window: int, floor: Mapping[str, float]) -> dict[str, float]:
        """Stress moves: the mandate's, or the data's own tail over the window if worse."""
        moves = {}
        for index, coin in enumerate(self._coins):
            up, down = adverse_path_maxima(
                bars.high[:, index], bars.low[:, index], bars.close[:, index], window
            )
            try:
                tail = empirical_buffer(np.maximum(up, down), self._mandate.limits.solvency_tail)
            except InsufficientHistory:
                tail = 0.0
            moves[coin] = max(floor[coin], 1.0 - exp(-tail))
        return moves


def _last_days(bars: PastBars, days: int) -> PastBars:
    keep = slice(max(0, bars.open_ms.size - days * DAY_MS // bars.interval_ms), None)
    return PastBars(
        bars.open_ms[keep], bars.interval_ms, bars.high[keep], bars.low[keep], bars.close[keep]
    )


def _block(bars: PastBars) -> BarBlock:
    """Bars with the volatility that held at each: root mean square over the day before (or as many
    coarse bars as give a usable estimate), kept within a factor of four of the sample's median so
    that a dead day divides by no zero."""
    day = DAY_MS // bars.interval_ms
    window = max(day, VOL_BARS_MIN)
    squares = np.diff(np.log(bars.close), axis=0, prepend=np.log(bars.close[:1])) ** 2
    sums = np.cumsum(squares, axis=0)
    trailing = sums.copy()
    trailing[window:] -= sums[:-window]
    counts = np.minimum(np.arange(1, squares.shape[0] + 1), window)[:, None]
    vol = np.sqrt(trailing / counts * day)
    middle = np.median(vol, axis=0)
    return BarBlock(bars.high, bars.low, bars.close, np.clip(vol, middle / 4, middle * 4))
