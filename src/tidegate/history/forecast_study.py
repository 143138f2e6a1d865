# SPDX-License-Identifier: Apache-2.0
"""How well volatility was forecast on the bars of a data folder, and what that allows.

Every model walks forward over all rows. What is chosen is the model whose Diebold-Mariano t against
the baseline, on the coins' mean loss difference, is the lowest among forecasts whose outcome lies
in the first two thirds of the rows that the baseline forecasts (where no t can be had, the one with
the least QLIKE); the last third is scored for that model after the choice. A model counts for the
choice where it forecasts at least 95 % of the baseline's rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tidegate.forecast.card import Card
from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.experts import BASELINE, POOL, experts
from tidegate.forecast.model import Predicted, VolatilityHistory
from tidegate.forecast.pooling import Weights
from tidegate.forecast.scoring import (
    Comparison,
    MincerZarnowitz,
    diebold_mariano,
    mincer_zarnowitz,
    pooled_comparison,
    qlike,
)
from tidegate.forecast.walk_forward import Walk, pool, realised_after, walk
from tidegate.history.digest import digest_files
from tidegate.history.parquet import FloatArray
from tidegate.history.volatility_history import EVER, history_files, read_volatility_history
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS, format_time

ELIGIBLE_SHARE = 0.95
HELD_OUT_SHARE = 1.0 / 3.0
MIN_ROWS = 60
# A standard normal lies within this of zero four times in five.
FOUR_FIFTHS = 1.2815515655446004
# Configurations scored on the first two thirds before the set of models was fixed, and models whose
# last third had been seen when the rule of choice was settled; docs/forecasts.md lists both.
TRIALS, LOOKS = 51, 15

BoolArray = np.typing.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class CoinWalks:
    """The walks of one coin, each model by name, and the pool's regret beside its bound."""

    coin: str
    history: VolatilityHistory
    realised: FloatArray
    walks: Mapping[str, Walk]
    pool: Weights

    @property
    def regret(self) -> float:
        """Summed loss of the pool's weights less that of the best expert, at the last row."""
        return float(self.pool.regret[-1])

    @property
    def bound(self) -> float:
        """What that regret cannot exceed."""
        return float(self.pool.bound[-1])

    def latest(self, model: str) -> Predicted | None:
        """A model's forecast from the last row; None where it was refused."""
        found = self.walks[model]
        values = (found.variance[-1], found.log_median[-1], found.standard_error_log[-1])
        if not np.all(np.isfinite(values)):
            return None
        variance, log_median, error = (float(value) for value in values)
        return Predicted(variance, log_median, error, len(self.history))


@dataclass(frozen=True, slots=True)
class ModelScore:
    """One model on one coin and one part of the rows, against the baseline on the same rows.

    `mse` is in squared daily variance. `coverage` is the share of outcomes inside the band of
    80 %, NaN where the model gave none. `test` is None where there is too little for one.
    """

    model: str
    coin: str
    n_scored: int
    qlike: float
    baseline_qlike: float
    mse: float
    baseline_mse: float
    coverage: float
    test: Comparison | None
    unbiased: MincerZarnowitz | None

    @property
    def gain(self) -> float:
        """Share by which QLIKE is below the baseline's."""
        return 1.0 - self.qlike / self.baseline_qlike


@dataclass(frozen=True, slots=True, eq=False)
class ForecastStudy:
    """Scores of all models over the whole walk-forward and its two parts, and the model chosen.

    `pooled` is the test on the coins together in the untouched last third, of the chosen model.
    `cold` says for each coin when its first forecast by the baseline was made, empty for never.
    """

    horizon: int
    period_ms: int
    split_ms: int
    chosen: str
    coins: tuple[CoinWalks, ...]
    whole: tuple[ModelScore, ...]
    tuning: tuple[ModelScore, ...]
    held_out: tuple[ModelScore, ...]
    pooled_whole: Comparison | None
    pooled: Comparison | None
    cards: tuple[Card, ...]
    cold: Mapping[str, str]

    def score(self, part: str, model: str, coin: str) -> ModelScore:
        """The score of a model on a coin in `whole`, `tuning` or `held_out`."""
        rows: Sequence[ModelScore] = getattr(self, part)
        found = [row for row in rows if (row.model, row.coin) == (model, coin)]
        if not found:
            raise InputError("forecast study", model, f"not scored on {coin} in {part}")
        return found[0]


