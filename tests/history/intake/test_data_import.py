# SPDX-License-Identifier: Apache-2.0
"""Importing files and data frames: what was brought comes back, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tidegate.cli import app
from tidegate.history.bars import read_bars
from tidegate.history.funding import read_funding
from tidegate.history.intake.importing import import_file, import_frame
from tidegate.history.intake.layout import TABLES
from tidegate.history.intake.recipe import Recipe, needed_units
from tidegate.history.intake.store import locked
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import HOUR_MS, format_time, parse_time_ms

START_MS = parse_time_ms("2024-01-01", "test", "start")
NAMES = ("open", "high", "low", "close", "volume")
UNITS = {"stamp": "open", "price": "1", "volume": "1"}
PER_MS = {"s": 1e-3, "ms": 1.0, "us": 1e3, "ns": 1e6}
Bars = dict[str, np.ndarray]


@st.composite
def sound_bars(draw: st.DrawFn) -> Bars:
    """Hourly bars in order: stamps (ms), prices and volume, each float as it is."""
    count = draw(st.integers(2, 12))
    price = st.floats(50.0, 200.0, allow_nan=False)
    rows = [sorted(draw(st.lists(price, min_size=4, max_size=4))) for _ in range(count)]
    low, one, other, high = (np.array(column) for column in zip(*rows, strict=True))
    volume = np.array(draw(st.lists(st.floats(0, 1e9), min_size=count, max_size=count)))
    ts = START_MS + HOUR_MS * np.arange(count, dtype=np.int64)
    return {"ts": ts, "open": one, "high": high, "low": low, "close": other, "volume": volume}


def brought(bars: Bars, form: str, unit: str, folder: Path) -> Any:
    """Bars as a user might have them: the file's path, or a data frame."""
    columns: dict[str, Any] = {"time": (bars["ts"] * PER_MS[unit]).astype(np.int64)}
    columns |= {name: bars[name] for name in NAMES}
    if form == "pandas":
        return pd.DataFrame(columns)
    if form == "polars":
        return pl.DataFrame(columns)
    if form == "csv":
        path = folder / "bars.csv"
        lines = [",".join(columns)]
        lines += [
            ",".join(repr(v.item()) for v in row) for row in zip(*columns.values(), strict=True)
        ]
        path.write_text("\n".join(lines) + "\n")
        return path
    path = folder / "bars.parquet"
    with duckdb.connect() as database:
        database.register("columns", columns)
        database.execute(f"COPY (SELECT * FROM columns) TO '{path}'")
    return path


@given(
    bars=sound_bars(),
    form=st.sampled_from(["csv", "parquet", "pandas", "polars"]),
    unit=st.sampled_from(sorted(PER_MS)),
)
@settings(max_examples=24)
def test_bars_of_any_form_and_unit_of_time_come_back_as_they_were(
    bars: Bars, form: str, unit: str
) -> None:
    """To the last bit, and a second import of the same adds nothing."""
    recipe = Recipe("hyperliquid-bars", {"ts": "time"}, {"coin": "BTC"}, {**UNITS, "ts": unit})
    with TemporaryDirectory() as name:
        folder = Path(name)
        source = brought(bars, form, unit, folder)
        bring = import_file if isinstance(source, Path) else import_frame
        count = bars["ts"].size
        done = bring(source, recipe, folder / "out")
        assert (done.added, done.known) == (count, 0)
        again = bring(source, recipe, folder / "out")
        assert (again.added, again.known) == (0, count)
        window = Window(START_MS, START_MS + count * HOUR_MS)
        read = read_bars(folder / "out", "hyperliquid", "BTC", "last", window)
    assert np.array_equal(read.open_ms, bars["ts"])
    assert all(np.array_equal(getattr(read, name), bars[name]) for name in NAMES)


@given(
    rates=st.lists(st.floats(-0.01, 0.01), min_size=2, max_size=9),
    unit=st.sampled_from([("fraction", 1.0), ("percent", 100.0), ("bp", 10_000.0)]),
)
@settings(max_examples=12)
def test_funding_of_any_unit_comes_back_as_a_fraction(
    rates: list[float], unit: tuple[str, float]
) -> None:
    """Within the rounding of one multiplication, kept to 1e-12 of notional."""
    count = len(rates)
    ts_ms = START_MS + 8 * HOUR_MS * np.arange(count, dtype=np.int64)
    rate = np.array(rates) * unit[1]
    frame = pd.DataFrame({"ts": pd.to_datetime(ts_ms, unit="ms", utc=True), "rate": rate})
    words = {"symbol": "BTCUSDT", "venue": "binance", "margin": "linear", "base": "BTC"}
    words |= {"quote": "USDT", "interval_h": "8"}
    with TemporaryDirectory() as name:
        import_frame(frame, Recipe("funding", {}, words, {"rate": unit[0]}), Path(name))
        window = Window(START_MS, START_MS + count * 8 * HOUR_MS)
        read = read_funding(Path(name), "binance", "BTCUSDT", window)
    assert np.abs(read.rate_e12 - np.array(rates) * 1e12).max() <= 1.0
    assert set(read.interval_ms.tolist()) == {8 * HOUR_MS}


