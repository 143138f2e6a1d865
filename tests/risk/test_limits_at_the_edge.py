# SPDX-License-Identifier: Apache-2.0
"""Each limit of the gate at its last allowed figure, and one quantum, lot or moment beyond it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.risk import desk
from tests.risk.desk import (
    ALPHA_BTC,
    ALPHA_ETH,
    BETA_BTC,
    BETA_ETH,
    VAULT_BTC,
    base_lots,
    held,
    order,
    plan,
    send,
)
from tidegate.model.account import Shipment, Unsettled
from tidegate.model.actions import Action, Order
from tidegate.model.units import MICRO
from tidegate.risk import limits
from tidegate.risk.limits import Breach
from tidegate.risk.plan import Plan, Situation, Terms, account_after, worst_accounts
from tidegate.risk.stress import stressed_health

RICH = {"alpha": 500_000.0, "beta": 500_000.0}
TERMS = desk.terms()
LOTS = base_lots(ALPHA_BTC, 900_000)


def rich(**changes: float) -> Situation:
    return desk.situation(desk.portfolio(RICH | changes))


def pair(lots: int) -> tuple[Order, Order]:
    """Bitcoin long at alpha and as much short at beta."""
    return order(ALPHA_BTC, lots), order(BETA_BTC, -100 * lots)


def with_quanta(situation: Situation, venue: str, change: int) -> Situation:
    """The same book with a venue's dollars changed by quanta."""
    account = situation.portfolio.accounts[venue]
    asset = desk.COLLATERAL[venue]
    balances = {**account.balances, asset: account.balances[asset] + change}
    changed = msgspec.structs.replace(account, balances=balances)
    accounts = {**situation.portfolio.accounts, venue: changed}
    book = msgspec.structs.replace(situation.portfolio, accounts=accounts)
    return msgspec.structs.replace(situation, portfolio=book)


def moving(quanta: int, *, extra: int = 0) -> Plan:
    """One transfer from alpha to beta, or two that bring more."""
    parts = [quanta, extra] if extra else [quanta]
    sent = (msgspec.structs.replace(send("alpha", "beta", 0), quanta=q) for q in parts)
    return plan(tuple(sent), raises=False)


@pytest.mark.parametrize("late_ms", [0, 1])
def test_quote_is_fresh_for_two_hours_to_the_millisecond(late_ms: int) -> None:
    as_of_ms = desk.NOW_MS - 2 * 60 * 60 * 1_000 - late_ms
    old = msgspec.structs.replace(desk.quote(ALPHA_BTC), as_of_ms=as_of_ms)
    situation = desk.situation(desk.portfolio(RICH), quotes={ALPHA_BTC: old})
    found = limits.quotes_are_fresh(TERMS, situation, plan(pair(1), raises=True))
    assert found == [Breach("fresh quotes", ALPHA_BTC, "quote too old")] * late_ms


def test_plan_that_moves_money_is_judged_by_the_quotes_of_its_orders_alone() -> None:
    mixed = plan((order(ALPHA_BTC, -1), send("alpha", "beta", 10)), raises=False)
    assert limits.quotes_are_fresh(TERMS, rich(), mixed) == []
    assert limits.reductions_reduce(TERMS, rich(), mixed) != []


@pytest.mark.parametrize("level", ["observe", "propose", "act"])
@pytest.mark.parametrize("without_human", [True, False])
@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("moves", [True, False])
def test_below_act_only_reductions_pass_and_only_where_the_mandate_lets_them(
    level: str, without_human: bool, raises: bool, moves: bool
) -> None:
    authority = msgspec.structs.replace(
        desk.MANDATE.authority, level=level, reduce_without_human=without_human
    )
    terms = desk.terms(msgspec.structs.replace(desk.MANDATE, authority=authority))
    actions: list[Action] = [order(ALPHA_BTC, 1)]
    if moves:
        actions.append(send("alpha", "beta", 10))
    found = limits.authority_allows(terms, rich(), plan(tuple(actions), raises=raises))
    assert (found == []) == (level == "act" or (without_human and not raises and not moves))


