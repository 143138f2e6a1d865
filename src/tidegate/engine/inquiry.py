# SPDX-License-Identifier: Apache-2.0
"""From the book, the market and the outlook to the programme's question, and back to targets."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.question import Answer, Edges, Legs, Question, Stakes, Wallets
from tidegate.engine.alarm import with_landings
from tidegate.engine.outlook import Outlook
from tidegate.execution.planning import Targets
from tidegate.margin.batch import tier_lines
from tidegate.margin.linear import LinearCross, SpotWallet
from tidegate.model.errors import ensure
from tidegate.model.instruments import Instrument, InstrumentId, Spot
from tidegate.model.units import MICRO
from tidegate.risk.plan import Situation, Terms, held_lots
from tidegate.risk.stress import Moves

FloatArray = NDArray[np.float64]
GROWTH_MARGIN = 1.02
DELTA_TOLERANCE = 1e-4
# What a wallet of dollars keeps back for the price to move between decision and fill.
SPENDING_SHARE = 0.995
# Initial margin is asked with a little more than the venue will ask, for costs and moving prices.
INITIAL_HEADROOM = 1.02
IMPACT_KNOTS_SHARE = np.array([0.0, 0.25, 1.0, 4.0])


def ask(terms: Terms, situation: Situation, outlook: Outlook, *, may_grow: bool) -> Question:
    """The allocation problem in units of equity."""
    equity = situation.equity_usd
    names = tuple(terms.instruments)
    venues = tuple(situation.portfolio.accounts)
    wallets = _wallets(terms, situation, venues, equity)
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
    )
    legs = _legs(terms, situation, outlook, (names, venues))
    edges = _edges(terms, situation, venues)
    return Question(legs, wallets, edges, stakes, outlook.scenarios, equity)


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
) -> Legs:
    names, venues = places
    equity, coins = situation.equity_usd, terms.mandate.coins
    contracts = [terms.instruments[name] for name in names]
    held = np.array([_notional_usd(situation, c) for c in contracts]) / equity
    rates, deductions = _margin_lines(terms, contracts, equity)
    slopes, intercepts = _impact(terms, situation, names)
    volumes = np.array([situation.snapshot.quotes[name].volume_day_usd for name in names])
    shares = np.array([terms.mandate.venue[c.venue].volume_share for c in contracts])
    leverage = np.array([terms.mandate.venue[c.venue].leverage for c in contracts])
    margined = np.array([not isinstance(c, Spot) for c in contracts])
    return Legs(
        names,
        np.array([venues.index(c.venue) for c in contracts]),
        np.array([coins.index(c.base) for c in contracts]),
        held,
        np.array([outlook.carry_annual[name] for name in names]),
        np.array([terms.costs[name].linear_rate() for name in names]),
        slopes,
        intercepts,
        rates,
        deductions,
        np.where(margined, INITIAL_HEADROOM / leverage, 0.0),
        margined,
        volumes * shares / equity,
    )


def _margin_lines(
    terms: Terms, contracts: list[Instrument], equity: float
) -> tuple[FloatArray, FloatArray]:
    """Convex pieces of every leg's maintenance; none for coins held outright."""
    tables = []
    for contract in contracts:
        rule = terms.rules[contract.venue]
        # A rule whose lines are not asked for would look as if it required nothing.
        ensure(isinstance(rule, LinearCross | SpotWallet), f"{contract.venue}: rule without lines")
        tables.append(rule.tiers[contract.id] if isinstance(rule, LinearCross) else None)
    known = [table for table in tables if table is not None]
    lines = tier_lines(known)
    rates = np.zeros((len(contracts), lines.rates.shape[1]))
    deductions = np.zeros_like(rates)
    rows = [index for index, table in enumerate(tables) if table is not None]
    rates[rows], deductions[rows] = lines.rates, lines.deductions / equity
    return rates, deductions


def _impact(
    terms: Terms, situation: Situation, names: tuple[InstrumentId, ...]
) -> tuple[FloatArray, FloatArray]:
    """Chords of Y sigma Q^(3/2) / sqrt(V) between knots, in units of equity: from above."""
    knots = IMPACT_KNOTS_SHARE
    coefficients = []
    for name in names:
        quote = situation.snapshot.quotes[name]
        unit = terms.costs[name].impact_coefficient * quote.vol_daily
        coefficients.append(unit * sqrt(situation.equity_usd / quote.volume_day_usd))
    values = knots**1.5
    slope = np.diff(values) / np.diff(knots)
    intercept = slope * knots[:-1] - values[:-1]
    scale = np.array(coefficients)[:, None]
    return scale * slope, scale * intercept


def _wallets(terms: Terms, situation: Situation, venues: tuple[str, ...], equity: float) -> Wallets:
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
        profit, cost = (0.0, 0.0) if frozen else _realisable(terms, situation, venue, state.equity)
        cap = terms.mandate.venue[venue].claim_cap
        columns["equity"].append(state.equity / MICRO / equity)
        columns["dollars"].append(SPENDING_SHARE * dollars / MICRO / equity)
        columns["out"].append(0.0 if frozen else state.withdrawable / MICRO / equity)
        columns["profit"].append(profit / equity)
        columns["cost"].append(cost)
        columns["landing"].append(landing / MICRO / equity)
        columns["room"].append(max(0.0, cap - (state.equity + landing) / MICRO / equity))
    arrays = {key: np.array(values) for key, values in columns.items()}
    margined = np.array([isinstance(terms.rules[v], LinearCross) for v in venues])
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
            cost += 2 * terms.costs[name].linear_rate() * abs(value)
    state = rule.state(account, situation.marks)
    bound = max(0, equity_quanta - state.initial - state.withdrawable)
    if profit <= 0 or bound == 0:
        return 0.0, 0.0
    return min(profit, bound) / MICRO, cost / profit


def _edges(terms: Terms, situation: Situation, venues: tuple[str, ...]) -> Edges:
    passages = list(terms.passages.values())
    frozen = set(situation.snapshot.frozen_venues)
    return Edges(
        np.array([venues.index(p.source) for p in passages], dtype=np.int64),
        np.array([venues.index(p.destination) for p in passages], dtype=np.int64),
        np.array([_loss_share(p.fee_quanta, float(p.received_share), situation) for p in passages]),
        np.array([not {p.source, p.destination} & frozen for p in passages], dtype=bool),
    )


def _loss_share(fee_quanta: int, received_share: float, situation: Situation) -> float:
    """Share of a transfer lost: conversion, and the fixed fee over a hundredth of equity."""
    return max(1e-6, 1 - received_share + fee_quanta / MICRO / (0.01 * situation.equity_usd))


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
    return Targets(amounts, routes, realise, reason)
