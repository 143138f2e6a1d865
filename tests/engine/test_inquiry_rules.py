# SPDX-License-Identifier: Apache-2.0
"""The question under rules that are not tiers, and what money costs to send and may leave."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.room import FixedOutlook
from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH, base_lots, held
from tidegate.allocation.question import Question
from tidegate.engine.inquiry import IMPACT_KNOTS_SHARE, INITIAL_HEADROOM, LOWEST_MULTIPLE, ask
from tidegate.margin.deribit import DeribitStandard, SizedRate, SizeMargin
from tidegate.margin.dydx import DydxCross, LiquidityTier
from tidegate.margin.rule import MarginRule
from tidegate.model.account import Account, Position
from tidegate.model.instruments import Instrument
from tidegate.model.units import MICRO
from tidegate.risk.plan import Situation
from tidegate.risk.stress import scaled, stressed_health

NAMES = tuple(desk.INSTRUMENTS)
AS_OF = ("2024-01-01", "of the test")


def own(venue: str) -> dict[str, Instrument]:
    return {name: i for name, i in desk.INSTRUMENTS.items() if i.venue == venue}


def sized(initial: str, maintenance: str, slope: str) -> SizeMargin:
    first, last = (SizedRate(Fraction(rate), Fraction(slope)) for rate in (initial, maintenance))
    return SizeMargin(first, last, *AS_OF)


def other_rules() -> dict[str, MarginRule]:
    """Rates that grow with size at alpha, and with the market's open interest at beta."""
    margins = {
        ALPHA_BTC: sized("0.02", "0.01", "0.00005"),
        ALPHA_ETH: sized("0.02", "0.01", "2e-6"),
    }
    tier = LiquidityTier(20_000, 600_000, 20_000_000 * MICRO, 50_000_000 * MICRO, *AS_OF)
    opened = {BETA_BTC: 50_000_000, BETA_ETH: 0}
    return {
        **desk.RULES,
        "alpha": DeribitStandard("USDT", own("alpha"), margins, dict.fromkeys(margins, 5_000)),
        "beta": DydxCross("USDC", own("beta"), dict.fromkeys(own("beta"), tier), opened, 50),
    }


RULES = other_rules()
TERMS = desk.terms(with_rules=RULES)


def question(situation: Situation, *, may_grow: bool = True, leverage: float = 50.0) -> Question:
    venues = {
        name: msgspec.structs.replace(venue, leverage=leverage)
        for name, venue in desk.MANDATE.venue.items()
    }
    mandate = msgspec.structs.replace(desk.MANDATE, venue=venues)
    outlook = FixedOutlook(("BTC", "ETH")).at(desk.NOW_MS)
    return ask(
        msgspec.structs.replace(TERMS, mandate=mandate), situation, outlook, may_grow=may_grow
    )


def pair(lots: int, entry: float = 1.0) -> dict[str, Position]:
    return {
        ALPHA_BTC: held(ALPHA_BTC, lots, entry),
        BETA_BTC: held(BETA_BTC, -100 * lots, entry),
    }


def book(
    wallets: Mapping[str, float], positions: Mapping[str, Position] | None = None
) -> Situation:
    return desk.situation(desk.portfolio(wallets, positions), with_rules=RULES)


WALLETS = {"alpha": 500_000.0, "beta": 500_000.0}


@settings(max_examples=60)
@given(
    name=st.sampled_from([ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH]),
    usd=st.floats(100, 2_000_000),
    fall=st.floats(-0.3, LOWEST_MULTIPLE),
)
def test_lines_of_every_rule_are_never_below_the_exact_maintenance_where_the_stress_reaches(
    name: str, usd: float, fall: float
) -> None:
    """For as much as the mandate allows and down to a price half as far again as every stress."""
    situation = book(WALLETS)
    legs, contract = question(situation).legs, desk.INSTRUMENTS[name]
    worst = max(desk.OUTER[contract.base], desk.INNER[contract.base])
    ticks = int(desk.MARKS[name] * (1 - fall * worst)) + 1
    lots = base_lots(name, usd)
    exact = RULES[contract.venue].health_at(
        Account(contract.venue, {}, {name: Position(lots, 0)}), {**desk.MARKS, name: ticks}
    )[1]
    row = NAMES.index(name)
    notional = contract.notional(lots, ticks) / MICRO / situation.equity_usd
    if notional > desk.MANDATE.limits.gross_leverage:
        return
    found = (legs.margin_rate[row] * notional - legs.margin_deduction[row]).max()
    assert found * situation.equity_usd * MICRO >= exact - 3