@pytest.mark.parametrize("beyond", [0, 1])
def test_all_that_is_free_may_leave_and_not_one_quantum_more(beyond: int) -> None:
    free = 500_000 * MICRO
    found = limits.money_can_leave(TERMS, rich(), moving(free + beyond))
    detail = f"{free + beyond} of {free} quanta"
    assert found == [Breach("withdrawable", "alpha", detail)] * beyond
    found = limits.money_can_leave(TERMS, rich(), moving(free // 2, extra=free // 2 + beyond))
    assert len(found) == beyond


@pytest.mark.parametrize("quanta", [1, 0, -1, -500_000 * MICRO])
def test_transfer_of_nothing_or_less_is_refused(quanta: int) -> None:
    """It would pass every bound from above, and lower what the other side owes."""
    found = limits.money_can_leave(TERMS, rich(), moving(quanta))
    assert [breach.rule for breach in found] == ["withdrawable"] * (quanta < 1)


def test_money_that_is_not_there_is_named_once_where_nothing_is_held() -> None:
    """Without a position no stress can take an account, only the transfer itself."""
    what = moving(600_000 * MICRO)
    assert limits.accounts_survive(TERMS, rich(), what) == []
    assert len(limits.money_can_leave(TERMS, rich(), what)) == 1


def test_transfer_in_another_asset_than_the_route_carries_is_refused() -> None:
    """What may leave is known of the collateral alone."""
    other = msgspec.structs.replace(send("alpha", "beta", 10), asset="BTC")
    found = limits.money_can_leave(TERMS, rich(), plan((other,), raises=False))
    assert found == [Breach("open route", "alpha", "does not carry BTC")]


def test_transfer_between_frozen_venues_names_both_and_the_route_that_is_missing() -> None:
    situation = desk.situation(desk.portfolio(RICH), frozen=("beta", "vault"))
    found = limits.money_can_leave(
        TERMS, situation, plan((send("beta", "vault", 10),), raises=False)
    )
    assert found == [
        Breach("open route", "beta", "venue is frozen"),
        Breach("open route", "vault", "venue is frozen"),
        Breach("open route", "beta", "no such route"),
    ]


def edge_of_survival(terms: Terms, what: Plan, at: str) -> tuple[Situation, Situation]:
    """Books whose alpha is left with a health, or with a margin, of exactly zero."""
    begun = desk.situation(desk.portfolio({"alpha": 400_000, "beta": 900_000}))
    moves = begun.outer if what.raises else begun.inner
    (after,) = worst_accounts(terms, begun, "alpha", what, moves)
    state = terms.rules["alpha"].state(after, begun.marks)
    left = {
        "health": stressed_health(
            terms.rules["alpha"], after, begun.marks, desk.INSTRUMENTS, moves
        ),
        "margin": state.equity - state.initial,
    }[at]
    return with_quanta(begun, "alpha", -left), with_quanta(begun, "alpha", -left - 1)


def test_account_of_no_health_to_spare_survives_and_one_quantum_below_does_not() -> None:
    what = plan(pair(LOTS), raises=True)
    at, below = edge_of_survival(TERMS, what, "health")
    assert limits.accounts_survive(TERMS, at, what) == []
    found = limits.accounts_survive(TERMS, below, what)
    assert found == [Breach("survives stress", "alpha", "health -1 quanta")]


def demanding(leverage: int = 5) -> Terms:
    """Initial margin binds at alpha: a fifth of the notional, of which the stress takes 11 %."""
    alpha = replace(desk.RULES["alpha"], leverage=leverage)  # type: ignore[type-var]
    return desk.terms(with_rules={**desk.RULES, "alpha": alpha})


def test_account_of_no_margin_to_spare_may_open_and_one_quantum_below_may_not() -> None:
    what, terms = plan(pair(LOTS), raises=True), demanding()
    at, below = edge_of_survival(terms, what, "margin")
    assert limits.accounts_survive(terms, at, what) == []
    found = limits.accounts_survive(terms, below, what)
    assert found == [Breach("initial margin", "alpha", "short 1")]
    assert limits.accounts_survive(TERMS, below, what) == []


def test_reduction_may_be_short_of_initial_margin_and_in_need_of_health() -> None:
    """What makes nothing worse is let through, however bad things are."""
    book = desk.portfolio({"alpha": 50_000, "beta": 900_000}, {ALPHA_BTC: held(ALPHA_BTC, LOTS)})
    cut = plan((order(ALPHA_BTC, -LOTS // 2, reduce_only=True),), raises=False)
    assert limits.accounts_survive(demanding(), desk.situation(book), cut) == []
    drained = plan((*cut.actions, send("alpha", "beta", 10)), raises=False)
    found = limits.accounts_survive(demanding(), desk.situation(book), drained)
    assert [breach.rule for breach in found] == ["survives stress"]


def test_money_that_leaves_another_venue_does_not_stop_a_reduction() -> None:
    book = desk.portfolio({"alpha": 50_000, "beta": 900_000}, {ALPHA_BTC: held(ALPHA_BTC, LOTS)})
    cut = plan(
        (order(ALPHA_BTC, -LOTS // 2, reduce_only=True), send("beta", "alpha", 10)), raises=False
    )
    assert limits.accounts_survive(TERMS, desk.situation(book), cut) == []


def test_last_dollar_of_a_wallet_may_be_spent_and_not_one_quantum_more() -> None:
    buy = order(VAULT_BTC, base_lots(VAULT_BTC, 20_000))
    what = plan((buy, order(BETA_BTC, -buy.lots)), raises=True)
    begun = rich(vault=50_000.0)
    left = account_after(TERMS, begun, "vault", what.actions).balances["USDT"]
    assert limits.wallets_hold(TERMS, with_quanta(begun, "vault", -left), what) == []
    found = limits.wallets_hold(TERMS, with_quanta(begun, "vault", -left - 1), what)
    assert found == [Breach("balance", "vault", "short 1 quanta")]


def test_order_alone_in_its_step_has_no_partner_to_wait_for() -> None:
    size = base_lots(ALPHA_BTC, 40_000)
    legs = pair(size)
    assert limits.legs_stay_together(TERMS, rich(), plan((legs[0],), (legs[1],), raises=True)) == []
    beside = plan((legs[0], send("alpha", "beta", 10)), raises=True)
    assert limits.legs_stay_together(TERMS, rich(), beside) == []
    both = plan((*legs, send("alpha", "beta", 10)), raises=True)
    found = limits.legs_stay_together(TERMS, rich(), both)
    assert found == [
        Breach("naked leg", ALPHA_BTC, "39960 USD"),
        Breach("naked leg", BETA_BTC, "39960 USD"),
    ]


@pytest.mark.parametrize("place", [0, 1])
def test_order_has_the_partners_of_its_own_step_and_of_no_other(place: int) -> None:
    single, both = (order(ALPHA_ETH, 1),), pair(base_lots(ALPHA_BTC, 40_000))
    steps = [single, both] if place else [both, single]
    found = limits.legs_stay_together(TERMS, rich(), plan(*steps, raises=True))
    assert [breach.where for breach in found] == [ALPHA_BTC, BETA_BTC]


@pytest.mark.parametrize("held_lots", [0, -5, 5])
@pytest.mark.parametrize("side", [1, -1])
def test_reduction_may_reach_nothing_and_not_one_lot_of_the_other_side(
    held_lots: int, side: int
) -> None:
    positions = {ALPHA_BTC: held(ALPHA_BTC, held_lots)} if held_lots else {}
    situation = desk.situation(desk.portfolio(RICH, positions))
    for beyond in (0, side):
        lots = beyond - held_lots
        what = plan((order(ALPHA_BTC, lots),) if lots else (), raises=False)
        found = limits.reductions_reduce(TERMS, situation, what)
        assert len(found) == (1 if beyond and beyond * held_lots <= 0 else 0)


def test_venue_that_lends_may_be_overdrawn_by_fees_where_nothing_is_held() -> None:
    """What it lends against is judged by its margin; only wallets hold what they spend."""
    poor = rich(alpha=0.0)
    what = plan(pair(100), raises=True)
    assert account_after(TERMS, poor, "alpha", what.actions).balances["USDT"] < 0
    assert limits.wallets_hold(TERMS, poor, what) == []
    assert limits.accounts_survive(TERMS, poor, what) != []


def test_first_account_that_would_not_survive_is_named_alone() -> None:
    poor = desk.situation(desk.portfolio({"alpha": 10_000, "beta": 10_000}))
    found = limits.accounts_survive(TERMS, poor, plan(pair(LOTS), raises=True))
    assert {breach.where for breach in found} == {"alpha"}


def test_naked_coin_is_measured_at_its_own_price_beside_a_cheaper_coin() -> None:
    ether = order(ALPHA_ETH, 100), order(BETA_ETH, -10_000)
    step = (*ether, order(ALPHA_BTC, base_lots(ALPHA_BTC, 24_000)))
    found = limits.coins_stay_hedged(TERMS, rich(), plan(step, raises=True))
    assert found == [Breach("hedged", "BTC", "24000 USD after step 0")]


def test_naked_coin_is_measured_at_the_lowest_price_where_it_is_traded() -> None:
    """0.4 coins are 24,000 dollars at alpha and 26,400 at beta, of 25,000 allowed."""
    dear = desk.quote(BETA_BTC, round(desk.MARKS[BETA_BTC] * 1.1))
    situation = desk.situation(desk.portfolio(RICH), quotes={BETA_BTC: dear})
    long, short = pair(400)
    assert limits.coins_stay_hedged(TERMS, situation, plan((long,), (short,), raises=True)) == []


def test_gross_counts_every_perpetual_after_all_orders_and_no_coin_held_outright() -> None:
    """3 BTC long at alpha and 2 short at beta, with 1 BTC in the vault, by hand."""
    positions = {ALPHA_BTC: held(ALPHA_BTC, 1_000), BETA_BTC: held(BETA_BTC, -100_000)}
    situation = desk.situation(desk.portfolio(RICH, positions, coins={"BTC": 10**8}))
    steps = ((*pair(500), send("alpha", "beta", 10)), pair(500), (order(ALPHA_BTC, 1_000),))
    gross = limits.gross_after_usd(TERMS, situation, plan(*steps, raises=True))
    assert gross == 5 * 60_000


def test_gross_beyond_the_mandate_is_named_in_multiples_of_equity() -> None:
    what = plan(pair(base_lots(ALPHA_BTC, 1_050_000)), raises=True)
    assert limits.book_stays_small(TERMS, rich(), what) == [
        Breach("gross leverage", "book", "2.10x")
    ]


@pytest.mark.parametrize("beyond", [0, 1])
def test_book_may_grow_at_the_mandates_loss_from_its_peak_and_not_beyond(beyond: int) -> None:
    situation = msgspec.structs.replace(rich(), peak_usd=1_250_000.0 + beyond)
    found = limits.book_stays_small(TERMS, situation, plan(pair(1), raises=True))
    assert found == [Breach("loss from peak", "book", "1000000 USD")] * beyond
    assert limits.book_stays_small(TERMS, situation, plan(pair(1), raises=False)) == []


@pytest.mark.parametrize("beyond", [0, 1])
@pytest.mark.parametrize("parts", [1, 2])
def test_claim_may_reach_its_cap_and_not_one_quantum_more(beyond: int, parts: int) -> None:
    """500,000 at beta of 1,000,000, of which 900,000 may be owed by one venue."""
    quanta = 400_000 * MICRO + beyond
    what = moving(quanta) if parts == 1 else moving(quanta - 10, extra=10)
    found = limits.claims_stay_capped(TERMS, rich(), what)
    assert found == [Breach("claim cap", "beta", "900000 USD")] * beyond


def test_claims_count_every_shipment_by_what_will_be_received() -> None:
    """Of two shipments of 100,000 each conversion leaves 99,990."""
    parcels = tuple(
        Shipment(name, "alpha", "beta", "USDT", 100_000 * MICRO, desk.NOW_MS - 60_000)
        for name in "ab"
    )
    book = desk.portfolio({"alpha": 400_000, "beta": 400_000}, shipments=parcels)
    situation = desk.situation(book)
    room = 900_000 - 400_000 - 2 * 99_990
    for beyond in (0, 1):
        what = moving(room * MICRO + beyond)
        assert len(limits.claims_stay_capped(TERMS, situation, what)) == beyond


def test_orders_of_one_instrument_share_its_volume_and_others_have_their_own() -> None:
    """1 % of two million is 20,000: two slices of 12,000 are too much, one is not."""
    shallow = {
        name: msgspec.structs.replace(desk.quote(name), volume_day_usd=2e6)
        for name in (ALPHA_BTC, BETA_BTC)
    }
    situation = desk.situation(desk.portfolio(RICH), quotes=shallow)
    once, sent = pair(200), send("alpha", "beta", 10)
    assert limits.orders_fit_the_market(TERMS, situation, plan((*once, sent), raises=True)) == []
    found = limits.orders_fit_the_market(TERMS, situation, plan(once, once, raises=True))
    assert found == [
        Breach("volume share", ALPHA_BTC, "24000 USD"),
        Breach("volume share", BETA_BTC, "24000 USD"),
    ]
    assert limits.orders_fit_the_market(TERMS, situation, plan(once, once, raises=False)) == []


@pytest.mark.parametrize("beyond", [0, 1])
def test_limits_in_dollars_allow_a_thousandth_for_lots_and_not_one_lot_more(beyond: int) -> None:
    """110,110 lots of ether at beta are 33,033 dollars, a thousandth above 33,000."""
    lots = 110_110 + beyond
    naked = desk.terms(desk.with_limits(naked_usd=33_000.0, gross_leverage=1.0))
    short, long = order(BETA_ETH, -lots), order(ALPHA_ETH, lots // 100)
    together = plan((short, long), raises=True)
    assert len(limits.legs_stay_together(naked, rich(), together)) == beyond
    apart = plan((short,), (long,), raises=True)
    assert len(limits.coins_stay_hedged(naked, rich(), apart)) == beyond
    alone = plan((short,), raises=True)
    poor = msgspec.structs.replace(rich(), equity_usd=33_000.0, peak_usd=33_000.0)
    assert len(limits.book_stays_small(naked, poor, alone)) == beyond
    shallow = msgspec.structs.replace(desk.quote(BETA_ETH), volume_day_usd=3_300_000.0)
    thin = desk.situation(desk.portfolio(RICH), quotes={BETA_ETH: shallow})
    assert len(limits.orders_fit_the_market(naked, thin, alone)) == beyond


def test_names_of_the_checks_are_those_of_what_a_plan_was_found_to_break() -> None:
    """A journal pins the names, so none may be missing and no two may be one."""
    names = limits.check_names()
    assert list(limits.findings(TERMS, rich(), plan(pair(1), raises=True))) == names
    assert len(set(names)) == len(limits.CHECKS) == len(names)


def test_parcel_on_a_route_that_the_mandate_no_longer_has_counts_in_full_for_the_claim() -> None:
    parcel = Shipment("s", "alpha", "beta", "USDT", 300_000 * MICRO, desk.NOW_MS - 60_000)
    book = desk.portfolio({"alpha": 200_000, "beta": 500_000}, shipments=(parcel,))
    situation = desk.situation(book)
    struck = msgspec.structs.replace(TERMS, passages={})
    for usd, found in ((99_000, 0), (101_000, 1)):
        what = moving(usd * MICRO)
        assert len(limits.claims_stay_capped(struck, situation, what)) == found


@given(st.integers(-300, 300), st.integers(-200, 0), st.integers(0, 200))
def test_gross_takes_the_end_of_what_may_be_held_that_is_furthest_from_nought(
    lots: int, low: int, high: int
) -> None:
    positions = {ALPHA_BTC: held(ALPHA_BTC, lots)} if lots else {}
    unsure = msgspec.structs.replace(
        desk.situation(desk.portfolio(RICH, positions)),
        unsettled=Unsettled(lots={ALPHA_BTC: (low, high)}),
    )
    furthest = max(abs(lots + low), abs(lots + high))
    one_usd = desk.INSTRUMENTS[ALPHA_BTC].notional(1, desk.MARKS[ALPHA_BTC]) / MICRO
    assert limits.gross_after_usd(TERMS, unsure, plan(raises=True)) == pytest.approx(
        furthest * one_usd
    )
