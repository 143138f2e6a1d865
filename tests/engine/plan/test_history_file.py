# SPDX-License-Identifier: Apache-2.0
"""A book's history: the same from a file as from arrays, holes kept, bad ones refused in a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.plan.plain_books import book_values, mandate_text
from tests.engine.plan.synthetic_history import history, write_csv
from tidegate.engine.plan.book import PlanBook
from tidegate.engine.plan.book_file import read_plan_book
from tidegate.engine.plan.history_paths import Scenarios, scenarios_of
from tidegate.engine.plan.past import Past
from tidegate.model.errors import InputError
from tidegate.model.mandate import read_plan_mandate
from tidegate.model.plan_terms import plan_terms

TERMS = plan_terms(read_plan_mandate(mandate_text(options=False), "mandate.toml"))
Change = Callable[[dict[str, Any]], object]


def read(folder: Path, said: object) -> PlanBook:
    path = folder / "book.json"
    path.write_text(json.dumps(book_values(options=False) | {"history": said}))
    return read_plan_book(path)


def scenarios(folder: Path, said: object) -> Scenarios:
    found = scenarios_of(read(folder, said), TERMS)
    assert found is not None
    return found


def require_same(one: Past | None, other: Past | None) -> None:
    assert one is not None
    assert other is not None
    assert one.coins == other.coins
    for name in ("open_ms", "high", "low", "close"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_file_and_arrays_are_the_same_history(tmp_path: Path) -> None:
    said = history(3, bars=200)
    write_csv(said, tmp_path / "past.csv")
    query = f"copy (select * from read_csv('{tmp_path / 'past.csv'}')) to ? (format parquet)"
    with duckdb.connect() as connection:
        connection.execute(query.replace("?", f"'{tmp_path / 'past.parquet'}'"))
    arrays = read(tmp_path, said).history
    require_same(arrays, read(tmp_path, "past.csv").history)
    require_same(arrays, read(tmp_path, {"file": "past.parquet"}).history)


def test_hole_is_no_price_and_no_window_spans_it(tmp_path: Path) -> None:
    said = history(3, bars=200)
    whole = scenarios(tmp_path, said)
    for name in ("high", "low", "close"):
        said["coins"]["BTC"][name][120] = None
    past = read(tmp_path, said).history
    assert past is not None
    assert np.isnan(past.close[120, past.coins.index("BTC")])
    assert np.isfinite(past.close[120, past.coins.index("ETH")])
    # Windows are 4 bars long: the bar starts one, and four others reach over it.
    assert scenarios(tmp_path, said).windows == whole.windows - 5


def test_row_that_is_left_out_is_the_same_hole(tmp_path: Path) -> None:
    said = history(3, bars=200)
    write_csv(said, tmp_path / "past.csv")
    rows = (tmp_path / "past.csv").read_text().splitlines()
    kept = [row for row in rows if not row.startswith(said["time"][120])]
    (tmp_path / "past.csv").write_text("\n".join(kept))
    past = read(tmp_path, "past.csv").history
    assert past is not None
    assert len(past.open_ms) == 200
    assert np.isnan(past.close[120]).all()


@settings(max_examples=15)
@given(st.integers(0, 1_000), st.floats(0.01, 100.0))
def test_scenarios_do_not_depend_on_the_unit_of_prices(
    tmp_path_factory: pytest.TempPathFactory, seed: int, unit: float
) -> None:
    folder, said = tmp_path_factory.mktemp("unit"), history(seed, bars=150)
    one = scenarios(folder, said)
    for rows in said["coins"]["BTC"].values():
        rows[:] = [None if price is None else price * unit for price in rows]
    np.testing.assert_allclose(scenarios(folder, said).paths.price, one.paths.price, rtol=1e-9)


@settings(max_examples=15)
@given(st.integers(0, 1_000), st.integers(60, 400))
def test_scenarios_hold_the_worst_window_the_tail_beyond_it_and_a_jump(
    tmp_path_factory: pytest.TempPathFactory, seed: int, bars: int
) -> None:
    found = scenarios(tmp_path_factory.mktemp("worst"), history(seed, bars=bars + 40))
    paths = found.paths
    size = np.abs(np.log(paths.price)).max(axis=(1, 2))
    assert paths.mass == max(1.0, 0.01 * found.windows)
    assert paths.count == min(found.windows, 160) + 2
    # The window beyond is larger than any seen, the jump so many times the largest seen.
    assert size[-2] >= size[:-2].max()
    jump = TERMS.mandate.stress.jump_multiple
    assert size[-1] == pytest.approx(jump * size[:-2].max())
    assert not paths.landed[-1].any()


def test_money_has_landed_only_after_latency_and_outage(tmp_path: Path) -> None:
    found = scenarios(tmp_path, history(1)).paths
    # Stages end after 1, 3 and 4 bars of an hour; outage is two hours, so nothing is in before 3.
    assert found.landed.shape[1] == 6
    assert not found.landed[:, :4].any()
    assert found.landed[:-1, 4:].any()


def drop(coin: str) -> Change:
    return lambda said: said["coins"].pop(coin)


def put(coin: str, name: str, place: int, value: object) -> Change:
    return lambda said: said["coins"][coin][name].__setitem__(place, value)


@pytest.mark.parametrize(
    ("change", "field", "expected"),
    [
        (drop("ETH"), "coin", "expected bars of ETH"),
        (put("BTC", "low", 5, 1e9), "history.close", "low <= close <= high"),
        (put("BTC", "close", 5, -1.0), "history.close", "finite numbers above 0"),
        (lambda s: s["coins"]["BTC"]["high"].pop(), "history.coins.BTC.high", "expected 100 num"),
        (lambda s: s["coins"]["BTC"].pop("low"), "history.coins.BTC.low", "expected 100 numbers"),
        (lambda s: s["coins"]["BTC"].update(open=[]), "history.coins.BTC.open", "high, low, cl"),
        (lambda s: s["time"].__setitem__(3, "soon"), "history.time[3]", "a UTC time"),
        (lambda s: s["time"].__setitem__(3, s["time"][2]), "history.time", "one bar of a coin"),
        (lambda s: s["time"].__setitem__(-1, "2026-11-20T08:00Z"), "time", "closed by"),
        (lambda s: s.update(spread={"nowhere": [0.1]}), "history.spread.nowhere", "one of binance"),
        (lambda s: s.update(stable={"USDT": [0.0]}), "history.stable.USDT", "above 0"),
        (lambda s: s.update(file="past.csv"), "history", "a file's name"),
        (lambda s: s.update(bars=3), "history", "unknown field `bars`"),
    ],
)
def test_bad_history_is_refused_in_one_line(
    change: Change, field: str, expected: str, tmp_path: Path
) -> None:
    said = history(1, bars=100)
    change(said)
    with pytest.raises(InputError) as refused:
        read(tmp_path, said)
    assert refused.value.field == field
    assert expected in refused.value.expected
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "field", "expected"),
    [
        ("past.txt", "time", "history", "a .parquet or .csv file"),
        ("past.csv", None, "file", "past.csv, beside the book, got nothing"),
        ("past.csv", "time,coin,high,low\n2026-01-01T00:00Z,BTC,1,1\n", "close", "this column"),
        ("past.csv", "time,coin,high,low,close\nx,BTC,1,1,1\n", "time", "times in UTC"),
        ("past.csv", "time,coin,high,low,close\n2026-01-01,BTC,a,b,c\n", "file", "table of bars"),
        ("past.parquet", "no parquet", "file", "table of bars"),
        ("past.csv", "time,coin,high,low,close\n2026-01-01T00:00:00Z,BTC,1,1,1\n", "time", "two"),
    ],
)
def test_bad_history_file_is_refused_in_one_line(
    name: str, text: str | None, field: str, expected: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as refused:
        read(tmp_path, name)
    assert refused.value.field == field
    assert expected in refused.value.expected
    assert "\n" not in str(refused.value)


def test_folder_in_the_place_of_a_history_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "past.csv").mkdir()
    with pytest.raises(InputError, match=r"expected a file of bars at .*, got a folder"):
        read(tmp_path, "past.csv")


def test_history_of_too_few_windows_or_of_no_move_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 50 windows"):
        scenarios(tmp_path, history(1, bars=60))
    flat = history(1, bars=200)
    for rows in flat["coins"]["BTC"].values():
        rows[:] = [60_000.0] * 200
    with pytest.raises(InputError, match="BTC that move"):
        scenarios(tmp_path, flat)
