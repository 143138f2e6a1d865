# SPDX-License-Identifier: Apache-2.0
"""From the book, the market and the outlook to the programme's question, and back to targets."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.question import Answer, Claims, Edges, Legs, Question, Stakes, Wallets
from tidegate.costs.financing import Passage
from tidegate.engine.alarm import Level, claim_moves, with_landings
from tidegate.engine.outlook import Outlook
from tidegate.execution.planning import Targets
from tidegate.margin.batch import stacked_lines
from tidegate.margin.linear import SpotWallet
from tidegate.model.account import Account, Position
from tidegate.model.instruments import Instrument, InstrumentId, Spot
from tidegate.model.units import MICRO
from tidegate.risk.claims import are_watched, counted, watched_cap
from tidegate.risk.plan import Situation, Terms, held_lots, route_room_usd
from tidegate.risk.stress import Moves, scaled, stressed_health

FloatArray = NDArray[np.float64]
GROWTH_MARGIN = 1.02
DELTA_TOLERANCE = 1e-4
# What a wallet of dollars keeps back for the price to move between decision and fill.
SPENDING_SHARE = 0.995
# Initial margin is asked with a little more than the venue will ask, for costs and moving prices.
INITIAL_HEADROOM = 1.02
# Margin is bounded down to a price below what the stresses reach, and never below this fall.
LOWEST_MULTIPLE = 1.5
LOWEST_FALL = 0.9
IMPACT_KNOTS_SHARE = np.array([0.0, 0.1, 0.3, 0.6, 1.0])
SMALLEST_SPAN = 1e-6


def ask(terms: Terms, situation: Situation, outlook: Outlook, *, may_grow: bool) -> Question:
    """The allocation problem in units of equity."""
    equity = situation.equity_usd
    names = tuple(terms.instruments)
    venues = tuple(situation.portfolio.accounts)
    wallets = _wallets(terms, situation, venues, may_grow=may_grow)
    stress = GROWTH_MARGIN if may_grow else 1.0
    mandate = terms.mandate
    stakes = Stakes(
        mandate.limits.gross_leverage,
        _per_coin(terms, situation.outer) * stress,
        _per_coin(terms, situation.inner) * stress,
        outlook.tail_windows,
        float(mandate.mandate.target_delta_usd) / equity,
        DELTA_TOLERANCE,
        mandate.edge.payback_days / 365.0,
        may_grow,
        _claims(terms, situation, stress),
    )
    legs = _legs(terms, situation, outlook, (names, venues), may_grow=may_grow)
    edges = _edges(terms, situation, venues)
    return Question(legs, wallets, edges, stakes, outlook.scenarios, equity)


def _claims(terms: Terms, situation: Situation, stress: float) -> Claims | None:
    """Moves whose profit counts in claims; None where the mandate does not watch them."""
    if not are_watched(terms):
        return None
    contracts = list(terms.instruments.values())
    outer = counted(terms, scaled(situation.outer, stress))
    inner = {
        venue: counted(terms, claim_moves(terms, situation, venue))
        for venue in situation.portfolio.accounts
    }
    return Claims(
        np.array([outer[c.base] for c in contracts]),
        np.array([inner[c.venue][c.base] for c in contracts]),
    )


def _per_coin(terms: Terms, moves: Moves) -> FloatArray:
    return np.array([moves[coin] for coin in terms.mandate.coins])


def _notional_usd(situation: Situation, instrument: Instrument) -> float:
    lots = held_lots(situation.portfolio.accounts[instrument.venue], instrument)
    size = instrument.notional(lots, situation.marks[instrument.id]) / MICRO if lots else 0.0
    return size if lots > 0 else -size


def _legs(
    terms: Terms,
    situation: Situation,
    outlook: Outlook,
    places: tuple[tuple[InstrumentId, ...], tuple[str, ...]],
    *,
    may_grow: bool,
) -> Legs:
    names, venues = places
    equity, coins = situation.equity_usd, terms.mandate.coins
    contracts = [terms.instruments[name] for name in names]
    held = np.array([_notional_usd(situation, c) for c in contracts]) / equity
    rates, deductions = _margin_lines(terms, situation, contracts)
    volumes = np.array([situation.snapshot.quotes[name].volume_day_usd for name in names])
    shares = np.array([terms.mandate.venue[c.venue].volume_share for c in contracts])
    initial = np.array([_initial_rate(terms, situation, c) for c in contracts])
    margined = np.array([not isinstance(c, Spot) for c in contracts])
    gone = np.array([c.venue in situation.failed for c in contracts])
    caps = np.where(gone, 0.0, volumes * shares / equity)
    largest = np.abs(held) + terms.mandate.limits.gross_leverage
    spans = np.maximum(np.minimum(caps, largest) if may_grow else np.abs(held), SMALLEST_SPAN)
    slopes, intercepts = _impact(terms, situation, names, spans)
    return Legs(
        names,
        np.array([venues.index(c.venue) for c in contracts]),
        np.array([coins.index(c.base) for c in contracts]),
        held,
        np.array([outlook.carry_annual[name] for name in names]),
        np.array([terms.costs[n].linear_rate(situation.snapshot.quotes[n]) for n in names]),
        slopes,
        intercepts,
        rates,
        deductions,
        INITIAL_HEADROOM * initial,
        margined,
        caps,
    )


def _margin_lines(
    terms: Terms, situation: Situation, contracts: list[Instrument]
) -> tuple[FloatArray, FloatArray]:
    """Convex pieces of every leg's maintenance, good for all prices that the stresses reach and
    for as much of a leg as the mandate allows in all."""
    equity = situation.equity_usd
    span_usd = max(1.0, terms.mandate.limits.gross_leverage) * equity
    pieces = []
    for contract in contracts:
        falls = LOWEST_MULTIPLE * max(
            situation.outer[contract.base], situation.inner[contract.base]
        )
        lowest = max(1, int(situation.marks[contract.id] * (1 - min(falls, LOWEST_FALL))))
        pieces.append(terms.rules[contract.venue].lines(contract.id, lowest, span_usd))
    lines = stacked_lines(pieces)
    return lines.rates, lines.deductions / equity


def _initial_rate(terms: Terms, situation: Situation, contract: Instrument) -> float:
    """Initial margin per dollar of a leg, by the exact rule, of what is held or of one equity."""
    if isinstance(contract, Spot):
        return 0.0
    ticks = situation.marks[contract.id]
    held = abs(held_lots(situation.portfolio.accounts[contract.venue], contract))
    one = int(situation.equity_usd / contract.price(ticks) / float(contract.lot))
    lots = max(1, held, one)
    probe = Account(contract.venue, {}, {contract.id: Position(lots, contract.value(lots, ticks))})
    state = terms.rules[contract.venue].state(probe, situation.marks)
    chosen = 1 / terms.mandate.venue[contract.venue].leverage
    return max(chosen, state.initial / contract.notional(lots, ticks))


def _impact(
    terms: Terms, situation: Situation, names: tuple[InstrumentId, ...], spans: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Chords of Y sigma Q^(3/2) / sqrt(V) up to what may be traded of each leg now, in units of
    equity: from above."""
    coefficients = []
    for name in names:
        quote = situation.snapshot.quotes[name]
        unit = terms.costs[name].impact_coefficient * quote.vol_daily
        coefficients.append(unit * sqrt(situation.equity_usd / quote.volume_day_usd))
    knots = spans[:, None] * IMPACT_KNOTS_SHARE
    values = np.array(coefficients)[:, None] * knots**1.5
    slope = np.diff(values) / np.diff(knots)
    return slope, slope * knots[:, :-1] - values[:, :-1]


