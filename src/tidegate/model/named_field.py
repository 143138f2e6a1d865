# SPDX-License-Identifier: Apache-2.0
"""Tables made a value, and the field named where one does not fit, tables with names included."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import msgspec.inspect

from tidegate.model.errors import InputError

Made = TypeVar("Made")


_NO_NAME = "Invalid enum value"


def converted(raw: dict[str, Any], kind: type[Made], where: str, whole: str) -> Made:
    """The tables as a value of a kind. Raises `InputError` that names the field, or `whole`."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        field = _named_field(raw, kind, path.rstrip("`"), str(error))
        said = message[:1].lower() + message[1:]
        if message.startswith(_NO_NAME):
            names = ", ".join(map(str, _choices(msgspec.inspect.type_info(kind), field)))
            said = f"expected one of {names}, got {message.removeprefix(_NO_NAME).strip()}"
        raise InputError(where, field or whole, said) from None


def _choices(kind: Any, field: str) -> tuple[Any, ...]:
    """The names that a type of `msgspec.inspect` allows at a field such as `venue.x[0].kind`."""
    kind = next((t for t in getattr(kind, "types", ()) if _reaches(t)), getattr(kind, "type", kind))
    if isinstance(kind, msgspec.inspect.LiteralType):
        return tuple(kind.values)
    here, _, rest = field.partition(".")
    if field.startswith("["):
        return _choices(kind.item_type, field.partition("]")[2].lstrip("."))
    name, place, more = here.partition("[")
    rest = f"{place}{more}.{rest}" if place else rest
    if isinstance(kind, msgspec.inspect.DictType):
        return _choices(kind.value_type, rest)
    return _choices(next(f.type for f in kind.fields if f.encode_name == name), rest)


def _reaches(kind: Any) -> bool:
    """Whether a part of a union is one that a name can stand in."""
    inside = (msgspec.inspect.LiteralType, msgspec.inspect.StructType, msgspec.inspect.DictType)
    return isinstance(kind, inside) or hasattr(kind, "item_type")


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
