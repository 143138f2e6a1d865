# SPDX-License-Identifier: Apache-2.0
"""The arguments of `tidegate audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Anchors = Annotated[
    list[str] | None,
    typer.Option("--anchor", help="FILE, git:FOLDER or git+push:FOLDER; repeatable."),
]
JournalFile = Annotated[Path, typer.Argument(help="A journal, sealed or still .partial.")]
Public = Annotated[str, typer.Option("--public-key", help="NAME+ID+BASE64, or its file.")]

commands = typer.Typer(no_args_is_help=True, help="Signed checkpoints that others can hold.")


@commands.command("key", epilog="Example: tidegate audit key ~/audit.key --origin example.com/book")
def audit_key(
    key: Annotated[Path, typer.Argument(help="New file for the private key, mode 0600.")],
    origin: Annotated[str, typer.Option(help="The log's name, such as example.com/book.")],
    json: Json = False,
) -> None:
    """Make a key that signs checkpoints; print the public one, to be given to everybody."""
    from tidegate.audit.commands import new_key

    new_key(key, origin, as_json=json)


@commands.command(
    "checkpoint",
    epilog="Example: tidegate audit checkpoint book.partial --key ~/audit.key "
    "--anchor /mnt/other/book.checkpoints --anchor git:../book-checkpoints",
)
def audit_checkpoint(
    journal: JournalFile,
    key: Annotated[str, typer.Option(help="File of the private key (0600), or fd:N.")],
    anchor: Anchors = None,
    json: Json = False,
) -> None:
    """Sign a journal's size and root and publish them; exit 1 if an anchor knows another past."""
    from tidegate.audit.commands import checkpoint

    if not checkpoint(journal, key, anchor or [], as_json=json):
        raise typer.Exit(1)


@commands.command(
    "follow",
    epilog="Example: tidegate audit follow book.partial --public-key book.pub "
    "--anchor git:book-checkpoints --trusted book.trusted",
)
def audit_follow(
    journal: JournalFile,
    public_key: Public,
    trusted: Annotated[Path, typer.Option(help="File that keeps the last trusted checkpoint.")],
    anchor: Anchors = None,
    json: Json = False,
) -> None:
    """Refuse a journal that does not extend what was seen of it before; exit 1 if so."""
    from tidegate.audit.commands import keep_up

    if not keep_up(journal, public_key, anchor or [], trusted, as_json=json):
        raise typer.Exit(1)
