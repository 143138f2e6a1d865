# SPDX-License-Identifier: Apache-2.0
"""How well funding was forecast on one venue's history, and what acting on it was worth.

The first two thirds of the origins choose the settings among a stated list, which is counted; the
last third, less one horizon in between, judges that one choice against every rival.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import msgspec
import numpy as np
from msgspec.structs import replace

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.funding import FundingPrints
from tidegate.forecast.funding_panel import (
    PanelForecasts,
    PanelSettings,
    panel_forecasts_by_step,
    realised_mean,
)
from tidegate.forecast.funding_rivals import mean_absolute_errors, rivals
from tidegate.forecast.funding_terms import FundingTerms, funding_terms
from tidegate.history.parquet import FloatArray, IntArray, Selection, connect, read_columns
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS
from tidegate.signals.funding_hold import HoldRule, HoldValue, held_above, hold_value

HYPERLIQUID_FILE = "funding/funding_hyperliquid.parquet"
CEX_FILE = "funding/funding_cex.parquet"
VOLUME_FILE = "ohlcv/hyperliquid_perp_1h.parquet"
_ALL_TIME = Window(0, 4_102_444_800_000)
TUNING_SHARE = 2.0 / 3.0
MIN_JUDGED = 20


class FundingTrials(msgspec.Struct, frozen=True):
    """The settings that may be chosen among: every combination is one trial."""

    scales_annual: tuple[float, ...] = (0.05, 0.2)
    windows_days: tuple[int, ...] = (180, 365)
    steps: tuple[float, ...] = (0.02, 0.05, 0.1)

    def forecasts(
        self, panel: Panel, horizon_h: int
    ) -> tuple[tuple[PanelSettings, PanelForecasts], ...]:
        """Every combination at one horizon, with its forecasts of the panel."""
        found: list[tuple[PanelSettings, PanelForecasts]] = []
        for scale, window in product(self.scales_annual, self.windows_days):
            each = PanelSettings(horizon_h=horizon_h, scale_annual=scale, window_days=window)
            by_step = panel_forecasts_by_step(
                panel.prints, panel.at_ms, panel.terms, each, self.steps
            )
            settings = [replace(each, step=step) for step in self.steps]
            found += zip(settings, by_step, strict=True)
        return tuple(found)


class CoinScore(msgspec.Struct, frozen=True):
    """One coin in the last third: mean absolute errors (annual), coverage, origins judged."""

    coin: str
    errors_annual: dict[str, float]
    coverage: float
    n_judged: int

    @property
    def beats_all(self) -> bool:
        """Whether the forecast's error is below every rival's."""
        best = min(error for name, error in self.errors_annual.items() if name != "forecast")
        return self.errors_annual["forecast"] < best


class FundingScores(msgspec.Struct, frozen=True):
    """One venue and horizon: the choice, how many were tried, the coins judged and those not."""

    venue: str
    horizon_h: int
    settings: PanelSettings
    trials: int
    judged_from_ms: int
    coins: tuple[CoinScore, ...]
    unjudged: tuple[str, ...]

    @property
    def wins(self) -> int:
        """Coins on which the forecast beats every rival."""
        return sum(score.beats_all for score in self.coins)

    @property
    def coverage(self) -> float:
        """Share of all judged origins whose realised rate lies in its band."""
        weights = np.array([score.n_judged for score in self.coins], dtype=np.float64)
        shares = np.array([score.coverage for score in self.coins])
        return float(weights @ shares / weights.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Prints of the coins of one venue, its terms, and the daily origins they allow."""

    venue: str
    coins: tuple[str, ...]
    prints: tuple[FundingPrints, ...]
    terms: FundingTerms

    @property
    def at_ms(self) -> IntArray:
        """Every UTC midnight from the first print to the last."""
        first = min(int(p.ts_ms[0]) for p in self.prints) // DAY_MS + 1
        last = max(int(p.ts_ms[-1]) for p in self.prints) // DAY_MS
        return np.arange(first, last + 1, dtype=np.int64) * DAY_MS


def largest_hyperliquid(root: Path, count: int) -> tuple[str, ...]:
    """Coins by mean hourly volume in USD (volume x close), largest first."""
    path = root / VOLUME_FILE
    if not path.is_file():
        raise InputError(VOLUME_FILE, "file", f"expected it under {root}, not found")
    query = (
        "SELECT coin FROM read_parquet(?) GROUP BY coin ORDER BY avg(volume * close) DESC LIMIT ?"
    )
    with connect() as database:
        rows = database.execute(query, [str(path), count]).fetchall()
    return tuple(str(row[0]) for row in rows)


def read_panel(root: Path, venue: str, symbols: Sequence[str]) -> Panel:
    """Prints of a venue's symbols; a duplicate, a NaN or an unknown symbol is refused."""
    prints = tuple(_read_prints(root, venue, symbol) for symbol in symbols)
    return Panel(venue, tuple(symbols), prints, funding_terms(venue))


