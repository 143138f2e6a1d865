# SPDX-License-Identifier: Apache-2.0
"""Where a journal and what its inputs lead to part: the frame, the field, and both values."""

from __future__ import annotations

from typing import Any

import msgspec

from tidegate.journal.frames import Frame

NOTHING = "nothing"
SHOWN = 200


class Difference(msgspec.Struct, frozen=True):
    """The first difference: `stated` stands in the journal, `derived` is what its inputs give."""

    frame: int
    kind: str
    field: str
    stated: str
    derived: str


class Differs(Exception):
    """Raised at the first difference, and ends a replay."""

    def __init__(self, difference: Difference) -> None:
        self.difference = difference
        super().__init__(str(difference))


def differs(frame: Frame, field: str, stated: object, derived: object) -> Differs:
    """What to raise about a field of a frame."""
    words = (shown(value) for value in (stated, derived))
    return Differs(Difference(frame.sequence, frame.kind, field, *words))


def other_payload(frame: Frame, payload: bytes) -> Differs:
    """What to raise about a frame whose payload is another than the one derived."""
    both = (msgspec.json.decode(text) for text in (frame.payload, payload))
    field, stated, derived = _first(*both)
    return differs(frame, field.lstrip(".") or "payload", stated, derived)


def shown(value: object) -> str:
    """A value in a few words."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _first(stated: Any, derived: Any) -> tuple[str, Any, Any]:
    """The first place at which two values differ, and what is there in each; an empty place is the
    values themselves."""
    if isinstance(stated, dict) and isinstance(derived, dict):
        both = {**stated, **derived}
        pairs = [(f".{k}", stated.get(k, NOTHING), derived.get(k, NOTHING)) for k in both]
    elif isinstance(stated, list) and isinstance(derived, list) and len(stated) == len(derived):
        pairs = [(f"[{i}]", *both) for i, both in enumerate(zip(stated, derived, strict=True))]
    else:
        return "", stated, derived
    for step, one, other in pairs:
        if msgspec.json.encode(one) != msgspec.json.encode(other):
            place, *values = _first(one, other)
            return step + place, values[0], values[1]
    return "", stated, derived
