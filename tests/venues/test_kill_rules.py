# SPDX-License-Identifier: Apache-2.0
"""What a kill waits for and says, and what a watchdog is made of, without any process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from tests.execution.test_sweep import BUSY, LOST, Told
from tests.venues.drill import NOW, TRADE, WATCH
from tests.venues.processes import Files
from tidegate.execution.latch import Confirmation, Kill, Latch, VenueQuiet
from tidegate.execution.secret_file import write_secret
from tidegate.journal.reader import read_frames
from tidegate.model.errors import InputError
from tidegate.model.replies import Swept
from tidegate.venues import kill_command, watchdog_command, watchdog_file
from tidegate.venues.kill_command import Ask, Result, kill, resume, show_latch
from tidegate.venues.watchdog_command import run_watchdog, steady_ms, wall_ms
from tidegate.venues.watchdog_file import open_sessions, read_watchdog_file


def quiet(*left: int | None) -> dict[str, VenueQuiet]:
    return {f"v{n}": VenueQuiet(0, each, NOW) for n, each in enumerate(left)}


@pytest.mark.parametrize(
    ("stopped", "venues", "expected"),
    [
        (True, quiet(0, 0), True),
        (False, quiet(0, 0), False),
        (True, quiet(0, 1), False),
        (True, quiet(0, None), False),
        (True, None, False),
    ],
)
def test_all_is_quiet_where_it_is_stopped_and_every_venue_says_that_none_works(
    stopped: bool, venues: dict[str, VenueQuiet] | None, expected: bool
) -> None:
    assert Result(stopped, venues).quiet == expected


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.setattr(kill_command, "PAUSE_S", 0.001)
    return Files(tmp_path)


def ask(wait_s: float = 10.0, config: Path | None = None) -> Ask:
    return Ask("anna", "drill", wait_s, config)


def sessions(monkeypatch: pytest.MonkeyPatch, latch: Latch, **venues: Told) -> list[bool]:
    """Lets settings open these; notes whether the latch was set when they were."""
    was_set = list[bool]()

    def opened(*_: object) -> dict[str, Told]:
        was_set.append(latch.is_set())
        return venues

    monkeypatch.setattr(watchdog_file, "open_sessions", opened)
    return was_set


def test_kill_sets_the_latch_first_and_sweeps_each_venue_until_it_says_that_none_works(
    files: Files, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = files.write_settings(1, 600)
    alpha = Told(Swept("alpha", ("a",), 0), [("b",), ("b",), LOST, ()], [BUSY])
    beta = Told(Swept("beta", (), 0), [()], [])
    was_set = sessions(monkeypatch, files.latch, alpha=alpha, beta=beta)
    assert kill(files.latch.folder, ask(config=settings), as_json=False)
    assert was_set == [True]
    assert len([words for words in alpha.asked if words.startswith("sweep")]) == 3
    assert len(beta.asked) == 2
    said = capsys.readouterr()
    assert "alpha: 3 cancelled, 0 orders left" in said.out
    assert "beta: 0 cancelled, 0 orders left" in said.out
    assert "alpha: cancel b: not taken, status 429" in said.err


@pytest.mark.parametrize(("works", "left"), [((), "0 orders left"), (LOST, "UNKNOWN whether")])
def test_kill_whose_latch_cannot_be_set_cancels_says_so_and_has_not_stopped(
    works: Any,
    left: str,
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = files.write_settings(1, 600)
    sessions(monkeypatch, files.latch, alpha=Told(Swept("alpha", (), 0), [works], []))

    def refuse(latch: Latch, who: str, why: str, ts_ms: int) -> Kill:
        raise InputError(str(latch.folder), "latch", "read-only")

    monkeypatch.setattr(Latch, "set", refuse)
    assert not kill(files.latch.folder, ask(0.0, settings), as_json=False)
    said = capsys.readouterr()
    assert (": NOT STOPPED" in said.out, left in said.out) == (True, True)
    assert "THE LATCH IS NOT SET" in said.err


def test_kill_waits_for_the_word_that_all_is_quiet_and_tells_the_last_one_else(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    latch = files.latch
    (latch.folder / "watchdog.beat").touch()

    def watch(words: list[dict[str, VenueQuiet]]) -> threading.Thread:
        def tell() -> None:
            while not latch.is_set():
                time.sleep(0.001)
            for word in words:
                latch.confirm(Confirmation(latch.kill_id, NOW, NOW, word))
                time.sleep(0.1)

        thread = threading.Thread(target=tell)
        thread.start()
        return thread

    thread = watch([quiet(0, 2), quiet(0, 0)])
    assert kill(latch.folder, ask(), as_json=False)
    thread.join()
    assert "NO WATCHDOG LIVES" not in capsys.readouterr().err
    assert not kill(latch.folder, ask(0.0), as_json=False)
    assert "no watchdog has answered" in capsys.readouterr().out


@pytest.mark.parametrize(("age_s", "lives"), [(0, True), (60, False), (None, False)])
def test_watchdog_that_was_silent_is_told_to_be_dead(
    age_s: float | None, lives: bool, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    if age_s is not None:
        beat, at_s = files.latch.folder / "watchdog.beat", time.time() - age_s
        beat.touch()
        os.utime(beat, (at_s, at_s))
    kill(files.latch.folder, ask(0.0), as_json=False)
    assert ("NO WATCHDOG LIVES" not in capsys.readouterr().err) == lives


def test_latch_is_shown_as_it_is_and_only_one_that_is_set_is_lifted_by_two(files: Files) -> None:
    folder = files.latch.folder
    assert show_latch(folder, as_json=False)
    keys = {name: files.folder / f"{name}.key" for name in files.keys}
    for name, key in files.keys.items():
        write_secret(keys[name], key)
    with pytest.raises(InputError, match="expected a latch that is set"):
        resume(folder, "anna", keys["anna"], as_json=False)
    files.latch.set("anna", "drill", NOW)
    assert not show_latch(folder, as_json=False)
    assert not resume(folder, "anna", keys["anna"], as_json=False)
    assert resume(folder, "bert", keys["bert"], as_json=False)
    assert show_latch(folder, as_json=False)


class Made(NamedTuple):
    """What a watchdog was made of."""

    guard: Any
    journal: Any
    clocks: Any
    tell: Callable[[str], None]


def test_watchdog_is_made_of_its_settings_and_closed_when_it_ends(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, done, slept = list[Made](), list[str](), list[float]()

    class Watched:
        def __init__(self, *parts: Any) -> None:
            made.append(Made(*parts))

        def tick(self) -> None:
            done.append("tick")

        def close(self) -> None:
            done.append("close")
            made[0].journal.seal()

    forced, create = list[bool](), watchdog_command.Journal.create

    def creating(path: Path, header: object, *, durable: bool) -> object:
        forced.append(durable)
        return create(path, header, durable=durable)

    monkeypatch.setattr(watchdog_command, "Watchdog", Watched)
    monkeypatch.setattr(watchdog_command.Journal, "create", creating)
    monkeypatch.setattr(watchdog_command.time, "sleep", slept.append)
    (files.folder / "engine.beat").touch()
    settings = files.write_settings(port=1, silence_s=1.6)
    goes_on = iter([True, True, False])
    run_watchdog(settings, goes_on.__next__)
    (found,) = made
    assert (done, slept, forced) == (["tick", "tick", "close"], [0.02, 0.02], [True])
    guard = found.guard
    assert (guard.silence_ms, guard.latch.folder) == (1_600, files.latch.folder)
    assert set(guard.sessions) == {"alpha", "beta"}
    guard.own_beat.beat(7_000_000_000)
    assert (files.latch.folder / "watchdog.beat").stat().st_mtime_ns == 7_000_000_000
    before = guard.pulse.silence_ms(steady_ms())
    os.utime(files.folder / "engine.beat", ns=(1, 1))
    assert guard.pulse.silence_ms(steady_ms()) == 0 <= before
    assert (found.clocks.wall_ms, found.clocks.steady_ms) == (wall_ms, steady_ms)
    (journal,) = (files.folder / "journals").iterdir()
    assert [frame.kind for frame in read_frames(journal)] == ["header", "seal"]


def test_watchdog_that_is_interrupted_seals_its_journal_all_the_same(files: Files) -> None:
    def interrupt() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_watchdog(files.write_settings(1, 600), interrupt)
    (journal,) = (files.folder / "journals").iterdir()
    assert [frame.kind for frame in read_frames(journal)] == ["header", "seal"]


def test_clocks_of_a_watchdog_are_the_days_and_one_that_never_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog_command.time, "time_ns", lambda: 5_999_999)
    monkeypatch.setattr(watchdog_command.time, "monotonic_ns", lambda: 8_000_000)
    assert (wall_ms(), steady_ms()) == (5, 8)


def test_every_session_has_its_own_port_token_venues_and_time(files: Files) -> None:
    settings = files.write_settings(port=7, silence_s=600)
    more = '[[session]]\nport = 8\ntoken = "trading.token"\nvenues = ["gamma"]\n'
    settings.write_text(settings.read_text() + more)
    opened = open_sessions(settings, read_watchdog_file(settings))
    parts = {
        venue: (s._port, s._token, s.venues, s._timeout_s)  # type: ignore[attr-defined]
        for venue, s in opened.items()
    }
    first = (7, WATCH, ("alpha", "beta"), 20.0)
    assert parts == {"alpha": first, "beta": first, "gamma": (8, TRADE, ("gamma",), 2.0)}
    settings.write_text(settings.read_text().replace('"gamma"', '"beta"'))
    with pytest.raises(InputError, match="expected every venue in one session"):
        read_watchdog_file(settings)
    assert msgspec.structs.fields(watchdog_file.Watch)[-1].default == 20
