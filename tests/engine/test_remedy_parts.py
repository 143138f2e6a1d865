# SPDX-License-Identifier: Apache-2.0
"""A fix by several wires, and a cut at a venue that holds both sides of a coin."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, BETA_BTC, VAULT_BTC, held
from tidegate.costs.trading import TradingCosts
from tidegate.engine.deaths import threat, venue_deaths
from tidegate.engine.observed_book import Leg, Margined, SeenBook, SeenVenue, Way
from tidegate.engine.remedy import _cut, remedy_of
from tidegate.engine.rescue import available, dies_before, landing_s, shortfall, wait_s, wires
from tidegate.model.account import Account, Position
from tidegate.model.instruments import Perpetual
from tidegate.model.units import MICRO

COSTS = TradingCosts(500, 0.0001, 0.0)


def venue(name: str, usd: float, lots: int = 0) -> SeenVenue:
    """A venue of the desk with dollars and one bitcoin contract."""
    contract = next(i for i in desk.CONTRACTS if (i.venue, i.base) == (name, "BTC"))
    leg = Leg(contract, lots, desk.MARKS[contract.id], COSTS, "USD", None)
    asset = desk.COLLATERAL[name]
    positions = {contract.id: held(contract.id, lots)} if lots else {}
    account = Account(name, {asset: round(usd * MICRO)}, positions)
    known = Margined(desk.RULES[name], account, {contract.id: desk.MARKS[contract.id]})
    return SeenVenue(name, asset, name == "vault", (leg,), known, initial_known=True)


def seen(*venues: SeenVenue, ways: tuple[Way, ...] = ()) -> SeenBook:
    dollars = {"USDT": Fraction(1), "USDC": Fraction(1)}
    by_name = {v.name: v for v in venues}
    return SeenBook(0, by_name, ways, dollars, {"BTC": 1.0}, {"BTC": 0.6}, target=0.10, unknown=())


def way(source: str, median_s: float) -> Way:
    passage = replace(
        desk.PASSAGES["alpha", "beta"],
        source=source,
        latency_median_s=median_s,
        latency_p95_s=3 * median_s,
    )
    return Way(source, "beta", passage, frozen=False, blocked_until_ms=None)


@pytest.mark.parametrize(("median_s", "in_time"), [(2_200, True), (3_400, False)])
def test_several_wires_are_in_time_only_where_their_chances_of_death_together_are_small(
    median_s: float, in_time: bool
) -> None:
    """Beta's short of 60,000 lacks what neither of two has alone; alone each would be in time."""
    ways = way("alpha", median_s), way("vault", median_s)
    short = -100_000
    beta = venue("beta", 60_000 * 0.025, short)
    bare = seen(beta)
    need = shortfall(bare, beta)
    assert need is not None
    half = need / MICRO * 0.6
    book = seen(venue("alpha", half), venue("vault", half), beta, ways=ways)
    death = threat(venue_deaths(book, beta))
    chances = [dies_before(book, each, death) or 0.0 for each in ways]
    option = next(o for o in remedy_of(book, beta).options if o.kind == "wire")
    assert [wire.source for wire in option.wires] == ["alpha", "vault"]
    assert option.dies_before == pytest.approx(min(1.0, sum(chances)))
    assert option.in_time == (sum(chances) <= 0.01)
    sent = option.wires[0].sent
    assert sent == available(book, book.venues["alpha"])
    assert sum(wire.received for wire in option.wires) >= need
    assert sum(wire.received for wire in option.wires) - need <= 1


def test_cut_of_both_sides_of_a_coin_closes_both_and_hedges_what_is_left_elsewhere() -> None:
    """Ten thousandths long and four short at alpha, six short at beta: half of all goes."""
    other = Perpetual("alpha", "BTCPERP", "BTC", "USDT", Decimal("0.1"), Decimal("0.001"))
    alpha = venue("alpha", 10_000, 10)
    short = Leg(other, -4, desk.MARKS[ALPHA_BTC], COSTS, "USD", None)
    known = alpha.margined
    assert known is not None
    positions = {**known.account.positions, other.id: Position(-4, 0)}
    both = replace(
        alpha,
        legs=(*alpha.legs, short),
        margined=replace(known, account=Account("alpha", known.account.balances, positions)),
    )
    book = seen(both, venue("beta", 10_000, -600))
    option = _cut(book, both, ("BTC",), Fraction(1, 2))
    assert {t.instrument: t.lots for t in option.trades} == {
        ALPHA_BTC: -5,
        other.id: 2,
        BETA_BTC: 300,
    }


