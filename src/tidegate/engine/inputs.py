# SPDX-License-Identifier: Apache-2.0
"""What a decision is made of, as journalled: with these frames alone it can be made again.

    book       once, before anything is posted: contracts and prices that the ledger knows
    terms      the mandate, contracts, rules, costs and routes in force; again when they change
    outlook    what is expected; again when it is renewed
    observed   at each decision: prices, what venues announce, places in their queues, peak equity,
               what of the book is not settled
    solved     after each solve: the answer, or why there is none

A column of prices' attributes that is as it was in the frame before is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, UnsetType

from tidegate.allocation.question import Answer
from tidegate.engine.outlook import Outlook
from tidegate.engine.written_values import read, written
from tidegate.execution.desk import Standing
from tidegate.execution.record import Record
from tidegate.model.account import SETTLED, Unsettled
from tidegate.model.instruments import InstrumentId
from tidegate.model.market import MarketSnapshot, Quote
from tidegate.risk.plan import Situation, Terms

TERMS, OUTLOOK, OBSERVED, SOLVED = "terms", "outlook", "observed", "solved"
ALLOCATE, RELIEVE, JOIN = "allocate", "relieve", "join"


class Columns(msgspec.Struct, frozen=True, omit_defaults=True):
    """Attributes of all quotes, in order of `names`; None where they are as in the frame before."""

    names: tuple[InstrumentId, ...] | None = None
    volume_day_usd: tuple[float, ...] | None = None
    vol_daily: tuple[float, ...] | None = None
    half_spread: tuple[float | None, ...] | None = None

    def since(self, before: Columns) -> Columns:
        """Only what is different from before."""
        same = {n: None for n in _COLUMNS if getattr(self, n) == getattr(before, n)}
        return msgspec.structs.replace(self, **same)

    def over(self, before: Columns) -> Columns:
        """All columns again; the inverse of `since`."""
        kept = {n: getattr(before, n) for n in _COLUMNS if getattr(self, n) is None}
        return msgspec.structs.replace(self, **kept)


_COLUMNS = Columns.__struct_fields__


class Observed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a decision saw: prices in ticks as of times (one for all where it is the same), places
    of those that are estimated, and `peak_micro`, the highest equity seen so far. `snapshot` is the
    content id of the whole. `returned` are shipments that may be the deposit at their source, and
    `void` all that count as nothing. `since_ms` is the step before, where steps are not on a grid
    of their own. `yields_annual` is what a feed expects of dollars at venues, if it says."""

    ts_ms: int
    snapshot: str
    peak_micro: int
    ticks: tuple[int, ...]
    as_of_ms: int | tuple[int, ...]
    columns: Columns
    estimated: tuple[int, ...] = ()
    frozen_venues: tuple[str, ...] = ()
    out_venues: tuple[str, ...] = ()
    stable_micro: dict[str, int] = {}
    adl_ranks: dict[InstrumentId, float] = {}
    busy: bool = False
    unfinished: bool = False
    unsettled: Unsettled | None = None
    loose: tuple[str, ...] = ()
    called: bool = False
    returned: tuple[str, ...] = ()
    void: tuple[str, ...] = ()
    since_ms: int | None = None
    yields_annual: dict[str, float] | UnsetType = UNSET

    @property
    def standing(self) -> Standing:
        """How execution stood."""
        return Standing(
            self.busy,
            self.unfinished,
            self.unsettled or SETTLED,
            frozenset(self.loose),
            called=self.called,
            returned=frozenset(self.returned),
        )


def columns_of(quotes: Mapping[InstrumentId, Quote]) -> Columns:
    """The attributes of quotes by column."""
    values = quotes.values()
    return Columns(
        tuple(quotes),
        tuple(quote.volume_day_usd for quote in values),
        tuple(quote.vol_daily for quote in values),
        tuple(quote.half_spread for quote in values),
    )


def observed(
    situation: Situation, standing: Standing, peak_micro: int, columns: Columns
) -> Observed:
    """What a decision sees, with those columns that are to be said."""
    snapshot, quotes = situation.snapshot, situation.snapshot.quotes.values()
    times = tuple(quote.as_of_ms for quote in quotes)
    return Observed(
        snapshot.ts_ms,
        snapshot.id,
        peak_micro,
        tuple(quote.ticks for quote in quotes),
        times[0] if len(set(times)) == 1 else times,
        columns,
        tuple(place for place, quote in enumerate(quotes) if quote.estimated),
        snapshot.frozen_venues,
        snapshot.out_venues,
        dict(snapshot.stable_micro),
        dict(situation.adl_ranks),
        standing.busy,
        standing.unfinished,
        None if standing.unsettled == SETTLED else standing.unsettled,
        tuple(sorted(standing.loose)),
        standing.called,
        tuple(sorted(standing.returned)),
        tuple(sorted(situation.void)),
        yields_annual=_told(snapshot.yields_annual),
    )


