# SPDX-License-Identifier: Apache-2.0
"""Tables made a value, and the field named where one does not fit, tables with names included."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from tidegate.model.errors import InputError

Made = TypeVar("Made")


def converted(raw: dict[str, Any], kind: type[Made], where: str, whole: str) -> Made:
    """The tables as a value of a kind. Raises `InputError` that names the field, or `whole`."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        field = _named_field(raw, kind, path.rstrip("`"), str(error))
        raise InputError(where, field or whole, message[:1].lower() + message[1:]) from None


def _named_field(raw: dict[str, Any], kind: type[object], path: str, complaint: str) -> str:
    """The field of a complaint; msgspec writes `[...]` for the name of a table, which is found by
    leaving each name alone in its table and looking whether the complaint is the same."""
    *before, last = path.split("[...]")
    table, named = raw, ""
    for part in before:
        for key in part.strip(".").split("."):
            table = table[key]
        name = _failing_name(raw, kind, table, complaint)
        table, named = table[name], f"{named}{part}.{name}"
    return named + last


def _failing_name(
    raw: dict[str, Any], kind: type[object], table: dict[str, Any], complaint: str
) -> str:
    names = dict(table)
    for name, value in names.items():
        table.clear()
        table[name] = value
        try:
            msgspec.convert(raw, kind)
        except msgspec.ValidationError as error:
            if str(error) == complaint:
                return name
    return next(iter(names))
