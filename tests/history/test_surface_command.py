# SPDX-License-Identifier: Apache-2.0
"""`tidegate surface`: what it says is true of the quotes, and bad input gets one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ended import Run, runner
from tests.history.written_chains import (
    DAYS,
    TS_MS,
    Row,
    known_surface,
    quoted,
    rows_of,
    write_chain,
)
from tidegate.history.surface_command import BARS, spark
from tidegate.history.surface_study import (
    SurfaceStudy,
    call_delta,
    log_strike_at_delta,
    study_chain,
    summary_at,
    vol_at,
)
from tidegate.model.times import DAY_MS, HOUR_MS, YEAR_MS
from tidegate.pricing.black76 import greeks

KNOWN = known_surface()
CHAIN = quoted(KNOWN)
ROWS = rows_of(CHAIN)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(capsys, monkeypatch, "surface")


@pytest.fixture(scope="module")
def study() -> SurfaceStudy:
    return study_chain(CHAIN)


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    return write_chain(tmp_path / "chain.parquet", ROWS)


def of_eth(rows: list[Row]) -> list[Row]:
    return [row.but(currency="'ETH'") for row in rows]


@given(days=st.floats(1.0, 200.0), k=st.floats(-0.4, 0.4))
def test_delta_is_that_of_black_76_at_the_surfaces_volatility(days: float, k: float) -> None:
    points, years = np.array([k]), np.array([days / 365.0])
    vol = vol_at(KNOWN, points, years)
    delta = greeks(1.0, np.exp(points), years, vol, np.array([True])).delta
    assert call_delta(KNOWN, points, years) == pytest.approx(delta, abs=1e-12)


@given(days=st.floats(1.0, 200.0), delta=st.floats(0.01, 0.99))
def test_strike_at_a_delta_has_that_delta(days: float, delta: float) -> None:
    years = np.array([days / 365.0])
    k = log_strike_at_delta(KNOWN, years, np.array([delta]))
    assert call_delta(KNOWN, k, years)[0] == pytest.approx(delta, abs=1e-9)


@given(days=st.sampled_from(DAYS))
def test_risk_reversal_and_butterfly_are_read_off_the_smile_at_25_delta(days: int) -> None:
    """Against a search over a fine grid of strikes by the definition of delta."""
    k = np.linspace(-1.0, 1.0, 20_001)
    years = np.full(k.shape, days / 365.0)
    delta, vol = call_delta(KNOWN, k, years), vol_at(KNOWN, k, years)
    call, put = (vol[np.argmin(np.abs(delta - wanted))] for wanted in (0.25, 0.75))
    atm = vol[10_000]
    found = summary_at(KNOWN, days / 365.0)
    assert found.atm_vol_annual == pytest.approx(atm, abs=1e-9)
    assert found.risk_reversal == pytest.approx(call - put, abs=1e-4)
    assert found.butterfly == pytest.approx((call + put) / 2 - atm, abs=1e-4)
    assert found.risk_reversal < 0.0 < found.butterfly


def test_put_tilt_and_call_tilt_have_opposite_risk_reversals() -> None:
    years = DAYS[1] / 365.0
    puts, calls = (summary_at(known_surface(tilt=t), years).risk_reversal for t in (1.5, 1 / 1.5))
    assert puts < -0.01 < 0.01 < calls


def test_study_recovers_the_surface_that_made_the_quotes(study: SurfaceStudy) -> None:
    for expiry in study.expiries:
        truth = summary_at(KNOWN, expiry.days / 365.0)
        assert expiry.smile.atm_vol_annual == pytest.approx(truth.atm_vol_annual, abs=2e-3)
        assert expiry.smile.risk_reversal == pytest.approx(truth.risk_reversal, abs=4e-3)
        assert expiry.smile.butterfly == pytest.approx(truth.butterfly, abs=4e-3)
        assert expiry.mark_atm_vol_annual == pytest.approx(truth.atm_vol_annual, abs=2e-3)
        assert expiry.quality.inside_share > 0.9


def test_every_listed_quote_is_used_in_the_money_or_dropped_once() -> None:
    bid = CHAIN.bid.copy()
    bid[[0, 7, 40, 41]] = np.nan
    thin = CHAIN.expiry_ms == CHAIN.expiry_ms[-1]
    bid[thin] = np.where(np.arange(thin.sum()) < 30, np.nan, bid[thin])
    found = study_chain(replace(CHAIN, bid=bid))
    assert len(found.expiries) == 2
    parts = found.quality.quotes + found.in_the_money + found.dropped
    assert parts == CHAIN.bid.size
    for expiry in found.expiries:
        listed = int(np.sum(CHAIN.expiry_ms == expiry.expiry_ms))
        assert expiry.quality.quotes + expiry.in_the_money + expiry.dropped == listed
        assert expiry.dropped == 2


def test_marks_on_one_side_only_leave_the_mark_at_the_money_unknown() -> None:
    above = CHAIN.strike_usd > 1.01 * CHAIN.forward_usd
    mark = np.where(above, CHAIN.mark_vol_annual, np.nan)
    for expiry in study_chain(replace(CHAIN, mark_vol_annual=mark)).expiries:
        assert np.isnan(expiry.mark_atm_vol_annual)


@given(st.lists(st.floats(0.01, 5.0), min_size=1, max_size=9))
def test_bars_of_a_smile_keep_its_order(values: list[float]) -> None:
    heights = [BARS.index(bar) for bar in spark(values)]
    order = np.argsort(values, kind="stable")
    assert np.all(np.diff(np.array(heights)[order]) >= 0)
    assert min(heights) == 0
    assert max(heights) == (7 if max(values) > min(values) else 0)


def test_bars_leave_a_blank_for_what_is_unknown() -> None:
    assert spark([1.0, float("nan"), 2.0]) == "▁ █"
    assert spark([float("nan")]) == " "


def test_json_is_one_document_with_the_study_in_it(
    run: Run, chain: Path, study: SurfaceStudy
) -> None:
    ended = run(chain, "--json")
    document = json.loads(ended.out)
    assert (ended.status, ended.err) == (0, "")
    assert (document["chain"], document["not_fitted"]) == (str(chain), [])
    (surface,) = document["surfaces"]
    assert (surface["currency"], surface["ts"]) == ("BTC", "2026-01-05T08:00:00Z")
    assert surface["converged"] is True
    assert surface["quotes"]["listed"] == len(ROWS)
    assert surface["arbitrage"]["proved_free"] is True
    assert surface["arbitrage"]["butterfly_violations"] == 0
    assert surface["arbitrage"]["calendar_violations"] == 0
    for found, expected in zip(surface["expiries"], study.expiries, strict=True):
        assert found["days"] == expected.days
        assert found["atm_vol_annual"] == pytest.approx(expected.smile.atm_vol_annual)
        assert found["risk_reversal_25_vol_annual"] == pytest.approx(
            found["call_25_vol_annual"] - found["put_25_vol_annual"]
        )
        at_money = [point for point in found["smile"] if point["call_delta"] == 0.25]
        assert at_money[0]["vol_annual"] == pytest.approx(found["call_25_vol_annual"])


def test_json_parameters_rebuild_the_surface(run: Run, chain: Path) -> None:
    from tidegate.pricing.essvi import Essvi
    from tidegate.pricing.surface import Surface

    (found,) = json.loads(run(chain, "--json").out)["surfaces"]
    told: dict[str, Any] = found["parameters"]
    years = np.array([expiry["days"] for expiry in found["expiries"]]) / 365.0
    low, high = (
        Essvi(years, *(np.array(told[name][part]) for part in ("theta", "put_wing", "call_wing")))
        for name in ("low", "high")
    )
    forward, discount = np.array(told["forward_usd"]), np.array(told["discount"])
    expiry_ms = (TS_MS + years * YEAR_MS).astype(np.int64)
    rebuilt = Surface(
        TS_MS, "BTC", True, expiry_ms, forward, discount, low, high, told["high_share"]
    )
    vols = [expiry["atm_vol_annual"] for expiry in found["expiries"]]
    assert rebuilt.vol(forward, years) == pytest.approx(vols, abs=1e-12)


def test_text_has_a_row_for_each_expiry_and_both_reports(run: Run, chain: Path) -> None:
    ended = run(chain)
    assert ended.status == 0
    lines = ended.out.splitlines()
    rows = [line.split() for line in lines if line.strip().startswith("2026-")]
    assert [row[0] for row in rows] == ["2026-01-12", "2026-02-04", "2026-04-05"]
    assert [float(row[3]) for row in rows] == pytest.approx([60.0, 55.0, 50.0], abs=0.2)
    assert "0 butterfly, 0 calendar" in ended.out
    assert "0 parity in 51 strikes" in ended.out
    assert max(map(len, lines)) <= 200


def test_dropped_quotes_and_expiries_are_told_with_reasons(run: Run, tmp_path: Path) -> None:
    last = len(ROWS) - 34
    rows = [*ROWS[:2], ROWS[2].but(bid="NULL::DOUBLE"), *ROWS[3:last]]
    rows += [row.but(ask="NULL::DOUBLE") for row in ROWS[last:]]
    ended = run(write_chain(tmp_path / "c.parquet", rows))
    assert ended.status == 0
    assert "35 no bid or no ask" in ended.out
    assert "no slice at 2026-04-05T08:00:00Z: fewer than 3 usable quotes" in ended.out


def test_parity_that_the_quotes_violate_is_reported(run: Run, tmp_path: Path) -> None:
    """A call whose bid and ask stand 1 % of the coin too high breaks its strike and its boxes."""
    row = 2 * 8 + 34
    dear = ROWS[row].but(
        bid=f"{CHAIN.bid[row] + 0.01}::DOUBLE", ask=f"{CHAIN.ask[row] + 0.01}::DOUBLE"
    )
    path = write_chain(tmp_path / "c.parquet", [*ROWS[:row], dear, *ROWS[row + 1 :]])
    (surface,) = json.loads(run(path, "--json").out)["surfaces"]
    violated = [part["parity_violations"] for part in surface["parity"]]
    assert violated == [0, 1, 0]
    assert surface["parity"][1]["box_violations"] >= 10
    assert "1 parity in 51 strikes" in run(path).out


def test_time_chooses_the_snapshot_and_says_how_old_it_is(run: Run, tmp_path: Path) -> None:
    later = rows_of(replace(quoted(known_surface(90_000.0)), ts_ms=TS_MS + 6 * HOUR_MS))
    path = write_chain(tmp_path / "c.parquet", [*ROWS, *later])
    ended = run(path, "--at", "2026-01-05T13:30Z")
    assert "BTC options at 2026-01-05T08:00:00Z, 5.5 h before" in ended.out
    (last,) = json.loads(run(path, "--json").out)["surfaces"]
    assert last["ts"] == "2026-01-05T14:00:00Z"
    assert last["expiries"][0]["forward_usd"] == 90_000.0


def test_coins_of_a_file_come_in_turn_or_one_by_its_name(run: Run, tmp_path: Path) -> None:
    path = write_chain(tmp_path / "c.parquet", [*ROWS, *of_eth(ROWS)])
    both = json.loads(run(path, "--json").out)["surfaces"]
    assert [surface["currency"] for surface in both] == ["BTC", "ETH"]
    one = json.loads(run(path, "--json", "--currency", "ETH").out)["surfaces"]
    assert [surface["currency"] for surface in one] == ["ETH"]


def test_chain_without_usable_quotes_is_a_negative_answer_in_one_line(
    run: Run, tmp_path: Path
) -> None:
    rows = [*ROWS, *of_eth([row.but(bid="NULL::DOUBLE") for row in ROWS])]
    ended = run(write_chain(tmp_path / "c.parquet", rows), "--json")
    document = json.loads(ended.out)
    assert ended.status == 1
    assert [surface["currency"] for surface in document["surfaces"]] == ["BTC"]
    assert [part["currency"] for part in document["not_fitted"]] == ["ETH"]
    (line,) = ended.err.splitlines()
    assert line.startswith("tidegate: no surface: option chain of ETH at 2026-01-05T08:00:00Z")
    assert "102 no bid or no ask" in line


def test_expired_chain_is_a_negative_answer(run: Run, tmp_path: Path) -> None:
    rows = rows_of(replace(CHAIN, ts_ms=TS_MS + 400 * DAY_MS))
    ended = run(write_chain(tmp_path / "c.parquet", rows))
    assert (ended.status, ended.out) == (1, "")
    assert "at or past its expiry" in ended.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--at", "yesterday"], "--at: time: expected a date or a UTC time"),
        (["--at", "2026-01-05T08:00+01:00"], "--at: time: expected a date or a UTC time"),
        (["--at", "2026-01-05"], "chain.parquet: ts: expected a snapshot at or before 2026-01-05"),
        (["--currency", "DOGE"], "chain.parquet: currency: expected one of BTC, got 'DOGE'"),
        (["--html", "no/such/folder/x.html"], "no/such/folder/x.html: --html: expected a file"),
    ],
)
def test_bad_words_end_with_status_2_and_one_line(
    run: Run, chain: Path, words: list[str], told: str
) -> None:
    ended = run(chain, *words)
    (line,) = ended.err.splitlines()
    assert (ended.status, ended.out) == (2, "")
    assert told in line


def test_absent_file_ends_with_status_2_and_its_name(run: Run, tmp_path: Path) -> None:
    ended = run(tmp_path / "none.parquet", "--json")
    assert (ended.status, ended.out) == (2, "")
    assert "none.parquet: file: expected" in ended.err


def test_page_is_written_whole_beside_the_answer(run: Run, chain: Path, tmp_path: Path) -> None:
    page = tmp_path / "surface.html"
    ended = run(chain, "--html", page, "--json")
    assert json.loads(ended.out)["surfaces"]
    assert ended.err == f"page: {page}\n"
    assert page.read_text(encoding="utf-8").endswith("</html>\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chain.parquet", "surface.html"]


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_real_chains_in_a_crash_give_surfaces_without_arbitrage(
    run: Run, data_root: Path, coin: str
) -> None:
    file = data_root / "options" / f"deribit_{coin}_chain_2026-02.parquet"
    ended = run(file, "--at", "2026-02-06T00:00Z", "--json")
    (surface,) = json.loads(ended.out)["surfaces"]
    assert ended.status == 0
    assert surface["ts"] == "2026-02-05T21:29:37.885Z"
    assert len(surface["expiries"]) >= 10
    assert surface["quotes"]["inside_share"] > 0.8
    for expiry in surface["expiries"]:
        assert abs(expiry["atm_vol_annual"] - expiry["mark_atm_vol_annual"]) < 0.05
        assert expiry["risk_reversal_25_vol_annual"] < 0.0
