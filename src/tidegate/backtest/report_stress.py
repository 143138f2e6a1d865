# SPDX-License-Identifier: Apache-2.0
"""The same run at harder terms and other sizes: costs x2 and x3, latency x2, and what more capital
would keep.

The engine knows the harder terms as it knows the usual ones. Costs are fees, spreads, impact and
the fees of transfers; what conversion takes stays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import msgspec

from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.experiment import Experiment, Spec, feed_of, run
from tidegate.backtest.measures import Measures, fill_usd, measure
from tidegate.backtest.report_summary import dollars, share, subject_index, times
from tidegate.backtest.run import Outcome
from tidegate.engine.page import Columns, chart, table
from tidegate.model.events import Filled
from tidegate.model.times import DAY_MS, SECOND_MS
from tidegate.model.units import MICRO
from tidegate.simulation.tape import Tape

DELAYS_S = (1, 2, 60, 120)
SCALES = tuple(10.0 ** (quarter / 4) for quarter in range(-4, 9))
COSTS, LATENCIES, SIZES = (2, 3), (2,), (3, 10)


@dataclass(frozen=True, slots=True)
class Stressed:
    """One policy under other terms than the study's."""

    terms: str
    measures: Measures


def judged(measures: Sequence[Measures]) -> tuple[Spec, ...]:
    """Whom to run at harder terms: the subject, and the levered policy that lived and is nearest to
    it in average leverage."""
    subject = measures[subject_index(measures)]
    alive = [m for m in measures if m is not subject and m.death_ms is None and m.avg_leverage > 0]
    near = sorted(alive, key=lambda m: abs(m.avg_leverage - subject.avg_leverage))[:1]
    return tuple(Spec(m.policy, m.leverage) for m in (subject, *near))


def stressed_runs(experiment: Experiment, specs: Sequence[Spec]) -> tuple[Stressed, ...]:
    """Every policy at costs x2 and x3, latency x2, and three and ten times the capital."""
    changed = [
        *((f"costs x{n}", dearer(experiment, n)) for n in COSTS),
        *((f"latency x{n}", slower(experiment, n)) for n in LATENCIES),
        *((f"capital x{n}", larger(experiment, n)) for n in SIZES),
    ]
    return tuple(
        Stressed(terms, measure(run(other, spec, None), other.arrangement))
        for terms, other in changed
        for spec in specs
    )


def _with(experiment: Experiment, arrangement: Arrangement, **changes: Any) -> Experiment:
    """The experiment under another arrangement; forecasts that were made for the old one go."""
    return replace(experiment, arrangement=arrangement, outlooks={}, **changes)


def dearer(experiment: Experiment, factor: int) -> Experiment:
    """Fees, half spreads, impact and transfer fees times a factor."""
    arrangement = experiment.arrangement
    terms = arrangement.terms
    costs = {
        name: replace(
            cost,
            taker_ppm=min(MICRO, cost.taker_ppm * factor),
            half_spread=cost.half_spread * factor,
            impact_coefficient=cost.impact_coefficient * factor,
        )
        for name, cost in terms.costs.items()
    }
    passages = {
        ends: replace(p, fee_quanta=p.fee_quanta * factor) for ends, p in terms.passages.items()
    }
    made = replace(arrangement, terms=replace(terms, costs=costs, passages=passages))
    tracks = {
        name: track
        if track.half_spread is None
        else replace(track, half_spread=[factor * s for s in track.half_spread])
        for name, track in experiment.tape.tracks.items()
    }
    tape = replace(experiment.tape, tracks=tracks)
    return _with(experiment, made, tape=tape, feed=feed_of(made, experiment.market, tape))


def slower(experiment: Experiment, factor: int) -> Experiment:
    """Every transfer takes a factor longer."""
    arrangement = experiment.arrangement
    passages = {
        ends: replace(
            p,
            latency_median_s=p.latency_median_s * factor,
            latency_p95_s=p.latency_p95_s * factor,
        )
        for ends, p in arrangement.terms.passages.items()
    }
    return _with(
        experiment, replace(arrangement, terms=replace(arrangement.terms, passages=passages))
    )


