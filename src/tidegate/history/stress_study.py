# SPDX-License-Identifier: Apache-2.0
"""How well stress was foreseen on a data folder's history, per set of features, and whether acting
on it would have saved margin.

One pass, nothing tuned: every set of features, label and coin is one trial and all are shown. The
strength of the gauge alone is chosen, on the first two thirds of the days, and judged on the rest.
Slope and skew of implied volatility are scored on the months that have chains (`smile_stress`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import numpy as np

from tidegate.forecast.buffer_value import BufferValue, best_strength, buffer_value
from tidegate.forecast.change_point import ChangePointPrior, recent_change
from tidegate.forecast.early_warning import WarningScore, score_warning
from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.funding_panel import realised_mean
from tidegate.forecast.regime_series import jump_states, switching_probability
from tidegate.forecast.stress_features import (
    abdi_ranaldo,
    amihud,
    corwin_schultz,
    leverage_change,
    range_variance,
    trailing_mean,
    variance_features,
)
from tidegate.forecast.stress_gauge import GaugeFit, gauge, walk_forward_probability
from tidegate.forecast.turbulence import (
    absorption_ratio,
    mean_correlation,
    standardised_shift,
    turbulence,
)
from tidegate.history.daily_bars import DailyBars
from tidegate.history.funding_study import read_panel
from tidegate.history.parquet import FloatArray, IntArray, Selection, read_columns
from tidegate.history.smile_stress import smile_features
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS

SPOT_FILE = "ohlcv/coinbase_spot_1d.parquet"
OPEN_INTEREST_FILE = "open_interest/oi_daily.parquet"
IMPLIED_FILE = "index/deribit_btc_dvol_1d.parquet"
_ALL_TIME = Window(0, 4_102_444_800_000)
HORIZON_DAYS = 7
DRAWDOWN = -0.12
EXPANSION = 1.75
LIQUIDATED_SHARE = 0.01
STRENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
PANEL_COINS = ("BTC", "ETH", "LTC", "BCH", "LINK", "XLM", "ETC", "XTZ", "EOS", "DASH", "ALGO")


class SetScore(msgspec.Struct, frozen=True):
    """One feature set against one label on one coin; `score` None where history was too short."""

    coin: str
    label: str
    features: str
    score: WarningScore | None
    refusal: str = ""


class GaugeValue(msgspec.Struct, frozen=True):
    """What a gauge's buffer saved on the judged days, with the strength chosen before them."""

    coin: str
    features: str
    strength: float
    value: BufferValue


class StressScores(msgspec.Struct, frozen=True):
    """All trials of a folder; `smiles` are unfitted features on the months of option chains."""

    sets: tuple[SetScore, ...]
    values: tuple[GaugeValue, ...]
    smiles: tuple[SetScore, ...] = ()

    @property
    def trials(self) -> int:
        """Scores computed, refused ones included."""
        return len(self.sets) + len(self.values) + len(self.smiles)

    @property
    def pays(self) -> tuple[GaugeValue, ...]:
        """Gauges whose saving is above zero over its whole band."""
        return tuple(value for value in self.values if value.value.pays)


def study_stress(root: Path, coins: tuple[str, ...] = ("BTC", "ETH")) -> StressScores:
    """Scores of every feature set and label, and the value of each gauge, for each coin."""
    sets: list[SetScore] = []
    values: list[GaugeValue] = []
    panel = {coin: read_daily(root, coin) for coin in PANEL_COINS}
    for coin in coins:
        bars = panel[coin]
        features = feature_sets(root, coin, panel)
        labels = event_labels(bars)
        for name, label in labels.items():
            sets += [score_set(coin, name, label, key, x) for key, x in features.items()]
        moves = next_move(bars)
        for key, x in features.items():
            worth = _gauge_value(coin, key, x, labels["expansion"], moves)
            values += [worth] if worth else []
        values.append(_volatility_value(coin, bars, moves))
    smiles = [score for coin in coins for score in score_smiles(root, coin)]
    return StressScores(tuple(sets), tuple(values), tuple(smiles))


def score_smiles(root: Path, coin: str) -> Iterator[SetScore]:
    """Slope and skew of a coin as they stand, against both labels; none without its chains."""
    if not any((root / "options").glob(f"deribit_{coin}_chain_*.parquet")):
        return
    bars, features = smile_features(root, coin)
    for label, labels in event_labels(bars).items():
        for name, values in features.items():
            yield _scored((coin, label, name), values, labels)


