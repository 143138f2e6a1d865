# SPDX-License-Identifier: Apache-2.0
"""The demo's charts as Plotly figures: the frontier, health through the crisis, and equity."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.backtest.report_charts import (
    ALARM,
    FAMILIES,
    OTHER,
    RATIO_SHOWN_MAX,
    RATIO_SHOWN_MIN,
    VENUES,
    Figure,
    plain,
)
from tidegate.backtest.run import Outcome
from tidegate.backtest.trial.contest import Contest
from tidegate.backtest.trial.demo import Demo, Result
from tidegate.backtest.trial.score import CARRY, Score
from tidegate.model.times import DAY_MS, HOUR_MS

COLOURS = {**FAMILIES, "desk": "#a069c9", "per-venue": "#c2a12c"}
BEFORE_MS = 2 * HOUR_MS
ROW_PX, GAP_PX = 150, 34
LIFT_PX = 16
FROZEN, OUT = "rgba(130,130,130,0.22)", "rgba(210,80,79,0.25)"
Point = tuple[int, float]


def colour(policy: str) -> str:
    """A policy's colour, the same in every chart."""
    return COLOURS.get(policy, OTHER)


def crisis_window(contest: Contest) -> tuple[int, int]:
    """What charts of the crisis show: from shortly before it to the end; the last day without."""
    tape = contest.experiment.tape
    start = contest.crisis_start_ms
    first = tape.end_ms - DAY_MS if start is None else start - BEFORE_MS
    return max(tape.start_ms, first), tape.end_ms


def health(outcome: Outcome, venue: str, from_ms: int) -> list[Point]:
    """Times and least equity over maintenance of one account in each step that it was margined."""
    return [
        (e.ts_ms, _shown(e.equity / e.maintenance))
        for e in outcome.extremes
        if e.venue == venue and e.maintenance > 0 and e.ts_ms >= from_ms
    ]


def tightest(outcome: Outcome, from_ms: int) -> list[Point]:
    """Times and the least ratio of all accounts then."""
    least: dict[int, float] = {}
    for venue in outcome.series.venue_equity:
        for at, ratio in health(outcome, venue, from_ms):
            least[at] = min(ratio, least.get(at, ratio))
    return sorted(least.items())


def _shown(ratio: float) -> float:
    return float(f"{min(RATIO_SHOWN_MAX, max(RATIO_SHOWN_MIN, ratio)):.4g}")


def fixed_line(demo: Demo) -> list[Score]:
    """The books of `fixed` that could be opened, by leverage."""
    scores = [*demo.frontier, *(r.score for r in demo.results)]
    held = [s for s in scores if s.policy == "fixed" and not s.refused]
    return sorted(held, key=lambda s: s.leverage or 0.0)


def short_label(score: Score) -> str:
    """The policy with its leverage in three figures."""
    return score.policy if score.leverage is None else f"{score.policy} {score.leverage:.3g}"


def frontier_figure(demo: Demo) -> Figure:
    """Carry kept in the calm part against loss: `fixed` as a line, the others as points."""
    rivals = [r.score for r in demo.results if r.score.policy != "fixed"]
    line = _scores("fixed", fixed_line(demo), "lines+markers+text")
    data = [line | {"textposition": "middle left", "textfont": {"size": 10.5}}]
    data += [_scores(s.label, [s], "markers+text") for s in rivals]
    layout = _layout(f"{CARRY.capitalize()}, % of capital".replace(", ", ",<br>", 1), 460) | {
        "xaxis": {"title": {"text": "Lost from the opening to the end, % of capital"}},
        "hovermode": "closest",
        "showlegend": False,
    }
    return {"data": data, "layout": layout}


def _scores(name: str, scores: Sequence[Score], mode: str) -> Figure:
    tone = colour(scores[0].policy) if scores else OTHER
    return {
        "type": "scatter",
        "mode": mode,
        "name": plain(name),
        "x": [round(100 * s.loss, 4) for s in scores],
        "y": [round(100 * s.calm_carry, 4) for s in scores],
        "text": [plain(short_label(s)) for s in scores],
        "textposition": "middle right",
        "cliponaxis": False,
        "line": {"color": tone, "width": 1.5, "dash": "dot"},
        "marker": {
            "color": tone,
            "size": 9 if "lines" in mode else 13,
            "symbol": ["x" if s.liquidated else "circle" for s in scores],
        },
        "hovertemplate": "%{text}: lost %{x:.3f} %, kept %{y:.3f} %<extra></extra>",
    }


def health_figure(demo: Demo) -> Figure:
    """One row per policy: each account's equity over maintenance, log scale, from shortly before
    the crisis."""
    first, last = crisis_window(demo.contest)
    rows = [r for r in demo.results if tightest(r.outcome, first)]
    height = max(1, len(rows)) * (ROW_PX + GAP_PX)
    layout = _layout("", height + 100)
    layout["legend"]["y"] = -46 / height
    layout["xaxis"] = {"type": "date", "range": [first, last], "anchor": _axis(len(rows))}
    layout["shapes"], layout["annotations"] = _shades(demo.contest), _names(demo.contest, first)
    layout["margin"]["t"] += LIFT_PX * len(layout["annotations"])
    data: list[Figure] = []
    known: set[str] = set()
    for index, result in enumerate(rows, 1):
        axis = _axis(index)
        top = 1 - (index - 1) * (ROW_PX + GAP_PX) / height
        layout[axis.replace("y", "yaxis")] = {
            "domain": [max(0.0, top - ROW_PX / height), top],
            "type": "log",
            "title": {"text": plain(result.measures.label)},
            "tickvals": [0.1, 1, 10, 100],
            "range": [-1.05, 2.05],
        }
        layout["shapes"].append(_ruin(axis))
        data += _health_lines(result, axis, (first, demo.contest.experiment.tape.step_ms), known)
    return {"data": data, "layout": layout}


