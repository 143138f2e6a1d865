# SPDX-License-Identifier: Apache-2.0
"""A book and a mandate as one joint question, in units of the book's equity.

A move must pay back within `payback_share` of the half-life of its edge, and within
`edge.payback_days`: so that is the time that carry is counted for. Edges of other half-lives count
in proportion. `edge.minimum_t` standard errors of the whole book's carry are taken off it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.joint.question import Edges, Nodes, Positions, Question, Tail
from tidegate.engine.margin_book.exact_account import ExactAccount
from tidegate.engine.plan.book import PlanAccount, PlanBook
from tidegate.engine.plan.bounds import Bound, bounds_of
from tidegate.engine.plan.history_paths import Scenarios, scenarios_of
from tidegate.engine.plan.history_tails import NAME, Seat, history_tail
from tidegate.engine.plan.levels import inner_moves
from tidegate.engine.plan.limits import (
    BookGreeks,
    Box,
    as_boxes,
    belongs,
    book_greeks,
    boxes_of,
    gross_limits,
    orphan_rate,
)
from tidegate.engine.plan.moves import STILL, VOLS, Move, moved, moves_of
from tidegate.engine.plan.requirement import Standing, has_convex_form, may_change, standing
from tidegate.engine.plan.shared_functions import Scale, SharedFunctions
from tidegate.engine.plan.tails import Place, Point, points_of, stress_tail, with_weights
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option
from tidegate.model.plan_terms import PlanTerms

FloatArray = NDArray[np.float64]
DAY_S = 86_400.0
DAYS_YEAR = 365.0
STEPS = 3
# A share of equity kept between a programme's limits and the exact rules, for lots and rounding.
KEPT = 1e-5


class NoEquity(Exception):
    """All accounts together are worth nothing, or less."""

    def __init__(self, equity_usd: float) -> None:
        super().__init__(f"all accounts together are worth {equity_usd:,.2f} USD")
        self.equity_usd = equity_usd


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A question with what its indices mean: `bounds` by position, accounts by node and venue.
    `fixed` are venues of which nothing is traded: no proof covers them, or their equity is gone."""

    question: Question
    book: PlanBook
    terms: PlanTerms
    bounds: tuple[Bound, ...]
    boxes: tuple[Box, ...]
    accounts: tuple[PlanAccount, ...]
    greeks: BookGreeks
    statements: tuple[Statement, ...]
    equity_usd: float
    horizon_years: float
    fixed: frozenset[str]
    scenarios: Scenarios | None
    filling: Mapping[str, float]

    @property
    def waiting(self) -> frozenset[str]:
        """Venues that wait for money."""
        return frozenset(self.filling)

    @property
    def broke(self) -> frozenset[str]:
        """Venues whose account has no equity left: nothing can be traded there before money is."""
        pairs = zip(self.accounts, self.statements, strict=True)
        return frozenset(account.venue for account, stated in pairs if stated.equity <= 0.0)

    @property
    def drowned(self) -> frozenset[str]:
        """Venues without equity that money is sent to: nothing is stood there until it lands."""
        return self.broke & self.waiting

    @property
    def held(self) -> FloatArray:
        """Notionals held, units of equity."""
        return self.question.positions.held

    def members(self, account: PlanAccount) -> NDArray[np.int64]:
        """Places of an account's positions."""
        places = [i for i, bound in enumerate(self.bounds) if bound.account is account]
        return np.array(places, dtype=np.int64)


def ask(
    book: PlanBook,
    terms: PlanTerms,
    kept: Mapping[str, float] | None = None,
    sent_usd: Mapping[str, float] | None = None,
    scenarios: Scenarios | None = None,
    filling: Mapping[str, float] | None = None,
) -> Asked:
    """The question of a book under a mandate; `kept` by venue is health that is kept beyond none,
    a share of equity, once exact rules have refused an answer. `sent_usd` by route is the amount
    that its fixed fee is a share of, else all that may leave; a route with 0 is not used.
    `scenarios` are those of the book's history, made where they are not given; `filling` are venues
    that wait for money, see `levels`, each with the health that it is filled to beyond none at the
    outer stress, a share of equity.

    Raises: `InputError` where a coin has no stress, `NoEquity` where nothing is left to allocate.
    """
    require_stresses(book, terms)
    accounts = tuple(book.accounts.values())
    statements = tuple(each.statement() for each in accounts)
    equities = [s.equity * a.price(s.unit) for a, s in zip(accounts, statements, strict=True)]
    total = sum(equities)
    if not total > 0.0:
        raise NoEquity(total)
    fills = filling or {}
    bounds = bounds_of(book, terms, total, fills)
    seen = scenarios or scenarios_of(book, terms)
    worth = np.array(equities)
    work = _Work(
        book, terms, bounds, accounts, statements, worth, total, {}, sent_usd or {}, seen, fills
    )
    return work.asked(kept or {})


