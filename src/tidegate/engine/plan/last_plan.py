# SPDX-License-Identifier: Apache-2.0
"""The last plan of a book, as `plan.json` has it: what was aimed at and what edges were then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tidegate.engine.plan.book import PlanBook
from tidegate.engine.plan.document import SCHEMA, PlanDocument
from tidegate.model.errors import InputError
from tidegate.model.instruments import InstrumentId
from tidegate.model.times import format_time, parse_time_ms


@dataclass(frozen=True, slots=True)
class LastPlan:
    """Notionals aimed at (USD) and carry by instrument, as they were; None is UNKNOWN. `closed` are
    routes that carried no money then."""

    where: str
    ts_ms: int
    mandate_version: str
    negative: bool
    target_usd: Mapping[InstrumentId, float]
    carry_annual: Mapping[InstrumentId, float | None]
    closed: frozenset[str]


def read_last_plan(path: Path, book: PlanBook) -> LastPlan:
    """The plan in a file; raises `InputError` naming file, field and what was expected."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=PlanDocument)
    except OSError as error:
        expected = f"expected a readable file ({error.strerror})"
        raise InputError(str(path), "--last", expected) from None
    except msgspec.DecodeError as error:
        expected = f"expected what `tidegate plan --json` prints ({error})"
        raise InputError(path.name, "document", expected) from None
    if found.schema != SCHEMA:
        raise InputError(path.name, "schema", f"expected {SCHEMA}, got {found.schema}")
    ts_ms = parse_time_ms(found.as_of, path.name, "as_of")
    if ts_ms > book.ts_ms:
        expected = f"expected a time not after the book's, {format_time(book.ts_ms)}"
        raise InputError(path.name, "as_of", expected)
    return last_of(found, path.name, ts_ms)


def last_of(found: PlanDocument, where: str, ts_ms: int) -> LastPlan:
    """What of a plan the next one looks at: where its programme meant to arrive, but for trades
    that it left out."""
    stays = {name for each in found.left_out for name in each.symbols}
    targets, carries = dict[str, float](), dict[str, float | None]()
    for each in found.positions:
        name = f"{each.venue}:{each.symbol}"
        later = each.notional_later_usd
        stay = name in stays or later is None
        targets[name] = each.notional_target_usd if stay or later is None else later
        carries[name] = each.carry_annual
    closed = frozenset(f"{r.source} -> {r.destination}" for r in found.routes if r.frozen)
    version, negative = found.mandate_version, found.negative
    return LastPlan(where, ts_ms, version, negative, targets, carries, closed)
