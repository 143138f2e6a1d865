# SPDX-License-Identifier: Apache-2.0
"""The desk's rule: money where it lands in time, else both legs, and never a needless naked leg."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import pytest

from tests.backtest.policies.small_desk import (
    BTC_LONG,
    BTC_SHORT,
    CAPITAL,
    HOUR,
    INSTRUMENTS,
    ONE_PAIR,
    PAIRS,
    Play,
    Script,
    at,
    ramp,
    session,
)
from tidegate.backtest.policies import Comfort, DeskPolicy, DeskRule
from tidegate.backtest.policies.desk import reserve_venue
from tidegate.backtest.policies.pace import Pace
from tidegate.backtest.policies.pairs import Pairs
from tidegate.backtest.policies.relief import Relief
from tidegate.backtest.policies.rolling import free_profit
from tidegate.backtest.policies.sight import Sight
from tidegate.backtest.policies.trading import Trader
from tidegate.model.account import Shipment
from tidegate.model.events import Filled, TransferRefused, TransferSent
from tidegate.model.units import MICRO
from tidegate.simulation.tape import Deleveraging, Freeze

CALM = 3 * HOUR
SLIDE = {"BTC": ramp(CALM, 0.75, 24), "ETH": ramp(CALM, 0.70, 24)}
DROP = {"BTC": ramp(CALM, 0.75, 3), "ETH": ramp(CALM, 0.70, 3)}
LEVELS = Comfort()
T = TypeVar("T", bound=Trader)


def play(
    script: Script,
    pairs: Pairs = PAIRS,
    slow_s: float = 900.0,
    capital: Mapping[str, int] = CAPITAL,
    leverage: float = 3.0,
) -> Play:
    made = session(script, capital, slow_s)
    return Play(made, DeskPolicy(made, pairs, leverage))


def _side(fill: Filled) -> int:
    """Which way a fill opens its leg."""
    return 1 if fill.instrument in (leg for leg, _ in PAIRS) else -1


def left(played: Play, venue: str) -> float:
    """Adverse move that is left at a venue."""
    sight = Sight.of(played.session)
    return sight.distance(sight.accounts[venue])


def test_opening_uses_what_is_not_reserve_and_hedges_exactly() -> None:
    played = play(Script({}, 2))
    assert played.hedged()
    assert 0.85 * 3 * 850_000 <= played.gross() <= 3 * 850_000
    assert all(left(played, venue) > 0.3 for venue in ("hyper", "bin"))
    assert not played.refusals()


def test_reserve_stands_where_the_slowest_route_is_fastest() -> None:
    assert reserve_venue(session(Script({}, 1)), ("hyper", "bin")) == "third"


def test_money_at_the_wrong_venues_is_brought_to_the_legs_and_the_reserve() -> None:
    capital = {"hyper": 0, "bin": 1_000_000, "third": 0}
    played = play(Script({}, 3 * HOUR), capital=capital).to(2 * HOUR)
    assert played.equity("third") == pytest.approx(150_000, rel=0.01)
    assert played.equity("hyper") == pytest.approx(425_000, rel=0.01)
    assert 0.85 * 3 * 850_000 <= played.gross() <= 3 * 850_000


def test_slide_with_open_routes_is_met_with_money_from_the_reserve_and_no_cut() -> None:
    played = play(Script(SLIDE, 6 * HOUR))
    size = played.lots(BTC_LONG)
    played.to(6 * HOUR - 1)
    assert [(e.source, e.destination) for e in played.sent()][:1] == [("third", "hyper")]
    assert {e.destination for e in played.sent()} == {"hyper"}
    assert played.lots(BTC_LONG) == size
    assert left(played, "hyper") >= LEVELS.comfort
    assert not played.fills(reason="liquidation")


def test_slide_with_a_frozen_venue_is_met_with_cuts_of_both_legs_and_no_money() -> None:
    freeze = (Freeze("hyper", at(CALM - 6), at(CALM + 60)),)
    played = play(Script(SLIDE, 6 * HOUR, freezes=freeze))
    gross = played.gross()
    played.to(5 * HOUR)
    assert not played.sent()
    assert played.gross() < 0.6 * gross
    assert played.hedged()
    assert left(played, "hyper") >= LEVELS.comfort
    assert not played.fills(reason="liquidation")


def test_venue_that_freezes_with_money_under_way_is_no_longer_counted_on() -> None:
    """Money leaves before the freeze is announced; once it is, the desk cuts."""
    open_run = play(Script(SLIDE, 6 * HOUR), slow_s=3000.0)
    while not open_run.sent():
        open_run.to(open_run.step + 1)
    freeze = (Freeze("hyper", at(open_run.step + 1), at(6 * HOUR)),)
    played = play(Script(SLIDE, 6 * HOUR, freezes=freeze), slow_s=3000.0).to(5 * HOUR)
    assert len(played.sent()) == 1
    assert played.lots("hyper:ETH") < open_run.lots("hyper:ETH")
    assert not played.fills(reason="liquidation")


@pytest.mark.parametrize(("slow_s", "sends"), [(300.0, True), (20_000.0, False)])
def test_money_is_sent_only_where_the_route_is_short_against_the_time_left(
    slow_s: float, sends: bool
) -> None:
    played = play(Script(SLIDE, 6 * HOUR), slow_s=slow_s).to(6 * HOUR - 1)
    assert bool(played.sent()) == sends
    assert left(played, "hyper") >= LEVELS.comfort


def test_drop_that_leaves_no_time_for_money_is_met_with_cuts_in_the_same_step() -> None:
    played = play(Script(DROP, 6 * HOUR)).to(CALM + 2)
    assert played.hedged()
    played.to(CALM + 3)
    assert not played.sent()
    assert len(played.fills(CALM + 3)) >= 2
    assert left(played, "hyper") == pytest.approx(LEVELS.restored, abs=0.01)


def test_coin_that_falls_fastest_is_cut_first() -> None:
    freeze = (Freeze("hyper", at(CALM - 6), at(CALM + 60)),)
    played = play(Script(SLIDE, 6 * HOUR, freezes=freeze))
    while not played.fills(1):
        played.to(played.step + 1)
    assert {fill.instrument for fill in played.fills(1)} == {"hyper:ETH", "bin:ETH"}


def test_winner_sends_when_the_reserve_is_not_enough() -> None:
    capital = {"hyper": 425_000, "bin": 425_000, "third": 30_000}
    fall = {"BTC": ramp(CALM, 0.5, 120)}
    played = play(Script(fall, 16 * HOUR), ONE_PAIR, 600.0, capital).to(CALM + 130)
    assert {e.source for e in played.sent(CALM)} == {"third", "bin"}
    assert not played.fills(reason="liquidation")
    assert played.hedged()


def test_frozen_sources_are_not_asked_for_money_and_both_legs_are_cut() -> None:
    frozen = tuple(Freeze(venue, at(CALM - 6), at(6 * HOUR)) for venue in ("third", "bin"))
    played = play(Script(SLIDE, 6 * HOUR, freezes=frozen))
    size = played.lots("hyper:ETH")
    played.to(5 * HOUR)
    assert not any(isinstance(e, TransferRefused | TransferSent) for e in played.events())
    assert played.lots("hyper:ETH") < size
    assert played.hedged()


class Underway(Trader):
    """A desk with money on its way that was sent a while ago."""

    sent_ms = 0

    def shipments(self) -> tuple[Shipment, ...]:
        return (Shipment("s", "bin", "hyper", "USDT", 400_000 * MICRO, self.sent_ms),)


def in_need(kind: type[T]) -> tuple[T, Pace]:
    """Hyper has little left after a slow fall, bin has won more than its wallet holds."""
    made = session(Script({"BTC": [1.0, 0.43]}, 4), {"hyper": 425_000, "bin": 40_000, "third": 0})
    trader, pace = kind(made), Pace()
    trader.order(BTC_SHORT, -12_000)
    trader.order(BTC_LONG, 12_000)
    made.take(made.exchange.advance(at(2)))
    for step in (1, 2):
        pace.see(at(step), made.exchange.marks())
    return trader, pace


@pytest.mark.parametrize(("age_s", "endangered"), [(0, []), (890, []), (910, ["hyper"])])
def test_money_that_is_late_is_not_counted_on(age_s: int, endangered: list[str]) -> None:
    trader, pace = in_need(Underway)
    trader.sent_ms = at(2) - 1000 * age_s
    assert Relief(trader, ONE_PAIR, LEVELS, pace).endangered() == endangered


def test_relief_by_a_winner_whose_wallet_is_too_small_rolls_its_profit() -> None:
    trader, pace = in_need(Trader)
    Relief(trader, ONE_PAIR, LEVELS, pace).relieve("hyper", "third")
    (sent,) = [e for e in trader.session.record.events if isinstance(e, TransferSent)]
    assert sent.quanta > 45_000 * MICRO
    assert trader.lots(BTC_SHORT) == -12_000


def test_venue_that_admits_little_is_asked_for_no_more() -> None:
    made = session(Script({}, 2 * HOUR), leverage=2)
    played = Play(made, DeskPolicy(made, PAIRS)).to(HOUR)
    assert not played.refusals()
    assert played.gross() == pytest.approx(1_600_000, rel=0.03)


def test_profit_that_may_not_leave_is_rolled_until_enough_of_it_may() -> None:
    """Binance's wallet is what may leave there; profit enters it only when it is realised."""
    made = session(Script({"BTC": [1.0, 0.7], "ETH": [1.0, 0.7]}, 4))
    trader = Trader(made)
    for name, lots in ((BTC_SHORT, -10_000), ("third:BTC", -10_000), ("bin:ETH", -100)):
        trader.order(name, lots)
    made.take(made.exchange.advance(at(2)))
    free_profit(trader, "bin", 450_000.0)
    state = made.exchange.margin("bin")
    assert state.withdrawable / MICRO == pytest.approx(450_000, rel=0.01)
    assert trader.lots(BTC_SHORT) == -10_000
    rolled = [e.instrument for e in made.record.events if isinstance(e, Filled)][3:]
    assert rolled == [BTC_SHORT, BTC_SHORT], "the larger profit was enough"
    fills = len(made.record.events)
    free_profit(trader, "third", 350_000.0)
    assert len(made.record.events) == fills, "profit may leave Hyperliquid as it is"


