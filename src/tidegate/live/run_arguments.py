# SPDX-License-Identifier: Apache-2.0
"""The arguments of `tidegate run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: tidegate run examples/live/mandate.toml --settings examples/live/run.toml"


def run(
    mandate: Annotated[Path, typer.Argument(help="The mandate, at level propose or act.")],
    settings: Annotated[Path, typer.Option(help="Journal, session and prices; a TOML file.")],
    tables: Annotated[
        Path | None, typer.Option(help="Folder of dated venue tables; else the mandate says all.")
    ] = None,
    seal: Annotated[
        bool, typer.Option("--seal", help="Do nothing but end the journal for good.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
) -> None:
    """Run a mandate on venues, through a session that holds their keys, until it is interrupted.

    The journal goes on at the next start, until it is sealed.
    """
    from tidegate.live.run_command import run_mandate, seal_journal

    if seal:
        return seal_journal(mandate, settings, tables, as_json=json)
    run_mandate(mandate, settings, tables, as_json=json)
