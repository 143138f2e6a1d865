# SPDX-License-Identifier: Apache-2.0
"""A crisis over its seeds: every policy's figures, and where Tidegate is worse and by what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

import msgspec

from tidegate.backtest.crisis.rows import CAUSES, Row

OURS = "tidegate"
# Rules that Tidegate is held against; foresight is a bound and the joint plan is Tidegate's own.
RULES = ("fixed", "threshold", "per-venue", "desk", "cash")
# Differences below this share of capital are none.
SAME = 1e-4


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One policy in one crisis over its seeds: means, and the worst seed, over the `opened` runs in
    which it had a book; of `runs` some were refused and some failed. `liquidated` is the share of
    seeds with a liquidation, `closest` the least health ratio of all seeds."""

    crisis: str
    market: str
    policy: str
    runs: int
    refused: int
    failed: int
    opened: int
    liquidated: float = 0.0
    liquidations: float = 0.0
    calm_liquidated: float = 0.0
    deleveraged: float = 0.0
    result: float = 0.0
    loss: float = 0.0
    worst_loss: float = 0.0
    stranded: float = 0.0
    orphaned: float = 0.0
    carry_kept: float = 0.0
    collateral: float = 0.0
    held: float = 0.0
    near_misses: float = 0.0
    closest: float | None = None
    left: float | None = None


class Worse(msgspec.Struct, frozen=True, kw_only=True):
    """A figure in which Tidegate came out worse than a rule, over the seeds on which both had a
    book. `apart` is the difference of the means of what is kept, as a share of capital, by the
    causes of the waterfall: they sum to it."""

    crisis: str
    market: str
    ours: str
    theirs: str
    seeds: int
    measure: str
    our_figure: float
    their_figure: float
    apart: dict[str, float]
    our_held: float
    their_held: float
    our_left: float | None
    their_left: float | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What was played: lines by crisis, market and policy, where Tidegate is worse, and rows that
    failed, as (crisis, market, seed, policy, why)."""

    lines: tuple[Line, ...]
    worse: tuple[Worse, ...]
    failed: tuple[tuple[str, str, int, str, str], ...]


def summarise(rows: Sequence[Row]) -> Summary:
    """Fold rows over seeds, in the order in which crises, markets and policies come."""
    places = dict.fromkeys((r.crisis, r.market) for r in rows)
    lines: list[Line] = []
    worse: list[Worse] = []
    for place in places:
        mine = [row for row in rows if (row.crisis, row.market) == place]
        labels = list(dict.fromkeys(row.policy for row in mine))
        here = {label: [r for r in mine if r.policy == label] for label in labels}
        lines += [line_of(found) for found in here.values()]
        for ours in (label for label in labels if _kind(label) == OURS):
            worse += _worse_than(here[ours], _rivals(here, ours))
    failed = tuple(
        (r.crisis, r.market, r.seed, r.policy, r.failed) for r in rows if r.failed is not None
    )
    return Summary(lines=tuple(lines), worse=tuple(worse), failed=failed)


def line_of(rows: Sequence[Row]) -> Line:
    """One policy's line from its rows, at least one."""
    first, opened = rows[0], [row for row in rows if row.opened]
    counts = Line(
        crisis=first.crisis,
        market=first.market,
        policy=first.policy,
        runs=len(rows),
        refused=sum(row.refused for row in rows),
        failed=sum(row.failed is not None for row in rows),
        opened=len(opened),
    )
    if not opened:
        return counts
    means = {
        name: fmean(getattr(row, name) for row in opened)
        for name in Line.__struct_fields__
        if name in Row.__struct_fields__ and isinstance(getattr(counts, name), float)
    }
    return msgspec.structs.replace(
        counts,
        liquidated=fmean(row.liquidations > 0 for row in opened),
        loss=fmean(row.loss for row in opened),
        worst_loss=max(row.loss for row in opened),
        closest=min((row.closest for row in opened if row.closest is not None), default=None),
        left=_mean(row.left for row in opened),
        **means,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _kind(label: str) -> str:
    return label.split()[0]


def _leverage(label: str) -> float | None:
    _, space, size = label.partition(" ")
    return float(size) if space else None


def _rivals(here: dict[str, list[Row]], ours: str) -> list[list[Row]]:
    """Rules at the same nominal leverage, and those that have none."""
    size = _leverage(ours)
    return [
        rows
        for label, rows in here.items()
        if _kind(label) in RULES and _leverage(label) in (None, size)
    ]


def _worse_than(ours: Sequence[Row], rivals: Iterable[Sequence[Row]]) -> list[Worse]:
    found = []
    for theirs in rivals:
        both = _paired(ours, theirs)
        if both:
            found += _compared(both)
    return found


def _paired(ours: Sequence[Row], theirs: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Rows of the same seeds on which both had a book."""
    known = {row.seed: row for row in theirs if row.opened}
    return [(row, known[row.seed]) for row in ours if row.opened and row.seed in known]


def _compared(both: Sequence[tuple[Row, Row]]) -> list[Worse]:
    """Liquidations, mean result and worst loss, where Tidegate's is worse."""
    ours, theirs = [a for a, _ in both], [b for _, b in both]
    figures = {
        "liquidations": (_liquidations(ours), _liquidations(theirs)),
        "result": (-_result(ours), -_result(theirs)),
        "worst loss": (max(r.loss for r in ours), max(r.loss for r in theirs)),
    }
    apart = {cause: fmean(a.causes[cause] - b.causes[cause] for a, b in both) for cause in CAUSES}
    return [
        Worse(
            crisis=ours[0].crisis,
            market=ours[0].market,
            ours=ours[0].policy,
            theirs=theirs[0].policy,
            seeds=len(both),
            measure=measure,
            our_figure=mine,
            their_figure=yours,
            apart=apart,
            our_held=fmean(r.held for r in ours),
            their_held=fmean(r.held for r in theirs),
            our_left=_mean(r.left for r in ours),
            their_left=_mean(r.left for r in theirs),
        )
        for measure, (mine, yours) in figures.items()
        if mine > yours + SAME
    ]


def _liquidations(rows: Sequence[Row]) -> float:
    return fmean(row.liquidations > 0 for row in rows)


def _result(rows: Sequence[Row]) -> float:
    return fmean(row.result for row in rows)
