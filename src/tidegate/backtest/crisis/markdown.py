# SPDX-License-Identifier: Apache-2.0
"""Crises as a document: for each a short table, and in words where Tidegate is worse."""

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

# Rules whose other sizes are in the summary's document alone.
LEFT_OUT = ("fixed", "threshold", "per-venue")
SHOWN = ("fixed 8", "fixed 4", "fixed 2.5", "fixed 1.6667", "threshold 4", "per-venue 4")


def crisis_markdown(summary: Summary, known: Mapping[str, Definition]) -> str:
    """Every crisis and market under a heading of its own."""
    return "\n".join(_lines(summary, known)) + "\n"


def _lines(summary: Summary, known: Mapping[str, Definition]) -> Iterator[str]:
    for crisis, market, lines in tables(summary):
        subject = subject_of(lines)
        yield from (f"### {place_words(crisis, market, known)}", "")
        yield from _table([line for line in lines if _is_shown(line, lines)])
        worse = worse_words(summary, (crisis, market), subject)
        told = f"Where `{subject}` is worse:" if worse else f"`{subject}` is worse than no rule."
        yield from ("", told, "")
        if worse:
            yield from (*(f"- {words}" for words in worse), "")


def _is_shown(line: Line, lines: Sequence[Line]) -> bool:
    """Few sizes of each rule, or all where none of those was played."""
    levered = any(other.policy in SHOWN for other in lines)
    return not levered or line.policy in SHOWN or line.policy.split()[0] not in LEFT_OUT


def _table(lines: Sequence[Line]) -> Iterator[str]:
    yield f"| {' | '.join(HEADS)} |"
    yield f"|{'---|' * len(HEADS)}"
    for line in lines:
        yield f"| {' | '.join(line_cells(line))} |"
