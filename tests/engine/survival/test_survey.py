# SPDX-License-Identifier: Apache-2.0
"""Who goes first, what a venue's failure costs, the fix, and what is UNKNOWN."""

from __future__ import annotations

import copy
from math import erfc, sqrt
from typing import Any

import pytest

from tests.engine.plan.plain_books import book_values, set_balance, set_field
from tests.engine.survival.survival_books import (
    distance_of,
    health_of,
    linear_values,
    point_of,
    straddle_values,
    surveyed,
)
from tidegate.engine.book_fields import Reader
from tidegate.engine.survival.fix import fix
from tidegate.engine.survival.reading import whole_accounts
from tidegate.engine.survival.words import chance, default_rows, fix_lines, usd

POOR = set_balance(1, "USDC", "60000")
NOW = 60_000.0


def test_failure_of_a_venue_costs_its_equity_and_rehedging_what_it_orphans() -> None:
    # 480,000 USD orphaned. Hyperliquid: 5.5 bp and 3 % sqrt(480,000 / 2e9); Binance: 4.5 bp and
    # 3 % sqrt(480,000 / 1e10).
    profit = set_field(0, 0, entry="65000")
    first, second = surveyed(linear_values(profit)).defaults
    assert first.equity_usd == pytest.approx(400_000 + 8 * 5_000)
    assert first.orphans[0].delta_usd == pytest.approx(480_000)
    assert first.orphans[0].instrument == "hyperliquid:BTC"
    deal = 480_000 * (0.00055 + 0.03 * sqrt(480_000 / 2e9))
    assert first.rehedge_usd == pytest.approx(deal)
    assert first.cost_usd == pytest.approx(440_000 + deal)
    assert first.against_usd == pytest.approx(48_000)
    assert second.orphans[0].delta_usd == pytest.approx(-480_000)
    assert second.rehedge_usd == pytest.approx(480_000 * (0.00045 + 0.03 * sqrt(480_000 / 1e10)))
    assert (first.dead, second.dead) == ((), ())


def test_survivor_that_cannot_stand_its_orphaned_leg_is_named() -> None:
    # 8 BTC long on 50,000: a fall of 10 % takes 48,000, maintenance is 5,400 there.
    said = surveyed(linear_values(set_balance(1, "USDC", "50000")))
    assert said.defaults[0].dead == ("hyperliquid",)
    assert "hyperliquid" in default_rows(said.defaults)[0][-1]
    assert surveyed(linear_values(set_balance(1, "USDC", "54000"))).defaults[0].dead == ()


def test_rehedging_without_costs_of_any_contract_left_is_unknown() -> None:
    def no_costs(book: dict[str, Any]) -> None:
        book["costs"].pop("hyperliquid:BTC")

    first = surveyed(linear_values(no_costs)).defaults[0]
    assert (first.rehedge_usd, first.cost_usd, first.unsure) == (None, None, ("hyperliquid",))
    assert first.equity_usd == pytest.approx(400_000)


def test_account_that_lacks_a_figure_is_unknown_and_never_safe() -> None:
    said = surveyed(linear_values(set_field(1, 0, mark=None)))
    lost = said.accounts[1]
    assert lost.insolvent is None
    assert "mark hyperliquid:BTC" in lost.why
    assert point_of(said, "hyperliquid").status == "unknown"
    assert said.first.perhaps_sooner == ("hyperliquid",)
    assert said.defaults[0].unsure == ("hyperliquid",)
    assert said.defaults[0].cost_usd is None
    assert said.fix.needed
    assert "hyperliquid" in said.fix.why
    assert [each.status for each in said.distances if each.venue == "hyperliquid"] == ["unknown"]


def test_coin_without_a_volatility_has_no_likelihood_and_may_be_sooner() -> None:
    def forget(book: dict[str, Any]) -> None:
        book["observe"].pop("vol_annual")
        for costs in book["costs"].values():
            costs.pop("vol_daily")

    said = surveyed(linear_values(forget))
    assert {each.status for each in said.failure_points} == {"unknown"}
    assert said.first.venue is None
    assert said.first.perhaps_sooner == ("binance", "hyperliquid")
    assert distance_of(said, "binance", "price", "up").sds is None


def test_book_without_betas_has_no_crash_by_beta_and_no_fix() -> None:
    def forget(book: dict[str, Any]) -> None:
        book["observe"].pop("betas")

    said = surveyed(linear_values(forget))
    assert distance_of(said, "binance", "beta", "up").status == "unknown"
    assert all(each.needed_usd is None for each in said.accounts)
    assert (said.fix.found, said.fix.needed) == (False, True)
    assert "betas" in said.fix.why


