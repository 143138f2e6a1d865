# SPDX-License-Identifier: Apache-2.0
"""Where each number of a run comes from: the venue tables, else the mandate, else a refusal."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

import msgspec

from tidegate.history.tables import ContractEntry, FeeEntry
from tidegate.history.tiers import TierEntry
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.mandate import Assumption, Mandate, Terms
from tidegate.model.times import format_date
from tidegate.model.units import read_decimal


class Provenance(msgspec.Struct, frozen=True):
    """Where one number of a run comes from; `kind` is table or mandate."""

    field: str
    value: str
    as_of: str
    source: str
    kind: str


class Tables(Protocol):
    """Dated venue tables; each answer is the latest not after a time, or nothing."""

    def contract(self, venue: str, symbol: str, ts_ms: int) -> ContractEntry | None:
        """Terms of a contract."""

    def taker_fee(self, venue: str, product: str, ts_ms: int) -> FeeEntry | None:
        """The base taker fee of a product."""

    def tier_changes(
        self, venue: str, symbol: str, window: Window
    ) -> tuple[tuple[int, TierEntry | None], ...]:
        """Margin ladders in force in a window."""


class NoTables:
    """No tables at all: every number stands in the mandate."""

    def contract(self, venue: str, symbol: str, ts_ms: int) -> ContractEntry | None:
        """Nothing is known."""
        return None

    def taker_fee(self, venue: str, product: str, ts_ms: int) -> FeeEntry | None:
        """Nothing is known."""
        return None

    def tier_changes(
        self, venue: str, symbol: str, window: Window
    ) -> tuple[tuple[int, TierEntry | None], ...]:
        """Nothing is known."""
        return ()


class Resolver:
    """Looks a number up in the tables, then in the mandate, and remembers where it was."""

    def __init__(self, mandate: Mandate, tables: Tables, window: Window, where: str) -> None:
        self.mandate, self.tables, self.window, self.where = mandate, tables, window, where
        self.provenance: list[Provenance] = []

    def note(self, field: str, value: object, as_of: str, source: str, kind: str) -> None:
        """Remember where a number comes from."""
        self.provenance.append(Provenance(field, str(value), as_of, source, kind))

    def assumed(self, field: str, assumption: Assumption | None) -> Decimal:
        """A number from the mandate; refuses when it is not there or dated after the start."""
        start = format_date(self.window.start_ms)
        if assumption is None:
            raise InputError(
                self.where,
                field,
                f"expected a dated value with its source: the venue tables have none on {start}",
            )
        return read_decimal(self.stated(field, assumption), self.where, field)

    def stated(self, field: str, assumption: Assumption) -> str:
        """The mandate's words on a field, dated not after the start unless they are assumed."""
        start = format_date(self.window.start_ms)
        if assumption.as_of > start and not assumption.source.startswith("assumed"):
            raise InputError(
                self.where, field, f"expected a date not after {start}, or an assumed value"
            )
        self.note(field, assumption.value, assumption.as_of, assumption.source, "mandate")
        return assumption.value

    def table_or_assumed(
        self, field: str, entry: Decimal | None, origin: tuple[str, str], said: Assumption | None
    ) -> Decimal:
        """The table's number where it has one, else the mandate's."""
        if entry is None:
            return self.assumed(field, said)
        self.note(field, entry, *origin, "table")
        return entry

    def said(self, venue: str, symbol: str) -> tuple[Terms, str]:
        """The mandate's words on an instrument, and the name of their place."""
        terms = self.mandate.venue[venue].instruments[symbol]
        return terms, f"venue.{venue}.instruments.{symbol}"
