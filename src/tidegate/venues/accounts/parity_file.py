# SPDX-License-Identifier: Apache-2.0
"""The record of parity: a line is added by each look, and the last one says who may be traded.

A venue is free only where the last line is not too old and every account of it agrees; an account
`NAME.MORE` is one of the venue `NAME`. A file that cannot be read frees nobody.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tidegate.model.errors import InputError
from tidegate.model.times import parse_time_ms
from tidegate.venues.accounts.parity import Parity, reduce_only

TAIL_BYTES = 262_144


class Line(msgspec.Struct, frozen=True):
    """One look: its time at the venues, and the parity of each account."""

    as_of: str
    parity: tuple[Parity, ...]


def record(path: Path, line: Line) -> None:
    """Add a line, and have it on the disk; raises `InputError`."""
    text = json.dumps(msgspec.to_builtins(line), sort_keys=True, allow_nan=False)
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        expected = f"expected a file that can be written ({error.strerror})"
        raise InputError(str(path), "--parity", expected) from None


def recorded_reduce_only(
    path: Path, venues: Mapping[str, str | None], now_ms: int, age_ms: int
) -> frozenset[str]:
    """Those of some venues that may only be reduced by the last line of a record.

    `venues` says by name where each is: what was seen of a server on this machine frees no venue
    that is elsewhere, and the other way round, nor an account of another kind one of its name.
    """
    every = frozenset(venues)
    try:
        line = msgspec.json.decode(_last(path), type=Line)
        age = now_ms - parse_time_ms(line.as_of, str(path), "as_of")
    except (OSError, IndexError, msgspec.DecodeError, UnicodeDecodeError, InputError):
        return every
    if not 0 <= age <= age_ms:
        return every
    known = {_venue(one.venue) for one in line.parity}
    doubted = {_venue(name) for name in reduce_only(line.parity)}
    doubted |= {v for one in line.parity if not _is_there(one, venues, v := _venue(one.venue))}
    return every - (known - doubted)


def _is_there(one: Parity, venues: Mapping[str, str | None], venue: str) -> bool:
    if one.whose is None or one.whose.kind != venue:
        return False
    return (one.whose.url or "").rstrip("/") == (venues.get(venue) or "").rstrip("/")


def _venue(account: str) -> str:
    return account.partition(".")[0]


def _last(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return file.read().splitlines()[-1]
