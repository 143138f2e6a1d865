# SPDX-License-Identifier: Apache-2.0
"""What the volatility gate's test could show, and what the chosen models do on coins never used.

Two models were chosen before the last third was scored: the one of least mean QLIKE (the rule
written first) and the one of lowest t against the baseline (written second). For each this gives
the power of the test of the last third, the days that carry its variance, and the same test on
three fresh samples, all of coins that had no part in any choice:

- `same days`: every other coin of the same file of quarter-hours, in the same last third;
- `hourly`: Hyperliquid's coins, whose bars end before the last third: every forecast they allow;
- `daily range`: Coinbase's coins in the same last third, with Parkinson's variance of the day's
  range. A range has no quarticity, so a model that needs it is silent: in its place is the same
  model without.

Nothing is tuned: models, windows and refits are those of the study. Coins of one day are averaged
before the test, so a day counts once, whatever the correlation between its coins.

`python -m tidegate.history.volatility_gate_table --data DIR` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from tidegate.forecast.comparison_power import (
    Described,
    HeavyDay,
    Power,
    days_needed,
    described,
    heaviest,
    power,
)
from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.experts import BASELINE, WEEK
from tidegate.forecast.model import VolatilityHistory
from tidegate.forecast.realised import RealisedMeasures, realised_measures
from tidegate.forecast.scoring import Comparison, diebold_mariano, qlike
from tidegate.forecast.stress_features import range_variance
from tidegate.history.forecast_study import (
    ELIGIBLE_SHARE,
    CoinWalks,
    ForecastStudy,
    study_volatility,
    walk_coin,
)
from tidegate.history.parquet import FloatArray, IntArray, Selection, read_columns, text_values
from tidegate.history.stress_study import SPOT_FILE, read_daily
from tidegate.history.volatility_history import BARS, EVER, read_volatility_history
from tidegate.history.window import Window
from tidegate.model.times import DAY_MS, HOUR_MS, format_time

HOURLY_FILE = "ohlcv/hyperliquid_perp_1h.parquet"
USED = ("BTC", "ETH")
WITHOUT_QUARTICITY = {WEEK: "week log-HAR leverage"}
BLOCKS = (5, 10, 21)
HEAVIEST = 5
WANTED_POWER = 0.8
LENGTHS = (100, 165, 250, 365, 500, 730, 1095, 1460, 2190)
SEED = 11


@dataclass(frozen=True, slots=True, eq=False)
class CoinDays:
    """One coin's loss difference by day against the baseline, NaN where not known, and the mean
    losses of both on the days that are."""

    coin: str
    day_ms: IntArray
    difference: FloatArray
    loss: float
    baseline_loss: float

    @property
    def gain(self) -> float:
        """Share by which QLIKE is below the baseline's."""
        return 1.0 - self.loss / self.baseline_loss


class NamedDay(msgspec.Struct, frozen=True):
    """A heavy day: its forecast's origin, and the coins' own differences."""

    date: str
    difference: float
    share: float
    coins: Mapping[str, float]


class Doubt(msgspec.Struct, frozen=True):
    """The last third's test of one model, and what it could have shown.

    `powers` are of differences as in the first two thirds, `noisy_powers` of the last third's own
    scatter about the first two thirds' mean. `days_needed` is for a power of four in five where
    the improvement is that of the last third; None where the longest length tried has less.
    """

    model: str
    rule: str
    before: Comparison
    test: Comparison
    powers: tuple[Power, ...]
    noisy_powers: tuple[Power, ...]
    days_needed: int | None
    heavy: tuple[NamedDay, ...]
    seen: Described


class Fresh(msgspec.Struct, frozen=True):
    """One model on one fresh sample; `test` None where there are too few days for one."""

    sample: str
    model: str
    window: tuple[str, str]
    coins: int
    better_on: int
    gain: float
    test: Comparison | None
    seen: Described | None
    gains: Mapping[str, float]


class GateStudy(msgspec.Struct, frozen=True):
    """Everything; `tests` is how many fresh tests were made, for whoever corrects p for them."""

    split: str
    doubts: tuple[Doubt, ...]
    fresh: tuple[Fresh, ...]
    refused: tuple[str, ...]

    @property
    def tests(self) -> int:
        """Tests on fresh samples."""
        return sum(row.test is not None for row in self.fresh)


