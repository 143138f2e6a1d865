# SPDX-License-Identifier: Apache-2.0
"""The run's bars, prints and tape say what the world's paths say, and nothing is shifted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.backtest.trial.contests import (
    BOOK,
    PRICES,
    SEED,
    WARMUP_DAYS,
    Spans,
    bent,
    first_step,
    held,
    made,
    played,
    staged,
    start_ms,
)
from tidegate.backtest.experiment import Spec
from tidegate.backtest.run import Session
from tidegate.backtest.trial.contest import Contest
from tidegate.backtest.trial.market import world_market
from tidegate.model.errors import InvariantError
from tidegate.model.events import Filled
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.simulation.tape import Deleveraging, Freeze
from tidegate.simulation.world import WorldParameters
from tidegate.simulation.world.paths import AdlEvent, Side, WorldPaths

WORLDS = ("first", "second")
FIXED = Spec("fixed", 3.0)
HOURS = WARMUP_DAYS * 24
INTERVALS_H = {"hyperliquid": 1, "binance": 8, "deribit": 1, "dydx": 1}


def window_of(world: str) -> tuple[Contest, WorldPaths, slice]:
    paths = made(world)
    return held(world), paths, slice(first_step(paths), paths.steps)


@pytest.mark.parametrize("world", WORLDS)
def test_prints_are_the_paths_rows_of_each_instrument(world: str) -> None:
    contest, paths, _ = window_of(world)
    for name, prints in contest.experiment.market.funding.items():
        assert prints is not None
        rows = [(ts, rate) for ts, row, rate in paths.funding if row == name]
        assert list(zip(prints.ts_ms.tolist(), prints.rate_e12.tolist(), strict=True)) == rows
        assert set(prints.interval_ms) == {INTERVALS_H[prints.venue] * HOUR_MS}


@pytest.mark.parametrize("world", WORLDS)
def test_tape_pays_every_print_after_the_start_and_before_the_end(world: str) -> None:
    contest, paths, _ = window_of(world)
    tape = contest.experiment.tape
    rows = {row for row in paths.funding if tape.start_ms < row[0] < tape.end_ms}
    assert sorted(row for row in rows if row[1] in tape.tracks) == [
        (stamp.ts_ms, stamp.instrument, stamp.rate_e12) for stamp in tape.funding
    ]
    per_day = sum(24 // INTERVALS_H[name.split(":")[0]] for name in tape.tracks)
    days = (tape.end_ms - tape.start_ms) // DAY_MS
    # All venues settle at the end of a day, and the print at the very end finds no more book.
    assert len(tape.funding) == days * per_day - len(tape.tracks)


@pytest.mark.parametrize("world", WORLDS)
def test_bars_are_the_paths_prices_and_volumes(world: str) -> None:
    contest, paths, _ = window_of(world)
    for name, bars in contest.experiment.market.bars.items():
        for column in ("open", "high", "low", "close"):
            np.testing.assert_array_equal(getattr(bars, column), getattr(paths, column)[name])
        assert bars.volume is not None
        np.testing.assert_allclose(bars.volume * bars.close, paths.volume_usd[name])
        assert bars.open_ms[[0, -1]].tolist() == [
            paths.start_ms,
            paths.start_ms + (paths.steps - 1) * paths.step_ms,
        ]


@pytest.mark.parametrize("world", WORLDS)
def test_marks_hold_the_paths_extremes_and_open_where_the_last_closed(world: str) -> None:
    contest, paths, _ = window_of(world)
    for name, bars in contest.experiment.market.marks.items():
        assert bars is not None
        np.testing.assert_array_equal(bars.close, paths.mark_close[name])
        np.testing.assert_array_equal(bars.open[1:], paths.mark_close[name][:-1])
        assert (bars.high >= paths.mark_high[name]).all()
        assert (bars.low <= paths.mark_low[name]).all()
        np.testing.assert_array_equal(bars.high, np.maximum(paths.mark_high[name], bars.open))
        np.testing.assert_array_equal(bars.low, np.minimum(paths.mark_low[name], bars.open))


@pytest.mark.parametrize("world", WORLDS)
def test_tape_is_the_paths_in_ticks_from_the_start_on(world: str) -> None:
    contest, paths, part = window_of(world)
    tape, instruments = contest.experiment.tape, contest.experiment.arrangement.terms.instruments
    assert tape.start_ms == start_ms(paths)
    assert tape.end_ms == paths.start_ms + paths.steps * paths.step_ms
    assert set(tape.tracks) == {f"{v}:{s}" for v in BOOK.venue for s in BOOK.venue[v].instruments}
    for name, track in tape.tracks.items():
        tick = float(instruments[name].tick)
        for ticks, column in ((track.open, paths.open), (track.mark_close, paths.mark_close)):
            np.testing.assert_allclose(np.array(ticks) * tick, column[name][part], atol=0.51 * tick)
        assert (np.array(track.mark_high) >= np.array(track.mark_close)).all()
        lowest = np.array(track.mark_low) * tick
        assert (lowest <= paths.mark_low[name][part] + 0.51 * tick).all()


@pytest.mark.parametrize("world", WORLDS)
def test_depth_and_spread_of_a_step_are_those_of_the_step_before(world: str) -> None:
    contest, paths, part = window_of(world)
    for name, track in contest.experiment.tape.tracks.items():
        assert track.half_spread == paths.half_spread[name][part.start - 1 : -1].tolist()
        traded = np.concatenate([[0.0], np.cumsum(paths.volume_usd[name])])
        begins = np.arange(part.start, part.stop)
        day = 3.0 * (traded[begins] - traded[begins - 96])
        seen = day * paths.depth[name][begins - 1]
        np.testing.assert_allclose(track.volume_day_usd, seen, rtol=1e-6)


def test_reference_of_a_coin_is_binance_where_there_is_one() -> None:
    references = held("first").experiment.market.reference
    assert references == {coin: f"binance:{coin}" for coin in BOOK.coins}


@pytest.mark.parametrize("world", WORLDS)
def test_dollar_coins_are_worth_what_the_last_step_closed_at(world: str) -> None:
    """When a step begins the one before it has closed, and the last one closes at the end."""
    contest, paths, part = window_of(world)
    tape = contest.experiment.tape
    for asset, column in paths.stable.items():
        assert tape.stable_micro[asset] == [
            round(1e6 * price) for price in column[part.start - 1 : part.stop]
        ]
    exchange = played(contest, FIXED, tape.start_ms + 7 * tape.step_ms)[0].exchange
    assert exchange.stable_micro() == {
        asset: round(1e6 * column[part.start + 6]) for asset, column in paths.stable.items()
    }


def with_spans(kind: str, spans: Spans) -> tuple[Freeze, ...]:
    paths = made("first")
    tape = staged(replace(paths, **{kind: spans})).experiment.tape
    return tape.freezes if kind == "freezes" else tape.outages


@pytest.mark.parametrize("kind", ["freezes", "outages"])
def test_freeze_or_outage_outside_of_the_window_is_left_out(kind: str) -> None:
    start, end = start_ms(made("first")), held("first").experiment.tape.end_ms
    inside: Spans = (
        ("binance", start - HOUR_MS, start + 1),
        ("deribit", start + HOUR_MS, start + 2 * HOUR_MS),
        ("dydx", start - HOUR_MS, end + HOUR_MS),
        ("hyperliquid", end - 1, end + HOUR_MS),
    )
    outside: Spans = (
        ("binance", start - 2 * HOUR_MS, start),
        ("deribit", start - 9 * HOUR_MS, start - HOUR_MS),
        ("dydx", end, end + HOUR_MS),
    )
    found = with_spans(kind, (*outside, *inside))
    assert set(found) == {Freeze(*span) for span in inside}
    assert with_spans(kind, outside) == ()


def test_freezes_and_outages_keep_their_places() -> None:
    tape, paths = held("first").experiment.tape, made("first")
    crisis_venue = paths.crisis_venue
    assert crisis_venue in {freeze.venue for freeze in tape.freezes}
    assert {(o.venue, o.start_ms, o.end_ms) for o in tape.outages} <= set(paths.outages)
    assert tape.outages != tape.freezes


def closings(events: tuple[AdlEvent, ...]) -> Contest:
    return staged(replace(made("first"), adl=events))


def test_deleveragings_keep_side_score_and_order_inside_the_window() -> None:
    start, end = start_ms(made("first")), held("first").experiment.tape.end_ms
    events = (
        AdlEvent(end, "binance:ETH", "short", 0.2, 3.0),
        AdlEvent(start + 5, "binance:BTC", "short", 0.3, 2.0),
        AdlEvent(start + 5, "binance:BTC", "long", 0.3, 1.5),
        AdlEvent(start, "binance:BTC", "long", 0.3, 2.0),
        AdlEvent(end + 1, "binance:BTC", "long", 0.3, 2.0),
        AdlEvent(start + 9, "dydx:AVAX", "long", 0.3, 2.0),
    )
    assert closings(events).experiment.tape.deleveragings == (
        Deleveraging(start + 5, "binance:BTC", -1, 2.0),
        Deleveraging(start + 5, "binance:BTC", 1, 1.5),
        Deleveraging(end, "binance:ETH", -1, 3.0),
    )


def forced(share: float, side: Side) -> list[int]:
    """Lots that are closed for the fixed rule when all prices have gone to a share of what they
    were and every venue then closes one side's winners."""
    paths = made("first")
    step, at_ms = first_step(paths) + 15, start_ms(paths) + 2 * HOUR_MS
    prices = {kind: bent(getattr(paths, kind), step, share) for kind in ("open", *PRICES)}
    events = tuple(AdlEvent(at_ms, name, side, 1.0, 0.0) for name in paths.close)
    contest = staged(replace(paths, **prices, adl=events))
    found = played(contest, FIXED, at_ms)[0].record.events
    fills = [event for event in found if isinstance(event, Filled) and event.ts_ms == at_ms]
    return [fill.lots for fill in fills if fill.reason == "deleveraging"]


