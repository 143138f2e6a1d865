# SPDX-License-Identifier: Apache-2.0
"""Where the subject is below a baseline, said by rule and not by choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from tidegate.backtest.measures import Measures
from tidegate.backtest.report_summary import share, times
from tidegate.engine.page import Columns, table

NAMED = 4


@dataclass(frozen=True, slots=True)
class Yardstick:
    """A measure of which more is better: its name, value (None: there is none) and how it is
    written."""

    name: str
    value: Callable[[Measures], float | None]
    told: Callable[[float], str]


def _health(m: Measures) -> float | None:
    return m.worst_health_ratio


YARDSTICKS = (
    Yardstick("carry kept", lambda m: m.carry_kept, share),
    Yardstick("return", lambda m: m.return_on_capital, share),
    Yardstick("drawdown", lambda m: -m.max_drawdown, lambda v: share(abs(v))),
    Yardstick("least health", _health, lambda v: f"{v:,.2f}"),
    Yardstick(
        "near-liquidations", lambda m: float(-m.near_liquidations), lambda v: f"{abs(v):.0f}"
    ),
    Yardstick(
        "carry kept per turnover",
        lambda m: m.carry_kept / m.turnover if m.turnover else None,
        lambda v: f"{100 * v:.4f} %",
    ),
)


def above(
    subject: Measures, rivals: Sequence[Measures], measure: Yardstick
) -> list[tuple[Measures, float]]:
    """Rivals that lived and are above the subject, the best first."""
    own = measure.value(subject)
    if own is None:
        return []
    found = [
        (m, value)
        for m in rivals
        if m.death_ms is None and (value := measure.value(m)) is not None and value > own
    ]
    return sorted(found, key=lambda pair: (-pair[1], pair[0].label))


def against_section(subject: Measures, rivals: Sequence[Measures]) -> str:
    """A row per measure: the subject's value, and every policy that lived and is above it."""
    title = '<h2 id="against">Where it is below a baseline</h2>\n'
    if not rivals:
        return title + "<p>Nothing ran beside it.</p>"
    if subject.death_ms is not None:
        lived = [m.label for m in rivals if m.death_ms is None]
        told = f"It was liquidated; {', '.join(lived) if lived else 'no other policy'} lived."
        title += f"<p>{escape(told)}</p>\n"
    rows = []
    for measure in YARDSTICKS:
        own, found = measure.value(subject), above(subject, rivals, measure)
        rows.append(
            [
                measure.name,
                "none" if own is None else measure.told(own),
                f"{len(found)} of {len(rivals)}",
                _names(found, measure),
            ]
        )
    caption = (
        f"By rule: every policy that lived and did better than {subject.label} on a measure, the "
        f"best {NAMED} by name with their average leverage. Less leverage makes most safer; "
        "that is no excuse, but it is why."
    )
    columns = Columns(("measure", subject.label, "better", "which"), numeric=(1, 2), short=(2,))
    return title + table(columns, rows, caption)


def _names(found: Sequence[tuple[Measures, float]], measure: Yardstick) -> str:
    told = [
        f"{m.label} {measure.told(value)} at {times(m.avg_leverage)}" for m, value in found[:NAMED]
    ]
    rest = len(found) - len(told)
    return "; ".join((*told, *([f"{rest} more"] if rest else []))) or "none"
