# SPDX-License-Identifier: Apache-2.0
"""Fetching public history: complete whatever goes wrong, once, and with its provenance."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.history.intake.fake_venues import (
    FAULTS,
    NOW_MS,
    START_MS,
    FakeVenue,
    price,
    rate,
    serve,
)
from tidegate.cli import app
from tidegate.history.bars import Bars, read_bars
from tidegate.history.funding import read_funding
from tidegate.history.intake import fetching, venue_answers
from tidegate.history.intake.check import check_folder
from tidegate.history.intake.fetching import Fetched, Pace, Wanted, fetch_history, spacing_h
from tidegate.history.intake.layout import table_named
from tidegate.history.intake.provenance import Page, read_pages, uncovered
from tidegate.history.intake.public_http import public_fetch
from tidegate.history.intake.venue_answers import Busy, Cut
from tidegate.history.intake.venue_sources import Ask, source_of
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS

SYMBOLS = {
    "binance": "BTCUSDT",
    "hyperliquid": "BTC",
    "bybit": "BTCUSDT",
    "okx": "BTC-USDT-SWAP",
    "deribit": "BTC-PERPETUAL",
}
DAYS = 24
WINDOW = Window(START_MS, START_MS + DAYS * DAY_MS)


@dataclass
class Clock:
    """A clock that moves when somebody sleeps."""

    now_ms: int = NOW_MS
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_ms += int(seconds * 1_000)

    @property
    def pace(self) -> Pace:
        return Pace(self.sleep, lambda: self.now_ms)


def get(venue: str, what: str, out: Path, fake: FakeVenue, window: Window = WINDOW) -> Fetched:
    symbol = "BTC" if what == "dvol" else SYMBOLS[venue]
    return fetch_history(Wanted(venue, what, symbol, window), out, fake, Clock().pace)


def bars_of(venue: str, out: Path, window: Window = WINDOW) -> Bars:
    return read_bars(out, venue, SYMBOLS[venue], "last", window)


@given(
    venue=st.sampled_from(sorted(SYMBOLS)),
    faults=st.lists(st.sampled_from(["", *FAULTS]), max_size=12),
)
@settings(max_examples=15)
def test_bars_fetched_through_any_faults_are_those_of_the_venue_each_once(
    venue: str, faults: list[str]
) -> None:
    """Patience, cut answers, empty pages, repeated and unordered rows leave no trace."""
    fake = FakeVenue(faults=[f for f in faults if f != "empty" or faults.count("empty") == 1])
    with TemporaryDirectory() as name:
        done = get(venue, "bars", Path(name), fake)
        bars = bars_of(venue, Path(name))
        assert done.added == len(bars)
        assert done.missing == 0
        assert np.array_equal(bars.open, [price(int(t)) for t in bars.open_ms])
        assert not (Path(name) / fetching.SPOOL).exists()


@given(
    venue=st.sampled_from(["binance", "bybit", "okx", "hyperliquid"]),
    change_day=st.integers(3, DAYS - 3),
    hours=st.sampled_from([(8, 4), (4, 8), (8, 1), (1, 8), (4, 4)]),
    faults=st.lists(st.sampled_from(["", "busy", "cut", "overlap", "shuffle"]), max_size=6),
)
@settings(max_examples=12)
def test_funding_whose_interval_changes_is_fetched_complete_with_the_interval_of_each_print(
    venue: str, change_day: int, hours: tuple[int, int], faults: list[str]
) -> None:
    """The venue names no interval: it is told from the spacing, before and after the change."""
    change_ms = START_MS + change_day * DAY_MS
    fake = FakeVenue(
        START_MS - 3 * DAY_MS,
        funding_h=lambda t: hours[0] if t <= change_ms else hours[1],
        faults=list(faults),
    )
    with TemporaryDirectory() as name:
        get(venue, "funding", Path(name), fake)
        prints = read_funding(Path(name), venue, SYMBOLS[venue], WINDOW)
    wanted = [hours[0] if t <= change_ms else hours[1] for t in prints.ts_ms]
    assert (prints.interval_ms // HOUR_MS).tolist() == wanted
    assert prints.rate_e12.tolist() == [round(float(rate(int(t))) * 1e12) for t in prints.ts_ms]


@given(
    steps=st.lists(
        st.integers(3, 9).map(lambda n: [8] * n) | st.integers(3, 9).map(lambda n: [1] * n),
        min_size=1,
        max_size=4,
    ),
    gone=st.integers(1, 1_000),
)
@settings(max_examples=100)
def test_spacing_with_one_print_missing_tells_every_interval_but_near_a_change(
    steps: list[list[int]], gone: int
) -> None:
    """A missing print changes no other's interval; it stays a hole, which readers refuse."""
    hours = np.array([h for part in steps for h in part])
    ts_ms = START_MS + np.cumsum(hours) * HOUR_MS
    assert np.array_equal(spacing_h(ts_ms)[1:], hours[1:])
    drop = 2 + gone % max(1, hours.size - 4)
    calm = drop + 2 < hours.size and len(set(hours[drop - 2 : drop + 3])) == 1
    if calm:
        left = np.delete(np.arange(hours.size), drop)
        assert np.array_equal(spacing_h(ts_ms[left])[1:], hours[left][1:])


