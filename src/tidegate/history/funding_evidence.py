# SPDX-License-Identifier: Apache-2.0
"""All evidence about funding that a data folder holds: scores per venue, and the value of acting.

Hyperliquid's largest coins are one panel; every other venue's panel is its BTC and ETH contracts
with two years of prints. What could not be judged is named with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.funding_panel import panel_forecasts, realised_mean
from tidegate.forecast.funding_terms import FUNDING_TERMS
from tidegate.history.funding_study import (
    CEX_FILE,
    FundingScores,
    FundingTrials,
    Panel,
    largest_hyperliquid,
    read_panel,
    score_funding,
    value_of_acting,
)
from tidegate.history.parquet import connect
from tidegate.model.errors import InputError
from tidegate.signals.funding_hold import HoldValue, rotated, rotation_value, rule_for_cost

HORIZONS_H = (24, 168)
LARGEST = 10
MIN_DAYS = 730
ROTATED = 3
HOLD_DAYS = 30.0


class FundingEvidence(msgspec.Struct, frozen=True):
    """Scores by venue and horizon, values of acting on the largest coins, and what was refused.

    `round_trip` is the cost of entering and leaving both legs that the values count.
    """

    scores: tuple[FundingScores, ...]
    values: tuple[HoldValue, ...]
    round_trip: float
    refused: tuple[str, ...]

    @property
    def trials(self) -> int:
        """Settings tried over all venues and horizons."""
        return sum(score.trials for score in self.scores)


def study_funding(
    root: Path, trials: FundingTrials, round_trip: float, horizons_h: tuple[int, ...] = HORIZONS_H
) -> FundingEvidence:
    """Score every panel at every horizon; the values use the last horizon's chosen settings.

    Args: `round_trip` of one leg's notional, all four trades together, >= 0.
    Raises: `InputError` where the folder holds neither funding file, or one is damaged.
    """
    scores: list[FundingScores] = []
    values: tuple[HoldValue, ...] = ()
    refused: list[str] = []
    for venue, symbols in _panels(root).items():
        panel = read_panel(root, venue, symbols)
        for horizon_h in horizons_h:
            try:
                scores.append(score_funding(panel, horizon_h, trials))
            except InsufficientHistory as reason:
                refused.append(f"{venue} at {horizon_h} h: {reason}")
        if venue == "hyperliquid" and scores:
            values = _values(panel, scores[-1], round_trip)
    return FundingEvidence(tuple(scores), values, round_trip, tuple(refused))


def long_histories(root: Path) -> Mapping[str, tuple[str, ...]]:
    """BTC and ETH contracts by venue with prints over at least two years, in order of name."""
    path = root / CEX_FILE
    if not path.is_file():
        return {}
    query = (
        "SELECT venue, symbol FROM read_parquet(?) WHERE base IN ('BTC', 'ETH') "
        "GROUP BY venue, symbol HAVING epoch_ms(max(ts)) - epoch_ms(min(ts)) >= ? "
        "ORDER BY venue, symbol"
    )
    with connect() as database:
        # The last print settles up to a day before the span that it closes.
        rows = database.execute(query, [str(path), (MIN_DAYS - 1) * 86_400_000]).fetchall()
    found: dict[str, tuple[str, ...]] = {}
    for venue, symbol in rows:
        if venue in FUNDING_TERMS:
            found[venue] = (*found.get(venue, ()), symbol)
    return found


def _panels(root: Path) -> Mapping[str, tuple[str, ...]]:
    others = long_histories(root)
    try:
        return {"hyperliquid": largest_hyperliquid(root, LARGEST), **others}
    except InputError:
        if not others:
            raise
        return others


def _values(panel: Panel, score: FundingScores, round_trip: float) -> tuple[HoldValue, ...]:
    """Per coin and for the rotation, over the judged origins but the last, whose day is open."""
    forecasts = panel_forecasts(panel.prints, panel.at_ms, panel.terms, score.settings)
    judged = np.flatnonzero(panel.at_ms >= score.judged_from_ms)[:-1]
    rule = rule_for_cost(round_trip, HOLD_DAYS)
    paid = np.column_stack([realised_mean(p, panel.at_ms, 24)[judged] for p in panel.prints])
    held = rotated(forecasts.median[judged], ROTATED, rule)
    together = rotation_value(paid, held, ROTATED, rule, np.random.default_rng(11))
    return (*value_of_acting(panel, forecasts, rule, judged), together)
