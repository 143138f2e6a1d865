# SPDX-License-Identifier: Apache-2.0
"""A survey in words and tables, the same on the terminal and on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tidegate.engine.survival.document import (
    AccountHealth,
    Default,
    Distance,
    Document,
    FailurePoint,
    Fix,
    Orphan,
    Passing,
)

UNKNOWN = "UNKNOWN"
Rows = list[tuple[str, ...]]
HEALTH = "venue,rule,equity,initial,maintenance,health,withdrawable,lacks for target".split(",")
DISTANCES = "venue,dies by,side,distance,at,daily sd".split(",")
POINTS = "venue,most likely death,daily sd,a day,by price alone,health there".split(",")
DEFAULTS = "venue fails,equity lost,orphaned,re-hedge,whole cost,10 % against,do not survive".split(
    ","
)
LEAST_CHANCE = 1e-4


def show(said: Document, paper: Console) -> None:
    """All of it."""
    paper.print(f"{escape(said.book)} at {said.as_of}, target {said.target:.0%} by beta")
    for line in verdicts(said):
        paper.print(f"[bold red]{escape(line)}[/]")
    for heads, rows in (
        (HEALTH, health_rows(said)),
        (DISTANCES, distance_rows(said.distances)),
        (POINTS, point_rows(said.failure_points)),
    ):
        paper.print(_table(heads, rows))
    paper.print("[bold]Nearest over all accounts[/], and what is UNKNOWN of each move")
    paper.print(_table(DISTANCES, distance_rows(said.nearest)))
    for line in first_lines(said):
        paper.print(escape(line))
    paper.print(_table(DEFAULTS, default_rows(said.defaults)))
    for head, lines in ends(said):
        if lines:
            paper.print(f"[bold]{head}[/]")
        for line in lines:
            paper.print(f"  {escape(line)}")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head, justify="left" if index < 2 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


def verdicts(said: Document) -> list[str]:
    """What must be read first: who is insolvent, and of whom that is UNKNOWN."""
    lines = []
    for each in said.accounts:
        if each.insolvent:
            lines.append(f"INSOLVENT {each.venue}: below maintenance now")
        if each.insolvent is None:
            lines.append(f"{UNKNOWN} {each.venue}: it may be insolvent ({each.why})")
    return lines


def health_rows(said: Document) -> Rows:
    """Accounts as they are."""
    return [(each.venue, each.rule, *map(usd, _amounts(each))) for each in said.accounts]


def _amounts(each: AccountHealth) -> tuple[float | None, ...]:
    return (
        each.equity_usd,
        each.initial_usd,
        each.maintenance_usd,
        each.health_usd,
        each.withdrawable_usd,
        each.needed_usd,
    )


def distance_rows(found: Iterable[Distance]) -> Rows:
    """Distances by account, kind and side."""
    return [
        (each.venue, cause(each), each.side, distance(each), _price(each), _sds(each))
        for each in found
    ]


def cause(each: Distance) -> str:
    """What moves."""
    if each.kind in ("price", "beta"):
        return each.of
    if each.kind == "stable":
        return f"dollar coin {each.of}"
    return f"{each.kind} ({each.of})" if each.of else each.kind


def distance(each: Distance) -> str:
    """The move that kills, or what is said instead."""
    if each.status == "never":
        return "never"
    if each.status == "unknown" or each.move is None:
        beyond = "" if each.searched_to is None else f" beyond {move(each.kind, each.searched_to)}"
        return f"{UNKNOWN}{beyond}"
    return move(each.kind, each.move)


def move(kind: str, size: float) -> str:
    """A move in its unit."""
    if kind == "funding":
        return f"{size:,.1f} days"
    if kind in ("skew", "term"):
        return f"{size:+.3f}"
    return f"{size:+.2%}"


def _price(each: Distance) -> str:
    return "" if each.price is None else f"{each.price:,.8g}"


def _sds(each: Distance) -> str:
    if each.status != "dies" or each.kind in ("skew", "term", "funding"):
        return ""
    return UNKNOWN if each.sds is None else f"{each.sds:.1f}"


def point_rows(found: Iterable[FailurePoint]) -> Rows:
    """Failure points, the nearest first, UNKNOWN ones before them."""
    rank = {"unknown": 0, "dies": 1, "never": 2}
    ordered = sorted(found, key=lambda each: (rank[each.status], each.distance or 0.0))
    return [_point_row(each) for each in ordered]


def _point_row(each: FailurePoint) -> tuple[str, ...]:
    if each.distance is None:
        what = "none found" if each.status == "never" else f"{UNKNOWN}: {each.why}"
        return each.venue, what, "", "", "", ""
    near = each.unjudged_from
    sooner = "" if near is None else f"; not judged from {near:.1f} on"
    alone = each.levels[0].distance if each.levels else None
    price = "" if alone is None else f"{alone:.1f}"
    at = usd(each.health_usd)
    chances = (f"{each.distance:.1f}{sooner}", chance(each.chance_per_day))
    return each.venue, place(each), *chances, price, at


def place(each: FailurePoint) -> str:
    """Where the point is."""
    return ", ".join(f"{f.name} {f.move:+.1%}" for f in each.at if abs(f.move) >= 5e-4) or "now"


def first_lines(said: Document) -> list[str]:
    """Who goes first, what it lacks and what could come in time."""
    first = said.first
    lines = ["No death was found." if first.venue is None else f"First: {first.venue}"]
    if first.venue is not None:
        lines[0] += f"; it lacks for the target: {usd(first.needed_usd)}"
        lines += [f"  {passing(each)}" for each in first.passings]
        if not first.passings:
            lines.append(f"  no usable route to {first.venue} in the book")
    if first.perhaps_sooner:
        lines.append(f"{UNKNOWN} whether these go sooner: {', '.join(first.perhaps_sooner)}")
    return lines


def passing(each: Passing) -> str:
    """One route."""
    late = "blocked" if each.blocked else f"dies before it lands {chance(each.dies_before)}"
    times = f"p50 {each.median_s / 60:,.0f} min, p95 {each.p95_s / 60:,.0f} min"
    text = f"{each.source} to {each.destination}: up to {usd(each.available_usd)}, lands {times}, "
    enough = {True: "it has so much", False: "NOT ENOUGH", None: f"enough {UNKNOWN}"}[each.covers]
    cost = "" if not each.cost_usd else f"; sending what it lacks costs {usd(each.cost_usd)}"
    return text + late + (f"{cost}, {enough}" if cost else "")


def default_rows(found: Iterable[Default]) -> Rows:
    """What each failure costs."""
    return [
        (
            each.venue,
            usd(each.equity_usd),
            ", ".join(map(_orphan, each.orphans)) or "none",
            usd(each.rehedge_usd),
            usd(each.cost_usd),
            usd(each.against_usd),
            _lost(each),
        )
        for each in found
    ]


def _orphan(each: Orphan) -> str:
    return f"{each.coin} {usd(each.delta_usd)}"


def _lost(each: Default) -> str:
    unsure = f"{UNKNOWN}: {', '.join(each.unsure)}" if each.unsure else ""
    return "; ".join(part for part in (", ".join(each.dead), unsure) if part) or "all others live"


def fix_lines(said: Fix) -> list[str]:
    """The fix, or why there is none."""
    if not said.needed:
        return [said.why, *map(passing, said.money)]
    lines = [] if not said.found else [f"costs {usd(said.cost_usd)}"]
    for cut in said.cuts:
        lines.append(f"{cut.venue}: {cut.size:+,.10g} {cut.symbol}, costs {usd(cut.cost_usd)}")
    for wire in said.wires:
        ends = f"{wire.source} to {wire.destination}"
        lost = f"loses {usd(wire.lost_usd)}, p95 {wire.p95_s / 60:,.0f} min"
        lines.append(f"send {wire.sent:,.2f} {wire.asset} from {ends}, {lost}")
    if said.proved:
        lines.append(f"proved over the target's box afterwards: {', '.join(said.proved)}")
    lines += [f"or, once it has landed: {passing(each)}" for each in said.money]
    return lines + ([said.why] if said.why else [])


def ends(said: Document) -> list[tuple[str, list[str]]]:
    """The lists below the tables."""
    reasons = [f"{e.venue}, {cause(e)} {e.side}: {e.why}" for e in said.distances if e.why]
    gaps = [f"{gap.where}: {gap.what}" for gap in said.unknown]
    assumed = [f"{t.name} = {t.value:g}: {t.source}" for t in said.terms if t.assumed]
    given = [f"{t.name} = {t.value:g}: {t.source}" for t in said.terms if not t.assumed]
    return [
        ("Fix", fix_lines(said.fix)),
        ("Assumed, as the book does not say", assumed),
        ("Said by the book", given),
        (f"{UNKNOWN}, neither safe nor zero", gaps + list(dict.fromkeys(reasons))),
    ]


def usd(amount: float | None) -> str:
    """Dollars, or UNKNOWN."""
    if amount is None:
        return UNKNOWN
    return f"-${-amount:,.2f}" if amount < -0.005 else f"${abs(amount):,.2f}"


def chance(probability: float | None) -> str:
    """A likelihood; those beyond what the model can mean are not spelt out."""
    if probability is None:
        return UNKNOWN
    return "< 0.01 %" if probability < LEAST_CHANCE else f"{probability:.2%}"
