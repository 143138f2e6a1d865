# SPDX-License-Identifier: Apache-2.0
"""Fixed, threshold and foresight: what is refused, what is over, and what is mended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.backtest.policies.small_desk import (
    BTC_LONG,
    BTC_SHORT,
    HOUR,
    INSTRUMENTS,
    PAIRS,
    Play,
    Script,
    at,
    ramp,
    session,
)
from tidegate.backtest.policies import (
    DeskPolicy,
    FixedPolicy,
    ForesightPolicy,
    Pairs,
    ThresholdPolicy,
)
from tidegate.backtest.policies.trading import Trader
from tidegate.model.units import MICRO
from tidegate.simulation.tape import Deleveraging, Freeze

PLAIN = (FixedPolicy, ThresholdPolicy)
APART: Pairs = (PAIRS[0], ("hyper:ETH", "third:ETH"))
CALM = 3 * HOUR
GAP = {"BTC": ramp(CALM, 0.55, 1), "ETH": ramp(CALM, 0.5, 1)}


def play(script: Script, kind: type[FixedPolicy], leverage: float = 2.0) -> Play:
    made = session(script)
    return Play(made, kind(made, PAIRS, leverage))


@pytest.mark.parametrize("kind", PLAIN)
def test_opening_that_initial_margin_refuses_is_closed_again_for_good(
    kind: type[FixedPolicy],
) -> None:
    played = play(Script({}, 4 * HOUR), kind, 25.0)
    policy = played.policy
    assert isinstance(policy, FixedPolicy)
    assert policy.refused
    assert played.refusals()
    assert played.gross() == 0.0
    played.to(3 * HOUR)
    assert len(played.refusals()) == 1, "it is not tried again"
    assert played.gross() == 0.0


@pytest.mark.parametrize("kind", PLAIN)
def test_opening_that_the_venues_admit_is_not_called_refused(kind: type[FixedPolicy]) -> None:
    played = play(Script({}, 2), kind)
    assert isinstance(played.policy, FixedPolicy)
    assert not played.policy.refused
    assert played.gross() == pytest.approx(2_000_000, rel=0.01)


@pytest.mark.parametrize("kind", PLAIN)
def test_opening_waits_for_a_venue_that_is_out(kind: type[FixedPolicy]) -> None:
    out = (Freeze("bin", at(0), at(HOUR + 1)),)
    made = session(Script({}, 4 * HOUR, outages=out))
    played = Play(made, kind(made, APART, 2.0))
    assert played.to(HOUR).gross() == 0.0
    assert played.to(2 * HOUR).gross() == pytest.approx(2_000_000, rel=0.01)
    assert not played.refusals()


@pytest.mark.parametrize("kind", PLAIN)
def test_liquidation_ends_the_rule_and_all_is_closed_at_the_next_step(
    kind: type[FixedPolicy],
) -> None:
    played, step = play(Script(GAP, 8 * HOUR), kind, 3.0), 1
    while not played.to(step).fills(reason="liquidation"):
        assert played.gross() > 0.0
        step += 1
    assert step % HOUR
    assert isinstance(played.policy, FixedPolicy)
    assert played.policy.dead
    assert played.gross() == 0.0
    fills = len(played.fills())
    assert len(played.to(7 * HOUR).fills()) == fills


def test_flattening_keeps_a_leg_whose_partner_is_stuck() -> None:
    made = session(Script({}, 6, outages=(Freeze("bin", at(1), at(3)),)))
    trader = Trader(made)
    for pair in APART:
        assert trader.size(pair, 200_000.0)
    made.take(made.exchange.advance(at(1)))
    trader.flatten(APART)
    assert trader.lots(BTC_LONG) == -trader.lots(BTC_SHORT) > 0
    assert trader.lots("hyper:ETH") == trader.lots("third:ETH") == 0
    made.take(made.exchange.advance(at(3)))
    trader.flatten(APART)
    assert trader.lots(BTC_LONG) == trader.lots(BTC_SHORT) == 0


def test_pair_of_which_the_second_leg_is_refused_is_matched_down() -> None:
    made = session(Script({}, 2), {"hyper": 400_000, "bin": 0, "third": 10_000})
    trader = Trader(made)
    assert not trader.size(("hyper:BTC", "third:BTC"), 400_000.0)
    assert trader.refused
    assert trader.lots("hyper:BTC") == trader.lots("third:BTC") == 0


@pytest.mark.parametrize("kind", PLAIN)
def test_partner_of_a_deleveraged_leg_is_closed_at_the_next_step(kind: type[FixedPolicy]) -> None:
    closing = (Deleveraging(at(CALM + 3) - 1, BTC_SHORT, -1, 0.0),)
    drift = {"BTC": ramp(CALM, 0.97, 12)}
    played = play(Script(drift, 6 * HOUR, deleveragings=closing, queues=(BTC_SHORT,)), kind)
    played.to(CALM + 2)
    assert played.lots(BTC_LONG) == -played.lots(BTC_SHORT) > 0
    played.to(CALM + 3)
    assert played.lots(BTC_SHORT) == 0
    assert played.hedged()
    assert isinstance(played.policy, FixedPolicy)
    assert not played.policy.dead


def test_threshold_does_not_resize_a_pair_of_which_one_leg_cannot_trade() -> None:
    rally = {"BTC": ramp(CALM, 1.3, 12), "ETH": ramp(CALM, 1.3, 12)}
    out = (Freeze("bin", at(CALM), at(CALM + 20)),)
    played = play(Script(rally, 8 * HOUR, outages=out), ThresholdPolicy)
    size = played.lots(BTC_LONG)
    played.to(CALM + 12)
    assert played.lots(BTC_LONG) == size
    played.to(CALM + 24)
    assert played.lots(BTC_LONG) < size
    assert played.hedged()


POOR = {"hyper": 300_000, "bin": 300_000, "third": 300_000}
RICH = {"hyper": 300_000, "bin": 300_000, "third": 600_000}
FALL = {coin: ramp(CALM, 0.83, 6) for coin in ("BTC", "ETH")}
SHUT = {"frozen": "freezes", "out": "outages"}


def watched(script: Script, capital: dict[str, int], leverage: float, slow_s: float = 60.0) -> Play:
    made = session(script, capital, slow_s)
    return Play(made, ThresholdPolicy(made, PAIRS, leverage))


def shut(venue: str, how: str, first: int) -> Script:
    pause = (Freeze(venue, at(first), at(8 * HOUR)),)
    return replace(Script(FALL, 8 * HOUR), **{SHUT[how]: pause})


def test_threshold_sends_from_the_richest_venue_when_all_are_open() -> None:
    played = watched(Script(FALL, 8 * HOUR), POOR, 2.0).to(CALM + HOUR)
    assert [(e.source, e.destination) for e in played.sent()] == [("bin", "hyper")]


@pytest.mark.parametrize("how", SHUT)
def test_threshold_passes_over_a_donor_that_is_shut(how: str) -> None:
    played = watched(shut("bin", how, CALM), POOR, 2.0).to(CALM + HOUR)
    assert [(e.source, e.destination) for e in played.sent()] == [("third", "hyper")]


@pytest.mark.parametrize("how", SHUT)
def test_threshold_sends_nothing_to_a_venue_that_is_shut(how: str) -> None:
    played = watched(shut("hyper", how, CALM), POOR, 2.0).to(5 * HOUR)
    exchange = played.session.exchange
    equity = exchange.margin("hyper").equity / MICRO
    assert played.notional(BTC_LONG) * 2 / equity > 1.5 * 3.0, "it is stretched"
    assert not played.sent()


def test_money_stuck_before_a_frozen_venue_stops_no_other_transfer() -> None:
    path = [1.0] * CALM + [0.83] * HOUR + [1.17] * HOUR
    stuck = (Freeze("hyper", at(CALM + HOUR + 1), at(8 * HOUR)),)
    script = Script({"BTC": path, "ETH": path}, 8 * HOUR, freezes=stuck)
    played = watched(script, RICH, 1.5, slow_s=36_000.0).to(CALM + 2 * HOUR)
    ends = [(e.source, e.destination) for e in played.sent()]
    assert ends == [("third", "hyper"), ("third", "bin")]
    assert played.session.record.ledger.portfolio(()).shipments[0].destination == "hyper"


def test_threshold_waits_while_money_is_on_its_way_to_an_open_venue() -> None:
    path = [1.0] * CALM + [0.83] * HOUR + [1.17] * HOUR
    script = Script({"BTC": path, "ETH": path}, 8 * HOUR)
    played = watched(script, RICH, 1.5, slow_s=360_000.0).to(CALM + 2 * HOUR)
    assert [(e.source, e.destination) for e in played.sent()] == [("third", "hyper")]


@pytest.mark.parametrize("kind", [*PLAIN, DeskPolicy])
def test_order_that_is_refused_once_the_book_stands_does_not_mean_that_it_could_not_open(
    kind: type[FixedPolicy] | type[DeskPolicy],
) -> None:
    made = session(Script({}, 4))
    policy = kind(made, PAIRS, 2.0)
    played = Play(made, policy)
    assert played.gross() > 0.0
    assert not policy._trader.order(BTC_LONG, 10**9)
    assert len(played.refusals()) == 1
    assert not policy.refused


@pytest.mark.parametrize("kind", [*PLAIN, DeskPolicy])
def test_order_that_is_refused_before_anything_is_held_is_told(
    kind: type[FixedPolicy] | type[DeskPolicy],
) -> None:
    policy = kind(session(Script({}, 4)), PAIRS, 2.0)
    assert not policy.refused
    assert not policy._trader.order(BTC_LONG, 10**9)
    assert policy.refused


def foresight(script: Script, flat_step: int, back_step: int) -> Play:
    made = session(script)
    return Play(made, ForesightPolicy(made, PAIRS, 3.0, at(flat_step), at(back_step)))


def test_foresight_is_flat_one_step_before_the_crisis_and_back_when_it_is_over() -> None:
    played = foresight(Script(GAP, 8 * HOUR), CALM, CALM + 20)
    played.to(CALM - 2)
    assert played.gross() == pytest.approx(3_000_000, rel=0.01)
    flat = []
    played.to(CALM - 1)
    assert played.gross() == 0.0
    played.to(CALM + 19, lambda: flat.append(played.gross()))
    assert set(flat) == {0.0}
    played.to(CALM + 24)
    assert played.gross() == pytest.approx(3_000_000, rel=0.02)
    assert not played.fills(reason="liquidation")


def test_fixed_rule_without_foresight_dies_in_the_same_crisis() -> None:
    played = play(Script(GAP, 8 * HOUR), FixedPolicy, 3.0).to(7 * HOUR)
    assert played.fills(reason="liquidation")


def test_orders_of_every_rule_are_for_instruments_of_its_pairs_only() -> None:
    played = play(Script(GAP, 8 * HOUR), ThresholdPolicy, 3.0).to(7 * HOUR)
    assert {fill.instrument for fill in played.fills()} <= {n for p in PAIRS for n in p}
    assert {n for p in PAIRS for n in p} < set(INSTRUMENTS)
