# SPDX-License-Identifier: Apache-2.0
"""How far each instrument's size may go in a plan, before any limit that binds several."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator
from dataclasses import dataclass

from tidegate.engine.margin_book.exact_account import lot_of
from tidegate.engine.plan.book import PlanAccount, PlanBook
from tidegate.engine.plan.levels import ONLY_REDUCED
from tidegate.engine.plan.requirement import may_change
from tidegate.model.instruments import Expiring, Instrument, Option
from tidegate.model.plan_terms import PlanTerms
from tidegate.model.times import SECOND_MS

# What a mandate that names a venue without it has.
UNSAID_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Bound:
    """An instrument's notional held, and its bounds, USD long +; `why` it may only be reduced, and
    the most that is traded of it in a day, None where a day's volume is not known."""

    account: PlanAccount
    instrument: Instrument
    per_size: float
    held_usd: float
    lower_usd: float
    upper_usd: float
    closes: bool
    why: str | None
    day_usd: float | None = None

    @property
    def hedges(self) -> bool:
        """Whether it may take what lots leave over of its coin's delta."""
        return self.why is None and not isinstance(self.instrument, Option)

    @property
    def lot_usd(self) -> float:
        """Notional of one lot."""
        return float(lot_of(self.instrument)) * self.per_size

    @property
    def span_size(self) -> float:
        """Largest size that it may have."""
        return max(abs(self.lower_usd), abs(self.upper_usd), abs(self.held_usd)) / self.per_size


def bounds_of(
    book: PlanBook, terms: PlanTerms, equity_usd: float, waiting: Container[str] = ()
) -> tuple[Bound, ...]:
    """Bounds by instrument: a share of the day's volume around what is held, and within gross
    leverage; what is unknown, expires too soon, or stands at an account that waits for money, may
    only be reduced, by no more than that share either."""
    return tuple(_bounds(book, terms, equity_usd, waiting))


def _bounds(
    book: PlanBook, terms: PlanTerms, equity_usd: float, waiting: Container[str]
) -> Iterator[Bound]:
    most = terms.mandate.limits.gross_leverage * max(equity_usd, 0.0)
    for account, each in book.dealt():
        per_size = account.notional_per_size(each)
        held = account.held(each.id) * per_size
        why = _reduce_only(book, terms, account, each)
        if why is None and account.venue in waiting:
            why = ONLY_REDUCED.format(venue=account.venue)
        closes = expires_soon(book, terms, each)
        day = _day_usd(book, terms, account, each)
        dealt = math.inf if day is None else day
        if not may_change(account) or account.statement().equity <= 0.0:
            lower = upper = held
        elif why is not None or closes:
            lower, upper = max(min(0.0, held), held - dealt), min(max(0.0, held), held + dealt)
        else:
            # An option's delta is at most one: leverage counts by delta, so volume bounds its size.
            reach = dealt if isinstance(each, Option) else min(dealt, most + abs(held))
            lower, upper = held - reach, held + reach
        yield Bound(account, each, per_size, held, lower, upper, closes, why, day)


def _day_usd(
    book: PlanBook, terms: PlanTerms, account: PlanAccount, each: Instrument
) -> float | None:
    """The mandate's share of a day's volume; of a venue that it does not name the default share."""
    costs, venue = book.costs.get(each.id), terms.venue(account.venue)
    if costs is None:
        return None
    return (UNSAID_SHARE if venue is None else venue.volume_share) * costs.volume_day_usd


def expires_soon(book: PlanBook, terms: PlanTerms, each: Instrument) -> bool:
    """Whether an option is to be closed, as it expires within the mandate's time."""
    if not isinstance(each, Expiring) or not isinstance(each, Option):
        return False
    return each.expiry_ms - book.ts_ms <= terms.option.unwind_before_expiry_s * SECOND_MS


def _reduce_only(
    book: PlanBook, terms: PlanTerms, account: PlanAccount, each: Instrument
) -> str | None:
    if account.statement().equity <= 0.0:
        return f"{account.venue} has no equity left: money must come before anything is traded"
    if not may_change(account):
        return f"no proof covers {account.book.card.name} with what may be held: it stays as it is"
    if terms.venue(account.venue) is None:
        return f"{account.venue} is not in the mandate"
    if each.id not in book.costs:
        return "what dealing in it costs is not known"
    if each.id not in book.edges:
        return "what holding it earns is not known"
    return None
