# SPDX-License-Identifier: Apache-2.0
"""Venue tables answer with what was known at the time, never with a later or undated entry."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.history.written_files import write_json
from tidegate.history.dated import Place, effective
from tidegate.history.tables import VenueTables
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, format_date, parse_time_ms

COLUMNS = ["notional_floor", "notional_cap", "maintenance_rate", "max_leverage", "cum"]
LADDER = [["0", "50000", "0.004", 125, "0"], ["50000", None, "1/100", 50, "300"]]
HISTORY_FILE = "binance_usdm_tier_history.json"


def at(day: str) -> int:
    return parse_time_ms(day, "test", "day")


def venue_file(root: Path, **parts: object) -> VenueTables:
    write_json(root / "venues/binance.json", {"venue": "binance", **parts})
    return VenueTables(root)


def history_file(root: Path, *changes: tuple[str, object]) -> VenueTables:
    rows = [{"first_seen": day, "source": "s", "rows": rows} for day, rows in changes]
    document = {"columns": COLUMNS, "history": {"BTC/USDT:USDT": rows}}
    write_json(root / "venues" / HISTORY_FILE, document)
    return venue_file(root)


def fee(as_of: str | None, taker: str = "0.0005", **more: object) -> dict[str, object]:
    return {"product": "USD-M", "base_taker": taker, "as_of": as_of, "source": "s", **more}


@given(
    entries=st.lists(st.integers(0, 3000), min_size=1, max_size=8, unique=True),
    asked=st.integers(-100, 3100),
)
@settings(max_examples=40)
def test_a_fee_asked_at_a_time_is_the_latest_not_after_it(entries: list[int], asked: int) -> None:
    """Whatever the order of entries, the answer is never dated after the question."""
    start = at("2020-01-01")
    fees = [fee(format_date(start + day * DAY_MS), f"0.{day:05d}") for day in entries]
    known = [day for day in entries if day <= asked]
    with tempfile.TemporaryDirectory() as folder:
        found = venue_file(Path(folder), fees=fees).taker_fee(
            "binance", "perpetual", start + asked * DAY_MS
        )
    if not known:
        assert found is None
    else:
        assert found is not None
        assert found.taker == Decimal(f"0.{max(known):05d}")
        assert found.as_of == format_date(start + max(known) * DAY_MS)


@pytest.mark.parametrize(
    ("as_of", "day"),
    [
        ("2024-09-05", "2024-09-05"),
        ("2024-03 (inferred)", "2024-03-01"),
        ("2026-11 (stored copy)", "2026-11-01"),
        ("2026-11 (package; table older)", "2026-11-01"),
        ("2023-08", "2023-08-01"),
        ("2026 (undated)", None),
        ("2026-05 (undated capture)", None),
        ("2025-2026 (undated)", None),
        ("2024 (inferred)", None),
        ("2025-04..2025-05 (inferred)", None),
        ("before 2022", None),
        (None, None),
    ],
)
def test_a_date_of_the_tables_counts_from_its_first_day_or_not_at_all(
    as_of: str | None, day: str | None
) -> None:
    """The forms that stand in the tables: days, months, and what is no date."""
    found = effective(as_of, Place("file.json", "as_of"))
    assert found == (None if day is None else (at(day), day))


@pytest.mark.parametrize("as_of", ["2024-02-30", "2024-13", 20240905, True])
def test_a_date_that_no_calendar_has_is_refused_with_file_and_field(as_of: object) -> None:
    """A mistyped date is an error, not an undated entry."""
    with pytest.raises(InputError, match=r"file\.json: fees"):
        effective(as_of, Place("file.json", "fees[0].as_of"))


def test_undated_and_illustrative_fees_are_never_returned(tmp_path: Path) -> None:
    """Not even long after everything."""
    fees = [fee(None), fee("2026 (undated)"), fee("2022-01-01", illustrative=True)]
    tables = venue_file(tmp_path, fees=fees)
    assert tables.taker_fee("binance", "perpetual", at("2090-01-01")) is None


def test_a_fee_table_answers_with_its_base_tier(tmp_path: Path) -> None:
    """The first row of a schedule is what a client pays who has no volume."""
    schedule = {"product": "COIN-M", "columns": ["volume", "maker", "taker"]}
    rows = [["0", "0.0001", "0.0005"], ["250", "0.00008", "0.00045"]]
    dated = {**schedule, "rows": rows, "as_of": "2024-01-01", "source": "s"}
    found = venue_file(tmp_path, fees=[dated]).taker_fee("binance", "inverse", at("2024-01-01"))
    assert found is not None
    assert found.taker == Decimal("0.0005")


def test_an_unknown_product_is_refused_and_a_known_one_without_fee_is_none(
    tmp_path: Path,
) -> None:
    """A typing error is told apart from what the tables lack."""
    tables = venue_file(tmp_path, fees=[fee("2024-01-01")])
    assert tables.taker_fee("binance-spot", "spot", at("2024-06-01")) is None
    with pytest.raises(InputError, match="expected one of perpetual, inverse, spot"):
        tables.taker_fee("binance", "perps", at("2024-06-01"))


def test_a_contract_is_merged_field_by_field_and_each_keeps_its_date(tmp_path: Path) -> None:
    """A later entry that lacks a field does not hide the earlier one that has it."""
    old = {"symbol": "BTCUSDT", "tick": "0.10", "step": "0.001", "source": "a"}
    new = {"symbol": "BTCUSDT", "tick": "0.5", "min_notional": "10 USDT", "source": "b"}
    contracts = [{**new, "as_of": "2023-01-01"}, {**old, "as_of": "2022-01-01"}]
    found = venue_file(tmp_path, contracts=contracts).contract(
        "binance", "BTCUSDT", at("2024-01-01")
    )
    assert found is not None
    assert (found.tick, found.lot, found.min_notional) == (
        Decimal("0.5"),
        Decimal("0.001"),
        Decimal(10),
    )
    assert found.liquidation_fee is None
    dates = {origin.field: origin.as_of for origin in found.origins}
    assert dates == {"tick": "2023-01-01", "lot": "2022-01-01", "min_notional": "2023-01-01"}
    assert found.as_of == "2022-01-01"


def test_a_contract_of_one_market_is_not_returned_for_another(tmp_path: Path) -> None:
    """A futures contract says nothing of the spot pair of the same name."""
    entry = {"market": "USD-M", "symbol": "BTCUSDT", "tick": "1", "source": "s"}
    tables = venue_file(tmp_path, contracts=[{**entry, "as_of": "2022-01-01"}])
    assert tables.contract("binance-spot", "BTCUSDT", at("2024-01-01")) is None
    assert tables.contract("binance", "BTCUSDT", at("2024-01-01")) is not None


def test_tier_changes_of_a_window_are_the_holding_ladder_and_each_new_one(tmp_path: Path) -> None:
    """The same rows seen again are no change; a symbol that left the list is one."""
    wider = [["0", "90000", "0.004", 125, "0"], ["90000", None, "0.01", 50, "540"]]
    seen = (("2024-01-01", LADDER), ("2024-02-01", LADDER), ("2024-03-01", wider))
    tables = history_file(tmp_path, *seen, ("2024-04-01", None), ("2024-05-01", LADDER))
    window = Window(at("2024-01-15"), at("2024-05-01"))
    changes = tables.tier_changes("binance", "BTCUSDT", window)
    assert [format_date(when) for when, _ in changes] == ["2024-01-01", "2024-03-01", "2024-04-01"]
    assert changes[1][1] is not None
    assert changes[1][1].rows[0][1] == Decimal(90000)
    assert changes[2][1] is None
    assert tables.maintenance_tiers("binance", "BTCUSDT", at("2024-04-15")) is None
    assert tables.maintenance_tiers("binance", "BTCUSDT", at("2023-12-31")) is None


def test_a_full_list_without_the_symbol_ends_its_ladder(tmp_path: Path) -> None:
    """A symbol that a later full list lacks is not margined by an old ladder."""
    history_file(tmp_path, ("2024-01-01", LADDER))
    dump = {"as_of": "2024-06-01", "source": "s", "columns": COLUMNS, "tiers": {}}
    write_json(tmp_path / "venues/binance_usdm_tiers_2024-06.json", dump)
    tables = VenueTables(tmp_path)
    assert tables.maintenance_tiers("binance", "BTCUSDT", at("2024-05-31")) is not None
    assert tables.maintenance_tiers("binance", "BTCUSDT", at("2024-06-01")) is None


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([], "[0]"),
        ([["0", "50000", "0.004", 125]], "[0][0]"),
        ([["1", None, "0.004", 125, "0"]], "[0][0]"),
        ([["0", None, "0.004", 125, "5"]], "[0][0]"),
        ([["0", None, "0.01", 125, "0"]], "[0][0]"),
        ([["0", None, "abc", 125, "0"]], "[0][0].maintenance_rate"),
        ([["0", None, 0.004, 125, "0"]], "[0][0].maintenance_rate"),
        ([["0", None, "0.004", "125", "0"]], "[0][0].max_leverage"),
        ([["0", "NaN", "0.004", 125, "0"]], "[0][0].notional_cap"),
        ([LADDER[0], ["60000", None, "0.01", 50, "360"]], "[0][1]"),
        ([LADDER[0], ["50000", None, "0.01", 50, "301"]], "[0][1]"),
        ([LADDER[0], ["50000", None, "0.004", 50, "0"]], "[0][1]"),
        ([LADDER[0], ["50000", "50000", "0.01", 50, "300"]], "[0][1]"),
        ([["0", None, "0.004", 125, "0"], LADDER[1]], "[0][1]"),
    ],
)
def test_a_broken_ladder_is_refused_with_file_and_row(
    tmp_path: Path, rows: list[object], named: str
) -> None:
    """Gaps, wrong deductions, rates above 1/leverage and wrong types are all refused."""
    tables = history_file(tmp_path, ("2024-01-01", rows))
    with pytest.raises(InputError) as refusal:
        tables.maintenance_tiers("binance", "BTCUSDT", at("2024-02-01"))
    assert refusal.value.where == HISTORY_FILE
    assert refusal.value.field == f"history.BTC/USDT:USDT{named}"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", "document"),
        ("[]", "document"),
        ('{"venue": 3}', "venue"),
        ('{"venue": "binance", "fees": [1]}', "fees[0]"),
        ('{"venue": "binance", "fees": {}}', "fees"),
    ],
)
def test_malformed_json_is_refused_with_file_and_field(
    tmp_path: Path, text: str, field: str
) -> None:
    """The line names the file and the path inside it."""
    (tmp_path / "venues").mkdir()
    (tmp_path / "venues/binance.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as refusal:
        VenueTables(tmp_path).taker_fee("binance", "perpetual", at("2024-01-01"))
    assert (refusal.value.where, refusal.value.field) == ("binance.json", field)
    assert "\n" not in str(refusal.value)


def test_a_malformed_number_is_refused_with_its_field(tmp_path: Path) -> None:
    """Numbers of the tables are decimal strings; a float has lost its exactness already."""
    tables = venue_file(tmp_path, fees=[{**fee("2024-01-01"), "base_taker": 0.0005}])
    with pytest.raises(InputError, match=r"binance.json: fees\[0\].base_taker: expected a decimal"):
        tables.taker_fee("binance", "perpetual", at("2024-06-01"))


def test_a_venue_without_tables_is_refused(tmp_path: Path) -> None:
    """A missing file is no empty table."""
    with pytest.raises(InputError, match=r"nowhere\.json: file: expected a readable file"):
        VenueTables(tmp_path).contract("nowhere", "BTC", at("2024-06-01"))


def test_real_fees_dated_later_are_unknown_in_september_2024(data_root: Path) -> None:
    """venues/binance.json: base taker as_of 2026-11; hyperliquid.json: 2024-03 and 2026-11."""
    tables = VenueTables(data_root)
    assert tables.taker_fee("binance", "perpetual", at("2024-09-05")) is None
    assert tables.taker_fee("binance", "spot", at("2027-01-01")) is None
    then = tables.taker_fee("hyperliquid", "perpetual", at("2024-09-05"))
    now = tables.taker_fee("hyperliquid", "perpetual", at("2026-11-01"))
    assert then is not None
    assert (then.taker, then.as_of) == (Decimal("0.00035"), "2024-03-01")
    assert now is not None
    assert now.taker == Decimal("0.00045")


def test_real_contracts_are_those_known_in_september_2024(data_root: Path) -> None:
    """binance.json: BTCUSDT as_of 2022-02-18; Hyperliquid's BTC size step is dated 2026-08-14."""
    tables = VenueTables(data_root)
    btc = tables.contract("binance", "BTCUSDT", at("2024-09-05"))
    assert btc is not None
    assert (btc.tick, btc.lot, btc.liquidation_fee) == (
        Decimal("0.10"),
        Decimal("0.001"),
        Decimal("0.012"),
    )
    assert btc.as_of == "2022-02-18"
    assert tables.contract("binance", "BTCUSDT", at("2022-02-17")) is None
    assert tables.contract("binance", "SOLUSDT", at("2024-09-05")) is None
    assert tables.contract("hyperliquid", "BTC", at("2024-09-05")) is None
    sol = tables.contract("hyperliquid", "SOL", at("2024-09-05"))
    assert sol is not None
    assert (sol.lot, sol.tick) == (Decimal("0.01"), None)