def score_funding(panel: Panel, horizon_h: int, trials: FundingTrials) -> FundingScores:
    """Choose settings on the first two thirds, judge them on the last third.

    The scale and the window with the least mean error relative to yesterday's are chosen first,
    then the step whose coverage there is nearest the band. Raises: `InsufficientHistory` where
    no coin has 20 origins left to judge.
    """
    tried = trials.forecasts(panel, horizon_h)
    without = _tables(panel, horizon_h)
    tables = [_with_forecasts(without, forecasts) for _, forecasts in tried]
    cut = _cut(tables[0], horizon_h)
    errors = [round(_relative_error(table, cut.tuning), 12) for table in tables]
    misses = [
        abs(_coverage(table, cut.tuning) - s.band)
        for (s, _), table in zip(tried, tables, strict=True)
    ]
    best = min(range(len(tried)), key=lambda i: (errors[i], misses[i]))
    scores = [_coin_score(table, cut.judged) for table in tables[best]]
    judged = tuple(score for score in scores if score.n_judged >= MIN_JUDGED)
    if not judged:
        raise InsufficientHistory("funding study", panel.venue, f"expected {MIN_JUDGED} origins")
    left = tuple(score.coin for score in scores if score.n_judged < MIN_JUDGED)
    at_ms = int(panel.at_ms[int(np.flatnonzero(cut.judged)[0])])
    return FundingScores(panel.venue, horizon_h, tried[best][0], len(tried), at_ms, judged, left)


def value_of_acting(
    panel: Panel, forecasts: PanelForecasts, rule: HoldRule, judged: IntArray
) -> tuple[HoldValue, ...]:
    """Per coin, collecting funding when the forecast says so, against always collecting it.

    Days on which the forecast was refused count for neither. `judged` are rows of the origins.
    """
    values = []
    for i, (coin, prints) in enumerate(zip(panel.coins, panel.prints, strict=True)):
        forecast = forecasts.median[judged, i]
        paid = np.where(
            np.isfinite(forecast), realised_mean(prints, panel.at_ms, 24)[judged], np.nan
        )
        acted = held_above(forecast, rule)
        values.append(hold_value(coin, paid, acted, rule, np.random.default_rng(i)))
    return tuple(values)


@dataclass(frozen=True, slots=True, eq=False)
class _CoinTable:
    coin: str
    forecasts: dict[str, FloatArray]
    lower: FloatArray
    upper: FloatArray
    realised: FloatArray
    known: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    tuning: np.ndarray
    judged: np.ndarray


def _tables(panel: Panel, horizon_h: int) -> list[_CoinTable]:
    """Rivals and what came, per coin, without a forecast yet."""
    days = -(-horizon_h // 24)
    tables = []
    for coin, prints in zip(panel.coins, panel.prints, strict=True):
        named = dict(rivals(prints, panel.at_ms, days, panel.terms))
        realised = realised_mean(prints, panel.at_ms, horizon_h)
        known = np.all([np.isfinite(values) for values in (realised, *named.values())], axis=0)
        tables.append(_CoinTable(coin, named, realised, realised, realised, known))
    return tables


def _with_forecasts(tables: Sequence[_CoinTable], forecasts: PanelForecasts) -> list[_CoinTable]:
    return [
        dataclasses.replace(
            table,
            forecasts=table.forecasts | {"forecast": forecasts.median[:, i]},
            lower=forecasts.lower[:, i],
            upper=forecasts.upper[:, i],
            known=table.known & np.isfinite(forecasts.median[:, i]),
        )
        for i, table in enumerate(tables)
    ]


def _cut(tables: Sequence[_CoinTable], horizon_h: int) -> _Cut:
    """One date for all coins, two thirds into the origins known for any of them."""
    known = np.any([table.known for table in tables], axis=0)
    rows = np.flatnonzero(known)
    if rows.size < 3 * MIN_JUDGED:
        raise InsufficientHistory("funding study", "origins", f"expected {3 * MIN_JUDGED}")
    first = int(rows[int(rows.size * TUNING_SHARE)])
    index, days = np.arange(known.size), -(-horizon_h // 24)
    return _Cut(index < first, index >= first + days)


def _relative_error(tables: Sequence[_CoinTable], part: np.ndarray) -> float:
    ratios = []
    for table in tables:
        rows = np.flatnonzero(table.known & part)
        if rows.size >= MIN_JUDGED:
            errors = mean_absolute_errors(table.forecasts, table.realised, rows)
            ratios.append(errors["forecast"] / errors["yesterday"])
    return float(np.mean(ratios)) if ratios else float("inf")


def _coverage(tables: Sequence[_CoinTable], part: np.ndarray) -> float:
    inside = [_inside(table)[table.known & part] for table in tables]
    return float(np.mean(np.concatenate(inside)))


def _inside(table: _CoinTable) -> np.ndarray:
    return np.asarray((table.realised >= table.lower) & (table.realised <= table.upper))


def _coin_score(table: _CoinTable, part: np.ndarray) -> CoinScore:
    rows = np.flatnonzero(table.known & part)
    if rows.size == 0:
        return CoinScore(table.coin, {}, float("nan"), 0)
    errors = mean_absolute_errors(table.forecasts, table.realised, rows)
    return CoinScore(table.coin, errors, float(np.mean(_inside(table)[rows])), rows.size)


def _read_prints(root: Path, venue: str, symbol: str) -> FundingPrints:
    if venue == "hyperliquid":
        selection = Selection(root, HYPERLIQUID_FILE, (("coin", symbol),), symbol)
    else:
        selection = Selection(root, CEX_FILE, (("symbol", symbol), ("venue", venue)), symbol)
    ts_ms, values = read_columns(selection, ("rate", "interval_h"), _ALL_TIME)
    if ts_ms.size == 0:
        raise InputError(selection.where, symbol, "expected at least one print, got none")
    return FundingPrints(ts_ms, values["rate"], values["interval_h"])