def study_gate(root: Path, used: Sequence[str] = USED) -> GateStudy:
    """The study of the used coins, doubted, and its models on fresh coins.

    Raises: `InsufficientHistory` where the used coins have too few days, `InputError`. A sample
    whose file is absent is named in `refused`.
    """
    study = study_volatility(root, used)
    rules = {least_mean(study): "least mean QLIKE", study.chosen: "lowest t"}
    doubts = tuple(_doubt(study, model, rule) for model, rule in rules.items())
    found, refused = list[Fresh](), list[str]()
    for name, histories, first_ms in _samples(root, used, study, refused):
        found += _fresh(name, tuple(rules), histories, first_ms)
    return GateStudy(_day(study.split_ms), doubts, tuple(found), tuple(refused))


def least_mean(study: ForecastStudy) -> str:
    """The model of least mean QLIKE in the first two thirds among those on every coin's rows."""
    coins = [walked.coin for walked in study.coins]
    rows = {(row.model, row.coin): row for row in study.tuning}
    full = [
        name
        for name in study.coins[0].walks
        if all(
            (name, c) in rows
            and rows[name, c].n_scored >= ELIGIBLE_SHARE * rows[BASELINE, c].n_scored
            for c in coins
        )
    ]
    return min(full, key=lambda name: float(np.mean([rows[name, c].qlike for c in coins])))


def coin_days(walked: CoinWalks, model: str, first_ms: int, stop_ms: int) -> CoinDays | None:
    """A model's loss less its baseline's on origins in [first, stop); None where it has none."""
    day_ms, y = walked.history.measures.start_ms, walked.realised
    own, base = walked.walks[model].variance, walked.walks[BASELINE].variance
    known = np.isfinite(own) & np.isfinite(base) & np.isfinite(y)
    rows = known & (day_ms >= first_ms) & (day_ms < stop_ms)
    if not rows.any():
        return None
    losses, reference = qlike(y[rows], own[rows]), qlike(y[rows], base[rows])
    means = float(losses.mean()), float(reference.mean())
    return CoinDays(walked.coin, day_ms[rows], losses - reference, *means)


