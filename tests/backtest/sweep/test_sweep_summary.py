# SPDX-License-Identifier: Apache-2.0
"""A sweep's summary: luck is called so, an edge is found, and what is unknown is said."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tidegate.backtest.experiment import Spec
from tidegate.backtest.honesty.sharpe import (
    deflated_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_sample,
)
from tidegate.backtest.measures import Measures
from tidegate.backtest.run_id import RunKey, Strain
from tidegate.backtest.sweep.cells import Cell
from tidegate.backtest.sweep.summary import Row, Summary, summarise
from tidegate.backtest.sweep.task import Result
from tidegate.backtest.trials import Trial, sharpe_of
from tidegate.history.window import Window
from tidegate.model.times import DAY_MS, parse_time_ms

DAYS = 240
START_MS = parse_time_ms("2023-09-01", "test", "start")
WINDOW = Window(START_MS, START_MS + DAYS * DAY_MS)
PLAIN = Strain()
Returns = np.ndarray[tuple[int], np.dtype[np.float64]]


def measures(carry: float, total: float) -> Measures:
    """Measures of which a summary reads two."""
    said: dict[str, object] = dict.fromkeys(Measures.__struct_fields__, 0)
    said |= {"policy": "fixed", "leverage": 1.0, "journal_head": "", "waterfall_usd": {}}
    said |= {"carry_kept": carry, "return_on_capital": total}
    return msgspec.convert(said, Measures)


def row(
    point: int, returns: Returns, seed: int = 1, strain: Strain = PLAIN, window: Window = WINDOW
) -> Row:
    key = RunKey("m", f"d{point}", "c", window, (), Spec("fixed", 1.0), seed, strain)
    total = float(np.prod(1 + returns)) - 1
    result = Result(
        key.id, measures=measures(float(returns.sum()), total), daily=tuple(returns.tolist())
    )
    return Cell({"x": point}, f"x {point}", key, None, None), result


def trials_of(rows: list[Row]) -> list[Trial]:
    return [
        Trial(
            cell.key.id,
            "m",
            cell.key.spec.label,
            cell.key.window.start_ms,
            cell.key.window.end_ms,
            cell.key.seed,
            cell.key.strain,
            "d",
            sharpe_of(result.daily),
            len(result.daily),
        )
        for cell, result in rows
    ]


def summary(rows: list[Row]) -> Summary:
    (one,) = summarise(rows, trials_of(rows))
    return one


def noise(candidates: int, seed: int = 5) -> list[Returns]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0.0, 0.01, DAYS) for _ in range(candidates)]


def test_best_of_many_without_an_edge_is_called_luck() -> None:
    found = summary([row(i, returns) for i, returns in enumerate(noise(60))])
    assert found.luck is not None
    assert found.luck.probabilistic_sharpe is not None
    assert found.luck.deflated_sharpe is not None
    assert found.luck.probabilistic_sharpe > 0.95
    assert found.luck.deflated_sharpe < 0.8
    assert found.overfitting is not None
    assert 0.2 < found.overfitting.probability < 0.8


def test_planted_edge_is_found_and_is_neither_luck_nor_overfitting() -> None:
    series = noise(60)
    series[17] = series[17] + 0.006
    found = summary([row(i, returns) for i, returns in enumerate(series)])
    assert found.best == "fixed 1, x 17"
    assert found.luck is not None
    assert found.luck.deflated_sharpe is not None
    assert found.luck.deflated_sharpe > 0.95
    assert found.luck.mean_interval is not None
    low, high = found.luck.mean_interval
    assert 0 < low < series[17].mean() < high
    assert found.overfitting is not None
    assert found.overfitting.probability < 0.05


def test_figures_of_the_best_are_those_of_its_own_returns_and_all_trials() -> None:
    series = noise(5)
    rows = [row(i, returns) for i, returns in enumerate(series)]
    earlier = [row(i, returns) for i, returns in enumerate(noise(7, seed=6), 100)]
    (found,) = summarise(rows, trials_of([*rows, *earlier]))
    ratios = [sharpe_of(result.daily) for _, result in (*rows, *earlier)]
    best = max(range(5), key=lambda i: sharpe_of(rows[i][1].daily) or 0.0)
    sample = sharpe_sample(series[best])
    assert found.trials.window == 12
    assert found.luck is not None
    assert found.luck.probabilistic_sharpe == probabilistic_sharpe(sample)
    variance = float(np.var(np.array(ratios), ddof=1))
    assert found.luck.deflated_sharpe == pytest.approx(deflated_sharpe(sample, variance, 12))
    assert found.luck.record_needed_days == minimum_track_record(sample)


def test_candidate_is_judged_on_the_seed_on_which_it_did_worst() -> None:
    low, high = noise(2)
    rows = [row(0, high + 0.004, 1), row(0, low - 0.002, 2), row(1, low + 0.001, 1)]
    rows.append(row(1, low + 0.0005, 2))
    found = summary(rows)
    assert [c.seed for c in found.candidates] == [2, 2]
    assert found.best == "fixed 1, x 1"


def test_candidate_that_failed_on_a_seed_is_none() -> None:
    good, bad = noise(2)
    rows = [row(0, good, 1), row(0, good, 2), row(1, bad + 0.01, 1)]
    cell, result = row(1, bad, 2)
    rows.append((cell, Result(result.id, failure="died")))
    found = summary(rows)
    assert [c.label for c in found.candidates] == ["fixed 1, x 0"]
    assert found.failed == 1


def test_best_is_shown_at_every_strain_and_judged_at_the_first() -> None:
    (returns,) = noise(1)
    strains = [Strain(), Strain(2.0), Strain(3.0), Strain(1.0, 2.0)]
    rows = [row(0, returns - 0.001 * i, strain=strain) for i, strain in enumerate(strains)]
    failing = row(0, returns, strain=Strain(3.0, 2.0))
    rows.append((failing[0], Result(failing[1].id, failure="died")))
    found = summary(rows)
    assert found.judged_at == "costs x1, latency x1"
    assert len(found.candidates) == 1
    known = [one.return_on_capital for one in found.strains]
    assert known[:4] == [r.measures and r.measures.return_on_capital for _, r in rows[:4]]
    assert known[4] is None


def test_parts_are_thirds_of_the_window_and_what_came_from_2024_on() -> None:
    (returns,) = noise(1)
    found = summary([row(0, returns)])
    assert [part.days for part in found.parts] == [80, 80, 80, 118]
    assert [part.start[:10] for part in found.parts] == [
        "2023-09-01", "2023-11-20", "2024-02-08", "2024-01-01",
    ]  # fmt: skip
    total = np.prod([1 + part.total_excess for part in found.parts[:3]])
    assert total == pytest.approx(np.prod(1 + returns))
    assert found.parts[3].worst_day == returns[122:].min()


def test_frontier_has_no_candidate_that_another_beats_in_loss_and_carry() -> None:
    (base,) = noise(1)
    rows = [row(0, base), row(1, 0.5 * base), row(2, base - 0.0001), row(3, base + 0.001)]
    labels = [point.label for point in summary(rows).frontier]
    assert labels[-1] == "fixed 1, x 3"
    assert "fixed 1, x 0" not in labels
    assert "fixed 1, x 2" not in labels


def test_window_of_one_day_has_nothing_but_unknowns() -> None:
    window = Window(START_MS, START_MS + DAY_MS)
    found = summary([row(i, np.array([0.001 * i]), window=window) for i in range(2)])
    assert (found.best, found.luck, found.overfitting) == (None, None, None)
    assert [c.sharpe_daily for c in found.candidates] == [None, None]
    assert (found.parts, found.strains) == ((), ())


def test_each_window_has_a_summary_of_its_own() -> None:
    (returns,) = noise(1)
    later = Window(WINDOW.end_ms, WINDOW.end_ms + DAYS * DAY_MS)
    rows = [row(0, returns), row(0, returns + 0.001, window=later)]
    first, second = summarise(rows, trials_of(rows))
    assert (first.to, first.runs, second.runs) == (second.start, 1, 1)
    assert (first.trials.window, first.trials.overlapping, first.trials.total) == (1, 1, 2)