def test_after_a_slide_size_comes_back_hours_later_and_not_before() -> None:
    freeze = (Freeze("hyper", at(CALM - 6), at(CALM + 30)),)
    played = play(Script(SLIDE, 20 * HOUR, freezes=freeze)).to(CALM + 30)
    cut = played.gross()
    played.to(CALM + 24 + 6 * HOUR, lambda: None)
    assert played.gross() <= cut
    played.to(19 * HOUR)
    assert 0.85 * 3 * 0.85 < played.gross() / sum(map(played.equity, CAPITAL)) <= 3 * 0.85
    assert played.equity("third") > 100_000


def test_fast_market_in_which_nobody_is_in_danger_stops_growth() -> None:
    """A fall makes the book small against its target; it grows only once it is quiet."""
    fall = {"BTC": ramp(CALM, 0.86, 10), "ETH": ramp(CALM, 0.86, 10)}
    capital = {"hyper": 600_000, "bin": 600_000, "third": 200_000}
    played = play(Script(fall, 14 * HOUR), capital=capital, leverage=2.0)
    opened = len(played.fills())
    played.to(CALM + 10 + 5 * HOUR)
    assert len(played.fills()) == opened
    played.to(13 * HOUR)
    assert len(played.fills()) > opened


def test_rally_that_makes_the_book_too_large_is_trimmed_at_the_hour() -> None:
    rally = {"BTC": ramp(CALM, 1.2, 24), "ETH": ramp(CALM, 1.2, 24)}
    played = play(Script(rally, 8 * HOUR))

    def within() -> None:
        if played.step % HOUR == 0:
            capital = sum(map(played.equity, CAPITAL))
            assert played.gross() <= 3 * 0.85 * capital * 1.001

    played.to(7 * HOUR, within)


