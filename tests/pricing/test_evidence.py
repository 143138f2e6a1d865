# SPDX-License-Identifier: Apache-2.0
"""The measurement of the surface on folders of chains, made ones and the whole real one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

from tests.pricing.made_chains import TS_MS, made_chain
from tidegate.model.times import DAY_MS
from tidegate.pricing import evidence
from tidegate.pricing.option_chain import OptionChain


def written(chains: list[OptionChain], file: Path) -> None:
    """The chains as a file of the layout that is measured."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        (chain.ts_ms, expiry, strike, "call" if call else "put", bid, ask, forward, vol)
        for chain in chains
        for expiry, strike, call, bid, ask, forward, vol in zip(
            chain.expiry_ms.tolist(),
            chain.strike_usd.tolist(),
            chain.is_call.tolist(),
            *(column.tolist() for column in (chain.bid, chain.ask, chain.forward_usd)),
            chain.mark_vol_annual.tolist(),
            strict=True,
        )
    ]
    base = duckdb.connect()
    base.execute(
        "create table t (ts bigint, expiry bigint, strike double, option_type varchar,"
        " bid double, ask double, underlying_price double, mark_iv double)"
    )
    base.executemany("insert into t values (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    base.execute(
        "copy (select * replace (make_timestamptz(ts * 1000) as ts,"
        f" make_timestamptz(expiry * 1000) as expiry) from t) to '{file}' (format parquet)"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    chain = made_chain(days=(7, 30, 90), strikes=15)
    later = replace(chain, ts_ms=TS_MS + DAY_MS)
    nothing = replace(chain, bid=np.full(chain.bid.size, np.nan))
    written([chain, later], root / "options" / "deribit_BTC_chain_2026-01.parquet")
    written([nothing], root / "options" / "deribit_ETH_chain_2026-01.parquet")
    return root


def test_made_chains_are_measured_and_a_chain_without_surface_fails_the_gate(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evidence.main(["--data", str(folder), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["coins"]
    btc, eth = found["BTC"], found["ETH"]
    assert (btc["chains"], btc["rows"], btc["slices"]) == (2, 180, 6)
    assert btc["held_out_quotes"] > 0
    assert btc["fitted_quotes"] + sum(btc["excluded"].values()) == 180
    assert btc["excluded"]["held out by the caller"] == btc["held_out_quotes"]
    assert btc["held_out_inside_share"] > 0.9
    assert btc["butterfly_violations"] == btc["calendar_violations"] == 0
    assert btc["grid_points"] == 2 * 2 * 300 * 13
    assert btc["months"]["2026-01"]["chains"] == 2
    assert all(btc["gates"].values())
    assert eth["chains_without_surface"] == 1
    assert "ETH at 2026-01-01T00:00:00Z" in eth["failures"][0]
    assert not any(
        eth["gates"][gate] for gate in ("every chain has a surface", "no butterfly", "no calendar")
    )


def test_text_names_each_gate_and_whether_it_holds(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evidence.main(["--data", str(folder)]) == 1
    text = capsys.readouterr().out
    assert "BTC: 2 chains, 6 slices, 180 rows" in text
    assert "holds: inside bid and ask >= 65%" in text
    assert "FAILS: every chain has a surface" in text


def test_two_processes_find_what_one_finds(folder: Path) -> None:
    one, two = (evidence.evidence(folder, jobs) for jobs in (1, 2))
    for found in (one, two):
        for coin in found["coins"].values():
            for part in (coin, *coin["months"].values()):
                del part["cpu_milliseconds_per_surface"]
    assert one == two


def test_folder_without_chains_is_one_line_and_status_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evidence.main(["--data", str(tmp_path)]) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.strip().splitlines() == [
        f"{tmp_path}: options: expected files deribit_*_chain_*.parquet"
    ]


@pytest.mark.parametrize("content", [b"", b"no parquet", "columns"])
def test_file_that_is_no_chain_is_one_line_and_status_two(
    tmp_path: Path, content: bytes | str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "options" / "deribit_BTC_chain_2026-01.parquet"
    file.parent.mkdir()
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        duckdb.connect().execute(f"copy (select 1 as ts) to '{file}' (format parquet)")
    assert evidence.main(["--data", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"{file}: columns: expected an option chain")


def test_row_without_an_expiry_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "options" / "deribit_BTC_chain_2026-01.parquet"
    written([made_chain(days=(30,))], file)
    duckdb.connect().execute(
        f"copy (select * replace (null::timestamptz as expiry) from '{file}')"
        f" to '{file}' (format parquet)"
    )
    assert evidence.main(["--data", str(tmp_path)]) == 2
    assert f"{file}: expiry: expected a value in every row" in capsys.readouterr().err


def test_no_jobs_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evidence.main(["--data", str(folder), "--jobs", "0"]) == 2
    assert "--jobs: expected at least 1" in capsys.readouterr().err


def test_call_and_put_of_a_strike_are_held_out_together_and_thirty_in_a_hundred_are() -> None:
    chain = made_chain(days=tuple(range(1, 41)), strikes=51)
    held = evidence.held_out(chain)
    assert np.array_equal(held[0::2], held[1::2])
    assert np.mean(held) == pytest.approx(0.3, abs=0.03)
    later = replace(chain, ts_ms=TS_MS + 1)
    assert np.mean(evidence.held_out(later) == held) < 0.7


def test_hash_is_that_of_the_documented_text() -> None:
    # SHA-256 of "1,2,3.000000" begins with these bytes, by sha256sum.
    assert evidence._hash_share("1,2,3.000000") == 0xB5629D6B18A830DD / 2.0**64


def files(data_root: Path) -> Iterator[tuple[str, Path]]:
    for coin in evidence.COINS:
        yield coin, data_root / "options" / f"deribit_{coin}_chain_2025-12.parquet"


def test_real_chains_of_a_month_hold_the_gates(data_root: Path) -> None:
    for coin, file in files(data_root):
        (found,) = evidence.measure_file(file, coin).values()
        figures = evidence.summary(found)
        assert figures["chains"] == 4
        assert all(evidence.gates(coin, figures).values()), figures


@pytest.mark.soak(promise="R18")
def test_all_real_chains_hold_the_gates(data_root: Path) -> None:
    found = evidence.evidence(data_root, 2)["coins"]
    for coin in evidence.COINS:
        assert found[coin]["chains"] == 481
        assert all(found[coin]["gates"].values()), found[coin]