def test_lines_hold_for_a_leg_of_the_whole_equity_though_the_mandate_allows_less() -> None:
    """What is held may be more than a mandate of half of equity would now allow."""
    mandate = desk.with_limits(gross_leverage=0.5)
    outlook = FixedOutlook().at(desk.NOW_MS)
    terms = msgspec.structs.replace(TERMS, mandate=mandate)
    legs = ask(terms, book(WALLETS), outlook, may_grow=False).legs
    for name, slope in ((ALPHA_BTC, 0.00005 / desk.PRICE["BTC"]), (ALPHA_ETH, 2e-6 / 3_000)):
        row = NAMES.index(name)
        found = (legs.margin_rate[row] - legs.margin_deduction[row]).max()
        assert found >= 0.01 + slope * 1e6


def test_lines_of_a_rate_that_grows_with_size_are_close_to_it_and_not_only_above() -> None:
    situation = book(WALLETS)
    legs = question(situation).legs
    row = NAMES.index(ALPHA_BTC)
    for usd in (50_000, 500_000, 1_900_000):
        notional = usd / situation.equity_usd
        found = (legs.margin_rate[row] * notional - legs.margin_deduction[row]).max()
        exact = notional * (0.01 + 0.00005 * usd / desk.PRICE["BTC"])
        assert exact <= found <= 1.05 * exact


@pytest.mark.parametrize("name", [ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH])
@pytest.mark.parametrize("lots", [0, 4_000, 60_000])
def test_initial_rate_is_that_of_the_exact_rule_for_what_is_held_or_one_equity(
    name: str, lots: int
) -> None:
    positions = pair(lots) if lots else {}
    situation = book({"alpha": 900_000, "beta": 900_000}, positions)
    contract = desk.INSTRUMENTS[name]
    now = abs(positions[name].lots) if name in positions else 0
    probed = max(now, base_lots(name, situation.equity_usd))
    alone = Account(contract.venue, {}, {name: Position(probed, 0)})
    initial = RULES[contract.venue].state(alone, situation.marks).initial
    expected = initial / contract.notional(probed, situation.marks[name])
    found = question(situation).legs.initial_rate[NAMES.index(name)]
    assert found == pytest.approx(INITIAL_HEADROOM * max(0.02, expected), rel=1e-4)


def test_open_interest_beyond_a_tier_raises_the_initial_rate_of_its_market_alone() -> None:
    rates = question(book(WALLETS)).legs.initial_rate / INITIAL_HEADROOM
    # Thirty millions are open between caps of twenty and fifty: a third of the way from 2 % to all.
    assert rates[NAMES.index(BETA_BTC)] == pytest.approx(0.02 + 0.98 / 3, rel=1e-5)
    assert rates[NAMES.index(BETA_ETH)] == pytest.approx(0.02, rel=1e-5)


def test_chosen_leverage_bounds_the_initial_rate_from_below() -> None:
    rates = question(book(WALLETS), leverage=2.0).legs.initial_rate
    margined = question(book(WALLETS)).legs.margined
    np.testing.assert_allclose(rates[margined], INITIAL_HEADROOM * 0.5)
    assert not rates[~margined].any()


@settings(max_examples=40)
@given(lots=st.integers(100, 8_000), alpha=st.integers(60_000, 900_000), entry=st.floats(0.8, 1.2))
def test_money_that_leaves_to_grow_rings_no_alarm_while_all_is_still_held(
    lots: int, alpha: int, entry: float
) -> None:
    situation = book({"alpha": alpha, "beta": 900_000}, pair(lots, entry))
    account = situation.portfolio.accounts["alpha"]
    grows, defends = (question(situation, may_grow=may).wallets for may in (True, False))
    out = grows.withdrawable[0] * situation.equity_usd * MICRO
    alarm = scaled(desk.OUTER, desk.MANDATE.stress.transfer_trigger)
    spare = stressed_health(RULES["alpha"], account, situation.marks, desk.INSTRUMENTS, alarm)
    state = RULES["alpha"].state(account, situation.marks)
    assert out == pytest.approx(max(0, min(spare, state.withdrawable)), abs=5)
    freely = defends.withdrawable[0] * situation.equity_usd * MICRO
    assert freely == pytest.approx(state.withdrawable, abs=5)


def test_outflow_of_a_thin_account_is_bounded_by_stress_and_not_by_the_venue() -> None:
    situation = book({"alpha": 70_000, "beta": 900_000}, pair(8_000))
    grows, defends = (question(situation, may_grow=may).wallets for may in (True, False))
    assert 0 < grows.withdrawable[0] < defends.withdrawable[0]