def test_chance_before_money_lands_is_a_diffusion_s_to_the_failure_point() -> None:
    said = surveyed(linear_values(POOR))
    point, (way,) = point_of(said, "hyperliquid"), said.first.passings
    assert said.first.venue == "hyperliquid"
    assert point.distance is not None
    days = way.p95_s / 86_400.0
    assert way.dies_before == pytest.approx(erfc(point.distance / sqrt(2.0 * days)))
    # A fall of 30 % takes 144,000, and leaves maintenance of 4,200 to carry.
    assert said.first.needed_usd == pytest.approx(144_000 + 4_200 - 60_000)
    sent = 88_200 / (1.0 - 0.0001) + 2.0
    assert way.cost_usd == pytest.approx(sent - 88_200)
    assert way.covers


def test_fix_cuts_both_legs_and_the_exact_rule_stands_the_target_afterwards() -> None:
    book, terms = whole_accounts(Reader("book.json"), linear_values(POOR))
    found = fix(book, terms)
    assert found.found
    cuts = {cut.venue: cut.size for cut in found.cuts}
    assert cuts["hyperliquid"] < 0.0 < cuts["binance"]
    assert cuts["hyperliquid"] == pytest.approx(-cuts["binance"], abs=0.5)
    assert set(found.proved) == {"binance", "hyperliquid"}
    size = 8.0 + cuts["hyperliquid"]
    money = 60_000 - next(c.cost_usd for c in found.cuts if c.venue == "hyperliquid")
    left = linear_values(
        set_balance(1, "USDC", f"{money:.6f}"), set_field(1, 0, size=f"{size:.5f}")
    )
    assert health_of(left, 1, BTC=NOW * 0.7) > 0.0
    assert health_of(linear_values(POOR), 1, BTC=NOW * 0.7) < 0.0


def test_fix_of_options_trades_within_the_account_that_lacks() -> None:
    book, terms = whole_accounts(Reader("book.json"), book_values(set_balance(2, "BTC", "1.5")))
    found = fix(book, terms)
    assert found.found
    assert {cut.venue for cut in found.cuts} >= {"deribit"}
    assert "deribit" in found.proved


def test_rule_that_no_certificate_covers_is_told_to_have_no_fix() -> None:
    values = straddle_values("0.95")
    book, terms = whole_accounts(Reader("book.json"), values)
    found = fix(book, terms)
    assert (found.found, found.needed) == (False, True)
    assert "no fix is computed" in found.why
    assert "deribit" in found.why


def test_wallet_without_debt_is_not_asked_what_kills_it() -> None:
    wallet = {
        "venue": "vault",
        "rule": "spot",
        "collateral": "USDC",
        "balances": {"USDC": "1000"},
    }
    values = linear_values(lambda book: book["accounts"].append(copy.deepcopy(wallet)))
    said = surveyed(values)
    assert [each.venue for each in said.accounts] == ["binance", "hyperliquid", "vault"]
    assert "vault" not in {each.venue for each in said.distances}
    assert "vault" not in {each.venue for each in said.failure_points}
    assert said.defaults[2].equity_usd == pytest.approx(1_000)


def test_book_of_a_wallet_alone_has_nothing_to_deal_in_and_stands() -> None:
    wallet = {
        "venue": "vault",
        "rule": "spot",
        "collateral": "USDC",
        "balances": {"USDC": "1000"},
    }
    values = {"as_of": "2026-11-20T08:00Z", "accounts": [wallet], "stable": {"USDC": "1"}}
    said = surveyed(values)
    assert (said.first.venue, said.solvent) == (None, True)
    assert (said.fix.needed, said.fix.cuts) == (False, ())


def test_account_below_maintenance_is_dead_at_no_distance() -> None:
    said = surveyed(linear_values(set_balance(1, "USDC", "5000")))
    assert not said.solvent
    assert said.first.venue == "hyperliquid"
    assert point_of(said, "hyperliquid").distance == 0.0
    assert distance_of(said, "hyperliquid", "price", "down").move == 0.0


def test_nearest_of_each_move_names_the_venue_that_goes_first() -> None:
    said = surveyed(linear_values(POOR))
    best = {(each.kind, each.side): each.venue for each in said.nearest}
    assert best[("price", "down")] == "hyperliquid"
    assert best[("price", "up")] == "binance"
    assert ("spread", "apart") in best


def test_words_say_unknown_for_what_is_not_known_and_no_chance_too_small_to_mean() -> None:
    assert (usd(None), usd(-3.0), usd(-0.001)) == ("UNKNOWN", "-$3.00", "$0.00")
    assert (chance(None), chance(1e-9), chance(0.02)) == ("UNKNOWN", "< 0.01 %", "2.00%")
    said = surveyed(linear_values())
    assert fix_lines(said.fix) == ["every account stands the target as it is"]