def test_leg_that_the_venue_deleveraged_leaves_no_orphan_after_the_next_step() -> None:
    closing = (Deleveraging(at(CALM + 9) - 1, BTC_SHORT, -1, 0.0),)
    slide = {"BTC": ramp(CALM, 0.93, 24)}
    played = play(Script(slide, 6 * HOUR, deleveragings=closing, queues=(BTC_SHORT,)))
    played.to(CALM + 8)
    assert played.lots(BTC_SHORT) < 0
    played.to(CALM + 9)
    assert played.fills(reason="deleveraging")
    assert played.lots(BTC_LONG) == played.lots(BTC_SHORT) == 0


def test_winner_at_the_head_of_the_queue_is_halved_with_its_partner_and_then_closed() -> None:
    fall = {"BTC": ramp(CALM, 0.82, 12)}
    shown = Script(fall, 6 * HOUR, queues=(BTC_SHORT,))
    played, dark = (play(s, ONE_PAIR) for s in (shown, Script(fall, 6 * HOUR)))
    size = played.lots(BTC_LONG)
    while played.lots(BTC_LONG) == size:
        played.to(played.step + 1)
    assert played.lots(BTC_LONG) == -played.lots(BTC_SHORT) == pytest.approx(size / 2, abs=1)
    profit = 1 - played.session.exchange.marks()[BTC_SHORT] / 600_000
    assert profit >= 0.10
    dark.to(played.step)
    assert dark.lots(BTC_LONG) == size, "a venue that shows no queue gives no reason to cut"
    played.to(played.step + 1)
    assert played.lots(BTC_LONG) == played.lots(BTC_SHORT) == 0