def frame_of(count: int = 4, **changes: Any) -> pd.DataFrame:
    """Sound bars with columns changed; None takes one away."""
    ts_ms = START_MS + HOUR_MS * np.arange(count, dtype=np.int64)
    columns: dict[str, Any] = {"ts": ts_ms, "coin": ["BTC"] * count}
    columns |= {name: np.full(count, 100.0) for name in NAMES}
    return pd.DataFrame({k: v for k, v in (columns | changes).items() if v is not None})


SAID = Recipe("hyperliquid-bars", {}, {}, {**UNITS, "ts": "ms"})


def said(**units: str | None) -> Recipe:
    kept = {k: v for k, v in ({**UNITS, "ts": "ms"} | units).items() if v is not None}
    return Recipe("hyperliquid-bars", {}, {}, kept)


NAIVE = pd.date_range("2024-01-01", periods=4, freq="h")
REFUSALS: dict[str, tuple[pd.DataFrame, Recipe, str]] = {
    "no unit of time": (frame_of(), said(ts=None), "ts: expected the unit of numbers to be said"),
    "another unit of time": (
        frame_of(),
        said(ts="s"),
        r"ts: row 1: expected a time .* it would be one in ms",
    ),
    "no unit of price": (frame_of(), said(price=None), "price: expected its unit to be said"),
    "no unit of volume": (frame_of(), said(volume=None), "volume: expected its unit to be said"),
    "open or close not said": (frame_of(), said(stamp=None), "stamp: expected its unit"),
    "a price of no coins": (frame_of(), said(price="0"), "price: expected a number of coins"),
    "a unit that is none": (frame_of(), said(ts="hours"), "ts: expected a unit of s, ms, us, ns"),
    "a unit of nothing": (frame_of(), said(rate="bp"), "rate: expected a unit of one of"),
    "stamps without a zone": (frame_of(ts=NAIVE), said(ts=None), "expected stamps with a zone"),
    "a column missing": (frame_of(high=None), SAID, "high: expected a column 'high' among"),
    "a text for a number": (
        frame_of(low=["1", "2", "x", "4"]),
        SAID,
        "low: row 3: expected a finite number, got 'x'",
    ),
    "a number with an underscore": (
        frame_of(low=["1_0"] * 4),
        SAID,
        "low: row 1: expected a finite number",
    ),
    "a hole in a number": (
        frame_of(close=[1, np.nan, 1, 1]),
        SAID,
        "close: row 2: expected a finite number",
    ),
    "a symbol missing": (
        frame_of(coin=["BTC", None, "BTC", "BTC"]),
        SAID,
        "coin: row 2: expected a text",
    ),
    "closes said to be opens": (
        frame_of(ts=START_MS - 1 + HOUR_MS * np.arange(1, 5)),
        SAID,
        "ts: row 1: expected opens on",
    ),
    "a bar twice": (
        frame_of(ts=START_MS + HOUR_MS * np.array([0, 1, 1, 2])),
        SAID,
        "ts: row 3: a second bar",
    ),
    "a price off by a thousand": (
        frame_of(**{n: [100.0, 100.0, 1e5, 1e5] for n in NAMES[:4]}),
        SAID,
        r"open: row 3: 10\^\+3",
    ),
    "a high below its close": (frame_of(high=np.full(4, 99.0)), SAID, "high: row 1: expected no"),
    "no rows": (frame_of(0), SAID, "rows: expected at least one"),
    "a column of no table": (
        frame_of(),
        Recipe("hyperliquid-bars", {"bid": "open"}),
        "bid: expected a column of",
    ),
    "no table": (frame_of(), Recipe("bars"), "table: expected one of binance-bars"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_not_said_or_not_sound_is_refused_and_nothing_is_written(
    name: str, tmp_path: Path
) -> None:
    """One line names field and row; the folder is not even made."""
    frame, recipe, words = REFUSALS[name]
    with pytest.raises(InputError, match=words):
        import_frame(frame, recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_rows_that_contradict_the_folder_are_refused_and_it_stays_as_it_was(tmp_path: Path) -> None:
    """An import adds; what stands there is never written over."""
    import_frame(frame_of(), SAID, tmp_path)
    path = tmp_path / TABLES["hyperliquid-bars"].file
    before = path.read_bytes()
    changed = frame_of(volume=[100.0, 100.0, 100.0, 101.0])
    with pytest.raises(InputError, match=r"other numbers than in .* at 2024-01-01T03:00:00Z"):
        import_frame(changed, SAID, tmp_path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_second_import_joins_rows_and_symbols_that_stood_there(tmp_path: Path) -> None:
    """Two symbols and two stretches of one become one table."""
    import_frame(frame_of(4), SAID, tmp_path)
    import_frame(frame_of(9), SAID, tmp_path)
    import_frame(frame_of(5, coin=["ETH"] * 5), SAID, tmp_path)
    read = read_bars(
        tmp_path, "hyperliquid", "BTC", "last", Window(START_MS, START_MS + 9 * HOUR_MS)
    )
    assert len(read) == 9
    other = Window(START_MS, START_MS + 5 * HOUR_MS)
    assert len(read_bars(tmp_path, "hyperliquid", "ETH", "last", other)) == 5


def test_file_of_other_columns_is_refused_by_an_import(tmp_path: Path) -> None:
    """A table that somebody else's hand changed is not guessed at."""
    import_frame(frame_of(), SAID, tmp_path)
    path = tmp_path / TABLES["hyperliquid-bars"].file
    with duckdb.connect() as database:
        database.execute(f"COPY (SELECT *, 1 AS more FROM '{path}') TO '{tmp_path}/b.parquet'")
    (tmp_path / "b.parquet").replace(path)
    with pytest.raises(
        InputError, match="columns: expected those of hyperliquid-bars, unlike in more"
    ):
        import_frame(frame_of(9), SAID, tmp_path)


def test_folder_that_another_writes_to_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(InputError, match="expected no other import or fetch"):
        import_frame(frame_of(), SAID, tmp_path)


def test_file_where_the_folder_should_be_is_refused_and_left(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match="expected a folder"), locked(tmp_path / "out"):
        pass
    assert (tmp_path / "out").read_text() == "mine"


def test_price_of_a_thousand_coins_and_volume_in_contracts_become_those_of_one(
    tmp_path: Path,
) -> None:
    """Units are turned, closes become opens, and a hole is brought as a hole with a warning."""
    ts_ms = START_MS + HOUR_MS * np.array([1, 2, 4], dtype=np.int64)
    frame = frame_of(3, ts=pd.to_datetime(ts_ms, unit="ms", utc=True))
    units = {"stamp": "close", "price": "1000", "volume": "0.01"}
    done = import_frame(
        pl.from_dict({c: list(frame[c]) for c in frame}),
        Recipe("hyperliquid-bars", {}, {}, units),
        tmp_path,
    )
    assert [w.kind for w in done.warnings] == ["hole"]
    read = read_bars(
        tmp_path, "hyperliquid", "BTC", "last", Window(START_MS, START_MS + 2 * HOUR_MS)
    )
    assert read.open_ms.tolist() == [START_MS, START_MS + HOUR_MS]
    assert read.close.tolist() == [0.1, 0.1]
    assert read.volume is not None
    assert read.volume.tolist() == [1.0, 1.0]


def test_units_that_must_be_said_are_listed_for_every_table() -> None:
    """The list that users see is what an import asks for."""
    for table in TABLES.values():
        assert needed_units(table), table.name


def test_command_imports_a_csv_with_utc_texts_and_says_what_came(tmp_path: Path) -> None:
    """Texts that name their zone prove it; a pair that is none is refused."""
    lines = ["when,open,high,low,close,volume"]
    lines += [f"{format_time(START_MS + h * HOUR_MS)},1,2,1,1,5" for h in range(3)]
    path = tmp_path / "x.csv"
    path.write_text("\n".join(lines))
    words = ["data", "import", str(path), "--as", "deribit-bars", "--map", "ts=when"]
    words += ["--set", "symbol=BTC-PERPETUAL", "--unit", "stamp=open", "--unit", "price=1"]
    words += ["--unit", "volume=1", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.exception
    assert msgspec.json.decode(result.stdout)["added"] == 3
    window = Window(START_MS, START_MS + 3 * HOUR_MS)
    assert len(read_bars(tmp_path / "out", "deribit", "BTC-PERPETUAL", "last", window)) == 3
    wrong = CliRunner().invoke(app, [*words, "--unit", "price=2"])
    assert "expected NAME=VALUE once" in str(wrong.exception)


UNREADABLE = ["x.txt", "absent.csv", "cut.parquet", "ragged.csv", "empty.csv", "twice.csv"]


@pytest.mark.parametrize("name", UNREADABLE)
def test_file_that_cannot_be_read_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("ts\n1\n")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1")
    (tmp_path / "ragged.csv").write_text("ts,open\n1,2\n1,2,3,4\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "twice.csv").write_text("ts,ts\n1,2\n")
    with pytest.raises(InputError, match=r"file: (row 2: )?expected") as refusal:
        import_file(tmp_path / name, SAID, tmp_path / "out")
    assert "\n" not in str(refusal.value)
    assert ("got an empty file" in str(refusal.value)) == (name == "empty.csv")