def _told(yields: Mapping[str, float] | UnsetType) -> dict[str, float] | UnsetType:
    return yields if isinstance(yields, UnsetType) else dict(yields)


def quotes_of(seen: Observed, columns: Columns) -> dict[InstrumentId, Quote]:
    """The quotes that were seen; `columns` are whole. Raises `ValueError` where they do not fit."""
    names, volumes = columns.names or (), columns.volume_day_usd or ()
    vols, spreads = columns.vol_daily or (), columns.half_spread or ()
    times = (seen.as_of_ms,) * len(names) if isinstance(seen.as_of_ms, int) else seen.as_of_ms
    estimated = [place in seen.estimated for place in range(len(names))]
    rows = zip(seen.ticks, times, estimated, volumes, vols, spreads, strict=True)
    return dict(zip(names, (Quote(*row) for row in rows), strict=True))


def snapshot_of(seen: Observed, quotes: Mapping[InstrumentId, Quote]) -> MarketSnapshot:
    """The market that was seen."""
    told = (seen.frozen_venues, seen.out_venues, seen.stable_micro, seen.yields_annual)
    return MarketSnapshot(seen.ts_ms, quotes, *told)


class Setting(msgspec.Struct, frozen=True):
    """A `terms` frame: when the cycle's grid starts, whether it may cut, the terms (written)."""

    ts_ms: int
    start_ms: int
    reduces: bool
    terms: object

    def value(self) -> Terms:
        """The terms; raises `ValueError`."""
        found = read(self.terms)
        if not isinstance(found, Terms):
            raise ValueError("expected terms")
        return found


class Expected(msgspec.Struct, frozen=True):
    """An `outlook` frame: when it is first used, and the outlook (written)."""

    ts_ms: int
    outlook: object

    def value(self) -> Outlook:
        """The outlook; raises `ValueError`."""
        found = read(self.outlook)
        if not isinstance(found, Outlook):
            raise ValueError("expected an outlook")
        return found


class Solved(msgspec.Struct, frozen=True, omit_defaults=True):
    """A `solved` frame: which programme, and its answer (written) or why there is none."""

    ts_ms: int
    programme: str
    answer: object = None
    failure: str | None = None

    def value(self) -> Answer | None:
        """The answer; raises `ValueError`."""
        found = read(self.answer)
        if not isinstance(found, Answer | None) or (found is None) != (self.failure is not None):
            raise ValueError("expected an answer, or why there is none")
        return found


class Inputs:
    """Writes what decisions are made of to a record, each thing when it changes."""

    def __init__(self, record: Record, start_ms: int, reduces: bool) -> None:
        self._record, self._start_ms, self._reduces = record, start_ms, reduces
        self._terms: Terms | None = None
        self._outlook: Outlook | None = None
        self._columns = Columns()
        self.since_ms: int | None = None

    def note(
        self,
        terms: Terms,
        outlook: Outlook,
        sight: tuple[Situation, Standing],
        peak_micro: int,
    ) -> None:
        """Journal what a decision is about to be made of."""
        situation, standing = sight
        ts_ms = situation.snapshot.ts_ms
        if terms != self._terms:
            self._terms = terms
            frame = Setting(ts_ms, self._start_ms, self._reduces, written(terms))
            self._record.note(TERMS, frame)
        if outlook is not self._outlook:
            self._outlook = outlook
            self._record.note(OUTLOOK, Expected(ts_ms, written(outlook)))
        columns = columns_of(situation.snapshot.quotes)
        said = columns.since(self._columns)
        self._columns = columns
        seen = observed(situation, standing, peak_micro, said)
        self._record.note(OBSERVED, msgspec.structs.replace(seen, since_ms=self.since_ms))

    def note_solved(self, ts_ms: int, programme: str, found: Answer | str) -> None:
        """Journal what a programme answered, or why it did not."""
        if isinstance(found, str):
            self._record.note(SOLVED, Solved(ts_ms, programme, None, found))
        else:
            self._record.note(SOLVED, Solved(ts_ms, programme, written(found)))
