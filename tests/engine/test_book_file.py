# SPDX-License-Identifier: Apache-2.0
"""BOOK.json is read exactly, what it lacks is named, and what is wrong is refused in one line."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.engine.book_files import changed, raw_book, seen, write
from tidegate.engine.book_file import read_book
from tidegate.model.account import Position
from tidegate.model.errors import InputError

POSITION = "accounts.0.positions.0"


def test_whole_book_is_read_into_exact_integers_with_nothing_unknown(tmp_path: Path) -> None:
    book = seen(raw_book(), tmp_path)
    assert book.unknown == ()
    north = book.venues["north"].margined
    assert north is not None
    assert north.account.balances == {"USDT": 6_000_000_000}
    assert north.account.positions == {"north:BTC": Position(-1_000, -60_000_000_000)}
    assert north.marks == {"north:BTC": 600_000}
    assert book.stable_usd == {"USD": 1, "USDT": 1, "USDC": 1}
    (way,) = book.ways
    assert way.passage is not None
    assert (way.passage.fee_quanta, way.passage.minimum_quanta) == (1_000_000, 10_000_000)
    assert way.passage.received_share == Fraction(9_999, 10_000)


def test_example_of_the_repository_is_readable() -> None:
    book = read_book(REPOSITORY / "examples" / "book.json")
    assert all(venue.margined for venue in book.venues.values())
    assert [gap.where for gap in book.unknown] == ["hyperliquid.ETH.adl_rank"]


def test_numbers_and_strings_of_numbers_are_the_same_exact_amount(tmp_path: Path) -> None:
    for text in ('"0.1"', "0.1"):
        raw = json.dumps(changed("accounts.0.balances.USDT", "AMOUNT")).replace('"AMOUNT"', text)
        known = seen(raw, tmp_path).venues["north"].margined
        assert known is not None
        assert known.account.balances == {"USDT": 100_000}


def test_lots_stand_for_size(tmp_path: Path) -> None:
    raw = changed(f"{POSITION}.lots", -1_000)
    del raw["accounts"][0]["positions"][0]["size"]
    assert seen(raw, tmp_path).venues == seen(raw_book(), tmp_path).venues


@pytest.mark.parametrize(("venue", "ticks"), [(0, 600_001), (1, 600_000)])
def test_mark_finer_than_the_tick_is_rounded_against_the_holding(
    tmp_path: Path, venue: int, ticks: int
) -> None:
    raw = changed(f"accounts.{venue}.positions.0.mark", "60000.05")
    book = seen(raw, tmp_path)
    leg = book.venues[("north", "south")[venue]].legs[0]
    assert leg.mark_ticks == ticks


@pytest.mark.parametrize(
    ("given", "cost"), [("60000.0000001", -60_000_000_000), ("60000.0000011", -60_000_000_001)]
)
def test_average_entry_finer_than_a_tick_is_kept_and_its_cost_rounded_up(
    tmp_path: Path, given: str, cost: int
) -> None:
    # -1 BTC x 60000.0000011 USDT = -60,000,000,001.1 quanta, up to -60,000,000,001.
    known = seen(changed(f"{POSITION}.entry", given), tmp_path).venues["north"].margined
    assert known is not None
    assert known.account.positions["north:BTC"].cost == cost


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        (f"{POSITION}.tiers", "north.BTC.tiers"),
        (f"{POSITION}.mark", "north.BTC.mark"),
        (f"{POSITION}.entry", "north.BTC.entry"),
        ("accounts.0.balances.USDT", "north.balances.USDT"),
    ],
)
@pytest.mark.parametrize("left_out", [True, False])
def test_venue_without_what_margins_it_is_unknown_and_the_gap_named(
    tmp_path: Path, path: str, missing: str, left_out: bool
) -> None:
    book = seen(changed(path, ... if left_out else None), tmp_path)
    assert book.venues["north"].margined is None
    assert book.venues["south"].margined is not None
    assert missing in {gap.where for gap in book.unknown}


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("accounts.0.leverage", "north.leverage"),
        ("accounts.0.as_of", "north.as_of"),
        (f"{POSITION}.quote", "north.BTC.quote"),
        (f"{POSITION}.adl_rank", "north.BTC.adl_rank"),
        (f"{POSITION}.taker_fee", "north.BTC.taker_fee"),
        (f"{POSITION}.half_spread", "north.BTC.half_spread"),
        ("routes.0.fee", "route south to north.fee"),
        ("routes.0.latency_p95_s", "route south to north.latency_p95_s"),
        ("routes.0.conversion_cost", "route south to north.conversion_cost"),
    ],
)
def test_anything_else_left_out_is_named_and_the_venue_stays_known(
    tmp_path: Path, path: str, missing: str
) -> None:
    book = seen(changed(path, ...), tmp_path)
    assert book.venues["north"].margined is not None
    assert [gap.where for gap in book.unknown] == [missing]
    assert (book.ways[0].passage is None) == path.startswith("routes")


def test_old_figures_and_money_that_is_no_collateral_are_named(tmp_path: Path) -> None:
    raw = changed("accounts.0.as_of", "2026-11-20T07:40Z")
    raw["accounts"][1]["balances"]["BTC"] = "0.5"
    said = {gap.where: gap.what for gap in seen(raw, tmp_path).unknown}
    assert "20 min" in said["north.as_of"]
    assert "counted nowhere" in said["south.balances.BTC"]


def spot_wallet(**coin: object) -> dict[str, object]:
    row = {"symbol": "BTCUSDC", "base": "BTC", "tick": "0.01", "lot": "0.00001", "mark": "60000"}
    return {
        "venue": "vault",
        "rule": "spot",
        "collateral": "USDC",
        "as_of": "2026-11-20T08:00Z",
        "balances": {"USDC": "1000", "BTC": "0.500001"},
        "positions": [row | {"taker_fee": "0.001", "half_spread": "0.0001"} | coin],
    }


def test_spot_wallet_takes_its_coins_from_the_balance(tmp_path: Path) -> None:
    raw = raw_book()
    raw["accounts"].append(spot_wallet())
    vault = seen(raw, tmp_path).venues["vault"]
    assert vault.margined is not None
    # Half a coin and 1e-6 of it: whole lots of 1e-5, and the rest is dust that still has value.
    assert vault.legs[0].lots == 50_000
    equity, maintenance = vault.margined.rule.health_at(
        vault.margined.account, vault.margined.marks
    )
    assert (equity, maintenance) == (31_000_060_000, 0)


def test_spot_coin_without_a_price_makes_its_wallet_unknown(tmp_path: Path) -> None:
    for account in (spot_wallet(mark=None), {**spot_wallet(), "positions": []}):
        raw = raw_book()
        raw["accounts"].append(account)
        book = seen(raw, tmp_path)
        assert book.venues["vault"].margined is None
        assert any(gap.where.startswith("vault.") for gap in book.unknown)


REFUSED = [
    ("as_of", "yesterday", "as_of"),
    ("as_of", ..., "document"),
    ("accounts", [], "accounts"),
    ("accounts", {}, "accounts"),
    ("acounts", [], "document"),
    ("target_distance", 1.5, "target_distance"),
    ("betas.BTC", 0, "betas.BTC"),
    ("betas.BTC", "NaN", "betas.BTC"),
    ("vol_annual.BTC", -0.5, "vol_annual.BTC"),
    ("stable.USDT", None, "stable.USDT"),
    ("stable.USD", "0.99", "stable.USD"),
    ("accounts.0.rule", "deribit", "accounts[0].rule"),
    ("accounts.0.venue", "south", "accounts[1].venue"),
    ("accounts.0.collateral", "BTC", "accounts[0].collateral"),
    ("accounts.0.leverage", 0, "accounts[0].leverage"),
    ("accounts.0.as_of", "2026-11-20T08:01Z", "accounts[0].as_of"),
    ("accounts.0.balances.USDT", "lots", "accounts[0].balances.USDT"),
    ("accounts.0.balances.USDT", "1e99", "accounts[0].balances.USDT"),
    (f"{POSITION}.size", "-1.0005", "accounts[0].positions[0].size"),
    (f"{POSITION}.size", ..., "accounts[0].positions[0].size"),
    (f"{POSITION}.lots", -1_000, "accounts[0].positions[0].size"),
    (f"{POSITION}.sise", "1", "accounts[0].positions[0]"),
    (f"{POSITION}.mark", "0", "accounts[0].positions[0].mark"),
    (f"{POSITION}.mark", True, "accounts[0].positions[0].mark"),
    (f"{POSITION}.tick", "0", "accounts[0].positions[0].tick"),
    (f"{POSITION}.entry", "-1", "accounts[0].positions[0].entry"),
    (f"{POSITION}.adl_rank", 6, "accounts[0].positions[0].adl_rank"),
    (f"{POSITION}.taker_fee", "5", "accounts[0].positions[0].taker_fee"),
    (f"{POSITION}.tiers", [], "accounts[0].positions[0].tiers"),
    (f"{POSITION}.tiers", [["0", None, "2", 25]], "accounts[0].positions[0].tiers[0]"),
    (f"{POSITION}.tiers", [["0", None, "0.02", 2.5]], "accounts[0].positions[0].tiers[0]"),
    (f"{POSITION}.tiers", [["0", None, "0.02"]], "accounts[0].positions[0].tiers[0]"),
    (
        f"{POSITION}.tiers",
        [["0", "1000", "0.02", 25], ["2000", None, "0.03", 10]],
        "accounts[0].positions[0].tiers tier 1",
    ),
    (
        f"{POSITION}.tiers",
        [["0", "1000", "0.02", 25, "0"], ["1000", None, "0.03", 10, "11"]],
        "accounts[0].positions[0].tiers tier 1",
    ),
    ("routes.0.source", "west", "routes[0]"),
    ("routes.0.source", "north", "routes[0]"),
    ("routes.0.fee", "-1", "routes[0].fee"),
    ("routes.0.latency_p95_s", 599, "routes[0].latency_p95_s"),
    ("routes.0.latency_median_s", 0, "routes[0].latency_median_s"),
    ("routes.0.latency_median_s", "1e-9", "routes[0].latency_median_s"),
    ("routes.0.latency_p95_s", "1e9", "routes[0].latency_p95_s"),
    ("routes.0.blocked_until", "soon", "routes[0].blocked_until"),
    ("routes.0.conversion_cost", "1", "routes[0].conversion_cost"),
]


@pytest.mark.parametrize(("path", "value", "field"), REFUSED)
def test_bad_value_is_refused_in_one_line_that_names_file_and_field(
    tmp_path: Path, path: str, value: object, field: str
) -> None:
    with pytest.raises(InputError, match="expected") as error:
        seen(changed(path, value), tmp_path)
    assert (error.value.where, error.value.field) == ("book.json", field)
    assert "\n" not in str(error.value)


def test_misspelt_and_missing_names_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown field `acounts`"):
        seen(changed("acounts", []), tmp_path)
    with pytest.raises(InputError, match="missing required field `as_of`"):
        seen(changed("as_of", ...), tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"as_of": 1e999}', "[" * 200_000])
def test_text_that_is_no_book_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="expected") as error:
        seen(text, tmp_path)
    assert "\n" not in str(error.value)


def test_name_given_twice_is_refused_and_never_the_last_one_taken(tmp_path: Path) -> None:
    text = json.dumps(raw_book()).replace('"USDT": "6000"', '"USDT": "6000", "USDT": "9000"')
    with pytest.raises(InputError, match="USDT: expected each name once"):
        seen(text, tmp_path)


def test_absent_file_and_file_that_is_not_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: file: expected a readable file"):
        read_book(tmp_path / "none.json")
    path = write("", tmp_path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        read_book(path)


def test_position_beyond_the_last_tier_given_is_refused(tmp_path: Path) -> None:
    raw = raw_book()
    raw["accounts"][0]["positions"][0]["tiers"] = [["0", "59999", "0.02", 25]]
    with pytest.raises(InputError, match="expected tiers up to the position's notional of 60000"):
        seen(raw, tmp_path)


def test_unknown_rule_is_refused_as_a_name(tmp_path: Path) -> None:
    raw = raw_book()
    raw["accounts"][0]["rule"] = "deribit"
    with pytest.raises(InputError, match="rule: expected another name, got 'deribit'"):
        seen(raw, tmp_path)
