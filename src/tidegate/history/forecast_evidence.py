# SPDX-License-Identifier: Apache-2.0
"""What a data folder says about forecasts: volatility by horizon, funding, and a gauge of stress.

Volatility is always scored. Funding of the asked coins (Hyperliquid) and the gauge (variance alone,
against expansion of variance) are scored where the folder has them, and what is absent is named.
The whole evidence, all venues and all sets of features, is slower and made only on demand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.funding import FundingPrints
from tidegate.forecast.funding_panel import FundingBand, panel_band, panel_forecasts
from tidegate.forecast.stress_features import variance_features
from tidegate.forecast.stress_gauge import GaugeFit, gauge, walk_forward_probability
from tidegate.history.daily_bars import DailyBars
from tidegate.history.forecast_study import ForecastStudy, study_volatility
from tidegate.history.funding_evidence import HORIZONS_H, FundingEvidence, study_funding
from tidegate.history.funding_study import (
    HYPERLIQUID_FILE,
    FundingScores,
    FundingTrials,
    Panel,
    read_panel,
    score_funding,
)
from tidegate.history.parquet import FloatArray, IntArray, Selection, first_stamp_ms
from tidegate.history.stress_study import (
    HORIZON_DAYS,
    SPOT_FILE,
    SetScore,
    StressScores,
    event_labels,
    read_daily,
    score_set,
    study_stress,
)
from tidegate.history.volatility_history import EVER
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS

GAUGE_FEATURES, GAUGE_LABEL = "variance", "expansion"
# All four trades of entering and leaving both legs, of one leg's notional, as in docs/forecasts.md.
ROUND_TRIP = 0.0027


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a folder: coins, horizons in days, the window, and what else to make."""

    root: Path
    coins: tuple[str, ...]
    horizons_days: tuple[int, ...] = (1,)
    window: Window = EVER
    funding: bool = False
    stress: bool = False

    def __post_init__(self) -> None:
        if not self.root.is_dir():
            raise InputError(str(self.root), "--data", "expected a folder of market data")
        if not self.coins or len(set(self.coins)) != len(self.coins):
            raise InputError("tidegate forecast", "--coins", "expected coins once each: BTC,ETH")
        if not self.horizons_days or min(self.horizons_days) < 1:
            raise InputError("tidegate forecast", "--horizons", "expected days >= 1, such as 1,7")
        if self.window != EVER and (self.funding or self.stress):
            expected = "expected none with --funding or --stress, which are of the whole folder"
            raise InputError("tidegate forecast", "--from, --to", expected)


@dataclass(frozen=True, slots=True, eq=False)
class FundingOutlook:
    """Scores of one horizon, and each coin's band from the last origin; None where refused."""

    scores: FundingScores
    as_of_ms: int
    bands: tuple[tuple[str, FundingBand | None], ...]


@dataclass(frozen=True, slots=True, eq=False)
class GaugeHistory:
    """The gauge of one coin by day (known at the day's end), what came, and its score.

    `event` is 1 where variance expanded in the seven days after, 0 where not, NaN where not known.
    """

    coin: str
    day_ms: IntArray
    level: FloatArray
    event: FloatArray
    scored: SetScore

    @property
    def latest(self) -> tuple[int, float]:
        """When the last day ended, and the gauge then; NaN where it is not known."""
        return int(self.day_ms[-1]) + DAY_MS, float(self.level[-1])


@dataclass(frozen=True, slots=True, eq=False)
class ForecastEvidence:
    """All that was found, and what was not there, each in one line."""

    question: Question
    volatility: tuple[ForecastStudy, ...]
    funding: tuple[FundingOutlook, ...]
    gauges: tuple[GaugeHistory, ...]
    all_funding: FundingEvidence | None
    all_stress: StressScores | None
    refused: tuple[str, ...]

    @property
    def pools_hold(self) -> bool:
        """Whether no pool's regret ever exceeded its bound."""
        pools = [walked.pool for study in self.volatility for walked in study.coins]
        return all(bool(np.all(pool.regret <= pool.bound + 1e-9)) for pool in pools)


