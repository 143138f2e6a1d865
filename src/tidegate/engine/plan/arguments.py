# SPDX-License-Identifier: Apache-2.0
"""The arguments of `tidegate plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidegate.model.errors import InputError

EXAMPLE = "Example: tidegate plan examples/plan/mandate.toml --book examples/plan/book.json"


def plan(
    mandate: Annotated[Path, typer.Argument(help="The mandate, a TOML file.")],
    book: Annotated[
        Path | None, typer.Option(help="The book as it stands, a JSON file; see docs/plan.md.")
    ] = None,
    last: Annotated[
        Path | None,
        typer.Option(help="plan.json of the last plan: hold unless something triggers since."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for plan.json and plan.html.")] = None,
    explain: Annotated[
        bool, typer.Option("--explain-mandate", help="Print every field that holds instead.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """A certified plan for a book under a mandate, as a diff; exit 1 if there is none."""
    from tidegate.engine.plan.command import explain_mandate, plan_book

    if explain:
        return explain_mandate(mandate, as_json=json)
    if book is None:
        raise InputError("tidegate plan", "--book", "expected a JSON file, or --explain-mandate")
    if not plan_book(mandate, book, out, last, as_json=json):
        raise typer.Exit(1)
