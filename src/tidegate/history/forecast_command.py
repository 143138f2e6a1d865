# SPDX-License-Identifier: Apache-2.0
"""What `tidegate forecast` prints: scores, forecasts with bands, the gauge, and what is off."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from tidegate.engine.page_file import ensure_writable, patience, write_page
from tidegate.forecast.early_warning import Measured
from tidegate.forecast.stress_gauge import GaugeScaling
from tidegate.history import forecast_table
from tidegate.history.forecast_evidence import (
    ForecastEvidence,
    FundingOutlook,
    GaugeHistory,
    Question,
    gather,
)
from tidegate.history.forecast_page import content
from tidegate.history.funding_evidence import FundingEvidence
from tidegate.history.funding_study import FundingScores
from tidegate.history.stress_study import SetScore, StressScores
from tidegate.history.volatility_history import EVER
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import format_time, parse_time_ms

# Title, body and figures to a whole document.
PageMaker = Callable[[str, str, Mapping[str, object]], str]
WHERE = "tidegate forecast"
GAUGE_OFF = (
    "The gauge scales no buffer and no limit: no gauge saved margin-days over its whole band on"
    " the days it was judged on (docs/forecasts.md); --stress makes those figures. A mandate may"
    " switch it on for buffers alone, by stress.widen."
)
FUNDING_OFF = (
    "Funding forecasts move no capital: net of costs, acting on them beat holding on no coin over"
    " the whole band of the difference (docs/forecasts.md); --funding makes those figures."
)


def parse_question(
    words: tuple[Path, str, str],
    span: tuple[str | None, str | None],
    *,
    funding: bool,
    stress: bool,
) -> Question:
    """The words of the command: folder, coins and horizons; first and last time."""
    root, coins, horizons = words
    named = tuple(coin.strip() for coin in coins.split(",") if coin.strip())
    start, end = span
    start_ms = EVER.start_ms if start is None else parse_time_ms(start, WHERE, "--from")
    end_ms = EVER.end_ms if end is None else parse_time_ms(end, WHERE, "--to", end_of_day=True)
    if end_ms <= start_ms:
        raise InputError(WHERE, "--to", f"expected it after --from, got {end}")
    return Question(root, named, _days(horizons), Window(start_ms, end_ms), funding, stress)


def _days(text: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(int(word) for word in text.split(",")))
    except ValueError:
        expected = f"expected whole days such as 1,7, got {text!r}"
        raise InputError(WHERE, "--horizons", expected) from None


def show_forecasts(
    question: Question, html: Path | None, page: PageMaker, *, as_json: bool
) -> bool:
    """Print the evidence of a folder, and write the page if one is asked for.

    Returns: False if a pool's regret exceeded its bound. Raises: `InputError`.
    """
    if html is not None:
        ensure_writable(html)
    with patience("forecasting"):
        found = gather(question)
    if html is not None:
        write_page(html, page(*content(found, (GAUGE_OFF, FUNDING_OFF))))
        print(f"page: {html}", file=sys.stderr)
    print(json.dumps(document(found), allow_nan=False) if as_json else "\n".join(lines(found)))
    return found.pools_hold


def lines(found: ForecastEvidence) -> Iterator[str]:
    """Everything for a reader."""
    for study in found.volatility:
        yield from forecast_table.lines(study)
        yield ""
    for outlook in found.funding:
        yield from _funding_lines(outlook)
    for gauge in found.gauges:
        yield from _gauge_lines(gauge)
    if found.all_funding is not None:
        yield from _all_funding_lines(found.all_funding)
    if found.all_stress is not None:
        yield from stress_lines(found.all_stress)
    yield "\nOff by default"
    yield f"  {GAUGE_OFF}"
    yield f"  {FUNDING_OFF}"
    observed = [
        f"{card.model}, {card.horizon}"
        for study in found.volatility
        for card in study.cards
        if card.status == "observed"
    ]
    if observed:
        yield f"  Shown and used for nothing, its card does not allow more: {'; '.join(observed)}."
    yield from (f"  not made: {reason}" for reason in found.refused)


def _funding_lines(outlook: FundingOutlook) -> Iterator[str]:
    yield _funding_title(outlook.scores)
    yield from _coin_lines(outlook.scores)
    as_of = format_time(outlook.as_of_ms)
    for coin, band in outlook.bands:
        if band is None:
            yield f"  {coin}: no forecast from {as_of}"
            continue
        yield (
            f"  {coin}: from {as_of} {band.median_annual:+.1%} a year; 10 and 90 %:"
            f" {band.lower_annual:+.1%}, {band.upper_annual:+.1%}"
        )


def _funding_title(scores: FundingScores) -> str:
    return (
        f"\nFunding of {scores.venue}, mean of the next {scores.horizon_h} h: better than every"
        f" rival on {scores.wins} of {len(scores.coins)} coins from"
        f" {format_time(scores.judged_from_ms)[:10]}; {scores.coverage:.1%} in the band of 80 %;"
        f" {scores.trials} settings tried before that day"
    )


def _coin_lines(scores: FundingScores) -> Iterator[str]:
    yield f"  {'coin':<8} {'n':>5} {'MAE':>8} {'best rival':>10}  {'':<10} {'in 80 %':>8}"
    for coin in scores.coins:
        errors = {name: value for name, value in coin.errors_annual.items() if name != "forecast"}
        best = min(errors, key=lambda name: errors[name])
        yield (
            f"  {coin.coin:<8} {coin.n_judged:>5} {coin.errors_annual['forecast']:>8.2%}"
            f" {errors[best]:>10.2%}  {best:<10} {coin.coverage:>8.1%}"
        )
    if scores.unjudged:
        yield f"  too few days to judge: {', '.join(scores.unjudged)}"


def _gauge_lines(gauge: GaugeHistory) -> Iterator[str]:
    at_ms, level = gauge.latest
    now = (
        f"{level:.2f} of 1" if level == level else "not known; full stress where it is switched on"
    )
    yield f"\nStress gauge of {gauge.coin} at {format_time(at_ms)}: {now}"
    yield f"  {_set_text(gauge.scored)}"


def _set_text(row: SetScore) -> str:
    name = f"{row.coin} {row.label}, {row.features}"
    if row.score is None:
        return f"{name}: no score: {row.refusal}"
    score = row.score
    caught = f"{score.caught:.0%} of {score.episodes} caught" if score.episodes else "no episode"
    lead = f"lead {score.lead_days:.0f} d" if math.isfinite(score.lead_days) else "no lead"
    return (
        f"{name}: AUC {_measured(score.auc)}, AP {_measured(score.average_precision)} (base"
        f" {score.base_rate:.3f}), precision at 10 % false alarms"
        f" {_measured(score.precision_at_far)}, {lead},"
        f" {caught}, {score.n} days"
    )


def _measured(figure: Measured) -> str:
    if not math.isfinite(figure.low):
        return f"{figure.value:.3f} [no interval]"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _all_funding_lines(evidence: FundingEvidence) -> Iterator[str]:
    yield f"\nAll funding: {evidence.trials} trials"
    for scores in evidence.scores:
        yield _funding_title(scores)
        yield from _coin_lines(scores)
    yield f"\nNet income a year by acting, at a round trip of {1e4 * evidence.round_trip:.0f} bp"
    for value in evidence.values:
        yield (
            f"  {value.coin:<24} acted {value.acted_annual:+.1%}, static {value.static_annual:+.1%}"
            f", difference [{value.difference_low:+.1%}, {value.difference_high:+.1%}]"
        )
    yield from (f"  not judged: {reason}" for reason in evidence.refused)


def stress_lines(scores: StressScores) -> Iterator[str]:
    """Every trial of the stress study; what could not be had is said in words."""
    yield f"\nAll gauges: {scores.trials} trials"
    yield from (f"  {_set_text(row)}" for row in scores.sets)
    if scores.smiles:
        yield "Implied volatility as it stands, nothing fitted, on the months of option chains"
        yield from (f"  {_set_text(row)}" for row in scores.smiles)
    yield f"Margin-days saved at equal liquidations; {len(scores.pays)} of {len(scores.values)} pay"
    for each in scores.values:
        value = each.value
        yield (
            f"  {each.coin} {each.features:<24} {value.saved:+.1%}"
            f" [{value.low:+.1%}, {value.high:+.1%}]"
        )


def document(found: ForecastEvidence) -> dict[str, Any]:
    """Everything in plain types; what is not known is null."""
    question = found.question
    every, scaling = question.window == EVER, GaugeScaling()
    plain: dict[str, Any] = {
        "coins": list(question.coins),
        "from": None if every else format_time(question.window.start_ms),
        "to": None if every else format_time(question.window.end_ms),
        "volatility": [forecast_table.document(study) for study in found.volatility],
        "funding": [_funding_document(outlook) for outlook in found.funding],
        "gauges": [_gauge_document(gauge) for gauge in found.gauges],
        "all_funding": _counted(found.all_funding),
        "all_stress": _counted(found.all_stress),
        "off": {
            "gauge": {"enabled": scaling.enabled, "reason": GAUGE_OFF},
            "funding": {"enabled": False, "reason": FUNDING_OFF},
        },
        "not_made": list(found.refused),
    }
    # The encoder writes what is not a number as null.
    encoded: dict[str, Any] = json.loads(msgspec.json.encode(plain))
    return encoded


def _counted(study: FundingEvidence | StressScores | None) -> dict[str, Any] | None:
    """A whole study, with how many trials it made."""
    return None if study is None else {**structs.asdict(study), "trials": study.trials}


def _funding_document(outlook: FundingOutlook) -> dict[str, Any]:
    scores = outlook.scores
    return {
        "scores": scores,
        "wins": scores.wins,
        "coverage": scores.coverage,
        "as_of": format_time(outlook.as_of_ms),
        "forecasts": [{"coin": coin, "band": band} for coin, band in outlook.bands],
    }


def _gauge_document(gauge: GaugeHistory) -> dict[str, Any]:
    at_ms, level = gauge.latest
    return {"coin": gauge.coin, "as_of": format_time(at_ms), "level": level, "scored": gauge.scored}