def test_largest_hedge_elsewhere_goes_first_and_the_next_by_what_is_left() -> None:
    """Beta's short of ten thousandths goes whole, of which alpha hedges six and the vault four."""
    beta = venue("beta", 10_000, -1_000)
    for lots, coins in ((6, 400), (4, 600)):
        hedges = venue("alpha", 10_000, lots), with_coins(venue("vault", 0), coins)
        option = _cut(seen(*hedges, beta), beta, ("BTC",), Fraction(7, 10))
        trades = {t.instrument: t.lots for t in option.trades}
        first = {ALPHA_BTC: -6, VAULT_BTC: -100} if lots == 6 else {VAULT_BTC: -600, ALPHA_BTC: -1}
        assert trades == {BETA_BTC: 700, **first}


def with_coins(vault: SeenVenue, lots: int) -> SeenVenue:
    known = vault.margined
    assert known is not None
    account = Account("vault", {"USDT": 0, "BTC": lots * 1_000}, {})
    return vault.with_account(account)


@pytest.mark.parametrize(("least_usd", "sent_usd"), [(10, None), (900, 900), (2_001, 0)])
def test_wire_is_the_least_that_its_route_takes_and_none_where_that_is_not_there(
    least_usd: int, sent_usd: int | None
) -> None:
    """Alpha has 2,000, and beta lacks some five hundred."""
    beta = venue("beta", 3_000, -100_000)
    lacks = shortfall(seen(beta), beta)
    assert lacks is not None
    beta = venue("beta", 3_000 + lacks / MICRO - 500, -100_000)
    slow = way("alpha", 60)
    assert slow.passage is not None
    slow = replace(slow, passage=replace(slow.passage, minimum_quanta=least_usd * MICRO))
    book = seen(venue("alpha", 2_000), beta, ways=(slow,))
    found = wires(book, beta, shortfall(book, beta) or 0)
    if sent_usd == 0:
        assert found is None
        return
    assert found is not None
    ((wire, _),) = found
    if sent_usd is None:
        assert 500 < wire.sent / MICRO < 502
    else:
        assert wire.sent == sent_usd * MICRO


def test_first_to_be_sent_is_what_lands_first_for_sure_and_not_what_mostly_does() -> None:
    """Alpha's way is the faster by half of the time, and the vault's in ninety-nine of a
    hundred."""
    beta = venue("beta", 3_000, -100_000)
    narrow = way("vault", 1_200)
    assert narrow.passage is not None
    narrow = replace(narrow, passage=replace(narrow.passage, latency_p95_s=1_300))
    vault = venue("vault", 50_000)
    book = seen(venue("alpha", 50_000), vault, beta, ways=(way("alpha", 600), narrow))
    found = wires(book, beta, shortfall(book, beta) or 0)
    assert found is not None
    assert [wire.source for wire, _ in found] == ["vault"]


@pytest.mark.parametrize(
    ("frozen", "until_ms", "wait"),
    [
        (False, None, 0.0),
        (True, None, None),
        (True, 2_500, 1.5),
        (True, 900, 0.0),
        (True, 1_000, 0),
    ],
)
def test_way_is_waited_for_until_it_opens_and_not_at_all_once_that_is_past(
    frozen: bool, until_ms: int | None, wait: float | None
) -> None:
    book = replace(seen(venue("beta", 3_000)), ts_ms=1_000)
    shut = replace(way("alpha", 600), frozen=frozen, blocked_until_ms=until_ms)
    assert wait_s(book, shut) == wait
    landing = landing_s(book, shut, 0.5)
    assert landing == (None if wait is None else pytest.approx(wait + 600))
