# SPDX-License-Identifier: Apache-2.0
"""A venue freezes on real history: the joint plan, the linear programme, and plain rules.

`python -m tidegate.backtest.freeze_study MANDATE --data DIR [--ablations] [--json]` plays a mandate
over two halves of one history, each with money frozen at one venue. Whatever is chosen by looking
is chosen on the first, so that the second judges. All policies have the same edges, costs, venues
and exchange; the joint ones go through the engine's cycle, gate and desk.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table

from tidegate.backtest.compare import read_freeze
from tidegate.backtest.experiment import JOINT, Experiment, Spec, prepare, run
from tidegate.backtest.measures import measure, time_average
from tidegate.backtest.narrow import console_of
from tidegate.backtest.run import Outcome, Series
from tidegate.backtest.variants import CADENCE, JOINT_PARTS, REDUCTIONS, TRANSFERS, with_mandate
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import parse_time_ms

WIDTH = 150
SEED = 1
DAY_S, WEEK_S = 86_400.0, 604_800.0
HEADS = (
    *("policy", "died", "avg leverage", "return", "carry kept", "collateral used"),
    *("drawdown", "least equity/MM", "turnover", "transfers", "no plan"),
)


class Case(msgspec.Struct, frozen=True):
    """A window with a freeze, by dates (UTC, both included)."""

    name: str
    first: str
    last: str
    freeze: str


CASES = (
    Case("first", "2024-09-05", "2024-11-30", "binance:2024-11-10:2024-11-13"),
    Case("second", "2024-12-01", "2025-03-31", "hyperliquid:2025-02-02:2025-02-04"),
)
# What each part is worth is asked of the weeks around the freeze alone.
AROUND = (
    Case("first, around the freeze", "2024-10-28", "2024-11-24", CASES[0].freeze),
    Case("second, around the freeze", "2025-01-15", "2025-02-14", CASES[1].freeze),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A policy, under the mandate with other reviews where it says so."""

    spec: Spec
    review_s: float | None = None

    @property
    def name(self) -> str:
        """Name in tables."""
        words = {None: "", DAY_S: ", reviewed daily", WEEK_S: ", reviewed weekly"}
        return self.spec.label + words[self.review_s]


POLICIES = (
    Entry(Spec("cash")),
    *(Entry(Spec("fixed", leverage)) for leverage in (1.0, 2.0, 3.0)),
    *(Entry(Spec("threshold", each)) for each in (2.0, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 8.0)),
    Entry(Spec("desk")),
    *(Entry(Spec("per-venue", leverage)) for leverage in (2.0, 4.0, 8.0)),
    Entry(Spec("foresight", 4.0)),
    *(Entry(Spec("tidegate", leverage)) for leverage in (4.0, 6.0)),
    Entry(Spec("tidegate")),
    *(Entry(Spec(JOINT, leverage)) for leverage in (4.0, 6.0)),
    Entry(Spec(JOINT)),
)
ABLATIONS = (
    Entry(Spec("tidegate")),
    Entry(Spec(JOINT)),
    *(Entry(Spec(JOINT, None, (part,))) for part in (TRANSFERS, REDUCTIONS, CADENCE)),
    *(Entry(Spec(JOINT, None, (part,))) for part in JOINT_PARTS),
    Entry(Spec(JOINT), DAY_S),
    Entry(Spec(JOINT), WEEK_S),
)


class Row(msgspec.Struct, frozen=True):
    """One policy in one window: shares of capital; `collateral_used` is the time average of
    maintenance over equity, `unsolved` how often a programme had no answer that counts, and
    `refused` how often the gate let no plan through."""

    case: str
    policy: str
    liquidations: int
    avg_leverage: float
    net_return: float
    carry_kept: float
    collateral_used: float
    max_drawdown: float
    least_equity_over_maintenance: float | None
    turnover: float | None
    transfers: int
    solves: int
    unsolved: int
    refused: int


def main(words: Sequence[str] | None = None) -> int:
    """Run from a command line; returns the status."""
    said = _parser().parse_args(words)
    parts = [(POLICIES, CASES)] + [(ABLATIONS, AROUND)] * said.ablations
    try:
        played = [(_chosen(said, entries), cases) for entries, cases in parts]
        if not any(entries for entries, _ in played):
            known = ", ".join(dict.fromkeys(e.name for entries, _ in parts for e in entries))
            raise InputError("--only", ", ".join(said.only), f"expected of {known}")
        rows = [r for p in played for r in study(said.mandate, said.data, *p, _told)]
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    if said.json:
        print(json.dumps([msgspec.to_builtins(each) for each in rows], indent=1))
        return 0
    for _, cases in played:
        for case in cases:
            show(case, [each for each in rows if each.case == case.name])
    return 0


