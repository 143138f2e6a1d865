# SPDX-License-Identifier: Apache-2.0
"""Parts of the question worked by hand, each by its own contract and venue, and the way back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.engine.room import FixedOutlook
from tests.engine.scripted_cycle import toward
from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, INSTRUMENTS, VAULT_BTC, held
from tidegate.allocation.question import Question
from tidegate.engine.inquiry import GROWTH_MARGIN, ask, targets
from tidegate.model.account import Shipment
from tidegate.model.mandate import Mandate
from tidegate.model.units import MICRO
from tidegate.risk.plan import Situation

NAMES = tuple(INSTRUMENTS)
VENUES = tuple(desk.COLLATERAL)
RICH = {"alpha": 400_000.0, "beta": 500_000.0, "vault": 100_000.0}


def asked(situation: Situation, mandate: Mandate = desk.MANDATE, grow: bool = True) -> Question:
    outlook = replace(FixedOutlook().at(desk.NOW_MS), tail_windows=3.5)
    return ask(desk.terms(mandate), situation, outlook, may_grow=grow)


def situation(**changes: Any) -> Situation:
    found = desk.situation(desk.portfolio(RICH), quotes=changes.pop("quotes", None))
    return msgspec.structs.replace(found, **changes)


@pytest.mark.parametrize("grow", [True, False])
def test_only_growth_is_asked_to_stand_more_than_the_stresses(grow: bool) -> None:
    stakes = asked(situation(), grow=grow).stakes
    margin = GROWTH_MARGIN if grow else 1.0
    np.testing.assert_allclose(stakes.outer, margin * np.array([0.11, 0.20]))
    np.testing.assert_allclose(stakes.inner, margin * np.array([0.08, 0.13]))
    assert (stakes.may_grow, stakes.tail_windows) == (grow, 3.5)
    assert stakes.payback_years == pytest.approx(60 / 365)


def test_target_delta_is_a_share_of_equity() -> None:
    purpose = msgspec.structs.replace(desk.MANDATE.mandate, target_delta_usd="5000")
    found = asked(situation(), msgspec.structs.replace(desk.MANDATE, mandate=purpose))
    assert found.stakes.target_delta == pytest.approx(0.005)


def test_every_leg_has_its_own_quote_and_its_own_venues_share() -> None:
    """Each has a spread, a volatility and a volume of its own; a spread of nought is one."""
    quotes = {
        name: msgspec.structs.replace(
            desk.quote(name),
            half_spread=place * 1e-3,
            vol_daily=0.01 * (place + 1),
            volume_day_usd=1e8 * (place + 1),
        )
        for place, name in enumerate(NAMES)
    }
    shares = dict(zip(VENUES, (0.01, 0.02, 0.03), strict=True))
    venues = {
        name: msgspec.structs.replace(venue, volume_share=shares[name])
        for name, venue in desk.MANDATE.venue.items()
    }
    found = asked(situation(quotes=quotes), msgspec.structs.replace(desk.MANDATE, venue=venues))
    legs = found.legs
    for place, name in enumerate(NAMES):
        assert legs.cost_rate[place] == pytest.approx(0.0005 + place * 1e-3)
        cap = 1e8 * (place + 1) * shares[INSTRUMENTS[name].venue] / 1e6
        assert legs.trade_cap[place] == pytest.approx(cap)
        # The last chord ends at what may be traded, on the square-root law.
        size = min(cap, 2.0)
        law = 0.01 * (place + 1) * size**1.5 * (1e6 / (1e8 * (place + 1))) ** 0.5
        end = legs.impact_slope[place, -1] * size - legs.impact_intercept[place, -1]
        assert end == pytest.approx(law)


def test_profit_that_a_roll_frees_is_that_of_winners_alone_at_the_cost_of_two_trades() -> None:
    """At alpha 6,000 on 60,000 of bitcoin; ether's short of 30,000 has lost, and then won 3,000."""
    priced = {
        ALPHA_BTC: held(ALPHA_BTC, 1_000, 0.9),
        ALPHA_ETH: held(ALPHA_ETH, -1_000, 0.99),
        BETA_BTC: held(BETA_BTC, -100_000, 1.1),
    }
    book = desk.situation(desk.portfolio({"alpha": 2_000.0, "beta": 500_000.0}, priced))
    wallets = asked(book).wallets
    assert wallets.realise_cost_rate[0] == pytest.approx(2 * 0.0006 * 60_000 / 6_000)
    won = {**priced, ALPHA_ETH: held(ALPHA_ETH, -1_000, 1.1)}
    both = asked(desk.situation(desk.portfolio({"alpha": 2_000.0, "beta": 5e5}, won))).wallets
    assert both.realise_cost_rate[0] == pytest.approx(2 * 0.0006 * 90_000 / 9_000)


