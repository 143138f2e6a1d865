# SPDX-License-Identifier: Apache-2.0
"""The report's charts as Plotly figures, in plain values; colours follow the page's theme.

A long run is drawn in buckets: equity at each bucket's end, health at its worst, so that no dip is
drawn away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.measures import (
    CAPITAL,
    FUNDING,
    LIQUIDATION_LOSSES,
    PRICE,
    Measures,
    quanta_usd,
)
from tidegate.backtest.report_moves import KINDS, Move
from tidegate.backtest.run import Outcome
from tidegate.simulation.tape import Freeze

Figure = dict[str, Any]
Results = Sequence[tuple[Outcome, Measures]]

POINTS_MAX = 1_500
LEGEND_PX = 84
RATIO_SHOWN_MIN, RATIO_SHOWN_MAX = 0.1, 100.0
FAMILIES = {
    "tidegate": "#3b82d6",
    "fixed": "#d97a2b",
    "threshold": "#2f9e77",
    "cash": "#8a8f98",
}
OTHER = "#a069c9"
VENUES = ("#3b82d6", "#d97a2b", "#2f9e77", "#a069c9", "#c2a12c")
GAIN, LOSS, TOTAL, ALARM = "#2f9e77", "#d2504f", "#3b82d6", "#d2504f"


def colour(policy: str) -> str:
    """A policy's colour, the same in every chart."""
    return FAMILIES.get(policy, OTHER)


def equity_figure(results: Results) -> Figure:
    """Equity of every policy over time, with a cross where one was first liquidated."""
    seen: dict[str, int] = {}
    data = []
    for outcome, measures in results:
        rank = seen[measures.policy] = seen.get(measures.policy, -1) + 1
        line = {
            "color": colour(measures.policy),
            "width": 3 if measures.policy == "tidegate" else 1.5,
        }
        opacity = max(0.45, 1 - 0.15 * rank)
        ends = _ends(len(outcome.series.ts_ms))
        x = [outcome.series.ts_ms[i] for i in ends]
        y = [round(outcome.series.equity[i] / 1e6) for i in ends]
        trace = _line(measures.label, x, y, line)
        data.append(trace | {"legendgroup": plain(measures.label), "opacity": opacity})
    data += [_death_mark(outcome, m) for outcome, m in results if m.death_ms is not None]
    layout = _layout("Equity in USD", 420) | {"hovermode": "closest"}
    return {"data": data, "layout": layout}


def _death_mark(outcome: Outcome, measures: Measures) -> Figure:
    death = measures.death_ms or 0
    index = max(i for i, at in enumerate(outcome.series.ts_ms) if at <= death)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": plain(f"{measures.label} liquidated"),
        "legendgroup": plain(measures.label),
        "showlegend": False,
        "x": [death],
        "y": [round(outcome.series.equity[index] / 1e6)],
        "marker": {"symbol": "x", "size": 10, "color": ALARM},
        "hovertemplate": "%{x|%Y-%m-%d %H:%M}<extra>%{fullData.name}</extra>",
    }


def margin_figure(
    outcome: Outcome,
    arrangement: Arrangement,
    freezes: Sequence[Freeze],
    moves: Sequence[Move],
) -> Figure:
    """Collateral and health of each venue and the moves, on one time axis."""
    data = []
    for index, venue in enumerate(outcome.series.venue_equity):
        line = {"color": VENUES[index % len(VENUES)], "width": 1.6}
        data.append(_collateral(outcome, arrangement, venue, line))
        health = _health(outcome, venue, line)
        if health is not None:
            data.append(health)
    data += _move_marks(moves)
    layout = _layout("", 640) | {
        "yaxis": {"title": {"text": "Collateral, USD"}, "domain": [0.62, 1.0], "tickformat": "~s"},
        "yaxis2": {
            "title": {"text": "Equity / maintenance"},
            "domain": [0.24, 0.58],
            "type": "log",
            "tickvals": [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100],
        },
        "yaxis3": {
            "domain": [0.0, 0.2],
            "type": "category",
            "categoryorder": "array",
            "categoryarray": list(reversed(KINDS)),
            "range": [-0.5, len(KINDS) - 0.5],
        },
        "xaxis": {"type": "date", "anchor": "y3"},
        "shapes": [_ruin_line(), *(_shade(freeze) for freeze in freezes)],
        "annotations": [_shade_label(freeze) for freeze in freezes],
    }
    return {"data": data, "layout": layout}


