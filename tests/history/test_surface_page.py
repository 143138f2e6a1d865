# SPDX-License-Identifier: Apache-2.0
"""The page of a surface: self-contained, and its charts draw the quotes, the fit and the marks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.history.written_chains import known_surface, quoted
from tidegate.engine.page import page
from tidegate.history.surface_figures import (
    skew_figure,
    smiles_figure,
    surface_figure,
    term_figure,
)
from tidegate.history.surface_page import content
from tidegate.history.surface_study import SurfaceStudy, call_delta, study_chain, vol_at
from tidegate.pricing import black76
from tidegate.pricing.calibration import fit_of
from tidegate.pricing.option_chain import OptionChain

PANEL = ("bid to ask", "bid to ask, fit outside", "venue mark", "fit")


def disturbed() -> OptionChain:
    """Quotes with two stale ones that no smooth smile meets, and a venue that marks 1 point up."""
    chain = quoted(known_surface())
    bid, ask = chain.bid.copy(), chain.ask.copy()
    for row in (26, 60):
        bid[row], ask[row] = 1.25 * bid[row], 1.25 * ask[row]
    return replace(chain, bid=bid, ask=ask, mark_vol_annual=chain.mark_vol_annual + 0.01)


@pytest.fixture(scope="module")
def study() -> SurfaceStudy:
    return study_chain(disturbed())


def panels(study: SurfaceStudy) -> list[dict[str, Mapping[str, Any]]]:
    data = smiles_figure(study)["data"]
    parts = [data[i : i + len(PANEL)] for i in range(0, len(data), len(PANEL))]
    assert all(tuple(trace["name"] for trace in part) == PANEL for part in parts)
    return [{trace["name"]: trace for trace in part} for part in parts]


def years_of(study: SurfaceStudy, number: int, size: int) -> Any:
    return np.full(size, study.expiries[number].days / 365.0)


def test_fit_is_drawn_at_the_surfaces_own_volatility(study: SurfaceStudy) -> None:
    for number, panel in enumerate(panels(study)):
        k = np.array(panel["fit"]["x"])
        truth = 100 * vol_at(study.surface, k, years_of(study, number, k.size))
        assert np.array(panel["fit"]["y"]) == pytest.approx(truth, rel=1e-5)


def test_bars_end_at_volatilities_that_price_bid_and_ask(study: SurfaceStudy) -> None:
    for number, panel in enumerate(panels(study)):
        rows = np.flatnonzero(
            study.every.used & (study.chain.expiry_ms == study.expiries[number].expiry_ms)
        )
        bids, asks = set[float](), set[float]()
        for name in PANEL[:2]:
            trace = panel[name]
            k, mid = np.array(trace["x"]), np.array(trace["y"])
            for part, sign, found in (("arrayminus", -1, bids), ("array", 1, asks)):
                vol = (mid + sign * np.array(trace["error_y"][part])) / 100
                years = years_of(study, number, k.size)
                found |= set(np.round(black76.price(1.0, np.exp(k), years, vol, k >= 0), 6))
        assert sorted(bids) == pytest.approx(sorted(study.every.bid[rows]), abs=2e-6)
        assert sorted(asks) == pytest.approx(sorted(study.every.ask[rows]), abs=2e-6)


def test_quotes_that_the_fit_misses_are_red_and_no_others(study: SurfaceStudy) -> None:
    used = np.flatnonzero(study.every.used)
    inside, _ = fit_of(study.surface, study.every, used)
    missed = sum(len(panel[PANEL[1]]["x"]) for panel in panels(study))
    met = sum(len(panel[PANEL[0]]["x"]) for panel in panels(study))
    assert (met, missed) == (inside.sum(), (~inside).sum())
    assert missed >= 2


def test_marks_are_drawn_where_the_venue_puts_them(study: SurfaceStudy) -> None:
    for number, panel in enumerate(panels(study)):
        k, mark = np.array(panel["venue mark"]["x"]), np.array(panel["venue mark"]["y"])
        truth = 100 * vol_at(known_surface(), k, years_of(study, number, k.size)) + 1.0
        assert k.size >= 15
        assert mark == pytest.approx(truth, abs=1e-2)


def test_switch_gives_every_trace_its_place_on_every_axis(study: SurfaceStudy) -> None:
    figure = smiles_figure(study)
    buttons = figure["layout"]["updatemenus"][0]["buttons"]
    logs, deltas, strikes = (button["args"][0]["x"] for button in buttons)
    assert logs == [trace["x"] for trace in figure["data"]]
    assert len(logs) == len(deltas) == len(strikes) == len(figure["data"])
    for index, (k, place, strike) in enumerate(zip(logs, deltas, strikes, strict=True)):
        expiry = study.expiries[index // len(PANEL)]
        years = np.full(len(k), expiry.days / 365.0)
        assert place == pytest.approx(1 - call_delta(study.surface, np.array(k), years), abs=1e-4)
        assert strike == pytest.approx(expiry.forward_usd * np.exp(k), rel=1e-4)
        assert np.all(np.diff(place) > 0)


def test_switch_moves_every_axis_that_a_trace_stands_on(study: SurfaceStudy) -> None:
    figure = smiles_figure(study)
    axes = {trace["xaxis"].replace("x", "xaxis") for trace in figure["data"]}
    for button in figure["layout"]["updatemenus"][0]["buttons"]:
        assert {key.split(".")[0] for key in button["args"][1]} == axes


def test_sheet_and_lines_lie_on_the_surface(study: SurfaceStudy) -> None:
    sheet, *lines = surface_figure(study)["data"]
    assert len(lines) == len(study.expiries)
    middle = sheet["x"].index(0.5)
    assert np.shape(sheet["z"]) == (len(sheet["y"]), len(sheet["x"]))
    for at, row in ((0, sheet["z"][0]), (-1, sheet["z"][-1])):
        line = lines[at]["z"]
        assert np.array(line) - 0.05 == pytest.approx(row, abs=1e-3)
        assert row[middle] == pytest.approx(100 * study.expiries[at].deltas_vol_annual[4], abs=1e-3)


def test_forward_volatility_carries_the_variance_between_expiries(study: SurfaceStudy) -> None:
    traces = {trace["name"]: trace for trace in term_figure(study)["data"]}
    days = np.array(traces["ATM (K = F)"]["x"])
    atm = np.array(traces["ATM (K = F)"]["y"])
    forward = np.array(traces["forward ATM from the expiry before"]["y"])
    total = np.cumsum(forward**2 * np.diff(days, prepend=0.0))
    assert total == pytest.approx(atm**2 * days, rel=1e-4)
    marks = np.array(traces["venue mark ATM"]["y"])
    assert marks == pytest.approx([61.0, 56.0, 51.0], abs=0.3)


def test_skew_chart_draws_the_table(study: SurfaceStudy) -> None:
    reversal, butterfly = skew_figure(study)["data"]
    smiles = [expiry.smile for expiry in study.expiries]
    assert reversal["y"] == pytest.approx([100 * s.risk_reversal for s in smiles], rel=1e-4)
    assert butterfly["y"] == pytest.approx([100 * s.butterfly for s in smiles], rel=1e-4)


def test_page_has_a_place_for_every_figure_and_reaches_for_nothing(study: SurfaceStudy) -> None:
    other = replace(study, chain=replace(study.chain, currency="ETH"))
    title, body, figures = content([study, other])
    places = re.findall(r'<div class="chart" id="([^"]+)"', body)
    assert places == list(figures)
    assert len(places) == 8
    assert not re.search(r"https?:|src=|href=", body)
    text = page(title, body, figures)
    assert "default-src 'none'" in text
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.S)
    assert found is not None
    assert set(json.loads(found[1])) == set(places)


def test_coin_with_marks_of_html_in_its_name_stays_text(study: SurfaceStudy) -> None:
    odd = replace(study, chain=replace(study.chain, currency="<b>&X"))
    _, body, figures = content([odd])
    assert "<b>&X" not in body
    assert "&lt;b&gt;&amp;X" in body
    assert set(re.findall(r'class="chart" id="([^"]+)"', body)) == set(figures)


def test_page_of_a_single_expiry_is_made() -> None:
    chain = quoted(known_surface())
    first = chain.expiry_ms == chain.expiry_ms[0]
    bid = np.where(first, chain.bid, np.nan)
    title, body, figures = content([study_chain(replace(chain, bid=bid))])
    assert "no slice" in body
    assert json.dumps(figures, allow_nan=False)
    assert "</html>" in page(title, body, figures)
