# SPDX-License-Identifier: Apache-2.0
"""What a policy may see at a time does not depend on the world after it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.backtest.trial import contests
from tests.backtest.trial.contests import held, made, played, staged, start_ms
from tidegate.backtest.experiment import Spec
from tidegate.backtest.run import Session
from tidegate.backtest.trial.contest import Contest
from tidegate.journal.reader import read_frames
from tidegate.model.times import HOUR_MS, MINUTE_MS
from tidegate.simulation.exchange import Exchange

MOMENTS = ("start", "calm", "crisis")
PLACES = [("first", moment) for moment in MOMENTS] + [("second", "crisis")]
SPECS = (Spec("fixed", 5.0), Spec("tidegate", 5.0))


def at_ms(world: str, moment: str) -> int:
    paths = made(world)
    start = start_ms(paths)
    if moment == "start":
        return start
    if moment == "calm":
        return start + 13 * HOUR_MS
    assert paths.crisis_start_ms is not None
    reached = paths.crisis_start_ms + 35 * MINUTE_MS
    return reached - (reached - start) % paths.step_ms


@cache
def changed(world: str, moment: str) -> Contest:
    """The contest on a world that is another one after the moment."""
    return staged(contests.changed_after(made(world), at_ms(world, moment)))


@cache
def session(world: str, moment: str, spec: Spec, other: bool) -> Session:
    contest = changed(world, moment) if other else held(world)
    return played(contest, spec, at_ms(world, moment))[0]


def told(exchange: Exchange, names: tuple[str, ...]) -> dict[str, object]:
    """All that an exchange answers."""
    return {
        "now": exchange.now_ms,
        "frozen": exchange.frozen_venues(),
        "out": exchange.out_venues(),
        "stable": exchange.stable_micro(),
        "marks": exchange.marks(),
        "ranks": {name: exchange.adl_rank(name) for name in names},
        "accounts": {venue: exchange.account(venue) for venue in contests.VENUES},
        "margins": {venue: exchange.margin(venue) for venue in contests.VENUES},
    }


def frames(session: Session, folder: Path) -> list[tuple[str, bytes]]:
    """What was journalled but for the header, which names the market by its digest."""
    path = folder / "halted.journal"
    path.write_bytes(session.record.journal.content())
    found = read_frames(path, sealed=False)
    return [(frame.kind, frame.payload) for frame in found][1:]


@pytest.mark.parametrize(("world", "moment"), PLACES)
def test_feed_at_a_time_shows_the_same_whatever_comes_after(world: str, moment: str) -> None:
    ts_ms = at_ms(world, moment)
    feeds = [held(world).experiment.feed, changed(world, moment).experiment.feed]
    first, second = (feed.snapshot(ts_ms, ()) for feed in feeds)
    assert first == second
    coins = contests.BOOK.coins
    before, after = (feed.past(coins, ts_ms, 30) for feed in feeds)
    assert before.open_ms[-1] + before.interval_ms == ts_ms
    for column in ("open_ms", "high", "low", "close"):
        np.testing.assert_array_equal(getattr(before, column), getattr(after, column))
    for name in feeds[0].instruments:
        one, two = (feed.funding(name, ts_ms) for feed in feeds)
        assert one is not None
        assert two is not None
        assert one.ts_ms.size > 0
        assert one.ts_ms.max() <= ts_ms
        for mine, other in ((one.ts_ms, two.ts_ms), (one.rate, two.rate)):
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize(("world", "moment"), PLACES)
def test_feed_a_step_later_shows_the_change(world: str, moment: str) -> None:
    ts_ms = at_ms(world, moment) + made(world).step_ms
    feeds = [held(world).experiment.feed, changed(world, moment).experiment.feed]
    first, second = (feed.snapshot(ts_ms, ()).quotes for feed in feeds)
    assert all(first[name].ticks != second[name].ticks for name in first)
    assert all(first[name].half_spread != second[name].half_spread for name in first)


@pytest.mark.parametrize(("world", "moment"), PLACES[:1])
def test_pairs_and_placement_do_not_depend_on_the_run(world: str, moment: str) -> None:
    mine, other = held(world), changed(world, moment)
    assert mine.pairs == other.pairs
    assert mine.experiment.placement == other.experiment.placement
    assert mine.experiment.market.digest != other.experiment.market.digest


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.policy)
@pytest.mark.parametrize(("world", "moment"), PLACES[1:])
def test_exchange_at_a_time_answers_the_same_whatever_comes_after(
    world: str, moment: str, spec: Spec
) -> None:
    names = tuple(held(world).experiment.tape.tracks)
    answers = [told(session(world, moment, spec, other).exchange, names) for other in (False, True)]
    assert answers[0]["now"] == at_ms(world, moment)
    assert answers[0] == answers[1]


def test_exchange_at_the_start_tells_what_a_dollar_coin_was_worth_then() -> None:
    spec, paths = SPECS[0], made("first")
    mine, other = (session("first", "start", spec, it).exchange for it in (False, True))
    assert mine.stable_micro() == other.stable_micro()
    before = contests.first_step(paths) - 1
    assert mine.stable_micro() == {
        asset: round(1e6 * column[before]) for asset, column in paths.stable.items()
    }


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.policy)
@pytest.mark.parametrize(("world", "moment"), PLACES)
def test_journal_up_to_a_time_is_the_same_whatever_comes_after(
    world: str, moment: str, spec: Spec, tmp_path: Path
) -> None:
    for folder in ("mine", "other"):
        (tmp_path / folder).mkdir()
    mine = frames(session(world, moment, spec, False), tmp_path / "mine")
    other = frames(session(world, moment, spec, True), tmp_path / "other")
    assert any(kind == "events" for kind, _ in mine)
    assert mine == other


def test_what_comes_after_is_really_another_market() -> None:
    later = at_ms("first", "calm") + 4 * HOUR_MS
    mine, other = (
        played(contest, SPECS[0], later)[0].exchange
        for contest in (held("first"), changed("first", "calm"))
    )
    names = tuple(held("first").experiment.tape.tracks)
    first, second = told(mine, names), told(other, names)
    differing = {key for key in first if first[key] != second[key]}
    assert differing >= {"stable", "marks", "ranks", "accounts", "margins"}
    soon = at_ms("first", "calm") + HOUR_MS
    stopped = played(changed("first", "calm"), SPECS[0], soon)[0].exchange
    assert stopped.frozen_venues() == stopped.out_venues() == contests.VENUES
