# SPDX-License-Identifier: Apache-2.0
"""The moves of a run, told from its events: what grew, shrank, was sent, refused or taken over.

Fills of one instant are told together. A fill is judged by the position that it met: what brings
it toward zero reduces it, what is traded away and back within the instant is rolled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.measures import FAILED, fill_usd, quanta_usd
from tidegate.engine.cycle import Decision
from tidegate.journal.reader import read_frames
from tidegate.model.errors import InputError
from tidegate.model.events import (
    DeficitCovered,
    Event,
    Filled,
    LiquidationStarted,
    OrderRefused,
    PenaltyCharged,
    TransferLanded,
    TransferRefused,
    TransferSent,
    VenueFailed,
)
from tidegate.model.instruments import InstrumentId
from tidegate.model.times import MINUTE_MS
from tidegate.risk.limits import Breach

Said = TypeVar("Said", bound=msgspec.Struct)
Kind = Literal["grown", "reduced", "rolled", "sent", "refused", "liquidated"]
KINDS: tuple[Kind, ...] = ("grown", "reduced", "rolled", "sent", "refused", "liquidated")


@dataclass(frozen=True, slots=True)
class Note:
    """Why something was done at a time, or, with `refused`, why it was not."""

    ts_ms: int
    text: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that was done at a time; amounts and costs in USD, None where there is none."""

    ts_ms: int
    kind: Kind
    what: str
    amount_usd: float | None
    cost_usd: float | None
    reason: str


def journal_notes(path: Path) -> tuple[Note, ...]:
    """The reasons that a sealed journal gives: decisions that moved, and the gate's refusals.

    Raises `InputError` where the journal does not check.
    """
    notes = []
    for frame in read_frames(path):
        if frame.kind == "decision":
            decided = _convert(frame.value(), Decision, path)
            if not decided.action.startswith(("hold", "nothing")):
                notes.append(Note(decided.ts_ms, _decision_text(decided)))
        elif frame.kind == "refused":
            refusal = _convert(frame.value(), _Refusal, path)
            notes.append(Note(refusal.ts_ms, _breaches_text(refusal.breaches), refused=True))
    return tuple(notes)


class _Refusal(msgspec.Struct, frozen=True):
    ts_ms: int
    breaches: tuple[Breach, ...]


def _convert(value: object, kind: type[Said], path: Path) -> Said:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InputError(str(path), kind.__name__.strip("_"), str(error)) from None


_REASONS = {
    "review": "review found a better book",
    "transfer": "below the outer stress level: send money",
    "reduce": "below the inner stress level: cut",
    "ladder": "no agreed solution: cut everything alike",
}


def _decision_text(decided: Decision) -> str:
    reason = _REASONS.get(decided.action, decided.action)
    return f"{decided.venue} {reason}" if decided.venue else reason


def _breaches_text(breaches: Sequence[Breach]) -> str:
    rules: dict[str, list[str]] = {}
    for breach in breaches:
        rules.setdefault(breach.rule, []).append(breach.where)
    return "; ".join(f"{rule}: {', '.join(where)}" for rule, where in rules.items())


def moves(
    events: Iterable[Event], arrangement: Arrangement, notes: Sequence[Note] = ()
) -> tuple[Move, ...]:
    """All moves in time order; `notes` give reasons to what happened at their time."""
    events = tuple(events)
    reasons = {note.ts_ms: note.text for note in notes if not note.refused}
    teller = _Teller(arrangement, reasons, events)
    told = [move for event in events for move in teller.event(event)]
    told += teller.fills()
    told += [Move(n.ts_ms, "refused", "by the gate", None, None, n.text) for n in _refusals(notes)]
    return tuple(sorted(told, key=lambda move: (move.ts_ms, KINDS.index(move.kind))))


def _refusals(notes: Sequence[Note]) -> list[Note]:
    return [note for note in notes if note.refused]


