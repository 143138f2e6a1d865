# SPDX-License-Identifier: Apache-2.0
"""The first and the last frame of a run that can be made again: its ledger's making, its result."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tidegate.engine.memory import Tally
from tidegate.engine.written_values import read, written
from tidegate.execution.record import Record, Writes
from tidegate.ledger.book import Ledger
from tidegate.model.events import Event
from tidegate.model.instruments import Instrument, InstrumentId

BOOK, RESULT = "book", "result"
# Of the frames from which decisions can be made again; they change with this number.
INPUTS_VERSION = 1


class Book(msgspec.Struct, frozen=True):
    """A `book` frame: what a ledger is made of, the version of the frames that follow, and what the
    ids of the run begin with."""

    inputs: int
    instruments: object
    stable_price_micro: dict[str, int]
    coin_marks: dict[str, InstrumentId]
    run: str = ""

    def ledger(self) -> Ledger:
        """An empty ledger; raises `ValueError` for instruments that are none."""
        return Ledger(self.contracts(), self.stable_price_micro, self.coin_marks)

    def contracts(self) -> dict[InstrumentId, Instrument]:
        """The instruments by name; raises `ValueError`."""
        found = read(self.instruments)
        if not isinstance(found, dict):
            raise ValueError("expected instruments by name")
        return found


class Happened(msgspec.Struct, frozen=True):
    """An `events` frame without its postings, which follow from it."""

    ts_ms: int
    events: tuple[Event, ...]
    lines: dict[str, int] | None = None


def open_record(
    instruments: Mapping[InstrumentId, Instrument],
    stable_price_micro: Mapping[str, int],
    coin_marks: Mapping[str, InstrumentId],
    journal: Writes,
    run: str = "",
) -> Record:
    """A new record, whose journal says first what its ledger is made of."""
    book = Book(
        INPUTS_VERSION, written(instruments), dict(stable_price_micro), dict(coin_marks), run
    )
    record = Record(Ledger(instruments, stable_price_micro, coin_marks), journal, run)
    record.note(BOOK, book)
    return record


def conclude(record: Record, tally: Tally) -> None:
    """Journal what the whole came to, at the time of the last event."""
    ledger = record.ledger
    result = {
        "ts_ms": ledger.ts_ms,
        "equity_start_micro": ledger.waterfall["capital"],
        "equity_end_micro": ledger.equity_micro,
        "waterfall": ledger.waterfall,
        "decisions": tally.decisions,
        "solves": tally.solves,
        "refusals": tally.refusals,
    }
    record.note(RESULT, result)