def larger(experiment: Experiment, factor: int) -> Experiment:
    """Capital times a factor, and with it what is too small to be traded or left without its hedge
    for a moment."""
    mandate = experiment.arrangement.mandate
    limits = mandate.limits
    floors = ("naked_usd", "minimum_trade_usd", "minimum_transfer_usd")
    scaled = {name: getattr(limits, name) * factor for name in floors}
    said = msgspec.structs.replace(
        mandate,
        mandate=msgspec.structs.replace(
            mandate.mandate, capital_usd=f"{mandate.capital_usd * factor:f}"
        ),
        limits=msgspec.structs.replace(limits, **scaled),
    )
    return _with(experiment, replace(experiment.arrangement, mandate=said))


def capacity(subject: Measures) -> tuple[tuple[float, float], ...]:
    """Capital in USD and carry kept of it, were the same book held at other sizes.

    Funding, yield, fees and spread grow with the book, impact with its power 3/2 by the square-root
    law: carry(s) = carry + impact (1 - sqrt(s)), impact the share that it took.
    """
    capital = subject.waterfall_usd["capital"]
    took = -subject.waterfall_usd.get("impact", 0.0) / capital
    return tuple(
        (scale * capital, subject.carry_kept + took * (1.0 - math.sqrt(scale))) for scale in SCALES
    )


def breaking_scale(subject: Measures, kept: float) -> float | None:
    """Times the capital at which only `kept` would be left; None where impact takes nothing or less
    is kept at any size."""
    took = -subject.waterfall_usd.get("impact", 0.0) / subject.waterfall_usd["capital"]
    room = subject.carry_kept + took - kept
    return (room / took) ** 2 if took > 0.0 and room > 0.0 else None


def capacity_figure(subject: Measures, found: Sequence[Stressed], hurdle: float) -> dict[str, Any]:
    """Carry kept against capital: by the law, and as run."""
    points = capacity(subject)
    ran = [
        (s.measures.waterfall_usd["capital"], s.measures.carry_kept)
        for s in found
        if s.terms.startswith("capital") and s.measures.label == subject.label
    ]
    ran = [(subject.waterfall_usd["capital"], subject.carry_kept), *ran]
    ends = [points[0][0], points[-1][0]]
    said = "%{x:,.3~s} USD: %{y:.2f} %<extra></extra>"
    data = [
        _trace("by the impact law", points, "lines", "#3b82d6") | {"hovertemplate": said},
        _trace("as run", ran, "markers", "#d97a2b") | {"hovertemplate": said},
        _trace("cash", [(x, hurdle) for x in ends], "lines", "#8a8f98") | {"hovertemplate": said},
    ]
    layout = {
        "height": 360,
        "margin": {"l": 76, "r": 16, "t": 28, "b": 44},
        "xaxis": {"type": "log", "title": {"text": "Capital, USD"}, "tickformat": "~s", "dtick": 1},
        "yaxis": {"title": {"text": "Carry kept, % of capital"}},
        "legend": {"orientation": "h", "y": -0.22},
    }
    return {"data": data, "layout": layout}


def _trace(
    name: str, points: Sequence[tuple[float, float]], mode: str, colour: str
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": mode,
        "name": name,
        "x": [round(x) for x, _ in points],
        "y": [round(100 * y, 4) for _, y in points],
        "line": {"color": colour},
        "marker": {"size": 9, "color": colour},
    }


def capacity_section(subject: Measures, hurdle: float) -> str:
    """The curve, and where it ends."""
    words = (
        "What the same book would keep of other capital, and cash: impact grows with the power 3/2 "
        "of what is traded, all else with its size. That a venue's depth ends is not in the curve, "
        "nor that a larger book would be chosen otherwise; points are runs at that capital."
    )
    ends = breaking_scale(subject, 0.0), breaking_scale(subject, hurdle)
    capital = subject.waterfall_usd["capital"]
    said = [
        f"{what} at {dollars(scale * capital)} ({times(scale)} the capital)"
        if scale is not None
        else f"{what} at no size that the law knows"
        for what, scale in zip(
            ("Nothing would be kept", "cash would keep as much"), ends, strict=True
        )
    ]
    return chart("capacity", "Capacity", words, in_tables=False) + f"<p>{'; '.join(said)}.</p>\n"


