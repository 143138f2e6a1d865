# SPDX-License-Identifier: Apache-2.0
"""Levels to the quantum, and several accounts that want the same money at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec
import pytest

from tests.engine.test_alarm import BLOCKED, INNER, LOTS, OUTER, holding, short_at_beta
from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, BETA_BTC, base_lots, held
from tidegate.engine.alarm import (
    Alarm,
    Level,
    assess,
    blocked_venues,
    lacking_quanta,
    naked_coins,
    with_landings,
)
from tidegate.model.account import Account, Position, Shipment, Unsettled
from tidegate.model.units import MICRO
from tidegate.risk.plan import Situation, Terms
from tidegate.risk.stress import scaled, stressed_health

PAIR = {ALPHA_BTC: held(ALPHA_BTC, LOTS), BETA_BTC: held(BETA_BTC, -100 * LOTS)}
CASE = replace(desk.PASSAGES["alpha", "beta"], fee_quanta=0, received_share=1)


def routes(*ends: tuple[str, str], blocked_share: float = 0.5) -> Terms:
    """Terms with these routes alone, over which a dollar is a dollar."""
    ways = {pair: replace(CASE, source=pair[0], destination=pair[1]) for pair in ends}
    mandate = desk.with_stress(blocked_share=blocked_share)
    return msgspec.structs.replace(desk.terms(mandate), passages=ways)


def moved(situation: Situation, venue: str, quanta: int) -> Situation:
    """The same with so much more money at a venue."""
    account = situation.portfolio.accounts[venue]
    asset = desk.COLLATERAL[venue]
    balances = {**account.balances, asset: account.balances[asset] + quanta}
    accounts = {
        **situation.portfolio.accounts,
        venue: Account(venue, balances, account.positions),
    }
    book = msgspec.structs.replace(situation.portfolio, accounts=accounts)
    return msgspec.structs.replace(situation, portfolio=book)


def spare(terms: Terms, situation: Situation, venue: str, share: float) -> int:
    """Health of an account after a share of the outer moves."""
    account, moves = situation.portfolio.accounts[venue], scaled(situation.outer, share)
    if share == 0:
        moves = dict(situation.inner)
    rule = terms.rules[venue]
    return stressed_health(rule, account, situation.marks, terms.instruments, moves)


def lacking(terms: Terms, wants: Mapping[str, int], vault: int, **changes: object) -> Situation:
    """Alpha and beta each lack so many quanta below the level at which money is sent (or have so
    many to spare where negative), and the vault has so many dollars."""
    situation = desk.situation(desk.portfolio({"alpha": OUTER, "beta": OUTER}, PAIR))
    for venue, quanta in wants.items():
        now = spare(terms, situation, venue, terms.mandate.stress.transfer_trigger)
        situation = moved(situation, venue, -quanta - now)
    situation = moved(situation, "vault", vault)
    snapshot = msgspec.structs.replace(situation.snapshot, **changes)
    return msgspec.structs.replace(situation, snapshot=snapshot)


@pytest.mark.parametrize(("short", "level"), [(0, Level.TRANSFER), (1, Level.REDUCE)])
def test_account_is_cut_from_the_first_quantum_that_it_lacks(short: int, level: Level) -> None:
    situation = short_at_beta(INNER)
    exact = moved(situation, "beta", -spare(desk.terms(), situation, "beta", 0) - short)
    assert assess(desk.terms(), exact) == Alarm(level, "beta")


@pytest.mark.parametrize("short", [0, 1])
def test_account_lacks_money_from_the_first_quantum(short: int) -> None:
    terms = routes(blocked_share=0.95)
    situation = lacking(terms, {"alpha": -5, "beta": short}, 0)
    assert lacking_quanta(terms, situation) == ({"beta": 1} if short else {})


BOTH = (("vault", "alpha"), ("vault", "beta"))


@pytest.mark.parametrize(("vault", "blocked"), [(500, set()), (499, {"alpha", "beta"})])
def test_what_accounts_lack_together_is_held_against_what_may_come_to_each(
    vault: int, blocked: set[str]
) -> None:
    terms = routes(*BOTH)
    situation = lacking(terms, {"alpha": 200, "beta": 300}, vault)
    assert blocked_venues(terms, situation) == blocked


def test_account_that_is_frozen_wants_nothing_of_what_may_come_to_others() -> None:
    terms = routes(*BOTH)
    situation = lacking(terms, {"alpha": 200, "beta": 300}, 200, frozen_venues=("beta",))
    assert blocked_venues(terms, situation) == {"beta"}


def test_account_in_need_takes_nothing_from_what_another_may_get() -> None:
    """Alpha is a way to beta as well, and has less than nothing to spare."""
    terms = routes(*BOTH, ("alpha", "beta"))
    situation = lacking(terms, {"alpha": 200, "beta": 300}, 500)
    assert blocked_venues(terms, situation) == frozenset()


def test_account_that_nothing_can_reach_is_cut_early_and_one_beside_it_is_not() -> None:
    """Beta is frozen and stands; alpha stands lower, and the vault may send to it."""
    terms = routes(*BOTH, blocked_share=0.79)
    wallets = {"alpha": BLOCKED, "beta": BLOCKED + 1_000, "vault": 50_000}
    situation = desk.situation(desk.portfolio(wallets, PAIR), frozen=("beta",))
    situation = moved(situation, "alpha", -1 - spare(terms, situation, "alpha", 0.79))
    assert blocked_venues(terms, situation) == {"beta"}
    assert assess(terms, situation).level is Level.TRANSFER
    reached = routes(("vault", "beta"), blocked_share=0.79)
    assert assess(reached, situation) == Alarm(Level.REDUCE, "alpha")


def test_profit_that_cannot_leave_is_not_spared() -> None:
    terms = routes(("alpha", "beta"))
    won = {**PAIR, ALPHA_BTC: held(ALPHA_BTC, LOTS, 0.5)}
    book = desk.situation(desk.portfolio({"alpha": 0.0, "beta": OUTER - 5_000}, won))
    assert spare(terms, book, "alpha", 0.8) > 100_000 * MICRO
    assert blocked_venues(terms, book) == {"beta"}


def test_money_on_its_way_to_an_account_is_not_there_to_be_sent_on() -> None:
    terms = routes(("alpha", "beta"), ("vault", "alpha"))
    situation = lacking(terms, {"alpha": 0, "beta": 300}, 0)
    parcel = Shipment("s", "vault", "alpha", "USDT", 10**9, desk.NOW_MS)
    book = msgspec.structs.replace(situation.portfolio, shipments=(parcel,))
    under_way = msgspec.structs.replace(situation, portfolio=book)
    assert blocked_venues(terms, under_way) == {"beta"}


@pytest.mark.parametrize(("cap_usd", "blocked"), [(0.0002, True), (0.0003, False)])
def test_route_counts_with_what_its_cap_leaves(cap_usd: float, blocked: bool) -> None:
    terms = routes(("vault", "beta"))
    ways = {e: replace(way, cap_usd_day=cap_usd) for e, way in terms.passages.items()}
    terms = msgspec.structs.replace(terms, passages=ways)
    situation = lacking(terms, {"alpha": -5, "beta": 300}, 10**9)
    situation = msgspec.structs.replace(situation, sent_day_usd={})
    assert blocked_venues(terms, situation) == ({"beta"} if blocked else frozenset())


def test_all_that_is_on_its_way_to_an_account_lands_there() -> None:
    terms = routes(("alpha", "beta"), ("vault", "beta"))
    parcels = tuple(
        Shipment(name, source, "beta", "USDT", quanta, desk.NOW_MS)
        for name, source, quanta in (("s", "alpha", 5), ("t", "vault", 7), ("u", "alpha", 11))
    )
    situation = short_at_beta(OUTER)
    book = msgspec.structs.replace(situation.portfolio, shipments=parcels)
    situation = msgspec.structs.replace(situation, portfolio=book, void=frozenset({"u"}))
    account = book.accounts["beta"]
    landed = with_landings(terms, situation, account)
    assert landed.balances["USDC"] - account.balances["USDC"] == 12


@pytest.mark.parametrize(
    "unsettled",
    [
        Unsettled(lots={BETA_BTC: (-100 * LOTS, 0)}),
        Unsettled(missing={"beta": {"USDC": 1_000 * MICRO}}),
    ],
    ids=["a position", "money"],
)
def test_account_is_judged_at_the_worst_of_what_may_be(unsettled: Unsettled) -> None:
    """Of a short that may have been made nothing is in the book yet."""
    wallets = {"alpha": 500_000.0, "beta": INNER + (-500 if unsettled.lots else 500)}
    calm = desk.situation(desk.portfolio(wallets, {} if unsettled.lots else PAIR))
    assert assess(desk.terms(), calm).level is not Level.REDUCE
    doubtful = msgspec.structs.replace(calm, unsettled=unsettled)
    assert assess(desk.terms(), doubtful) == Alarm(Level.REDUCE, "beta")


@pytest.mark.parametrize(
    ("usd", "loose", "naked"),
    [
        (1_080, {"BTC"}, {"BTC"}),
        (960, {"BTC"}, set()),
        (1_080, {"ETH"}, set()),
        (-1_080, {"BTC"}, {"BTC"}),
        (1_080, set(), set()),
    ],
)
def test_coin_whose_legs_came_apart_is_naked_from_the_least_trade_on_and_no_other_is(
    usd: int, loose: set[str], naked: set[str]
) -> None:
    situation = holding({ALPHA_BTC: base_lots(ALPHA_BTC, usd)})
    situation = msgspec.structs.replace(situation, loose=frozenset(loose))
    assert naked_coins(desk.terms(), situation) == naked


def test_flat_account_lacks_nothing_however_poor() -> None:
    book = desk.portfolio({"alpha": 0.0, "beta": 0.0}, {ALPHA_BTC: Position(0, 0)})
    assert assess(desk.terms(), desk.situation(book)) == Alarm(Level.CALM, None)
