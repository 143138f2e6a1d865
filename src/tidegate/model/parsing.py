# SPDX-License-Identifier: Apache-2.0
"""What the parsers of outside text may raise, and TOML read within bounds of work and depth."""

from __future__ import annotations

import tomllib
from typing import Any

import msgspec

from tidegate.model.errors import InputError

# Text that is no UTF-8 and nesting beyond the stack have errors of their own in msgspec.
UNREADABLE_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
TOML_LETTERS_MAX = 1_000_000
# The standard parser takes time in the square of a name's parts.
DOTS_IN_A_LINE_MAX = 200


def toml_tables(text: str, where: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises `InputError` for what is no TOML, is larger than `TOML_LETTERS_MAX` letters, nests deeper
    than the interpreter's stack, or has a line with more than `DOTS_IN_A_LINE_MAX` dots.
    """
    if len(text) > TOML_LETTERS_MAX:
        raise InputError(where, "TOML", f"expected at most {TOML_LETTERS_MAX} letters")
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > DOTS_IN_A_LINE_MAX:
            expected = f"expected at most {DOTS_IN_A_LINE_MAX} dots in line {number}"
            raise InputError(where, "TOML", expected)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InputError(where, "TOML", "expected valid TOML of less depth") from None
    except ValueError as error:
        raise InputError(where, "TOML", f"expected valid TOML: {error}") from None
