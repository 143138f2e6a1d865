# SPDX-License-Identifier: Apache-2.0
"""The page of a survey: a bar for every distance, and all tables."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from tidegate.engine.page import Columns, chart, table
from tidegate.engine.survival.document import Distance, Document
from tidegate.engine.survival.words import (
    DEFAULTS,
    DISTANCES,
    HEALTH,
    POINTS,
    cause,
    chance,
    default_rows,
    distance,
    distance_rows,
    ends,
    first_lines,
    health_rows,
    point_rows,
    usd,
    verdicts,
)

FARTHEST_SD = 40.0


def content(said: Document) -> tuple[str, str, dict[str, object]]:
    """Title, body and figures."""
    bars = [each for each in said.distances if each.status == "dies" and each.sds is not None]
    figures: dict[str, object] = {"distances": _figure(bars), "points": _points(said)}
    body = _head(said) + _tiles(said) + _charts() + _tables(said) + _ends(said)
    return f"{said.book}: what kills it", body, figures


def _head(said: Document) -> str:
    lines = "".join(f'<p class="bad"><b>{escape(line)}</b></p>\n' for line in verdicts(said))
    first = "".join(f"<p>{escape(line)}</p>\n" for line in first_lines(said))
    title = f"<h1>{escape(said.book)}</h1>\n"
    when = f'<p class="headline">{said.as_of}, target {said.target:.0%} by beta</p>\n'
    return title + when + lines + first


def _tiles(said: Document) -> str:
    point = next((p for p in said.failure_points if p.venue == said.first.venue), None)
    far = "none found" if point is None or point.distance is None else f"{point.distance:.1f}"
    costs = [each.cost_usd for each in said.defaults]
    worst = None if None in costs else max((c for c in costs if c is not None), default=0.0)
    tiles = (
        (escape(said.first.venue or "none"), "goes first"),
        (far, "daily standard deviations to its most likely death"),
        (chance(None if point is None else point.chance_per_day), "a day, by a diffusion"),
        (usd(worst), "the costliest failure of a venue"),
    )
    cells = "".join(f'<div class="tile"><b>{a}</b><span>{b}</span></div>\n' for a, b in tiles)
    return f'<div class="tiles">\n{cells}</div>\n'


def _charts() -> str:
    alone = f"Each thing moves alone until the account dies; bars end at {FARTHEST_SD:.0f}."
    joint = "Everything moves together, the most likely way; one kind of factor more each time."
    title = "Distance to death in daily standard deviations"
    return chart("distances", title, alone) + chart("points", "Most likely failure", joint)


def _figure(found: Iterable[Distance]) -> dict[str, Any]:
    rows = sorted(found, key=lambda each: each.sds or 0.0, reverse=True)
    names = [f"{each.venue}: {cause(each)} {each.side}" for each in rows]
    shown = [min(each.sds or 0.0, FARTHEST_SD) for each in rows]
    return _bars(names, shown, [distance(each) for each in rows])


def _points(said: Document) -> dict[str, Any]:
    names, values, texts = list[str](), list[float](), list[str]()
    for each in said.failure_points:
        for level in each.levels:
            if level.distance is not None:
                names.append(f"{each.venue}: {', '.join(level.factors)}")
                values.append(min(level.distance, FARTHEST_SD))
                texts.append(f"{level.distance:.1f}")
    return _bars(names[::-1], values[::-1], texts[::-1])


def _bars(names: list[str], values: list[float], texts: list[str]) -> dict[str, Any]:
    trace = {"type": "bar", "orientation": "h", "x": values, "y": names, "text": texts}
    layout = {
        "height": 90 + 26 * len(names),
        "margin": {"l": 10, "r": 20, "t": 10, "b": 40},
        "xaxis": {"title": {"text": "daily standard deviations"}, "rangemode": "tozero"},
    }
    return {"data": [trace], "layout": layout}


def _tables(said: Document) -> str:
    parts = (
        ("Accounts", HEALTH, health_rows(said), "In USD; health is equity less maintenance."),
        (
            "Distances",
            DISTANCES,
            distance_rows(said.distances),
            "The move of one thing alone at which the account dies.",
        ),
        (
            "Nearest over all accounts",
            DISTANCES,
            distance_rows(said.nearest),
            "Of each move the nearest death, and all that is UNKNOWN of it.",
        ),
        (
            "Failure points",
            POINTS,
            point_rows(said.failure_points),
            "The nearest death that a search found, all factors moving together.",
        ),
        (
            "A venue's failure",
            DEFAULTS,
            default_rows(said.defaults),
            "Equity with unrealised profit, and re-hedging what it leaves unhedged.",
        ),
    )
    made = ""
    for title, heads, rows, caption in parts:
        columns = Columns(heads, numeric=range(2, len(heads)))
        made += f"<h2>{escape(title)}</h2>\n" + table(columns, rows, caption)
    return made


def _ends(said: Document) -> str:
    made = ""
    for head, lines in ends(said):
        items = "".join(f"<li>{escape(line)}</li>\n" for line in lines or ["nothing"])
        made += f"<h2>{escape(head)}</h2>\n<ul>{items}</ul>\n"
    return made