def study_volatility(
    root: Path,
    coins: Sequence[str],
    horizon: int = 1,
    period_ms: int = DAY_MS,
    window: Window = EVER,
) -> ForecastStudy:
    """Walk every model forward on the coins of a folder and score it.

    Args: `horizon` in periods; `period_ms` a day, or an hour for horizons below one.
    Raises: `InsufficientHistory` where the baseline has fewer than sixty scored forecasts on a
    coin, `InputError`.
    """
    if not coins:
        raise InputError("forecast study", "coins", "expected at least one")
    walked = tuple(
        walk_coin(coin, read_volatility_history(root, coin, period_ms, window), horizon)
        for coin in coins
    )
    data = tuple(dict.fromkeys(name for coin in coins for name in history_files(root, coin)))
    return score_walks(walked, (*data, f"sha256 {digest_files(root, data)}"))


def walk_coin(coin: str, history: VolatilityHistory, horizon: int) -> CoinWalks:
    """Every model's walk over one history, and the pool of them."""
    realised = realised_after(history, horizon)
    walks = {}
    for expert in experts(history.measures.period_ms):
        walks[expert.model.name] = walk(expert.model, history, horizon, expert.refit_every)
    walks[POOL], weights = pool(list(walks.values()), realised, POOL)
    return CoinWalks(coin, history, realised, walks, weights)


def score_walks(coins: tuple[CoinWalks, ...], data: tuple[str, ...]) -> ForecastStudy:
    """Choose on the first two thirds, then score every part."""
    horizon = coins[0].walks[BASELINE].horizon
    period_ms = coins[0].history.measures.period_ms
    split_ms = _split(coins)
    whole = _scores(coins, [_all_rows(coin) for coin in coins])
    tuning_rows = [_before(coin, split_ms - horizon * period_ms) for coin in coins]
    tuning = _scores(coins, tuning_rows)
    chosen = _choose(coins, tuning_rows, tuning)
    held_rows = [~_before(coin, split_ms) for coin in coins]
    held_out = _scores(coins, held_rows)
    names = tuple(coins[0].walks)
    cards = tuple(
        _card(name, coins, data, (whole, held_out), chosen) for name in names if name != BASELINE
    )
    return ForecastStudy(
        horizon,
        period_ms,
        split_ms,
        chosen,
        coins,
        whole,
        tuning,
        held_out,
        _pooled(coins, [_all_rows(coin) for coin in coins], chosen),
        _pooled(coins, held_rows, chosen),
        cards,
        {coin.coin: _first(coin) for coin in coins},
    )


def horizon_text(horizon: int, period_ms: int) -> str:
    """A horizon with its unit."""
    unit = {DAY_MS: "day", HOUR_MS: "hour"}.get(period_ms, f"period of {period_ms} ms")
    return f"{horizon} {unit}" + ("s" if horizon > 1 else "")


def _all_rows(coin: CoinWalks) -> BoolArray:
    return np.ones(len(coin.history), dtype=np.bool_)


def _before(coin: CoinWalks, ts_ms: int) -> BoolArray:
    return np.asarray(coin.history.measures.start_ms < ts_ms)


def _scored(coin: CoinWalks, model: str = BASELINE) -> BoolArray:
    known = np.isfinite(coin.walks[BASELINE].variance) & np.isfinite(coin.realised)
    return np.asarray(known & np.isfinite(coin.walks[model].variance))


def _split(coins: tuple[CoinWalks, ...]) -> int:
    """The first origin (ms) of the last third of all rows that the baseline forecasts."""
    stamps = [coin.history.measures.start_ms[_scored(coin)] for coin in coins]
    for coin, found in zip(coins, stamps, strict=True):
        if found.size < MIN_ROWS:
            raise InsufficientHistory(
                f"forecast study: {coin.coin}",
                "scored forecasts",
                f"expected at least {MIN_ROWS} of {BASELINE}, got {found.size}",
            )
    every = np.unique(np.concatenate(stamps))
    return int(every[int(every.size * (1.0 - HELD_OUT_SHARE))])


def _scores(coins: tuple[CoinWalks, ...], rows: Sequence[BoolArray]) -> tuple[ModelScore, ...]:
    return tuple(
        _score(coin, name, part & _scored(coin, name))
        for coin, part in zip(coins, rows, strict=True)
        for name in coin.walks
        if np.any(part & _scored(coin, name))
    )


def _score(coin: CoinWalks, name: str, rows: BoolArray) -> ModelScore:
    found, y = coin.walks[name], coin.realised[rows]
    forecast, baseline = found.variance[rows], coin.walks[BASELINE].variance[rows]
    losses, reference = qlike(y, forecast), qlike(y, baseline)
    test: Comparison | None = None
    unbiased: MincerZarnowitz | None = None
    try:
        unbiased = mincer_zarnowitz(y, forecast, found.horizon)
        test = diebold_mariano(losses, reference, found.horizon) if name != BASELINE else None
    except InsufficientHistory:
        pass
    return ModelScore(
        name,
        coin.coin,
        int(rows.sum()),
        float(losses.mean()),
        float(reference.mean()),
        float(np.mean((y - forecast) ** 2)),
        float(np.mean((y - baseline) ** 2)),
        _coverage(found, coin.realised, rows),
        test,
        unbiased,
    )


