# SPDX-License-Identifier: Apache-2.0
"""The commands `tidegate crisis`; where market data lies is the caller's to know."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tidegate.simulation.protocol.arguments import EXAMPLE, contagion_command

CORES = min(os.cpu_count() or 1, 64)
SEEDS = 4
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Seeds = Annotated[
    int, typer.Option(min=1, max=1_000, help="Seeds of each generated market; history has one.")
]
Markets = Annotated[
    list[str] | None, typer.Option("--market", help="first, second or history; repeatable.")
]
Policies = Annotated[
    str | None, typer.Option(help="Kinds alone to play, comma between: tidegate,fixed,desk.")
]
Jobs = Annotated[int, typer.Option(min=1, max=64, help="Processes to run on.")]
Out = Annotated[
    Path | None, typer.Option(help="Folder for rows, summary and page; taken up if it has rows.")
]
Html = Annotated[Path | None, typer.Option(help="Page to write.")]


def crisis_commands(data_folder: Callable[[], Path]) -> typer.Typer:
    """The group of commands, for a command line that knows where data lies."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Named crises, on generated markets and on real history; contagion in a venue.",
    )

    @group.command("list", epilog="Example: tidegate crisis list --json")
    def list_(json: Json = False) -> None:
        """List the crises: what moved, how fast, where they are played, what is assumed."""
        from tidegate.backtest.crisis.commands import show_crises

        show_crises(as_json=json)

    @group.command("run", epilog="Example: tidegate crisis run 2025-10-10 --seeds 4 --html c.html")
    def run(
        name: Annotated[str, typer.Argument(help="A crisis by its name; see crisis list.")],
        seeds: Seeds = SEEDS,
        market: Markets = None,
        policies: Policies = None,
        jobs: Jobs = CORES,
        out: Out = None,
        html: Html = None,
        json: Json = False,
    ) -> None:
        """Play every policy through a crisis; exit 1 if a run failed."""
        _run((name, jobs), (market, policies, seeds), (data_folder(), out, html), json)

    @group.command("all", epilog="Example: tidegate crisis all --out out/crises")
    def all_(
        seeds: Seeds = SEEDS,
        market: Markets = None,
        policies: Policies = None,
        jobs: Jobs = CORES,
        out: Out = None,
        html: Html = None,
        json: Json = False,
    ) -> None:
        """Play every policy through every crisis; exit 1 if a run failed."""
        _run(("all", jobs), (market, policies, seeds), (data_folder(), out, html), json)

    group.command("contagion", epilog=EXAMPLE)(contagion_command)
    return group


def _run(
    asked: tuple[str, int],
    chosen: tuple[list[str] | None, str | None, int],
    places: tuple[Path, Path | None, Path | None],
    as_json: bool,
) -> None:
    from tidegate.backtest.crisis.commands import Request, run_crises
    from tidegate.backtest.crisis.playing import Choice

    markets, policies, seeds = chosen
    kinds = tuple(word.strip() for word in policies.split(",")) if policies is not None else ()
    request = Request(asked[0], Choice(tuple(markets or ()), kinds, seeds), asked[1], *places)
    if not run_crises(request, as_json=as_json):
        raise typer.Exit(1)
