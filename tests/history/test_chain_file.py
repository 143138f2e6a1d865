# SPDX-License-Identifier: Apache-2.0
"""Chains are read as they stood at a moment, or refused with file, field and what was expected."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.history.written_chains import (
    COLUMNS,
    TS_MS,
    Row,
    known_surface,
    quoted,
    rows_of,
    write_chain,
)
from tidegate.history.chain_file import read_chain, snapshots
from tidegate.model.errors import InputError
from tidegate.model.times import HOUR_MS
from tidegate.pricing.option_chain import Exclusion, OptionChain, quotes

READ = [name for name in COLUMNS if name != "instrument"]
CHAIN = quoted(known_surface())
SOUND = rows_of(CHAIN)
FEW = SOUND[:6]
ARRAYS = ("expiry_ms", "strike_usd", "is_call", "bid", "ask", "forward_usd", "mark_vol_annual")


def at(hour: float, currency: str = "BTC") -> list[Row]:
    """Two options of a snapshot, the hour in their strikes."""
    ts = f"make_timestamptz({int((TS_MS + hour * HOUR_MS) * 1000)})"
    return [
        row.but(ts=ts, currency=f"'{currency}'", strike=f"{1000 + hour}::DOUBLE")
        for row in SOUND[:2]
    ]


def read_last(path: Path) -> OptionChain:
    (snapshot,) = snapshots(path)
    return read_chain(path, snapshot)


@given(order=st.permutations(SOUND))
@settings(max_examples=5)
def test_chain_is_what_was_written_whatever_the_order_of_rows(order: list[Row]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        chain = read_last(write_chain(Path(folder) / "chain.parquet", order))
    sort = np.lexsort((~CHAIN.is_call, CHAIN.strike_usd, CHAIN.expiry_ms))
    assert (chain.ts_ms, chain.currency, chain.inverse) == (TS_MS, "BTC", True)
    for name in ARRAYS:
        assert np.array_equal(getattr(chain, name), getattr(CHAIN, name)[sort]), name


@given(
    hours=st.lists(st.integers(0, 48), min_size=1, max_size=6, unique=True),
    asked=st.one_of(st.integers(0, 48), st.floats(0.0, 48.0)),
)
@settings(max_examples=12)
def test_snapshot_at_a_time_is_the_last_not_after_it_and_holds_no_row_of_another(
    hours: list[int], asked: float
) -> None:
    known = [hour for hour in hours if hour <= asked]
    asked_ms = TS_MS + int(np.ceil(asked * HOUR_MS))
    with tempfile.TemporaryDirectory() as folder:
        path = write_chain(Path(folder) / "chain.parquet", [row for h in hours for row in at(h)])
        if not known:
            with pytest.raises(InputError, match=r"ts: expected a snapshot at or before"):
                snapshots(path, asked_ms)
            return
        (snapshot,) = snapshots(path, asked_ms)
        chain = read_chain(path, snapshot)
    assert snapshot.ts_ms == TS_MS + max(known) * HOUR_MS
    assert chain.strike_usd.tolist() == [1000.0 + max(known)] * 2


def test_coins_of_a_file_come_each_with_its_own_last_snapshot(tmp_path: Path) -> None:
    rows = [*at(0), *at(5), *at(3, "ETH")]
    path = write_chain(tmp_path / "chain.parquet", rows)
    found = [(s.currency, (s.ts_ms - TS_MS) // HOUR_MS) for s in snapshots(path)]
    assert found == [("BTC", 5), ("ETH", 3)]
    assert [s.currency for s in snapshots(path, TS_MS + HOUR_MS)] == ["BTC"]
    assert [s.currency for s in snapshots(path, None, "ETH")] == ["ETH"]
    assert read_chain(path, snapshots(path)[1]).strike_usd.tolist() == [1003.0, 1003.0]


@pytest.mark.parametrize(
    ("column", "field", "reason"),
    [
        ("bid", "bid", Exclusion.ONE_SIDED),
        ("ask", "ask", Exclusion.ONE_SIDED),
        ("underlying_price", "forward_usd", Exclusion.NOT_POSITIVE),
    ],
)
def test_missing_number_stays_unknown_and_excludes_its_quote(
    tmp_path: Path, column: str, field: str, reason: Exclusion
) -> None:
    rows = [SOUND[0].but(**{column: "NULL::DOUBLE"}), *SOUND[1:]]
    chain = read_last(write_chain(tmp_path / "chain.parquet", rows))
    missing = np.isnan(getattr(chain, field))
    assert missing.sum() == 1
    assert quotes(chain).exclusion[missing].tolist() == [reason]


def test_missing_mark_is_unknown_and_excludes_nothing(tmp_path: Path) -> None:
    rows = [row.but(mark_iv="NULL::FLOAT") for row in SOUND]
    chain = read_last(write_chain(tmp_path / "chain.parquet", rows))
    assert np.isnan(chain.mark_vol_annual).all()
    assert np.sum(quotes(chain).used) == np.sum(quotes(CHAIN).used)


@pytest.mark.parametrize("column", READ)
def test_missing_column_is_named(tmp_path: Path, column: str) -> None:
    path = write_chain(tmp_path / "c.parquet", FEW, [n for n in COLUMNS if n != column])
    with pytest.raises(InputError, match=rf"c\.parquet: {column}: expected .* no such column$"):
        snapshots(path)


@pytest.mark.parametrize("column", READ)
def test_column_of_a_wrong_type_is_named_with_what_was_expected(
    tmp_path: Path, column: str
) -> None:
    path = write_chain(tmp_path / "c.parquet", [row.but(**{column: "true"}) for row in FEW])
    with pytest.raises(InputError, match=rf"c\.parquet: {column}: expected .*, found BOOLEAN$"):
        snapshots(path)


@pytest.mark.parametrize("column", ["ts", "currency", "expiry", "strike", "option_type"])
def test_row_without_what_names_its_option_is_refused(tmp_path: Path, column: str) -> None:
    path = write_chain(tmp_path / "c.parquet", [*FEW, SOUND[3].but(**{column: "NULL"})])
    with pytest.raises(InputError, match=rf"{column}: expected a value in every row, 1 lack it"):
        snapshots(path)


def test_time_without_a_zone_is_refused(tmp_path: Path) -> None:
    rows = [row.but(ts="TIMESTAMP '2026-01-05 08:00:00'") for row in FEW]
    path = write_chain(tmp_path / "c.parquet", rows)
    with pytest.raises(InputError, match=r"ts: expected a timestamp in UTC, found TIMESTAMP$"):
        snapshots(path)


def test_empty_file_is_refused(tmp_path: Path) -> None:
    path = write_chain(tmp_path / "c.parquet", [])
    with pytest.raises(InputError, match=r"c\.parquet: rows: expected at least one option"):
        snapshots(path)


def test_unknown_coin_is_refused_with_those_of_the_file(tmp_path: Path) -> None:
    path = write_chain(tmp_path / "c.parquet", [*at(0), *at(0, "ETH")])
    with pytest.raises(InputError, match=r"currency: expected one of BTC, ETH, got 'SOL'"):
        snapshots(path, None, "SOL")


def test_option_type_that_is_neither_call_nor_put_is_refused(tmp_path: Path) -> None:
    path = write_chain(tmp_path / "c.parquet", [*FEW[1:], FEW[0].but(option_type="'C'")])
    with pytest.raises(InputError, match=r"option_type: expected call or put, got 'C'"):
        read_last(path)


def test_option_that_stands_twice_in_a_snapshot_is_refused(tmp_path: Path) -> None:
    path = write_chain(tmp_path / "c.parquet", [*FEW, SOUND[4].but(bid="0.001::DOUBLE")])
    with pytest.raises(InputError, match=r"instrument: expected each option once .* call twice"):
        read_last(path)


def test_same_option_at_another_time_is_no_double(tmp_path: Path) -> None:
    later = rows_of(replace(CHAIN, ts_ms=TS_MS + HOUR_MS))
    chain = read_last(write_chain(tmp_path / "c.parquet", [*SOUND, *later]))
    assert chain.strike_usd.size == CHAIN.strike_usd.size


@pytest.mark.parametrize("content", [None, b"", b"no Parquet", b"PAR1\0\0\0\0PAR1"])
def test_file_that_is_none_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "c.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"c\.parquet: file: expected a .*Parquet file"):
        snapshots(path)


def test_file_whose_name_looks_like_a_pattern_is_read_itself(tmp_path: Path) -> None:
    write_chain(tmp_path / "a.parquet", at(1))
    path = write_chain(tmp_path / "[a].parquet", at(2))
    assert read_last(path).strike_usd.tolist() == [1002.0] * 2


def test_every_real_chain_file_is_read_at_its_end(data_root: Path) -> None:
    files = sorted((data_root / "options").glob("deribit_*_chain_*.parquet"))
    assert files
    for path in files:
        chain = read_last(path)
        assert chain.currency in path.name
        assert quotes(chain).used.sum() > 100
