# SPDX-License-Identifier: Apache-2.0
"""Crises as a document: all in one table, for each a short one, and in words where Tidegate is
worse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tidegate.backtest.crisis.definitions import Definition
from tidegate.backtest.crisis.summary import Line, Summary
from tidegate.backtest.crisis.words import (
    HEADS,
    line_cells,
    place_words,
    subject_of,
    tables,
    worse_words,
)
from tidegate.backtest.experiment import CLAIMS

# Rules whose other sizes are in the summary's document alone.
LEFT_OUT = ("fixed", "threshold", "per-venue")
SHOWN = ("fixed 8", "fixed 4", "fixed 2.5", "fixed 1.6667", "threshold 4", "per-venue 4")


# What the table over all crises shows of each, where it was played.
ACROSS = (
    *("tidegate 4", f"{CLAIMS} 4", "tidegate 2.5", "desk", "per-venue 4"),
    *("threshold 4", "fixed 4", "fixed 2.5", "foresight 2.5"),
)


def crisis_markdown(summary: Summary, known: Mapping[str, Definition]) -> str:
    """All crises in one table, then every crisis and market under a heading of its own."""
    return "\n".join(_lines(summary, known)) + "\n"


def _lines(summary: Summary, known: Mapping[str, Definition]) -> Iterator[str]:
    yield from _overview(summary)
    for crisis, market, lines in tables(summary):
        yield from (f"### {place_words(crisis, market, known)}", "")
        yield from (*_table([line for line in lines if _is_shown(line, lines)]), "")
        watched = [f"{CLAIMS} 4"] if any(line.policy == f"{CLAIMS} 4" for line in lines) else []
        for subject in (subject_of(lines), *watched):
            yield from _worse(subject, worse_words(summary, (crisis, market), subject))


def _worse(subject: str, words: Sequence[str]) -> Iterator[str]:
    if not words:
        yield from (f"No rule of its size does better than `{subject}`.", "")
        return
    yield from (f"Where `{subject}` is worse:", "", *(f"- {each}" for each in words), "")


def _overview(summary: Summary) -> Iterator[str]:
    """In how many seeds each policy was liquidated, and its worst seed's loss."""
    played = [name for name in ACROSS if any(line.policy == name for line in summary.lines)]
    if not played:
        return
    yield f"| crisis | market | {' | '.join(played)} |"
    yield f"|{'---|' * (len(played) + 2)}"
    for crisis, market, lines in tables(summary):
        here = {line.policy: line for line in lines}
        if here.keys() & set(played):
            cells = (_across(here.get(name)) for name in played)
            yield f"| {crisis} | {market} | {' | '.join(cells)} |"
    yield ""


def _across(line: Line | None) -> str:
    """A line in one cell: the share of seeds liquidated, and the worst seed's loss."""
    if line is None:
        return ""
    return f"{line.liquidated:.0%} / {line.worst_loss:.1%}" if line.opened else "no book"


def _is_shown(line: Line, lines: Sequence[Line]) -> bool:
    """Few sizes of each rule, or all where none of those was played."""
    levered = any(other.policy in SHOWN for other in lines)
    return not levered or line.policy in SHOWN or line.policy.split()[0] not in LEFT_OUT


def _table(lines: Sequence[Line]) -> Iterator[str]:
    yield f"| {' | '.join(HEADS)} |"
    yield f"|{'---|' * len(HEADS)}"
    for line in lines:
        yield f"| {' | '.join(line_cells(line))} |"
