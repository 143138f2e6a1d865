# SPDX-License-Identifier: Apache-2.0
"""A JSON file read strictly: exact numbers, each name once, bounded in size."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from tidegate.engine.book_fields import Reader

LARGEST_BYTES = 10_000_000


def read_json(reader: Reader, path: Path) -> object:
    """The file's value, its numbers exact; raises `InputError` for what is no JSON or too large."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise reader.refuse("file", f"expected at most {LARGEST_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise reader.refuse("file", f"expected a readable file ({error.strerror})") from None
    except UnicodeDecodeError:
        raise reader.refuse("file", "expected UTF-8 text") from None
    try:
        return json.loads(text, parse_float=Decimal, object_pairs_hook=_once(reader))
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise reader.refuse("document", f"expected valid JSON: {error}") from None


def _once(reader: Reader) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """A JSON object whose names differ; the last of two would silently win otherwise."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        seen = set[str]()
        for name, _ in items:
            if not name.isprintable():
                raise reader.refuse(repr(name), "expected names that can be printed")
            if name in seen:
                raise reader.refuse(name, "expected each name once in an object")
            seen.add(name)
        return dict(items)

    return pairs
