# SPDX-License-Identifier: Apache-2.0
"""What the payloads of every venue are made of, and the one way in which they are decoded.

A number that a venue sends in quotes stays the text that it was, checked to be a number; a bare one
becomes a `Decimal`, or an `int` where it is an id, a count or a time. Neither has been a float, so
nothing is rounded. A field that not every payload has is `Absent` where it is not there, which is
not the same as null. A field that its type demands and a payload lacks is refused by name; fields
that no type knows are left out, since venues add them at any time.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Annotated, Any, TypeVar, cast

import msgspec
from msgspec import UnsetType

from tidegate.model.errors import InputError
from tidegate.model.parsing import UNREADABLE_JSON

MESSAGE_BYTES_MAX = 16_000_000
_NUMBER = r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,2})?"

Absent = UnsetType
Quoted = Annotated[str, msgspec.Meta(pattern=f"^{_NUMBER}$")]
Blank = Annotated[str, msgspec.Meta(pattern=f"^({_NUMBER})?$")]
Unseen = Any  # null or empty in every payload seen, so that nothing is known of its form
T = TypeVar("T")


class Payload(msgspec.Struct, frozen=True):
    """What a venue sends, under the venue's names in snake case."""


class CamelPayload(Payload, frozen=True, rename="camel"):
    """What a venue sends, whose names are in camel case there."""


@cache
def _decoder(form: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(form)


def decode(content: bytes, form: type[T], where: str) -> T:
    """One payload of a known form, frozen.

    Args: the bytes as they came; the form, such as `Reply[Order]`; the venue and what was asked.
    Raises: `InputError` that names the field, for what is no JSON, is longer than
    `MESSAGE_BYTES_MAX`, nests deeper than the stack, or has another form.
    """
    if len(content) > MESSAGE_BYTES_MAX:
        raise InputError(where, "payload", f"expected at most {MESSAGE_BYTES_MAX} bytes")
    try:
        decoded: T = _decoder(cast(Hashable, form)).decode(content)
    except UNREADABLE_JSON as error:
        raise InputError(where, "payload", f"expected another form: {error}") from None
    return decoded


def encode(payload: object) -> bytes:
    """The payload as the venue sent it: equal in every value, bare numbers bare again."""
    return _ENCODER.encode(payload)


_ENCODER = msgspec.json.Encoder(decimal_format="number")
