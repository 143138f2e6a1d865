# SPDX-License-Identifier: Apache-2.0
"""The arguments of `tidegate run`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tidegate.model.errors import InputError

EXAMPLE = "Example: tidegate run examples/live/mandate.toml --settings examples/live/run.toml"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which mandate is run, and whether its engine takes the session's lease from another's."""

    mandate: Path
    settings: Path
    tables: Path | None
    takes_lease: bool = False


def run(
    mandate: Annotated[Path, typer.Argument(help="The mandate, at level propose or act.")],
    settings: Annotated[Path, typer.Option(help="Journal, session and prices; a TOML file.")],
    tables: Annotated[
        Path | None, typer.Option(help="Folder of dated venue tables; else the mandate says all.")
    ] = None,
    seal: Annotated[
        bool, typer.Option("--seal", help="Do nothing but end the journal for good.")
    ] = False,
    take_lease: Annotated[
        bool, typer.Option("--take-lease", help="Trade though another engine's journal has it.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
) -> None:
    """Run a mandate on venues, through a session that holds their keys, until it is interrupted.

    The journal goes on at the next start, until it is sealed.
    """
    try:
        from tidegate.live.run_command import run_mandate, seal_journal
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("tidegate"):
            raise
        expected = f"needs {error.name}: install tidegate[live]"
        raise InputError("tidegate run", "extra", expected) from None

    asked = Asked(mandate, settings, tables, take_lease)
    if seal:
        return seal_journal(asked, as_json=json)
    run_mandate(asked, as_json=json)
