# SPDX-License-Identifier: Apache-2.0
"""Everything that `tidegate margin` says of one account, as values that become JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isfinite

import msgspec

from tidegate.engine.margin_book.account_book import AccountBook, named
from tidegate.engine.margin_book.closed_isolated import ISOLATED
from tidegate.engine.margin_book.closings import Closing, first_closed
from tidegate.engine.margin_book.distances import Distance, distances
from tidegate.engine.margin_book.orders import Fill, after
from tidegate.engine.observed_book import Unknown
from tidegate.margin.holdings import Holding
from tidegate.margin.marginal import closed
from tidegate.margin.market_values import mark_of
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option

SCHEMA = "tidegate-margin-1"


class Standing(msgspec.Struct, frozen=True):
    """A statement; `withdrawable` is null where the venue's documents do not pin it."""

    equity: float
    initial: float
    maintenance: float
    health: float
    withdrawable: float | None
    binding: str
    parts: dict[str, float]

    @property
    def solvent(self) -> bool:
        """Whether equity carries the maintenance requirement."""
        return self.health >= 0.0


class PositionMargin(msgspec.Struct, frozen=True):
    """A position, and by how much requirements and health would fall if it were closed at its
    mark; null where the rule cannot judge the account without it, for the reason in `why`."""

    symbol: str
    kind: str
    size: float
    entry: float | None
    mark: float | None
    initial: float | None
    maintenance: float | None
    health: float | None
    why: str = ""


class WhatIf(msgspec.Struct, frozen=True):
    """The account once all orders are filled, and by how much it differs."""

    orders: tuple[str, ...]
    after: Standing
    difference: Standing
    distances: tuple[Distance, ...]


class Answer(msgspec.Struct, frozen=True):
    """One account under one rule; amounts in `unit`."""

    schema: str
    file: str
    venue: str
    rule: str
    subject: str
    as_of_ms: int
    unit: str
    now: Standing
    positions: tuple[PositionMargin, ...]
    distances: tuple[Distance, ...]
    first_closed: Closing
    what_if: WhatIf | None
    unknown: tuple[Unknown, ...]
    not_pinned: tuple[str, ...]
    source: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether the account is not below maintenance, now and with the orders filled."""
        return self.now.solvent and (self.what_if is None or self.what_if.after.solvent)


def answer(account: AccountBook, fills: Sequence[Fill] = ()) -> Answer:
    """All of it; raises `InputError` for a figure that the rule needs and the file lacks."""
    stated = account.statement()
    now, moves = standing(account, stated), distances(account)
    return Answer(
        schema=SCHEMA,
        file=account.where,
        venue=account.venue,
        rule=account.card.name,
        subject=account.card.subject,
        as_of_ms=account.market.now_ms,
        unit=stated.unit,
        now=now,
        positions=tuple(_positions(account, stated)),
        distances=moves,
        first_closed=first_closed(account, stated, moves),
        what_if=_what_if(account, now, fills) if fills else None,
        unknown=account.unknown,
        not_pinned=account.card.not_pinned,
        source=account.card.source,
    )


def standing(account: AccountBook, stated: Statement) -> Standing:
    """A statement with symbols for ids; raises `InputError` for sums beyond any number."""
    amounts = (stated.equity, stated.initial, stated.maintenance)
    if not all(map(isfinite, (*amounts, *stated.parts.values()))):
        raise InputError(account.where, "figures", "expected figures that can be summed")
    parts = {account.symbol(name): amount for name, amount in stated.parts.items()}
    binding = account.symbol(stated.binding)
    return Standing(*amounts, stated.health, stated.withdrawable, binding, parts)


def _what_if(account: AccountBook, now: Standing, fills: Sequence[Fill]) -> WhatIf:
    changed = after(account, fills)
    then = standing(changed, changed.statement())
    orders = tuple(fill.text for fill in fills)
    return WhatIf(orders, then, difference(now, then), distances(changed))


def difference(now: Standing, then: Standing) -> Standing:
    """By how much each amount has grown; what binds is what binds then."""
    names = [*then.parts, *(name for name in now.parts if name not in then.parts)]
    free = None
    if now.withdrawable is not None and then.withdrawable is not None:
        free = then.withdrawable - now.withdrawable
    return Standing(
        then.equity - now.equity,
        then.initial - now.initial,
        then.maintenance - now.maintenance,
        then.health - now.health,
        free,
        then.binding,
        {name: then.parts.get(name, 0.0) - now.parts.get(name, 0.0) for name in names},
    )


def _positions(account: AccountBook, stated: Statement) -> Iterator[PositionMargin]:
    for held in account.holdings.positions:
        one = held.instrument
        seen = account.market.values.get(mark_of(one.id))
        is_option = isinstance(one, Option)
        shown = (one.symbol, type(one).__name__.lower(), held.size)
        mark = None if seen is None else seen.value
        prices = (None if is_option and not held.entry else held.entry, mark)
        try:
            margins, why = _marginal(account, held, stated), ""
        except InputError as error:
            margins, why = (None, None, None), f"{error.field}: {error.expected}"
        yield PositionMargin(*shown, *prices, *margins, why)


def _marginal(
    account: AccountBook, held: Holding, whole: Statement
) -> tuple[float | None, float | None, float | None]:
    """Initial, maintenance and health with the position less those without it."""
    if account.card.name.endswith(ISOLATED):
        return whole.initial, whole.maintenance, -whole.maintenance
    with named(account.where):
        rest = closed(account.holdings, held.instrument.id, account.market)
    less = replace(account, holdings=rest).statement()
    return (
        whole.initial - less.initial,
        whole.maintenance - less.maintenance,
        whole.health - less.health,
    )
