# SPDX-License-Identifier: Apache-2.0
"""Checks of the gate one by one where something is in doubt, off its hedge, or met more than once
by one plan."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH, VAULT_BTC, held, order, plan
from tidegate.model.account import Shipment, Unsettled
from tidegate.model.times import read_window
from tidegate.model.units import MICRO
from tidegate.risk.limits import (
    accounts_survive,
    authority_allows,
    claims_stay_capped,
    coins_stay_hedged,
    findings,
    money_can_leave,
    orders_fit_the_market,
    quotes_agree,
    remainders_count,
    unsettled_only_shrinks,
    wallets_hold,
)
from tidegate.risk.plan import (
    Situation,
    account_after,
    is_unsettled,
    least_certain,
    order_cost,
    route_room_usd,
    worst_accounts,
)
from tidegate.venues.accounts.parity import Ours, parity, reduce_only
from tidegate.venues.accounts.told import Stated

TERMS = desk.terms()
RICH = {"alpha": 500_000.0, "beta": 400_000.0, "vault": 100_000.0}


def book(
    lots: dict[str, int] | None = None, unsettled: Unsettled | None = None, coins: int = 0
) -> Situation:
    positions = {name: held(name, n) for name, n in (lots or {}).items()}
    found = desk.situation(desk.portfolio(RICH, positions, coins={"BTC": coins}))
    return msgspec.structs.replace(found, unsettled=unsettled or Unsettled())


def reduce(name: str, lots: int, key: str = "o") -> object:
    return order(name, lots, reduce_only=True, key=key)


LONG = Unsettled(lots={ALPHA_BTC: (-40, 10)})
SHORT = Unsettled(lots={ALPHA_BTC: (-10, 40)})


@pytest.mark.parametrize(
    ("side", "lots", "only", "passes"),
    [
        (1, -60, True, True),
        (1, -61, True, False),
        (1, -60, False, False),
        (1, 1, True, False),
        (-1, 60, True, True),
        (-1, 61, True, False),
        (-1, -1, True, False),
    ],
)
def test_what_is_in_doubt_shrinks_to_nothing_of_what_is_sure_and_says_so(
    side: int, lots: int, only: bool, passes: bool
) -> None:
    """Of a hundred lots sixty are sure."""
    situation = book({ALPHA_BTC: 100 * side}, LONG if side > 0 else SHORT)
    what = plan((order(ALPHA_BTC, lots, only),), raises=False)
    assert (unsettled_only_shrinks(TERMS, situation, what) == []) == passes


def test_every_order_of_what_is_in_doubt_must_only_reduce() -> None:
    situation = book({ALPHA_BTC: 100}, LONG)
    one, other = reduce(ALPHA_BTC, -10), order(ALPHA_BTC, -20)
    assert unsettled_only_shrinks(TERMS, situation, plan((one, other), raises=False))  # type: ignore[arg-type]
    whole = plan((one, reduce(ALPHA_BTC, -20, "p")), raises=False)  # type: ignore[arg-type]
    assert unsettled_only_shrinks(TERMS, situation, whole) == []


@pytest.mark.parametrize(
    ("unsettled", "source", "destination"),
    [
        (Unsettled(lots={ALPHA_ETH: (0, 1)}), False, True),
        (Unsettled(missing={"beta": {"USDC": 1}}), True, False),
        (Unsettled(unseen=frozenset({"alpha"})), False, True),
        (Unsettled(), True, True),
    ],
)
def test_money_may_go_to_a_venue_in_doubt_and_not_from_one(
    unsettled: Unsettled, source: bool, destination: bool
) -> None:
    situation = book({}, unsettled)
    for ends, passes in ((("alpha", "beta"), source), (("beta", "alpha"), destination)):
        what = plan((desk.send(*ends, 10),), raises=False)
        assert (unsettled_only_shrinks(TERMS, situation, what) == []) == passes


@pytest.mark.parametrize(
    ("unsettled", "names"),
    [
        (Unsettled(lots={ALPHA_BTC: (0, 1)}), {ALPHA_BTC}),
        (Unsettled(unseen=frozenset({"beta"})), {BETA_BTC, BETA_ETH}),
        (Unsettled(missing={"alpha": {"USDT": 1}}), set()),
    ],
)
def test_instrument_is_unsettled_by_its_own_range_or_by_its_whole_venue(
    unsettled: Unsettled, names: set[str]
) -> None:
    found = {n for n in desk.INSTRUMENTS if is_unsettled(TERMS, book({}, unsettled), n)}
    assert found == names


@pytest.mark.parametrize("raises", [True, False])
def test_crossed_book_is_traded_on_by_no_plan_and_a_gap_between_venues_stops_growth_alone(
    raises: bool,
) -> None:
    legs = order(ALPHA_BTC, -1, reduce_only=True), order(BETA_BTC, 100, reduce_only=True)
    what = plan(legs, raises=raises)
    crossed = msgspec.structs.replace(desk.quote(ALPHA_BTC), half_spread=-1e-9)
    touching = msgspec.structs.replace(desk.quote(ALPHA_BTC), half_spread=0.0)
    apart = desk.quote(BETA_BTC, 2 * desk.MARKS[BETA_BTC])
    for quotes, refused in (
        ({ALPHA_BTC: crossed}, True),
        ({ALPHA_BTC: touching}, False),
        ({BETA_BTC: apart}, raises),
    ):
        positions = {ALPHA_BTC: held(ALPHA_BTC, 10), BETA_BTC: held(BETA_BTC, -1_000)}
        found = desk.situation(desk.portfolio(RICH, positions), quotes=quotes)
        assert bool(quotes_agree(TERMS, found, what)) == refused


def test_one_who_may_only_reduce_moves_no_money() -> None:
    authority = msgspec.structs.replace(
        desk.MANDATE.authority, level="observe", reduce_without_human=True
    )
    terms = desk.terms(msgspec.structs.replace(desk.MANDATE, authority=authority))
    cut, sent = reduce(ALPHA_BTC, -1), desk.send("alpha", "beta", 10)
    for step, passes in (((cut,), True), ((sent,), False), ((cut, sent), False)):
        found = authority_allows(terms, book({ALPHA_BTC: 1}), plan(step, raises=False))  # type: ignore[arg-type]
        assert (found == []) == passes


@pytest.mark.parametrize(("amounts", "passes"), [((60, 40), True), ((60, 41), False)])
def test_cap_of_a_route_is_for_all_that_a_plan_sends_over_it(
    amounts: tuple[int, int], passes: bool
) -> None:
    """Of a thousand nine hundred were sent; another route has its own."""
    situation = msgspec.structs.replace(book(), sent_day_usd={("alpha", "beta"): 900.0})
    sends = [desk.send("alpha", "beta", usd) for usd in amounts]
    steps = [(send,) for send in (*sends, desk.send("beta", "alpha", 990))]
    found = money_can_leave(desk.routed(1_000), situation, plan(*steps, raises=False))
    assert (found == []) == passes


@pytest.mark.parametrize("cap", [None, 1e6])
def test_hours_of_a_route_hold_with_and_without_a_cap(cap: float | None) -> None:
    """Now it is ten in the evening."""
    situation = msgspec.structs.replace(book(), sent_day_usd={})
    what = plan((desk.send("alpha", "beta", 10),), raises=False)
    for hours, opened in (("21:00-23:00", True), ("08:00-21:00", False)):
        terms = desk.routed(cap, read_window(hours, "test", "window"))
        assert (money_can_leave(terms, situation, what) == []) == opened
        room = route_room_usd(terms.passages["alpha", "beta"], situation)
        assert (room > 0) == opened


@pytest.mark.parametrize("end", ["alpha", "beta"])
def test_route_with_either_end_frozen_takes_nothing(end: str) -> None:
    frozen = desk.situation(desk.portfolio(RICH), frozen=(end,))
    what = plan((desk.send("alpha", "beta", 10),), raises=False)
    (found,) = money_can_leave(TERMS, frozen, what)
    assert (found.rule, found.where) == ("open route", end)
    assert route_room_usd(TERMS.passages["alpha", "beta"], frozen) == 0


def test_cap_is_that_of_the_routes_own_direction() -> None:
    sent = msgspec.structs.replace(book(), sent_day_usd={("beta", "alpha"): 700.0})
    ways = desk.routed(1_000).passages
    assert route_room_usd(ways["alpha", "beta"], sent) == 1_000
    assert route_room_usd(ways["beta", "alpha"], sent) == 300


def test_reduction_that_sends_money_from_its_venue_must_survive() -> None:
    pair = {ALPHA_BTC: held(ALPHA_BTC, 5_000), BETA_BTC: held(BETA_BTC, -500_000)}
    thin = desk.situation(desk.portfolio({"alpha": 20_000.0, "beta": 500_000.0}, pair))
    cut = reduce(ALPHA_BTC, -10)
    alone = plan((cut,), raises=False)  # type: ignore[arg-type]
    assert accounts_survive(TERMS, thin, alone) == []
    paid = plan((cut,), (desk.send("alpha", "beta", 10),), raises=False)  # type: ignore[arg-type]
    assert accounts_survive(TERMS, thin, paid)
    brought = plan((cut,), (desk.send("beta", "alpha", 10),), raises=False)  # type: ignore[arg-type]
    assert accounts_survive(TERMS, thin, brought) == []


def test_wallet_that_is_overdrawn_in_the_middle_of_a_plan_is_named_though_it_ends_well() -> None:
    situation = book(coins=10**8)
    bought, sold = order(VAULT_BTC, 200_000), order(VAULT_BTC, -250_000)
    assert wallets_hold(TERMS, situation, plan((bought,), (sold,), raises=True))
    assert wallets_hold(TERMS, situation, plan((order(VAULT_BTC, -90_000),), raises=True)) == []


# A hundred lots of bitcoin at alpha are 6,000 dollars, as ten thousand at beta.
@pytest.mark.parametrize(
    ("off", "step", "named"),
    [
        (100, (-300, 30_000), False),
        (100, (400, -40_000), True),
        (-100, (400, -40_000), True),
        (-100, (-400, 40_000), True),
        (-100, (300, -30_000), False),
        (10, (400, -40_000), False),
        (400, (-400, 0), False),
    ],
)
def test_step_of_a_coin_off_its_hedge_may_expose_no_more_than_the_limit_whichever_leg_fills(
    off: int, step: tuple[int, int], named: bool
) -> None:
    situation = book({ALPHA_BTC: 1_000 + off, BETA_BTC: -100_000})
    legs = tuple(
        order(name, lots) for name, lots in zip((ALPHA_BTC, BETA_BTC), step, strict=True) if lots
    )
    assert bool(remainders_count(TERMS, situation, plan(legs, raises=True))) == named


def test_steps_before_count_towards_what_a_step_exposes() -> None:
    situation = book({ALPHA_BTC: 1_100, BETA_BTC: -100_000})
    once = plan((order(ALPHA_BTC, 200),), raises=True)
    pair = (order(ALPHA_BTC, 200), order(BETA_BTC, -30_000))
    twice = plan((order(ALPHA_BTC, 200),), pair, raises=True)
    assert remainders_count(TERMS, situation, once) == []
    assert remainders_count(TERMS, situation, twice)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("left_usd", "later_usd", "passes"),
    [(960, 0, True), (1_080, 0, False), (24_000, 24_000, True), (25_080, 25_080, False)],
)
def test_plan_ends_within_the_least_trade_and_no_step_before_beyond_the_naked_limit(
    side: int, left_usd: int, later_usd: int, passes: bool
) -> None:
    lots = side * left_usd // 60
    steps = [(order(ALPHA_BTC, lots),)]
    if later_usd:
        steps.append((order(BETA_BTC, -100 * lots),))
    found = coins_stay_hedged(TERMS, book(), plan(*steps, raises=True))
    assert (found == []) == passes


@pytest.mark.parametrize(("beyond", "passes"), [(0, True), (1, False)])
def test_claim_counts_all_that_is_or_may_be_on_its_way_though_it_may_be_gone_too(
    beyond: int, passes: bool
) -> None:
    """Beta may hold nine tenths of a million, has 400,000, and 300,000 and 100,000 come over two
    shipments and an order that is in doubt."""
    parcels = tuple(
        Shipment(name, "vault", "beta", "USDC", usd * MICRO, desk.NOW_MS)
        for name, usd in (("s", 150_000), ("t", 150_000))
    )
    situation = book()
    folio = msgspec.structs.replace(situation.portfolio, shipments=parcels)
    situation = msgspec.structs.replace(
        situation,
        portfolio=folio,
        unsettled=Unsettled(arriving={"beta": 100_000 * MICRO}),
        void=frozenset({"s"}),
    )
    send = replace_quanta(desk.send("alpha", "beta", 100_000), beyond)
    found = claims_stay_capped(TERMS, situation, plan((send,), raises=False))
    assert (found == []) == passes


def replace_quanta(transfer: object, more: int) -> object:
    return msgspec.structs.replace(transfer, quanta=transfer.quanta + more)  # type: ignore[attr-defined, type-var]


def test_claim_is_equity_and_not_the_wallet() -> None:
    """Half of the price is profit."""
    lots = desk.base_lots(BETA_BTC, 600_000)
    book = desk.portfolio({**RICH, "beta": 500_000.0}, {BETA_BTC: held(BETA_BTC, lots, 0.5)})
    situation = msgspec.structs.replace(desk.situation(book), equity_usd=1_000_000.0)
    small, large = (
        plan((desk.send("alpha", "beta", usd),), raises=False) for usd in (99_000, 101_000)
    )
    assert claims_stay_capped(TERMS, situation, small) == []
    assert claims_stay_capped(TERMS, situation, large)


def test_held_contract_without_a_quote_blinds_a_reduction_of_another() -> None:
    situation = book({ALPHA_BTC: 10, ALPHA_ETH: 10})
    quotes = {n: q for n, q in situation.snapshot.quotes.items() if n != ALPHA_ETH}
    snapshot = msgspec.structs.replace(situation.snapshot, quotes=quotes)
    blind = msgspec.structs.replace(situation, snapshot=snapshot)
    found = findings(TERMS, blind, plan((reduce(ALPHA_BTC, -1),), raises=False))  # type: ignore[arg-type]
    assert [b.where for breaches in found.values() for b in breaches] == [ALPHA_ETH]


@pytest.mark.parametrize(
    ("lots", "ends", "worst"),
    [(100, (-40, 10), 110), (100, (-40, 0), 100), (-100, (0, 40), -100), (-100, (-5, 40), -105)],
)
def test_account_is_least_certain_at_the_end_that_hurts_what_is_held_included(
    lots: int, ends: tuple[int, int], worst: int
) -> None:
    situation = book({ALPHA_BTC: lots}, Unsettled(lots={ALPHA_BTC: ends}))
    found = least_certain(TERMS, situation, "alpha", desk.INNER)
    assert found.positions[ALPHA_BTC].lots == worst
    assert (
        least_certain(TERMS, situation, "beta", desk.INNER) == situation.portfolio.accounts["beta"]
    )


def test_money_that_may_be_missing_is_gone_at_its_own_venue_and_coins_never_below_nought() -> None:
    """Of the vault's coins twice as many may have been sold as it has."""
    doubt = Unsettled(
        lots={VAULT_BTC: (-200_000, 0)}, missing={"beta": {"USDC": 7}, "vault": {"USDT": 5}}
    )
    situation = book(unsettled=doubt, coins=10**8)
    beta, vault = (least_certain(TERMS, situation, v, desk.INNER) for v in ("beta", "vault"))
    assert beta.balances == {"USDC": 400_000 * MICRO - 7}
    assert vault.balances == {"USDT": 100_000 * MICRO - 5, "BTC": 0}


