# SPDX-License-Identifier: Apache-2.0
"""What a check of a folder finds, and that it finds neither more nor less than a run refuses."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.history.intake import planted_data as planted
from tests.history.intake.planted_data import rewrite
from tests.history.written_files import (
    BAR_COLUMNS,
    BARS_FILE,
    FUNDING_COLUMNS,
    FUNDING_FILE,
    START_MS,
    bar,
    funding,
    time_sql,
    write_rows,
)
from tidegate.cli import app
from tidegate.history.bars import read_bars
from tidegate.history.funding import read_funding
from tidegate.history.generated import write_generated
from tidegate.history.intake.check import check_folder
from tidegate.history.intake.findings import Finding, Report
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import HOUR_MS, parse_time_ms

DAYS = 12
BARS = 12
TINY_MS = 61_000
# Flaws of a bar or a print that its reader knows, by the field that they change.
BAR_FLAWS = {
    "none": {},
    "off the grid": {"ts": time_sql(START_MS + 5 * HOUR_MS + TINY_MS)},
    "finer than a millisecond": {"ts": f"make_timestamptz({(START_MS + 5 * HOUR_MS) * 1000 + 7})"},
    "twice": {"ts": time_sql(START_MS + 3 * HOUR_MS)},
    "null": {"close": "NULL::DOUBLE"},
    "not a number": {"volume": "'nan'::DOUBLE"},
    "negative": {"low": "-1::DOUBLE"},
    "high below close": {"high": "100::DOUBLE"},
    "low above open": {"low": "107::DOUBLE"},
    "negative volume": {"volume": "-1::DOUBLE"},
}
PRINT_FLAWS = {
    "none": {},
    "off the grid": {"ts": time_sql(START_MS + 5 * HOUR_MS + TINY_MS)},
    "twice": {"ts": time_sql(START_MS + 3 * HOUR_MS)},
    "null": {"rate": "NULL::DOUBLE"},
    "above one": {"rate": "1.5::DOUBLE"},
    "no interval": {"interval_h": "0::TINYINT"},
    "of eight hours": {"interval_h": "8::TINYINT"},
}


def refuses(root: Path, funding_too: bool) -> bool:
    """Whether the readers refuse the series from its first row to its last."""
    window = Window(START_MS, START_MS + BARS * HOUR_MS)
    try:
        if funding_too:
            read_funding(root, "hyperliquid", "BTC", window)
        else:
            read_bars(root, "hyperliquid", "BTC", "last", window)
    except InputError:
        return True
    return False


@given(flaw=st.sampled_from(sorted(BAR_FLAWS)), drop=st.sampled_from([-1, 0, 4, BARS - 1]))
@settings(max_examples=15)
def test_bars_are_refused_by_the_check_exactly_where_their_reader_refuses_them(
    flaw: str, drop: int
) -> None:
    """Whatever the flaw: of the check and the reader, neither knows one that the other does not."""
    rows = [bar(h, **(BAR_FLAWS[flaw] if h == 5 else {})) for h in range(BARS) if h != drop]
    window = Window(START_MS, START_MS + BARS * HOUR_MS)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        write_rows(root / BARS_FILE, rows, BAR_COLUMNS)
        found = [f for f in check_folder(root, window).findings if f.kind != "no funding"]
        assert any(f.refused for f in found) == refuses(root, funding_too=False), found


@given(flaw=st.sampled_from(sorted(PRINT_FLAWS)), drop=st.sampled_from([-1, 0, 4, BARS - 1]))
@settings(max_examples=15)
def test_prints_are_refused_by_the_check_exactly_where_their_reader_refuses_them(
    flaw: str, drop: int
) -> None:
    """As for bars; the end of the window is held to the last print's own interval."""
    hours = [h for h in range(BARS) if h != drop]
    rows = [
        {**funding(START_MS + h * HOUR_MS, 1), **(PRINT_FLAWS[flaw] if h == 5 else {})}
        for h in hours
    ]
    window = Window(START_MS, START_MS + BARS * HOUR_MS)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        write_rows(root / FUNDING_FILE, rows, FUNDING_COLUMNS)
        found = check_folder(root, window).findings
        assert any(f.refused for f in found) == refuses(root, funding_too=True), found


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated folder with spot and DVOL beside it."""
    root = tmp_path_factory.mktemp("sound") / "data"
    write_generated(root, 4, DAYS)
    spot = (
        "SELECT ts, 'BTCUSDT' AS symbol, 'binance' AS venue, open * 0.9996 AS open,"
        " high * 0.9996 AS high, low * 0.9996 AS low, close * 0.9996 AS close, volume,"
        " file_row_number FROM rows WHERE symbol = 'BTCUSDT' AND epoch_ms(ts) % 7200000 = 0"
    )
    rewrite(root, planted.BINANCE, spot, planted.SPOT)
    dvol = (
        "SELECT ts, 'BTC_DVOL' AS symbol, 50 + file_row_number % 5 AS dvol, file_row_number"
        " FROM rows WHERE symbol = 'BTCUSDT' AND epoch_ms(ts) % 86400000 = 0"
    )
    rewrite(root, planted.BINANCE, dvol, planted.DVOL)
    return root


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """The sound folder, to be spoilt."""
    return Path(shutil.copytree(sound, tmp_path / "data"))


def by_kind(report: Report) -> dict[str, list[Finding]]:
    kinds: dict[str, list[Finding]] = {}
    for finding in report.findings:
        kinds.setdefault(finding.kind, []).append(finding)
    return kinds


def test_check_of_a_sound_folder_refuses_nothing_and_counts_its_rows(sound: Path) -> None:
    """No finding at all, so that one means something."""
    report = check_folder(sound)
    assert not report.findings
    rows = {file.file: (file.series, file.rows, file.missing) for file in report.files}
    assert rows[planted.BINANCE] == (3, 3 * 96 * DAYS, 0)
    assert rows[planted.FUNDING] == (3, 3 * 3 * DAYS, 0)
    assert rows[planted.SPOT] == (1, 12 * DAYS, 0)


def times(factor: str, where: str) -> str:
    """All prices of rows times a factor."""
    parts = [
        f"CASE WHEN {where} THEN {name} * {factor} ELSE {name} END AS {name}"
        for name in ("open", "high", "low", "close")
    ]
    return f"SELECT * REPLACE ({', '.join(parts)}) FROM rows"


STAMPS = "SELECT * REPLACE (make_timestamptz(epoch_us(ts) {by}) AS ts) FROM rows"
STILL = ", ".join(
    f"CASE WHEN file_row_number BETWEEN 30 AND 60 THEN 100.0 ELSE {name} END AS {name}"
    for name in ("open", "high", "low", "close")
)
# Query, file, then what must be found: kind, field, row (from 1), and whether it is refused.
FLAWS = {
    "stamps in seconds": (
        STAMPS.format(by="// 1000"),
        planted.BINANCE,
        ("time unit", "ts", 1, True),
    ),
    "stamps in microseconds": (
        STAMPS.format(by="* 1000"),
        planted.HYPERLIQUID,
        ("time unit", "ts", 1, True),
    ),
    "a stretch of prices in tenths": (
        times("0.1", "file_row_number BETWEEN 99 AND 120"),
        planted.BINANCE,
        ("price unit", "open", 100, True),
    ),
    "a symbol's prices of a thousand coins": (
        times("1000", "symbol = 'ETHUSDT'"),
        planted.BINANCE,
        ("price unit", "open", 96 * DAYS + 1, True),
    ),
    "a high in cents": (
        "SELECT * REPLACE (CASE WHEN file_row_number = 50 THEN high * 100 ELSE high END AS high)"
        " FROM rows",
        planted.MARKS,
        ("price unit", "high", 51, True),
    ),
    "volume in contracts of a thousandth from the seventh day": (
        "SELECT * REPLACE (CASE WHEN symbol = 'BTCUSDT' AND ts >= TIMESTAMPTZ"
        " '2024-01-07 00:00:00+00' THEN volume * 1000 ELSE volume END AS volume) FROM rows",
        planted.BINANCE,
        ("volume unit", "volume", 6 * 96 + 1, False),
    ),
    "a feed that stood still": (
        f"SELECT * REPLACE ({STILL}) FROM rows",
        planted.HYPERLIQUID,
        ("stuck feed", "close", 32, False),
    ),
    "a print far off": (
        "SELECT * REPLACE (CASE WHEN file_row_number = 200 THEN high * 3 ELSE high END AS high)"
        " FROM rows",
        planted.BINANCE,
        ("far print", "close", 201, False),
    ),
    "rows in reverse": (
        "SELECT * FROM rows ORDER BY symbol, ts DESC",
        planted.BINANCE,
        ("unordered", "ts", 2, False),
    ),
    "a day missing": (
        "SELECT * FROM rows WHERE NOT (symbol = 'BTCUSDT' AND file_row_number BETWEEN 96 AND 191)",
        planted.BINANCE,
        ("hole", "ts", 96, True),
    ),
    "a bar twice": (
        "SELECT * FROM rows UNION ALL SELECT * FROM rows WHERE file_row_number = 7",
        planted.MARKS,
        ("duplicate", "ts", 3 * 24 * DAYS + 1, True),
    ),
    "prints of an hour said to be of eight": (
        "SELECT * REPLACE (8::TINYINT AS interval_h) FROM rows WHERE epoch_ms(ts) % 28800000 = 0"
        " OR epoch_ms(ts) % 28800000 = 3600000",
        planted.HYPERLIQUID_FUNDING,
        ("print", "ts", 2, True),
    ),
    "funding of a symbol missing": (
        "SELECT * FROM rows WHERE symbol <> 'SOLUSDT'",
        planted.FUNDING,
        ("no funding", "symbol", 2 * 96 * DAYS + 1, True),
    ),
    "DVOL as a fraction": (
        "SELECT * REPLACE (dvol / 100.0 AS dvol) FROM rows",
        planted.DVOL,
        ("unit", "dvol", 1, False),
    ),
}


@pytest.mark.parametrize("name", FLAWS)
def test_planted_flaw_is_found_with_its_file_field_and_row(folder: Path, name: str) -> None:
    """Each flaw on its own, in a folder that is otherwise sound."""
    query, file, (kind, field, row, refused) = FLAWS[name]
    rewrite(folder, file, query)
    kinds = by_kind(check_folder(folder))
    assert kind in kinds, kinds
    first = kinds[kind][0]
    place = planted.BINANCE if kind == "no funding" else file
    assert (first.file, first.field, first.row, first.refused) == (place, field, row, refused)
    assert first.line.startswith(f"{place}: ")
    assert f"row {row}: " in first.line


@pytest.mark.parametrize(
    ("factor", "words"),
    [("/ 8", "a rate of 1 hour, said to be of 8"), ("* 100", "a percentage, not a fraction")],
)
def test_funding_whose_interest_is_off_by_a_factor_is_refused(
    folder: Path, factor: str, words: str
) -> None:
    """Venues' usual print is 0.01 % per eight hours; what it is off by names the mistake."""
    usual = "SELECT * REPLACE (CASE WHEN file_row_number % 3 = 0 THEN 0.0001 ELSE rate END"
    rewrite(folder, planted.FUNDING, f"{usual} AS rate) FROM rows")
    assert not check_folder(folder).findings
    rewrite(folder, planted.FUNDING, f"SELECT * REPLACE (rate {factor} AS rate) FROM rows")
    # A dozen days have few prints, so all coins' are made one series.
    one = "SELECT * REPLACE ('BTCUSDT' AS symbol, to_timestamp(epoch_ms(ts) / 1000.0 +"
    rewrite(
        folder,
        planted.FUNDING,
        f"{one} file_row_number // {3 * DAYS} * {DAYS * 86400}) AS ts) FROM rows",
    )
    findings = by_kind(check_folder(folder))["rate unit"]
    assert all(f.refused and f.words.startswith(words) for f in findings)


