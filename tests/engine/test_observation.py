# SPDX-License-Identifier: Apache-2.0
"""What a book as it stands amounts to, by hand and by the exact rule."""

from __future__ import annotations

import json
import tempfile
from math import log, sqrt
from pathlib import Path
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import REPOSITORY
from tests.engine.book_files import Raw, changed, raw_book, seen, write
from tidegate.engine.deaths import ALL_COINS, Death, deaths
from tidegate.engine.observation import Observation, observe
from tidegate.engine.observe_command import observe_book
from tidegate.engine.observed_book import SeenBook
from tidegate.engine.remedy import Option, Remedy, applied, remedies, remedy_of
from tidegate.engine.rescue import shortfall

POSITION = "accounts.0.positions.0"


def book(raw: Raw) -> SeenBook:
    with tempfile.TemporaryDirectory() as folder:
        return seen(raw, Path(folder))


def look(raw: Raw) -> Observation:
    return observe(book(raw))


def death(over: Observation, venue: str, cause: str, side: str) -> Death:
    (found,) = [d for d in over.deaths if (d.venue, d.cause, d.side) == (venue, cause, side)]
    return found


def option(remedy: Remedy, kind: str) -> Option:
    return next(o for o in remedy.options if o.kind == kind)


def test_health_of_each_venue_is_the_one_worked_by_hand() -> None:
    # 1 BTC at 60,000 and 2 %: 1,200 of maintenance. A tenth is initial and the withdrawal floor.
    north, south = look(raw_book()).venues
    assert (north.equity_usd, north.maintenance_usd, north.health_usd) == (6_000, 1_200, 4_800)
    assert (north.health_ratio, north.withdrawable_usd) == (5.0, 0.0)
    assert (south.equity_usd, south.withdrawable_usd) == (30_000, 24_000)
    assert (north.survives_target, south.survives_target) == (False, True)
    assert (north.survives_worst_side, south.survives_worst_side) == (False, True)


def test_deaths_are_at_the_prices_worked_by_hand() -> None:
    over = look(raw_book())
    # Short with 6,000: 66,000 / 1.02 = 64,705.88. Long with 30,000: 30,000 / 0.98 = 30,612.24.
    short, long = death(over, "north", "BTC", "up"), death(over, "south", "BTC", "down")
    assert (short.ticks, long.ticks) == (647_059, 306_122)
    assert short.price == pytest.approx(64_705.9)
    assert short.vols_day == pytest.approx(log(647_059 / 600_000) / (0.6 / sqrt(365)))
    for venue, side in (("north", "down"), ("south", "up")):
        assert death(over, venue, "BTC", side).status == "never"
    by_beta = death(over, "north", ALL_COINS, "up")
    assert by_beta.move == pytest.approx(66 / 61.2 - 1, abs=2e-6)
    assert over.first.death in (short, by_beta)
    assert over.first.counted_in == "daily volatilities"
    assert over.first.perhaps_sooner == ()


def test_depeg_kills_the_short_that_is_quoted_in_the_falling_coin_and_not_the_long() -> None:
    # Marks in USDT rise to 64,705.88 when a USDT is worth 61.2 / 66 of a dollar.
    over = look(raw_book())
    assert death(over, "north", "USDT", "depeg").move == pytest.approx(61.2 / 66 - 1, abs=2e-6)
    assert death(over, "south", "USDC", "depeg").status == "never"
    in_dollars = look(changed(f"{POSITION}.quote", "USD"))
    assert death(in_dollars, "north", "USDT", "depeg").status == "never"
    unsaid = look(changed(f"{POSITION}.quote", None))
    assert death(unsaid, "north", "USDT", "depeg").status == "unknown"


def test_wire_brings_what_is_lacking_to_the_quantum_after_fee_and_conversion() -> None:
    # At +15 %: 6,000 - 9,000 - 0.02 x 69,000 = -4,380. 4,380 / 0.9999 + 1 is sent.
    over = look(raw_book())
    (remedy,) = over.remedies
    (wire,) = option(remedy, "wire").wires
    assert remedy.needed_usd == 4_380
    assert (wire.sent, wire.received) == (4_381_438_044, 4_380_000_000)
    assert wire.cost_usd == pytest.approx(1.438044)
    assert remedy.cheapest == option(remedy, "wire")
    assert over.short_after == ()
    (passing,) = over.first.passings
    # South keeps what its own 15 % needs: 30,000 - 9,000 - 0.02 x 51,000.
    assert passing.available_usd == 19_980
    assert passing.p50_s == pytest.approx(600)
    assert passing.p99_s == pytest.approx(600 * 3 ** (NormalDist().inv_cdf(0.99) / 1.6448536))


