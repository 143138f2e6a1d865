# SPDX-License-Identifier: Apache-2.0
"""A surface's charts as Plotly figures, in plain values; volatilities are in per cent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegate.history.parquet import FloatArray
from tidegate.history.surface_study import (
    ExpiryStudy,
    SurfaceStudy,
    call_delta,
    log_strike_at_delta,
    marked,
    vol_at,
)
from tidegate.model.times import format_date
from tidegate.pricing.calibration import fit_of
from tidegate.pricing.implied_vol import implied_vol
from tidegate.pricing.surface import Surface

Figure = dict[str, Any]
Numbers = list[float | None]

FIT, QUOTE, OUTSIDE, MARK, SOFT = "#d97a2b", "#3b82d6", "#d2504f", "#2f9e77", "#8a8f98"
GRID = "rgba(130,130,130,0.3)"
COLUMNS, ROW_HEIGHT = 3, 250
CURVE_POINTS = 81
# The put side of the delta axis is 1 - N(d1), so that strikes grow to the right.
DELTA_TICKS = {0.1: "10P", 0.25: "25P", 0.5: "50", 0.75: "25C", 0.9: "10C"}
DAY_TICKS = (0.25, 0.5, 1, 2, 3, 7, 14, 30, 60, 90, 180, 365, 730)
DAYS_A_YEAR = 365.0
MESH_DELTAS, MESH_DAYS = 41, 41


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """Points of one smile with the three places they have on the x-axis."""

    log_strike: FloatArray
    delta_place: FloatArray
    strike_usd: FloatArray
    vol_annual: FloatArray

    @classmethod
    def of(cls, surface: Surface, expiry: ExpiryStudy, k: FloatArray, vol: FloatArray) -> _Points:
        years = np.full(k.shape, expiry.days / DAYS_A_YEAR)
        place = 1.0 - call_delta(surface, k, years)
        return cls(k, place, expiry.forward_usd * np.exp(k), vol)

    def places(self) -> tuple[Numbers, Numbers, Numbers]:
        """x as log-moneyness, as delta, as strike."""
        return _numbers(self.log_strike), _numbers(self.delta_place), _numbers(self.strike_usd)


def smiles_figure(study: SurfaceStudy) -> Figure:
    """One panel for each expiry: bid to ask, the fit, the venue's marks; x is switchable."""
    data: list[Figure] = []
    places: list[tuple[Numbers, Numbers, Numbers]] = []
    for number, expiry in enumerate(study.expiries, 1):
        for trace, points in _panel(study, expiry):
            own = {
                "x": points.places()[0],
                "xaxis": _axis("x", number),
                "yaxis": _axis("y", number),
            }
            data.append({**trace, **own, "showlegend": number == 1})
            places.append(points.places())
    count = len(study.expiries)
    rows = -(-count // COLUMNS)
    layout = _layout("", 90 + ROW_HEIGHT * rows) | {
        "grid": {"rows": rows, "columns": COLUMNS, "pattern": "independent", "ygap": 0.3},
        "annotations": [_panel_title(n, e) for n, e in enumerate(study.expiries, 1)],
        "updatemenus": [_switch(places, count)],
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"},
        "margin": {"l": 44, "r": 12, "t": 76, "b": 40},
    }
    layout["legend"]["y"] = 1 + 40 / (ROW_HEIGHT * rows)
    layout |= {_axis("yaxis", n): {"ticksuffix": " %"} for n in range(1, count + 1)}
    return {"data": data, "layout": layout}


def _panel(study: SurfaceStudy, expiry: ExpiryStudy) -> list[tuple[Figure, _Points]]:
    """Quotes the fit meets, quotes it does not, venue's marks, and the fit on top."""
    every, surface = study.every, study.surface
    rows = np.flatnonzero(every.used & (study.chain.expiry_ms == expiry.expiry_ms))
    rows = rows[np.argsort(every.log_strike[rows], kind="stable")]
    inside, _ = fit_of(surface, every, rows)
    k = every.log_strike[rows]
    margin = 0.04 * float(k[-1] - k[0])
    grid = np.linspace(k[0] - margin, k[-1] + margin, CURVE_POINTS)
    years = np.full(grid.shape, expiry.days / DAYS_A_YEAR)
    k_mark, mark = marked(study.chain, every, expiry.expiry_ms)
    near = (k_mark >= grid[0]) & (k_mark <= grid[-1])
    return [
        _quoted(study, expiry, rows[inside], ("bid to ask", QUOTE)),
        _quoted(study, expiry, rows[~inside], ("bid to ask, fit outside", OUTSIDE)),
        _drawn(
            _Points.of(surface, expiry, k_mark[near], mark[near]),
            {"name": "venue mark", "mode": "markers", "marker": _dot(MARK, "x-thin-open", 5)},
        ),
        _drawn(
            _Points.of(surface, expiry, grid, vol_at(surface, grid, years)),
            {"name": "fit", "mode": "lines", "line": {"color": FIT, "width": 1.8}},
        ),
    ]


def _quoted(
    study: SurfaceStudy, expiry: ExpiryStudy, rows: Any, look: tuple[str, str]
) -> tuple[Figure, _Points]:
    """Bars from the bid's to the ask's volatility around the mid's."""
    every, (name, colour) = study.every, look
    k, mid = every.log_strike[rows], every.mid_vol_annual[rows]
    bid, ask = (
        implied_vol(side[rows], 1.0, np.exp(k), every.expiry_years[rows], k >= 0.0).vol_annual
        for side in (every.bid, every.ask)
    )
    bars = {
        "type": "data",
        "symmetric": False,
        "array": _numbers(100.0 * (ask - mid)),
        "arrayminus": _numbers(100.0 * (mid - bid)),
        "thickness": 1.4,
        "width": 2,
        "color": colour,
    }
    look_of = {"name": name, "mode": "markers", "marker": _dot(colour, "circle", 2.5)}
    return _drawn(_Points.of(study.surface, expiry, k, mid), {**look_of, "error_y": bars})


def _drawn(points: _Points, look: Figure) -> tuple[Figure, _Points]:
    told = np.column_stack([points.log_strike, points.delta_place, points.strike_usd])
    trace = {
        "type": "scatter",
        "legendgroup": look["name"],
        "y": _numbers(100.0 * points.vol_annual),
        "customdata": [_numbers(row) for row in told],
        "hovertemplate": "%{y:.2f} %  K %{customdata[2]:,.0f}  k %{customdata[0]:+.3f}"
        "  N(-d1) %{customdata[1]:.2f}<extra>%{fullData.name}</extra>",
    }
    return {**trace, **look}, points


def _panel_title(number: int, expiry: ExpiryStudy) -> Figure:
    return {
        "text": f"<b>{format_date(expiry.expiry_ms)}</b>  {expiry.days:.1f} d  "
        f"ATM {100 * expiry.smile.atm_vol_annual:.1f}",
        "xref": f"{_axis('x', number)} domain",
        "yref": f"{_axis('y', number)} domain",
        "x": 0,
        "y": 1,
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 12},
    }