def priced(**stable: int) -> Situation:
    situation = book(WALLETS)
    snapshot = msgspec.structs.replace(situation.snapshot, stable_micro=stable)
    return msgspec.structs.replace(situation, snapshot=snapshot)


def route_costs(situation: Situation) -> dict[tuple[str, str], float]:
    rates = question(situation).edges.cost_rate.tolist()
    return dict(zip(TERMS.passages, rates, strict=True))


def test_route_costs_what_conversion_at_the_markets_prices_costs() -> None:
    calm = route_costs(priced(USDT=MICRO, USDC=MICRO))
    fallen = route_costs(priced(USDT=970_000, USDC=MICRO))
    assert calm["alpha", "beta"] == pytest.approx(1e-4 + 1 / 10_000)
    assert fallen["alpha", "beta"] - calm["alpha", "beta"] == pytest.approx(0.03 * 0.9999)
    # Into the same coin nothing is converted, and out of the dear one nothing is gained.
    assert fallen["alpha", "vault"] == calm["alpha", "vault"]
    assert fallen["beta", "alpha"] == 1e-6


@pytest.mark.parametrize("stable", [{}, {"USDT": 900_000}, {"USDC": 900_000}])
def test_route_with_a_coin_whose_price_is_not_known_costs_what_the_mandate_says(
    stable: dict[str, int],
) -> None:
    assert route_costs(priced(**stable)) == route_costs(priced(USDT=MICRO, USDC=MICRO))


def curve(situation: Situation, name: str, size: float) -> float:
    quote = situation.snapshot.quotes[name]
    unit = desk.COSTS[name].impact_coefficient * quote.vol_daily
    return float(unit * (situation.equity_usd / quote.volume_day_usd) ** 0.5 * size**1.5)


@settings(max_examples=40)
@given(lots=st.integers(1, 20_000), share=st.floats(0.0, 1.0), may_grow=st.booleans())
def test_impact_is_bounded_from_above_over_all_that_may_be_traded_and_meets_it_at_the_end(
    lots: int, share: float, may_grow: bool
) -> None:
    """A defence trades no more than is held; a review as much as is held and may be held."""
    situation = book({"alpha": 2_000_000, "beta": 2_000_000}, pair(lots))
    asked = question(situation, may_grow=may_grow)
    for name in (ALPHA_BTC, BETA_BTC):
        legs, row = asked.legs, NAMES.index(name)
        held_now = abs(legs.held[row])
        span = held_now
        if may_grow:
            span = min(legs.trade_cap[row], held_now + desk.MANDATE.limits.gross_leverage)

        def chords(size: float, row: int = row) -> float:
            legs = asked.legs
            return float((legs.impact_slope[row] * size - legs.impact_intercept[row]).max())

        assert chords(share * span) >= curve(situation, name, share * span) * (1 - 1e-9)
        for knot in IMPACT_KNOTS_SHARE * span:
            assert chords(knot) == pytest.approx(curve(situation, name, knot), rel=1e-6, abs=1e-15)


def test_impact_of_a_defence_is_not_bent_by_what_it_could_never_trade() -> None:
    """A leg of a hundredth of equity has four chords of its own, not one of the book's."""
    situation = book({"alpha": 2_000_000, "beta": 2_000_000}, pair(600))
    defends, grows = (question(situation, may_grow=may) for may in (False, True))
    held_now = abs(defends.legs.held[0])
    bounds = [
        float((q.legs.impact_slope[0] * held_now / 2 - q.legs.impact_intercept[0]).max())
        for q in (defends, grows)
    ]
    exact = curve(situation, ALPHA_BTC, held_now / 2)
    assert bounds[0] < 1.1 * exact < 2 * exact < bounds[1]


def test_thin_market_bends_impact_over_no_more_than_may_be_traded_of_it() -> None:
    thin = {ALPHA_BTC: msgspec.structs.replace(desk.quote(ALPHA_BTC), volume_day_usd=1e6)}
    situation = desk.situation(desk.portfolio(WALLETS), with_rules=RULES, quotes=thin)
    legs = question(situation).legs
    cap = legs.trade_cap[0]
    assert cap < 0.1
    top = float((legs.impact_slope[0] * cap - legs.impact_intercept[0]).max())
    assert top == pytest.approx(curve(situation, ALPHA_BTC, cap), rel=1e-6)