def gather(question: Question) -> ForecastEvidence:
    """Score everything that was asked.

    Raises: `InputError` for damaged files, and `InsufficientHistory` where the folder has too few
    bars to score volatility; an absent file or coin of funding or stress is a line of `refused`.
    """
    root, refused = question.root, list[str]()
    volatility = tuple(
        study_volatility(root, question.coins, days, window=question.window)
        for days in question.horizons_days
    )
    funding = _funding(question, refused)
    gauges = [_gauge(question, coin, refused) for coin in question.coins]
    return ForecastEvidence(
        question,
        volatility,
        funding,
        tuple(found for found in gauges if found is not None),
        study_funding(root, FundingTrials(), ROUND_TRIP) if question.funding else None,
        study_stress(root, question.coins) if question.stress else None,
        tuple(refused),
    )


def _present(
    root: Path, column: tuple[str, str], coins: Sequence[str], refused: list[str]
) -> list[str]:
    """Those of the coins that a column of a file holds; what is absent is told."""
    name, key = column
    if not (root / name).is_file():
        refused.append(f"{name}: not in the folder")
        return []
    there = [c for c in coins if first_stamp_ms(Selection(root, name, ((key, c),), c)) is not None]
    refused += [f"{name}: {coin}: not in the file" for coin in coins if coin not in there]
    return there


def _funding(question: Question, refused: list[str]) -> tuple[FundingOutlook, ...]:
    coins = _present(question.root, (HYPERLIQUID_FILE, "coin"), question.coins, refused)
    if not coins:
        return ()
    whole = read_panel(question.root, "hyperliquid", coins)
    prints = [_cut(each, question.window) for each in whole.prints]
    kept = [(c, p) for c, p in zip(coins, prints, strict=True) if p is not None]
    if len(kept) < len(coins):
        refused.append(f"{HYPERLIQUID_FILE}: a coin has no prints in {question.window}")
        return ()
    panel = Panel(whole.venue, tuple(c for c, _ in kept), tuple(p for _, p in kept), whole.terms)
    found = []
    for horizon_h in HORIZONS_H:
        try:
            found.append(_outlook(panel, horizon_h))
        except InsufficientHistory as reason:
            refused.append(f"funding over {horizon_h} h: {reason}")
    return tuple(found)


def _cut(prints: FundingPrints, window: Window) -> FundingPrints | None:
    rows = (prints.ts_ms >= window.start_ms) & (prints.ts_ms < window.end_ms)
    if not rows.any():
        return None
    return FundingPrints(prints.ts_ms[rows], prints.rate[rows], prints.interval_h[rows])


def _outlook(panel: Panel, horizon_h: int) -> FundingOutlook:
    if panel.at_ms.size == 0:
        raise InsufficientHistory("funding study", "origins", "expected prints of more than a day")
    scores = score_funding(panel, horizon_h, FundingTrials())
    latest = panel_forecasts(panel.prints, panel.at_ms, panel.terms, scores.settings)
    bands = list[tuple[str, FundingBand | None]]()
    for i, coin in enumerate(panel.coins):
        try:
            bands.append((coin, panel_band(latest, i)))
        except InsufficientHistory:
            bands.append((coin, None))
    return FundingOutlook(scores, int(panel.at_ms[-1]), tuple(bands))


def _gauge(question: Question, coin: str, refused: list[str]) -> GaugeHistory | None:
    if not _present(question.root, (SPOT_FILE, "base"), (coin,), refused):
        return None
    bars = _windowed(read_daily(question.root, coin), question.window)
    if bars.day_ms.size <= HORIZON_DAYS:
        refused.append(f"{SPOT_FILE}: {coin}: expected over {HORIZON_DAYS} days in the window")
        return None
    labels, features = event_labels(bars)[GAUGE_LABEL], variance_features(bars.high, bars.low)
    scored = score_set(coin, GAUGE_LABEL, labels, GAUGE_FEATURES, features)
    probability = walk_forward_probability(features, labels, HORIZON_DAYS, GaugeFit())
    return GaugeHistory(coin, bars.day_ms, gauge(probability), labels, scored)


def _windowed(bars: DailyBars, window: Window) -> DailyBars:
    """The days that lie in the window whole."""
    rows = (bars.day_ms >= window.start_ms) & (bars.day_ms + DAY_MS <= window.end_ms)
    columns = (bars.high, bars.low, bars.close, bars.volume)
    return DailyBars(bars.day_ms[rows], *(column[rows] for column in columns))
