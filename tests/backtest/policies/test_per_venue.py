# SPDX-License-Identifier: Apache-2.0
"""Venue by venue without the join: each account survives its own stress, and no money helps."""

from __future__ import annotations

import pytest

from tests.backtest.policies.small_desk import (
    BTC_LONG,
    HOUR,
    MANDATE,
    PAIRS,
    Play,
    Script,
    at,
    ramp,
    session,
)
from tidegate.backtest.policies import PerVenuePolicy
from tidegate.backtest.policies.per_venue import largest_share
from tidegate.backtest.policies.sight import Sight
from tidegate.model.units import MICRO
from tidegate.risk.stress import scaled
from tidegate.simulation.tape import Deleveraging, Freeze

CALM = 3 * HOUR
SLIDE = {"BTC": ramp(CALM, 0.75, 24), "ETH": ramp(CALM, 0.70, 24)}
OUTER, INNER = MANDATE.stress.outer, MANDATE.stress.inner


def play(script: Script, leverage: float = 3.0) -> Play:
    made = session(script)
    return Play(made, PerVenuePolicy(made, PAIRS, leverage))


def test_opening_is_the_target_where_every_account_survives_it() -> None:
    played = play(Script({}, 2))
    assert played.gross() == pytest.approx(3_000_000, rel=0.01)
    assert played.hedged()


@pytest.mark.parametrize("leverage", [8.0, 20.0])
def test_opening_above_what_survives_is_the_largest_that_does(leverage: float) -> None:
    played = play(Script({}, 2), leverage)
    sight = Sight.of(played.session)
    for venue in ("hyper", "bin"):
        account = sight.accounts[venue]
        assert sight.survives(account, OUTER)
        more = {n: int(p.lots * 0.05) for n, p in account.positions.items()}
        assert not sight.survives(sight.after(account, more), OUTER)
    assert not played.refusals()


def test_slide_is_met_with_cuts_by_the_inner_moves_and_no_money() -> None:
    played = play(Script(SLIDE, 6 * HOUR))
    even_out = len(played.sent())
    size = played.lots(BTC_LONG)

    def survives() -> None:
        sight = Sight.of(played.session)
        assert all(sight.survives(sight.accounts[v], INNER) for v in ("hyper", "bin"))
        assert played.hedged()

    played.to(5 * HOUR, survives)
    assert played.lots(BTC_LONG) < size
    assert len(played.sent()) == even_out
    assert not played.fills(reason="liquidation")


def test_account_between_the_levels_is_left_alone() -> None:
    """Below the outer level nothing grows, above the inner one nothing is cut."""
    played = play(Script({"BTC": ramp(CALM, 0.95, 12), "ETH": ramp(CALM, 0.95, 12)}, 5 * HOUR), 8.0)
    opened = len(played.to(CALM).fills())
    played.to(4 * HOUR + 1)
    sight = Sight.of(played.session)
    assert not sight.survives(sight.accounts["hyper"], OUTER)
    assert sight.survives(sight.accounts["hyper"], INNER)
    assert not sight.survives(sight.accounts["hyper"], scaled(INNER, 1.1))
    assert len(played.fills()) == opened


def test_what_was_cut_grows_back_only_when_nothing_was_cut_for_six_hours() -> None:
    dip = [*ramp(CALM, 0.90, 6), *(0.90 + 0.02 * k for k in range(1, 6))]
    played = play(Script({"BTC": dip, "ETH": dip}, 14 * HOUR), 8.0)
    size = played.to(CALM).lots(BTC_LONG)
    cut = played.to(CALM + HOUR).lots(BTC_LONG)
    assert cut < 0.9 * size
    played.to(CALM + 6 * HOUR)
    assert played.lots(BTC_LONG) == cut
    assert played.to(13 * HOUR).lots(BTC_LONG) > 1.05 * cut


def test_rally_beyond_the_band_is_trimmed_to_the_target() -> None:
    rally = {"BTC": ramp(CALM, 1.35, 24), "ETH": ramp(CALM, 1.35, 24)}
    played = play(Script(rally, 8 * HOUR), 1.0).to(7 * HOUR)
    assert played.gross() < 1.25 * 1_000_000
    assert played.hedged()


def test_pair_that_grows_back_beside_a_larger_one_leaves_what_the_outer_moves_ask() -> None:
    """ETH was deleveraged and BTC fell a little without being cut: ETH gets only what is left."""
    closing = (Deleveraging(at(CALM + 13) - 1, "bin:ETH", -1, 0.0),)
    drift = {"BTC": ramp(CALM, 0.98, 12), "ETH": ramp(CALM, 0.99, 12)}
    played = play(Script(drift, 8 * HOUR, deleveragings=closing, queues=("bin:ETH",)), 8.0)
    played.to(CALM + 13)
    assert played.lots("hyper:ETH") == 0
    played.to(7 * HOUR)
    assert played.lots("hyper:ETH") > 0
    sight = Sight.of(played.session)
    assert sight.survives(sight.with_money(sight.accounts["hyper"], 2_000 * MICRO), OUTER)


def test_partner_of_a_deleveraged_leg_is_matched_down_at_the_next_step() -> None:
    closing = (Deleveraging(at(CALM + 3) - 1, "bin:BTC", -1, 0.0),)
    drift = {"BTC": ramp(CALM, 0.97, 12)}
    played = play(Script(drift, 5 * HOUR, deleveragings=closing, queues=("bin:BTC",)))
    played.to(CALM + 3)
    assert played.fills(reason="deleveraging")
    assert played.lots(BTC_LONG) == 0


def test_leg_whose_partner_is_out_is_cut_all_the_same_and_matched_when_it_trades() -> None:
    """What the join would have seen: one venue's cut is another's naked leg."""
    out = (Freeze("bin", at(CALM + 1), at(CALM + 40)),)
    played = play(Script(SLIDE, 8 * HOUR, outages=out)).to(CALM + 30)
    assert not played.hedged()
    played.to(CALM + 40)
    assert played.hedged()


def test_money_is_evened_out_weekly_and_never_between() -> None:
    drift = {"BTC": ramp(CALM, 0.9, 48), "ETH": ramp(CALM, 0.9, 48)}
    week = 7 * 24 * HOUR
    played = play(Script(drift, week + HOUR), 1.5).to(week - 1)
    assert not played.sent(1)
    played.to(week)
    assert [(e.source, e.destination) for e in played.sent(1)] == [("bin", "hyper")]


def test_liquidation_of_one_account_closes_orphans_and_ends_nothing() -> None:
    gap = {"BTC": ramp(CALM, 0.55, 1), "ETH": ramp(CALM, 0.5, 1)}
    played = play(Script(gap, 6 * HOUR)).to(CALM + 1)
    assert played.fills(reason="liquidation")
    assert played.gross() == 0.0
    played.to(5 * HOUR)
    assert played.hedged()


def test_largest_share_of_a_target_that_nothing_survives_is_nothing() -> None:
    played = play(Script({}, 2), 2.0)
    sight = Sight.of(played.session)
    account, huge = sight.accounts["hyper"], {BTC_LONG: 10**9}
    share = largest_share(sight, account, huge, OUTER)
    assert share == 0.0
    assert largest_share(sight, account, {BTC_LONG: 1}, OUTER) == 1.0