def study(
    mandate: Path,
    data: Path,
    entries: Sequence[Entry],
    cases: Sequence[Case],
    told: Callable[[str], None],
) -> Iterable[Row]:
    """Every entry in every case; raises `InputError` as a backtest does."""
    for case in cases if entries else ():
        window = Window(
            parse_time_ms(case.first, "case", "first"),
            parse_time_ms(case.last, "case", "last", end_of_day=True),
        )
        freeze = read_freeze(case.freeze)
        made = prepare(mandate, data, window, (freeze,), SEED)
        # Only foresight is told.
        experiment = replace(made, crisis_ms=(freeze.start_ms, freeze.end_ms))
        for entry in entries:
            told(f"{case.name}: {entry.name}")
            reviewed = _reviewed(experiment, entry.review_s)
            outcome = run(reviewed, entry.spec, None)
            yield row(case, entry, reviewed, outcome)


def _reviewed(experiment: Experiment, review_s: float | None) -> Experiment:
    """The experiment with a better book looked for at other intervals."""
    if review_s is None:
        return experiment
    mandate = experiment.arrangement.mandate
    edge = msgspec.structs.replace(mandate.edge, review_s=review_s)
    changed = msgspec.structs.replace(mandate, edge=edge)
    return replace(experiment, arrangement=with_mandate(experiment.arrangement, changed))


def row(case: Case, entry: Entry, experiment: Experiment, outcome: Outcome) -> Row:
    """The measures that the table has."""
    found = measure(outcome, experiment.arrangement)
    until = outcome.ledger.ts_ms if found.death_ms is None else found.death_ms
    return Row(
        case=case.name,
        policy=entry.name,
        liquidations=found.liquidations,
        avg_leverage=found.avg_leverage,
        net_return=found.return_on_capital,
        carry_kept=found.carry_kept,
        collateral_used=collateral_used(outcome.series, until),
        max_drawdown=found.max_drawdown,
        least_equity_over_maintenance=found.worst_health_ratio,
        turnover=found.turnover,
        transfers=found.transfers,
        solves=found.solves,
        unsolved=outcome.failures,
        refused=found.refusals,
    )


def collateral_used(series: Series, until_ms: int) -> float:
    """Time average of the sum of maintenance over that of equity, until a time; 1 where an hour has
    less equity than that."""
    maintenance = _sums(series.venue_maintenance)
    equity = _sums(series.venue_equity)
    shares = [m / e if e > m else float(m > 0) for m, e in zip(maintenance, equity, strict=True)]
    return time_average(series.ts_ms, shares, until_ms)


def _sums(by_venue: Mapping[str, Sequence[int]]) -> list[int]:
    return [sum(values) for values in zip(*by_venue.values(), strict=True)]


def show(case: Case, rows: Sequence[Row]) -> None:
    """One case as a table on standard output, if anything was played in it."""
    if not rows:
        return
    title = f"{case.name}: {case.first} to {case.last}, {case.freeze}"
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    for head in HEADS:
        justify: Literal["left", "right"] = "left" if head == "policy" else "right"
        table.add_column(head, justify=justify, no_wrap=True)
    for each in rows:
        least, turnover = each.least_equity_over_maintenance, each.turnover
        table.add_row(
            each.policy,
            f"{each.liquidations}x" if each.liquidations else "–",
            f"{each.avg_leverage:.2f}",
            f"{each.net_return:+.2%}",
            f"{each.carry_kept:+.2%}",
            f"{each.collateral_used:.1%}",
            f"{each.max_drawdown:.1%}",
            "–" if least is None else f"{least:.2f}",
            "–" if turnover is None else f"{turnover:.0f}x",
            str(each.transfers),
            f"{each.unsolved}/{each.refused} of {each.solves}" if each.solves else "–",
        )
    console_of(WIDTH).print(table)


def _chosen(said: argparse.Namespace, entries: Sequence[Entry]) -> Sequence[Entry]:
    return [e for e in entries if e.name in said.only] if said.only else entries


def _told(word: str) -> None:
    print(word, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tidegate.backtest.freeze_study")
    parser.add_argument("mandate", type=Path, help="the mandate, as of a backtest")
    parser.add_argument("--data", type=Path, required=True, help="folder of market data")
    parser.add_argument("--ablations", action="store_true", help="with each part taken away")
    parser.add_argument("--only", action="append", help="a policy by name; may be repeated")
    parser.add_argument("--json", action="store_true", help="one document on standard output")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
