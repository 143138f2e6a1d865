# SPDX-License-Identifier: Apache-2.0
"""Crises in words: their list, a table for each, and why Tidegate was worse where it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tidegate.backtest.crisis.definitions import HISTORY, Definition
from tidegate.backtest.crisis.history import REPLAYS
from tidegate.backtest.crisis.summary import OURS, Line, Summary, Worse

BP = 1e4
SUBJECT = "tidegate 4"
HEADS = (
    "policy",
    "seeds",
    "liquidated",
    "ADL",
    "loss",
    "worst loss",
    "stranded",
    "orphaned",
    "carry kept",
    "collateral",
    "held",
    "near misses",
    "closest",
    "left",
)
CAUSE_WORDS = {
    "price": "prices between its legs",
    "funding": "funding",
    "trading": "fees, spread and impact",
    "moving": "sending money",
    "liquidation": "liquidation losses",
    "covered": "debts that venues' funds paid",
    "stranded": "money at the venue that failed",
}
# A cause below this share of capital is not named.
NAMED = 1e-4


def list_rows(known: Mapping[str, Definition]) -> list[tuple[str, ...]]:
    """Name, title, move, minutes, markets, and how many figures are assumed, of each crisis."""
    rows: list[tuple[str, ...]] = []
    for name, crisis in known.items():
        figures = [figure for _, figure in crisis.figures()]
        assumed = sum(figure.assumed for figure in figures)
        rows.append(
            (
                name,
                crisis.title,
                f"{crisis.move.value:.1%}",
                f"{crisis.minutes.value:g}",
                ", ".join(crisis.markets),
                f"{assumed} of {len(figures)}",
            )
        )
    return rows


def place_words(crisis: str, market: str, known: Mapping[str, Definition]) -> str:
    """One line over a table: which crisis, on which market."""
    where = f"the {market} world"
    if market == HISTORY:
        where = f"real history ({REPLAYS[crisis].data})"
    return f"{crisis}: {known[crisis].title}, on {where}"


def line_cells(line: Line) -> tuple[str, ...]:
    """A line's cells under `HEADS`; a policy that had no book in any seed says why."""
    if not line.opened:
        why = "failed" if line.failed else "refused"
        return (line.policy, f"0 of {line.runs}", why, *("" for _ in HEADS[3:]))
    seeds = f"{line.opened}" if line.opened == line.runs else f"{line.opened} of {line.runs}"
    return (
        line.policy,
        seeds,
        f"{line.liquidated:.0%}",
        f"{line.deleveraged:.0%}",
        f"{line.loss:.2%}",
        f"{line.worst_loss:.2%}",
        f"{line.stranded:.1%}",
        f"{line.orphaned:.0%}",
        f"{BP * line.carry_kept:+.0f} bp",
        f"{line.collateral:.0%}",
        f"{line.held:.1f}x",
        f"{line.near_misses:.2g}",
        "none" if line.closest is None else f"{line.closest:.2f}",
        "none" if line.left is None else f"{line.left:.0%}",
    )


def tables(summary: Summary) -> Iterator[tuple[str, str, list[Line]]]:
    """Crisis, market and lines of every table, in order."""
    for crisis, market in dict.fromkeys((x.crisis, x.market) for x in summary.lines):
        mine = [x for x in summary.lines if (x.crisis, x.market) == (crisis, market)]
        yield crisis, market, mine


def subject_of(lines: Sequence[Line]) -> str:
    """The size of Tidegate that words are about: the demo's where it was played, else the first."""
    ours = [line.policy for line in lines if line.policy.startswith(f"{OURS} ")]
    return SUBJECT if SUBJECT in ours else next(iter(ours), OURS)


def worse_words(summary: Summary, place: tuple[str, str], subject: str) -> list[str]:
    """Why a size of Tidegate was worse than each rule in a crisis, one line for each rule."""
    mine = [w for w in summary.worse if (w.crisis, w.market) == place and w.ours == subject]
    pairs = dict.fromkeys((w.ours, w.theirs) for w in mine)
    return [_pair_words([w for w in mine if (w.ours, w.theirs) == pair]) for pair in pairs]


def _pair_words(found: Sequence[Worse]) -> str:
    first = found[0]
    what = ", ".join(_figure_words(worse) for worse in found)
    seeds = "1 seed" if first.seeds == 1 else f"{first.seeds} seeds"
    return f"{first.ours} beside {first.theirs} ({seeds}): {what}; {_why(first)}"


def _figure_words(worse: Worse) -> str:
    if worse.measure == "liquidations":
        return f"liquidated in {worse.our_figure:.0%} against {worse.their_figure:.0%}"
    if worse.measure == "result":
        return f"result {-worse.our_figure:+.2%} against {-worse.their_figure:+.2%}"
    return f"worst loss {worse.our_figure:.2%} against {worse.their_figure:.2%}"


def _why(worse: Worse) -> str:
    """The difference of what is kept by its causes, the largest first, and what was held."""
    total = sum(worse.apart.values())
    sign = -1.0 if total < 0 else 1.0
    named = sorted(worse.apart.items(), key=lambda item: sign * item[1], reverse=True)
    parts = [f"{CAUSE_WORDS[c]} {BP * v:+.0f} bp" for c, v in named if abs(v) >= NAMED]
    told = f"kept {BP * total:+.0f} bp: {', '.join(parts)}" if parts else "kept the same"
    held = f"held {worse.our_held:.1f}x against {worse.their_held:.1f}x"
    left = ""
    if worse.our_left is not None and worse.their_left is not None:
        left = f", left {worse.our_left:.0%} against {worse.their_left:.0%}"
    return f"{told}; {held}{left}"