def _axis(name: str, number: int) -> str:
    """Plotly's name of a panel's axis: the first has no number."""
    return name if number == 1 else f"{name}{number}"


def _switch(places: Sequence[tuple[Numbers, Numbers, Numbers]], panels: int) -> Figure:
    """Buttons that put all panels on another x-axis."""
    free: Figure = {"autorange": True, "tickmode": "auto", "tickformat": ""}
    fixed: Figure = {
        "autorange": False,
        "range": [0, 1],
        "tickmode": "array",
        "tickvals": list(DELTA_TICKS),
        "ticktext": list(DELTA_TICKS.values()),
        "tickangle": 0,
    }
    axes = (
        ("log-moneyness ln(K/F)", free),
        ("delta", fixed),
        ("strike", free | {"tickformat": "~s"}),
    )
    buttons = [
        {
            "label": label,
            "method": "update",
            "args": [
                {"x": [place[index] for place in places]},
                {
                    f"{_axis('xaxis', n)}.{key}": value
                    for n in range(1, panels + 1)
                    for key, value in axis.items()
                },
            ],
        }
        for index, (label, axis) in enumerate(axes)
    ]
    return {
        "type": "buttons",
        "direction": "right",
        "buttons": buttons,
        "x": 0,
        "xanchor": "left",
        "y": 1,
        "yanchor": "bottom",
        "pad": {"b": 26},
        "bgcolor": "rgba(130,130,130,0.12)",
        "bordercolor": GRID,
        "font": {"size": 12},
    }


def surface_figure(study: SurfaceStudy) -> Figure:
    """Volatility over delta and expiry in three dimensions, with the quoted expiries as lines."""
    surface, years = study.surface, study.surface.expiry_years
    mesh_years = np.geomspace(years[0], years[-1], MESH_DAYS) if years.size > 1 else years
    place = np.linspace(0.05, 0.95, MESH_DELTAS)
    sheet = _sheet(surface, mesh_years, place)
    data: list[Figure] = [
        {
            "type": "surface",
            "x": _numbers(place),
            "y": _numbers(DAYS_A_YEAR * mesh_years),
            "z": [_numbers(row) for row in sheet],
            "colorscale": "Viridis",
            "opacity": 0.93,
            "colorbar": {"ticksuffix": " %", "thickness": 12, "len": 0.7},
            "hovertemplate": "%{z:.2f} %  N(-d1) %{x:.2f}  %{y:.1f} d<extra></extra>",
        }
    ]
    for expiry, row in zip(study.expiries, _sheet(surface, years, place), strict=True):
        data.append(
            {
                "type": "scatter3d",
                "mode": "lines",
                "name": format_date(expiry.expiry_ms),
                "showlegend": False,
                "x": _numbers(place),
                "y": [expiry.days] * place.size,
                "z": _numbers(row + 0.05),
                "line": {"color": "#1c2530", "width": 3},
                "hovertemplate": "%{z:.2f} %  N(-d1) %{x:.2f}<extra>%{fullData.name}</extra>",
            }
        )
    axis = {"gridcolor": SOFT, "backgroundcolor": "rgba(0,0,0,0)", "zerolinecolor": SOFT}
    ticks = {"tickvals": list(DELTA_TICKS), "ticktext": list(DELTA_TICKS.values())}
    days = _day_axis(years)
    days["range"].reverse()  # the short end, where volatility moves most, stands at the back
    scene = {
        "xaxis": {**axis, **ticks, "title": {"text": "delta"}},
        "yaxis": {**axis, **days, "title": {"text": "days"}},
        "zaxis": {**axis, "title": {"text": "vol, %"}},
        "aspectratio": {"x": 1.4, "y": 1.4, "z": 0.8},
        "camera": {"eye": {"x": 0.95, "y": -1.75, "z": 0.8}, "center": {"z": -0.12}},
    }
    margin = {"l": 0, "r": 0, "t": 0, "b": 0}
    return {"data": data, "layout": _layout("", 560) | {"scene": scene, "margin": margin}}