def test_other_kinds_of_history_are_fetched_into_their_tables(tmp_path: Path) -> None:
    """Marks, Deribit's hourly funding and DVOL, read back by the check, which refuses nothing."""
    get("binance", "bars", tmp_path, FakeVenue())
    get("binance", "marks", tmp_path, FakeVenue())
    get("binance", "funding", tmp_path, FakeVenue())
    get("deribit", "funding", tmp_path, FakeVenue())
    get("deribit", "dvol", tmp_path, FakeVenue())
    report = check_folder(tmp_path, WINDOW)
    assert {f.table: f.rows for f in report.files} == {
        "binance-bars": 96 * DAYS,
        "binance-marks": 24 * DAYS,
        "funding": 3 * DAYS + 24 * DAYS,
        "btc-dvol": DAYS,
    }
    # The fake has one price for both, which the check tells.
    assert "copy" in {finding.kind for finding in report.findings}
    assert not report.refused


def test_fetch_killed_at_any_request_goes_on_without_asking_again(tmp_path: Path) -> None:
    """What was answered before is kept; in the end the table is that of one fetch."""
    whole = FakeVenue()
    get("okx", "bars", tmp_path / "whole", whole)
    for dead in range(1, len(whole.asks)):
        out = tmp_path / str(dead)
        first, second = FakeVenue(), FakeVenue()

        def dying(ask: Ask, venue: FakeVenue = first, limit: int = dead) -> bytes:
            if len(venue.asks) == limit:
                raise KeyboardInterrupt
            return venue(ask)

        with pytest.raises(KeyboardInterrupt):
            fetch_history(Wanted("okx", "bars", SYMBOLS["okx"], WINDOW), out, dying, Clock().pace)
        assert not list(out.rglob("*.parquet"))
        done = get("okx", "bars", out, second)
        assert done.kept == dead
        assert first.asks + second.asks == whole.asks
        file = table_named("okx-bars").file
        assert (out / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_what_is_there_is_not_fetched_again_and_a_longer_window_asks_for_the_rest(
    tmp_path: Path,
) -> None:
    """Twice the same asks nothing; a window on both sides asks for two ends alone."""
    get("deribit", "bars", tmp_path, FakeVenue())
    again = FakeVenue()
    done = get("deribit", "bars", tmp_path, again)
    assert (done.added, again.asks) == (0, [])
    wide = Window(START_MS - 2 * DAY_MS, WINDOW.end_ms + DAY_MS)
    more = FakeVenue(START_MS - 9 * DAY_MS)
    assert get("deribit", "bars", tmp_path, more, wide).added == 3 * 24
    spans = [(a.params["start_timestamp"], a.params["end_timestamp"]) for a in more.asks]
    assert spans == [(wide.start_ms, START_MS - 1), (WINDOW.end_ms, wide.end_ms - 1)]
    assert len(bars_of("deribit", tmp_path, wide)) == (DAYS + 3) * 24


def test_every_page_leaves_its_address_time_and_hash_beside_the_table(tmp_path: Path) -> None:
    """The pages together cover the window, and each hash is that of what the venue said."""
    bodies: list[bytes] = []
    fake = FakeVenue()

    def listening(ask: Ask) -> bytes:
        bodies.append(fake(ask))
        return bodies[-1]

    wanted = Wanted("bybit", "bars", SYMBOLS["bybit"], WINDOW)
    fetch_history(wanted, tmp_path, listening, Clock().pace)
    pages = read_pages(tmp_path, table_named("bybit-bars"))
    assert [p.sha256 for p in pages] == [hashlib.sha256(body).hexdigest() for body in bodies]
    assert uncovered(WINDOW, pages) == ()
    assert sum(page.rows for page in pages) == DAYS * 24
    assert all(p.url == "https://api.bybit.com/v5/market/kline" for p in pages)
    assert all(NOW_MS <= p.fetched_ms < NOW_MS + DAY_MS for p in pages)


def test_bar_that_is_still_open_is_never_fetched(tmp_path: Path) -> None:
    """Of the hour under way nothing comes, and its end is asked for another time."""
    clock = Clock(START_MS + 5 * HOUR_MS + 59 * MINUTE_MS)
    window = Window(START_MS, START_MS + DAY_MS)
    wanted = Wanted("deribit", "bars", SYMBOLS["deribit"], window)
    fetch_history(wanted, tmp_path, FakeVenue(), clock.pace)
    got = bars_of("deribit", tmp_path, Window(START_MS, START_MS + 5 * HOUR_MS))
    assert len(got) == 5
    clock.now_ms = START_MS + 7 * HOUR_MS
    assert fetch_history(wanted, tmp_path, FakeVenue(), clock.pace).added == 2


def test_hole_of_the_venue_is_counted_and_stays_a_hole(tmp_path: Path) -> None:
    """Missing is never filled: the reader refuses the window that holds it."""
    gone = frozenset({START_MS + 30 * HOUR_MS, START_MS + 31 * HOUR_MS})
    assert get("hyperliquid", "bars", tmp_path, FakeVenue(gone=gone)).missing == 2
    with pytest.raises(InputError, match="2 of 576 are missing"):
        bars_of("hyperliquid", tmp_path)


def test_empty_page_is_asked_for_twice_and_not_taken_for_known(tmp_path: Path) -> None:
    """A page that stays empty is no proof that there is nothing: the next fetch asks again."""
    fake = FakeVenue(faults=["", "empty", "empty"])
    done = get("okx", "bars", tmp_path, fake)
    assert done.missing == 98
    again = FakeVenue()
    assert get("okx", "bars", tmp_path, again).added == 98
    assert len(again.asks) == 1
    assert len(bars_of("okx", tmp_path)) == DAYS * 24


def test_answer_that_is_full_is_split_until_none_may_be_cut_short(tmp_path: Path) -> None:
    """A venue that takes more rows a page than it gives loses none."""
    fake = FakeVenue()

    def greedy(ask: Ask) -> bytes:
        body = msgspec.json.decode(fake(ask))
        return msgspec.json.encode(body if len(body) < 300 else body[:500] + [body[0]] * 500)

    wanted = Wanted("hyperliquid", "bars", "BTC", WINDOW)
    fetch_history(wanted, tmp_path, greedy, Clock().pace)
    assert len(bars_of("hyperliquid", tmp_path)) == DAYS * 24


def test_waits_double_from_a_second_obey_the_venue_and_end_after_seven_tries(
    tmp_path: Path,
) -> None:
    """429 with a time is waited out; a venue that never answers is given up in one line."""
    clock = Clock()

    def silent(ask: Ask) -> bytes:
        raise Cut("no whole answer")

    wanted = Wanted("binance", "bars", "BTCUSDT", WINDOW)
    with pytest.raises(InputError, match="no whole answer; tried 7 times"):
        fetch_history(wanted, tmp_path, silent, clock.pace)
    assert clock.slept == [0.5, 1, 2, 4, 8, 16, 32]
    clock.slept.clear()
    fetch_history(wanted, tmp_path, FakeVenue(faults=["busy"]), clock.pace)
    assert clock.slept[:3] == [0.5, 3.0, 0.5]

    def banned(ask: Ask) -> bytes:
        raise Busy("answered 418", 7_200.0)

    longer = Wanted("binance", "bars", "ETHUSDT", WINDOW)
    with pytest.raises(InputError, match="answered 418; tried 1 times"):
        fetch_history(longer, tmp_path, banned, clock.pace)


def test_answers_that_disagree_are_refused_and_the_table_stays(tmp_path: Path) -> None:
    """Two pages with one stamp and two prices: neither is believed."""
    get("okx", "bars", tmp_path, FakeVenue(), Window(START_MS, START_MS + DAY_MS))
    before = {p: p.read_bytes() for p in (tmp_path / "ohlcv").iterdir()}
    fake = FakeVenue()

    def lying(ask: Ask) -> bytes:
        body = msgspec.json.decode(fake(ask))
        body["data"] += [[*body["data"][0][:2], "9999", *body["data"][0][3:]]]
        return msgspec.json.encode(body)

    wanted = Wanted("okx", "bars", SYMBOLS["okx"], WINDOW)
    with pytest.raises(InputError, match="okx bars BTC-USDT-SWAP: high: two answers disagree at"):
        fetch_history(wanted, tmp_path, lying, Clock().pace)
    assert {p: p.read_bytes() for p in (tmp_path / "ohlcv").iterdir()} == before


REFUSALS = [
    ("binance", "bars", b'{"code": -1121, "msg": "Invalid symbol."}', "Invalid symbol"),
    ("bybit", "bars", b'{"retCode": 10001, "retMsg": "params error"}', "10001: params error"),
    ("okx", "funding", b'{"code": "51001", "msg": "no instrument"}', "51001: no instrument"),
    ("deribit", "bars", b'{"error": {"code": 13020, "message": "not_found"}}', "not_found"),
    ("hyperliquid", "bars", b"null", "expected the documented shape"),
    ("binance", "bars", b'[[1704067200000, "1", "2"]]', "row 1: expected more than 3 values"),
    ("binance", "bars", b'[["x", "1", "2", "1", "1", "1"]]', "row 1: expected milliseconds"),
    ("binance", "bars", b'[[1704067200000,"1","nan","1","1","1"]]', "row 1: high: expected a fin"),
]


@pytest.mark.parametrize(("venue", "what", "body", "words"), REFUSALS)
def test_refusal_or_shape_that_is_not_the_documented_one_is_one_line_and_writes_nothing(
    venue: str, what: str, body: bytes, words: str, tmp_path: Path
) -> None:
    wanted = Wanted(venue, what, SYMBOLS[venue], WINDOW)
    with pytest.raises(InputError, match=words):
        fetch_history(wanted, tmp_path, lambda ask: body, Clock().pace)
    assert not list(tmp_path.rglob("*.parquet"))


@pytest.mark.parametrize(
    ("venue", "what", "symbol", "words"),
    [
        ("kraken", "bars", "X", "expected one of binance bars"),
        ("okx", "dvol", "BTC", "expected one of binance bars"),
        ("deribit", "dvol", "SOL", "expected BTC or ETH"),
        ("binance", "bars", "../x", "expected a venue's symbol"),
        ("bybit", "funding", "BTCPERP", "expected a perpetual as bybit names it"),
    ],
)
def test_history_that_no_source_has_is_refused(
    venue: str, what: str, symbol: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        fetch_history(Wanted(venue, what, symbol, WINDOW), tmp_path, FakeVenue(), Clock().pace)


def test_recorded_answers_of_venues_read_as_documented(data_root: Path) -> None:
    """Real shapes, recorded; the numbers are the files' own."""
    wire = data_root / "wire"

    def answer(venue: str, what: str, symbol: str, file: str) -> venue_answers.Answer:
        return source_of(venue, what, symbol).read((wire / file).read_bytes())

    hyper = answer("hyperliquid", "funding", "BTC", "hyperliquid/http_funding_history.json")
    assert hyper.ts_ms.tolist() == [1769908800000, 1769912400000, 1769916000000]
    assert hyper.numbers["rate"].tolist() == [0.0000125, -0.0000081, 0.0000033]
    chart = answer(
        "deribit", "bars", "BTC-PERPETUAL", "deribit/http_get_tradingview_chart_data.json"
    )
    assert chart.ts_ms[0] == 1766483460000
    assert chart.numbers["volume"][0] == 2.94375216
    bybit = answer("bybit", "bars", "BTCUSDT", "bybit/http_get_klines_linear.json")
    assert [bybit.numbers[n][0] for n in ("open", "low", "volume")] == [27450, 27440, 123.45]
    okx = answer("okx", "funding", "BTC-USDT-SWAP", "okx/http_get_funding_rate_history.json")
    assert okx.numbers["rate"].tolist() == [0.00015, -0.00002]
    # These bars say of themselves that they have not closed.
    assert not answer("okx", "bars", "X-USDT-SWAP", "okx/http_get_candlesticks.json").ts_ms.size
    spot = "binance/spot/http_json/klines_response.json"
    rows = msgspec.json.decode((wire / spot).read_bytes())
    body = msgspec.json.encode(rows.get("result", rows) if isinstance(rows, dict) else rows)
    assert source_of("binance", "bars", "BTCUSDT").read(body).ts_ms.size


@pytest.mark.parametrize("faults", [["429", "cut", "500", "garbage"], []])
def test_command_fetches_over_http_through_faults_of_the_wire(
    faults: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way on loopback: query and body, retries, and the same table either way."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    with serve(FakeVenue(), list(faults)) as server:
        for venue in ("hyperliquid", "bybit"):
            words = ["data", "fetch", venue, SYMBOLS[venue], "--from", "2024-01-01", "--to"]
            words += ["2024-01-20", "--what", "bars", "--server", server, "--out", str(tmp_path)]
            result = CliRunner().invoke(app, [*words, "--json"])
            assert result.exit_code == 0, result.exception
            (done,) = msgspec.json.decode(result.stdout)
            assert (done["added"], done["missing"]) == (20 * 24, 0)
    window = Window(START_MS, START_MS + 20 * DAY_MS)
    for venue in ("hyperliquid", "bybit"):
        bars = bars_of(venue, tmp_path, window)
        assert np.array_equal(bars.open, [price(int(t)) for t in bars.open_ms])
    assert slept == ([2.0, 2.0, 2.0, 4.0, 8.0, 0.2] if faults else [2.0, 0.2])


def test_http_answers_become_patience_another_try_or_a_refusal(tmp_path: Path) -> None:
    """By status; a server that is not there is worth another try."""
    params = {"symbol": "X", "interval": "15m", "startTime": START_MS, "endTime": START_MS + 1}
    expected = {"429": Busy, "418": Busy, "503": Cut, "cut": Cut, "403": InputError}
    with serve(FakeVenue(), list(expected)) as server:
        ask = Ask(f"{server}/fapi/v1/klines", params)
        for kind in expected.values():
            with pytest.raises(kind) as refusal:
                public_fetch(ask)
        assert "403" in str(refusal.value)
        assert public_fetch(ask).startswith(b"[[17")
    with pytest.raises(Cut):
        public_fetch(ask)


def test_provenance_that_does_not_read_is_refused_with_its_line(tmp_path: Path) -> None:
    """A changed record would hide what was never fetched."""
    get("okx", "bars", tmp_path, FakeVenue(), Window(START_MS, START_MS + DAY_MS))
    path = tmp_path / "ohlcv/okx_perp_1h.provenance.jsonl"
    path.write_bytes(path.read_bytes() + b'{"venue": 1}\n')
    with pytest.raises(InputError, match=r"okx_perp_1h.provenance.jsonl: line 2: expected"):
        get("okx", "bars", tmp_path, FakeVenue())


@given(
    spans=st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=6),
    start=st.integers(0, 20),
    length=st.integers(1, 15),
)
def test_uncovered_parts_are_what_no_page_covers(
    spans: list[tuple[int, int]], start: int, length: int
) -> None:
    """Against a plain count of every millisecond."""
    pages = [Page("v", "s", at, at + width, "", {}, 0, "", 1) for at, width in spans]
    parts = uncovered(Window(start, start + length), pages)
    left = [t for part in parts for t in range(part.start_ms, part.end_ms)]
    covered = {t for at, width in spans for t in range(at, at + width)}
    assert left == [t for t in range(start, start + length) if t not in covered]
