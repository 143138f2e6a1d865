# SPDX-License-Identifier: Apache-2.0
"""Payloads of every form, made from the form itself: one with all fields, one with the least."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

from tests.venues.payload_forms import FORMS

DEPTH_MAX = 12  # a trade of a combination holds trades, which hold trades


def _made(kind: inspect.Type, whole: bool, depth: int = 0) -> Any:
    match kind:
        case inspect.StructType(fields=fields):
            wanted = [f for f in fields if f.required or (whole and depth < DEPTH_MAX)]
            return {f.encode_name: _made(f.type, whole, depth + 1) for f in wanted}
        case inspect.UnionType(types=types):
            ends = [t for t in types if not isinstance(t, inspect.NoneType | inspect.CustomType)]
            absent = any(isinstance(t, inspect.NoneType) for t in types) and not whole
            return None if absent or not ends else _made(ends[0], whole, depth)
        case inspect.VarTupleType(item_type=item):
            return [_made(item, whole, depth + 1)] * 2 if whole and depth < DEPTH_MAX else []
        case inspect.TupleType(item_types=items):
            return [_made(item, whole, depth + 1) for item in items]
        case inspect.DictType(value_type=value):
            return {"BTC": _made(value, whole, depth + 1)} if whole and depth < DEPTH_MAX else {}
        case inspect.StrType(pattern=pattern):
            return "-0.00012300" if pattern else "text"
    simple = {
        inspect.IntType: 1_700_000_000_123,
        inspect.FloatType: 0.5,
        inspect.DecimalType: msgspec.Raw(b"1.50e-5"),
        inspect.BoolType: True,
    }
    return simple.get(type(kind))


def _samples(form: Any) -> tuple[bytes, ...]:
    kind = inspect.type_info(form)
    return tuple(msgspec.json.encode(_made(kind, whole)) for whole in (True, False))


SAMPLES: dict[str, tuple[bytes, ...]] = {name: _samples(form) for name, form in FORMS.items()}