def test_cut_takes_both_legs_and_pays_fee_and_half_spread_on_each() -> None:
    # Per coin 6 of spread and 30.003 of fee: 4,380 / (10,380 - 36.003) = 0.42343, so 424 lots.
    (remedy,) = look(raw_book()).remedies
    cut = option(remedy, "cut")
    assert {t.instrument: t.lots for t in cut.trades} == {"north:BTC": 424, "south:BTC": -424}
    assert cut.cost_usd == pytest.approx(0.424 * (36.003 + 35.997), abs=1e-6)
    assert cut.restores is True


@pytest.mark.parametrize("blocked", [None, "2026-11-20T12:00Z"])
def test_chance_of_death_before_landing_is_twice_the_normal_tail(blocked: str | None) -> None:
    # Without drift P(hit before t) = 2 Phi(-b / (s sqrt t)); p95 = median is a fixed latency.
    raw = changed("routes.0.latency_p95_s", 600)
    raw["routes"][0]["blocked_until"] = blocked
    raw["vol_annual"]["BTC"] = 3.0
    over = look(raw)
    (passing,) = over.first.passings
    seconds = 600 + (4 * 3_600 if blocked else 0)
    spread = 3.0 * sqrt(seconds / (365 * 86_400))
    expected = 2 * NormalDist().cdf(-log(66 / 61.2) / spread)
    assert passing.p99_s == seconds
    assert passing.dies_before == pytest.approx(expected, rel=1e-3)
    assert passing.in_time is (blocked is None)
    (remedy,) = over.remedies
    assert remedy.cheapest == option(remedy, "cut" if blocked else "wire")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("routes.0.frozen", True),
        ("routes.0.latency_p95_s", None),
        ("accounts.1.leverage", None),
        ("vol_annual.BTC", ...),
    ],
)
def test_wire_of_unknown_amount_or_landing_is_never_the_fix(path: str, value: object) -> None:
    over = look(changed(path, value))
    (remedy,) = over.remedies
    assert remedy.cheapest is not None
    assert remedy.cheapest.kind == "cut"
    assert over.first.death is not None
    assert over.first.death.venue == "north"
    assert any(p.in_time is None or p.available_usd is None for p in over.first.passings)


def test_wire_is_not_proven_in_time_while_one_coin_of_the_account_has_no_volatility() -> None:
    raw = raw_book()
    first = raw["accounts"][0]["positions"][0]
    ether = {"symbol": "ETH", "base": "ETH", "size": "-1", "entry": "3000", "mark": "3000"}
    raw["accounts"][0]["positions"].append(first | ether)
    raw["betas"]["ETH"] = 1.2
    over = look(raw)
    (remedy,) = over.remedies
    assert option(remedy, "wire").dies_before is None
    assert remedy.cheapest is not None
    assert remedy.cheapest.kind == "cut"
    assert over.first.perhaps_sooner == ("north",)
    raw["vol_annual"]["ETH"] = 0.8
    assert option(look(raw).remedies[0], "wire").in_time is True


def test_cut_of_unknown_cost_is_shown_and_not_claimed() -> None:
    raw = changed(f"{POSITION}.taker_fee", None)
    raw["routes"] = []
    over = look(raw)
    (remedy,) = over.remedies
    cut = option(remedy, "cut")
    assert (cut.cost_usd, cut.restores, remedy.cheapest) == (None, None, None)
    assert over.short_after == ("north",)


def test_exposure_if_taken_and_loss_if_a_venue_vanishes_count_the_orphan() -> None:
    # North's short has 1,000 of unrealised profit, which vanishes too.
    over = look(changed(f"{POSITION}.entry", "61000"))
    assert [(e.rank, e.naked_usd) for e in over.exposures] == [(3, 60_000), (3, 60_000)]
    north = over.vanishings[0]
    assert (north.equity_usd, north.orphaned_usd) == (7_000, 60_000)
    assert north.loss_per_tenth_usd == pytest.approx(6_000)


