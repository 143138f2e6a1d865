# SPDX-License-Identifier: Apache-2.0
"""The joint plan as the cycle's programme: whole accounts, certified, in the cycle's own terms.

Where a mandate says `[allocation] programme = "joint"`, a review asks `engine.plan` of the book as
the ledger has it: accounts under their exact rules, solvency by named stresses and by CVaR over the
outlook's scenarios, and a certificate of every account that changes. What comes back is an answer
as the other programme gives it, so that targets, gate, desk, journal and replay are the same. In
distress the cycle defends by `allocation.deleveraging` under either programme.

What is asked is made of the decision's journalled inputs alone:

    accounts     portfolio, rules and marks of the situation; coins in a wallet are not traded
    stresses     those that hold now, not below the mandate's, times `GROWTH_MARGIN`
    delta        of each coin nought, to a lot
    edges        of each coin's best pair, c/2 a leg with error s / sqrt(2 (1 - rho)), so that the
                 pair's own error is s; c is what the next `payback_days` earn on the mean
    scenarios    the outlook's: lowest and highest prices before money lands, and after
    yields       what the feed expects of dollars at each venue, if it says; else nought
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import sqrt
from time import monotonic

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.joint.compiled import Compiled
from tidegate.allocation.joint.question import Answer as JointAnswer
from tidegate.allocation.joint.question import Question as JointQuestion
from tidegate.allocation.question import Answer, Question
from tidegate.allocation.solve import SolveError
from tidegate.costs.financing import Passage
from tidegate.engine.inquiry import DELTA_TOLERANCE, GROWTH_MARGIN
from tidegate.engine.margin_book.account_book import AccountBook
from tidegate.engine.margin_book.exact_account import ExactAccount, WalletAccount
from tidegate.engine.outlook import Outlook
from tidegate.engine.plan.after import STEP, Transfer
from tidegate.engine.plan.asking import NoEquity
from tidegate.engine.plan.book import CarryTerms, DealingCosts, PlanAccount, PlanBook, Way
from tidegate.engine.plan.deciding import Decision, Outcome, decide
from tidegate.engine.plan.history_paths import Scenarios
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.linear import SpotWallet
from tidegate.margin.market_values import Key, MarketValues, Seen, index_of, mark_of
from tidegate.margin.registry import card
from tidegate.margin.statement import AccountRule
from tidegate.model.account import Account
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, InstrumentId, Spot
from tidegate.model.plan_terms import PlanTerms, plan_terms
from tidegate.model.times import SECOND_MS
from tidegate.model.units import MICRO, unit_quanta
from tidegate.risk.claims import owed_quanta
from tidegate.risk.factor_paths import Names, neutral
from tidegate.risk.plan import Situation, Terms, route_room_usd

FloatArray = NDArray[np.float64]
WHERE = "book"
# What the solver may take for one review; later its answer would be of another market.
TIME_LIMIT_S = 60.0
LARGEST_MOVE = 0.99
# How far from hedged a book may be aimed at, a share of equity: the second where its lots do not
# fit the first. What is naked of it the cycle's own rounding takes off.
NAKED = (DELTA_TOLERANCE, 10.0 * DELTA_TOLERANCE)
LEAST_LATENCY_S = 1e-3


@dataclass(frozen=True, slots=True)
class Grounds:
    """All that a joint plan is made of."""

    terms: Terms
    situation: Situation
    outlook: Outlook


class _OutOfTime(Exception):
    """The time is over, whatever step of the ladder it was."""


Decides = Callable[[PlanBook, PlanTerms, Scenarios], Decision]
Join = Callable[[Question, Grounds], Answer]


def join(question: Question, grounds: Grounds) -> Answer:
    """The joint plan of what is seen; `question` is the same book as the other programme is asked,
    whose order and unit the answer has.

    Raises: `SolveError` where there is no plan that is certified, or none in time: then the present
    book stays, which is the last one that was.
    """
    return answered(question, grounds, _in_time)


def answered(question: Question, grounds: Grounds, decides: Decides) -> Answer:
    """As `join`, with another way from a book to its decision."""
    book, why = book_of(grounds), ""
    seen = scenarios_of(grounds, book)
    for naked in NAKED:
        try:
            decision = decides(book, terms_of(grounds, naked), seen)
        except _OutOfTime:
            raise SolveError(f"time limit of {TIME_LIMIT_S:g} s for the joint plan") from None
        except (NoEquity, InputError) as error:
            raise SolveError(f"no joint plan: {error}") from None
        if decision.answer is not None and decision.outcome not in (Outcome.HOLD, Outcome.NONE):
            return _answer(question, grounds, decision, decision.answer)
        words = "; ".join(f"{each.step}: {each.why}" for each in decision.refusals)
        why = f"{decision.outcome}: {words}"
    raise SolveError(why)


def _in_time(book: PlanBook, said: PlanTerms, scenarios: Scenarios) -> Decision:
    """`decide` within the time; a time-out is no step of its ladder."""
    end = monotonic() + TIME_LIMIT_S

    def solve(question: JointQuestion) -> JointAnswer:
        try:
            return Compiled(question).solve(lambda: end - monotonic())
        except SolveError:
            if monotonic() >= end:
                raise _OutOfTime from None
            raise

    return decide(book, said, solve, scenarios=scenarios)


# The mandate and the book.


def terms_of(grounds: Grounds, naked_share: float = DELTA_TOLERANCE) -> PlanTerms:
    """The mandate with the stress moves that hold now. What may stay naked is for legs under way:
    a book that is aimed at is hedged, to a lot."""
    terms, situation = grounds.terms, grounds.situation
    mandate, equity = terms.mandate, situation.equity_usd
    lots_usd = [float(i.lot) * i.price(situation.marks[n]) for n, i in terms.instruments.items()]
    naked = min(mandate.limits.naked_usd, max(naked_share * equity, *lots_usd))
    stress = msgspec.structs.replace(
        mandate.stress, outer=_grown(situation.outer), inner=_grown(situation.inner)
    )
    limits = msgspec.structs.replace(mandate.limits, naked_usd=naked)
    return plan_terms(msgspec.structs.replace(mandate, stress=stress, limits=limits))


def _grown(moves: Mapping[str, float]) -> dict[str, float]:
    return {coin: min(LARGEST_MOVE, move * GROWTH_MARGIN) for coin, move in moves.items()}


def book_of(grounds: Grounds) -> PlanBook:
    """The portfolio as the book of a plan."""
    terms, situation = grounds.terms, grounds.situation
    usd = _dollars(grounds)
    accounts = {
        venue: PlanAccount(_account(grounds, account), terms.rules[venue].collateral, usd)
        for venue, account in situation.portfolio.accounts.items()
    }
    return PlanBook(
        where=WHERE,
        ts_ms=situation.snapshot.ts_ms,
        accounts=accounts,
        ways=tuple(_way(each, situation, terms) for each in terms.passages.values()),
        edges=_edges(grounds),
        costs=_costs(grounds),
        yields=situation.snapshot.yields_annual or {},
        correlation=None,
        unknown=(),
    )


def _dollars(grounds: Grounds) -> dict[str, float]:
    """What dollar coins are worth: at the market where it is seen, else as the mandate says."""
    seen = grounds.situation.snapshot.stable_micro
    usd = {"USD": 1.0}
    for asset, said in grounds.terms.mandate.stable.items():
        micro = seen.get(asset)
        usd[asset] = float(said.price_usd.value) if micro is None else micro / MICRO
    return usd


def _account(grounds: Grounds, account: Account) -> AccountBook:
    terms = grounds.terms
    own = {n: i for n, i in terms.instruments.items() if i.venue == account.venue}
    return AccountBook(
        where=WHERE,
        venue=account.venue,
        card=card(terms.mandate.venue[account.venue].rule),
        rule=_rule(terms, account.venue, own),
        holdings=Holdings(
            tuple(
                _holding(own[name], position.lots, position.cost)
                for name, position in account.positions.items()
                if position.lots
            ),
            {asset: quanta / unit_quanta(asset) for asset, quanta in account.balances.items()},
        ),
        market=_market(grounds.situation, own),
        instruments={each.symbol: each for each in own.values()},
        unknown=(),
    )


def _rule(terms: Terms, venue: str, own: Mapping[InstrumentId, Instrument]) -> AccountRule:
    name, rule = terms.mandate.venue[venue].rule, terms.rules[venue]
    coins = {each.base: each for each in own.values() if isinstance(each, Spot)}
    wallet = isinstance(rule, SpotWallet)
    return WalletAccount(name, rule, coins) if wallet else ExactAccount(name, rule, own)


def _holding(instrument: Instrument, lots: int, cost: int) -> Holding:
    size = float(lots * instrument.lot)
    return Holding(instrument, size, cost / unit_quanta(instrument.settle) / size)


def _market(situation: Situation, own: Mapping[InstrumentId, Instrument]) -> MarketValues:
    """Marks now; how old they may be is for the gate to say."""
    now_ms, values = situation.snapshot.ts_ms, dict[Key, Seen]()
    for name, each in own.items():
        price = each.price(situation.marks[name])
        values[mark_of(name)] = values[index_of(each.base)] = Seen(price, now_ms)
    for asset, micro in situation.snapshot.stable_micro.items():
        values[index_of(asset)] = Seen(micro / MICRO, now_ms)
    return MarketValues(now_ms, values, SECOND_MS)


def _way(passage: Passage, situation: Situation, terms: Terms) -> Way:
    room_usd = route_room_usd(passage, situation)
    return Way(
        source=passage.source,
        destination=passage.destination,
        fee=passage.fee_quanta / unit_quanta(passage.asset_sent),
        minimum=passage.minimum_quanta / unit_quanta(passage.asset_sent),
        latency_median_s=max(LEAST_LATENCY_S, passage.latency_median_s),
        latency_p95_s=max(LEAST_LATENCY_S, passage.latency_p95_s),
        received_share=float(passage.received_share),
        frozen=not room_usd > 0.0 or room_usd < terms.mandate.limits.minimum_transfer_usd,
    )


def _edges(grounds: Grounds) -> dict[InstrumentId, CarryTerms]:
    """Every leg; the best pair of a coin earns, by half on either side."""
    edge, contracts = grounds.terms.mandate.edge, grounds.terms.instruments
    said = plan_terms(grounds.terms.mandate)
    # The forecast is of the mean over the payback time, so that its decay is in it already.
    life_days = edge.payback_days / said.payback_share
    spread = sqrt(2.0 * (1.0 - max(0.0, edge.correlation)))
    found = {name: CarryTerms(0.0, 0.0, life_days) for name in contracts}
    carry = grounds.outlook.carry_annual
    for each in grounds.outlook.edges:
        long, short = each.long_instrument, each.short_instrument
        if carry[long] > 0.0 > carry[short]:
            half, error = each.carry_annual / 2.0, each.standard_error_annual / spread
            found[long] = CarryTerms(half, error, life_days)
            found[short] = CarryTerms(-half, error, life_days)
    return found


def _costs(grounds: Grounds) -> dict[InstrumentId, DealingCosts]:
    found = {}
    for name, costs in grounds.terms.costs.items():
        quote = grounds.situation.snapshot.quotes[name]
        found[name] = DealingCosts(
            taker_fee=costs.taker_ppm / MICRO,
            half_spread=costs.spread_at(quote),
            volume_day_usd=quote.volume_day_usd,
            # A plan's impact has no coefficient: it stands with the volatility.
            vol_daily=costs.impact_coefficient * quote.vol_daily,
        )
    return found


def scenarios_of(grounds: Grounds, book: PlanBook) -> Scenarios:
    """The outlook's scenarios as paths: lowest and highest before money lands, then after, when it
    has by every way that is open. The last of them is the jump, in which nothing lands before."""
    seen, outlook = grounds.outlook.scenarios, grounds.outlook
    coins = grounds.terms.mandate.coins
    order = [coins.index(coin) for coin in book.coins]
    stages = (seen.low_before, seen.high_before, seen.low_after, seen.high_after)
    price = np.stack([each[:, order] for each in stages], axis=1)
    stables = tuple(sorted({asset for each in book.accounts.values() for asset in each.usd}))
    names = Names(book.coins, tuple(book.accounts), stables, len(book.ways))
    paths = neutral(names, price, min(max(1.0, outlook.tail_windows), len(price)), "outlook")
    landed = np.array(paths.landed)
    landed[:, 2:] = [not way.frozen for way in book.ways]
    windows = round(outlook.tail_windows / grounds.terms.mandate.limits.solvency_tail)
    vols = tuple(outlook.vol_daily[coin] for coin in book.coins)
    window_s = float(grounds.terms.mandate.mandate.decision_interval_s)
    return Scenarios(replace(paths, landed=landed), windows, window_s, vols, "the outlook")


# The decision, in the order and the unit of the question.


def _answer(question: Question, grounds: Grounds, decision: Decision, found: JointAnswer) -> Answer:
    asked, venues = decision.asked, question.wallets.names
    values = dict(zip((each.venue for each in asked.accounts), found.dollar_value, strict=True))
    prices = sorted(found.prices.items(), key=lambda item: (-item[1], item[0]))
    return Answer(
        target=_targets(question, grounds, decision),
        transfer=_transfers(question, grounds, decision),
        realise=np.zeros(len(venues)),
        outer_shortfall=np.zeros(len(venues)),
        inner_shortfall=np.zeros(len(venues)),
        objective=float(found.objective),
        dollar_value=np.array([float(values[venue]) for venue in venues]),
        binding=tuple((name, float(price)) for name, price in prices if price > 0.0),
        bound=float(found.bound),
    )


def _targets(question: Question, grounds: Grounds, decision: Decision) -> FloatArray:
    """Notionals after the changes, a dollar coin counted as a dollar as everywhere in the cycle;
    of what a plan does not deal in, what is held."""
    target = np.array(question.legs.held)
    place = {name: index for index, name in enumerate(question.legs.names)}
    bounds, lots = decision.asked.bounds, decision.changed.lots.target.tolist()
    for bound, count in zip(bounds, lots, strict=True):
        each = bound.instrument
        price = each.price(grounds.situation.marks[each.id])
        target[place[each.id]] = float(count * each.lot) * price / question.equity_usd
    return target


def _transfers(question: Question, grounds: Grounds, decision: Decision) -> FloatArray:
    sent = {
        (t.way.source, t.way.destination): t.sent - _over_claim(grounds, t)
        for t in decision.changed.transfers
    }
    return np.array([sent.get(ends, 0.0) for ends in grounds.terms.passages]) / question.equity_usd


def _over_claim(grounds: Grounds, made: Transfer) -> float:
    """What of a transfer is above the room of a claim, where that is no more than is lost on the
    way: the plan counts what arrives, and the gate what is sent."""
    terms, situation = grounds.terms, grounds.situation
    venue = made.way.destination
    cap = terms.mandate.venue[venue].claim_cap * situation.equity_usd
    over = made.sent - (cap - owed_quanta(terms, situation, venue) / MICRO)
    return over + STEP if 0.0 < over <= made.sent - made.received else 0.0