def require_stresses(book: PlanBook, terms: PlanTerms) -> None:
    """Raises `InputError` for a coin of the book without a move in the mandate."""
    for coin in book.coins:
        if coin not in terms.mandate.stress.outer:
            raise InputError("mandate", "stress.outer", f"expected a move for {coin}")


def horizon_years(book: PlanBook, terms: PlanTerms) -> float:
    """The time within which a move must pay back, for the edges of longest half-life."""
    edge = terms.mandate.edge
    return min(terms.payback_share * half_life_days(book, terms), edge.payback_days) / DAYS_YEAR


def half_life_days(book: PlanBook, terms: PlanTerms) -> float:
    """The longest half-life of the book's edges, or the mandate's where it has none."""
    found = [each.half_life_days for each in book.edges.values()]
    return max(found, default=terms.mandate.edge.half_life_days)


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """What the parts of a question are made from."""

    book: PlanBook
    terms: PlanTerms
    bounds: tuple[Bound, ...]
    accounts: tuple[PlanAccount, ...]
    statements: tuple[Statement, ...]
    equities: FloatArray
    total: float
    known: dict[tuple[int, tuple[tuple[str, float], ...], int], Standing]
    sent_usd: Mapping[str, float]
    scenarios: Scenarios | None
    filling: Mapping[str, float]

    def asked(self, kept: Mapping[str, float]) -> Asked:
        greeks = book_greeks(self.book, self.bounds)
        boxes = boxes_of(self.book, self.terms, self.bounds, greeks)
        functions = SharedFunctions(len(self.bounds))
        amounts = self.equities / self.total
        tails, fixed = self.tails(functions, kept)
        question = Question(
            venues=tuple(each.venue for each in self.accounts),
            positions=self.positions(greeks),
            functions=functions.arrays(),
            nodes=self.nodes(amounts),
            edges=self.edges(fixed),
            tails=tuple(tails),
            boxes=as_boxes(boxes, self.total, len(self.bounds)),
            gross=tuple(gross_limits(self.book, self.terms, self.bounds, greeks, amounts)),
            step_years=self.step_years(),
            turnover=self.terms.mandate.limits.turnover_per_day,
            shrinkage=self.terms.mandate.edge.minimum_t,
            equity_usd=self.total,
        )
        horizon = horizon_years(self.book, self.terms)
        return Asked(
            question,
            self.book,
            self.terms,
            self.bounds,
            tuple(boxes),
            self.accounts,
            greeks,
            self.statements,
            self.total,
            horizon,
            frozenset(a.venue for i, a in enumerate(self.accounts) if not self.may_change(i)),
            self.scenarios,
            self.filling,
        )

    # Positions.

    def positions(self, greeks: BookGreeks) -> Positions:
        book, bounds = self.book, self.bounds
        venues = [self.accounts.index(bound.account) for bound in bounds]
        costs = [book.costs.get(bound.instrument.id) for bound in bounds]
        rates = [book.dealing_rate(bound.instrument.id) for bound in bounds]
        impact = [
            0.0 if c is None else c.vol_daily * np.sqrt(self.total / c.volume_day_usd)
            for c in costs
        ]
        carry, errors = self.carry()
        return Positions(
            names=tuple(bound.instrument.id for bound in bounds),
            venue=np.array(venues, dtype=np.int64),
            held=np.array([bound.held_usd for bound in bounds]) / self.total,
            lower=np.array([bound.lower_usd for bound in bounds]) / self.total,
            upper=np.array([bound.upper_usd for bound in bounds]) / self.total,
            carry_annual=carry,
            error_factor=self.error_factor(errors),
            cost_rate=np.array(rates),
            impact=np.array(impact),
            orphan_rate=np.array([orphan_rate(book, self.terms, bound) for bound in bounds]),
            derivative=np.ones(len(bounds), dtype=bool),
        )

    def carry(self) -> tuple[FloatArray, FloatArray]:
        """Carry and its standard error a year, in proportion to each edge's half-life."""
        longest = half_life_days(self.book, self.terms)
        carry, errors = np.zeros(len(self.bounds)), np.zeros(len(self.bounds))
        for place, bound in enumerate(self.bounds):
            edge = self.book.edges.get(bound.instrument.id)
            if edge is not None:
                share = edge.half_life_days / longest
                carry[place], errors[place] = share * edge.carry_annual, share * edge.error_annual
        return carry, errors

    def error_factor(self, errors: FloatArray) -> FloatArray:
        """L with L L' = s_i s_j (rho + (1 - rho) [i = j]): one common factor and one each."""
        said = self.book.correlation
        rho = max(0.0, self.terms.mandate.edge.correlation) if said is None else said
        common = np.sqrt(rho) * errors[:, None]
        return np.concatenate([common, np.sqrt(1.0 - rho) * np.diag(errors)], axis=1)

    # Money.

    def nodes(self, amounts: FloatArray) -> Nodes:
        free = [
            withdrawable_usd(account, stated) / self.total
            for account, stated in zip(self.accounts, self.statements, strict=True)
        ]
        yields = [self.book.yields.get(each.venue, 0.0) for each in self.accounts]
        return Nodes(
            names=tuple(f"{each.venue} {each.asset}" for each in self.accounts),
            venue=np.arange(len(self.accounts), dtype=np.int64),
            amount=np.maximum(amounts, 0.0),
            yield_annual=np.array(yields),
            pays_costs=np.ones(len(self.accounts), dtype=bool),
            withdrawable=np.array(free),
        )

    def edges(self, fixed: Sequence[bool]) -> Edges:
        place = {each.venue: index for index, each in enumerate(self.accounts)}
        least = self.terms.mandate.limits.minimum_transfer_usd
        costs, caps, lags = [], [], []
        for way in self.book.ways:
            account = self.accounts[place[way.source]]
            stated = self.statements[place[way.source]]
            price = account.price(account.asset)
            free = (stated.withdrawable or 0.0) * account.price(stated.unit)
            opened = not (way.frozen or fixed[place[way.source]] or free < least)
            sent = self.sent_usd.get(way.name, free)
            opened = opened and self.terms.venue(way.destination) is not None and sent > 0.0
            caps.append(free / self.total if opened else 0.0)
            parity = self.accounts[place[way.destination]]
            kept = way.received_share * parity.price(parity.asset) / price
            fee = way.fee * price / max(sent, least, 1.0)
            costs.append(min(0.99, max(0.0, 1.0 - kept) + fee))
            lags.append(
                min(STEPS - 2, int((way.latency_p95_s + self.terms.outage_s) / self.step_s))
            )
        return Edges(
            names=tuple(way.name for way in self.book.ways),
            source=np.array([place[way.source] for way in self.book.ways], dtype=np.int64),
            destination=np.array(
                [place[way.destination] for way in self.book.ways], dtype=np.int64
            ),
            cost_rate=np.array(costs),
            cap=np.array(caps),
            lag=np.array(lags, dtype=np.int64),
        )

    @property
    def step_s(self) -> float:
        """Length of a step: a decision, or what lets the slowest way land before the last step, in
        which nearly all of the horizon lies."""
        slowest = max((way.latency_p95_s for way in self.book.ways), default=0.0)
        wait = (slowest + self.terms.outage_s) / (STEPS - 2)
        return max(float(self.terms.mandate.mandate.decision_interval_s), wait)

    def step_years(self) -> FloatArray:
        horizon = horizon_years(self.book, self.terms)
        step = min(self.step_s / (DAY_S * DAYS_YEAR), horizon / STEPS)
        return np.array([step] * (STEPS - 1) + [horizon - step * (STEPS - 1)])

    # Tails.

    def tails(
        self, functions: SharedFunctions, kept: Mapping[str, float]
    ) -> tuple[list[Tail], list[bool]]:
        """Solvency and opening of every account that can change; loss of the book and sleeves."""
        tails, fixed = [], []
        for place, account in enumerate(self.accounts):
            if not self.may_change(place):
                fixed.append(True)
                continue
            still, found = self.account_tails(place, functions, kept.get(account.venue, 0.0))
            fixed.append(not still.cash_free)
            tails += found
        return [*tails, *self.loss_tails()], fixed

    def may_change(self, place: int) -> bool:
        """Whether a rule allows it, and there is equity or money comes."""
        alive = self.equities[place] > 0.0 or self.accounts[place].venue in self.filling
        return may_change(self.accounts[place]) and alive

    def scale(self, place: int) -> Scale:
        """Sizes of an account's instruments as notionals in units of equity."""
        columns = self.columns(place)
        per_size = np.array([self.bounds[i].per_size for i in columns])
        held = np.array([self.bounds[i].held_usd for i in columns]) / self.total
        return Scale(columns, per_size, held, self.total)

    def standing(self, place: int, move: Move) -> Standing:
        """An account at a move of its own coins, made once."""
        account = self.accounts[place]
        own = {coin: ratio for coin, ratio in move.ratios.items() if coin in account.coins}
        key = (place, tuple(sorted(own.items())), move.vols if self.has_options(place) else 0)
        if key not in self.known:
            market = moved(account, Move("", own, key[2]), self.terms.vol)
            opening = not own and not key[2]
            self.known[key] = standing(account, market, self.span(place), opening=opening)
        return self.known[key]

    def has_options(self, place: int) -> bool:
        return any(isinstance(each, Option) for each in self.accounts[place].dealt)

    def columns(self, place: int) -> NDArray[np.int64]:
        account = self.accounts[place]
        found = [i for i, bound in enumerate(self.bounds) if bound.account is account]
        return np.array(found, dtype=np.int64)

    def span(self, place: int) -> FloatArray:
        return np.array([self.bounds[i].span_size for i in self.columns(place)])

    def account_tails(
        self, place: int, functions: SharedFunctions, kept: float
    ) -> tuple[Standing, list[Tail]]:
        account, scale = self.accounts[place], self.scale(place)
        amount = float(max(0.0, self.equities[place]) / self.total)
        still = self.standing(place, STILL)
        opening = points_of(still, still.initial, scale, functions, amount)
        stressed = self.stressed(place, self.terms.mandate.stress.outer, functions)
        where = (place, scale.columns, (place,), len(self.book.ways))
        if not self.equities[place] > 0.0:
            lifted = Place(f"stress {account.venue}", *where, -KEPT - kept)
            return still, [self.lifted(place, functions, lifted)]
        gap = _gap(still, account)
        limit = gap / self.total - KEPT if gap > 0.0 else -KEPT
        opened = stress_tail([opening], Place(f"initial margin {account.venue}", *where, limit))
        if not stressed:
            # Dollars alone: no move of a coin changes them.
            return still, [opened]
        place_of = Place(f"stress {account.venue}", *where, -KEPT - kept)
        waits = account.venue in self.filling
        filled = replace(place_of, limit=place_of.limit - self.filling.get(account.venue, 0.0))
        tails = [opened, stress_tail(stressed, filled, landed=waits)]
        if waits:
            until = self.stressed(place, inner_moves(self.terms), functions)
            inner = Place(f"inner stress {account.venue}", *where, -KEPT - kept)
            tails.append(stress_tail(until, inner))
        if self.scenarios is not None:
            seat = Seat(account, place, scale, self.span(place))
            over = Place(f"{NAME} {account.venue}", *where, -KEPT - kept)
            seen = history_tail(seat, self.scenarios.paths, functions, over)
            tails += [] if seen is None else [seen]
        return still, tails

    def lifted(self, place: int, functions: SharedFunctions, where: Place) -> Tail:
        """What an account without equity must stand once money has landed."""
        filled = replace(where, limit=where.limit - self.filling[self.accounts[place].venue])
        moves = self.stressed(place, inner_moves(self.terms), functions)
        return stress_tail(moves, filled, landed=True)

    def stressed(
        self, place: int, moves: Mapping[str, float], functions: SharedFunctions
    ) -> list[list[Point]]:
        """Points of an account at every named move, venue prices against it."""
        account, scale = self.accounts[place], self.scale(place)
        amount = float(max(0.0, self.equities[place]) / self.total)
        found = []
        for move in moves_of(account, moves):
            there = self.standing(place, move)
            points = points_of(there, there.maintenance, scale, functions, amount)
            found.append(with_weights(points, self.spreads(place, move, functions)))
        if not found:
            # No coin moves it: dollars without an instrument stand as they are.
            still = self.standing(place, STILL)
            found.append(points_of(still, still.maintenance, scale, functions, amount))
        return found

    def spreads(self, place: int, move: Move, functions: SharedFunctions) -> dict[int, float]:
        """What a venue's prices cost that stand apart against each contract held."""
        found: dict[int, float] = {}
        if self.terms.venue_spread > 0.0:
            for i in self.columns(place):
                each = self.bounds[i].instrument
                if not isinstance(each, Option):
                    cost = self.terms.venue_spread * move.ratio(each.base)
                    found[functions.absolute(int(i))] = cost
        return found

    def loss_tails(self) -> list[Tail]:
        """The book, and each sleeve, at moves of all coins together and each alone."""
        rows = [self._gains(move) for move in self._book_moves()]
        if not rows or not self.bounds:
            return []
        every = np.arange(len(self.bounds), dtype=np.int64)
        none = len(self.book.ways)
        held = np.array([bound.held_usd for bound in self.bounds]) / self.total
        points = [[Point(-(base - float(g @ held)), g, {}, 0.0)] for g, base in rows]
        most = self.terms.mandate.limits.loss_from_peak
        present = max(-base for _, base in rows)
        tails = [
            stress_tail(points, Place("loss of the book", -1, every, (), none, max(most, present)))
        ]
        for name, sleeve in self.terms.sleeves.items():
            if sleeve.loss_share is not None:
                inside = np.array([belongs(b, sleeve) for b in self.bounds], dtype=float)
                own = [[Point(0.0, g * inside, {}, 0.0)] for g, _ in rows]
                limit = max(sleeve.loss_share, max(-float((g * inside) @ held) for g, _ in rows))
                where = Place(f"loss of sleeve {name}", -1, every, (), none, limit, spends=False)
                tails.append(stress_tail(own, where))
        return tails

    def _book_moves(self) -> list[Move]:
        outer = self.terms.mandate.stress.outer
        groups = [self.book.coins, *((coin,) for coin in self.book.coins)]
        found = {}
        for coins in groups:
            for sign in (-1.0, 1.0):
                ratios = {coin: 1.0 + sign * outer[coin] for coin in coins}
                for vols in VOLS:
                    found[tuple(ratios.items()), vols] = Move("", ratios, vols)
        return list(found.values())

    def _gains(self, move: Move) -> tuple[FloatArray, float]:
        """Gain per unit of each instrument (n) and of the book held, units of equity."""
        gains, base = np.zeros(len(self.bounds)), 0.0
        for place, account in enumerate(self.accounts):
            if has_convex_form(account):
                there = self.standing(place, move)
                gains[self.columns(place)] = there.gains / self.scale(place).per_size
                base += (there.held_usd - self.equities[place]) / self.total
        return gains, base


def withdrawable_usd(account: PlanAccount, stated: Statement) -> float:
    """What may leave of the asset that an account's money is moved in, USD: no more than it owns
    of that asset, where the rule margins others beside it. None known is none."""
    leaves = max(0.0, stated.withdrawable or 0.0) * account.price(stated.unit)
    if isinstance(account.book.rule, ExactAccount):
        return leaves
    owned = max(0.0, account.book.holdings.collateral.get(account.asset, 0.0))
    return min(leaves, owned * account.price(account.asset))


def _gap(still: Standing, account: PlanAccount) -> float:
    """By how much the book held is below initial margin, which a plan may not make worse."""
    none = np.zeros(len(account.dealt))
    return still.initial.at(none) - still.held_usd
