# SPDX-License-Identifier: Apache-2.0
"""What the report says in sentences, built from numbers; a sentence without its numbers is left
out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.measures import Measures
from tidegate.backtest.report_moves import Move
from tidegate.model.times import format_date, format_time

SUBJECT = "tidegate"


def subject_index(measured: Sequence[Measures]) -> int:
    """Which result the report is about: Tidegate, or the first where it did not run."""
    return next((i for i, m in enumerate(measured) if m.policy == SUBJECT), 0)


def share(value: float) -> str:
    """A share as percent with a space that does not break, such as 4.60 %."""
    return f"{round(100 * value, 2) + 0:,.2f}\u00a0%"


def dollars(value: float) -> str:
    """Whole dollars with separators."""
    return f"{round(value):,} USD"


def times(value: float) -> str:
    """A leverage or ratio, such as 6.8x."""
    return f"{value:,.1f}x" if value < 1000 else f"{value:,.0f}x"


def minute(ts_ms: int) -> str:
    """A time to the minute, UTC."""
    return format_time(ts_ms)[:16].replace("T", " ")


def headline(
    subject: Measures, rivals: Sequence[Measures], window: str, cost_usd: float
) -> list[str]:
    """Sentences: whether the subject lived, at what leverage and what it kept, what its insurance
    cost, and the plain rules beside it."""
    sentences = [
        _fate(subject, window),
        _insurance(subject, cost_usd),
        _dead(rivals),
        _nearest(subject, rivals),
        _best(subject, rivals),
    ]
    return [sentence for sentence in sentences if sentence]


def _fate(subject: Measures, window: str) -> str:
    name = subject.label.capitalize()
    kept = (
        f"at an average leverage of {times(subject.avg_leverage)} it kept "
        f"{share(subject.carry_kept)} of capital as carry and returned "
        f"{share(subject.return_on_capital)}."
    )
    if subject.death_ms is None:
        return f"{name} went through {window} without a liquidation: {kept}"
    return f"{name} was liquidated at {format_time(subject.death_ms)}: {kept}"


def _insurance(subject: Measures, cost_usd: float) -> str:
    if cost_usd == 0:
        return ""
    part = share(cost_usd / subject.waterfall_usd["capital"])
    return f"Staying solvent cost {dollars(cost_usd)}, {part} of capital."


def _levered(rivals: Iterable[Measures]) -> list[Measures]:
    return [m for m in rivals if m.avg_leverage > 0]


def _alive(rivals: Iterable[Measures]) -> list[Measures]:
    return [m for m in _levered(rivals) if m.death_ms is None]


def _dead(rivals: Sequence[Measures]) -> str:
    levered = _levered(rivals)
    dead = [m for m in levered if m.death_ms is not None]
    if not levered:
        return ""
    if not dead:
        return f"None of the {len(levered)} plain rules was liquidated."
    least = min(dead, key=lambda m: m.avg_leverage)
    died = format_date(least.death_ms or 0)
    return (
        f"{len(dead)} of {len(levered)} plain rules were liquidated, the least levered of them, "
        f"{least.label}, at an average of {times(least.avg_leverage)} on {died}."
    )


def _nearest(subject: Measures, rivals: Sequence[Measures]) -> str:
    alive = _alive(rivals)
    if not alive:
        return ""
    near = min(alive, key=lambda m: abs(m.avg_leverage - subject.avg_leverage))
    gap = near.carry_kept - subject.carry_kept
    return (
        f"Beside the surviving rule nearest in leverage, {near.label} at "
        f"{times(near.avg_leverage)}, it kept {share(abs(gap))} of capital "
        f"{'less' if gap > 0 else 'more'}."
    )


def _best(subject: Measures, rivals: Sequence[Measures]) -> str:
    alive = _alive(rivals)
    if not alive:
        return ""
    best = max(alive, key=lambda m: m.carry_kept)
    if best.carry_kept <= subject.carry_kept:
        return "No surviving plain rule kept more."
    health = best.worst_health_ratio
    near = "" if health is None else f"; its equity was once {health:.2f} times maintenance"
    return (
        f"The surviving rule that kept most was {best.label} at {times(best.avg_leverage)} "
        f"with {share(best.carry_kept)}{near}."
    )


def insurance_usd(moves: Iterable[Move]) -> float:
    """What sending money, realising profit and cutting cost; growing again is not in it."""
    return sum(m.cost_usd or 0.0 for m in moves if m.kind in ("sent", "rolled", "reduced"))


def tiles(subject: Measures, moves: Sequence[Move]) -> list[tuple[str, str, str]]:
    """The four figures of the summary: name, value, and a line that explains it."""
    lived = subject.death_ms is None
    health = subject.worst_health_ratio
    worst = "never margined" if health is None else f"worst equity / maintenance {times(health)}"
    cost = insurance_usd(moves)
    counts = {kind: sum(m.kind == kind for m in moves) for kind in ("sent", "rolled", "reduced")}
    capital = subject.waterfall_usd["capital"]
    return [
        ("Outcome", "survived" if lived else "liquidated", worst),
        (
            "Average leverage",
            times(subject.avg_leverage),
            f"on {dollars(subject.avg_collateral_usd)} collateral",
        ),
        ("Carry kept", share(subject.carry_kept), f"{dollars(subject.carry_kept_usd)} net"),
        (
            "Cost of staying solvent",
            share(cost / capital),
            f"{dollars(cost)}: {counts['sent']} transfers, {counts['rolled']} rolls, "
            f"{counts['reduced']} cuts",
        ),
    ]


def limitations(arrangement: Arrangement, trials: int, seed: int) -> list[str]:
    """What this does not show, as far as the arrangement says it."""
    assumed = {p.field for p in arrangement.provenance if p.source.startswith("assumed")}
    markets = [
        (f"{venue}:{symbol}", terms)
        for venue, said in arrangement.mandate.venue.items()
        for symbol, terms in said.instruments.items()
    ]
    last = [name for name, terms in markets if terms.mark.value == "last"]
    paths = [name for name, terms in markets if terms.intrabar is not None]
    costs = sorted(f for f in assumed if f.endswith((".half_spread", ".impact_coefficient")))
    found = [
        f"One window of history, which {trials} policy runs have now seen. The best of many looks "
        "better than it is, and survival in one window is no proof of the next.",
        "Auto-deleveraging, outages and bankrupt venues are not simulated; a freeze stops money, "
        "not trading.",
        f"How long transfers take is drawn (seed {seed}); another seed gives other times.",
        "Orders fill at once at the first price of a step, half a spread and their impact worse; "
        "our trades do not move the prices that follow.",
        "Equity and leverage are sampled hourly; margin is judged at the adverse extremes of every "
        "bar.",
    ]
    if costs:
        found.append(f"{len(costs)} spreads and impact coefficients are assumed, not measured.")
    if last:
        found.append(f"Last prices stand in for the venue's marks: {', '.join(last)}.")
    if paths:
        found.append(f"The path inside coarse bars is assumed: {', '.join(paths)}.")
    found.append(
        f"{len(assumed)} of {len({p.field for p in arrangement.provenance})} numbers of the "
        "arrangement are assumed; the table above marks them."
    )
    return found
