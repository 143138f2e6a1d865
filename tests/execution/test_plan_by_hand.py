# SPDX-License-Identifier: Apache-2.0
"""Parts of a plan worked by hand: their order, sizes, ids and reasons."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest

from tests.risk import desk
from tests.risk.desk import (
    ALPHA_BTC,
    ALPHA_ETH,
    BETA_BTC,
    BETA_ETH,
    VAULT_BTC,
    base_lots,
    held,
)
from tidegate.execution.planning import Targets, plan_targets
from tidegate.execution.rounding import common_lot, hedged_lots, slices
from tidegate.model.actions import Order, Transfer
from tidegate.model.instruments import Perpetual
from tidegate.model.units import MICRO
from tidegate.risk.plan import Plan, Situation

RICH = {"alpha": 500_000.0, "beta": 500_000.0}
TERMS = desk.terms()


def toward(situation: Situation, decision: int = 7, **wanted: object) -> Plan:
    none: dict[str, object] = {"base_amounts": {}, "transfers_usd": {}, "realise_usd": {}}
    targets = Targets(**(none | wanted), reason="carry")  # type: ignore[arg-type]
    return plan_targets(TERMS, situation, targets, decision)


def perpetual(name: str, lot: str) -> Perpetual:
    return Perpetual("v", name, "BTC", "USDT", Decimal("0.1"), Decimal(lot))


def test_common_lot_is_the_least_common_multiple_of_all_lots() -> None:
    assert common_lot([perpetual("a", "0.001"), perpetual("b", "0.00001")]) == Fraction(1, 1000)
    assert common_lot([perpetual("a", "0.3"), perpetual("b", "0.2")]) == Fraction(3, 5)


def test_heavier_side_gives_up_what_is_not_matched_from_its_largest_leg_and_then_the_next() -> None:
    contracts = {n: perpetual(n, "1") for n in "abcd"}
    wanted = {"a": 4.0, "b": 9.0, "c": -3.0, "d": 9.0}
    # 22 against 3: of the two largest the first by name goes whole, then the other, then 1 of a.
    assert hedged_lots(contracts, wanted) == {"a": 3, "b": 0, "c": -3, "d": 0}
    less = {"a": -4.0, "b": -9.0, "c": 12.0}
    assert hedged_lots(contracts, less) == {"a": -4, "b": -8, "c": 12}


@pytest.mark.parametrize(
    ("amount", "lots"), [(2.998, 2), (2.9991, 3), (3.0, 3), (-2.9991, -3), (0.9991, 1), (1.0, 1)]
)
def test_amount_within_a_thousandth_of_a_lot_is_that_lot(amount: float, lots: int) -> None:
    contracts = {"a": perpetual("a", "1"), "b": perpetual("b", "1")}
    assert hedged_lots(contracts, {"a": amount, "b": -amount}) == {"a": lots, "b": -lots}


def test_slices_keep_the_proportion_and_leave_out_what_is_empty() -> None:
    assert slices({"a": 7, "b": -3}, 3) == [{"a": 2, "b": -1}, {"a": 2, "b": -1}, {"a": 3, "b": -1}]
    assert slices({"a": 1, "b": -2}, 4) == [{"b": -1}, {"a": 1, "b": -1}]
    assert slices({"a": 0}, 2) == []


def test_increase_has_hedged_slices_with_ids_of_decision_leg_and_slice() -> None:
    """0.8 coins are 48,000 dollars: two slices of 400 lots within 25,000."""
    situation = desk.situation(desk.portfolio(RICH))
    found = toward(situation, base_amounts={ALPHA_BTC: 0.8, BETA_BTC: -0.8})
    assert found.raises
    assert [step.actions for step in found.steps] == [
        (
            Order(f"7.raise.{ALPHA_BTC}.{i}", ALPHA_BTC, 400, False, "carry"),
            Order(f"7.raise.{BETA_BTC}.{i}", BETA_BTC, -40_000, False, "carry"),
        )
        for i in range(2)
    ]


def test_reduction_comes_before_an_increase_which_waits_and_says_that_it_only_reduces() -> None:
    positions = {ALPHA_BTC: held(ALPHA_BTC, 300), BETA_BTC: held(BETA_BTC, -30_000)}
    situation = desk.situation(desk.portfolio(RICH, positions))
    amounts = {ALPHA_BTC: 0.1, BETA_BTC: -0.1, ALPHA_ETH: 5.0, BETA_ETH: -5.0}
    found = toward(situation, base_amounts=amounts)
    assert not found.raises
    assert found.actions == (
        Order(f"7.reduce.{ALPHA_BTC}.0", ALPHA_BTC, -200, True, "carry"),
        Order(f"7.reduce.{BETA_BTC}.0", BETA_BTC, 20_000, True, "carry"),
    )


def test_coin_paid_for_in_full_is_ordered_before_its_partner() -> None:
    situation = desk.situation(desk.portfolio({**RICH, "vault": 100_000.0}))
    found = toward(situation, base_amounts={BETA_BTC: -0.2, VAULT_BTC: 0.2})
    assert [a.instrument for a in found.actions] == [VAULT_BTC, BETA_BTC]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("usd", "sent"), [(999.0, None), (1_000.0, 1_000), (100_000.0, 100_000), (600_000.0, 495_000)]
)
def test_transfer_is_worth_its_minimum_and_leaves_a_hundredth_of_what_is_free(
    usd: float, sent: int | None
) -> None:
    situation = desk.situation(desk.portfolio(RICH))
    found = toward(situation, transfers_usd={("alpha", "beta"): usd})
    expected = () if sent is None else (
        Transfer("7.transfer.alpha.beta", "alpha", "beta", "USDT", sent * MICRO, "carry"),
    )  # fmt: skip
    assert found.actions == expected
    assert not found.raises


def test_minimum_of_a_route_counts_where_it_is_above_the_mandates() -> None:
    route = TERMS.passages["alpha", "beta"]
    dear = {**TERMS.passages, ("alpha", "beta"): replace(route, minimum_quanta=2_000 * MICRO)}
    terms = msgspec.structs.replace(TERMS, passages=dear)
    situation = desk.situation(desk.portfolio(RICH))
    for usd, count in ((1_999.0, 0), (2_000.0, 1)):
        targets = Targets({}, {("alpha", "beta"): usd}, {}, "carry")
        assert len(plan_targets(terms, situation, targets, 7).actions) == count


def winners() -> Situation:
    """At alpha bitcoin doubled (30,000 of 60,000 are profit), ether gained a half (10 of 30)."""
    positions = {
        ALPHA_BTC: held(ALPHA_BTC, 1_000, entry=0.5),
        ALPHA_ETH: held(ALPHA_ETH, 1_000, entry=2 / 3),
        BETA_BTC: held(BETA_BTC, -100_000),
        BETA_ETH: held(BETA_ETH, -100_000),
    }
    return desk.situation(desk.portfolio(RICH, positions))


def test_roll_closes_and_reopens_the_share_that_frees_the_wanted_profit() -> None:
    """15,000 is half of bitcoin's profit: 500 lots, of which a slice is 416 at most."""
    found = toward(winners(), realise_usd={"alpha": 15_000.0})
    assert found.actions == tuple(
        Order(f"7.roll.{ALPHA_BTC}.{i}.{word}", ALPHA_BTC, side * 250, close, "realise profit")
        for i in range(2)
        for word, side, close in (("close", -1, True), ("reopen", 1, False))
    )
    assert [len(step.actions) for step in found.steps] == [1] * 4
    assert not found.raises