def test_real_leverage_of_hyperliquid_in_september_2024_is_that_of_march(data_root: Path) -> None:
    """hyperliquid.json: as_of 2024-03 BTC 50, ETH 50, SOL 20; the tiers are dated 2026-11."""
    tables = VenueTables(data_root)
    for coin, leverage in (("BTC", 50), ("ETH", 50), ("SOL", 20)):
        found = tables.maintenance_tiers("hyperliquid", coin, at("2024-09-05"))
        assert found is not None
        assert found.rows == ((Decimal(0), None, Fraction(1, 2 * leverage), Fraction(0), leverage),)
        assert tables.maintenance_tiers("hyperliquid", coin, at("2024-02-29")) is None
    tiered = tables.maintenance_tiers("hyperliquid", "ETH", at("2026-11-01"))
    # hyperliquid.json: ETH's second tier begins at 100 million with a deduction of 4000000/3.
    assert tiered is not None
    assert tiered.rows[1][3] == Fraction(4_000_000, 3)


def test_real_tier_changes_of_sol_in_2024_are_those_of_the_history_file(data_root: Path) -> None:
    """binance_usdm_tier_history.json: SOLUSDT changed on 2024-08-08 and 2024-08-29."""
    tables = VenueTables(data_root)
    window = Window(at("2024-07-01"), at("2025-03-31"))
    changes = tables.tier_changes("binance", "SOLUSDT", window)
    assert [format_date(when) for when, _ in changes] == ["2024-02-03", "2024-08-08", "2024-08-29"]


def test_every_real_ladder_of_binance_is_sound_through_the_years(data_root: Path) -> None:
    """The recurrence and the joints hold for each major at each observation."""
    tables = VenueTables(data_root)
    window = Window(at("2022-01-01"), at("2026-11-01"))
    for symbol, changes in (("BTCUSDT", 11), ("ETHUSDT", 11), ("SOLUSDT", 12)):
        assert len(tables.tier_changes("binance", symbol, window)) == changes