def _axis(index: int) -> str:
    """The name of a row's axis; the first has no number."""
    return f"y{index}" if index > 1 else "y"


def _health_lines(
    result: Result, axis: str, times: tuple[int, int], known: set[str]
) -> list[Figure]:
    from_ms, step_ms = times
    lines = []
    for index, venue in enumerate(result.outcome.series.venue_equity):
        points = _with_gaps(health(result.outcome, venue, from_ms), step_ms)
        if points:
            trace = _line(venue, points, VENUES[index % len(VENUES)], 1.8)
            shown = venue not in known
            lines.append(trace | {"legendgroup": venue, "showlegend": shown, "yaxis": axis})
            known.add(venue)
    return lines


def _with_gaps(points: Sequence[Point], step_ms: int) -> list[tuple[int, float | None]]:
    """Points with a hole where an account carried nothing for longer than a step."""
    found: list[tuple[int, float | None]] = []
    for at, value in points:
        if found and at - found[-1][0] > step_ms:
            found.append((found[-1][0] + step_ms, None))
        found.append((at, value))
    return found


def equity_figure(demo: Demo) -> Figure:
    """Equity of every policy, with a cross at a first liquidation."""
    data = []
    for result in demo.results:
        policy, series = result.measures.policy, result.outcome.series
        points = [(at, eq / 1e6) for at, eq in zip(series.ts_ms, series.equity, strict=True)]
        width = 3 if policy == "tidegate" else 1.6
        data.append(_line(result.measures.label, points, colour(policy), width))
        death = result.measures.death_ms
        if death is not None:
            data.append(_death(result.measures.label, death, points))
    layout = _layout("Equity, USD", 420) | {"xaxis": {"type": "date"}, "hovermode": "closest"}
    layout["shapes"] = _shades(demo.contest)
    return {"data": data, "layout": layout}


def _death(label: str, death_ms: int, points: Sequence[Point]) -> Figure:
    equity = max((at, value) for at, value in points if at <= death_ms)[1]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": plain(f"{label} liquidated"),
        "showlegend": False,
        "x": [death_ms],
        "y": [equity],
        "marker": {"symbol": "x", "size": 11, "color": ALARM},
        "hovertemplate": "%{x|%Y-%m-%d %H:%M}<extra>%{fullData.name}</extra>",
    }


def _shades(contest: Contest) -> list[Figure]:
    """Freezes and outages as shades, and the crisis' begin as a line."""
    tape, start = contest.experiment.tape, contest.crisis_start_ms
    shapes = [_shade(f.start_ms, f.end_ms, FROZEN) for f in tape.freezes]
    shapes += [_shade(o.start_ms, o.end_ms, OUT) for o in tape.outages]
    if start is not None:
        shapes.append(_shade(start, start, ALARM) | {"line": {"color": ALARM, "width": 1.5}})
    return shapes


def _names(contest: Contest, from_ms: int) -> list[Figure]:
    """What begins at which time, each a line higher than the one before."""
    tape, start = contest.experiment.tape, contest.crisis_start_ms
    begun = [] if start is None else [(start, "crisis")]
    begun += [(f.start_ms, f"{plain(f.venue)} frozen") for f in tape.freezes]
    begun += [(o.start_ms, f"{plain(o.venue)} out") for o in tape.outages]
    shown = sorted((at, text) for at, text in begun if at >= from_ms)
    return [_name(at, text, LIFT_PX * rank) for rank, (at, text) in enumerate(shown)]


def _shade(start_ms: int, end_ms: int, tone: str) -> Figure:
    return {
        "type": "rect",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "x0": start_ms,
        "x1": end_ms,
        "fillcolor": tone,
        "line": {"width": 0},
        "layer": "below",
    }


def _name(at_ms: int, text: str, lift_px: int) -> Figure:
    return {
        "x": at_ms,
        "y": 1,
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": lift_px,
        "text": text,
        "showarrow": False,
    }


def _ruin(axis: str) -> Figure:
    line = {"color": ALARM, "width": 1.2, "dash": "dash"}
    place = {"xref": "paper", "x0": 0, "x1": 1, "yref": axis, "y0": 1, "y1": 1}
    return {"type": "line", "line": line, **place}


def _line(name: str, points: Sequence[tuple[int, float | None]], tone: str, width: float) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": plain(name),
        "x": [at for at, _ in points],
        "y": [None if value is None else round(value, 4) for _, value in points],
        "line": {"color": tone, "width": width},
        "hovertemplate": "%{x|%Y-%m-%d %H:%M} %{y:,.4~g}<extra>" + plain(name) + "</extra>",
    }


def _layout(title: str, height: int) -> Figure:
    return {
        "height": height,
        "margin": {"l": 76, "r": 60, "t": 28, "b": 44},
        "yaxis": {"title": {"text": title}},
        "legend": {"orientation": "h", "y": -0.1},
    }
