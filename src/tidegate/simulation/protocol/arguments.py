# SPDX-License-Identifier: Apache-2.0
"""The words of `tidegate crisis contagion`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tidegate.model.errors import InputError
from tidegate.simulation.protocol.cascade import Shock
from tidegate.simulation.protocol.command import show_contagion
from tidegate.simulation.protocol.footprint import Question
from tidegate.simulation.protocol.population import Crowd, Own

EXAMPLE = "Example: tidegate crisis contagion --move -0.15 --side long --leverage 5 --out cascade"


def contagion_command(
    move: Annotated[float, typer.Option(help="The outside price's move, as a share.")] = -0.15,
    side: Annotated[Literal["long", "short"], typer.Option(help="Our side.")] = "long",
    leverage: Annotated[float, typer.Option(help="Our leverage.")] = 5.0,
    accounts: Annotated[int, typer.Option(help="How many others there are.")] = 10_000,
    fund: Annotated[float, typer.Option(help="The fund, as a share of open interest.")] = 0.005,
    seeds: Annotated[int, typer.Option(min=1, help="How many crowds.")] = 10,
    adl: Annotated[bool, typer.Option(help="Whether winners are deleveraged.")] = True,
    out: Annotated[Path | None, typer.Option(help="A new folder for page and document.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Play a cascade among many accounts of one venue, with and without us; exit 1 where not even
    the least size tried is harmless."""
    try:
        question = Question(
            Crowd(accounts=accounts, fund_share=fund),
            Shock(move=move, adl=adl),
            Own(side=1 if side == "long" else -1, leverage=leverage),
            range(seeds),
        )
        found = show_contagion(question, out, as_json=as_json)
    except InputError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(1 if found.harmless_share is None else 0)


app = typer.Typer(add_completion=False)
app.command(epilog=EXAMPLE)(contagion_command)