class _Teller:
    """Turns events into moves with the terms and reasons of one run."""

    def __init__(
        self, arrangement: Arrangement, reasons: dict[int, str], events: tuple[Event, ...]
    ) -> None:
        self._arrangement, self._reasons, self._events = arrangement, reasons, events
        self._landed = {e.id: e for e in events if isinstance(e, TransferLanded)}

    def event(self, event: Event) -> list[Move]:
        """What an event other than a fill tells."""
        match event:
            case TransferSent():
                return [self._sent(event)]
            case TransferRefused():
                what = f"transfer, {event.source} to {event.destination}"
                return [Move(event.ts_ms, "refused", what, None, None, event.reason)]
            case OrderRefused():
                what = f"order, {event.instrument}"
                return [Move(event.ts_ms, "refused", what, None, None, event.reason)]
            case LiquidationStarted():
                return [self._taken_over(event)]
            case PenaltyCharged():
                cost = self._usd(event.quanta, event.asset)
                return [Move(event.ts_ms, "liquidated", event.venue, None, cost, event.cause)]
            case DeficitCovered():
                cost = -self._usd(event.quanta, event.asset)
                why = "deficit covered by the venue's fund"
                return [Move(event.ts_ms, "liquidated", event.venue, None, cost, why)]
            case VenueFailed():
                cost = sum(self._usd(quanta, asset) for asset, quanta in event.lost.items())
                return [Move(event.ts_ms, "liquidated", event.venue, None, cost, FAILED)]
            case _:
                return []

    def _usd(self, quanta: int, asset: str) -> float:
        return quanta_usd(quanta, asset, self._arrangement)

    def _sent(self, event: TransferSent) -> Move:
        landed = self._landed.get(event.id)
        cost = self._usd(event.fee_quanta, event.asset)
        when = "still under way at the end"
        if landed is not None:
            cost += self._usd(landed.quanta_sent, landed.asset_sent)
            cost -= self._usd(landed.quanta, landed.asset)
            when = f"landed after {(landed.ts_ms - event.ts_ms) / MINUTE_MS:,.0f} min"
        what = f"{event.source} to {event.destination}, {when}"
        amount = self._usd(event.quanta, event.asset)
        return Move(event.ts_ms, "sent", what, amount, cost, self._reason(event.ts_ms))

    def _taken_over(self, event: LiquidationStarted) -> Move:
        asset = self._arrangement.mandate.venue[event.venue].collateral
        equity = self._usd(event.equity_quanta, asset)
        needed = self._usd(event.maintenance_quanta, asset)
        why = f"equity {equity:,.0f} USD below maintenance {needed:,.0f} USD"
        return Move(event.ts_ms, "liquidated", f"{event.venue} account", None, None, why)

    def _reason(self, ts_ms: int) -> str:
        return self._reasons.get(ts_ms, "")

    def fills(self) -> list[Move]:
        """What the fills of each instant tell together."""
        held: dict[InstrumentId, int] = {}
        filled = [event for event in self._events if isinstance(event, Filled)]
        told = []
        for (ts_ms, forced), group in groupby(
            filled, key=lambda fill: (fill.ts_ms, fill.reason == "liquidation")
        ):
            told += self._instant(ts_ms, forced, tuple(group), held)
        return told

    def _instant(
        self, ts_ms: int, forced: bool, fills: tuple[Filled, ...], held: dict[InstrumentId, int]
    ) -> list[Move]:
        amounts: dict[Kind, float] = {}
        costs: dict[Kind, float] = {}
        names: dict[Kind, list[InstrumentId]] = {}
        for name in dict.fromkeys(fill.instrument for fill in fills):
            own = [fill for fill in fills if fill.instrument == name]
            before = held.get(name, 0)
            held[name] = before + sum(fill.lots for fill in own)
            shares: dict[Kind, float]
            shares = {"liquidated": 1.0} if forced else _shares(before, [f.lots for f in own])
            traded = sum(fill_usd(fill, self._arrangement) for fill in own)
            cost = sum(self._fill_cost_usd(fill) for fill in own)
            for kind in KINDS:
                if shares.get(kind):
                    amounts[kind] = amounts.get(kind, 0.0) + traded * shares[kind]
                    costs[kind] = costs.get(kind, 0.0) + cost * shares[kind]
                    names.setdefault(kind, []).append(name)
        reason = "" if forced else self._reason(ts_ms)
        return [
            Move(ts_ms, kind, self._legs(names[kind]), amounts[kind], costs[kind], reason)
            for kind in amounts
        ]

    def _legs(self, names: Sequence[InstrumentId]) -> str:
        instruments = [self._arrangement.terms.instruments[name] for name in names]
        coins = dict.fromkeys(instrument.base for instrument in instruments)
        venues = dict.fromkeys(instrument.venue for instrument in instruments)
        return f"{', '.join(coins)} at {', '.join(venues)}"

    def _fill_cost_usd(self, fill: Filled) -> float:
        asset = self._arrangement.terms.instruments[fill.instrument].settle
        return self._usd(fill.fee_quanta + fill.spread_quanta + fill.impact_quanta, asset)


def _shares(before: int, lots: Sequence[int]) -> dict[Kind, float]:
    """Shares of an instant's traded lots that reduced, grew or rolled a position."""
    after, gross = before + sum(lots), sum(abs(lot) for lot in lots)
    net = abs(after - before)
    same_side = before * after > 0
    reduced = min(net, max(0, abs(before) - abs(after)) if same_side else abs(before))
    parts: dict[Kind, int] = {
        "reduced": reduced,
        "grown": net - reduced,
        "rolled": gross - net,
    }
    return {kind: lot / gross for kind, lot in parts.items() if lot}