def _collateral(
    outcome: Outcome, arrangement: Arrangement, venue: str, line: Mapping[str, object]
) -> Figure:
    series = outcome.series
    asset = arrangement.mandate.venue[venue].collateral
    ends = _ends(len(series.ts_ms))
    y = [round(quanta_usd(series.venue_equity[venue][i], asset, arrangement)) for i in ends]
    return _line(venue, [series.ts_ms[i] for i in ends], y, line) | {"legendgroup": venue}


def _health(outcome: Outcome, venue: str, line: Mapping[str, object]) -> Figure | None:
    """Worst ratio in each bucket of time, with gaps while nothing was margined."""
    ratios = [
        (e.ts_ms, e.equity / e.maintenance)
        for e in outcome.extremes
        if e.venue == venue and e.maintenance > 0
    ]
    if not ratios:
        return None
    start, end = outcome.series.ts_ms[0], outcome.ledger.ts_ms
    width = max(3_600_000, -(-(end - start) // POINTS_MAX))
    worst: dict[int, float] = {}
    for at, ratio in ratios:
        bucket = (at - start) // width
        worst[bucket] = min(ratio, worst.get(bucket, ratio))
    buckets = range(-(-(end - start) // width))
    y = [_shown(worst[b]) if b in worst else None for b in buckets]
    trace = _line(f"{venue} health", [start + b * width for b in buckets], y, line)
    return trace | {"legendgroup": venue, "showlegend": False, "yaxis": "y2"}


def _shown(ratio: float) -> float:
    return float(f"{min(RATIO_SHOWN_MAX, max(RATIO_SHOWN_MIN, ratio)):.4g}")


def _move_marks(moves: Sequence[Move]) -> list[Figure]:
    colours = dict(zip(KINDS, (GAIN, VENUES[1], VENUES[3], VENUES[0], OTHER, ALARM), strict=True))
    marks = []
    for kind in KINDS:
        own = [move for move in moves if move.kind == kind]
        if own:
            marks.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": kind,
                    "showlegend": False,
                    "x": [move.ts_ms for move in own],
                    "y": [kind] * len(own),
                    "yaxis": "y3",
                    "marker": {
                        "symbol": "line-ns-open",
                        "size": 10,
                        "color": colours[kind],
                        "line": {"width": 1.6},
                    },
                    "hovertemplate": "%{x|%Y-%m-%d %H:%M}<extra>" + kind + "</extra>",
                }
            )
    return marks


def _ruin_line() -> Figure:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "yref": "y2",
        "y0": 1,
        "y1": 1,
        "line": {"color": ALARM, "width": 1.5, "dash": "dash"},
    }


def _shade(freeze: Freeze) -> Figure:
    return {
        "type": "rect",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "x0": freeze.start_ms,
        "x1": freeze.end_ms,
        "fillcolor": "rgba(130,130,130,0.25)",
        "line": {"width": 0},
        "layer": "below",
    }


def _shade_label(freeze: Freeze) -> Figure:
    return {
        "x": freeze.start_ms,
        "y": 1,
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "text": f"{plain(freeze.venue)} frozen",
        "showarrow": False,
    }


def waterfall_groups(waterfall: Mapping[str, int]) -> dict[str, int]:
    """Causes in the order and grouping of the chart; together they are the change of equity."""
    groups = {
        name: [cause]
        for cause in sorted(waterfall)
        if cause.startswith(FUNDING) and (name := f"funding {cause.removeprefix(FUNDING)}")
    }
    groups |= {"yield": ["yield"], "fees": ["fees"], "spread": ["spread"], "impact": ["impact"]}
    groups["transfers"] = ["transfer fees", "conversion"]
    groups["liquidation losses"] = list(LIQUIDATION_LOSSES)
    groups["price"] = [c for c in waterfall if c.startswith(PRICE) or c == "deficit covered"]
    placed = {cause for causes in groups.values() for cause in causes}
    groups["rounding"] = [c for c in waterfall if c not in placed and c != CAPITAL]
    sums = {name: sum(waterfall.get(c, 0) for c in causes) for name, causes in groups.items()}
    return {name: micro for name, micro in sums.items() if round(micro / 1e6)}


def waterfall_figure(outcome: Outcome) -> Figure:
    """The change of equity by cause in USD, gains before costs."""
    groups = waterfall_groups(outcome.ledger.waterfall)
    change = outcome.ledger.equity_micro - outcome.start_micro
    names = [*groups, "change of equity"]
    values = [round(micro / 1e6) for micro in (*groups.values(), change)]
    data = {
        "type": "waterfall",
        "x": [plain(name) for name in names],
        "y": values,
        "measure": ["relative"] * len(groups) + ["total"],
        "text": [f"{value:+,}" for value in values],
        "textposition": "outside",
        "cliponaxis": False,
        "increasing": {"marker": {"color": GAIN}},
        "decreasing": {"marker": {"color": LOSS}},
        "totals": {"marker": {"color": TOTAL}},
        "connector": {"line": {"color": "#8a8f98", "width": 1}},
        "hovertemplate": "%{x}: %{text} USD<extra></extra>",
    }
    layout = _layout("USD", 420) | {"showlegend": False, "xaxis": {"type": "category"}}
    return {"data": [data], "layout": layout}


def frontier_figure(results: Results) -> Figure:
    """Carry kept against average leverage; a cross was liquidated."""
    data = []
    for policy in dict.fromkeys(measures.policy for _, measures in results):
        own = [measures for _, measures in results if measures.policy == policy]
        data.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "name": plain(policy),
                "x": [round(m.avg_leverage, 4) for m in own],
                "y": [round(100 * m.carry_kept, 4) for m in own],
                "text": [_mark(m) for m in own],
                "hovertext": [plain(m.label) for m in own],
                # Two families at one leverage would write over each other.
                "textposition": "bottom center" if policy == "fixed" else "top center",
                "cliponaxis": False,
                "marker": {
                    "color": colour(policy),
                    "size": 13 if policy == "tidegate" else 10,
                    "symbol": ["circle" if m.death_ms is None else "x" for m in own],
                },
                "hovertemplate": "%{hovertext}: %{x:.2f}x, %{y:.2f} %<extra></extra>",
            }
        )
    layout = _layout("Carry kept, % of capital", 440) | {
        "xaxis": {"title": {"text": "Average leverage until death"}},
        "showlegend": len(data) > 1,
    }
    return {"data": data, "layout": layout}


def _mark(measures: Measures) -> str:
    """What stands beside a point: its leverage, since the legend names the policy."""
    return plain(measures.policy) if measures.leverage is None else f"{measures.leverage:g}"


def plain(text: str) -> str:
    """Text that Plotly, which reads a little HTML, shows as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _ends(count: int) -> list[int]:
    """Last index of each bucket; always the first and the last sample."""
    stride = max(1, -(-count // POINTS_MAX))
    return sorted({0, *range(stride - 1, count, stride), count - 1})


def _line(
    name: str, x: Sequence[int], y: Sequence[float | None], line: Mapping[str, object]
) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": plain(name),
        "x": list(x),
        "y": list(y),
        "line": dict(line),
        "hovertemplate": "%{x|%Y-%m-%d %H:%M} %{y:,.4~g}<extra>" + plain(name) + "</extra>",
    }


def _layout(title: str, height: int) -> Figure:
    return {
        "height": height,
        "margin": {"l": 76, "r": 16, "t": 28, "b": 44},
        "xaxis": {"type": "date"},
        "yaxis": {"title": {"text": title}},
        "legend": {"orientation": "h", "y": -LEGEND_PX / height},
    }
