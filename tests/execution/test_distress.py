# SPDX-License-Identifier: Apache-2.0
"""Money is sent where it lands before the account dies, and else positions are cut."""

from __future__ import annotations

from dataclasses import replace
from math import exp, expm1, inf

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, BETA_BTC, BETA_ETH, base_lots, held
from tidegate.execution.distress import Pressure, Verdict, dies_before, send_or_cut
from tidegate.execution.routes import Roads, landing_law, roads, ways
from tidegate.model.account import Account
from tidegate.model.errors import InputError
from tidegate.model.units import MICRO
from tidegate.risk.plan import Situation, account_after
from tidegate.risk.settlement import LogMotion, LognormalLatency, buffer_for, hit_probability
from tidegate.risk.stress import Moves, stressed_health

BLOCKED = {"BTC": 0.066, "ETH": 0.12}
VOLS = {"BTC": 1.0, "ETH": 1.5}
LOTS = base_lots(ALPHA_BTC, 1_000_000)


def short_at_beta(beta_usd: float, alpha_usd: float = 500_000) -> Situation:
    """A million short at beta, hedged at alpha."""
    positions = {ALPHA_BTC: held(ALPHA_BTC, LOTS), BETA_BTC: held(BETA_BTC, -100 * LOTS)}
    return desk.situation(desk.portfolio({"alpha": alpha_usd, "beta": beta_usd}, positions))


def pressure(usd: float = 50_000, vol: float = 1.0, tolerance: float = 0.01) -> Pressure:
    vols = {coin: vol * own for coin, own in VOLS.items()}
    return Pressure("beta", int(usd * MICRO), vols, BLOCKED, tolerance)


def slower(here: Roads, factor: float) -> Roads:
    edges = []
    for edge in here.edges:
        times = edge.passage.latency_median_s * factor, edge.passage.latency_p95_s * factor
        passage = replace(edge.passage, latency_median_s=times[0], latency_p95_s=times[1])
        edges.append(msgspec.structs.replace(edge, passage=passage))
    return msgspec.structs.replace(here, edges=tuple(edges))


def verdict(situation: Situation, asked: Pressure, factor: float = 1.0) -> Verdict:
    terms = desk.terms()
    return send_or_cut(terms, situation, slower(roads(terms, situation), factor), asked)


def health(situation: Situation, account: Account, moves: Moves) -> int:
    rule = desk.RULES[account.venue]
    return stressed_health(rule, account, situation.marks, desk.INSTRUMENTS, moves)


def after(situation: Situation, cut: dict[str, int]) -> Account:
    orders = [desk.order(name, lots, reduce_only=True) for name, lots in cut.items()]
    return account_after(desk.terms(), situation, "beta", orders)


def test_money_that_lands_in_time_is_sent_and_money_that_does_not_is_replaced_by_a_cut() -> None:
    situation = short_at_beta(60_000)
    soon, late = verdict(situation, pressure()), verdict(situation, pressure(), factor=30)
    assert (soon.action, soon.cut) == ("send", {})
    assert soon.way is not None
    assert soon.way.received_quanta >= 50_000 * MICRO
    assert soon.dies_before is not None
    assert late.dies_before is not None
    assert soon.dies_before <= 0.01 < late.dies_before
    assert late.action == "cut"
    assert set(late.cut) == {BETA_BTC}
    assert 0 < late.cut[BETA_BTC] < 100 * LOTS


def test_cheapest_way_in_time_is_sent_and_where_none_is_the_soonest_beside_the_cut() -> None:
    """A second route to beta is twice as dear and ten times as fast."""
    situation, terms = short_at_beta(60_000), desk.terms()
    here = roads(terms, situation)
    usual = next(e for e in here.edges if e.passage.destination == "beta")
    times = {"latency_median_s": 60.0, "latency_p95_s": 180.0}
    dearer = replace(usual.passage, source="vault", fee_quanta=50 * MICRO, **times)  # type: ignore[arg-type]
    here = msgspec.structs.replace(
        here,
        edges=(usual, msgspec.structs.replace(usual, passage=dearer)),
        available_quanta={"alpha": 10**12, "vault": 10**12},
    )
    for factor, source, action in (
        (1, "alpha", "send"),
        (30, "vault", "send"),
        (900, "vault", "cut"),
    ):
        found = send_or_cut(terms, situation, slower(here, factor), pressure())
        assert found.way is not None
        assert (found.way.hops[0].source, found.action) == (source, action)


