# SPDX-License-Identifier: Apache-2.0
"""A plain backtest says how likely its records are luck, and of what it cannot say, why."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from tests.backtest.made_outcomes import START_MS, USD, arrangement, deposit, outcome
from tests.backtest.made_reports import lived
from tidegate.backtest.daily import daily_excess
from tidegate.backtest.honesty.sharpe import deflated_sharpe, probabilistic_sharpe, sharpe_sample
from tidegate.backtest.luck_told import DAYS_MIN, luck_words, reckoned
from tidegate.backtest.measures import Measures, measure
from tidegate.backtest.report_luck import luck_section
from tidegate.backtest.run import Outcome, Series
from tidegate.backtest.trials import Seen
from tidegate.model.times import HOUR_MS

SEEN = Seen(window=9, overlapping=40, total=50, known=30, variance=0.004)


def ran(label: str, daily: list[float]) -> tuple[Outcome, Measures]:
    """A policy's run of whole days with these returns."""
    levels = 1_000.0 * np.cumprod([1.0, *(1.0 + r for r in daily)])
    hours = np.arange(24 * len(daily) + 1)
    equity = [round(USD * x) for x in np.interp(hours / 24, np.arange(len(levels)), levels)]
    made = outcome([deposit()], 24 * len(daily), "tidegate", 2_000)
    series = Series([START_MS + int(h) * HOUR_MS for h in hours], equity)
    plain = measure(lived(label), arrangement())
    return replace(made, series=series), msgspec.structs.replace(plain, avg_leverage=2.0)


RNG = np.random.default_rng(3)
OURS = ran("tidegate", (0.001 + 0.004 * RNG.standard_normal(60)).tolist())
THEIRS = ran("fixed 5", (0.002 + 0.004 * RNG.standard_normal(60)).tolist())
MANDATE = arrangement().mandate


def test_records_are_deflated_by_the_ledgers_trials_and_their_variance() -> None:
    """Of windows that overlap, not of this one alone; the subject first, whatever its ratio."""
    found = reckoned([THEIRS, OURS], MANDATE, SEEN)
    assert [record.policy for record in found.records] == ["tidegate", "fixed 5"]
    for record, (made, _) in zip(found.records, (OURS, THEIRS), strict=True):
        sample = sharpe_sample(np.array(daily_excess(made.series, MANDATE)))
        assert record.days == 60
        assert record.sharpe_daily == sample.sharpe
        assert record.probabilistic_sharpe == probabilistic_sharpe(sample)
        assert record.deflated_sharpe == deflated_sharpe(sample, 0.004, 40)
        assert record.deflated_sharpe < record.probabilistic_sharpe
        assert record.why is None


def test_words_name_the_trials_their_variance_and_what_needs_a_sweep() -> None:
    first, ours, theirs, last = luck_words(reckoned([OURS, THEIRS], MANDATE, SEEN))
    assert "40 trials counted of windows that overlap this one, 9 of this very window" in first
    assert "variance of their Sharpe ratios a day 0.004, from 30 that take a risk" in first
    assert ours.startswith("  tidegate: Sharpe ")
    assert "a day over 60 days" in theirs
    assert "the best of the trials by luck (deflated Sharpe): " in theirs
    assert "--sweep" in last
    assert "annual" not in first + ours + theirs + last


def test_first_trial_of_all_has_nothing_to_be_deflated_by() -> None:
    found = reckoned([OURS], MANDATE, Seen(1, 1, 1, 1, None))
    (record,) = found.records
    assert found.best_by_luck == 0.0
    assert record.deflated_sharpe == record.probabilistic_sharpe
    assert "1 trial counted" in next(luck_words(found))


@pytest.mark.parametrize(
    ("daily", "known", "words"),
    [
        ([0.01, -0.01] * 4, SEEN, "no Sharpe ratio can be told: 8 days, where 10 are asked for"),
        ([0.01], SEEN, "no Sharpe ratio can be told: 1 day, where 10 are asked for"),
        (
            [0.01, -0.01] * 20,
            Seen(3, 3, 3, 1, None),
            "deflated Sharpe: not known, of 3 trials 1 with a risk and a ratio; two are needed",
        ),
    ],
)
def test_what_cannot_be_told_is_not_a_number_and_says_why(
    daily: list[float], known: Seen, words: str
) -> None:
    found = reckoned([ran("tidegate", daily)], MANDATE, known)
    assert found.records[0].deflated_sharpe is None
    assert words in list(luck_words(found))[1]
    assert DAYS_MIN == 10


def test_days_that_do_not_vary_and_policies_that_hold_nothing_have_no_record() -> None:
    still = ran("tidegate", [0.0] * 20)
    assert reckoned([still], MANDATE, SEEN).records[0].why == "its days do not vary"
    cash = (still[0], msgspec.structs.replace(still[1], avg_leverage=0.0))
    told = list(luck_words(reckoned([cash], MANDATE, SEEN)))
    assert told[1] == "  no policy held a position: there is nothing to judge"


def test_report_judges_luck_by_the_ledgers_trials_where_it_knows_them() -> None:
    results, tried = (OURS, THEIRS), 23
    told = luck_section(results, OURS[1], 0.04, (tried, SEEN), 1)
    assert "After 40 trials this record" in told
    assert "what the best of 40 trials" in told
    assert "(0.00400)" in told
    unknown = luck_section(results, OURS[1], 0.04, (tried, Seen(9, 40, 50, 1, None)), 1)
    assert "what the best of 23 trials" in unknown
