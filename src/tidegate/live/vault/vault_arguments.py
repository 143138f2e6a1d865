# SPDX-License-Identifier: Apache-2.0
"""The arguments of `tidegate vault`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tidegate.model.errors import InputError

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]

commands = typer.Typer(no_args_is_help=True, help="A vault on a chain, with its limits there.")


@commands.callback()
def _group() -> None:
    """A vault on a chain, with its limits there."""


@commands.command(epilog="Example: tidegate vault demo --real --out out/vault")
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the record.")] = Path("out/vault"),
    real: Annotated[
        bool,
        typer.Option(
            "--real", help="On anvil with the real Aave v3, Perpetual v2 and Uniswap v3, from npm."
        ),
    ] = False,
    packages: Annotated[
        Path | None,
        typer.Option(help="Where npm's packages are kept, for --real; by default a cache."),
    ] = None,
    json: Json = False,
) -> None:
    """Play a vault's life on a chain of its own, the engine deciding; exit 1 if its record does not
    check. It needs the extra `vault` and tidegate-contracts; with --real also npm, and with it a
    network the first time.
    """
    from tidegate.live.vault.demo_command import run_demo

    if packages is not None and not real:
        raise InputError("tidegate vault demo", "--packages", "expected --real beside it")
    if not run_demo(out, (packages or _cache()) if real else None, as_json=json):
        raise typer.Exit(1)


@commands.command(
    epilog="Example: tidegate vault show --rpc http://127.0.0.1:8545 --vault 0x5FbD...0aa3"
)
def show(
    rpc: Annotated[str, typer.Option(help="The node: https, or http on loopback.")],
    vault: Annotated[str, typer.Option(help="The vault's address.")],
    depth: Annotated[int, typer.Option(min=0, help="Blocks behind the head to read at.")] = 0,
    first_block: Annotated[
        int | None, typer.Option(min=0, help="Of its first log; by default it is looked for.")
    ] = None,
    json: Json = False,
) -> None:
    """Show a vault as its holders want to see it: share price, where the money is, limits and
    headroom, who waits to leave, the anchored head. Nothing is sent. Exit 1 where the vault's
    logs and its contracts differ.
    """
    from tidegate.live.vault.show_command import Asked, run_show

    if not run_show(Asked(rpc, vault, depth, first_block), as_json=json):
        raise typer.Exit(1)


def _cache() -> Path:
    """`$XDG_CACHE_HOME/tidegate/npm`, by default below `~/.cache`."""
    kept = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(kept).expanduser() / "tidegate" / "npm"
