# SPDX-License-Identifier: Apache-2.0
"""The arguments of `tidegate backtest`; the folder of data is the caller's to know."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tidegate.model.errors import InputError

EXAMPLE = (
    "Example: tidegate backtest examples/carry.toml --from 2024-09-05 --to 2025-03-31 "
    "--freeze binance:2024-11-10:2024-11-13 --out out/freeze"
)
WHERE = "tidegate backtest"
CORES = min(os.cpu_count() or 1, 64)


MandateFile = Annotated[Path | None, typer.Argument(help="The mandate, a TOML file.")]
Start = Annotated[str | None, typer.Option("--from", help="First day, or a UTC time.")]
End = Annotated[str | None, typer.Option("--to", help="Last day (included), or a UTC time.")]
Policies = Annotated[
    list[str] | None,
    typer.Option(help="tidegate, cash, fixed, threshold, or threshold=4.5; repeatable."),
]
Freezes = Annotated[
    list[str] | None,
    typer.Option(help="VENUE:FROM:TO, when no money leaves or is credited; repeatable."),
]
Out = Annotated[
    Path | None, typer.Option(help="New folder for report, results and journals; or a sweep's.")
]
Seed = Annotated[int | None, typer.Option(help="Seed of the settlement latencies; 1 if not said.")]
Jobs = Annotated[
    int, typer.Option("--jobs", "--workers", min=1, max=64, help="Processes to run on.")
]
Honest = Annotated[
    bool, typer.Option(help="Also costs x2, x3, transfers' latency x2, other sizes.")
]
Sweep = Annotated[
    Path | None, typer.Option(help="A grid of runs, a TOML file; see docs/sweeps.md.")
]
Cluster = Annotated[
    str | None, typer.Option(help="Run the sweep on Dask: a scheduler's address, or local.")
]
Trials = Annotated[bool, typer.Option("--trials", help="List the runs counted so far instead.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


def command(data_folder: Callable[[], Path]) -> Callable[..., None]:
    """The command for a command line that knows where data lies."""

    def backtest(
        mandate: MandateFile = None,
        start: Start = None,
        end: End = None,
        policy: Policies = None,
        freeze: Freezes = None,
        out: Out = None,
        seed: Seed = None,
        jobs: Jobs = CORES,
        honest: Honest = False,
        sweep: Sweep = None,
        cluster: Cluster = None,
        trials: Trials = False,
        json: Json = False,
    ) -> None:
        """Run policies over real history with true margin, funding and settlement that takes time.

        With --sweep, many runs from one grid; exit 1 if any of them failed.
        """
        if trials:
            from tidegate.backtest.trials_command import show_trials

            return show_trials(as_json=json)
        if sweep is not None:
            if mandate or start or end or policy or freeze or seed is not None:
                expected = "expected mandate, window, policies, freezes and seeds in the grid"
                raise InputError(WHERE, "--sweep", expected)
            if honest:
                raise InputError(WHERE, "--honest", "expected factors in the grid instead")
            return _sweep((sweep, data_folder(), out), jobs, cluster, as_json=json)
        if mandate is None or start is None or end is None:
            raise InputError(WHERE, "arguments", "expected MANDATE, --from and --to, or --sweep")
        if cluster is not None:
            raise InputError(WHERE, "--cluster", "expected it with --sweep")
        from tidegate.backtest.commands import parse_request, run_study

        words = (mandate, data_folder(), start, end)
        numbers = (1 if seed is None else seed, jobs)
        request = parse_request(words, policy or [], freeze or [], numbers)
        run_study(request, out, as_json=json, honest=honest)

    return backtest


def _sweep(
    places: tuple[Path, Path, Path | None], jobs: int, cluster: str | None, *, as_json: bool
) -> None:
    from tidegate.backtest.sweep.command import SweepRequest, run_sweep

    if not run_sweep(SweepRequest(*places, jobs, cluster), as_json=as_json):
        raise typer.Exit(1)