def test_roll_goes_on_to_the_next_profit_while_a_transfers_worth_is_wanting() -> None:
    def closed(usd: float) -> dict[str, int]:
        lots: dict[str, int] = {}
        for action in toward(winners(), realise_usd={"alpha": usd}).actions:
            if isinstance(action, Order) and action.reduce_only:
                lots[action.instrument] = lots.get(action.instrument, 0) + action.lots
        return lots

    assert closed(30_900.0) == {ALPHA_BTC: -1_000}
    assert closed(31_000.0) == {ALPHA_BTC: -1_000, ALPHA_ETH: -100}
    assert closed(1e6) == {ALPHA_BTC: -1_000, ALPHA_ETH: -1_000}
    assert closed(999.0) == {}


def test_losing_position_is_not_rolled() -> None:
    lots = base_lots(ALPHA_BTC, 60_000)
    book = desk.portfolio(RICH, {ALPHA_BTC: held(ALPHA_BTC, lots, entry=1.5)})
    assert toward(desk.situation(book), realise_usd={"alpha": 5_000.0}).actions == ()


@pytest.mark.parametrize(("least_usd", "count"), [(960.0, 2), (960.1, 0)])
def test_change_of_the_least_trade_is_made_and_a_smaller_one_is_not(
    least_usd: float, count: int
) -> None:
    """Sixteen lots of a thousandth of a coin are 960 dollars."""
    terms = desk.terms(desk.with_limits(minimum_trade_usd=least_usd))
    targets = Targets({ALPHA_BTC: 0.016, BETA_BTC: -0.016}, {}, {}, "carry")
    situation = desk.situation(desk.portfolio(RICH))
    assert len(plan_targets(terms, situation, targets, 7).actions) == count


@pytest.mark.parametrize("urgent", [True, False])
def test_crumb_of_less_than_a_dollar_is_closed_where_it_must_be(urgent: bool) -> None:
    """One lot at beta is 60 cents."""
    book = desk.portfolio(RICH, {BETA_BTC: held(BETA_BTC, 1)})
    targets = Targets({BETA_BTC: 0.0}, {}, {}, "cut", urgent=urgent)
    found = plan_targets(TERMS, desk.situation(book), targets, 7)
    assert [a.lots for a in found.actions] == ([-1] if urgent else [])  # type: ignore[union-attr]


def test_reduction_takes_of_each_leg_of_the_heavier_side_its_share() -> None:
    """0.4 at alpha and 0.2 in the vault could go, 0.3 at beta: half of either goes with those.

    Alpha and beta change sides, so that not the whole change reduces.
    """
    positions = {ALPHA_BTC: held(ALPHA_BTC, 400), BETA_BTC: held(BETA_BTC, -30_000)}
    book = desk.portfolio(RICH, positions, coins={"BTC": 2 * 10**7})
    amounts = {ALPHA_BTC: -0.1, VAULT_BTC: 0.0, BETA_BTC: 0.1}
    lots = dict.fromkeys(amounts, 0)
    for action in toward(desk.situation(book), base_amounts=amounts).actions:
        assert isinstance(action, Order)
        lots[action.instrument] += action.lots
    assert lots == {ALPHA_BTC: -200, VAULT_BTC: -10_000, BETA_BTC: 30_000}


def test_short_that_won_more_of_its_notional_is_rolled_before_a_long() -> None:
    positions = {
        ALPHA_BTC: held(ALPHA_BTC, 1_000, entry=0.9),
        ALPHA_ETH: held(ALPHA_ETH, -1_000, entry=1.5),
    }
    situation = desk.situation(desk.portfolio(RICH, positions))
    first = toward(situation, realise_usd={"alpha": 2_000.0}).actions[0]
    assert first.instrument == ALPHA_ETH  # type: ignore[union-attr]