def test_deleveraging_of_longs_closes_longs_that_won_and_of_shorts_shorts() -> None:
    pairs = len(held("first").pairs)
    longs, shorts = forced(1.06, "long"), forced(0.94, "short")
    assert len(longs) == len(shorts) == pairs
    assert max(longs) < 0 < min(shorts)
    assert forced(1.06, "short") == forced(0.94, "long") == []


def test_deleveragings_of_a_generated_crash_close_the_shorts_that_won() -> None:
    contest = staged(made("first", "crash"), "crash")
    sides = [closing.side for closing in contest.experiment.tape.deleveragings]
    assert sides.count(-1) > sides.count(1)


@pytest.mark.parametrize("world", WORLDS)
def test_queues_begin_with_the_hour_at_which_the_run_begins(world: str) -> None:
    contest, paths, _ = window_of(world)
    for name, queue in contest.experiment.tape.queues.items():
        np.testing.assert_array_equal(queue.scores, paths.adl_scores[name][HOURS:])
        assert queue.scores.shape == (48, 2, 4)


def test_queues_rank_by_the_formula_that_the_world_ranks_by() -> None:
    said = {venue.name: venue.ranking for venue in WorldParameters().venues}
    for name, queue in held("first").experiment.tape.queues.items():
        assert queue.ranking == said[name.split(":")[0]]


