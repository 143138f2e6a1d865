# SPDX-License-Identifier: Apache-2.0
"""What `tidegate margin` prints: health, what binds, how far prices may move, what is unknown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tidegate.engine.margin_book.answer import Answer, Standing, answer
from tidegate.engine.margin_book.health_map import health_maps
from tidegate.engine.margin_book.orders import after, parse_order
from tidegate.engine.margin_book.output import console, to_reader
from tidegate.engine.margin_book.page import content
from tidegate.engine.margin_book.reading import read_account
from tidegate.engine.margin_book.words import (
    AMOUNTS,
    UNKNOWN,
    amount,
    closing_lines,
    price,
    ratio,
    side,
    unknown_lines,
)
from tidegate.engine.page import page
from tidegate.engine.page_file import ensure_writable, patience, write_page
from tidegate.model.times import format_time

WIDTH = 120


@dataclass(frozen=True, slots=True)
class Request:
    """The words of the command, each but the book perhaps absent."""

    book: Path
    rule: str | None = None
    what_if: tuple[str, ...] = ()
    html: Path | None = None


def show_margin(request: Request, as_json: bool) -> bool:
    """Print the account's margin, and write the page if one is asked for.

    Returns: False if the account is below maintenance, now or with the orders filled.
    Raises: `InputError` for words and files that cannot be used.
    """
    if request.html is not None:
        ensure_writable(request.html)
    account = read_account(request.book, request.rule)
    fills = [parse_order(text, account) for text in request.what_if]
    with patience("computing margin"):
        said = answer(account, fills)
        if request.html is not None:
            maps = health_maps(after(account, fills), said)
            write_page(request.html, page(*content(said, maps)))
    with to_reader():
        if as_json:
            print(json.dumps(msgspec.to_builtins(said), sort_keys=True, allow_nan=False))
        else:
            show(said, console(WIDTH))
    return said.healthy


def show(said: Answer, paper: Console) -> None:
    """The answer in words and tables."""
    for line in _first_lines(said):
        paper.print(line)
    paper.print(_amounts_table(said))
    binds = escape(said.now.binding)
    paper.print(f"Binds: {binds}" + ("" if said.what_if is None else _then_binds(said)))
    for table in (_parts_table(said), _positions_table(said), _distances_table(said)):
        paper.print(table)
    ends = (
        ("Closed first:", closing_lines(said.first_closed)),
        (f"[bold red]{UNKNOWN}[/], neither safe nor zero:", unknown_lines(said)),
        ("Not pinned by any document, and taken as said:", said.not_pinned),
    )
    for head, lines in ends:
        if lines:
            paper.print(head)
        for line in lines:
            paper.print(f"  {escape(line)}")


def _first_lines(said: Answer) -> list[str]:
    lines = [
        f"[bold]{escape(said.venue)}[/] under [bold]{said.rule}[/] at "
        f"{format_time(said.as_of_ms)}, in {escape(said.unit)}",
        escape(said.subject),
    ]
    if not said.now.solvent:
        lines.append("[bold red]BELOW MAINTENANCE[/]: the venue may liquidate it now")
    if said.what_if is not None and not said.what_if.after.solvent:
        lines.append("[bold red]BELOW MAINTENANCE[/] once the orders are filled")
    return lines


def _then_binds(said: Answer) -> str:
    assert said.what_if is not None
    return f"; with the orders: {escape(said.what_if.after.binding)}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head, justify="left" if index < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


def _columns(said: Answer) -> tuple[list[str], list[Standing]]:
    if said.what_if is None:
        return ["now"], [said.now]
    return ["now", "with orders", "difference"], [
        said.now,
        said.what_if.after,
        said.what_if.difference,
    ]


def _amounts_table(said: Answer) -> Table:
    heads, standings = _columns(said)
    rows = [
        (name, *(amount(getattr(each, name), said.unit) for each in standings)) for name in AMOUNTS
    ]
    rows.append(("equity / maintenance", *map(ratio, standings[:2]), *[""] * (len(heads) - 2)))
    orders = "" if said.what_if is None else "; ".join(said.what_if.orders)
    return _table([orders, *heads], rows)


def _parts_table(said: Answer) -> Table:
    heads, standings = _columns(said)
    names = list(dict.fromkeys(name for each in standings for name in each.parts))
    rows = [
        (name, *(amount(each.parts.get(name, 0.0), said.unit) for each in standings))
        for name in names
        if any(each.parts.get(name) for each in standings)
    ]
    return _table(["the rule's parts", *heads], rows)


def _positions_table(said: Answer) -> Table:
    heads = "position,size,entry,mark,frees initial,frees maintenance,health by it"
    rows = [
        (
            each.symbol,
            f"{each.size:,.10g}",
            price(each.entry, missing=""),
            price(each.mark),
            *(amount(one, said.unit) for one in (each.initial, each.maintenance, each.health)),
        )
        for each in said.positions
    ]
    return _table(heads.split(","), rows)


def _distances_table(said: Answer) -> Table:
    found = [("", each) for each in said.distances]
    if said.what_if is not None:
        found += [("with orders", each) for each in said.what_if.distances]
    rows = [
        (f"{each.coin} {label}".rstrip(), price(each.price), *side(each.below), *side(each.above))
        for label, each in found
    ]
    heads = "liquidated by,price now,falls by,at,rises by,at"
    return _table(heads.split(","), rows)