def by_day(rows: Sequence[CoinDays]) -> tuple[IntArray, FloatArray]:
    """Mean difference over the coins known on each day of a gapless grid, NaN where none is."""
    first = min(int(row.day_ms[0]) for row in rows)
    last = max(int(row.day_ms[-1]) for row in rows)
    grid_ms = np.arange(first, last + DAY_MS, DAY_MS, dtype=np.int64)
    laid = np.full((len(rows), grid_ms.size), np.nan)
    for i, row in enumerate(rows):
        laid[i, (row.day_ms - first) // DAY_MS] = row.difference
    count = np.isfinite(laid).sum(axis=0)
    total = np.where(np.isfinite(laid), laid, 0.0).sum(axis=0)
    return grid_ms, np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _doubt(study: ForecastStudy, model: str, rule: str) -> Doubt:
    """The last third of one model of a study of one day ahead."""
    parts = []
    for first_ms, stop_ms in ((0, study.split_ms - DAY_MS), (study.split_ms, EVER.end_ms)):
        found = [coin_days(walked, model, first_ms, stop_ms) for walked in study.coins]
        parts.append([row for row in found if row is not None])
    (_, earlier), (day_ms, later) = by_day(parts[0]), by_day(parts[1])
    before, after = earlier[np.isfinite(earlier)], later[np.isfinite(later)]
    shifted = after - after.mean() + before.mean()
    rng, n = np.random.default_rng(SEED), after.size
    return Doubt(
        model,
        rule,
        _test(before),
        _test(after),
        tuple(power(before, n, block, rng) for block in BLOCKS),
        tuple(power(shifted, n, block, rng) for block in BLOCKS),
        days_needed(after, WANTED_POWER, LENGTHS, BLOCKS[1], rng),
        tuple(
            _named(day, day_ms[np.isfinite(later)], parts[1]) for day in heaviest(after, HEAVIEST)
        ),
        described(later, HEAVIEST),
    )


def _test(differences: FloatArray) -> Comparison:
    return diebold_mariano(differences, np.zeros_like(differences), 1)


def _named(day: HeavyDay, day_ms: IntArray, rows: Sequence[CoinDays]) -> NamedDay:
    at_ms = int(day_ms[day.row])
    coins = {row.coin: float(row.difference[row.day_ms == at_ms].sum()) for row in rows}
    return NamedDay(_day(at_ms + DAY_MS), day.difference, day.share, coins)


def _fresh(
    sample: str, models: Sequence[str], walked: Sequence[CoinWalks], first_ms: int
) -> Iterator[Fresh]:
    """Each model on one sample, from its first origin that counts on."""
    for model in models:
        name = WITHOUT_QUARTICITY.get(model, model) if sample == "daily range" else model
        found = [coin_days(coin, name, first_ms, EVER.end_ms) for coin in walked]
        rows = [row for row in found if row is not None]
        if not rows:
            yield Fresh(sample, name, ("", ""), 0, 0, np.nan, None, None, {})
            continue
        day_ms, grid = by_day(rows)
        known, test, seen = grid[np.isfinite(grid)], None, None
        with suppress(InsufficientHistory):
            test, seen = _test(known), described(grid, HEAVIEST)
        gain = 1.0 - sum(row.loss for row in rows) / sum(row.baseline_loss for row in rows)
        window = _day(int(day_ms[0]) + DAY_MS), _day(int(day_ms[-1]) + DAY_MS)
        better = sum(row.gain > 0.0 for row in rows)
        gains = {row.coin: row.gain for row in rows}
        yield Fresh(sample, name, window, len(rows), better, gain, test, seen, gains)


def _samples(
    root: Path, used: Sequence[str], study: ForecastStudy, refused: list[str]
) -> Iterator[tuple[str, tuple[CoinWalks, ...], int]]:
    """Name, walks and first origin that counts of every fresh sample that the folder has."""
    begun_ms = min(int(walked.history.measures.start_ms[0]) for walked in study.coins)
    others = [name.removesuffix("USDT") for name in text_values(root, BARS, "symbol")]
    same = {coin: read_volatility_history(root, coin) for coin in others if coin not in used}
    hourly, daily = dict[str, VolatilityHistory](), dict[str, VolatilityHistory]()
    for name, key, read, into in (
        (HOURLY_FILE, "coin", hourly_history, hourly),
        (SPOT_FILE, "base", range_history, daily),
    ):
        if not (root / name).is_file():
            refused.append(f"{name}: not in the folder")
            continue
        fresh = [coin for coin in text_values(root, name, key) if coin not in used]
        into.update({coin: read(root, coin, begun_ms) for coin in fresh})
    for sample, histories, first_ms in (
        ("same days", same, study.split_ms),
        ("hourly", hourly, 0),
        ("daily range", daily, study.split_ms),
    ):
        walked = tuple(walk_coin(coin, history, 1) for coin, history in histories.items())
        yield sample, walked, first_ms


def hourly_history(root: Path, coin: str, begun_ms: int) -> VolatilityHistory:
    """Measures of Hyperliquid's hours from a time on, as the study makes them of quarter-hours."""
    selection = Selection(root, HOURLY_FILE, (("coin", coin),), coin)
    ts_ms, values = read_columns(selection, ("close",), Window(begun_ms, EVER.end_ms))
    return VolatilityHistory(realised_measures(ts_ms, values["close"], HOUR_MS))


def range_history(root: Path, coin: str, begun_ms: int) -> VolatilityHistory:
    """Parkinson's variance of Coinbase's days from a time on; what a range does not tell is NaN."""
    bars = read_daily(root, coin)
    rows = bars.day_ms >= begun_ms
    variance = range_variance(bars.high[rows], bars.low[rows])
    variance = np.where(variance > 0.0, variance, np.nan)
    unknown = np.full(variance.size, np.nan)
    measures = RealisedMeasures(
        start_ms=bars.day_ms[rows],
        period_ms=DAY_MS,
        variance=variance,
        bipower=unknown,
        jump=unknown,
        semivariance_down=unknown,
        semivariance_up=unknown,
        quarticity=unknown,
        return_log=bars.return_log[rows],
        set_aside=np.zeros(variance.size, dtype=np.int64),
    )
    return VolatilityHistory(measures)


def _day(ts_ms: int) -> str:
    return format_time(ts_ms)[:10]