def test_spot_under_a_perpetuals_name_is_refused(folder: Path) -> None:
    """The bars of a perpetual are those of spot: basis is always zero."""
    with_spot = (
        "SELECT ts, 'BTC' AS coin, open, high, low, close, volume, file_row_number FROM rows"
    )
    rewrite(folder, planted.SPOT, with_spot, planted.HYPERLIQUID)
    (finding,) = by_kind(check_folder(folder))["spot as perpetual"]
    assert finding.refused
    assert finding.file == planted.HYPERLIQUID
    assert planted.SPOT in finding.words


def test_marks_that_are_last_prices_are_named(folder: Path) -> None:
    """A mark that never leaves the last price is no mark, which only warns: a run could be made."""
    marks = "SELECT * EXCLUDE (volume) FROM rows WHERE epoch_ms(ts) % 3600000 = 0"
    rewrite(folder, planted.BINANCE, marks, planted.MARKS)
    found = by_kind(check_folder(folder))["copy"]
    assert {(f.file, f.refused) for f in found} == {(planted.MARKS, False)}


def test_damaged_file_is_a_finding_and_the_others_are_checked(folder: Path) -> None:
    """One file cut off does not hide what the rest is like."""
    path = folder / planted.MARKS
    path.write_bytes(path.read_bytes()[:-100])
    report = check_folder(folder)
    (finding,) = by_kind(report)["unreadable"]
    assert (finding.file, finding.refused) == (planted.MARKS, True)
    assert planted.BINANCE in {file.file for file in report.files}


