# SPDX-License-Identifier: Apache-2.0
"""`tidegate forecast`: table, document and page say the same, and bad input gets one line."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

from tests.ended import Run, runner
from tests.history.written_files import (
    FUNDING_COLUMNS,
    FUNDING_FILE,
    START_MS,
    funding,
    time_sql,
    write_rows,
)
from tidegate.forecast.buffer_value import BufferValue
from tidegate.forecast.stress_gauge import GaugeScaling
from tidegate.history.forecast_command import GAUGE_OFF, document, lines, parse_question
from tidegate.history.forecast_evidence import ForecastEvidence, Question, gather
from tidegate.history.forecast_page import content
from tidegate.history.funding_evidence import FundingEvidence
from tidegate.history.stress_study import SPOT_FILE, GaugeValue, StressScores
from tidegate.history.volatility_history import BARS, EVER
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS
from tidegate.signals.funding_hold import HoldValue

BAR_DAYS, FUNDING_DAYS, SPOT_DAYS = 215, 300, 560


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(capsys, monkeypatch, "forecast")


def _write_bars(root: Path) -> None:
    n, rng = 96 * BAR_DAYS, np.random.default_rng(7)
    vol = 0.003 * np.exp(np.repeat(np.cumsum(rng.normal(0.0, 0.06, BAR_DAYS)), 96))
    close = 100.0 * np.exp(np.cumsum(vol * rng.standard_normal(n)))
    opens = START_MS + 15 * MINUTE_MS * np.arange(n)
    (root / BARS).parent.mkdir(parents=True)
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(
            "CREATE TABLE bars AS SELECT to_timestamp(unnest(?::BIGINT[]) / 1000.0) AS ts,"
            " 'BTCUSDT' AS symbol, unnest(?::DOUBLE[]) AS close",
            [opens.tolist(), close.tolist()],
        )
        database.execute(f"COPY bars TO '{root / BARS}' (FORMAT parquet)")


def _write_funding(root: Path) -> None:
    rng, level, rows = np.random.default_rng(3), 0.0, []
    for i in range(3 * FUNDING_DAYS):
        level = 0.95 * level + 0.02 * rng.standard_normal()
        rate = repr((0.11 + level) * 8 / 8760)
        rows.append(funding(START_MS + 8 * i * HOUR_MS, 8, rate))
    write_rows(root / FUNDING_FILE, rows, FUNDING_COLUMNS)


def _write_spot(root: Path) -> None:
    rng, price, rows = np.random.default_rng(5), 100.0, []
    for day in range(SPOT_DAYS):
        # Calm and wild fortnights in turn, so that both kinds of day are there.
        width = (0.01 if day // 14 % 2 else 0.04) * float(np.exp(0.2 * rng.standard_normal()))
        price *= float(np.exp(0.3 * width * rng.standard_normal()))
        values = {"high": price * (1 + width), "low": price * (1 - width), "close": price}
        row = {name: f"{value!r}::DOUBLE" for name, value in values.items()}
        stamp = time_sql(START_MS + day * DAY_MS)
        rows.append({"ts": stamp, "base": "'BTC'", "volume": "5.0::DOUBLE", **row})
    write_rows(root / SPOT_FILE, rows, ("ts", "base", "high", "low", "close", "volume"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    _write_bars(root)
    _write_funding(root)
    _write_spot(root)
    return root


@pytest.fixture(scope="module")
def evidence(folder: Path) -> ForecastEvidence:
    return gather(Question(folder, ("BTC",)))


def test_table_and_document_say_the_same(evidence: ForecastEvidence) -> None:
    text, found = "\n".join(lines(evidence)), document(evidence)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    (volatility,) = found["volatility"]
    assert f"chosen on the first two thirds: {volatility['chosen']}" in text
    for row in volatility["scores"]["whole"]:
        assert f"{row['qlike']:.4f}" in text
    assert [each["scores"]["horizon_h"] for each in found["funding"]] == [24, 168]
    for each in found["funding"]:
        band = each["forecasts"][0]["band"]
        assert band["lower_annual"] < band["median_annual"] < band["upper_annual"]
        assert f"{band['median_annual']:+.1%} a year" in text
    (gauge,) = found["gauges"]
    assert 0.0 < gauge["level"] <= 1.0
    assert f"{gauge['level']:.2f} of 1" in text
    assert f"AUC {gauge['scored']['score']['auc']['value']:.3f}" in text


def test_gauge_of_clustered_ranges_ranks_their_days(evidence: ForecastEvidence) -> None:
    score = evidence.gauges[0].scored.score
    assert score is not None
    assert score.auc.value > 0.6


def test_what_is_off_is_said_and_is_off(evidence: ForecastEvidence) -> None:
    found = document(evidence)
    assert GAUGE_OFF in "\n".join(lines(evidence))
    assert found["off"]["gauge"]["enabled"] is GaugeScaling().enabled is False
    assert found["not_made"] == []
    assert found["all_stress"] is None


def test_command_prints_one_document_and_a_page_that_needs_nothing(
    folder: Path, tmp_path: Path, run: Run, evidence: ForecastEvidence
) -> None:
    page = tmp_path / "f.html"
    ended = run("--data", folder, "--coins", "BTC", "--json", "--html", page)
    assert ended.status == 0
    assert json.loads(ended.out) == document(evidence)
    assert ended.err == f"page: {page}\n"
    text = page.read_text(encoding="utf-8")
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert "://" not in own
    assert not re.search(r"<(?:script|link|img|iframe)[^>]*\b(?:src|href)=", text)
    figures = json.loads(re.findall(r'id="figures">(.*?)</script>', text, re.DOTALL)[0])
    assert set(figures) == set(re.findall(r'class="chart" id="([^"]+)"', text))
    assert {"gain-1", "volatility-BTC-1", "funding-24", "funding-168", "gauge-BTC"} == set(figures)


def test_whole_studies_are_in_table_document_and_page(evidence: ForecastEvidence) -> None:
    scores, scored = evidence.funding[0].scores, evidence.gauges[0].scored
    hold = HoldValue("BTC", 0.159, 0.164, -0.014, 0.001, 0.9, 4, 200)
    saved = GaugeValue("BTC", "variance", 0.5, BufferValue(5, 9.7, 10.0, 0.033, -0.137, 0.216))
    found = replace(
        evidence,
        all_funding=FundingEvidence((scores,), (hold,), 0.0027, ("gate at 24 h: too short",)),
        all_stress=StressScores((scored,), (saved,)),
    )
    text, plain = "\n".join(lines(found)), document(found)
    _, body, _ = content(found, ())
    assert "acted +15.9%, static +16.4%, difference [-1.4%, +0.1%]" in text
    assert "+3.3% [-13.7%, +21.6%]" in text
    assert "0 of 1 pay" in text
    assert "not judged: gate at 24 h: too short" in text
    assert (plain["all_funding"]["trials"], plain["all_stress"]["trials"]) == (12, 2)
    for figure in ("+15.9%", "+16.4%", "27 bp", "+3.3%", "-13.7%", "0 of 1 pay"):
        assert figure in body


def test_window_cuts_every_part_and_what_is_left_too_short_is_named(folder: Path) -> None:
    window = Window(START_MS, START_MS + BAR_DAYS * DAY_MS)
    found = gather(Question(folder, ("BTC",), window=window))
    gauge = found.gauges[0]
    assert gauge.latest[0] == window.end_ms
    assert gauge.scored.score is None
    assert gauge.scored.refusal
    assert all(each.as_of_ms < window.end_ms for each in found.funding)
    assert "not known; full stress where it is switched on" in "\n".join(lines(found))
    assert document(found)["gauges"][0]["level"] is None


def test_folder_with_bars_alone_says_what_it_lacks(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "ohlcv").mkdir()
    (tmp_path / BARS).symlink_to(folder / BARS)
    found = document(gather(Question(tmp_path, ("BTC",))))
    assert found["not_made"] == [f"{name}: not in the folder" for name in (FUNDING_FILE, SPOT_FILE)]
    assert found["funding"] == found["gauges"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--data", "/nowhere"), "/nowhere: --data: expected a folder of market data"),
        (("--coins", "XYZ"), "XYZUSDT"),
        (("--coins", ","), "--coins: expected coins once each"),
        (("--coins", "BTC,BTC"), "--coins: expected coins once each"),
        (("--horizons", "1,x"), "--horizons: expected whole days such as 1,7, got '1,x'"),
        (("--horizons", "0"), "--horizons: expected days >= 1"),
        (("--from", "yesterday"), "--from: expected a date"),
        (("--from", "2024-03-01", "--to", "2024-02-01"), "--to: expected it after --from"),
        (("--to", "2024-03-01"), "scored forecasts"),
        (("--stress", "--to", "2024-03-01"), "--from, --to: expected none with --funding"),
        (("--html", "/nowhere/f.html"), "--html: expected a file in a folder"),
        (("--jsn",), "--jsn"),
    ],
)
def test_bad_words_get_one_line_and_status_2(
    folder: Path, run: Run, words: tuple[str, ...], said: str
) -> None:
    ended = run("--data", folder, "--coins", "BTC", *words)
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err
    assert ended.err.count("\n") == 1


def test_folder_named_by_the_environment_is_used_where_none_is_said(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_DATA", "/nowhere/else")
    ended = run()
    assert ended.status == 2
    assert ended.err == "tidegate: /nowhere/else: --data: expected a folder of market data\n"


def test_days_said_twice_are_one_and_the_last_day_is_included(tmp_path: Path) -> None:
    found = parse_question(
        (tmp_path, " BTC, ETH", "7,1,7"), (None, "2024-01-01"), funding=False, stress=False
    )
    assert found.horizons_days == (7, 1)
    assert found.coins == ("BTC", "ETH")
    assert found.window == Window(EVER.start_ms, START_MS + DAY_MS)
    with pytest.raises(InputError, match="--horizons"):
        Question(tmp_path, ("BTC",), (-1,))
