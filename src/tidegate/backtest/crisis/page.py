# SPDX-License-Identifier: Apache-2.0
"""Crises as one self-contained page: figures with sources, a table for each, and what was worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

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
from tidegate.engine.page import page

TITLE = "Crises"


def crisis_page(summary: Summary, known: Mapping[str, Definition]) -> str:
    """The page of what was played."""
    played = dict.fromkeys(line.crisis for line in summary.lines)
    sections = [_section(summary, place, lines, known) for *place, lines in _places(summary)]
    figures = "".join(_sources(name, known[name]) for name in played)
    body = (
        f"<main><h1>{TITLE}</h1>{_failed(summary)}{''.join(sections)}"
        f"<h2>Figures and their sources</h2>{figures}</main>"
    )
    return page(TITLE, body, {})


def _places(summary: Summary) -> list[tuple[str, str, list[Line]]]:
    return list(tables(summary))


def _section(
    summary: Summary, place: Sequence[str], lines: Sequence[Line], known: Mapping[str, Definition]
) -> str:
    crisis, market = place
    subject = subject_of(lines)
    worse = worse_words(summary, (crisis, market), subject)
    told = "".join(f"<li>{escape(line)}</li>" for line in worse)
    rows = [(line_cells(line), line.policy == subject) for line in lines]
    said = (
        f"<p>Where {escape(subject)} is worse:</p><ul>{told}</ul>"
        if worse
        else (f"<p>No rule of its size does better than {escape(subject)}.</p>")
    )
    heading = escape(place_words(crisis, market, known))
    return f"<h2>{heading}</h2>{_table(HEADS, rows)}{said}"


def _table(heads: Sequence[str], rows: Sequence[tuple[Sequence[str], bool]]) -> str:
    head = "".join(f'<th class="n">{escape(h)}</th>' for h in heads[1:])
    body = "".join(
        f'<tr class="{"subject" if subject else ""}"><th scope="row">{escape(cells[0])}</th>'
        + "".join(f'<td class="n">{escape(cell)}</td>' for cell in cells[1:])
        + "</tr>"
        for cells, subject in rows
    )
    return (
        f'<div class="scroll whole"><table><thead><tr><th>{escape(heads[0])}</th>{head}'
        f"</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _sources(name: str, crisis: Definition) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(field)}</th><td class="n">{figure.value:g}</td>'
        f"<td>{escape(figure.source)}</td></tr>"
        for field, figure in crisis.figures()
    )
    return (
        f"<details><summary>{escape(name)}: {escape(crisis.title)}</summary>"
        f'<div class="scroll whole"><table><tbody>{rows}</tbody></table></div></details>'
    )


def _failed(summary: Summary) -> str:
    if not summary.failed:
        return ""
    rows = "".join(
        f"<li>{escape(crisis)}, {escape(market)}, seed {seed}, {escape(policy)}: {escape(why)}</li>"
        for crisis, market, seed, policy, why in summary.failed
    )
    return f'<p class="bad">{len(summary.failed)} runs failed:</p><ul>{rows}</ul>'