def _coverage(found: Walk, realised: FloatArray, rows: BoolArray) -> float:
    """Share of outcomes within the band of 80 %."""
    spoken = rows & np.isfinite(found.standard_error_log)
    if not spoken.any():
        return np.nan
    off = np.abs(np.log(realised[spoken]) - found.log_median[spoken])
    return float(np.mean(off <= FOUR_FIFTHS * found.standard_error_log[spoken]))


def _choose(
    coins: tuple[CoinWalks, ...], rows: Sequence[BoolArray], tuning: tuple[ModelScore, ...]
) -> str:
    """Lowest t against the baseline, of the models that forecast nearly every row."""
    most = {row.coin: row.n_scored for row in tuning if row.model == BASELINE}
    enough = [row for row in tuning if row.n_scored >= ELIGIBLE_SHARE * most.get(row.coin, 0)]
    means = {name: [row.qlike for row in enough if row.model == name] for name in coins[0].walks}
    full = {name: float(np.mean(v)) for name, v in means.items() if len(v) == len(coins)}
    if not full:
        raise InsufficientHistory("forecast study", "first two thirds", "expected a model scored")
    tests = {name: _pooled(coins, rows, name) for name in full if name != BASELINE}
    found = {name: test.t_statistic for name, test in tests.items() if test is not None}
    ranked = found or full
    return min(ranked, key=lambda name: ranked[name])


def _pooled(
    coins: tuple[CoinWalks, ...], rows: Sequence[BoolArray], name: str
) -> Comparison | None:
    """The test on the coins' mean difference, on the grid that covers them all."""
    first = min(int(coin.history.measures.start_ms[0]) for coin in coins)
    last = max(int(coin.history.measures.start_ms[-1]) for coin in coins)
    period_ms, horizon = coins[0].history.measures.period_ms, coins[0].walks[name].horizon
    losses = np.full((2, len(coins), (last - first) // period_ms + 1), np.nan)
    for i, (coin, part) in enumerate(zip(coins, rows, strict=True)):
        used = part & _scored(coin, name)
        at = (coin.history.measures.start_ms[used] - first) // period_ms
        y = coin.realised[used]
        losses[0, i, at] = qlike(y, coin.walks[name].variance[used])
        losses[1, i, at] = qlike(y, coin.walks[BASELINE].variance[used])
    try:
        return pooled_comparison(list(losses[0]), list(losses[1]), horizon)
    except InsufficientHistory:
        return None


def _card(
    name: str,
    coins: tuple[CoinWalks, ...],
    data: tuple[str, ...],
    scores: tuple[tuple[ModelScore, ...], tuple[ModelScore, ...]],
    chosen: str,
) -> Card:
    """The card of a model on all coins; only the one chosen before it has a held-out test."""
    whole = [row for row in scores[0] if row.model == name]
    every = [_all_rows(coin) for coin in coins]
    held = [~_before(coin, _split(coins)) for coin in coins]
    stamps = [coin.history.measures.start_ms[_scored(coin, name)] for coin in coins]
    known = np.concatenate(stamps) if stamps else np.empty(0)
    first, last = (_day(int(t)) for t in (known.min(), known.max())) if known.size else ("", "")
    horizon, period_ms = coins[0].walks[name].horizon, coins[0].history.measures.period_ms
    outcome = _day(int(known.max()) + horizon * period_ms) if known.size else ""
    return Card(
        model=name,
        horizon=horizon_text(horizon, period_ms),
        data=data,
        window=(first, last),
        loss="QLIKE",
        score=_mean([row.qlike for row in whole]),
        baseline=BASELINE,
        baseline_score=_mean([row.baseline_qlike for row in whole]),
        whole=_pooled(coins, every, name) if known.size else None,
        held_out=_pooled(coins, held, name) if name == chosen else None,
        trials=TRIALS,
        looks=LOOKS,
        date=outcome,
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else np.nan


def _day(ts_ms: int) -> str:
    return format_time(ts_ms)[:10]


def _first(coin: CoinWalks) -> str:
    known = np.flatnonzero(np.isfinite(coin.walks[BASELINE].variance))
    return _day(int(coin.history.measures.start_ms[known[0]])) if known.size else ""