def _spared(terms: Terms, situation: Situation, account: Account) -> int:
    """What an account can do without and ring no alarm while it holds what it holds now: money that
    leaves to let the book grow leaves before any position is closed."""
    rule, contracts = terms.rules[account.venue], terms.instruments
    alarm = scaled(situation.outer, terms.mandate.stress.transfer_trigger)
    health = stressed_health(rule, account, situation.marks, contracts, alarm)
    return max(0, health)


def _wallets(
    terms: Terms, situation: Situation, venues: tuple[str, ...], *, may_grow: bool
) -> Wallets:
    equity = situation.equity_usd
    # A claim above its cap is called nought where it is not to be brought down.
    least = -inf if are_watched(terms) else 0.0
    columns: dict[str, list[float]] = {
        key: [] for key in ("equity", "dollars", "out", "profit", "cost", "landing", "room")
    }
    for venue in venues:
        account = situation.portfolio.accounts[venue]
        rule = terms.rules[venue]
        state = rule.state(account, situation.marks)
        awaited = with_landings(terms, situation, account)
        dollars = account.balances.get(rule.collateral, 0)
        landing = awaited.balances.get(rule.collateral, 0) - dollars
        frozen = venue in situation.snapshot.frozen_venues
        spared = _spared(terms, situation, account)
        profit, cost = (0.0, 0.0) if frozen else _realisable(terms, situation, venue, state.equity)
        cap = watched_cap(terms, venue)
        columns["equity"].append(state.equity / MICRO / equity)
        columns["dollars"].append(SPENDING_SHARE * dollars / MICRO / equity)
        free = min(state.withdrawable, spared) if may_grow else state.withdrawable
        columns["out"].append(0.0 if frozen else free / MICRO / equity)
        columns["profit"].append(profit / equity)
        columns["cost"].append(cost)
        columns["landing"].append(landing / MICRO / equity)
        columns["room"].append(max(least, cap - (state.equity + landing) / MICRO / equity))
    arrays = {key: np.array(values) for key, values in columns.items()}
    margined = np.array([not isinstance(terms.rules[v], SpotWallet) for v in venues])
    return Wallets(
        venues,
        arrays["equity"],
        arrays["dollars"],
        arrays["out"],
        arrays["profit"],
        arrays["cost"],
        arrays["landing"],
        arrays["room"],
        margined,
    )


