# SPDX-License-Identifier: Apache-2.0
"""The arguments of `tidegate vault`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]

commands = typer.Typer(no_args_is_help=True, help="A vault on a chain, with its limits there.")


@commands.callback()
def _group() -> None:
    """A vault on a chain, with its limits there."""


@commands.command(epilog="Example: tidegate vault demo --out out/vault")
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the record.")] = Path("out/vault"),
    json: Json = False,
) -> None:
    """Play a vault's life on a chain in this process, the engine deciding; exit 1 if its record
    does not check. It needs the extra `vault` and tidegate-contracts, and no network.
    """
    from tidegate.live.vault.demo_command import run_demo

    if not run_demo(out, as_json=json):
        raise typer.Exit(1)
