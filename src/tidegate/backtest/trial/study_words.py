# SPDX-License-Identifier: Apache-2.0
"""A study's summary as tables and lines for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table

from tidegate.backtest.trial.beside import Beside
from tidegate.backtest.trial.origin import Origin
from tidegate.backtest.trial.summary import Line, Summary

BP = 1e4
SHOWN_DIGITS = 12


def plain_table(heads: Sequence[str]) -> Table:
    """An empty table: the first column to the left, the others to the right."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head, justify="left" if index == 0 else "right", no_wrap=True)
    return table


def study_words(summary: Summary) -> list[RenderableType]:
    """Where the study comes from, a row for each policy, two for each comparison, by clauses, the
    desk, and whether the gate holds."""
    desk = () if summary.beside_desk is None else (summary.beside_desk,)
    pairs = (*summary.beside, *desk)
    last_seed = summary.first_seed + summary.contests - 1
    return [
        f"{origin_words(summary.origin)}, {summary.contests} seeds from {summary.first_seed}"
        f" to {last_seed}",
        _policies(summary),
        _liquidations(pairs),
        _money(pairs),
        *_desk_words(summary),
        _gate_words(summary),
    ]


def origin_words(origin: Origin) -> str:
    """World, mandate and source with the beginnings of their digests."""
    return (
        f"world {origin.world} {origin.world_parameters[:SHOWN_DIGITS]}, "
        f"mandate {origin.mandate[:SHOWN_DIGITS]}, "
        f"tidegate {origin.tidegate} source {origin.source[:SHOWN_DIGITS]}"
    )


def _policies(summary: Summary) -> Table:
    heads = ("policy", "refused", "liquidated", "95 %", "calm carry", "loss", "worst 5 %")
    table = plain_table((*heads, "leverage", "left"))
    for line in summary.lines:
        table.add_row(*_figures(line))
    for label in summary.never_opened:
        table.add_row(label, "100.0%")
    return table


def _figures(line: Line) -> tuple[str, ...]:
    low, high = line.liquidated_interval
    return (
        line.label,
        f"{line.refused:.1%}" if line.refused > 0 else "",
        f"{line.liquidated:.1%}",
        f"{low:.1%} to {high:.1%}",
        f"{BP * line.calm_carry:.1f} bp",
        f"{BP * line.loss:.1f} bp",
        f"{BP * line.shortfall:.0f} bp",
        f"{line.calm_leverage:.2f}x",
        "–" if line.left is None else f"{line.left:.0%}",
    )


def _liquidations(pairs: Sequence[Beside]) -> Table:
    heads = ("beside", "tidegate", "seeds", "leverage", "liquidated", "difference, 95 %", "")
    table = plain_table(heads)
    for pair in pairs:
        found = pair.liquidated
        table.add_row(
            pair.theirs,
            _runs(pair),
            str(pair.contests),
            f"{pair.leverage_ours:.2f} / {pair.leverage_theirs:.2f}",
            f"{found.ours:.1%} / {found.theirs:.1%}",
            f"{found.low:+.1%} to {found.high:+.1%}",
            pair.clauses.liquidated,
        )
    return table


def _money(pairs: Sequence[Beside]) -> Table:
    """Of the rule's carry that of the living, where there are any: the stricter reading."""
    table = plain_table(
        ("beside", "mean loss, bp", "difference, 95 %", "", "calm carry, bp", "", "holds")
    )
    for pair in pairs:
        loss, alive = pair.loss, pair.carry_theirs_alive
        carry = pair.carry_theirs if alive is None else alive
        table.add_row(
            pair.theirs,
            f"{BP * loss.ours:.1f} / {BP * loss.theirs:.1f}",
            f"{BP * loss.low:+.1f} to {BP * loss.high:+.1f}",
            pair.clauses.loss,
            f"{BP * pair.carry_ours:.1f} / {BP * carry:.1f}",
            pair.clauses.carry,
            "yes" if pair.holds else "no",
        )
    return table


def _runs(beside: Beside) -> str:
    """Our runs by size, with how often each is drawn, or how far from equal collateral it is."""
    names = {label: label.removeprefix("tidegate ") for label in beside.ours}
    if len(names) > 1:
        return " + ".join(f"{w:.0%} {names[label]}" for label, w in beside.ours.items())
    (name,) = names.values()
    more = beside.more_collateral
    if more == 0:
        return name
    return f"{name}, holds {abs(more):.1%} {'more' if more > 0 else 'less'}"


def _desk_words(summary: Summary) -> list[str]:
    found = summary.desk
    if not found:
        return []
    saved = found["collateral_saved"]
    words = "not reached between Tidegate's runs"
    if saved is not None:
        words = f"{abs(saved):.1%} {'less' if saved >= 0 else 'more'} collateral than the desk"
    return [
        f"desk, at an equal mean of the worst 5 % ({BP * (found['desk_shortfall'] or 0):.0f} bp):"
        f" {words}"
    ]


def _gate_words(summary: Summary) -> str:
    if summary.holds:
        return f"gate: holds beside all {len(summary.beside)} rules"
    told = "; ".join(summary.broken) or "no rule was compared"
    return f"gate: does not hold: {told}"
