# SPDX-License-Identifier: Apache-2.0
"""The words of `tidegate paper`: venues of a file, or a venue that speaks a real protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from tidegate.model.errors import InputError

EXAMPLE = "Example: tidegate paper deribit --port 8090 --crisis crash --speed 60"
# Servers by name: the module whose `serve` takes what was asked for.
SERVERS = {
    "deribit": "tidegate.venues.deribit_server.command",
    "hyperliquid": "tidegate.venues.hyperliquid_server.command",
    "both": "tidegate.venues.both_command",
}
FOR_SERVERS = "Of a named venue:"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a named venue is asked for; `credentials` None is a new file, which is named."""

    port: int
    seed: int
    days: int
    speed: float
    crisis: str
    credentials: Path | None
    accounts: int
    limits: bool
    as_json: bool


def paper(
    venue: Annotated[
        str, typer.Argument(help="deribit, hyperliquid, both of one world, or a TOML file.")
    ],
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help=f"{FOR_SERVERS} a free one if 0.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help=f"{FOR_SERVERS} its market.")] = 1,
    days: Annotated[int, typer.Option(min=1, help=f"{FOR_SERVERS} how long it lasts.")] = 7,
    speed: Annotated[
        float, typer.Option(help=f"{FOR_SERVERS} simulated seconds in a real one.")
    ] = 1.0,
    crisis: Annotated[
        str, typer.Option(help=f"{FOR_SERVERS} calm, crash, gap …, six hours after the begin.")
    ] = "calm",
    credentials: Annotated[
        Path | None,
        typer.Option(help=f"{FOR_SERVERS} its paper accounts; made if missing (both: a folder)."),
    ] = None,
    accounts: Annotated[
        int, typer.Option(min=1, max=20, help=f"{FOR_SERVERS} accounts to make.")
    ] = 2,
    limits: Annotated[
        bool, typer.Option("--limits/--no-limits", help=f"{FOR_SERVERS} its limits of rates.")
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="One JSON document at the start.")] = False,
) -> None:
    """Serve simulated venues to this machine alone, on paper money."""
    if venue in SERVERS:
        asked = Asked(port, seed, days, speed, crisis, credentials, accounts, limits, json)
        return server(venue)(asked)
    from tidegate.venues.paper_command import serve_paper

    serve_paper(Path(venue), as_json=json)


def server(venue: str) -> Callable[[Asked], None]:
    """What serves a named venue; raises `InputError` where its extra is not installed."""
    try:
        found: Callable[[Asked], None] = import_module(SERVERS[venue]).serve
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("tidegate"):
            raise
        expected = f"needs {error.name}: install tidegate[live]"
        raise InputError(f"tidegate paper {venue}", "extra", expected) from None
    return found
