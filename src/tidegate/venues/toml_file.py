# SPDX-License-Identifier: Apache-2.0
"""A settings file in TOML, read strictly into a structure."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from tidegate.execution.durable_file import content
from tidegate.model.errors import InputError
from tidegate.model.parsing import toml_tables

Settings = TypeVar("Settings", bound=msgspec.Struct)


def read_toml(path: Path, kind: type[Settings]) -> Settings:
    """The file as a structure that refuses unknown fields; raises `InputError` naming the field."""
    where = str(path)
    try:
        raw = toml_tables(content(path).decode("utf-8"), where)
    except OSError as error:
        expected = f"expected a readable file ({error.strerror})"
        raise InputError(where, "file", expected) from None
    except UnicodeDecodeError:
        raise InputError(where, "TOML", "expected UTF-8 text") from None
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$.")
        expected = message[:1].lower() + message[1:]
        raise InputError(where, place.rstrip("`") or "file", expected) from None


def beside(path: Path, name: str) -> Path:
    """A file that another one names, from that one's folder."""
    return path.parent / name
