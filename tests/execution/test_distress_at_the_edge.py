# SPDX-License-Identifier: Apache-2.0
"""What decides between sending and cutting: tolerance, hours, ties and odd lots."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, expm1, inf

import msgspec
import pytest

from tests.execution.test_distress import (
    BLOCKED,
    LOTS,
    VOLS,
    after,
    health,
    pressure,
    short_at_beta,
    slower,
)
from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, BETA_BTC, BETA_ETH, held
from tidegate.execution.distress import Pressure, dies_before, send_or_cut
from tidegate.execution.routes import Roads, landing_law, roads, ways
from tidegate.model.errors import InputError
from tidegate.model.times import HOUR_MS, DayWindow
from tidegate.model.units import MICRO
from tidegate.risk.plan import Situation
from tidegate.risk.settlement import LogMotion, buffer_for

TERMS = desk.terms()


def distance(situation: Situation) -> float:
    """Annual deviations that beta stands, by halving of its exact health."""
    account, low, high = situation.portfolio.accounts["beta"], 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        moves = {coin: expm1(vol * middle) for coin, vol in VOLS.items()}
        stands = health(situation, account, moves) >= 0
        low, high = (middle, high) if stands else (low, middle)
    return low


def changed(here: Roads, *passages: dict[str, object]) -> Roads:
    """Edges to beta that differ from the usual one by these fields."""
    usual = next(e for e in here.edges if e.passage.destination == "beta")
    edges = tuple(
        msgspec.structs.replace(usual, passage=replace(usual.passage, **fields))  # type: ignore[arg-type]
        for fields in passages
    )
    free = dict.fromkeys(("alpha", "vault"), 10**12)
    return msgspec.structs.replace(here, edges=edges, available_quanta=free)


@pytest.mark.parametrize("factor", [3.0, 10.0, 40.0])
def test_money_is_sent_where_the_account_dies_before_it_as_seldom_as_is_tolerated(
    factor: float,
) -> None:
    """The probability that decides is that of the account's own distance under the way's law."""
    situation = short_at_beta(60_000)
    here = slower(roads(TERMS, situation), factor)
    (way, *_) = ways(here, "beta", 50_000 * MICRO)
    risk = dies_before(distance(situation), landing_law(way, desk.NOW_MS))
    assert 0.0 < risk < 1.0
    for tolerance, action in ((risk * 0.99, "cut"), (risk * 1.01, "send")):
        found = send_or_cut(TERMS, situation, here, pressure(tolerance=tolerance))
        assert (found.action, found.way) == (action, way)
        assert found.dies_before == pytest.approx(risk, rel=1e-6)


@pytest.mark.parametrize("tolerance", [0.001, 0.2])
def test_cut_leaves_an_account_that_dies_before_landing_as_seldom_as_is_tolerated(
    tolerance: float,
) -> None:
    situation, asked = short_at_beta(60_000), pressure(vol=3.0, tolerance=tolerance)
    found = send_or_cut(TERMS, situation, slower(roads(TERMS, situation), 20), asked)
    assert found.way is not None
    until = buffer_for(tolerance, LogMotion(1.0), landing_law(found.way, desk.NOW_MS))
    moves = {coin: expm1(vol * until) for coin, vol in asked.vol_annual.items()}
    lots = found.cut[BETA_BTC]
    assert health(situation, after(situation, dict(found.cut)), moves) >= 0
    assert health(situation, after(situation, {BETA_BTC: lots - LOTS // 10 - 1}), moves) < 0


def test_time_until_a_route_opens_counts_before_its_money_lands() -> None:
    situation, hour = short_at_beta(60_000), desk.NOW_MS // HOUR_MS % 24
    opens = DayWindow((hour + 10) % 24 * HOUR_MS, ((hour + 10) % 24 + 1) * HOUR_MS)
    here = roads(TERMS, situation)
    for fields, action in (({}, "send"), ({"window": opens}, "cut")):
        found = send_or_cut(TERMS, situation, changed(here, fields), pressure())
        assert found.action == action
        assert found.way is not None
        law = landing_law(found.way, desk.NOW_MS)
        assert found.dies_before == pytest.approx(dies_before(distance(situation), law), rel=1e-6)


def test_cheaper_of_ways_that_come_too_late_alike_is_sent_beside_the_cut() -> None:
    situation = short_at_beta(-1_000)
    here = changed(roads(TERMS, situation), {}, {"source": "vault", "fee_quanta": 50 * MICRO})
    found = send_or_cut(TERMS, situation, here, pressure())
    assert found.dies_before == pytest.approx(1.0)
    assert found.way == ways(here, "beta", 50_000 * MICRO)[0]


def test_cut_beside_the_soonest_way_is_for_that_way_and_not_for_the_cheapest() -> None:
    situation = short_at_beta(60_000)
    fast = {"source": "vault", "fee_quanta": 50 * MICRO, "latency_median_s": 60.0,
            "latency_p95_s": 180.0}  # fmt: skip
    here = slower(changed(roads(TERMS, situation), {}, fast), 900)
    alone = slower(changed(roads(TERMS, situation), fast), 900)
    found, expected = (send_or_cut(TERMS, situation, each, pressure()) for each in (here, alone))
    assert found == expected
    assert found.action == "cut"


def test_account_that_nothing_in_reach_can_kill_waits_for_the_cheapest_money() -> None:
    """Beyond a log move of 3, which is a price twenty times as high."""
    positions = {ALPHA_BTC: held(ALPHA_BTC, 10), BETA_BTC: held(BETA_BTC, -1_000)}
    book = desk.portfolio({"alpha": 500_000, "beta": 100_000}, positions)
    situation = desk.situation(book)
    found = send_or_cut(TERMS, situation, slower(roads(TERMS, situation), 1_000), pressure())
    assert (found.action, found.dies_before) == ("send", 0.0)
    assert dies_before(inf, landing_law(found.way, desk.NOW_MS)) == 0.0  # type: ignore[arg-type]


def test_share_of_every_position_is_rounded_up_to_whole_lots() -> None:
    odd = {BETA_BTC: -1_000_001, BETA_ETH: 300_007}
    book = desk.portfolio(
        {"alpha": 500_000, "beta": 60_000}, {name: held(name, lots) for name, lots in odd.items()}
    )
    situation = desk.situation(book)
    here = slower(roads(TERMS, situation), 30)
    found = send_or_cut(TERMS, situation, here, pressure())
    assert found.way is not None
    until = buffer_for(0.01, LogMotion(1.0), landing_law(found.way, desk.NOW_MS))
    must = BLOCKED, {coin: expm1(vol * until) for coin, vol in VOLS.items()}
    cut = dict(found.cut)
    shares = [
        {n: -ceil(abs(lots) * k / 1_000) * (1 if lots > 0 else -1) for n, lots in odd.items()}
        for k in range(1, 500)
    ]
    place = shares.index(cut)
    stand = [
        all(health(situation, after(situation, shares[k]), moves) >= 0 for moves in must)
        for k in (place - 1, place)
    ]
    assert stand == [False, True]


def test_pressure_of_one_quantum_is_one_and_long_positions_need_a_volatility_too() -> None:
    situation = short_at_beta(60_000)
    here = roads(TERMS, situation)
    least = Pressure("beta", 1, VOLS, BLOCKED)
    assert send_or_cut(TERMS, situation, here, least).action == "send"
    for name in (ALPHA_BTC, BETA_BTC):
        venue = desk.INSTRUMENTS[name].venue
        blind = Pressure(venue, 1, {"ETH": 1.0}, BLOCKED)
        with pytest.raises(InputError, match="expected one above zero for BTC"):
            send_or_cut(TERMS, situation, here, blind)
