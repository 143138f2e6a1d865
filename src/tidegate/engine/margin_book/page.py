# SPDX-License-Identifier: Apache-2.0
"""The page of one account: tiles, tables, the map of its health, and what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tidegate.engine.margin_book.answer import Answer, Standing
from tidegate.engine.margin_book.charts import curve_figure, map_figure
from tidegate.engine.margin_book.health_map import HealthMaps
from tidegate.engine.margin_book.words import (
    AMOUNTS,
    amount,
    closing_lines,
    price,
    ratio,
    side,
    unknown_lines,
)
from tidegate.engine.page import Columns, chart, table
from tidegate.model.times import format_time


def content(said: Answer, maps: HealthMaps) -> tuple[str, str, dict[str, object]]:
    """Title, body and figures."""
    then = said.now if said.what_if is None else said.what_if.after
    figures: dict[str, object] = {
        "map": map_figure(maps.together, said.unit, then.health),
        "curves": curve_figure(maps.curves, said.unit, then.health),
    }
    body = "".join((_head(said), _tiles(said, then), _amounts(said), _maps(said, maps)))
    return f"{said.venue} margin", body + _distances(said) + _positions(said) + _ends(said), figures


def _head(said: Answer) -> str:
    verdict = ""
    if not said.healthy:
        verdict = '<p class="bad"><b>Below maintenance</b>: the venue may liquidate it.</p>\n'
    orders = "" if said.what_if is None else f" with {escape('; '.join(said.what_if.orders))}"
    return (
        f"<h1>{escape(said.venue)}: {escape(said.rule)}</h1>\n"
        f'<p class="headline">{escape(said.subject)}, {format_time(said.as_of_ms)}{orders}</p>\n'
        f"{verdict}"
    )


def _tiles(said: Answer, then: Standing) -> str:
    unit = escape(said.unit)
    label = "" if said.what_if is None else ", with the orders"
    tiles = (
        (f"{amount(then.health, said.unit)} {unit}", f"health{label}"),
        (ratio(then), f"equity over maintenance{label}"),
        (f"{amount(then.withdrawable, said.unit)} {unit}", f"withdrawable{label}"),
        (escape(then.binding), f"what binds{label}"),
    )
    cells = "".join(f'<div class="tile"><b>{a}</b><span>{b}</span></div>\n' for a, b in tiles)
    return f'<div class="tiles">\n{cells}</div>\n'


def _amounts(said: Answer) -> str:
    what = said.what_if
    standings = [said.now] if what is None else [said.now, what.after, what.difference]
    heads = ["now", "with the orders", "difference"][: len(standings)]
    rows = [(n, *(amount(getattr(s, n), said.unit) for s in standings)) for n in AMOUNTS]
    names = list(dict.fromkeys(name for each in standings for name in each.parts))
    parts = [
        (name, *(amount(each.parts.get(name, 0.0), said.unit) for each in standings))
        for name in names
    ]
    columns = Columns(["", *heads], numeric=range(1, len(heads) + 1))
    first = table(columns, rows, f"Amounts in {said.unit}; health is equity less maintenance.")
    own = Columns(["part", *heads], numeric=range(1, len(heads) + 1))
    return first + "<h2>The rule's parts</h2>\n" + table(own, parts, f"In {said.unit}.")


def _maps(said: Answer, maps: HealthMaps) -> str:
    together = maps.together
    coins = ", ".join(together.coins) or "no coin"
    text = (
        f"All prices of {coins} move together, all vols are multiplied; the dark line is where "
        "health is zero, the cross is now. Point at a field for what binds there; a hole is where "
        "the rule cannot judge."
    )
    if not together.has_options:
        text += " No option is held, so volatility changes nothing."
    alone = "Each coin moves alone, the others and all vols stand still. Below zero is liquidated."
    first = chart("map", "Health by price and volatility", text, in_tables=False)
    return first + chart("curves", "Health by price of each coin", alone, in_tables=False)


def _distances(said: Answer) -> str:
    found = said.distances if said.what_if is None else said.what_if.distances
    rows = [(d.coin, price(d.price), *side(d.below), *side(d.above)) for d in found]
    heads = "coin,price now,falls by,at,rises by,at".split(",")
    caption = "The move of one coin alone at which the account is liquidated."
    columns = Columns(heads, numeric=range(1, 6))
    return "<h2>Distance to liquidation</h2>\n" + table(columns, rows, caption)


def _positions(said: Answer) -> str:
    heads = "position,kind,size,entry,mark,frees initial,frees maintenance,health by it".split(",")
    rows = [
        (
            each.symbol,
            each.kind,
            f"{each.size:,.10g}",
            price(each.entry, missing=""),
            price(each.mark),
            *(amount(one, said.unit) for one in (each.initial, each.maintenance, each.health)),
        )
        for each in said.positions
    ]
    caption = f"What closing a position at its mark frees, in {said.unit}; a hedge less than 0."
    columns = Columns(heads, numeric=range(2, 8))
    return "<h2>Positions</h2>\n" + table(columns, rows, caption)


def _ends(said: Answer) -> str:
    gaps = unknown_lines(said)
    return (
        f"<h2>Closed first</h2>\n{_list(closing_lines(said.first_closed))}"
        f"<h2>Unknown</h2>\n{_list(gaps or ['nothing that the file could say'])}"
        f"<h2>Not pinned by any document</h2>\n{_list(said.not_pinned or ('nothing',))}"
        f"<h2>Source</h2>\n{_list(said.source)}"
    )


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>\n" for line in lines) + "</ul>\n"
