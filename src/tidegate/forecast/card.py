# SPDX-License-Identifier: Apache-2.0
"""The card of a forecasting model: what it was scored on, against what, and what it may do.

The status is computed from the scores and is no field, so nobody sets it:

- `observed`: shown, and used for nothing. Every model starts here.
- `buffers`: may widen buffers. It beat its baseline over the whole walk-forward, in the mean and at
  p < 0.05 two-sided, over 100 forecasts or more.
- `capital`: may move capital. It was chosen before the last third was scored, and beat the baseline
  there too, over 50 forecasts or more, with p times the number of looks (Bonferroni) < 0.05.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tidegate.forecast.scoring import Comparison

Status = Literal["observed", "buffers", "capital"]

SIGNIFICANT = 0.05
LEAST_WHOLE, LEAST_HELD_OUT = 100, 50


class Card(msgspec.Struct, frozen=True):
    """A model's record.

    Attributes:
        model, horizon: which forecast, the horizon with its unit (`1 day`).
        data: the files it was scored on, with what identifies them.
        window: first and last forecast, as ISO dates.
        loss, score, baseline, baseline_score: mean losses of the model and of its baseline on the
            same forecasts.
        whole: the test over the whole walk-forward; None where it could not be made.
        held_out: the test over the last third; None for a model that was not chosen before it.
        looks: models whose last third had been seen when the rule of choice was settled, at
            least 1.
        trials: configurations that were scored before this one was chosen, itself included.
        date: ISO date of the last outcome scored.
    """

    model: str
    horizon: str
    data: tuple[str, ...]
    window: tuple[str, str]
    loss: str
    score: float
    baseline: str
    baseline_score: float
    whole: Comparison | None
    held_out: Comparison | None
    looks: int
    trials: int
    date: str

    @property
    def status(self) -> Status:
        """What the scores allow."""
        if not (self.score < self.baseline_score and _beats(self.whole, LEAST_WHOLE, 1)):
            return "observed"
        return "capital" if _beats(self.held_out, LEAST_HELD_OUT, self.looks) else "buffers"


def _beats(test: Comparison | None, least: int, looks: int) -> bool:
    """Whether a test says better; a NaN says nothing."""
    if test is None or test.n_scored < least:
        return False
    return test.mean_difference < 0.0 and looks * test.p_value < SIGNIFICANT
