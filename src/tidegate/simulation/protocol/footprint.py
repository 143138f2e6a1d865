# SPDX-License-Identifier: Apache-2.0
"""Our own footprint: the same cascade of the same crowd with us in it and without us."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import log

import msgspec

from tidegate.model.errors import InputError
from tidegate.model.units import MICRO
from tidegate.simulation.protocol.books import OURS
from tidegate.simulation.protocol.cascade import (
    PRICE_TICKS,
    Cascade,
    Shock,
    Tally,
    default_tiers,
)
from tidegate.simulation.protocol.population import Crowd, Own, populate

SIZES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
# What is called harmless: a thousandth of the price, a thousandth of the accounts, a hundredth of
# the fund, and a thousandth of open interest that others are deleveraged by.
# In a thin fund's cascade one large account more or less at the brink moves the price by per cents,
# either way, so that a size is judged by nine crowds in ten, and the worst is shown beside it.
CROWDS_SHARE = 0.9
PRICE_TOLERANCE, ACCOUNTS_TOLERANCE, FUND_TOLERANCE, ADL_TOLERANCE = 0.001, 0.001, 0.01, 0.001


class Outcome(msgspec.Struct, frozen=True):
    """One cascade. `worst` is the mark's furthest over the first price, less 1; `beyond` how far
    the mark went beyond the outside price (log). Accounts and deleveraged accounts are others;
    `ours_lost` is what our account lost, of the equity that it began with."""

    worst: float
    beyond: float
    closed: int
    market_usd: float
    taken_over_usd: float
    adl_usd: float
    adl_accounts: int
    fund_usd: float
    fund_used_usd: float
    socialised_usd: float
    ours_closed: bool
    ours_adl_share: float
    ours_lost: float


class Footprint(msgspec.Struct, frozen=True):
    """What our size changes, others alone counted: the mark's furthest (share of the first price,
    + further), accounts closed, the fund's use, others' deleveraging and socialised losses."""

    seed: int
    share: float
    size_usd: float
    price: float
    closed: int
    fund_usd: float
    adl_usd: float
    socialised_usd: float
    harmless: bool
    with_us: Outcome


class Contagion(msgspec.Struct, frozen=True):
    """The answer: cascades without us, one per seed, footprints by seed and size, and the largest
    size up to which nine crowds in ten bear no harm (None: not even at the least)."""

    crowd: Crowd
    shock: Shock
    side: int
    leverage: float
    without_us: tuple[Outcome, ...]
    footprints: tuple[Footprint, ...]
    harmless_share: float | None
    marks: tuple[float, ...]
    marks_with_us: tuple[float, ...]
    outside: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a crowd, a shock, our side and leverage, seeds and sizes."""

    crowd: Crowd
    shock: Shock
    own: Own
    seeds: Sequence[int] = range(10)
    sizes: Sequence[float] = SIZES

    def __post_init__(self) -> None:
        if not self.seeds:
            raise InputError("contagion", "seeds", "expected at least one")
        if not self.sizes or list(self.sizes) != sorted(set(self.sizes)) or self.sizes[0] <= 0:
            raise InputError("contagion", "sizes", "expected ascending shares above 0")


def play(crowd: Crowd, shock: Shock, own: Own, seed: int) -> tuple[Outcome, Tally]:
    """One cascade with us as said; a share of 0 is without us."""
    table = default_tiers()
    books = populate(crowd, own, table, PRICE_TICKS, seed)
    fund, ours = int(books.balance[-2]), int(books.equity(PRICE_TICKS)[OURS])
    size = abs(int(books.lots[OURS]))
    cascade = Cascade(books, shock, table)
    tally = cascade.run()
    left = int(books.equity(tally.marks[-1])[OURS])
    outcome = Outcome(
        worst=_worst(tally.marks, shock) / PRICE_TICKS - 1,
        beyond=_beyond(tally.marks, shock),
        closed=int(tally.closed[1:].sum()),
        market_usd=tally.market / MICRO,
        taken_over_usd=tally.taken_over / MICRO,
        adl_usd=(tally.adl - tally.adl_ours) / MICRO,
        adl_accounts=int(tally.deleveraged[1:].sum()),
        fund_usd=fund / MICRO,
        fund_used_usd=max(0, fund - min(tally.fund)) / MICRO,
        socialised_usd=tally.socialised / MICRO,
        ours_closed=bool(tally.closed[OURS]) and size > 0,
        ours_adl_share=tally.adl_ours_lots / size if size else 0.0,
        ours_lost=(ours - left) / ours if ours else 0.0,
    )
    return outcome, tally


def _worst(marks: Sequence[int], shock: Shock) -> int:
    return max(marks) if shock.move > 0 else min(marks)


def _beyond(marks: Sequence[int], shock: Shock) -> float:
    """The furthest that the mark is from the outside price in the move's direction."""
    sign = 1.0 if shock.move > 0 else -1.0
    apart = (
        sign * log(mark / PRICE_TICKS / shock.outside(step)) for step, mark in enumerate(marks)
    )
    return max(0.0, *apart)


def run_contagion(
    question: Question, progress: Callable[[int, int], None] = lambda done, total: None
) -> Contagion:
    """Every seed without us and with us at every size."""
    total, done = len(question.seeds) * (1 + len(question.sizes)), 0
    without, found, shown = list[Outcome](), list[Footprint](), list[Tally]()
    for seed in question.seeds:
        alone, tally = play(question.crowd, question.shock, replace(question.own, share=0.0), seed)
        without.append(alone)
        shown.append(tally)
        progress(done := done + 1, total)
        for share in question.sizes:
            own = replace(question.own, share=share)
            ours, tally = play(question.crowd, question.shock, own, seed)
            found.append(_footprint(question, (seed, share), alone, ours))
            progress(done := done + 1, total)
        shown.append(tally)
    return Contagion(
        crowd=question.crowd,
        shock=question.shock,
        side=question.own.side,
        leverage=question.own.leverage,
        without_us=tuple(without),
        footprints=tuple(found),
        harmless_share=harmless_share(question.sizes, found),
        marks=_path(shown[0]),
        marks_with_us=_path(shown[1]),
        outside=tuple(question.shock.outside(step) for step in range(question.shock.steps)),
    )


def _path(tally: Tally) -> tuple[float, ...]:
    return tuple(mark / PRICE_TICKS for mark in tally.marks)


def _footprint(
    question: Question, place: tuple[int, float], alone: Outcome, ours: Outcome
) -> Footprint:
    crowd, (seed, share) = question.crowd, place
    price = (ours.worst - alone.worst) * (1.0 if question.shock.move > 0 else -1.0)
    fund = ours.fund_used_usd - alone.fund_used_usd
    adl = ours.adl_usd - alone.adl_usd
    socialised = ours.socialised_usd - alone.socialised_usd
    closed = ours.closed - alone.closed
    harmless = (
        price <= PRICE_TOLERANCE
        and closed <= ACCOUNTS_TOLERANCE * crowd.accounts
        and fund + socialised <= FUND_TOLERANCE * alone.fund_usd
        and adl <= ADL_TOLERANCE * crowd.interest_usd
    )
    size = share * crowd.interest_usd
    return Footprint(seed, share, size, price, closed, fund, adl, socialised, harmless, ours)


def harmless_share(sizes: Sequence[float], found: Sequence[Footprint]) -> float | None:
    """The largest size up to which nine crowds in ten bear no harm; None where not even at the
    least."""
    largest = None
    for share in sizes:
        judged = [each.harmless for each in found if each.share == share]
        if sum(judged) < CROWDS_SHARE * len(judged):
            return largest
        largest = share
    return largest
