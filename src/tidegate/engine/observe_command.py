# SPDX-License-Identifier: Apache-2.0
"""What `tidegate observe` prints: what could not be seen first, then health, deaths and the fix."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tidegate.engine.book_fields import Reader
from tidegate.engine.book_file import book_of
from tidegate.engine.deaths import Death
from tidegate.engine.json_file import read_json
from tidegate.engine.margin_book.output import console as pipe_console
from tidegate.engine.margin_book.output import to_reader
from tidegate.engine.observation import Observation, Vanishing, VenueHealth, observe
from tidegate.engine.page import page
from tidegate.engine.page_file import ensure_writable, patience, write_page
from tidegate.engine.remedy import Option, Remedy
from tidegate.engine.rescue import Passing
from tidegate.engine.survival.page import content
from tidegate.engine.survival.reading import has_whole_accounts, whole_accounts
from tidegate.engine.survival.survey import survey
from tidegate.engine.survival.words import show as show_survey
from tidegate.model.times import format_time

UNKNOWN = "UNKNOWN"
WIDTH = 140


def observe_book(path: Path, as_json: bool, html: Path | None = None) -> bool:
    """Print what a book file amounts to, and write its page; False when any account is known to be
    insolvent.

    Raises: `InputError` where the file cannot be used, or the page not be written.
    """
    if html is not None:
        ensure_writable(html)
    reader = Reader(path.name)
    value = read_json(reader, path)
    if has_whole_accounts(value):
        return _observe_accounts(reader, value, as_json, html)
    if html is not None:
        raise reader.refuse("accounts", "expected accounts as a margin book has them, for --html")
    return _observe_positions(observe(book_of(reader, value)), as_json)


def _observe_accounts(reader: Reader, value: object, as_json: bool, html: Path | None) -> bool:
    with patience("looking for what kills the book"):
        said = survey(*whole_accounts(reader, value))
    if html is not None:
        write_page(html, page(*content(said)))
    with to_reader():
        if as_json:
            print(json.dumps(msgspec.to_builtins(said), sort_keys=True, allow_nan=False))
        else:
            show_survey(said, pipe_console(WIDTH))
    return said.solvent


def _observe_positions(seen: Observation, as_json: bool) -> bool:
    if as_json:
        print(json.dumps(msgspec.to_builtins(seen), sort_keys=True, allow_nan=False))
        return seen.solvent
    console = Console(highlight=False)
    show(seen, console if console.is_terminal else Console(width=WIDTH, highlight=False))
    return seen.solvent


def show(seen: Observation, console: Console) -> None:
    """The observation in words and tables."""
    console.print(f"The book at {format_time(seen.ts_ms)}, target {seen.target:.0%} by beta")
    for venue in seen.venues:
        if venue.insolvent:
            console.print(f"[bold red]INSOLVENT[/] {escape(venue.venue)}: below maintenance now")
        if venue.insolvent is None:
            console.print(f"[bold red]{UNKNOWN}[/] {escape(venue.venue)}: it may be insolvent")
    console.print(_health_table(seen.venues))
    console.print(_death_table(seen.deaths))
    for line in (*_first_lines(seen), *_remedy_lines(seen)):
        console.print(line)
    console.print(_vanishing_table(seen))
    console.print(f"[bold red]{UNKNOWN}[/], neither safe nor zero:")
    for gap in seen.unknown:
        console.print(f"  {escape(gap.where)}: {escape(gap.what)}")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head, justify="left" if index < left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


def _health_table(venues: Sequence[VenueHealth]) -> Table:
    heads = "venue,collateral,equity,maintenance,health,equity/MM,withdrawable,target,worst side"
    rows = [
        (
            v.venue,
            v.collateral,
            _usd(v.equity_usd),
            _usd(v.maintenance_usd),
            _usd(v.health_usd),
            _ratio(v),
            _usd(v.withdrawable_usd),
            _yes(v.survives_target),
            _yes(v.survives_worst_side),
        )
        for v in venues
    ]
    return _table(heads.split(","), rows, 2)


def _death_table(found: Sequence[Death]) -> Table:
    heads = ("venue", "dies by", "side", "at", "distance", "daily vols")
    rows = [
        (d.venue, _cause(d), d.side, _price(d), _distance(d), _vols(d))
        for d in sorted(found, key=_nearness)
    ]
    return _table(heads, rows, 3)


def _nearness(death: Death) -> tuple[int, float]:
    rank = {"unknown": 0, "dies": 1, "never": 2}[death.status]
    return rank, death.log_distance


def _cause(death: Death) -> str:
    return f"depeg of {death.cause}" if death.side == "depeg" else death.cause


def _price(death: Death) -> str:
    return "" if death.price is None else f"{death.price:,.10g}"


def _distance(death: Death) -> str:
    if death.status == "dies":
        return f"{death.move or 0.0:+.2%}"
    return UNKNOWN if death.status == "unknown" else "never"


def _vols(death: Death) -> str:
    if death.status != "dies" or death.side == "depeg":
        return ""
    return UNKNOWN if death.vols_day is None else f"{death.vols_day:.1f}"


def _first_lines(seen: Observation) -> list[str]:
    first, lines = seen.first, list[str]()
    if first.death is None:
        lines.append("No death by price was found.")
    else:
        d = first.death
        lines.append(
            f"[bold]First[/] (nearest in {first.counted_in}): {escape(d.venue)}, by "
            f"{escape(_cause(d))} {d.side} {_distance(d)}; money it lacks for the target: "
            f"{_usd(first.needed_usd)}"
        )
        lines += [f"  {_passing(p, d.venue)}" for p in first.passings]
        if not first.passings:
            lines.append(f"  no route to {escape(d.venue)} in the book")
    if first.perhaps_sooner:
        names = escape(", ".join(first.perhaps_sooner))
        lines.append(f"[bold red]{UNKNOWN}[/] whether these go sooner: {names}")
    return lines


def _passing(passing: Passing, destination: str) -> str:
    until = passing.blocked_until_ms
    blocked = "" if until is None else f", blocked until {format_time(until)}"
    verdict = {True: "in time", False: "TOO LATE", None: UNKNOWN}[passing.in_time]
    return (
        f"{escape(passing.source)} to {escape(destination)}: up to "
        f"{_usd(passing.available_usd)}, lands p50 {_minutes(passing.p50_s)}, p99 "
        f"{_minutes(passing.p99_s)}{blocked}; dies before it lands: "
        f"{_chance(passing.dies_before)}, {verdict}"
    )


def _remedy_lines(seen: Observation) -> list[str]:
    lines = []
    for remedy in seen.remedies:
        lines.append(
            f"[bold]Fix[/] {escape(remedy.venue)}: lacks {_usd(remedy.needed_usd)} to survive "
            f"{seen.target:.0%} by beta"
        )
        lines += [f"  {_option(option, remedy)}" for option in remedy.options]
        if remedy.cheapest is None:
            lines.append("  no option is proven to help in time")
    if seen.short_after:
        names = escape(", ".join(seen.short_after))
        lines.append(f"[bold red]Still short[/] after these fixes: {names}")
    return lines


def _option(option: Option, remedy: Remedy) -> str:
    mark = "[bold green]cheapest[/] " if option == remedy.cheapest else ""
    if option.kind == "wire":
        sends = [f"{w.sent / 1e6:,.2f} from {w.source}" for w in option.wires]
        late = {True: "in time", False: "TOO LATE", None: f"in time {UNKNOWN}"}[option.in_time]
        what = f"wire {', '.join(sends)} ({late}, dies before {_chance(option.dies_before)})"
    else:
        what = "cut " + ", ".join(f"{t.instrument} {t.lots:+d} lots" for t in option.trades)
    proof = {True: "restores it", False: "is NOT enough", None: "sized before costs"}
    return f"{mark}{escape(what)}: costs {_usd(option.cost_usd)}, {proof[option.restores]}"


def _vanishing_table(seen: Observation) -> Table:
    heads = "venue,contract,ADL rank,naked if taken,if it vanishes,left unhedged,per 10 % against"
    rows = []
    for lost in seen.vanishings:
        rows.append((lost.venue, "all", "", "", *_loss(lost)))
        for held in seen.exposures:
            if held.venue == lost.venue:
                rank = UNKNOWN if held.rank is None else f"{held.rank} of 5"
                rows.append(("", held.symbol, rank, _usd(held.naked_usd), "", "", ""))
    return _table(heads.split(","), rows, 2)


def _loss(lost: Vanishing) -> tuple[str, str, str]:
    return _usd(lost.equity_usd), _usd(lost.orphaned_usd), _usd(lost.loss_per_tenth_usd)


def _usd(amount: float | None) -> str:
    return UNKNOWN if amount is None else f"${amount:,.2f}"


def _ratio(venue: VenueHealth) -> str:
    if venue.insolvent is None:
        return UNKNOWN
    return "–" if venue.health_ratio is None else f"{venue.health_ratio:.2f}"


def _yes(answer: bool | None) -> str:
    return {True: "yes", False: "NO", None: UNKNOWN}[answer]


def _minutes(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else f"{seconds / 60:,.1f} min"


def _chance(probability: float | None) -> str:
    return UNKNOWN if probability is None else f"{probability:.2%}"
