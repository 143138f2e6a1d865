# SPDX-License-Identifier: Apache-2.0
"""The page of forecasts: today's bands, scores in tables and charts, the gauge, what is off.

The page around it is made by the caller's page maker, which draws each figure in the element of
its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from tidegate.forecast.early_warning import WarningScore
from tidegate.history import forecast_table
from tidegate.history.forecast_evidence import ForecastEvidence, FundingOutlook, GaugeHistory
from tidegate.history.forecast_study import CoinWalks, ForecastStudy, horizon_text
from tidegate.history.funding_evidence import FundingEvidence
from tidegate.history.parquet import FloatArray, IntArray
from tidegate.history.stress_study import StressScores
from tidegate.history.surface_figures import FIT, OUTSIDE, QUOTE, SOFT, Figure
from tidegate.history.surface_page import table
from tidegate.model.times import DAY_MS, format_date, format_time

TEN_TO_NINETY = 1.2815515655446004
DAYS_PER_YEAR = 365.0
EDGE: dict[str, object] = {"color": FIT, "width": 0.8, "dash": "dot"}
SERIES = (FIT, QUOTE, SOFT, OUTSIDE)

Part = tuple[str, dict[str, Figure]]


def content(found: ForecastEvidence, off: Sequence[str]) -> tuple[str, str, dict[str, object]]:
    """Title, body and figures; `off` says what is off by default and why."""
    coins = ", ".join(found.question.coins)
    title = f"{coins} forecasts"
    parts: list[Part] = [(f"<h1>{escape(title)}</h1>\n", {})]
    parts += [_volatility(study) for study in found.volatility]
    parts += [_funding(outlook) for outlook in found.funding]
    parts += [_gauge(gauge) for gauge in found.gauges]
    if found.all_funding is not None:
        parts.append((_all_funding(found.all_funding), {}))
    if found.all_stress is not None:
        parts.append((_all_stress(found.all_stress), {}))
    reasons = "".join(f"<li>{escape(text)}</li>\n" for text in (*off, *found.refused))
    parts.append((f"<h2>Off by default, and not made</h2>\n<ul>{reasons}</ul>\n", {}))
    figures: dict[str, object] = {}
    for _, drawn in parts:
        figures |= drawn
    return title, "".join(body for body, _ in parts), figures


def _volatility(study: ForecastStudy) -> Part:
    over, key = horizon_text(study.horizon, study.period_ms), f"{study.horizon}"
    latest = forecast_table.document(study)["forecasts"]
    body = f"<h2>Volatility over {over}</h2>\n" + table(
        ("coin", "from", "expected", "10 %", "50 %", "90 %"),
        [_latest_cells(row) for row in latest],
        f"Forecast by {study.chosen}, chosen on the first two thirds; annual.",
    )
    figures = {f"gain-{key}": _gains(study)}
    body += _chart(
        f"gain-{key}",
        f"Gain against HAR, {over}",
        "Share by which QLIKE is below that of HAR in levels, over the whole walk-forward.",
    )
    for walked in study.coins:
        name = f"volatility-{_slug(walked.coin)}-{key}"
        figures[name] = _walk_figure(study, walked)
        text = f"What {study.chosen} forecast, its 10 and 90 % quantiles, and what came."
        body += _chart(name, f"{walked.coin}, next {over}", text)
    for part, title in forecast_table.PARTS.items():
        body += _score_table(study, part, title)
    return body, figures


def _latest_cells(row: dict[str, object]) -> list[str]:
    band, vol = row["band_vol_annual"], row["vol_annual"]
    values = [vol, *band] if isinstance(band, list) else [None] * 4
    shown = [f"{value:.1%}" if isinstance(value, float) else "–" for value in values]
    return [str(row["coin"]), str(row["as_of"]), *shown]


def _score_table(study: ForecastStudy, part: str, title: str) -> str:
    status = {card.model: card.status for card in study.cards}
    rows = [
        (
            row.model,
            row.coin,
            f"{row.n_scored}",
            f"{row.qlike:.4f}",
            f"{row.gain:+.1%}",
            f"{row.test.p_value:.1e}" if row.test else "–",
            "–" if row.coverage != row.coverage else f"{row.coverage:.1%}",
            status.get(row.model, "baseline"),
        )
        for row in getattr(study, part)
    ]
    heads = ("model", "coin", "n", "QLIKE", "gain", "DM p", "in 80 %", "card")
    return table(heads, rows, f"Scores, {title}; gain and p against HAR on the same days.")


def _gains(study: ForecastStudy) -> Figure:
    data = []
    for coin, colour in zip(study.coins, _colours(len(study.coins)), strict=True):
        rows = [row for row in study.whole if row.coin == coin.coin]
        gains = [round(100.0 * row.gain, 3) for row in rows]
        names = [row.model for row in rows]
        bar = {"type": "bar", "orientation": "h", "x": gains, "y": names, "name": coin.coin}
        data.append({**bar, "marker": {"color": colour}})
    margin = {"l": 60, "r": 20, "t": 30, "b": 40}
    axis = {"ticksuffix": " %", "zeroline": True}
    return {"data": data, "layout": {"height": 480, "margin": margin, "xaxis": axis}}


def _colours(count: int) -> list[str]:
    return [SERIES[i % len(SERIES)] for i in range(count)]


def _walk_figure(study: ForecastStudy, walked: CoinWalks) -> Figure:
    found, start_ms = walked.walks[study.chosen], walked.history.measures.start_ms
    scale = DAYS_PER_YEAR * DAY_MS / study.period_ms
    half = TEN_TO_NINETY * found.standard_error_log
    low, high = (_vol(np.exp(found.log_median + sign * half), scale) for sign in (-1, 1))
    at_ms = start_ms + study.period_ms
    return _lines(
        [
            _line(at_ms, low, "10 %", EDGE),
            _line(at_ms, high, "90 %", EDGE),
            _line(at_ms, _vol(walked.realised, scale), "came", {"color": QUOTE, "width": 1.2}),
            _line(at_ms, _vol(found.variance, scale), "expected", {"color": FIT, "width": 1.8}),
        ],
        " %",
    )


def _vol(variance: FloatArray, scale: float) -> FloatArray:
    return np.asarray(100.0 * np.sqrt(variance * scale))


def _line(at_ms: IntArray, values: FloatArray, name: str, line: dict[str, object]) -> Figure:
    y = [float(f"{v:.5g}") if np.isfinite(v) else None for v in values]
    x = [format_date(int(t)) for t in at_ms]
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name, "line": line}


def _lines(data: list[Figure], suffix: str) -> Figure:
    layout = {
        "height": 340,
        "margin": {"l": 60, "r": 20, "t": 30, "b": 40},
        "yaxis": {"ticksuffix": suffix, "rangemode": "tozero"},
        "legend": {"orientation": "h", "y": 1, "yanchor": "bottom"},
        "hovermode": "x unified",
    }
    return {"data": data, "layout": layout}


def _funding(outlook: FundingOutlook) -> Part:
    scores, name = outlook.scores, f"funding-{outlook.scores.horizon_h}"
    as_of = format_time(outlook.as_of_ms)
    bands = [
        (coin, *(["–"] * 3))
        if band is None
        else (
            coin,
            *(f"{v:+.1%}" for v in (band.lower_annual, band.median_annual, band.upper_annual)),
        )
        for coin, band in outlook.bands
    ]
    body = f"<h2>Funding of {escape(scores.venue)}, next {scores.horizon_h} h</h2>\n"
    body += table(("coin", "10 %", "50 %", "90 %"), bands, f"Mean annual rate from {as_of}.")
    heads = list(scores.coins[0].errors_annual)
    rows = [
        (
            c.coin,
            f"{c.n_judged}",
            *(f"{c.errors_annual[h]:.2%}" for h in heads),
            f"{c.coverage:.1%}",
        )
        for c in scores.coins
    ]
    body += table(
        ("coin", "days", *heads, "in 80 %"),
        rows,
        f"Mean absolute errors (annual) from {format_date(scores.judged_from_ms)}; "
        f"{scores.trials} settings were tried on the days before.",
    )
    title = f"Errors beside the rivals', {scores.horizon_h} h"
    body += _chart(name, title, "Mean absolute error of each, annual; lower is better.")
    return body, {name: _errors(outlook)}


def _errors(outlook: FundingOutlook) -> Figure:
    coins = outlook.scores.coins
    data = [
        {
            "type": "bar",
            "x": list(coin.errors_annual),
            "y": [round(100.0 * v, 4) for v in coin.errors_annual.values()],
            "name": coin.coin,
            "marker": {"color": colour},
        }
        for coin, colour in zip(coins, _colours(len(coins)), strict=True)
    ]
    return _lines(data, " %")


def _gauge(gauge: GaugeHistory) -> Part:
    name, (at_ms, level) = f"gauge-{_slug(gauge.coin)}", gauge.latest
    now = f"{level:.2f}" if level == level else "not known"
    body = f"<h2>Stress gauge of {escape(gauge.coin)}</h2>\n"
    score = gauge.scored.score
    if score is None:
        body += f"<p>{escape(gauge.scored.refusal)}</p>\n"
    else:
        rows = [
            (title, f"{m.value:.3f}", f"{m.low:.3f}", f"{m.high:.3f}")
            for title, m in (
                ("AUC", score.auc),
                (f"average precision (base {score.base_rate:.3f})", score.average_precision),
                ("precision at 10 % false alarms", score.precision_at_far),
            )
        ]
        caption = (
            f"Expansion of variance within seven days; median lead {score.lead_days:.0f} days."
        )
        body += table(("figure", "value", "2.5 %", "97.5 %"), rows, caption)
    text = f"{now} at {format_time(at_ms)}. Marks are days before variance expanded."
    body += _chart(name, f"{gauge.coin}: the gauge by day", text)
    came = np.where(gauge.event == 1.0, 1.03, np.nan)
    marks = _line(gauge.day_ms + DAY_MS, came, "variance expands", {})
    marks |= {"mode": "markers", "marker": {"color": OUTSIDE, "size": 4}}
    levels = _line(gauge.day_ms + DAY_MS, gauge.level, "gauge", {"color": QUOTE, "width": 1})
    return body, {name: _lines([levels, marks], "")}


def _all_funding(evidence: FundingEvidence) -> str:
    rows = [
        (
            f"{each.venue}, {each.horizon_h} h",
            f"{each.wins} of {len(each.coins)}",
            f"{each.coverage:.1%}",
        )
        for each in evidence.scores
    ]
    values = [
        (v.coin, *_per_cents(v.acted_annual, v.static_annual, v.difference_low, v.difference_high))
        for v in evidence.values
    ]
    net = f"Net income a year at a round trip of {1e4 * evidence.round_trip:.0f} bp."
    return (
        "<h2>Funding on every venue</h2>\n"
        + table(("venue", "better than all", "in 80 %"), rows, f"{evidence.trials} trials.")
        + table(("coin", "acted", "static", "difference, 2.5 %", "97.5 %"), values, net)
    )


def _all_stress(scores: StressScores) -> str:
    rows = [
        (f"{row.coin} {row.label}, {row.features}", *_set_cells(row.score))
        for row in (*scores.sets, *scores.smiles)
    ]
    values = [
        (f"{v.coin} {v.features}", *_per_cents(v.value.saved, v.value.low, v.value.high))
        for v in scores.values
    ]
    heads = ("set", "AUC", "2.5 %", "97.5 %", "average precision", "base", "precision at 10 %")
    saved = f"Margin-days saved at equal liquidations; {len(scores.pays)} of {len(values)} pay."
    return (
        "<h2>Every set of features</h2>\n"
        + table(heads, rows, f"{scores.trials} trials; precision is at 10 % false alarms.")
        + table(("gauge", "saved", "2.5 %", "97.5 %"), values, saved)
    )


def _per_cents(*shares: float) -> list[str]:
    return [f"{share:+.1%}" for share in shares]


def _set_cells(score: WarningScore | None) -> list[str]:
    if score is None:
        return ["–"] * 6
    auc, precision = score.auc, score.average_precision
    figures = (auc.value, auc.low, auc.high, precision.value, score.base_rate)
    cells = (*figures, score.precision_at_far.value)
    return [f"{value:.3f}" if np.isfinite(value) else "–" for value in cells]


def _chart(name: str, title: str, described: str) -> str:
    return (
        f'<h2 id="{name}-title">{escape(title)}</h2>\n<p class="soft">{escape(described)}</p>\n'
        f'<div class="chart" id="{name}" role="img" aria-labelledby="{name}-title"></div>\n'
        "<noscript><p>This chart needs scripts.</p></noscript>\n"
    )


def _slug(text: str) -> str:
    """An element's name may hold no space."""
    return "".join(c if c.isalnum() else "-" for c in text)