def queued(hours_after: int) -> dict[str, float]:
    """Ranks of what the fixed rule holds where every score of one hour, the sixth, is out of
    reach, and in all other hours that of the longs alone."""
    paths = made("first")
    scores = {}
    for name, column in paths.adl_scores.items():
        scores[name] = np.empty_like(column)
        scores[name][:, 0], scores[name][:, 1] = 1e9, -1e9
        scores[name][HOURS + 6] = 1e9
    contest = staged(replace(paths, adl_scores=scores))
    session, _ = played(contest, FIXED, start_ms(paths) + hours_after * HOUR_MS)
    return ranks(session)


def ranks(session: Session) -> dict[str, float]:
    """Ranks by instrument and side."""
    found = {}
    for name, instrument in session.arrangement.terms.instruments.items():
        position = session.exchange.account(instrument.venue).positions.get(name)
        rank = session.exchange.adl_rank(name)
        assert (position is None) == (rank is None)
        if position is not None and rank is not None:
            found[f"{name} {'long' if position.lots > 0 else 'short'}"] = rank
    return found


@pytest.mark.parametrize("hours_after", [5, 6, 7])
def test_light_of_the_queue_is_that_of_the_hour_and_of_our_side(hours_after: int) -> None:
    shorts = 0.0 if hours_after == 6 else 1.0
    found = queued(hours_after)
    assert len(found) == 2 * len(held("first").pairs)
    for place, rank in found.items():
        assert rank == (0.0 if place.endswith("long") else shorts)


def test_instrument_that_the_world_lacks_is_refused() -> None:
    contest, paths = held("first"), made("first")
    less = {name: column for name, column in paths.close.items() if name != "binance:BTC"}
    with pytest.raises(InvariantError, match="binance:BTC: not in this world"):
        world_market(
            replace(paths, close=less),
            contest.experiment.arrangement,
            contest.experiment.market.window,
        )


def test_worlds_of_another_seed_are_other_markets() -> None:
    other = staged(made("first", seed=SEED + 1), seed=SEED + 1)
    assert other.experiment.market.digest != held("first").experiment.market.digest
