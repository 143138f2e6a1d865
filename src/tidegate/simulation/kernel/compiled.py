# SPDX-License-Identifier: Apache-2.0
"""The exchange over single events, compiled: integers throughout, and out of the loop only where
something is waited for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from tidegate.margin.rule import MarginState
from tidegate.model.account import Account, Position
from tidegate.model.actions import Order, Transfer
from tidegate.model.errors import InputError, InvariantError, ensure
from tidegate.model.events import Deposited, Event
from tidegate.model.instruments import InstrumentId
from tidegate.simulation.books import Extreme, draw
from tidegate.simulation.kernel import _layout as at
from tidegate.simulation.kernel import tables
from tidegate.simulation.kernel._loop import play
from tidegate.simulation.kernel.log import Names
from tidegate.simulation.kernel.requests import Cancel, Request, Told, Wake, Woken
from tidegate.simulation.kernel.tape import EventTape
from tidegate.simulation.terms import ExchangeTerms

_WORDS = {
    at.BEYOND_RANGE: "a number is beyond the range that the kernel counts in",
    at.STUCK: "liquidation did not end",
}


class CompiledExchange:
    """Several venues in one clock; `seed` fixes the latency draws, `maker_ppm` is the fee of a
    resting order where it is not the taker's.

    Raises `InputError` for what the kernel does not play, and for numbers beyond 64 bits.
    """

    def __init__(
        self,
        tape: EventTape,
        terms: ExchangeTerms,
        seed: int,
        maker_ppm: Mapping[InstrumentId, int] | None = None,
        *,
        tell_extremes: bool = False,
    ) -> None:
        self._terms, self._seed = terms, seed
        self._world = tables.tabulate(tape, terms, maker_ppm or {})
        self._world.scalars[at.EXTREMES] = tell_extremes
        self._passages = tables.passage_numbers(terms)
        self._asked: list[Request] = []
        self._refs: dict[str, int] = {}
        rules = {venue: terms.rule(venue, tape.start_ms) for venue in terms.rules}
        collateral = {venue: rule.collateral for venue, rule in rules.items()}
        self._names = Names(tape.instruments, tuple(rules), collateral, terms, self._asked)
        self._numbers = {name: i for i, name in enumerate(tape.instruments)}
        self._events = at.Events(tape.ts_ms, tape.kind, tape.who, tape.a, tape.b)
        self._told: list[Told] = []
        self._rows: list[list[int]] = []
        self._extremes: list[Extreme] = []

    @property
    def now_ms(self) -> int:
        """Time of the last thing that happened."""
        return int(self._world.scalars[at.NOW])

    def deposit(self, venue: str, asset: str, quanta: int) -> list[Event]:
        """Capital from outside arrives at a venue, in its collateral."""
        if self._names.collateral.get(venue) != asset:
            raise InputError("deposit", venue, "expected a venue that is played, its collateral")
        account = self._world.venues[self._names.venues.index(venue)]
        ensure(abs(int(account[at.BALANCE]) + quanta) <= at.BALANCE_MAX, f"{venue}: {quanta}")
        account[at.BALANCE] += quanta
        self._world.scalars[at.TOUCHED] = 1
        return [Deposited(self.now_ms, venue, asset, quanta)]

    def ask(self, requests: Iterable[tuple[int, Request]]) -> None:
        """Orders, cancels and transfers that reach their venues at times, those of one time in the
        order of asking. Raises `InputError` for one in the past, or beyond 64 bits."""
        rows = [self._row(due_ms, request) for due_ms, request in requests]
        world = self._world
        head, tail = world.scalars[at.HEAD], world.scalars[at.TAIL]
        new = np.array(rows, dtype=np.int64).reshape(-1, at.REQUEST_COLUMNS)
        waiting = np.concatenate((world.requests[head:tail], new))
        waiting = waiting[np.argsort(waiting[:, at.DUE], kind="stable")]
        self._world = world._replace(requests=waiting)
        world.scalars[at.HEAD], world.scalars[at.TAIL] = 0, len(waiting)
        if (new[:, at.WHAT] == at.TRANSFER).any():
            self._rank()

    def _rank(self) -> None:
        """Number transfers by name: what lands at one time lands in that order."""
        asked = ((r.id, n) for n, r in enumerate(self._asked) if isinstance(r, Transfer))
        ranks = np.zeros(len(self._asked), dtype=np.int64)
        for rank, (_, number) in enumerate(sorted(asked)):
            ranks[number] = rank
        waiting, parcels = self._world.requests, self._world.parcels
        sent = waiting[:, at.WHAT] == at.TRANSFER
        waiting[sent, at.EXTRA] = ranks[waiting[sent, at.REF]]
        under_way = parcels[: self._world.scalars[at.PARCELS]]
        under_way[:, at.PARCEL_RANK] = ranks[under_way[:, at.PARCEL_REF]]

    def watch(self, venue: str, health: int) -> None:
        """Wake once when a judgement finds equity less maintenance, at the adverse extremes, below
        a level in quanta."""
        ensure(abs(health) < at.NEVER, f"{venue}: a level of {health}")
        self._world.venues[self._names.venues.index(venue), at.LEVEL] = health
        self._world.scalars[at.TOUCHED] = 1

    def run(self, until_ms: int | None = None, wake: Wake | int = 0) -> Woken:
        """Play to a time (None: the tape's end), or to one of what is waited for.

        What happened is in `told`. Raises `InvariantError` where a number leaves its range.
        """
        stop_ms = at.NEVER if until_ms is None else until_ms
        ensure(stop_ms >= self.now_ms, "run to a time that is past")
        flags = at.LOG_FULL
        while flags & at.LOG_FULL:
            flags = play(self._events, self._world, stop_ms, int(wake))
            self._read()
        status = int(self._world.scalars[at.STATUS])
        if status != at.SOUND:
            raise InvariantError(f"kernel: {_WORDS[status]}")
        return Woken(self.now_ms, Wake(flags))

    def told(self) -> list[Told]:
        """What happened since it was last asked for."""
        self._name()
        told, self._told = self._told, []
        return told

    def extremes(self) -> list[Extreme]:
        """Accounts at the adverse extremes of all judgements on the tape, where they are told."""
        self._name()
        return self._extremes

    def account(self, venue: str) -> Account:
        """The venue's own statement of our account."""
        index = self._names.venues.index(venue)
        opened = sorted(
            (int(row[at.OPENED]), name, Position(int(row[at.LOTS]), int(row[at.COST])))
            for name, row in zip(self._names.instruments, self._world.instruments, strict=True)
            if row[at.LOTS] and self._terms.instruments[name].venue == venue
        )
        balance = int(self._world.venues[index, at.BALANCE])
        positions = {name: position for _, name, position in opened}
        return Account(venue, {self._names.collateral[venue]: balance}, positions)

    def margin(self, venue: str) -> MarginState:
        """The venue's own statement of our margin at its present marks."""
        rule = self._terms.rule(venue, self.now_ms)
        return rule.state(self.account(venue), self.marks())

    def health(self, venue: str) -> tuple[int, int]:
        """Equity and maintenance at the adverse extremes, as the kernel carries them along."""
        row = self._world.venues[self._names.venues.index(venue)].tolist()
        return row[at.BALANCE] + row[at.VALUES] - row[at.COSTS], row[at.REQUIRED]

    def marks(self) -> dict[InstrumentId, int]:
        """Venue marks in ticks."""
        marks = self._world.instruments[:, at.MARKED].tolist()
        return dict(zip(self._names.instruments, marks, strict=True))

    def _read(self) -> None:
        rows = int(self._world.scalars[at.ROWS])
        self._rows += self._world.log[:rows].tolist() if rows else []
        self._world.scalars[at.ROWS] = 0

    def _name(self) -> None:
        """Events of the rows read so far; not made before somebody asks for them."""
        rows, self._rows = self._rows, []
        for row in rows:
            told = self._names.told(row)
            if isinstance(told, Extreme):
                self._extremes.append(told)
            else:
                self._told.append(told)

    def _row(self, due_ms: int, request: Request) -> tuple[int, ...]:
        _need(self.now_ms <= due_ms < at.NEVER, request, "expected a time that is not past")
        ref = self._refs.setdefault(request.id, len(self._asked))
        _need(ref == len(self._asked), request, "expected a name that was not used before")
        self._asked.append(request)
        if isinstance(request, Transfer):
            return self._transfer_row(due_ms, request, ref)
        _need(request.instrument in self._numbers, request, "expected an instrument of the tape")
        i = self._numbers[request.instrument]
        if isinstance(request, Cancel):
            return due_ms, at.CANCEL, i, 0, 0, self._refs.get(request.order, -1), ref
        most_ticks, most_lots = self._world.instruments[i, [at.TICKS_MAX, at.LOTS_MAX]].tolist()
        _need(abs(request.lots) <= most_lots, request, f"expected at most {most_lots} lots")
        if isinstance(request, Order):
            return due_ms, at.ORDER, i, request.lots, 0, int(request.reduce_only), ref
        sound = 1 <= request.ticks <= most_ticks and 0 <= request.ahead_lots < at.NEVER
        _need(sound, request, f"expected 1 to {most_ticks} ticks, and lots ahead from 0")
        return due_ms, at.LIMIT, i, request.lots, request.ticks, request.ahead_lots, ref

    def _transfer_row(self, due_ms: int, request: Transfer, ref: int) -> tuple[int, ...]:
        ends = request.source, request.destination
        passage = self._terms.passages.get(ends)
        _need(abs(request.quanta) <= at.BALANCE_MAX, request, "expected fewer quanta")
        if passage is None or passage.asset_sent != request.asset:
            return due_ms, at.TRANSFER, -1, request.quanta, 0, 0, ref
        latency_ms = int(1000 * passage.latency_quantile_s(draw(self._seed, request.id)))
        return due_ms, at.TRANSFER, self._passages[ends], request.quanta, latency_ms, 0, ref


def _need(holds: bool, request: Request, expected: str) -> None:
    if not holds:
        raise InputError("request", request.id, expected)
