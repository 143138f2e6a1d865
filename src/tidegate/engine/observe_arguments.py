# SPDX-License-Identifier: Apache-2.0
"""The arguments of `tidegate observe`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: tidegate observe examples/plan/book.json --html observe.html"


def observe(
    book: Annotated[
        Path, typer.Argument(help="The book as it stands, a JSON file; see docs/observe.md.")
    ],
    html: Annotated[
        Path | None, typer.Option(help="Page to write, with charts; of whole accounts.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Show the moves that kill a book and the cheapest fix; exit 1 if an account is insolvent."""
    from tidegate.engine.observe_command import observe_book

    if not observe_book(book, json, html):
        raise typer.Exit(1)