def test_coin_that_a_table_has_no_row_of_is_named(sound: Path) -> None:
    """A coin that was asked for and is not there is never silence."""
    found = by_kind(check_folder(sound, None, frozenset({"BTC", "DOGE"})))["absent"]
    assert {f.series for f in found} == {"DOGE"}
    assert {planted.BINANCE, planted.HYPERLIQUID, planted.FUNDING} <= {f.file for f in found}


def test_folder_without_a_table_is_refused_in_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["data", "check", str(tmp_path)])
    assert isinstance(result.exception, InputError)


def test_command_exits_by_what_a_run_would_refuse_and_its_json_says_the_same(folder: Path) -> None:
    """0 for a sound folder and for warnings, 1 for a hole; a window without it is sound again."""
    run = CliRunner().invoke
    assert run(app, ["data", "check", str(folder)]).exit_code == 0
    query, file, _ = FLAWS["a print far off"]
    rewrite(folder, file, query)
    assert run(app, ["data", "check", str(folder)]).exit_code == 0
    query, file, _ = FLAWS["a day missing"]
    rewrite(folder, file, query)
    result = run(app, ["data", "check", str(folder), "--json"])
    assert result.exit_code == 1
    assert msgspec.json.decode(result.stdout)["refused"] == 1
    words = ["--from", "2024-01-03", "--to", "2024-01-09"]
    assert run(app, ["data", "check", str(folder), *words]).exit_code == 0
    assert run(app, ["data", "check", str(folder), *words[2:], "--from", "2024-01-01"]).exit_code
    assert run(app, ["data", "check", str(folder), "--coins", "ETH,SOL"]).exit_code == 0


