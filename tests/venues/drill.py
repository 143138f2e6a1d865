# SPDX-License-Identifier: Apache-2.0
"""A house of two venues with a gate, where orders of one instrument rest, and approvals for it."""

from __future__ import annotations

import msgspec

from tests.risk import desk
from tidegate.model.account import FLAT
from tidegate.model.actions import Order, Transfer
from tidegate.model.market import Quote
from tidegate.model.replies import Device
from tidegate.model.times import MINUTE_MS
from tidegate.model.units import MICRO
from tidegate.risk.gate import Approval, Gate
from tidegate.risk.plan import Plan, Situation, Step
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.tape import Tape, Track
from tidegate.simulation.terms import ExchangeTerms
from tidegate.venues.paper_house import HouseTerms, PaperHouse

NOW = desk.NOW_MS
KEY, TRADE, WATCH = b"k" * 32, b"t" * 32, b"w" * 32
GATE = Gate(KEY)
FAST, SLOW = desk.BETA_BTC, desk.ALPHA_BTC
SLOW_MS = 30_000
STEPS = 60


def house(gate: Gate = GATE) -> PaperHouse:
    """Half a million at each venue; an order in `SLOW` rests for half a minute."""

    def track(ticks: int) -> Track:
        price = (ticks,) * STEPS
        return Track(price, price, price, price, (1e9,) * STEPS, (0.03,) * STEPS)

    tape = Tape(NOW, MINUTE_MS, STEPS, {n: track(t) for n, t in desk.MARKS.items()}, ())
    rules = {venue: ((NOW, rule),) for venue, rule in desk.RULES.items()}
    terms = ExchangeTerms(desk.INSTRUMENTS, rules, desk.COSTS, {}, desk.PASSAGES)
    devices = {"alpha": Device("alpha", 5, 300, cancels_protective=True)}
    made = PaperHouse(
        Exchange(tape, terms, 1), gate, HouseTerms(desk.INSTRUMENTS, {SLOW: SLOW_MS}, devices)
    )
    for venue in ("alpha", "beta"):
        made.deposit(venue, desk.COLLATERAL[venue], 500_000 * MICRO)
    return made


def pairs(count: int, sequence: int = 1, now_ms: int = NOW) -> tuple[Approval, ...]:
    """Approvals of hedged pairs of some 1,200 dollars a leg: an order that rests and one that
    fills, in turn."""
    steps = tuple(
        Step(
            (
                Order(f"{sequence}.{n}.slow", SLOW, 20, False, "test"),
                Order(f"{sequence}.{n}.fast", FAST, -2_000, False, "test"),
            )
        )
        for n in range(count)
    )
    return _approved(Plan(steps, raises=True), sequence, now_ms)


def slow(count: int, sequence: int = 1, now_ms: int = NOW) -> tuple[Approval, ...]:
    """Approvals of orders that rest."""
    return pairs(count, sequence, now_ms)[::2]


def transfer(dollars: int, sequence: int = 1) -> Approval:
    """An approval of money from alpha to beta."""
    sent = Transfer(f"{sequence}.send", "alpha", "beta", "USDT", dollars * MICRO, "test")
    (approval,) = _approved(Plan((Step((sent,)),), raises=False), sequence, NOW)
    return approval


def _approved(plan: Plan, sequence: int, now_ms: int) -> tuple[Approval, ...]:
    verdict = GATE.review(desk.terms(), _situation(now_ms), plan, sequence)
    assert isinstance(verdict, tuple), verdict
    return verdict


def _situation(now_ms: int) -> Situation:
    found = desk.situation(desk.portfolio({"alpha": 500_000.0, "beta": 500_000.0}))
    quotes: dict[str, Quote] = {
        name: msgspec.structs.replace(quote, as_of_ms=now_ms)
        for name, quote in found.snapshot.quotes.items()
    }
    snapshot = msgspec.structs.replace(found.snapshot, ts_ms=now_ms, quotes=quotes)
    return msgspec.structs.replace(found, snapshot=snapshot)


def lots(made: PaperHouse, name: str) -> int:
    """What the venue says we hold."""
    venue = desk.INSTRUMENTS[name].venue
    return made.statement(venue).account.positions.get(name, FLAT).lots
