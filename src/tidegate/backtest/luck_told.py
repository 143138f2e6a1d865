# SPDX-License-Identifier: Apache-2.0
"""How likely a backtest's records are luck, against every trial that the ledger has counted.

Ratios are per day, of whole days' changes of equity above the hurdle rate, as the ledger keeps
them; none is annualised, and none is made of funding prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from tidegate.backtest.daily import daily_excess
from tidegate.backtest.honesty.sharpe import (
    deflated_sharpe,
    expected_maximum_sharpe,
    probabilistic_sharpe,
    sharpe_sample,
)
from tidegate.backtest.measures import Measures
from tidegate.backtest.report_summary import subject_index
from tidegate.backtest.run import Outcome
from tidegate.backtest.trials import Seen
from tidegate.model.errors import InputError
from tidegate.model.mandate import Mandate

DAYS_MIN = 10
NO_OVERFITTING = (
    "probability of overfitting: not known of a single backtest, as the ledger keeps ratios and no "
    "days to set side by side; --sweep tells it"
)


class Record(msgspec.Struct, frozen=True):
    """One policy's record: days, Sharpe ratio a day, the chance that the true one is above 0, and
    above the best of all trials by luck (deflated); where one is missing, `why`."""

    policy: str
    days: int
    sharpe_daily: float | None = None
    probabilistic_sharpe: float | None = None
    deflated_sharpe: float | None = None
    why: str | None = None


class Reckoning(msgspec.Struct, frozen=True):
    """What the ledger has seen, what the best of its overlapping trials would show by luck (None
    where their variance is not known), and each levered policy's record."""

    trials: Seen
    best_by_luck: float | None
    records: tuple[Record, ...]
    overfitting: str = NO_OVERFITTING


def reckoned(
    results: Sequence[tuple[Outcome, Measures]], mandate: Mandate, known: Seen
) -> Reckoning:
    """The records of all policies that held something, the report's subject first, then by ratio.

    The trials are those of windows that overlap, as each was a look at the same days.
    """
    subject = results[subject_index([m for _, m in results])][1].label
    by_luck = _best_by_luck(known)
    records = [
        _record(m.label, np.array(daily_excess(outcome.series, mandate)), by_luck, known)
        for outcome, m in results
        if m.avg_leverage > 0
    ]
    return Reckoning(known, by_luck, tuple(sorted(records, key=lambda r: _order(r, subject))))


def _order(record: Record, subject: str) -> tuple[bool, bool, float]:
    ratio = record.sharpe_daily
    return record.policy != subject, ratio is None, -(ratio or 0.0)


def _best_by_luck(known: Seen) -> float | None:
    if known.overlapping == 1:
        return 0.0
    if known.variance is None:
        return None
    return expected_maximum_sharpe(known.variance, known.overlapping)


def _record(policy: str, returns: np.ndarray, by_luck: float | None, known: Seen) -> Record:
    days = returns.size
    if days < DAYS_MIN:
        return Record(policy, days, why=f"{_days(days)}, where {DAYS_MIN} are asked for")
    try:
        sample = sharpe_sample(returns)
        plain = probabilistic_sharpe(sample)
        if by_luck is None:
            tried = f"of {known.overlapping} trials {known.known} with a risk and a ratio"
            why = f"{tried}; two are needed"
            return Record(policy, days, sample.sharpe, plain, why=why)
        variance = known.variance or 0.0
        deflated = deflated_sharpe(sample, variance, known.overlapping)
        return Record(policy, days, sample.sharpe, plain, deflated)
    except InputError:
        return Record(policy, days, why="its days do not vary")


def luck_words(found: Reckoning) -> Iterator[str]:
    """The subject's record, and the best other one, in a line each."""
    known = found.trials
    yield (
        f"how likely it is luck: {_trials(known.overlapping)} counted of windows that overlap this "
        f"one, {known.window} of this very window{_variance(known)}"
    )
    if not found.records:
        yield "  no policy held a position: there is nothing to judge"
    for record in found.records[:2]:
        yield f"  {record.policy}: {_judged(record, found)}"
    yield found.overfitting


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count:,} trials"


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count:,} days"


def _variance(known: Seen) -> str:
    if known.variance is None:
        return ""
    said = f"variance of their Sharpe ratios a day {known.variance:.2g}"
    return f"; {said}, from {known.known} that take a risk"


def _judged(record: Record, found: Reckoning) -> str:
    if record.sharpe_daily is None:
        return f"no Sharpe ratio can be told: {record.why}"
    said = (
        f"Sharpe {record.sharpe_daily:+.3f} a day over {_days(record.days)}; chance that the true "
        f"one is above 0: {record.probabilistic_sharpe:.3f}"
    )
    if record.deflated_sharpe is None or found.best_by_luck is None:
        return f"{said}; deflated Sharpe: not known, {record.why}"
    return (
        f"{said}; above {found.best_by_luck:+.3f}, the best of the trials by luck (deflated "
        f"Sharpe): {record.deflated_sharpe:.3f}"
    )
