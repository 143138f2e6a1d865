# SPDX-License-Identifier: Apache-2.0
"""Reads the book that `tidegate plan` looks at: accounts as of `tidegate margin`, and beside them
routes as of `tidegate observe`, edges, costs, prices of dollar coins and yields.

Each refusal names file, field and what was expected. What may be unknown and is not said is named,
and nothing is put for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from tidegate.engine.book_fields import Reader, SaidRoute
from tidegate.engine.json_file import read_json
from tidegate.engine.margin_book.account_book import AccountBook
from tidegate.engine.margin_book.reading import account_of
from tidegate.engine.observed_book import Unknown
from tidegate.engine.plan.book import (
    USD,
    CarryTerms,
    DealingCosts,
    PlanAccount,
    PlanBook,
    Way,
)
from tidegate.engine.plan.history_file import read_history, require_history
from tidegate.model.errors import InputError
from tidegate.model.times import parse_time_ms

# By how much rates and prices that were seen together may disagree.
PRICE_NOISE = 0.01
NO_COLLATERAL = "expected the asset that money is moved in, as the rule margins several"


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class SaidPlanBook(_Strict, frozen=True):
    """The whole file; entries are read one by one, to name their place."""

    as_of: str
    accounts: list[object]
    routes: list[object] = []
    edges: dict[str, object] = {}
    costs: dict[str, object] = {}
    stable: dict[str, object] = {}
    yields: dict[str, object] = {}
    correlation: Decimal | None = None
    # What `tidegate observe` reads, and a plan leaves unread.
    observe: dict[str, object] = {}
    history: object = None


class SaidPlanRoute(SaidRoute, frozen=True):
    """A route, and when it is known to close; left out where nothing is known of that."""

    closes_at: str | None = None


class SaidEdge(_Strict, frozen=True):
    """Carry of being long; None is UNKNOWN."""

    carry_annual: Decimal
    error_annual: Decimal
    half_life_days: Decimal


class SaidCosts(_Strict, frozen=True):
    """Costs of dealing; one that is None leaves all of them UNKNOWN."""

    taker_fee: Decimal | None = None
    half_spread: Decimal | None = None
    volume_day_usd: Decimal | None = None
    vol_daily: Decimal | None = None


def read_plan_book(path: Path) -> PlanBook:
    """The book in a file; raises `InputError` naming file, field and what was expected."""
    reader = Reader(path.name)
    book = plan_book_of(reader, read_json(reader, path), path.parent)
    for account in book.accounts.values():
        if not account.asset:
            place = f"accounts[{list(book.accounts).index(account.venue)}]"
            raise reader.refuse(f"{place}.collateral", NO_COLLATERAL)
        require_judged(account)
    return book


def require_judged(account: PlanAccount) -> None:
    """Raises `InputError` for a figure without which an account has no margin in USD."""
    for each in {account.asset, account.statement().unit} - {""}:
        account.price(each)


def plan_book_of(reader: Reader, value: object, folder: Path | None = None) -> PlanBook:
    """The book in a JSON value, its accounts not judged yet: figures that they lack are found when
    they are asked. An account has no `asset` where what money is moved in is not said. The history
    that it names is read from `folder`, and left unread where there is none."""
    raw = reader.shape(value, SaidPlanBook, "")
    ts_ms = parse_time_ms(raw.as_of, reader.where, "as_of")
    usd = _stable(reader, raw)
    accounts = _accounts(reader, raw, usd)
    known = {each.id for account in accounts.values() for each in account.dealt}
    unknown = [u for account in accounts.values() for u in _of(account.book)]
    book = PlanBook(
        where=reader.where,
        ts_ms=ts_ms,
        accounts=accounts,
        ways=tuple(_ways(reader, raw, accounts)),
        edges=dict(_edges(reader, raw.edges, known)),
        costs=dict(_costs(reader, raw.costs, known)),
        yields=dict(_yields(reader, raw.yields, accounts)),
        correlation=_correlation(reader, raw.correlation),
        unknown=(),
        history=None if folder is None else read_history(reader, raw.history, folder),
    )
    require_history(book)
    gaps = [*unknown, *reader.unknown, *_gaps(book)]
    return replace(book, unknown=tuple(gaps))


def _stable(reader: Reader, raw: SaidPlanBook) -> dict[str, float]:
    usd = {USD: 1.0}
    for asset, value in raw.stable.items():
        price = reader.decimal(value, f"stable.{asset}")
        reader.positive(price, f"stable.{asset}")
        if asset == USD and price != 1:
            raise reader.refuse("stable.USD", "expected 1, or nothing: amounts are in USD")
        usd[asset] = float(price)
    return usd


def _accounts(
    reader: Reader, raw: SaidPlanBook, usd: Mapping[str, float]
) -> dict[str, PlanAccount]:
    if not raw.accounts:
        raise reader.refuse("accounts", "expected at least one account")
    found: dict[str, PlanAccount] = {}
    for index, value in enumerate(raw.accounts):
        place = f"accounts[{index}]"
        said = _account_value(reader, value, raw, place)
        book = account_of(Reader(f"{reader.where} {place}"), said)
        if book.venue in found:
            raise reader.refuse(f"{place}.venue", f"expected a new name, got {book.venue!r}")
        if said["as_of"] != raw.as_of:
            raise reader.refuse(f"{place}.as_of", f"expected that of the book, {raw.as_of}")
        found[book.venue] = PlanAccount(book, _asset(said, book), usd)
    return found


def _account_value(reader: Reader, value: object, raw: SaidPlanBook, place: str) -> dict[str, Any]:
    """The account as a margin book says it, with the time and dollar prices of this file."""
    if not isinstance(value, dict):
        raise reader.refuse(place, "expected an account, as a margin book has it")
    if not value.get("venue"):
        raise reader.refuse(f"{place}.venue", "expected the account's name")
    stable = {**raw.stable, **(value.get("stable") or {})}
    return {"as_of": raw.as_of, **value, "stable": stable}


def _asset(said: Mapping[str, Any], book: AccountBook) -> str:
    """The asset that money is moved in: what margins the account, else its only balance."""
    if said.get("collateral"):
        return str(said["collateral"])
    owned = [asset for asset, amount in book.holdings.collateral.items() if amount > 0.0]
    return owned[0] if len(owned) == 1 else ""


def _of(book: AccountBook) -> Iterator[Unknown]:
    for gap in book.unknown:
        yield Unknown(f"{book.venue}.{gap.where}", gap.what)


def _ways(reader: Reader, raw: SaidPlanBook, accounts: Mapping[str, PlanAccount]) -> Iterator[Way]:
    seen: set[tuple[str, str]] = set()
    for index, value in enumerate(raw.routes):
        place = f"routes[{index}]"
        said = reader.shape(value, SaidPlanRoute, place)
        ends = (said.source, said.destination)
        for end in ends:
            if end not in accounts:
                raise reader.refuse(place, f"expected accounts of this book, got {end!r}")
        if said.source == said.destination or ends in seen:
            raise reader.refuse(place, "expected one route from an account to another")
        seen.add(ends)
        way = _way(reader, said, place, accounts)
        if way is not None:
            yield way


def _way(
    reader: Reader, said: SaidPlanRoute, place: str, accounts: Mapping[str, PlanAccount]
) -> Way | None:
    for name in ("fee", "minimum"):
        if (number := getattr(said, name)) is not None and number < 0:
            raise reader.refuse(f"{place}.{name}", f"expected at least 0, got {number}")
    for name in ("latency_median_s", "latency_p95_s", "conversion_rate"):
        reader.positive(getattr(said, name), f"{place}.{name}")
    reader.share(said.conversion_cost, f"{place}.conversion_cost")
    same = accounts[said.source].asset == accounts[said.destination].asset
    needed = ["fee", "minimum", "latency_median_s", "latency_p95_s"]
    needed += [] if same else ["conversion_cost", "conversion_rate"]
    gaps = [name for name in needed if getattr(said, name) is None]
    for name in gaps:
        reader.missing(f"route {said.source} to {said.destination}.{name}", "the whole route")
    if gaps:
        return None
    numbers = [float(getattr(said, name)) for name in needed]
    if numbers[3] < numbers[2]:
        raise reader.refuse(f"{place}.latency_p95_s", "expected at least the median")
    kept = 1.0 if same else _received_share(reader, said, place, accounts)
    blocked = said.frozen or said.blocked_until is not None
    fee, minimum, median_s, p95_s = numbers[:4]
    closes = said.closes_at
    closes_ms = (
        None if closes is None else parse_time_ms(closes, reader.where, f"{place}.closes_at")
    )
    ends = (said.source, said.destination)
    return Way(*ends, fee, minimum, median_s, p95_s, kept, blocked, closes_ms)


def _received_share(
    reader: Reader, said: SaidRoute, place: str, accounts: Mapping[str, PlanAccount]
) -> float:
    """Units received by unit sent, never worth more than what was sent: a rate that gains by more
    than prices of one minute differ is a rate of something else."""
    assert said.conversion_rate is not None
    assert said.conversion_cost is not None
    ends = (accounts[said.source], accounts[said.destination])
    sent, received = (each.price(each.asset) for each in ends)
    kept = float(said.conversion_rate) * (1.0 - float(said.conversion_cost))
    parity = sent / received
    if kept > (1.0 + PRICE_NOISE) * parity:
        units = f"{ends[1].asset} by {ends[0].asset}, so that a conversion gains nothing"
        expected = f"expected about {parity:.6g} {units}, got {said.conversion_rate}"
        raise reader.refuse(f"{place}.conversion_rate", expected)
    return min(kept, parity)


def _edges(
    reader: Reader, raw: Mapping[str, object], known: set[str]
) -> Iterator[tuple[str, CarryTerms]]:
    for name, value in raw.items():
        place = f"edges.{name}"
        _require_known(reader, name, place, known)
        if value is None:
            continue
        said = reader.shape(value, SaidEdge, place)
        if said.error_annual < 0:
            raise reader.refuse(f"{place}.error_annual", "expected at least 0")
        reader.positive(said.half_life_days, f"{place}.half_life_days")
        numbers = (said.carry_annual, said.error_annual, said.half_life_days)
        yield name, CarryTerms(*map(float, numbers))


def _costs(
    reader: Reader, raw: Mapping[str, object], known: set[str]
) -> Iterator[tuple[str, DealingCosts]]:
    for name, value in raw.items():
        place = f"costs.{name}"
        _require_known(reader, name, place, known)
        said = reader.shape({} if value is None else value, SaidCosts, place)
        for field in ("taker_fee", "half_spread"):
            reader.share(getattr(said, field), f"{place}.{field}")
        for field in ("volume_day_usd", "vol_daily"):
            reader.positive(getattr(said, field), f"{place}.{field}")
        numbers = [getattr(said, field) for field in SaidCosts.__struct_fields__]
        if all(number is not None for number in numbers):
            yield name, DealingCosts(*map(float, numbers))


def _require_known(reader: Reader, name: str, place: str, known: set[str]) -> None:
    if name not in known:
        raise reader.refuse(place, "expected venue:SYMBOL of a contract or option in accounts")


def _yields(
    reader: Reader, raw: Mapping[str, object], accounts: Mapping[str, PlanAccount]
) -> Iterator[tuple[str, float]]:
    for venue, value in raw.items():
        if venue not in accounts:
            raise reader.refuse(f"yields.{venue}", "expected an account of this book")
        yield venue, float(reader.decimal(value, f"yields.{venue}"))


def _correlation(reader: Reader, said: Decimal | None) -> float | None:
    if said is not None and not 0 <= said < 1:
        raise reader.refuse("correlation", f"expected at least 0 and less than 1, got {said}")
    return None if said is None else float(said)


def _gaps(book: PlanBook) -> Iterator[Unknown]:
    for _, instrument in book.dealt():
        for name, known in (("costs", book.costs), ("edges", book.edges)):
            if instrument.id not in known:
                what = "what dealing in it costs" if name == "costs" else "what holding it earns"
                yield Unknown(f"{name}.{instrument.id}", f"{what}: it may only be reduced")


def require_accounts(book: PlanBook, venues: set[str]) -> None:
    """Raises `InputError` for a venue of a mandate that the book does not have."""
    for name in sorted(venues - set(book.accounts)):
        raise InputError(book.where, "accounts", f"expected an account at {name}")
