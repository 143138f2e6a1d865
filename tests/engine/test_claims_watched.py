# SPDX-License-Identifier: Apache-2.0
"""Claims that are watched: money leaves before a move brings them to the cap, or positions go."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import UNSET

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, BETA_BTC, VAULT_BTC, base_lots, held
from tidegate.engine.alarm import Alarm, Level, assess, claim_moves, overfull_venues
from tidegate.model.account import Shipment, Unsettled
from tidegate.model.units import MICRO
from tidegate.risk.claims import (
    RESERVE,
    counted,
    excess_usd,
    failure_loss,
    owed_quanta,
    watched_cap,
)
from tidegate.risk.plan import Situation, Terms

LOTS = base_lots(ALPHA_BTC, 1_000_000)
SIZE = 1_000 * LOTS * 60 / 1_000  # dollars of either leg
FLAT = {"BTC": 0.0, "ETH": 0.0}


def capped(cap: float, claims: object = 1.0) -> Terms:
    """Caps of which this much is left beside the reserve of what is watched."""
    mandate = desk.with_stress(claims=claims)  # type: ignore[arg-type]
    cap = cap if claims is UNSET else cap / (1 - RESERVE)
    venues = {n: msgspec.structs.replace(v, claim_cap=cap) for n, v in mandate.venue.items()}
    return desk.terms(msgspec.structs.replace(mandate, venue=venues))


def hedged(frozen: tuple[str, ...] = (), **more: object) -> Situation:
    """A million short at beta against as much at alpha, half a million of money at each."""
    positions = {ALPHA_BTC: held(ALPHA_BTC, LOTS), BETA_BTC: held(BETA_BTC, -100 * LOTS)}
    book = desk.portfolio({"alpha": 500_000, "beta": 500_000}, positions, **more)  # type: ignore[arg-type]
    return desk.situation(book, frozen=frozen)


def test_claim_counts_equity_and_all_money_that_may_be_under_way() -> None:
    parcel = Shipment("s", "alpha", "beta", "USDT", 100_000 * MICRO, desk.NOW_MS - 1)
    situation = hedged(shipments=(parcel,))
    asked = Unsettled(arriving={"beta": 7_000 * MICRO})
    situation = msgspec.structs.replace(situation, unsettled=asked)
    received = desk.PASSAGES["alpha", "beta"].received(parcel.quanta)
    owed = owed_quanta(desk.terms(), situation, "beta")
    assert owed == 507_000 * MICRO + received
    assert owed_quanta(desk.terms(), situation, "alpha") == 500_000 * MICRO


@pytest.mark.parametrize("move", [0.0, 0.08, 0.11])
def test_excess_counts_what_every_position_would_win(move: float) -> None:
    excess = excess_usd(capped(0.55), hedged(), "beta", {"BTC": move, "ETH": 0.9})
    assert excess == pytest.approx(500_000 + SIZE * move - 550_000, rel=1e-9)


def test_excess_counts_a_coin_that_is_held_outright() -> None:
    coins = desk.portfolio({"alpha": 100_000}, coins={"BTC": 10**8})
    situation = desk.situation(coins)
    moved = excess_usd(capped(0.5), situation, "vault", {"BTC": 0.1, "ETH": 0.0})
    assert moved - excess_usd(capped(0.5), situation, "vault", FLAT) == pytest.approx(6_000)
    assert desk.MARKS[VAULT_BTC] == 600_000


@pytest.mark.parametrize(
    ("cap", "claims", "frozen", "expected"),
    [
        # Outer 11 % x 0.8 brings 588,000, inner 8 % brings 580,000, half of both 544,000 at most.
        (0.59, 1.0, (), Alarm(Level.CALM, None)),
        (0.585, 1.0, (), Alarm(Level.TRANSFER, "alpha")),
        (0.575, 1.0, (), Alarm(Level.REDUCE, "alpha")),
        (0.585, 1.0, ("alpha",), Alarm(Level.TRANSFER, "beta")),
        (0.545, 0.5, (), Alarm(Level.CALM, None)),
        (0.535, 0.5, (), Alarm(Level.REDUCE, "alpha")),
        (0.40, UNSET, (), Alarm(Level.CALM, None)),
    ],
)
def test_alarm_rings_where_the_moves_would_bring_a_claim_over_its_cap(
    cap: float, claims: object, frozen: tuple[str, ...], expected: Alarm
) -> None:
    assert assess(capped(cap, claims), hedged(frozen)) == expected


def test_claim_that_only_transfers_hold_has_no_reserve() -> None:
    """Seeds 122, 153, 171 and 196: money at a frozen venue, at its cap to the dollar, was over
    it by a quarter of a per cent when the rest of the book had paid its costs."""
    said = capped(0.5)
    assert said.mandate.venue["beta"].claim_cap == pytest.approx(0.5 / 0.97)
    assert watched_cap(said, "beta") == pytest.approx(0.5)
    assert watched_cap(capped(0.5, UNSET), "beta") == 0.5


def test_money_that_cannot_be_told_to_leave_calls_for_none() -> None:
    both = hedged(("alpha", "beta"))
    assert overfull_venues(capped(0.585), both) == ()
    assert overfull_venues(capped(0.585), hedged()) == ("alpha", "beta")
    # 588,000 is above this cap by less than the least transfer.
    assert overfull_venues(capped(0.5875), hedged()) == ()


def test_frozen_venue_is_cut_earlier_where_the_outer_share_is_larger() -> None:
    terms = capped(0.585)
    stress = msgspec.structs.replace(terms.mandate.stress, blocked_share=0.9)
    blocked = msgspec.structs.replace(
        terms, mandate=msgspec.structs.replace(terms.mandate, stress=stress)
    )
    assert claim_moves(blocked, hedged(), "beta")["BTC"] == 0.08
    assert claim_moves(blocked, hedged(("beta",)), "beta")["BTC"] == pytest.approx(0.099)
    assert assess(blocked, hedged(("beta",))).level is Level.REDUCE
    assert counted(blocked, {"BTC": 0.1}) == {"BTC": 0.1}


def test_stated_loss_is_the_claim_and_the_partners_move_with_the_cost_of_closing() -> None:
    terms, situation = desk.terms(), hedged()
    still = failure_loss(terms, situation, "beta", FLAT)
    moved = failure_loss(terms, situation, "beta", {"BTC": 0.08, "ETH": 0.5})
    assert still.claim_usd == moved.claim_usd == 500_000
    assert still.orphan_usd == pytest.approx(SIZE, rel=1e-6)
    # Fee 5 bp, half spread 1 bp and impact of 3 % x sqrt(size / 1e9) of a day's volume.
    cost = SIZE * (0.0006 + 0.03 * (SIZE / 1e9) ** 0.5)
    assert still.orphan_loss_usd == pytest.approx(cost, rel=0.01)
    assert moved.orphan_loss_usd - still.orphan_loss_usd == pytest.approx(0.08 * SIZE, rel=1e-6)


def test_stated_loss_has_no_orphans_where_a_venue_is_hedged_in_itself() -> None:
    book = desk.portfolio({"alpha": 500_000}, {ALPHA_BTC: held(ALPHA_BTC, LOTS)})
    loss = failure_loss(desk.terms(), desk.situation(book), "beta", FLAT)
    assert (loss.claim_usd, loss.orphan_usd, loss.orphan_loss_usd) == (0.0, 0.0, 0.0)
