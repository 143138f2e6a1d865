# SPDX-License-Identifier: Apache-2.0
"""The charts of an account's health as Plotly figures, in plain values; moves are in per cent."""

from __future__ import annotations

from typing import Any

import numpy as np

from tidegate.engine.margin_book.health_map import HealthCurve, HealthMap

Figure = dict[str, Any]

BAD, MIDDLE, GOOD, INK = "#c9403c", "#f3efe4", "#2f7fb8", "#1c2530"
COLOURS = ("#3b82d6", "#d97a2b", "#2f9e77", "#9061c2", "#c2577f", "#7a8a2b")
PERCENT = 100.0
# The colours end where this share of the map has less health, so that far corners do not bleach it.
SHOWN_SHARE = 0.8


def map_figure(shown: HealthMap, unit: str, now: float) -> Figure:
    """Health over price and vol: the border of liquidation drawn, the present point marked."""
    moves = [PERCENT * move for move in shown.moves]
    vols = [PERCENT * ratio for ratio in shown.vol_ratios]
    z = [list(row) for row in shown.health]
    most = _colour_end(shown)
    heat = {
        "type": "heatmap",
        "x": moves,
        "y": vols,
        "z": z,
        "customdata": [list(row) for row in shown.binding],
        "zmin": -most,
        "zmax": most,
        "colorscale": [[0.0, BAD], [0.5, MIDDLE], [1.0, GOOD]],
        "colorbar": {"title": {"text": f"health, {unit}"}, "tickformat": "~s"},
        "hovertemplate": (
            "price %{x:+.1f} %, vol %{y:.0f} % of now<br>health %{z:,.6~g} "
            f"{unit}<br>binds: %{{customdata}}<extra></extra>"
        ),
        "hoverongaps": True,
    }
    border = {
        "type": "contour",
        "x": moves,
        "y": vols,
        "z": z,
        "contours": {"coloring": "none", "start": 0.0, "end": 0.0, "size": 1.0},
        "line": {"color": INK, "width": 3},
        "showscale": False,
        "hoverinfo": "skip",
        "name": "liquidated beyond",
        "showlegend": True,
    }
    data = [heat, border, _present(100.0, f"now: {now:,.6g} {unit}")]
    return {"data": data, "layout": _layout("vol, % of now", 430)}


def curve_figure(curves: tuple[HealthCurve, ...], unit: str, now: float) -> Figure:
    """Health along the price of each coin."""
    data = [_line(curve, COLOURS[n % len(COLOURS)], unit) for n, curve in enumerate(curves)]
    data.append(_present(now, f"now: {now:,.6g} {unit}"))
    layout = _layout(f"health, {unit}", 380)
    layout["yaxis"]["zeroline"] = True
    layout["yaxis"]["zerolinecolor"] = BAD
    layout["yaxis"]["zerolinewidth"] = 2
    return {"data": data, "layout": layout}


def _line(curve: HealthCurve, colour: str, unit: str) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": curve.coin,
        "x": [PERCENT * move for move in curve.moves],
        "y": list(curve.health),
        "customdata": list(curve.binding),
        "line": {"color": colour, "width": 2},
        "hovertemplate": (
            f"{curve.coin} %{{x:+.1f}} %<br>health %{{y:,.6~g}} {unit}"
            "<br>binds: %{customdata}<extra></extra>"
        ),
    }


def _present(height: float, label: str) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label,
        "x": [0.0],
        "y": [height],
        "marker": {"symbol": "x", "size": 11, "color": INK, "line": {"color": "#fff", "width": 1}},
        "hovertemplate": f"{label}<extra></extra>",
    }


def _layout(vertical: str, height: int) -> Figure:
    return {
        "height": height,
        "margin": {"l": 60, "r": 20, "t": 20, "b": 50},
        "xaxis": {"title": {"text": "price move, %"}, "ticksuffix": " %"},
        "yaxis": {"title": {"text": vertical}},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hovermode": "closest",
    }


def _colour_end(shown: HealthMap) -> float:
    known = [abs(each) for row in shown.health for each in row if each is not None]
    return max(float(np.quantile(known, SHOWN_SHARE)), 1e-9) if known else 1.0
