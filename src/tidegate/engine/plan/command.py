# SPDX-License-Identifier: Apache-2.0
"""What `tidegate plan` does: read book and mandate, decide, print, and write where asked to."""

from __future__ import annotations

import json
from html import escape
from io import StringIO
from pathlib import Path

import msgspec
from rich.console import Console

from tidegate.engine.margin_book.output import console as pipe_console
from tidegate.engine.margin_book.output import to_reader
from tidegate.engine.page_file import patience
from tidegate.engine.plan.asking import NoEquity
from tidegate.engine.plan.book_file import read_plan_book, require_accounts
from tidegate.engine.plan.deciding import decide
from tidegate.engine.plan.document import PlanDocument
from tidegate.engine.plan.last_plan import read_last_plan
from tidegate.engine.plan.reasons import document, document_without_equity
from tidegate.engine.plan.words import show, show_terms
from tidegate.execution.durable_file import put
from tidegate.model.errors import InputError
from tidegate.model.mandate import Mandate, read_plan_mandate
from tidegate.model.plan_terms import explained, plan_terms, tenor_days

WIDTH = 150
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Plan</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root{{color-scheme:light dark}}body{{font:13px/1.5 ui-monospace,monospace;margin:24px}}
pre{{overflow:auto}}</style><pre>{text}</pre></html>
"""


def plan_book(
    mandate: Path, book: Path, out: Path | None, last: Path | None = None, *, as_json: bool
) -> bool:
    """Print a plan, and write it to a folder; False where the answer is a negative one. With the
    last plan's file nothing is solved unless something triggers.

    Raises `InputError` where book, mandate, last plan or folder cannot be used.
    """
    if out is not None:
        _ensure_folder(out)
    said = _mandate(mandate)
    seen = read_plan_book(book)
    terms = plan_terms(said)
    for tenor in terms.option.vega_usd:
        tenor_days(tenor, mandate.name)
    require_accounts(seen, set(said.venue))
    before = None if last is None else read_last_plan(last, seen)
    with patience("planning"):
        try:
            found = document(decide(seen, terms, last=before), mandate.name)
        except NoEquity as nothing:
            found = document_without_equity(seen, terms, mandate.name, nothing)
    with to_reader():
        if as_json:
            print(_json(found))
        else:
            show(found, pipe_console(WIDTH))
    if out is not None:
        _write(found, out)
    return not found.negative


def explain_mandate(mandate: Path, *, as_json: bool) -> None:
    """Print every field of a mandate that holds, and whether it was said."""
    text = _text(mandate)
    held = explained(read_plan_mandate(text, mandate.name), text)
    with to_reader():
        if as_json:
            rows = [{"field": h.field, "value": h.value, "said": h.said} for h in held]
            print(json.dumps({"schema": "tidegate-mandate-1", "fields": rows}))
        else:
            show_terms(held, pipe_console(WIDTH))


def _mandate(path: Path) -> Mandate:
    return read_plan_mandate(_text(path), path.name)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            str(path), "file", f"expected a readable file ({error.strerror})"
        ) from None
    except UnicodeDecodeError:
        raise InputError(str(path), "file", "expected UTF-8 text") from None


def _json(found: PlanDocument) -> str:
    return json.dumps(msgspec.to_builtins(found), sort_keys=True, allow_nan=False)


def _ensure_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(str(out), "--out", "expected a folder")


def _write(found: PlanDocument, out: Path) -> None:
    """`plan.json`, and the same tables as a page; each whole or not there."""
    paper = Console(record=True, file=StringIO(), width=WIDTH, highlight=False)
    show(found, paper)
    page = PAGE.format(text=escape(paper.export_text()))
    try:
        out.mkdir(parents=True, exist_ok=True)
        put(out / "plan.json", (_json(found) + "\n").encode())
        put(out / "plan.html", page.encode())
    except OSError as error:
        reason = error.strerror or "unwritable"
        raise InputError(str(out), "--out", f"expected a folder to write in ({reason})") from None