def stress_section(subject: Measures, base: Sequence[Measures], found: Sequence[Stressed]) -> str:
    """The runs at harder terms beside the usual ones, or how to make them."""
    title = '<h2 id="harder">Dearer, slower, larger</h2>\n'
    if not found:
        return title + "<p>Not run: tidegate backtest --honest runs them.</p>"
    shown = {s.measures.label for s in found}
    rows = [["as it was", *_cells(m)] for m in base if m.label in shown]
    rows += [[s.terms, *_cells(s.measures)] for s in found]
    worse = [s for s in found if s.measures.label == subject.label and _broken(s.measures)]
    said = "; ".join(f"{s.terms}: {_broken(s.measures)}" for s in worse)
    words = f"<p>{escape(subject.label.capitalize())} fails at {said}.</p>\n" if worse else ""
    caption = (
        "The same window again. Costs are fees, spreads, impact and fees of transfers; latency is "
        "of transfers; the engine knows of both. More capital comes with floors that grow with it."
    )
    names = "terms|policy|leverage|carry kept|return|drawdown|least health|liquidated|cost|impact"
    columns = Columns(names.split("|"), numeric=range(2, 10), short=(0, 1))
    return title + words + table(columns, rows, caption)


def delay_cost(outcome: Outcome, arrangement: Arrangement, tape: Tape, delay_s: float) -> float:
    """What waiting at every order would take, as a share of capital, by one deviation against us.

    sum over orders of notional * daily volatility * sqrt(delay / day), over capital. A bound by far
    for hedged pairs, whose legs' moves cancel, and none for a moment that is worse than its day.
    """
    days = math.sqrt(delay_s * SECOND_MS / DAY_MS)
    moved = sum(
        fill_usd(event, arrangement)
        * tape.tracks[event.instrument].vol_daily[tape.step_at(event.ts_ms)]
        for event in outcome.events
        if isinstance(event, Filled) and event.reason == "order"
    )
    return moved * days / (outcome.ledger.waterfall["capital"] / MICRO)


def delay_section(outcome: Outcome, arrangement: Arrangement, tape: Tape | None) -> str:
    """Why latency x2 is not of orders, and what stands in its place."""
    words = (
        "<p>Orders fill at the price of the moment in which they are decided: history is bars, "
        "which hold no order of prices inside, so that no delay of seconds can be played and "
        "latency x2 is of transfers alone. "
    )
    if tape is None:
        return words + "What waiting would take needs prices, which this report lacks.</p>\n"
    costs = [(delay_cost(outcome, arrangement, tape, s), s) for s in DELAYS_S]
    said = ", ".join(f"{1e4 * cost:,.1f} bp in {s} s" for cost, s in costs)
    return (
        f"{words}In its place: were the market to move one deviation of its day's volatility "
        f"against every order of the run while it waits, capital would lose {said}; legs of a "
        "pair, whose moves cancel, are each counted in full.</p>\n"
    )


def _broken(m: Measures) -> str:
    if m.death_ms is not None:
        return "liquidated"
    return "" if m.carry_kept > 0.0 else f"carry {share(m.carry_kept)}"


def _cells(m: Measures) -> list[str]:
    capital = m.waterfall_usd["capital"]
    costs = -sum(m.waterfall_usd.get(c, 0.0) for c in ("fees", "spread", "impact", "transfer fees"))
    health = m.worst_health_ratio
    return [
        m.label,
        times(m.avg_leverage),
        share(m.carry_kept),
        share(m.return_on_capital),
        share(m.max_drawdown),
        "none" if health is None else f"{health:,.2f}",
        "no" if m.death_ms is None else f"{m.liquidations}x",
        share(costs / capital),
        share(-m.waterfall_usd.get("impact", 0.0) / capital),
    ]