def test_step_after_a_step_begins_with_all_of_it_filled_and_its_costs_paid() -> None:
    """What the first sells by halves is whole before the second begins; both pay for it."""
    situation = book({ALPHA_BTC: 100})
    steps = ((order(ALPHA_BTC, -60),), (order(ALPHA_BTC, -10),))
    first, second = worst_accounts(
        TERMS, situation, "alpha", plan(*steps, raises=False), desk.INNER
    )
    assert (first.positions[ALPHA_BTC].lots, second.positions[ALPHA_BTC].lots) == (100, 40)
    alone = next(
        worst_accounts(TERMS, situation, "alpha", plan(steps[1], raises=False), desk.INNER)
    )
    paid = first.balances["USDT"] - second.balances["USDT"]
    assert paid > 500_000 * MICRO - alone.balances["USDT"] > 0


def test_way_without_a_cap_is_not_asked_what_left() -> None:
    free = replace(TERMS.passages["alpha", "beta"], cap_usd_day=None)
    assert route_room_usd(free, book()) == float("inf")
    assert route_room_usd(replace(free, cap_usd_day=5.0), book()) == 0


def test_another_dollar_than_the_route_carries_is_another_asset() -> None:
    wrong = msgspec.structs.replace(desk.send("alpha", "beta", 10), asset="USDC")
    found = money_can_leave(TERMS, book(), plan((wrong,), raises=False))
    assert "does not carry USDC" in {b.detail for b in found}


