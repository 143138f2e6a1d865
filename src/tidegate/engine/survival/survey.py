# SPDX-License-Identifier: Apache-2.0
"""A book of whole accounts as it stands: health, distances, failure points, who goes first, what a
venue's failure costs, and the cheapest fix. A function of the book; nothing UNKNOWN counts as safe.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from tidegate.engine.margin_book.account_book import named
from tidegate.engine.margin_book.distances import coins_of
from tidegate.engine.margin_book.exact_account import ExactAccount, WalletAccount
from tidegate.engine.observed_book import Unknown
from tidegate.engine.plan.book import PlanAccount, PlanBook
from tidegate.engine.survival.defaults import defaults
from tidegate.engine.survival.distances import by_beta, distances, nearest
from tidegate.engine.survival.document import (
    SCHEMA,
    AccountHealth,
    Distance,
    Document,
    FailurePoint,
    First,
    Passing,
)
from tidegate.engine.survival.failure import failure_point
from tidegate.engine.survival.fix import fix
from tidegate.engine.survival.money import Judged, passings
from tidegate.engine.survival.shifts import Shift, health
from tidegate.engine.survival.terms import RiskTerms
from tidegate.model.errors import InputError
from tidegate.model.times import format_time

MODEL_LIMITS = (
    Unknown("likelihoods", "are a joint normal's; real prices gap, so deaths are likelier"),
    Unknown("failure points", "are the nearest deaths a search found, no proof of none nearer"),
    Unknown("venues", "the chance that one fails is in no figure here; only its cost is"),
)


def survey(book: PlanBook, terms: RiskTerms) -> Document:
    """All of it."""
    judged, lost = _judged(book)
    mortal = [each for each in judged.values() if not _cannot_die(each.account)]
    found = [one for each in mortal for one in _distances(each.account, terms)]
    unseen = [
        Distance(name, "every move", "", "", "unknown", why=why) for name, why in lost.items()
    ]
    points = [failure_point(each.account.book, terms, each.price_usd) for each in mortal]
    points += [FailurePoint(name, "unknown", why=why) for name, why in lost.items()]
    accounts = tuple(_health(book, judged, lost, terms, name) for name in book.accounts)
    equity = {name: one.stated.equity * one.price_usd for name, one in judged.items()}
    return Document(
        schema=SCHEMA,
        book=book.where,
        as_of=format_time(book.ts_ms),
        target=terms.target,
        solvent=not any(each.insolvent for each in accounts),
        accounts=accounts,
        distances=(*found, *unseen),
        nearest=nearest((*found, *unseen)),
        failure_points=tuple(points),
        first=_first(book, judged, accounts, points),
        defaults=tuple(defaults(book, equity, terms)),
        fix=replace(fix(book, terms), money=tuple(_money(book, judged, accounts, points))),
        terms=terms.lines(),
        unknown=(*book.unknown, *_gaps(book, terms), *MODEL_LIMITS),
    )


def _judged(book: PlanBook) -> tuple[dict[str, Judged], dict[str, str]]:
    """Accounts that their rule can judge, and why the others cannot be."""
    found, lost = dict[str, Judged](), dict[str, str]()
    for name, account in book.accounts.items():
        try:
            stated = account.statement()
            found[name] = Judged(account, stated, account.price(stated.unit))
        except InputError as error:
            lost[name] = f"{error.field}: {error.expected}"
    return found, lost


def _cannot_die(account: PlanAccount) -> bool:
    """Whether it holds no position and owes nothing, under a rule that asks for nothing then."""
    holdings = account.book.holdings
    held = any(each.size for each in holdings.positions) or bool(holdings.orders)
    owed = any(amount < 0.0 for amount in holdings.collateral.values())
    return isinstance(account.book.rule, WalletAccount | ExactAccount) and not (held or owed)


def _distances(account: PlanAccount, terms: RiskTerms) -> Iterator[Distance]:
    with named(account.book.where):
        yield from distances(account.book, terms)


def _health(
    book: PlanBook,
    judged: Mapping[str, Judged],
    lost: Mapping[str, str],
    terms: RiskTerms,
    name: str,
) -> AccountHealth:
    rule = book.accounts[name].book.card.name
    if name in lost:
        return AccountHealth(name, rule, None, why=lost[name])
    stated, price = judged[name].stated, judged[name].price_usd
    free = None if stated.withdrawable is None else stated.withdrawable * price
    return AccountHealth(
        venue=name,
        rule=rule,
        insolvent=stated.health < 0.0,
        equity_usd=stated.equity * price,
        initial_usd=stated.initial * price,
        maintenance_usd=stated.maintenance * price,
        health_usd=stated.health * price,
        withdrawable_usd=free,
        needed_usd=_needed_usd(judged[name], terms),
    )


def _needed_usd(one: Judged, terms: RiskTerms) -> float | None:
    """What health lacks at the target by beta, both ways; None where that cannot be judged."""
    account = one.account.book
    betas = terms.betas_of(coins_of(account))
    if betas is None:
        return None
    worst = one.stated.health
    try:
        for ratio in (1.0 - terms.target, 1.0 + terms.target):
            worst = min(worst, health(account, Shift(by_beta(betas, ratio)), terms.quotes))
    except InputError:
        return None
    return max(0.0, -worst) * one.price_usd


def _first(
    book: PlanBook,
    judged: Mapping[str, Judged],
    accounts: Iterable[AccountHealth],
    points: Iterable[FailurePoint],
) -> First:
    dying = [each for each in points if each.distance is not None]
    first = min(dying, key=lambda each: each.distance or 0.0, default=None)
    unsure = tuple(
        each.venue
        for each in points
        if each.status == "unknown" or (each.unjudged_from is not None and each != first)
    )
    if first is None:
        return First(None, unsure, None, ())
    needed = next(each.needed_usd for each in accounts if each.venue == first.venue)
    return First(first.venue, unsure, needed, tuple(passings(book, judged, first, needed)))


def _money(
    book: PlanBook,
    judged: Mapping[str, Judged],
    accounts: Iterable[AccountHealth],
    points: Iterable[FailurePoint],
) -> Iterator[Passing]:
    """Routes to every account that lacks health for the target."""
    by_venue = {each.venue: each for each in points}
    for each in accounts:
        if each.needed_usd and each.venue in by_venue:
            yield from passings(book, judged, by_venue[each.venue], each.needed_usd)


def _gaps(book: PlanBook, terms: RiskTerms) -> Iterator[Unknown]:
    for coin in book.coins:
        if coin not in terms.betas:
            what = "crash and rally by beta, what is needed for the target, and fixes"
            yield Unknown(f"observe.betas.{coin}", what)
        if coin not in terms.vol_daily:
            yield Unknown(f"observe.vol_annual.{coin}", "how likely its moves are")
    for account in book.accounts.values():
        for held in account.book.holdings.positions:
            name, settle = held.instrument.id, held.instrument.settle
            if held.size and settle in account.usd and name not in terms.quotes:
                what = "what its price is in; in a depeg it is taken the way that hurts"
                yield Unknown(f"observe.quotes.{name}", what)
