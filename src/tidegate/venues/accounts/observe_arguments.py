# SPDX-License-Identifier: Apache-2.0
"""The arguments of `tidegate observe`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = (
    "Example: tidegate observe examples/plan/book.json --html observe.html; "
    "tidegate observe --venue hyperliquid:0xADDRESS --venue deribit:keyring:deribit/reading"
)


def observe(
    book: Annotated[
        Path | None,
        typer.Argument(help="The book as it stands, a JSON file; see docs/observe.md."),
    ] = None,
    venue: Annotated[
        list[str] | None,
        typer.Option(help="[NAME=]VENUE:ADDRESS, or VENUE:KEY by where it is kept; repeatable."),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="The book's figures from public data, without a key.")
    ] = False,
    url: Annotated[
        list[str] | None,
        typer.Option(help="VENUE=URL of a paper server on this machine; repeatable."),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="New file for the book that was read from venues.")
    ] = None,
    parity: Annotated[
        Path | None, typer.Option(help="File to which a line on the parity of margin is added.")
    ] = None,
    mandate: Annotated[
        Path | None, typer.Option(help="Mandate whose routes allow a key that can withdraw.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Page to write, with charts; of whole accounts.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Show the moves that kill a book and the cheapest fix; exit 1 if an account is insolvent."""
    from tidegate.engine.observe_command import observe_book
    from tidegate.model.errors import InputError

    if (book is None) == (not venue):
        raise InputError("observe", "BOOK", "expected a book, or --venue, and not both")
    if book is not None and (parity or mandate):
        raise InputError("observe", "BOOK", "expected --parity and --mandate with --venue alone")
    if book is not None and not public:
        if url or save:
            raise InputError("observe", "BOOK", "expected --url and --save with --public")
        solvent = observe_book(book, json, html)
    else:
        from tidegate.venues.accounts.observe_venues import Wanted, observe_venues

        wanted = Wanted(tuple(venue or ()), tuple(url or ()), save, parity, mandate, book)
        solvent = observe_venues(wanted, as_json=json, html=html)
    if not solvent:
        raise typer.Exit(1)