def test_orders_that_only_reduce_count_towards_the_volume_of_a_plan_that_raises() -> None:
    """A hundredth of a billion may be traded a day."""
    share = desk.MANDATE.venue["alpha"].volume_share
    lots = desk.base_lots(ALPHA_BTC, 0.6 * share * 1e9)
    steps = [(order(ALPHA_BTC, -lots, reduce_only=True),), (order(ALPHA_BTC, -lots, key="p"),)]
    situation = book({ALPHA_BTC: lots})
    assert orders_fit_the_market(TERMS, situation, plan(*steps, raises=True))
    assert orders_fit_the_market(TERMS, situation, plan(*steps[:1], raises=True)) == []


def test_more_may_be_missing_than_there_is() -> None:
    situation = book(unsettled=Unsettled(missing={"vault": {"USDT": 200_000 * MICRO}}))
    found = least_certain(TERMS, situation, "vault", desk.INNER)
    assert found.balances["USDT"] == -100_000 * MICRO


def test_third_order_of_an_instrument_pays_for_both_before_it() -> None:
    orders = [order(ALPHA_BTC, 500, key=str(n)) for n in range(3)]
    after = account_after(TERMS, book(), "alpha", orders)
    paid = sum(order_cost(TERMS, book(), o, 30_000.0 * n) for n, o in enumerate(orders))
    assert 500_000 * MICRO - after.balances["USDT"] == paid


def test_venue_whose_margin_is_beyond_tolerance_takes_no_order_that_raises() -> None:
    ours = Ours(500_000.0, 20_000.0, 10_000.0)
    agrees = parity("beta", ours, Stated("USDC", Decimal(500_000), None, Decimal(10_000)))
    beyond = parity("alpha", ours, Stated("USDT", Decimal(500_000), None, Decimal(12_000)))
    doubted = Unsettled().doubting(reduce_only((agrees, beyond)))
    situation = book({ALPHA_BTC: 100}, doubted)

    def refused(name: str, lots: int, only: bool) -> bool:
        what = plan((order(name, lots, only),), raises=not only)
        return "unsettled_only_shrinks" in {
            name for name, found in findings(TERMS, situation, what).items() if found
        }

    assert refused(ALPHA_BTC, 1, False)
    assert not refused(ALPHA_BTC, -100, True)
    assert not refused(BETA_BTC, 1, False)
