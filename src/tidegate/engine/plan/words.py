# SPDX-License-Identifier: Apache-2.0
"""A plan in words and tables, as a diff that its reader can sign: what is, what shall be, why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tidegate.engine.plan.document import (
    AccountLine,
    DistanceLine,
    MoveLine,
    PlanDocument,
    TransferLine,
)
from tidegate.engine.plan.trigger_words import levels_table, watches_table
from tidegate.model.plan_terms import Holds

UNKNOWN = "UNKNOWN"
# Below it an amount may be of a coin that is worth much more than a dollar.
SMALL_AMOUNT = 1_000.0
WAITS = (
    "[bold]Waits[/] {venue}: it does not stand the outer stress yet; after counts money on its "
    "way, and until that is there the inner stress is proved"
)
DROWNED = (
    "[bold]Waits[/] {venue}: it has no equity left and stands nothing until money has landed, "
    "which after counts; then the inner stress is proved"
)
HEADLINES = {
    "plan": "[bold green]PLAN[/]",
    "hold": "[bold green]HOLD[/], as nothing triggers,",
    "nothing to do": "[bold green]NOTHING TO DO[/]",
    "hold the present book": "[bold yellow]HOLD[/] the present book",
    "reduce only": "[bold yellow]REDUCE ONLY[/]",
    "no plan": "[bold red]NO PLAN[/]",
}


def show(found: PlanDocument, console: Console) -> None:
    """The whole document."""
    console.print(
        f"{HEADLINES[found.outcome]} for {escape(found.book)} at {found.as_of}, mandate "
        f"{escape(found.mandate)} ({found.mandate_version}), equity {_usd(found.equity_usd)}"
    )
    for line in (*_triggers(found), *_refusals(found), *_summary(found), *_judged(found)):
        console.print(line)
    console.print(_positions(found))
    if found.transfers:
        console.print(_transfers(found))
    console.print(_accounts(found.accounts))
    for account in found.accounts:
        if account.waits:
            said = WAITS if account.before.equity_usd > 0.0 else DROWNED
            console.print(said.format(venue=escape(account.venue)))
    for sent in found.transfers:
        console.print(_why_sent(sent))
    for move in found.moves:
        console.print(_why(move))
    for left in found.left_out:
        names = escape(", ".join(left.symbols))
        console.print(f"[bold]Left out[/] {escape(left.coin)} ({names}): {escape(left.why)}")
    if found.greeks:
        console.print(_greeks(found))
    if found.levels:
        console.print(levels_table(found))
    if found.watches:
        console.print(watches_table(found))
    for line in (*_prices(found), *_assumptions(found), *_unknown(found)):
        console.print(line)


def show_terms(held: Sequence[Holds], console: Console) -> None:
    """Every field of the mandate that holds."""
    rows = [(each.field, each.value, "said" if each.said else "default") for each in held]
    console.print(_table(("field", "value", "is"), rows, 3))


def _triggers(found: PlanDocument) -> Iterator[str]:
    for each in found.triggers:
        what = f"{each.kind}, {each.where}: {each.what}"
        yield f"[bold]Triggered[/] by {escape(what)}"


def _refusals(found: PlanDocument) -> Iterator[str]:
    for each in found.refusals:
        yield f"[bold red]Refused[/] {escape(each.step)}: {escape(each.why)}"
    for conflict in found.conflicts:
        limits = escape(", ".join(conflict.limits))
        yield f"[bold red]Conflict[/]: these cannot hold together: {limits}"
        for cure in conflict.cures:
            yield f"  cured by easing {escape(cure.name)} by {cure.by:,.2f} {cure.unit}"
    if found.least_violation:
        words = [f"{each.name} by {each.by:,.2f} {each.unit}" for each in found.least_violation]
        yield f"Least violation that cures all: {escape(', '.join(words))}"

    for lack in found.cures:
        what = f"{_usd(lack.usd)} for {escape(lack.what)}"
        yield f"[bold]Lacks[/] {escape(lack.venue)}, as it stands: {what}"


def _summary(found: PlanDocument) -> Iterator[str]:
    if found.outcome in ("plan", "reduce only"):
        yield (
            f"cost {_usd(found.cost_usd)}, expected gain {_usd(found.gain_usd_annual)} a year "
            f"at present edges, payback {_days(found.payback_days)}"
        )
    for line in found.shortfalls:
        yield f"[bold yellow]Given up for now[/] {escape(line.name)}: {_usd(line.usd)}"


def _judged(found: PlanDocument) -> Iterator[str]:
    for sentence in (found.judged_by, found.proved, found.sampled):
        if sentence:
            yield escape(sentence)
    for line in found.history.accounts if found.history else ():
        before, after = _usd(line.health_before_usd), _usd(line.health_after_usd)
        yield f"  mean health in that tail {escape(line.venue)}: {before}, after {after}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head, justify="left" if index < left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


def _positions(found: PlanDocument) -> Table:
    heads = ("venue", "contract", "present", "target", "trade", "notional then", "later", "cost")
    rows = []
    for each in found.positions:
        traded = each.size_target - each.size_held
        rows.append(
            (
                each.venue,
                each.symbol,
                f"{each.size_held:,.10g}",
                f"{each.size_target:,.10g}",
                f"{traded:+,.10g}" if each.lots_target != each.lots_held else "",
                _usd(each.notional_target_usd),
                "" if each.notional_later_usd is None else _usd(each.notional_later_usd),
                _usd(each.cost_usd) if each.cost_usd else "",
            )
        )
    return _table(heads, rows, 2)


def _transfers(found: PlanDocument) -> Table:
    heads = ("send from", "to", "amount", "arrives", "lost", "lands p50", "p95")
    rows = [
        (
            each.source,
            each.destination,
            f"{_amount(each.sent)} {each.asset_sent}",
            f"{_amount(each.received)} {each.asset_received}",
            _usd(each.lost_usd),
            f"{each.latency_median_s / 60:,.1f} min",
            f"{each.latency_p95_s / 60:,.1f} min",
        )
        for each in found.transfers
    ]
    return _table(heads, rows, 2)


def _accounts(accounts: Sequence[AccountLine]) -> Table:
    heads = "account,when,equity,maintenance,health,dies at,over the stress box,proved health,"
    heads += "a dollar more a year"
    rows = []
    for each in accounts:
        for name, standing in (("now", each.before), ("after", each.after)):
            if name == "after" and not each.changed:
                continue
            proved = standing.proved_health_usd
            last = name == "after" or not each.changed
            rows.append(
                (
                    each.venue if name == "now" else "",
                    name,
                    _usd(standing.equity_usd),
                    _usd(standing.maintenance_usd),
                    _usd(standing.health_usd),
                    _nearest(standing.distances),
                    standing.certificate,
                    "" if proved is None else _usd(proved),
                    _worth(each.dollar_value_annual) if last else "",
                )
            )
    return _table(heads.split(","), rows, 2)


def _worth(value: float | None) -> str:
    return UNKNOWN if value is None else f"${value + 0.0:,.4f}"


def _nearest(distances: Sequence[DistanceLine]) -> str:
    found = [(abs(m), m, d.coin) for d in distances for m in (d.below, d.above) if m is not None]
    if not found:
        return "never"
    _, move, coin = min(found)
    return f"{coin} {move:+.1%}"


def _why_sent(sent: TransferLine) -> str:
    ends = (_worth(sent.value_at_source_annual), _worth(sent.value_at_destination_annual))
    binds = ", ".join(sent.binding) or "yields and carry alone"
    return (
        f"[bold]Why send[/] {escape(sent.source)} to {escape(sent.destination)}: a dollar more is "
        f"worth {ends[0]} a year there and {ends[1]} here; because of {escape(binds)}"
    )


def _why(move: MoveLine) -> str:
    earns = (
        f"earns {_usd(move.gain_usd_annual)} a year, pays back in {_days(move.payback_days)} "
        f"(half-life {move.half_life_days:,.0f} days)"
    )
    if move.forced:
        earns += ", made because a limit needs it"
    binds = ", ".join(move.binding) or "costs alone"
    return (
        f"[bold]Why {escape(move.coin)}[/]: trades {_usd(move.traded_usd)} for "
        f"{_usd(move.cost_usd)}, {earns}; held back by {escape(binds)}"
    )


def _greeks(found: PlanDocument) -> Table:
    rows = [
        (line.name, f"{line.before:,.0f}", f"{line.after:,.0f}", _end(line.lower), _end(line.upper))
        for line in found.greeks
    ]
    return _table(("limit", "before", "after", "least", "most"), rows, 1)


def _end(value: float | None) -> str:
    return "none" if value is None else f"{value:,.0f}"


def _prices(found: PlanDocument) -> Iterator[str]:
    for line in found.limits:
        worth = f"${line.usd_annual:,.4f} a year"
        yield f"[bold]Binds[/] {escape(line.name)}: one more is worth {worth}"
    if found.optimality_gap is not None:
        yield f"The programme's own dual bound is within {found.optimality_gap:.1e} of its value."


def _assumptions(found: PlanDocument) -> Iterator[str]:
    for each in found.assumptions:
        value = f"{each.value:.0%} {each.what}"
        yield f"[bold yellow]Assumed[/] {escape(each.where)}: {escape(value)}"


def _unknown(found: PlanDocument) -> Iterator[str]:
    if found.unknown:
        yield f"[bold red]{UNKNOWN}[/], neither safe nor zero:"
    for gap in found.unknown:
        yield f"  {escape(gap.where)}: {escape(gap.what)}"


def _amount(amount: float) -> str:
    """Cents of a dollar coin, and what a cent is of a dear coin: an amount is sent as it stands."""
    return f"{amount:,.2f}" if amount >= SMALL_AMOUNT else f"{amount:,.6f}"


def _usd(amount: float) -> str:
    return f"-${-amount:,.0f}" if amount <= -0.5 else f"${abs(amount):,.0f}"


def _days(days: float | None) -> str:
    return "never" if days is None else f"{days:,.1f} days"