def _sheet(surface: Surface, years: FloatArray, place: FloatArray) -> FloatArray:
    """Volatility in per cent at each expiry and delta, shape (expiries, deltas)."""
    grid_years, grid_place = (part.reshape(-1) for part in np.meshgrid(years, place, indexing="ij"))
    k = log_strike_at_delta(surface, grid_years, 1.0 - grid_place)
    return 100.0 * vol_at(surface, k, grid_years).reshape(years.size, place.size)


def term_figure(study: SurfaceStudy) -> Figure:
    """At-the-money volatility over expiry, the forward volatility in steps, the venue's marks."""
    surface, years = study.surface, study.surface.expiry_years
    fine = np.geomspace(years[0], years[-1], 200) if years.size > 1 else years
    days = [expiry.days for expiry in study.expiries]
    atm = np.array([expiry.smile.atm_vol_annual for expiry in study.expiries])
    mark = np.array([expiry.mark_atm_vol_annual for expiry in study.expiries])
    variance = np.diff(atm**2 * years, prepend=0.0)
    forward = np.sqrt(variance / np.diff(years, prepend=0.0))
    at_money = vol_at(surface, np.zeros(fine.shape), fine)
    data = [
        _line("ATM between expiries", _numbers(DAYS_A_YEAR * fine), at_money, FIT)
        | {"mode": "lines", "hoverinfo": "skip"},
        _line("ATM (K = F)", days, atm, FIT) | {"mode": "markers", "marker": _dot(FIT)},
        _line("venue mark ATM", days, mark, MARK)
        | {"mode": "markers", "marker": _dot(MARK, "x-thin-open", 8)},
        _line("forward ATM from the expiry before", days, forward, SOFT)
        | {"line": {"color": SOFT, "width": 1.4, "shape": "vh", "dash": "dot"}, "mode": "lines"},
    ]
    layout = _layout("volatility, %", 380)
    layout["xaxis"] = {**_day_axis(years), "title": {"text": "days to expiry"}}
    return {"data": data, "layout": layout}


def skew_figure(study: SurfaceStudy) -> Figure:
    """25-delta risk reversal and butterfly over expiry, in vol points."""
    days = [expiry.days for expiry in study.expiries]
    reversal = np.array([expiry.smile.risk_reversal for expiry in study.expiries])
    butterfly = np.array([expiry.smile.butterfly for expiry in study.expiries])
    data = [
        _line("25Δ risk reversal, call - put", days, reversal, QUOTE),
        _line("25Δ butterfly", days, butterfly, FIT),
    ]
    layout = _layout("vol points", 340)
    layout["yaxis"] |= {"zeroline": True, "zerolinecolor": SOFT}
    layout["xaxis"] = {
        **_day_axis(study.surface.expiry_years),
        "title": {"text": "days to expiry"},
    }
    return {"data": data, "layout": layout}


def _line(name: str, days: Sequence[float | None], vol: FloatArray, colour: str) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": list(days),
        "y": _numbers(100.0 * vol),
        "line": {"color": colour, "width": 1.8},
        "marker": _dot(colour),
        "hovertemplate": "%{y:.2f}  at %{x:.1f} d<extra>%{fullData.name}</extra>",
    }


def _dot(colour: str, symbol: str = "circle", size: float = 7) -> Figure:
    return {"color": colour, "symbol": symbol, "size": size, "line": {"color": colour, "width": 1}}


def _day_axis(years: FloatArray) -> Figure:
    """A logarithmic axis of days over the expiries."""
    low, high = np.log10(DAYS_A_YEAR * years[[0, -1]])
    return {
        "type": "log",
        "range": [float(low) - 0.08, float(high) + 0.08],
        "tickvals": list(DAY_TICKS),
        "ticktext": [f"{day:g}" for day in DAY_TICKS],
    }


def _layout(title: str, height: int) -> Figure:
    return {
        "height": height,
        "margin": {"l": 60, "r": 20, "t": 34, "b": 46},
        "yaxis": {"title": {"text": title}},
        "legend": {"orientation": "h", "y": 1, "yanchor": "bottom"},
        "hovermode": "closest",
    }


def _numbers(values: FloatArray) -> Numbers:
    """Five digits are more than a screen shows; a gap where there is no number."""
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values]
