# SPDX-License-Identifier: Apache-2.0
"""How good an early warning was: ranking, precision at few false alarms, and days of notice.

Scores and labels are by day; label 1 at t says that the event happens within the horizon after t.
Accuracy is not among the figures: with rare events, saying nothing is accurate.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.forecast.block_bootstrap import DRAWS, block_interval
from tidegate.forecast.errors import InsufficientHistory
from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

FALSE_ALARMS = 0.1


class Measured(msgspec.Struct, frozen=True):
    """A figure with its 95 % block-bootstrap interval; NaN bounds where it has none."""

    value: float
    low: float
    high: float


class WarningScore(msgspec.Struct, frozen=True):
    """Figures of one score against one label.

    `lead_days` is the median over caught episodes of the days from the first alarm to the event,
    and `caught` the share of episodes with an alarm. `brier_skill` is 1 - Brier / climatology's,
    for scores that are probabilities.
    """

    auc: Measured
    average_precision: Measured
    precision_at_far: Measured
    recall_at_far: float
    lead_days: float
    caught: float
    episodes: int
    brier_skill: float
    base_rate: float
    n: int


def auc(scores: FloatArray, labels: BoolArray) -> float:
    """P(score of an event day > score of another day), ties as half; NaN with one class alone."""
    positives = int(labels.sum())
    negatives = labels.size - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    quiet = np.sort(scores[~labels])
    below = np.searchsorted(quiet, scores[labels], side="left")
    not_above = np.searchsorted(quiet, scores[labels], side="right")
    return 0.5 * float((below + not_above).sum()) / (positives * negatives)


def average_precision(scores: FloatArray, labels: BoolArray) -> float:
    """sum over thresholds of (R_k - R_{k-1}) P_k, ties taken together; NaN without events."""
    positives = int(labels.sum())
    if positives == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0.0, True)
    hits = np.cumsum(labels[order])[last_of_tie]
    alarms = np.flatnonzero(last_of_tie) + 1.0
    gained = np.diff(hits, prepend=0) / positives
    return float(gained @ (hits / alarms))


def alarm_threshold(scores: FloatArray, labels: BoolArray, false_alarms: float) -> float:
    """Least score that is exceeded on at most that share of days without the event."""
    quiet = np.sort(scores[~labels])
    if quiet.size == 0:
        return float("nan")
    return float(quiet[min(quiet.size - 1, int(np.ceil(quiet.size * (1.0 - false_alarms))) - 1)])


def precision_at(scores: FloatArray, labels: BoolArray, false_alarms: float) -> float:
    """Share of alarms above the threshold that were event days; NaN without an alarm."""
    alarms = scores > alarm_threshold(scores, labels, false_alarms)
    return float(labels[alarms].mean()) if alarms.any() else float("nan")


def lead_times(alarms: BoolArray, labels: BoolArray, horizon_days: int) -> FloatArray:
    """Days from the first alarm to the event of each episode, NaN where there was none.

    An episode is a run of label days; its event comes `horizon_days` after the run's first day,
    which is when the horizon first reached it, and an alarm counts from that day to the day
    before the event. An episode cut off by the first row is left out: its start is not known.
    """
    starts = np.flatnonzero(np.diff(labels.astype(np.int8)) == 1) + 1
    leads = np.full(starts.size, np.nan)
    for i, start in enumerate(starts.tolist()):
        raised = np.flatnonzero(alarms[start : start + horizon_days])
        if raised.size:
            leads[i] = horizon_days - int(raised[0])
    return leads


def score_warning(
    scores: FloatArray, labels: BoolArray, horizon_days: int, rng: np.random.Generator
) -> WarningScore:
    """All figures of a score, with intervals from 30-day blocks or twice the horizon if longer.

    Raises: `InputError` on scores that are not known, `InsufficientHistory` below 60 days or
    without both kinds of day.
    """
    if scores.shape != labels.shape or not np.all(np.isfinite(scores)):
        raise InputError("early warning", "scores", "expected one finite score per label")
    if labels.size < 60 or labels.all() or not labels.any():
        raise InsufficientHistory("early warning", "labels", "expected 60 days of both kinds")
    block = min(labels.size, max(30, 2 * horizon_days))

    def measured(figure: str) -> Measured:
        low, high = block_interval(
            rng, labels.size, block, lambda r: _figure(figure, scores[r], labels[r]), DRAWS
        )
        return Measured(_figure(figure, scores, labels), low, high)

    alarms = scores > alarm_threshold(scores, labels, FALSE_ALARMS)
    leads = lead_times(alarms, labels, horizon_days)
    caught = np.isfinite(leads)
    base = float(labels.mean())
    brier = float(np.mean((scores - labels) ** 2))
    return WarningScore(
        auc=measured("auc"),
        average_precision=measured("average precision"),
        precision_at_far=measured("precision"),
        recall_at_far=float(alarms[labels].mean()),
        lead_days=float(np.median(leads[caught])) if caught.any() else float("nan"),
        caught=float(caught.mean()) if leads.size else float("nan"),
        episodes=leads.size,
        brier_skill=1.0 - brier / (base * (1.0 - base)),
        base_rate=base,
        n=labels.size,
    )


def _figure(name: str, scores: FloatArray, labels: BoolArray) -> float:
    if name == "auc":
        return auc(scores, labels)
    if name == "average precision":
        return average_precision(scores, labels)
    return precision_at(scores, labels, FALSE_ALARMS)
