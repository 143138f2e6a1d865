# SPDX-License-Identifier: Apache-2.0
"""The joint plan as a policy: what `tidegate plan` says of the book, carried out at once.

`Switches` take one part of it away at a time; see `backtest.less`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.solve import SolveError
from tidegate.backtest.less import Kept, decide_with
from tidegate.backtest.option_study import terms
from tidegate.backtest.option_study.books import Held, Look, Told, plan_book
from tidegate.backtest.option_study.candidates import offered
from tidegate.backtest.option_study.market import COINS
from tidegate.backtest.option_study.world import (
    accounts,
    hedge,
    send,
    trade_option,
    trade_perp,
)
from tidegate.engine.plan.after import Changes
from tidegate.engine.plan.asking import Asked, NoEquity
from tidegate.engine.plan.book import PlanAccount, PlanBook
from tidegate.engine.plan.deciding import Outcome, decide
from tidegate.engine.plan.moves import moved, moves_of
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.market_values import Key, forward_of, index_of, vol_of
from tidegate.model.instruments import Option
from tidegate.model.mandate import read_plan_mandate
from tidegate.model.plan_terms import PlanTerms, plan_terms
from tidegate.model.times import DAY_MS

FloatArray = NDArray[np.float64]
BAND_USD = 25_000.0


@dataclass(frozen=True, slots=True)
class Switches:
    """What a joint plan is with: moves to be stood, days between decisions, and its parts."""

    btc: float = 0.15
    eth: float = 0.20
    every_days: float = 3.0
    transfers: bool = True
    reductions: bool = True
    instant: bool = False
    certificate: bool = True
    bands: bool = True
    venue_margin: bool = True
    alone: bool = False


@cache
def mandate(switches: Switches) -> PlanTerms:
    """The mandate of some switches."""
    text = terms.MANDATE.format(
        btc=switches.btc,
        eth=switches.eth,
        outage=0 if switches.instant else 6,
        least=2_000 if switches.bands else 100,
        least_t=terms.MINIMUM_T,
    )
    return plan_terms(read_plan_mandate(text, "option study"))


@dataclass(frozen=True, slots=True)
class Step:
    """A book after a policy's acts, when it last looked for a better one, and why nothing was done
    where nothing could be."""

    held: Held
    decided_ms: int
    refused: str = ""


def act(held: Held, look: Look, last: Step | None, switches: Switches) -> Step:
    """Decide when it is time or an account no longer stands the inner moves; else only hedge."""
    every_ms = switches.every_days * DAY_MS - DAY_MS / 4
    due = last is None or look.ts_ms - last.decided_ms >= every_ms
    if not due and not (switches.reductions and _in_distress(held, look, mandate(switches))):
        return Step(hedge(held, look, BAND_USD), last.decided_ms if last else 0)
    after, refused = _decided(held, look, switches)
    return Step(hedge(after, look, BAND_USD), look.ts_ms, refused)


def _in_distress(held: Held, look: Look, said: PlanTerms) -> bool:
    """Whether an account is below maintenance at an inner move of its coins."""
    found = accounts(held, look).accounts
    if any(least_health(found[venue], said) < 0.0 for venue in terms.DERIBIT.values()):
        return True
    perps = found[terms.BINANCE]
    if not perps.book.holdings.positions:
        return False
    for move in moves_of(perps, terms.INNER):
        market = moved(perps, move, said.vol)
        there = replace(perps, book=replace(perps.book, market=market))
        if there.statement().health < 0.0:
            return True
    return False


def least_health(account: PlanAccount, said: PlanTerms) -> float:
    """Least health of an account of options over the ends of the inner moves of price and vols."""
    holdings, market = account.book.holdings, account.book.market
    rule = account.book.rule
    assert isinstance(rule, DeribitPortfolio)
    if not holdings.positions:
        return math.inf
    coin = holdings.positions[0].instrument.base
    inner = terms.INNER[coin]
    ratio = np.repeat([1.0 - inner, 1.0, 1.0 + inner], 3)
    vols = np.tile([1.0 - said.vol.down, 1.0, 1.0 + said.vol.up], 3)
    moved_to: dict[Key, FloatArray] = {index_of(coin): market.value(index_of(coin)) * ratio}
    for each in holdings.positions:
        assert isinstance(each.instrument, Option)
        forward = forward_of(coin, each.instrument.expiry_ms)
        moved_to[forward] = market.value(forward) * ratio
        moved_to[vol_of(each.instrument.id)] = market.value(vol_of(each.instrument.id)) * vols
    return float(rule.moving(holdings, market).statements(moved_to).health.min())


def _decided(held: Held, look: Look, switches: Switches) -> tuple[Held, str]:
    said = mandate(switches)
    told = Told(routes=switches.transfers)
    if switches.instant:
        told = Told(median_s=1.0, p95_s=1.0)
    book = plan_book(held, look, offered(held, look), told)
    try:
        if switches.alone:
            return _each_alone(held, look, book, said)
        asked, changed, refused = _changes(book, said, switches)
    except (NoEquity, SolveError) as error:
        return held, str(error)
    return (held if changed is None else carried_out(held, look, asked, changed)), refused


def _changes(
    book: PlanBook, said: PlanTerms, switches: Switches
) -> tuple[Asked, Changes | None, str]:
    flat = frozenset[str]() if switches.venue_margin else frozenset(terms.DERIBIT.values())
    kept = Kept(switches.certificate, switches.bands, flat_venues=flat)
    decision = decide_with(kept, book, said)
    words = "; ".join(f"{each.step}: {each.why}" for each in decision.refusals)
    none = decision.outcome is Outcome.NONE
    return decision.asked, None if none else decision.changed, words


def _each_alone(held: Held, look: Look, book: PlanBook, said: PlanTerms) -> tuple[Held, str]:
    """Every account of options by itself, without routes, its delta left to the hedge."""
    words = []
    limits = replace_naked(said)
    for coin in COINS:
        venue = terms.DERIBIT[coin]
        account = book.accounts[venue]
        names = {each.id for each in account.dealt}
        if not names:
            continue
        alone = replace(
            book,
            accounts={venue: account},
            ways=(),
            edges={n: e for n, e in book.edges.items() if n in names},
            costs={n: e for n, e in book.costs.items() if n in names},
        )
        try:
            decision = decide(alone, limits)
        except (NoEquity, SolveError) as error:
            words.append(f"{venue}: {error}")
            continue
        if decision.outcome is Outcome.NONE:
            words += [f"{venue}: {each.why}" for each in decision.refusals]
        else:
            held = carried_out(held, look, decision.asked, decision.changed)
    return held, "; ".join(words)


def replace_naked(said: PlanTerms) -> PlanTerms:
    """A mandate under which delta is somebody else's, and all of equity may stand at a venue."""
    import msgspec

    whole = said.mandate
    limits = msgspec.structs.replace(whole.limits, naked_usd=1e9)
    venues = {n: msgspec.structs.replace(v, claim_cap=1.0) for n, v in whole.venue.items()}
    return replace(said, mandate=msgspec.structs.replace(whole, limits=limits, venue=venues))


def carried_out(held: Held, look: Look, asked: Asked, changed: Changes) -> Held:
    """Trades and transfers of a plan."""
    options = {
        f"{terms.DERIBIT[e.coin]}:{e.symbol}": e for e in (*held.options, *offered(held, look))
    }
    for place in np.flatnonzero(changed.lots.traded).tolist():
        bound = asked.bounds[place]
        size = float(changed.lots.traded[place]) * bound.lot_usd / bound.per_size
        if bound.instrument.id in options:
            held = trade_option(held, look, options[bound.instrument.id], size)
        else:
            held = trade_perp(held, look, bound.instrument.base, round(size, 3))
    for each in changed.transfers:
        held = send(held, look, each.way.source, each.way.destination, each.sent)
    return held


Policy = Callable[[Held, Look, Step | None], Step]


def policy(switches: Switches) -> Policy:
    """The joint plan with some switches, as a policy."""
    return lambda held, look, last: act(held, look, last, switches)
