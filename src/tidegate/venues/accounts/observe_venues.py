# SPDX-License-Identifier: Apache-2.0
"""`tidegate observe --venue`: accounts as venues tell them, and our margin held against theirs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tidegate.engine.book_fields import Reader
from tidegate.engine.json_file import read_json
from tidegate.engine.margin_book.output import console as pipe_console
from tidegate.engine.margin_book.output import to_reader
from tidegate.engine.margin_book.reading import account_of
from tidegate.engine.observe_command import WIDTH
from tidegate.engine.page import page
from tidegate.engine.page_file import ensure_writable, patience, write_page
from tidegate.engine.plan.book import PlanBook
from tidegate.engine.survival.document import Document
from tidegate.engine.survival.page import content
from tidegate.engine.survival.reading import has_whole_accounts, whole_accounts
from tidegate.engine.survival.survey import survey
from tidegate.engine.survival.words import show as show_survey
from tidegate.model.errors import InputError
from tidegate.model.mandate import read_plan_mandate
from tidegate.venues.accounts.asking import asked_of, book_of, save, told_by
from tidegate.venues.accounts.parity import Ours, Parity, parity
from tidegate.venues.accounts.parity_file import Line, record
from tidegate.venues.accounts.public_book import ask_markets, with_markets
from tidegate.venues.accounts.told import Told
from tidegate.venues.exchanges.client import CCXT_NAMES

SCHEMA = "tidegate-observe-venues-1"


class Wanted(NamedTuple):
    """What is asked: accounts, or a book's figures; servers on this machine by venue; files to
    write; and the mandate that may allow transfers."""

    venues: tuple[str, ...]
    urls: tuple[str, ...] = ()
    save: Path | None = None
    parity: Path | None = None
    mandate: Path | None = None
    book: Path | None = None


class Seen(msgspec.Struct, frozen=True):
    """The survey of the book, parity of each account, and what could not be read."""

    schema: str
    survey: Document
    parity: tuple[Parity, ...]
    unread: tuple[str, ...]


def observe_venues(wanted: Wanted, *, as_json: bool, html: Path | None) -> bool:
    """Print what the accounts amount to; False when one is known to be insolvent, or the book has a
    contract that its venue does not list.

    Raises: `InputError` where a venue does not answer, or a file cannot be written.
    """
    if html is not None:
        ensure_writable(html)
    urls = dict(url_of(text) for text in wanted.urls)
    _expect_meant(wanted, urls)
    value, told, unread = _public(wanted.book, urls) if wanted.book else _told(wanted, urls)
    if wanted.save is not None:
        text = msgspec.json.format(msgspec.json.encode(value), indent=1).decode()
        save(wanted.save, text + "\n")
    value, more = readable(value)
    book, terms = whole_accounts(Reader("venues"), value)
    with patience("looking for what kills the book"):
        said = survey(book, terms)
    seen = Seen(SCHEMA, said, _parities(book, told), (*unread, *more))
    if wanted.parity is not None:
        record(wanted.parity, Line(said.as_of, seen.parity))
    if html is not None:
        write_page(html, page(*content(said)))
    with to_reader():
        if as_json:
            print(json.dumps(msgspec.to_builtins(seen), sort_keys=True, allow_nan=False))
        else:
            _show(seen, pipe_console(WIDTH))
    return said.solvent and not (wanted.book and unread)


Heard = tuple[dict[str, Any], tuple[Told, ...], tuple[str, ...]]


def _expect_meant(wanted: Wanted, urls: Mapping[str, str]) -> None:
    """Refuse an address of a venue that is not asked: a slip, and the real one would be asked."""
    named = {part for text in wanted.venues for part in re.split("[=:]", text)[:2]}
    known = set(CCXT_NAMES) if wanted.book else named
    if strange := sorted(urls.keys() - known):
        expected = f"expected a venue that is asked: {', '.join(sorted(known))}"
        raise InputError("--url", strange[0], expected)


def _told(wanted: Wanted, urls: Mapping[str, str]) -> Heard:
    transfers = wanted.mandate is not None and _allows_transfers(wanted.mandate)
    asked = [asked_of(text, urls) for text in wanted.venues]
    told = tuple(one for each in asked for one in told_by(each, transfers=transfers))
    unread = tuple(f"{one.book['venue']}: {what}" for one in told for what in one.unread)
    return book_of(told), told, unread


def _public(path: Path, urls: Mapping[str, str]) -> Heard:
    reader = Reader(path.name)
    value = read_json(reader, path)
    if not has_whole_accounts(value) or not isinstance(value, dict):
        raise reader.refuse("accounts", "expected accounts as a margin book has them")
    now_ms = time.time_ns() // 1_000_000
    try:
        book, lacking = with_markets(value, ask_markets(value, urls), now_ms)
    except (KeyError, TypeError, ValueError, AttributeError):
        expected = "expected a book as `tidegate observe` reads it, with as_of, positions and coins"
        raise reader.refuse("accounts", expected) from None
    return book, (), lacking


def readable(value: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The book without accounts that no rule can read, and why not, in words.

    Raises: `InputError` where nothing is left.
    """
    kept, unread, common = [], list[str](), {"stable": value.get("stable") or {}}
    for account in value["accounts"]:
        try:
            account_of(Reader(str(account["venue"])), {**common, **account})
            kept.append(account)
        except InputError as error:
            unread.append(str(error))
    if not kept:
        raise InputError("observe", "accounts", f"expected one that can be read: {unread[-1]}")
    return {**value, "accounts": kept}, tuple(unread)


def _allows_transfers(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        expected = f"expected a mandate that can be read ({type(error).__name__})"
        raise InputError(str(path), "--mandate", expected) from None
    return bool(read_plan_mandate(text, str(path)).transfer)


def _parities(book: PlanBook, told: tuple[Told, ...]) -> tuple[Parity, ...]:
    return tuple(_parity(str(one.book["venue"]), book, one) for one in told)


def _parity(name: str, book: PlanBook, told: Told) -> Parity:
    try:
        statement = book.accounts[name].statement()
    except (KeyError, InputError):
        return parity(name, None, told.stated, whose=told.whose)
    ours = Ours(statement.equity, statement.initial, statement.maintenance)
    return parity(name, ours, told.stated, whose=told.whose)


def url_of(text: str) -> tuple[str, str]:
    """What one `--url` says; raises `InputError`."""
    venue, found, url = text.partition("=")
    if not found or not url:
        raise InputError("--url", text, "expected VENUE=URL, such as deribit=http://127.0.0.1:8080")
    return venue, url


def _show(seen: Seen, console: Console) -> None:
    for what in seen.unread:
        console.print(f"[bold red]UNKNOWN[/] {escape(what)}")
    for one in seen.parity:
        if one.verdict != "agrees":
            console.print(f"[bold red]REDUCE ONLY[/] {escape(one.venue)}: margin {one.verdict}")
    show_survey(seen.survey, console)
    if not seen.parity:
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(("account", "sum", "ours", "venue's", "differs", "verdict")):
        table.add_column(head, justify="left" if index in (0, 1, 5) else "right")
    for one in seen.parity:
        for each in one.sums:
            figures = _figure(each.ours), _figure(each.theirs)
            share = "UNKNOWN" if each.share is None else f"{each.share:.3%}"
            table.add_row(escape(one.venue), each.name, *figures, share, one.verdict)
    console.print(table)


def _figure(value: float | None) -> str:
    return "UNKNOWN" if value is None else f"{value:,.2f}"