def test_real_history_of_seven_months_is_sound_and_its_known_hole_is_refused(
    data_root: Path,
) -> None:
    """The documented hole of half a year is found; the window of the published runs is sound."""
    start, end = (parse_time_ms(day, "test", "day") for day in ("2024-09-05", "2025-04-01"))
    coins = frozenset({"BTC", "ETH", "SOL"})
    sound = check_folder(data_root, Window(start, end), coins)
    read = {planted.BINANCE, planted.MARKS, planted.HYPERLIQUID, planted.HYPERLIQUID_FUNDING}
    assert not [f.line for f in sound.findings if f.refused and f.file in read]
    window = Window(end + 61 * 24 * HOUR_MS, end + 290 * 24 * HOUR_MS)
    whole = check_folder(data_root, window, frozenset({"BTC"}))
    holes = [f for f in by_kind(whole)["hole"] if f.file == planted.BINANCE]
    assert "first missing bar opens at 2025-07-01T00:00:00Z, 17472 missing" in holes[0].words


def test_folder_of_a_tables_name_is_found_and_counts_against_the_data(folder: Path) -> None:
    """A run would lack the table; that nothing was said of it took it for sound."""
    (folder / planted.FUNDING).unlink()
    (folder / planted.FUNDING).mkdir()
    (found,) = [f for f in check_folder(folder).findings if f.file == planted.FUNDING]
    assert (found.kind, found.refused) == ("unreadable", True)
    assert "got a folder of that name" in found.line
    ended = CliRunner().invoke(app, ["data", "check", str(folder)])
    assert ended.exit_code == 1
    alone = folder.parent / "alone" / planted.FUNDING
    alone.mkdir(parents=True)
    assert check_folder(folder.parent / "alone").findings