@pytest.mark.parametrize("alpha_usd", [6_000.0, 12_000.0, 60_000.0])
def test_profit_that_a_roll_frees_is_no_more_than_what_margin_leaves_and_cannot_leave_yet(
    alpha_usd: float,
) -> None:
    won = {ALPHA_BTC: held(ALPHA_BTC, 1_000, 0.7), BETA_BTC: held(BETA_BTC, -100_000)}
    book = desk.situation(desk.portfolio({"alpha": alpha_usd, "beta": 9e5}, won))
    found = asked(book)
    state = desk.RULES["alpha"].state(book.portfolio.accounts["alpha"], book.marks)
    bound = max(0, state.equity - state.initial - state.withdrawable) / MICRO
    expected = min(18_000.0, bound)
    assert found.wallets.realisable[0] * found.equity_usd == pytest.approx(expected, abs=1e-3)


def test_frozen_account_rolls_nothing_and_lets_nothing_out() -> None:
    won = {ALPHA_BTC: held(ALPHA_BTC, 1_000, 0.7), BETA_BTC: held(BETA_BTC, -100_000)}
    book = desk.portfolio({"alpha": 12_000.0, "beta": 900_000.0}, won)
    thawed = asked(desk.situation(book)).wallets
    frozen = asked(desk.situation(book, frozen=("alpha",))).wallets
    for column in ("realisable", "withdrawable"):
        assert getattr(frozen, column)[0] == 0
        assert getattr(frozen, column)[1] == pytest.approx(getattr(thawed, column)[1])
    assert thawed.realisable[0] > 0


def test_room_is_what_a_cap_leaves_above_profit_and_what_is_under_way() -> None:
    """Alpha has 400,000 and 6,000 of profit, and 50,000 less a basis point come from beta."""
    parcel = Shipment("s", "beta", "alpha", "USDC", 50_000 * MICRO, desk.NOW_MS)
    won = {ALPHA_BTC: held(ALPHA_BTC, 1_000, 0.9), BETA_BTC: held(BETA_BTC, -100_000)}
    book = desk.situation(desk.portfolio(RICH, won, (parcel,)))
    found, equity = asked(book), book.equity_usd
    here = np.array([406_000 + 49_995, 500_000, 100_000])
    np.testing.assert_allclose(found.wallets.room, np.maximum(0.9 - here / equity, 0))
    np.testing.assert_allclose(found.wallets.landing, np.array([49_995, 0, 0]) / equity)
    spendable = np.array([400_000, 500_000, 100_000]) * 0.995
    np.testing.assert_allclose(found.wallets.dollars, spendable / equity)


def test_venue_lends_by_its_rule_and_not_by_what_is_held_there() -> None:
    for book in (situation(), desk.situation(desk.portfolio(RICH, coins={"BTC": 10**8}))):
        question = asked(book)
        assert question.wallets.margined.tolist() == [True, True, False]
        assert question.legs.margined.tolist() == [True, True, True, True, False]


def test_claim_above_its_cap_leaves_no_room_and_none_below_nought() -> None:
    book = desk.situation(desk.portfolio({"alpha": 950_000.0, "beta": 50_000.0}))
    assert asked(book).wallets.room[0] == 0


@pytest.mark.parametrize(
    ("reason", "urgent"), [("reduce", True), ("transfer", False), ("review", False)]
)
def test_answer_comes_back_in_coins_and_dollars_each_at_its_own_place(
    reason: str, urgent: bool
) -> None:
    quotes = {BETA_BTC: desk.quote(BETA_BTC, 2 * desk.MARKS[BETA_BTC])}
    book = situation(quotes=quotes)
    question = asked(book)
    found = toward({ALPHA_BTC: 60_000.0, BETA_BTC: -60_000.0}, {0: 500.0, 2: 700.0})(question)
    answer = replace(found, realise=np.array([0.1, 0.2, 0.3]))
    wanted = targets(desk.terms(), book, question, answer, reason)
    assert wanted.base_amounts[ALPHA_BTC] == pytest.approx(1.0)
    assert wanted.base_amounts[BETA_BTC] == pytest.approx(-0.5)
    assert wanted.base_amounts[VAULT_BTC] == 0
    sent = {route: usd for route, usd in wanted.transfers_usd.items() if usd}
    assert sent == pytest.approx({("alpha", "beta"): 500.0, ("alpha", "vault"): 700.0})
    equity = question.equity_usd
    realised = {"alpha": 0.1 * equity, "beta": 0.2 * equity, "vault": 0.3 * equity}
    assert wanted.realise_usd == pytest.approx(realised)
    assert (wanted.reason, wanted.urgent) == (reason, urgent)


def test_route_of_which_little_is_left_is_shut_though_it_takes_something() -> None:
    found = situation(sent_day_usd={("alpha", "beta"): 99_500.0})
    least = desk.MANDATE.limits.minimum_transfer_usd
    assert least > 500
    outlook = FixedOutlook().at(desk.NOW_MS)
    opened = ask(desk.routed(100_000), found, outlook, may_grow=False).edges.open
    assert dict(zip(desk.PASSAGES, opened.tolist(), strict=True))["alpha", "beta"] is False
