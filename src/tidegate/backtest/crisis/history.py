# SPDX-License-Identifier: Apache-2.0
"""Crises on real history: which book a window's data allow, and how its market is put together.

2025-02-03 has bars and funding of two venues. On 2024-08-05 and 2026-02-05 there are bars and marks
of Binance's perpetuals alone, and no spot in bars that a run can use; there a book holds coins
outright against perpetuals of one venue, and the coins' price is the perpetual's hourly MARK. That
is an assumption: from 2024-07-29 to 2024-08-07 the mark stood at most 11 basis points (median 4)
from Binance's BTC spot at the closes of its bars of two hours. The spot's volume is taken as a
fifth of the perpetual's (assumed). In 2026 there is no SOL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

import msgspec
import numpy as np

from tidegate.backtest.arrangement import Arrangement, arrange
from tidegate.backtest.experiment import Experiment, feed_of
from tidegate.backtest.market import Market, load_market
from tidegate.backtest.policies import paying_pairs
from tidegate.backtest.tape import build_tape
from tidegate.backtest.trial.contest import CRISIS_HOURS, Contest
from tidegate.history.bars import Bars
from tidegate.history.tables import VenueTables
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.mandate import Mandate, read_mandate
from tidegate.model.times import HOUR_MS, parse_time_ms

SPOT, PERPETUAL = "binance-spot", "binance"
SPOT_VOLUME = 0.2


@dataclass(frozen=True, slots=True)
class Replay:
    """A window of history: the book's file, its first and last day, when the crisis begins, coins
    that have no data then, and in one line what data there is."""

    book: str
    start: str
    end: str
    crisis: str
    without: tuple[str, ...]
    data: str


REPLAYS: Mapping[str, Replay] = MappingProxyType(
    {
        "2024-08-05": Replay(
            "one_venue.toml",
            "2024-07-29",
            "2024-08-06",
            "2024-08-05T00:00Z",
            (),
            "one venue: Binance perpetuals and marks; spot priced at the mark (assumed)",
        ),
        "2025-02-03": Replay(
            "two_venues.toml",
            "2025-01-27",
            "2025-02-04",
            "2025-02-03T00:00Z",
            (),
            "two venues: Binance perpetuals and marks, Hyperliquid hourly bars",
        ),
        "2026-02-05": Replay(
            "one_venue.toml",
            "2026-01-29",
            "2026-02-07",
            "2026-02-05T12:00Z",
            ("SOL",),
            "one venue: Binance perpetuals and marks; spot priced at the mark (assumed); no SOL",
        ),
    }
)


def history_contest(name: str, root: Path, seed: int) -> Contest:
    """A crisis on real history; raises `InputError` where the data is not there."""
    replay = REPLAYS[name]
    window = Window(
        parse_time_ms(replay.start, name, "start"),
        parse_time_ms(replay.end, name, "end", end_of_day=True),
    )
    arrangement = arrange(_book(replay), VenueTables(root), window, replay.book)
    market = _market(root, arrangement, window, replay.book)
    tape = build_tape(market, arrangement, (), replay.book)
    feed = feed_of(arrangement, market, tape)
    begin = parse_time_ms(replay.crisis, name, "crisis")
    told = (begin, begin + CRISIS_HOURS * HOUR_MS)
    origin = {"data": market.digest, "crisis": name}
    experiment = Experiment(arrangement, market, tape, feed, seed, origin, crisis_ms=told)
    instruments = arrangement.terms.instruments
    pairs = paying_pairs(instruments, {n: feed.funding(n, window.start_ms) for n in instruments})
    return Contest("history", name, seed, begin, None, pairs, experiment)


def _book(replay: Replay) -> Mandate:
    """The book's mandate without the coins that have no data."""
    text = files("tidegate.backtest.crisis").joinpath(replay.book).read_text(encoding="utf-8")
    mandate = read_mandate(text, replay.book)
    venues = {
        name: msgspec.structs.replace(
            venue,
            instruments={
                s: t for s, t in venue.instruments.items() if t.base not in replay.without
            },
        )
        for name, venue in mandate.venue.items()
    }
    moves = (mandate.stress.outer, mandate.stress.inner)
    outer, inner = ({c: m for c, m in x.items() if c not in replay.without} for x in moves)
    stress = msgspec.structs.replace(mandate.stress, outer=outer, inner=inner)
    return msgspec.structs.replace(mandate, venue=venues, stress=stress)


def _market(root: Path, arrangement: Arrangement, window: Window, where: str) -> Market:
    """The market of the data; a spot venue is added to it at the perpetuals' marks."""
    venues = arrangement.mandate.venue
    if SPOT not in venues:
        return load_market(root, arrangement, window, where)
    rest = {name: venue for name, venue in venues.items() if name != SPOT}
    margined = msgspec.structs.replace(arrangement.mandate, venue=rest)
    market = load_market(root, replace(arrangement, mandate=margined), window, where)
    spot = {f"{SPOT}:{symbol}": _at_marks(market, symbol) for symbol in venues[SPOT].instruments}
    nothing: dict[str, None] = dict.fromkeys(spot)
    return replace(
        market,
        bars={**market.bars, **spot},
        marks={**market.marks, **nothing},
        funding={**market.funding, **nothing},
    )


def _at_marks(market: Market, symbol: str) -> Bars:
    """Hourly bars of a coin at its perpetual's marks, with a share of the perpetual's volume; in
    the hours before the window the perpetual's own prices, since its marks begin there."""
    name = f"{PERPETUAL}:{symbol}"
    traded, marks = market.bars[name], market.marks[name]
    if marks is None or traded.volume is None:
        raise InputError(name, "mark", "expected hourly marks, and volume")
    parts = HOUR_MS // traded.interval_ms
    first = int(np.argmax(traded.open_ms % HOUR_MS == 0))
    whole = (len(traded) - first) // parts * parts + first
    cut = slice(first, whole)

    def hours(column: np.ndarray) -> np.ndarray:
        return column[cut].reshape(-1, parts)

    open_ms = hours(traded.open_ms)[:, 0].copy()
    opened, close = hours(traded.open)[:, 0].copy(), hours(traded.close)[:, -1].copy()
    high, low = hours(traded.high).max(axis=1), hours(traded.low).min(axis=1)
    inside = np.searchsorted(open_ms, marks.open_ms)
    for column, mark in zip(
        (opened, high, low, close), (marks.open, marks.high, marks.low, marks.close), strict=True
    ):
        column[inside] = mark
    volume = SPOT_VOLUME * hours(traded.volume).sum(axis=1)
    return Bars(SPOT, symbol, "last", HOUR_MS, open_ms, opened, high, low, close, volume)