def _realisable(
    terms: Terms, situation: Situation, venue: str, equity_quanta: int
) -> tuple[float, float]:
    """Profit that a roll would make withdrawable, in dollars, and the cost per dollar of it."""
    account, rule = situation.portfolio.accounts[venue], terms.rules[venue]
    profit, notional, cost = 0, 0, 0.0
    for name, position in account.positions.items():
        value = terms.instruments[name].value(position.lots, situation.marks[name])
        gain = value - position.cost
        if gain > 0:
            profit, notional = profit + gain, notional + abs(value)
            rate = terms.costs[name].linear_rate(situation.snapshot.quotes[name])
            cost += 2 * rate * abs(value)
    state = rule.state(account, situation.marks)
    bound = max(0, equity_quanta - state.initial - state.withdrawable)
    if profit <= 0 or bound == 0:
        return 0.0, 0.0
    return min(profit, bound) / MICRO, cost / profit


def _edges(terms: Terms, situation: Situation, venues: tuple[str, ...]) -> Edges:
    passages = list(terms.passages.values())
    least_usd = terms.mandate.limits.minimum_transfer_usd
    return Edges(
        np.array([venues.index(p.source) for p in passages], dtype=np.int64),
        np.array([venues.index(p.destination) for p in passages], dtype=np.int64),
        np.array([_loss_share(p, situation) for p in passages]),
        np.array([_opened(p, situation, least_usd) for p in passages], dtype=bool),
    )


def _opened(passage: Passage, situation: Situation, least_usd: float) -> bool:
    """Whether a route can take now what is worth sending."""
    room_usd = route_room_usd(passage, situation)
    return room_usd > 0 and room_usd >= least_usd


def _loss_share(passage: Passage, situation: Situation) -> float:
    """Share of a transfer lost: conversion at the market's prices of both coins where they are
    known, and the fixed fee over a hundredth of equity; never a gain."""
    worth = situation.snapshot.stable_micro
    sent, received = (worth.get(a, 0) for a in (passage.asset_sent, passage.asset_received))
    parity = sent / received if sent and received else 1.0
    fee = passage.fee_quanta / MICRO / (0.01 * situation.equity_usd)
    return max(1e-6, 1 - float(passage.received_share) * parity + fee)


def targets(
    terms: Terms, situation: Situation, question: Question, answer: Answer, reason: str
) -> Targets:
    """The answer in base coins and dollars."""
    equity = question.equity_usd
    amounts = {}
    for name, target in zip(question.legs.names, answer.target.tolist(), strict=True):
        instrument = terms.instruments[name]
        amounts[name] = target * equity / instrument.price(situation.marks[name])
    routes = {}
    for index, amount in enumerate(answer.transfer.tolist()):
        source = question.wallets.names[int(question.edges.source[index])]
        destination = question.wallets.names[int(question.edges.destination[index])]
        routes[source, destination] = amount * equity
    realise = dict(zip(question.wallets.names, (answer.realise * equity).tolist(), strict=True))
    return Targets(amounts, routes, realise, reason, reason == Level.REDUCE.value)