def test_unhedged_part_is_let_go_before_the_hedge_is() -> None:
    # North is short 1 and south long 0.6: of 424 lots the first 400 need no other leg.
    (remedy,) = look(changed("accounts.1.positions.0.size", "0.6")).remedies
    lots = {t.instrument: t.lots for t in option(remedy, "cut").trades}
    assert lots == {"north:BTC": 424, "south:BTC": -24}


def test_spot_hedge_is_sold_with_the_short_that_is_cut() -> None:
    raw = raw_book()
    position = raw["accounts"][1]["positions"][0]
    for name in ("size", "entry", "tiers", "adl_rank", "quote"):
        del position[name]
    raw["accounts"][1] |= {"rule": "spot", "balances": {"USDC": "0", "BTC": "1"}}
    over = look(raw)
    (remedy,) = over.remedies
    assert remedy.cheapest is not None
    assert {t.instrument: t.lots for t in remedy.cheapest.trades} == {
        "north:BTC": 424,
        "south:BTC": -424,
    }
    south = over.venues[1]
    assert (south.equity_usd, south.withdrawable_usd, south.insolvent) == (60_000, 0, False)


@pytest.mark.parametrize("missing", ["tiers", "mark", "entry"])
def test_venue_without_tiers_is_unknown_throughout_and_perhaps_the_first(
    missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = changed(f"{POSITION}.{missing}", None)
    over = look(raw)
    north = over.venues[0]
    figures = [getattr(north, name) for name in north.__struct_fields__[2:]]
    assert figures == [None] * 8
    assert {d.status for d in over.deaths if d.venue == "north"} == {"unknown"}
    assert over.first.death is not None
    assert (over.first.death.venue, over.first.perhaps_sooner) == ("south", ("north",))
    assert f"north.BTC.{missing}" in {gap.where for gap in over.unknown}
    assert over.vanishings[0].equity_usd is None
    # Not known to be insolvent, so the exit is not negative; but it is said loudly.
    assert observe_book(write(raw, tmp_path), False) is True
    assert "UNKNOWN north: it may be insolvent" in capsys.readouterr().out


def test_coin_without_beta_makes_crashes_and_fixes_unknown_and_not_safe() -> None:
    over = look(changed("betas.BTC", ...))
    assert death(over, "north", ALL_COINS, "up").status == "unknown"
    assert over.venues[0].survives_target is None
    assert over.remedies == ()
    assert over.first.perhaps_sooner == ("north", "south")
    assert "betas.BTC" in {gap.where for gap in over.unknown}


def test_missing_dollar_price_makes_dollars_unknown_and_not_the_death() -> None:
    over = look(changed("stable.USDT", ...))
    assert over.venues[0].equity_usd is None
    assert death(over, "north", "BTC", "up").ticks == 647_059
    assert "stable.USDT" in {gap.where for gap in over.unknown}


def test_insolvent_account_is_dead_now_and_the_answer_negative(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Equity 1,199 is below the maintenance of 1,200; at 1,200 it still stands.
    over = look(changed("accounts.0.balances.USDT", "1199"))
    assert not over.solvent
    assert over.first.death is not None
    assert (over.first.death.move, over.first.passings[0].dies_before) == (0.0, 1.0)
    assert look(changed("accounts.0.balances.USDT", "1200")).solvent
    for as_json in (False, True):
        raw = changed("accounts.0.balances.USDT", "1199")
        assert observe_book(write(raw, tmp_path), as_json) is False
    assert "INSOLVENT north" in capsys.readouterr().out


def test_json_is_one_document_with_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert observe_book(REPOSITORY / "examples" / "book.json", True)
    document = json.loads(capsys.readouterr().out)
    assert document.keys() == set(Observation.__struct_fields__)
    assert document["remedies"][0]["cheapest"]["kind"] == "wire"
    assert document["unknown"]


@st.composite
def random_books(draw: st.DrawFn) -> Raw:
    """Two coins on two venues, hedged in part, with wallets from poor to rich."""
    raw = raw_book()
    for account in raw["accounts"]:
        asset = account["collateral"]
        account["balances"][asset] = draw(st.integers(1_000, 60_000))
        first = account["positions"][0]
        steep = [["0", "50000", "0.02", 25], ["50000", None, "0.05", 10]]
        second = {**first, "symbol": "ETH", "base": "ETH", "tick": "0.01", "lot": "0.01"}
        second |= {"entry": "3000", "mark": draw(st.integers(2_800, 3_200)), "tiers": steep}
        side = 1 if account["venue"] == "north" else -1
        first["size"] = side * draw(st.integers(-1_000, 1_000)) / 1_000
        second["size"] = side * draw(st.integers(-2_000, 2_000)) / 100
        account["positions"].append(second)
    raw["routes"].append({**raw["routes"][0], "source": "north", "destination": "south"})
    raw["betas"]["ETH"], raw["vol_annual"]["ETH"] = 1.3, 0.8
    raw["accounts"][0]["leverage"] = draw(st.integers(1, 20))
    return raw


def needs(over: SeenBook) -> dict[str, int]:
    found = {name: shortfall(over, venue) for name, venue in over.venues.items()}
    return {name: need for name, need in found.items() if need is not None}


@settings(max_examples=60)
@given(random_books())
def test_every_option_that_is_said_to_restore_does_so_by_the_exact_rule(raw: Raw) -> None:
    over = book(raw)
    before = needs(over)
    for name in (name for name, need in before.items() if need):
        remedy = remedy_of(over, over.venues[name])
        for found in (o for o in remedy.options if o.restores):
            after = applied(over, found)
            assert needs(after)[name] == 0
            assert all(needs(after)[other] <= before[other] for other in before)
            for coin, lot in (("BTC", 0.001), ("ETH", 0.01)):
                assert abs(after.net_coins(coin)) <= abs(over.net_coins(coin)) + lot
    chosen, end = remedies(over)
    for remedy in chosen:
        assert (needs(end)[remedy.venue] == 0) == (remedy.cheapest is not None)


@settings(max_examples=60)
@given(random_books())
def test_wire_leaves_its_source_at_the_target_and_takes_no_more_than_may_leave(raw: Raw) -> None:
    over = book(raw)
    for name in (name for name, need in needs(over).items() if need):
        for found in remedy_of(over, over.venues[name]).options:
            for wire in found.wires:
                source = over.venues[wire.source].margined
                assert source is not None
                state = source.rule.state(source.account, source.marks)
                assert 0 < wire.sent <= state.withdrawable
                assert needs(applied(over, found))[wire.source] == 0


@settings(max_examples=60)
@given(random_books())
def test_account_is_insolvent_at_the_dead_at_tick_and_solvent_one_tick_nearer(raw: Raw) -> None:
    over = book(raw)
    for found in deaths(over):
        if found.ticks is None:
            continue
        known = over.venues[found.venue].margined
        assert known is not None
        name = f"{found.venue}:{found.cause}"
        nearer = found.ticks + (1 if found.side == "down" else -1)
        dead = known.rule.health_at(known.account, {**known.marks, name: found.ticks})
        assert dead[0] < dead[1]
        if found.move != 0.0:
            alive = known.rule.health_at(known.account, {**known.marks, name: nearer})
            assert alive[0] >= alive[1]


@settings(max_examples=40)
@given(st.integers(1_200, 9_000))
def test_cut_of_one_contract_is_the_smallest_that_restores(wallet: int) -> None:
    over = book(changed("accounts.0.balances.USDT", wallet))
    north = over.venues["north"]
    cut = option(remedy_of(over, north), "cut")
    lots = cut.trades[0].lots
    fewer = Option(
        "cut",
        (),
        tuple(
            type(t)(t.instrument, t.lots - (1 if t.lots > 0 else -1), t.cost_usd)
            for t in cut.trades
        ),
        None,
        None,
        None,
        True,
    )
    assert needs(applied(over, cut))["north"] == 0
    assert lots == 1 or needs(applied(over, fewer))["north"] > 0


def test_accounts_that_an_earlier_fix_has_cured_get_no_fix_for_nothing(tmp_path: Path) -> None:
    raw = raw_book()
    for account in raw["accounts"]:
        account["balances"] = {account["collateral"]: "1000"}
    found = observe(seen(raw, tmp_path)).remedies
    assert found
    assert all(remedy.needed_usd is None or remedy.needed_usd > 0 for remedy in found)