def read_daily(root: Path, base: str) -> DailyBars:
    """Daily bars of a coin in USD. Raises: `InputError` on duplicates or stamps off the day."""
    selection = Selection(root, SPOT_FILE, (("base", base),), base)
    names = ("high", "low", "close", "volume")
    ts_ms, values = read_columns(selection, names, _ALL_TIME)
    day_ms, laid = _daily_grid(SPOT_FILE, ts_ms, np.column_stack([values[n] for n in names]))
    return DailyBars(day_ms, *laid.T)


def event_labels(bars: DailyBars) -> Mapping[str, FloatArray]:
    """1, 0 or NaN per day: variance expands, or the price draws down, in the next seven days.

    expansion: mean range variance of days t+1..t+7 above 1.75 x that of the last 30 days;
    drawdown: lowest low of t+1..t+7 at least 12 % below the close of t.
    """
    variance = range_variance(bars.high, bars.low)
    ahead = _ahead(trailing_mean(variance, HORIZON_DAYS))
    before = trailing_mean(variance, 30)
    expansion = np.where(np.isfinite(ahead * before), ahead > EXPANSION * before, np.nan)
    lows = np.full(bars.low.size, np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(bars.low, HORIZON_DAYS)
    lows[HORIZON_DAYS - 1 :] = windows.min(axis=1)
    fall = _ahead(lows) / bars.close - 1.0
    drawdown = np.where(np.isfinite(fall), fall <= DRAWDOWN, np.nan)
    return {"expansion": expansion, "drawdown": drawdown}


def next_move(bars: DailyBars) -> FloatArray:
    """Largest log move either way from the close of t within day t + 1, float64[n]."""
    up = np.log(bars.high[1:] / bars.close[:-1])
    down = np.log(bars.close[:-1] / bars.low[1:])
    return np.append(np.maximum(up, down), np.nan)


def feature_sets(root: Path, coin: str, panel: Mapping[str, DailyBars]) -> Mapping[str, FloatArray]:
    """Named feature sets float64[n, f] of a coin; `everything` joins all but implied volatility."""
    bars = panel[coin]
    returns = np.column_stack([each.return_log for each in panel.values()])
    log_variance = _log_variance(bars)
    sets = {
        "variance": [*variance_features(bars.high, bars.low).T],
        "joint": [standardised_shift(absorption_ratio(returns, 60), 15, 250),
                  np.log(turbulence(returns, 120)), mean_correlation(returns, 30)],
        "regimes": [jump_states(log_variance, bars.return_log),
                    switching_probability(log_variance),
                    recent_change((log_variance + 7.0) / 1.2, ChangePointPrior(), 10)],
        "liquidity": [trailing_mean(corwin_schultz(bars.high, bars.low), 7),
                      abdi_ranaldo(bars.close, bars.high, bars.low, 30),
                      trailing_mean(amihud(bars.return_log, bars.volume * bars.close), 7)],
        "funding": _funding(root, coin, bars.day_ms),
        "open interest": _open_interest(root, coin, bars.day_ms),
    }  # fmt: skip
    joined = {name: np.column_stack(columns) for name, columns in sets.items()}
    joined["everything"] = np.column_stack(list(joined.values()))
    if coin == "BTC":
        implied = _implied(root, bars.day_ms)
        joined["variance and implied"] = np.column_stack([joined["variance"], implied])
    return joined


def _log_variance(bars: DailyBars) -> FloatArray:
    variance = range_variance(bars.high, bars.low)
    return np.log(np.where(variance > 0.0, variance, np.nan))


def score_set(
    coin: str, label: str, labels: FloatArray, name: str, features: FloatArray
) -> SetScore:
    """Walk-forward probability of one set, scored; a short history is named, not hidden."""
    probability = walk_forward_probability(features, labels, HORIZON_DAYS, GaugeFit())
    return _scored((coin, label, name), probability, labels)


def _scored(names: tuple[str, str, str], values: FloatArray, labels: FloatArray) -> SetScore:
    """The score of one column on the days that it and the label are known."""
    known = np.isfinite(values) & np.isfinite(labels)
    try:
        scored = score_warning(
            values[known], labels[known] > 0.5, HORIZON_DAYS, np.random.default_rng(7)
        )
    except InsufficientHistory as refusal:
        return SetScore(*names, None, str(refusal))
    return SetScore(*names, scored)


def _gauge_value(
    coin: str, name: str, features: FloatArray, labels: FloatArray, moves: FloatArray
) -> GaugeValue | None:
    """Margin-days saved on the last third, strength chosen on the days before it."""
    level = gauge(walk_forward_probability(features, labels, HORIZON_DAYS, GaugeFit()))
    rows = np.flatnonzero(np.isfinite(level) & np.isfinite(moves))
    if rows.size < 300:
        return None
    cut = int(rows.size * 2 / 3)
    before, judged = rows[:cut], rows[cut:]
    strength = best_strength(moves[before], level[before], LIQUIDATED_SHARE, STRENGTHS)
    multiple = 1.0 + strength * level[judged]
    value = buffer_value(moves[judged], multiple, LIQUIDATED_SHARE, np.random.default_rng(7))
    return GaugeValue(coin, name, strength, value)


def _volatility_value(coin: str, bars: DailyBars, moves: FloatArray) -> GaugeValue:
    """The rival that needs no gauge: a buffer in proportion to the mean range of 30 days."""
    scale = np.sqrt(trailing_mean(range_variance(bars.high, bars.low), 30))
    rows = np.flatnonzero(np.isfinite(scale) & np.isfinite(moves))
    judged = rows[int(rows.size * 2 / 3) :]
    value = buffer_value(moves[judged], scale[judged], LIQUIDATED_SHARE, np.random.default_rng(7))
    return GaugeValue(coin, "30-day volatility alone", float("nan"), value)


def _ahead(trailing: FloatArray) -> FloatArray:
    """A trailing figure of seven days, moved to the row before its first day."""
    return np.append(trailing[HORIZON_DAYS:], np.full(HORIZON_DAYS, np.nan))


def _funding(root: Path, coin: str, day_ms: IntArray) -> list[FloatArray]:
    """Mean annual funding at Binance over 7 and 30 days to the day's end, and their difference."""
    prints = read_panel(root, "binance", (f"{coin}USDT",)).prints[0]
    end_ms = day_ms + DAY_MS
    week = realised_mean(prints, end_ms - 7 * DAY_MS, 7 * 24)
    month = realised_mean(prints, end_ms - 30 * DAY_MS, 30 * 24)
    return [week, month, np.abs(week - month)]


def _open_interest(root: Path, coin: str, day_ms: IntArray) -> list[FloatArray]:
    selection = Selection(root, OPEN_INTEREST_FILE, (("base", coin),), coin)
    ts_ms, values = read_columns(selection, ("oi_close",), _ALL_TIME)
    usd = _on_days(OPEN_INTEREST_FILE, ts_ms, values["oi_close"], day_ms)
    return [leverage_change(usd, 7), leverage_change(usd, 30)]


def _implied(root: Path, day_ms: IntArray) -> FloatArray:
    """Implied volatility of the day before, since its stamp does not say when in the day it was
    taken; its log and its change over seven days."""
    selection = Selection(root, IMPLIED_FILE, (("symbol", "BTC_DVOL"),), "BTC_DVOL")
    ts_ms, values = read_columns(selection, ("dvol",), _ALL_TIME)
    level = np.log(_on_days(IMPLIED_FILE, ts_ms, values["dvol"], day_ms - DAY_MS) / 100.0)
    changed = np.append(np.full(7, np.nan), level[7:] - level[:-7])
    return np.column_stack([level, changed])


def _daily_grid(where: str, ts_ms: IntArray, values: FloatArray) -> tuple[IntArray, FloatArray]:
    if ts_ms.size == 0 or np.any(np.diff(ts_ms) <= 0) or np.any(ts_ms % DAY_MS):
        raise InputError(where, "ts", "expected one row per UTC day, in order")
    day_ms = np.arange(ts_ms[0], ts_ms[-1] + DAY_MS, DAY_MS, dtype=np.int64)
    laid = np.full((day_ms.size, values.shape[1]), np.nan)
    laid[(ts_ms - ts_ms[0]) // DAY_MS] = values
    return day_ms, laid


def _on_days(where: str, ts_ms: IntArray, values: FloatArray, day_ms: IntArray) -> FloatArray:
    """A daily column at the days asked, NaN where it has no row."""
    grid_ms, laid = _daily_grid(where, ts_ms, values[:, None])
    index = (day_ms - grid_ms[0]) // DAY_MS
    inside = (index >= 0) & (index < grid_ms.size)
    return np.where(inside, laid[np.clip(index, 0, grid_ms.size - 1), 0], np.nan)
