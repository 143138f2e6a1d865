# SPDX-License-Identifier: Apache-2.0
"""What a failed venue takes over many seeds: `python -m tidegate.backtest.trial.insolvency`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tidegate.backtest.trial.venue_failure import Verdict, play_failure
from tidegate.model.errors import InputError

WORLD_NAMES = ("first", "second")
EXAMPLE = "Example: python -m tidegate.backtest.trial.insolvency --seeds 500 --out failures.jsonl"

Play = Callable[[str, int], Verdict]


class Summary(msgspec.Struct, frozen=True):
    """All failures in figures, shares of equity: what was lost in all, beyond claims, how near the
    bound was, and what of it did not hold."""

    seeds: int
    first_seed: int
    failed: tuple[int, ...]
    liquidated: tuple[int, ...]
    claims_mean: float
    claims_largest: float
    cap: float
    lost_mean: float
    lost_largest: float
    stated_mean: float
    orphan_loss_mean: float
    orphan_loss_largest: float
    orphan_loss_above_stated: tuple[int, ...]
    margin_mean: float
    margin_least: float
    largest_claim_over_cap: float
    hedged_s_largest: float
    gross_mean: float


def world_of(seed: int) -> str:
    """The worlds in turn, four seeds each, so that both have every kind of failure."""
    return WORLD_NAMES[seed // 4 % 2]


def verdicts(
    seeds: Sequence[int], done: Sequence[Verdict] = (), play: Play = play_failure
) -> Iterator[Verdict]:
    """One failure per seed, those that are done first."""
    have = {verdict.seed: verdict for verdict in done}
    for seed in seeds:
        yield have.get(seed) or play(world_of(seed), seed)


def summarise(found: Sequence[Verdict]) -> Summary:
    """The figures; `found` is not empty."""
    count, lost = len(found), [v.claim + v.orphan_loss for v in found]
    return Summary(
        seeds=count,
        first_seed=min(v.seed for v in found),
        failed=tuple(v.seed for v in found if not v.holds),
        liquidated=tuple(v.seed for v in found if v.liquidated),
        claims_mean=sum(v.claim for v in found) / count,
        claims_largest=max(v.claim for v in found),
        cap=max(v.cap for v in found),
        lost_mean=sum(lost) / count,
        lost_largest=max(lost),
        stated_mean=sum(v.stated for v in found) / count,
        orphan_loss_mean=sum(v.orphan_loss for v in found) / count,
        orphan_loss_largest=max(v.orphan_loss for v in found),
        orphan_loss_above_stated=tuple(v.seed for v in found if v.orphan_loss > v.stated),
        margin_mean=sum(v.margin for v in found) / count,
        margin_least=min(v.margin for v in found),
        largest_claim_over_cap=max(v.largest_claim for v in found),
        hedged_s_largest=max(v.hedged_s or 0.0 for v in found),
        gross_mean=sum(v.gross for v in found) / count,
    )


def read_verdicts(path: Path) -> list[Verdict]:
    """Failures that a file has, a torn last line left out; raises `InputError` for another line."""
    if not path.exists():
        return []
    *lines, _ = path.read_bytes().split(b"\n")
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(msgspec.json.decode(line, type=Verdict))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(str(path), f"line {number}", f"expected a verdict: {error}") from None
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return found


def run_insolvency(
    seeds: Annotated[int, typer.Option(min=1, help="How many failures.")] = 12,
    first_seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Annotated[
        Path | None, typer.Option(help="A file of lines that an interrupted run goes on with.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """What a venue that fails takes, against its claim cap; exit 1 where a bound does not hold."""
    try:
        summary = play_seeds(range(first_seed, first_seed + seeds), out, quiet=as_json)
    except InputError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(msgspec.json.encode(summary).decode())
    else:
        Console().print(table(summary))
    raise typer.Exit(1 if summary.failed or summary.liquidated else 0)


def play_seeds(seeds: Sequence[int], out: Path | None, *, quiet: bool) -> Summary:
    """Play the seeds that the file does not have, each written when it is known."""
    done = read_verdicts(out) if out is not None else []
    have, found = {verdict.seed for verdict in done}, list[Verdict]()
    console = Console(stderr=True)
    steps = track(verdicts(seeds, done), "failures", len(seeds), console=console, disable=quiet)
    for verdict in steps:
        found.append(verdict)
        if out is not None and verdict.seed not in have:
            with out.open("ab") as lines:
                lines.write(msgspec.json.encode(verdict) + b"\n")
    return summarise(found)


def table(summary: Summary) -> Table:
    """The figures as lines, shares in per cent of equity."""
    shown = Table("what", "figure", box=SIMPLE_HEAD, pad_edge=False)
    for name, value in msgspec.structs.asdict(summary).items():
        words = name.replace("_", " ")
        if isinstance(value, tuple):
            shown.add_row(words, f"{len(value)}" + (f" (seeds {value})" if value else ""))
        elif isinstance(value, int) or name in ("hedged_s_largest", "gross_mean"):
            shown.add_row(words, f"{value:,.3g}")
        else:
            shown.add_row(words, f"{100 * value:.2f} %")
    return shown


app = typer.Typer(add_completion=False)
app.command(epilog=EXAMPLE)(run_insolvency)

if __name__ == "__main__":
    app()
