# SPDX-License-Identifier: Apache-2.0
"""Plans of a book of which something is in doubt or off its hedge: what is still traded, and how
large its slices are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH, VAULT_BTC, held
from tidegate.execution.planning import Targets, plan_targets
from tidegate.model.account import Position, Unsettled
from tidegate.model.actions import Order, Transfer
from tidegate.model.mandate import Pacing
from tidegate.model.units import MICRO
from tidegate.risk.limits import breaches
from tidegate.risk.plan import Plan, Situation, Terms

TERMS = desk.terms()
RICH = {"alpha": 500_000.0, "beta": 500_000.0, "vault": 100_000.0}
ROUTE = ("alpha", "beta")


def book(
    lots: Mapping[str, int], unsettled: Unsettled | None = None, coins: int = 0, entry: float = 1.0
) -> Situation:
    positions = {name: held(name, n, entry) for name, n in lots.items()}
    found = desk.situation(desk.portfolio(RICH, positions, coins={"BTC": coins}))
    return msgspec.structs.replace(found, unsettled=unsettled or Unsettled())


def planned(situation: Situation, terms: Terms = TERMS, **wanted: Any) -> Plan:
    none: dict[str, Any] = {"base_amounts": {}, "transfers_usd": {}, "realise_usd": {}}
    return plan_targets(terms, situation, Targets(**(none | {"reason": "wish"} | wanted)), "7")


def traded(plan: Plan) -> dict[str, int]:
    lots = Counter[str]()
    for action in plan.actions:
        if isinstance(action, Order):
            lots[action.instrument] += action.lots
    return dict(lots)


DOUBT = Unsettled(lots={BETA_BTC: (-10, 0)})
PAIRS = {ALPHA_BTC: 300, BETA_BTC: -30_000, ALPHA_ETH: 600, BETA_ETH: -60_000}


@pytest.mark.parametrize(
    "doubt", [DOUBT, Unsettled(unseen=frozenset({"beta"})), Unsettled(lots={ALPHA_BTC: (-1, 1)})]
)
def test_coin_of_which_any_leg_is_in_doubt_stays_whole_and_another_moves(doubt: Unsettled) -> None:
    wish = {ALPHA_BTC: 0.1, BETA_BTC: -0.1, ALPHA_ETH: 2.0, BETA_ETH: -2.0}
    found = set(traded(planned(book(PAIRS, doubt), base_amounts=wish)))
    assert found == (set() if doubt.unseen else {ALPHA_ETH, BETA_ETH})


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("target", "cut"), [(0.0, 100), (0.03, 70), (-0.05, 100), (0.1, 0), (0.15, 0)]
)
def test_urgent_cut_in_doubt_goes_to_its_target_and_never_beyond_nothing_nor_up(
    side: int, target: float, cut: int
) -> None:
    """Of a hundred lots all are sure; a little more may be held."""
    ends = (0, 5) if side > 0 else (-5, 0)
    situation = book({ALPHA_BTC: 100 * side}, Unsettled(lots={ALPHA_BTC: ends}))
    other = {BETA_BTC: -target * side}
    wish = {ALPHA_BTC: target * side} | (other if target else {})
    plan = planned(situation, base_amounts=wish, urgent=True)
    assert traded(plan).get(ALPHA_BTC, 0) == -side * cut


def test_reduction_that_mends_an_orphan_is_whole_and_needs_no_partner() -> None:
    situation = book({ALPHA_BTC: 400})
    assert traded(planned(situation, base_amounts={ALPHA_BTC: 0.0})) == {ALPHA_BTC: -400}


def sizes_usd(plan: Plan, name: str) -> list[float]:
    price = desk.PRICE[desk.INSTRUMENTS[name].base]
    lot = float(desk.INSTRUMENTS[name].lot)
    return [
        abs(a.lots) * lot * price
        for a in plan.actions
        if isinstance(a, Order) and a.instrument == name
    ]


@pytest.mark.parametrize(
    ("off", "coin", "most_usd"),
    [
        (0, "BTC", 25_000),
        (16, "BTC", 25_000),
        (17, "BTC", 25_000 - 1_020),
        (-200, "BTC", 13_000),
        (400, "BTC", 2_500),
        (2_000, "BTC", 2_500),
        (200, "ETH", 25_000),
    ],
)
def test_slices_leave_room_for_what_their_own_coin_is_off_its_hedge(
    off: int, coin: str, most_usd: float
) -> None:
    """A lot of bitcoin at alpha is sixty dollars; the naked limit is 25,000, the least trade 1,000.
    A tenth of the limit is always traded."""
    situation = book({ALPHA_BTC: off, ALPHA_ETH: 10} if off else {})
    pair = (ALPHA_BTC, BETA_BTC) if coin == "BTC" else (ALPHA_ETH, BETA_ETH)
    now = off / 1_000 if coin == "BTC" else 0.1
    size = 180_000 / desk.PRICE[coin]
    found = planned(situation, base_amounts={pair[0]: now + size, pair[1]: -size - now})
    sizes = sizes_usd(found, pair[1])
    assert max(sizes) <= most_usd * 1.001
    assert len(sizes) <= sum(sizes) / (most_usd - 61) + 2


@pytest.mark.parametrize(
    ("doubt", "sent"),
    [
        (Unsettled(lots={ALPHA_ETH: (0, 1)}), 0),
        (Unsettled(missing={"alpha": {"USDT": 1}}), 0),
        (Unsettled(unseen=frozenset({"alpha"})), 0),
        (Unsettled(lots={BETA_ETH: (0, 1)}, missing={"beta": {"USDC": 1}}), 1),
    ],
)
def test_money_leaves_no_venue_that_is_in_doubt_and_goes_to_one_that_is(
    doubt: Unsettled, sent: int
) -> None:
    plan = planned(book({}, doubt), transfers_usd={ROUTE: 5_000.0})
    assert sum(isinstance(a, Transfer) for a in plan.actions) == sent


@pytest.mark.parametrize(
    "doubt",
    [
        Unsettled(lots={ALPHA_BTC: (-1, 0)}),
        Unsettled(unseen=frozenset({"alpha"})),
        Unsettled(missing={"alpha": {"USDT": 1}}),
    ],
)
def test_profit_is_not_rolled_at_a_venue_in_doubt_from_which_no_money_leaves(
    doubt: Unsettled,
) -> None:
    """The gate would refuse the whole plan, and with it the cut of the other coin."""
    situation = book(PAIRS, doubt, entry=0.5)
    wish = {BETA_ETH: -2.0, ALPHA_ETH: 2.0}
    want = {"transfers_usd": {ROUTE: 5_000.0}, "realise_usd": {"alpha": 5_000.0}}
    plan = planned(situation, base_amounts=wish, urgent=True, **want)
    assert not [a for a in plan.actions if ".roll." in a.id]
    assert "unsettled" not in {b.rule for b in breaches(TERMS, situation, plan)}
    sure = planned(book(PAIRS, entry=0.5), base_amounts=wish, urgent=True, **want)
    assert [a for a in sure.actions if ".roll." in a.id]


def test_transfer_is_sized_by_what_is_free_once_the_reductions_before_it_filled() -> None:
    """A position that is large for its money frees margin as it goes."""
    situation = book({ALPHA_BTC: 160_000, BETA_BTC: -16_000_000})
    wish = {ALPHA_BTC: 10.0, BETA_BTC: -10.0}
    before = planned(situation, transfers_usd={ROUTE: 400_000.0}).actions
    after = planned(situation, base_amounts=wish, transfers_usd={ROUTE: 400_000.0}).actions[-1]
    assert isinstance(after, Transfer)
    assert after.quanta > 300_000 * MICRO
    assert not before or before[0].quanta < after.quanta  # type: ignore[union-attr]


PACED = msgspec.structs.replace(
    desk.MANDATE, execution=Pacing(horizon_s=300.0, interval_s=30.0, aversion_per_usd=1e-6)
)


@pytest.mark.parametrize(("long", "paced"), [(ALPHA_BTC, True), (VAULT_BTC, False)])
def test_pair_is_paced_and_a_coin_that_is_held_outright_is_bought_at_once(
    long: str, paced: bool
) -> None:
    found = planned(book({}), desk.terms(PACED), base_amounts={long: 1.5, BETA_BTC: -1.5})
    offsets = [step.offset_ms for step in found.steps]
    assert bool(offsets[-1]) == paced
    assert all(offset % 30_000 == 0 for offset in offsets)


def test_paced_slices_leave_room_for_what_the_coin_is_off_its_hedge() -> None:
    situation = book({ALPHA_BTC: 300})
    wish = {ALPHA_BTC: 1.8, BETA_BTC: -1.8}
    found = planned(situation, desk.terms(PACED), base_amounts=wish)
    assert max(sizes_usd(found, BETA_BTC)) <= 25_000 - 18_000 + 61


@pytest.mark.parametrize(
    ("doubt", "most_usd"),
    [
        ({}, 25_000),
        ({BETA_BTC: (0, 10_000)}, 25_000 - 6_000),
        ({BETA_BTC: (-10_000, 0)}, 25_000 - 6_000),
        ({BETA_BTC: (-10_000, 0), ALPHA_BTC: (0, 150)}, 25_000 - 9_000),
        ({BETA_BTC: (-10_000, 0), ALPHA_BTC: (-150, 0)}, 25_000 - 15_000),
        ({ALPHA_ETH: (-150, 150)}, 25_000),
        ({BETA_BTC: (-90_000, 0)}, 2_500),
    ],
)
def test_slices_leave_room_for_what_orders_in_doubt_may_leave_unhedged(
    doubt: dict[str, tuple[int, int]], most_usd: float
) -> None:
    """Lots of bitcoin are sixty dollars at alpha and sixty cents at beta."""
    situation = book({ALPHA_BTC: 2_000, BETA_BTC: -200_000}, Unsettled(lots=doubt))
    found = planned(situation, base_amounts={ALPHA_BTC: 1.0, BETA_BTC: -1.0}, urgent=True)
    sizes = sizes_usd(found, ALPHA_BTC)
    assert max(sizes) <= most_usd * 1.001
    assert len(sizes) <= sum(sizes) / (most_usd - 61) + 2


def test_increase_that_waits_is_no_raise_and_comes_when_nothing_moves_before_it() -> None:
    situation = book({ALPHA_BTC: 300, BETA_BTC: -30_000})
    grown = {ALPHA_ETH: 5.0, BETA_ETH: -5.0}
    cut = {ALPHA_BTC: 0.1, BETA_BTC: -0.1}
    for wish, money, raises in ((grown | cut, 0.0, 0), (grown, 5_000.0, 0), (grown, 0.0, 1)):
        plan = planned(situation, base_amounts=wish, transfers_usd={ROUTE: money})
        assert plan.raises == bool(raises)
        assert (ALPHA_ETH in traded(plan)) == bool(raises)


def test_position_entered_at_two_prices_rolls_by_what_it_won() -> None:
    """Half of the lots won all of it: the whole is rolled in proportion."""
    cost = held(ALPHA_BTC, 500, 0.5).cost + held(ALPHA_BTC, 500).cost
    found = desk.situation(desk.portfolio(RICH, {ALPHA_BTC: Position(1_000, cost)}))
    plan = planned(found, realise_usd={"alpha": 7_500.0})
    closed = [a.lots for a in plan.actions if isinstance(a, Order) and a.reduce_only]
    assert sum(closed) == -500


@pytest.mark.parametrize("reason", ["reduce", "review"])
def test_order_says_that_it_only_reduces_where_it_does_whatever_the_plan_is_for(
    reason: str,
) -> None:
    grown = planned(book({}), base_amounts={ALPHA_ETH: 5.0, BETA_ETH: -5.0}, reason=reason)
    cut = planned(book(PAIRS), base_amounts={ALPHA_ETH: 5.0, BETA_ETH: -5.0}, reason=reason)
    for plan, only in ((grown, False), (cut, True)):
        assert {a.reduce_only for a in plan.actions if isinstance(a, Order)} == {only}