@settings(max_examples=25)
@given(st.floats(20_000, 110_000), st.floats(0.3, 3.0), st.floats(1.0, 60.0))
def test_cut_is_the_least_after_which_the_account_stands_what_it_must(
    beta_usd: float, vol: float, factor: float
) -> None:
    situation, asked = short_at_beta(beta_usd), pressure(vol=vol)
    found = verdict(situation, asked, factor)
    assume(found.action == "cut")
    assert found.way is not None
    law = landing_law(found.way, desk.NOW_MS)
    until = buffer_for(asked.tolerance, LogMotion(1.0), law)
    must = [BLOCKED, {coin: expm1(v * until) for coin, v in asked.vol_annual.items()}]
    lots = found.cut[BETA_BTC]
    left = after(situation, dict(found.cut))
    if lots < 100 * LOTS:
        assert all(health(situation, left, moves) >= 0 for moves in must)
    less = after(situation, {BETA_BTC: lots - 100 * LOTS // 1_000 - 1})
    assert any(health(situation, less, moves) < 0 for moves in must)


@settings(max_examples=25)
@given(st.floats(20_000, 110_000), st.floats(0.3, 3.0), st.floats(1.0, 20.0), st.floats(1.0, 3.0))
def test_more_volatility_or_later_money_never_turns_a_cut_into_sending(
    beta_usd: float, vol: float, factor: float, more: float
) -> None:
    situation = short_at_beta(beta_usd)
    calm = verdict(situation, pressure(vol=vol), factor)
    for worse in (
        verdict(situation, pressure(vol=vol * more), factor),
        verdict(situation, pressure(vol=vol), factor * more),
    ):
        assert worse.action == "cut" or calm.action == "send"
        assert worse.cut.get(BETA_BTC, 0) >= calm.cut.get(BETA_BTC, 0)


def test_account_that_no_money_can_reach_is_cut_to_what_stands_alone_or_holds() -> None:
    for beta_usd, action in ((60_000, "cut"), (90_000, "hold")):
        situation = short_at_beta(beta_usd, alpha_usd=0)
        found = verdict(situation, pressure())
        assert (found.action, found.way, found.dies_before) == (action, None, None)
        assert health(situation, after(situation, dict(found.cut)), BLOCKED) >= 0


def test_account_that_nothing_can_save_is_closed_whole() -> None:
    found = verdict(short_at_beta(-1_000), pressure(), factor=30)
    assert (found.dies_before, dict(found.cut)) == (1.0, {BETA_BTC: 100 * LOTS})


def test_every_position_of_the_account_gives_the_same_share() -> None:
    book = desk.portfolio(
        {"alpha": 500_000, "beta": 60_000},
        {BETA_BTC: held(BETA_BTC, -1_000_000), BETA_ETH: held(BETA_ETH, 1_000_000)},
    )
    cut = verdict(desk.situation(book), pressure(), factor=60).cut
    assert cut[BETA_BTC] == -cut[BETA_ETH] > 0


@pytest.mark.parametrize("distance", [0.005, 0.01, 0.02, 0.03])
def test_death_before_landing_is_that_of_the_lognormal_law_and_never_below(
    distance: float,
) -> None:
    here = roads(desk.terms(), short_at_beta(60_000))
    way = next(way for way in ways(here, "beta", 50_000 * MICRO) if len(way.hops) == 1)
    sigma = way.hops[0].latency_sigma_log
    exact = LognormalLatency(600 * exp(sigma**2 / 2), sigma)
    truth = hit_probability(distance, LogMotion(1.0), exact)
    assert truth <= dies_before(distance, landing_law(way, desk.NOW_MS)) <= 1.1 * truth


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"quanta": 0}, "quanta"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"tolerance": 1.0}, "tolerance"),
        ({"vol_annual": {"ETH": 1.0}}, "vol_annual"),
        ({"vol_annual": {"BTC": 0.0}}, "vol_annual"),
        ({"vol_annual": {"BTC": inf}}, "vol_annual"),
    ],
)
def test_pressure_that_says_nothing_is_refused_by_its_field(
    change: dict[str, object], field: str
) -> None:
    with pytest.raises(InputError) as caught:
        verdict(short_at_beta(60_000), msgspec.structs.replace(pressure(), **change))
    assert caught.value.field == field