def test_orphan_whose_venue_is_out_is_hedged_elsewhere_and_let_go_when_it_trades() -> None:
    closing = (Deleveraging(at(CALM + 4) - 1, BTC_SHORT, -1, 0.0),)
    out = (Freeze("hyper", at(CALM + 2), at(CALM + 24)),)
    slide = {"BTC": ramp(CALM, 0.93, 24)}
    script = Script(slide, 8 * HOUR, (), out, closing, (BTC_SHORT,))
    played = play(script)
    size = played.lots(BTC_LONG)
    played.to(CALM + 4)
    assert played.lots(BTC_LONG) == size
    hedges = {name for name in INSTRUMENTS if played.lots(name) < 0} - {"bin:ETH"}
    assert len(hedges) == 1
    assert played.hedged()
    played.to(CALM + 24, lambda: None)
    assert played.lots("third:BTC") == 0
    assert played.hedged()


def test_partner_of_a_leg_that_is_out_is_not_cut_before_the_brink() -> None:
    """Bin is out and hyper frozen: cutting hyper's legs would leave bin's naked."""
    out = (Freeze("bin", at(CALM + 1), at(CALM + 48)),)
    frozen = (Freeze("hyper", at(CALM + 1), at(CALM + 48)),)
    deep = {"BTC": ramp(CALM, 0.72, 24), "ETH": ramp(CALM, 0.65, 24)}
    played = play(Script(deep, 8 * HOUR, frozen, out))
    size = played.lots(BTC_LONG) + played.lots("hyper:ETH")
    seen = []

    def look() -> None:
        assert played.hedged(), "what had to be cut is held at the third venue meanwhile"
        before_cut = played.lots(BTC_LONG) + played.lots("hyper:ETH") == size
        if before_cut and played.step < CALM + 47:
            seen.append(left(played, "hyper"))

    played.to(CALM + 47, look)
    assert min(seen) < LEVELS.comfort
    assert min(seen) >= LEVELS.brink
    assert played.lots(BTC_LONG) + played.lots("hyper:ETH") < size
    assert not played.fills(reason="liquidation")


def test_liquidation_of_one_account_closes_orphans_and_the_desk_carries_on() -> None:
    gap = {"BTC": ramp(CALM, 0.55, 1), "ETH": ramp(CALM, 0.5, 1)}
    played = play(Script(gap, 14 * HOUR)).to(CALM + 1)
    assert played.fills(reason="liquidation")
    assert played.gross() == 0.0
    played.to(13 * HOUR)
    assert played.gross() > 1_000_000
    assert played.hedged()


def test_leverage_beyond_what_comfort_allows_grows_no_further_than_it() -> None:
    played = play(Script({}, 3 * HOUR), leverage=12.0).to(2 * HOUR)
    roomy = DeskRule().roomy
    assert min(left(played, venue) for venue in ("hyper", "bin")) == pytest.approx(roomy, abs=0.01)
    assert all(fill.lots * _side(fill) > 0 for fill in played.fills()), "nothing was cut"
    assert not played.refusals()


def test_desk_without_pairs_does_nothing() -> None:
    played = play(Script({}, HOUR), pairs=()).to(HOUR - 1)
    assert not played.fills()
    assert not played.sent()
