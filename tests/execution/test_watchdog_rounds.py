# SPDX-License-Identifier: Apache-2.0
"""The watchdog's rounds, words and alarms: what is said, when again, and of which kill."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.execution.test_latch import KEYS
from tests.execution.test_watchdog import SILENCE_MS, Drill, Session
from tests.venues.drill import NOW, slow
from tidegate.execution.latch import Confirmation
from tidegate.execution.operators import public_key
from tidegate.journal.reader import read_frames
from tidegate.model.replies import NotTaken, OrderReply, Statement, SweepReply, Unclear

QUIET = "every venue says that no order works"


class Watched(Session):
    """A session that notes when it is asked, whose statements may hang and cancels be refused."""

    def __init__(self, drill: Drill) -> None:
        super().__init__(drill.venues)
        self._clock = lambda: drill.ms
        self.swept_ms, self.stated_ms, self.hangs, self.refuses = list[int](), list[int](), 0, False
        self.swept = threading.Event()

    def cancel_all(self, venue: str) -> SweepReply:
        self.swept_ms.append(self._clock())
        self.swept.set()
        return NotTaken("not now") if self.refuses else super().cancel_all(venue)

    def cancel(self, venue: str, order: str) -> OrderReply:
        return NotTaken("not now") if self.refuses else super().cancel(venue, order)

    def statement(self, venue: str) -> Statement | Unclear:
        self.stated_ms.append(self._clock())
        if self.hangs:
            self.hangs -= 1
            self.freed.wait(10)
        return super().statement(venue)


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    made = Drill(tmp_path)
    made.watchdog.close()
    made.journal = made.journal.create(tmp_path / "again.journal", {"writer": "test"}, False)
    made.sessions = {venue: Watched(made) for venue in ("alpha", "beta")}
    made.watchdog = made.new_watchdog(made.journal)
    lines = [f'{name} = "{public_key(key).hex()}"' for name, key in KEYS.items()]
    (made.latch.folder / "operators.toml").write_text("[operators]\n" + "\n".join(lines))
    for approval in slow(3):
        made.venues.place(approval)
    yield made
    for session in made.sessions.values():
        session.freed.set()
    made.close()


def session(drill: Drill, venue: str) -> Watched:
    found = drill.sessions[venue]
    assert isinstance(found, Watched)
    return found


def lift(drill: Drill) -> None:
    for name in ("anna", "bert"):
        drill.latch.consent(name, KEYS[name], NOW)
    drill.run(lambda: drill.heard("the latch was lifted"))


def word(drill: Drill) -> Confirmation:
    found = drill.latch.confirmation()
    assert found is not None
    return found


def count(drill: Drill, words: str) -> int:
    return sum(words in line for line in drill.said)


def at_once(drill: Drill, until: Callable[[], bool]) -> None:
    """Tick, while the clocks stand still, until something holds."""
    for _ in range(5_000):
        drill.heart.beat((NOW + drill.ms) * 1_000_000)
        drill.watchdog.tick()
        if until():
            return
        time.sleep(0.001)
    pytest.fail(f"nothing came of it: {drill.said}")


def proven(drill: Drill, times: int = 1) -> None:
    """Let each session have been tried so often, and what came of it be known."""
    drill.ms += times == 1
    both = [session(drill, venue) for venue in ("alpha", "beta")]
    at_once(
        drill,
        lambda: all(len(s.stated_ms) == times for s in both) and not drill.watchdog._tried,
    )


def pass_by(drill: Drill, ms: int, beating: bool = True) -> None:
    until = drill.ms + ms
    drill.run(lambda: drill.ms >= until, beating)


@pytest.mark.parametrize("lifts", [True, False])
def test_next_kill_is_carried_out_at_once_however_lately_the_last_was(
    drill: Drill, lifts: bool
) -> None:
    drill.latch.set("anna", "first", NOW)
    drill.run(drill.quiet)
    if lifts:
        lift(drill)
    drill.venues.place(slow(1, sequence=2)[0])
    drill.latch.set("bert", "second", NOW)
    at_once(drill, drill.quiet)
    assert drill.heard("STOPPED by bert: second")
    assert not drill.heard("APPEARED")


@pytest.mark.parametrize("anew", [True, False])
def test_stop_before_its_kill_is_written_is_not_told_by_the_kill_that_was_lifted(
    drill: Drill, anew: bool
) -> None:
    drill.latch.set("anna", "first", NOW)
    drill.run(drill.quiet)
    lift(drill)
    if anew:
        drill.watchdog.close()
        drill.watchdog = drill.new_watchdog(None)
    drill.said.clear()
    (drill.latch.folder / "leave.json").unlink()
    drill.run(lambda: drill.heard(QUIET))
    assert drill.heard("STOPPED by somebody: nobody has said why yet")
    drill.latch.set("bert", "second", NOW)
    drill.run(drill.quiet)
    assert drill.heard("STOPPED by bert: second")
    assert not drill.heard("anna")
    assert word(drill).kill == drill.latch.kill_id


def test_silence_is_told_each_time_it_begins(drill: Drill) -> None:
    drill.latch.set("anna", "drill", NOW)
    for times in (1, 2):
        pass_by(drill, 2 * SILENCE_MS, beating=False)
        pass_by(drill, 50)
        assert count(drill, "the engine has been silent") == times
    assert drill.latch.number == 1


def test_latch_that_cannot_be_set_is_told_of_anew_after_it_was_set_and_lifted(drill: Drill) -> None:
    for times in (1, 2):
        drill.latch.read_only = True
        drill.run(lambda: count(drill, "the latch cannot be set") == times, beating=False)  # noqa: B023
        drill.latch.read_only = False
        drill.run(drill.quiet, beating=False)
        for name in ("anna", "bert"):
            drill.latch.consent(name, KEYS[name], NOW)
        drill.run(lambda: count(drill, "the latch was lifted") == times, beating=False)  # noqa: B023


def test_session_that_falls_ill_is_told_once_each_time_and_tried_once_a_minute(
    drill: Drill,
) -> None:
    beta, told = session(drill, "beta"), list[int]()
    proven(drill)
    for times, mood in enumerate(("silent", "silent", "well", "silent", "broken", "broken"), 2):
        beta.mood = mood
        drill.ms += 59_999
        drill.heart.beat((NOW + drill.ms) * 1_000_000)
        drill.watchdog.tick()
        assert not drill.watchdog._tried
        drill.ms += 1
        proven(drill, times)
        told.append(count(drill, "beta: A KILL COULD NOT CANCEL HERE NOW"))
    assert told == [1, 1, 1, 2, 3, 3]
    assert beta.stated_ms == [1 + n * 60_000 for n in range(7)]


def test_round_of_before_a_newer_kill_says_nothing_of_it_and_asking_counts_from_the_first(
    drill: Drill,
) -> None:
    """Alpha's orders are cancelled under the first kill, and its list comes after the second."""
    alpha = session(drill, "alpha")
    proven(drill)
    alpha.hangs = 1
    drill.latch.set("anna", "first", NOW)
    drill.run(lambda: drill.venues.statement("alpha").working == ())
    pass_by(drill, 300)
    drill.latch.set("bert", "second", NOW)
    pass_by(drill, 300)
    freed_ms = drill.ms
    alpha.freed.set()
    drill.run(drill.quiet)
    first = word(drill)
    assert first.venues["alpha"].cancelled == 0
    assert first.seen_ms <= NOW + freed_ms - 290
    assert first.asked_ms >= NOW + freed_ms
    drill.venues.place(slow(1, sequence=2)[0])
    drill.run(lambda: word(drill) != first)
    assert (word(drill).venues["alpha"].cancelled, word(drill).asked_ms) == (1, first.asked_ms)
    drill.venues.place(slow(1, sequence=3)[0])
    drill.run(lambda: word(drill).venues["alpha"].cancelled == 2)
    assert count(drill, QUIET) == 1


def test_all_were_asked_when_the_last_was_and_are_quiet_when_they_have_answered(
    drill: Drill,
) -> None:
    proven(drill)
    alpha, beta = session(drill, "alpha"), session(drill, "beta")
    alpha.hangs = 1
    drill.latch.set("anna", "drill", NOW)
    drill.run(lambda: len(alpha.stated_ms) == len(beta.stated_ms) == 2)
    asked_ms = NOW + drill.ms
    pass_by(drill, 200)
    assert drill.latch.confirmation() is None
    alpha.freed.set()
    drill.run(drill.quiet)
    said = word(drill)
    assert NOW + max(alpha.swept_ms[0], beta.swept_ms[0]) <= said.asked_ms <= asked_ms
    assert NOW < said.seen_ms <= said.asked_ms
    assert said.venues["alpha"].ts_ms >= asked_ms + 200


@pytest.mark.parametrize(("mood", "pause_ms"), [("well", 1_000), ("silent", 250), ("held", 250)])
def test_venue_is_asked_again_soon_until_it_says_that_none_works_and_then_each_second(
    drill: Drill, mood: str, pause_ms: int
) -> None:
    alpha = session(drill, "alpha")
    alpha.mood, alpha.refuses = ("well", True) if mood == "held" else (mood, False)
    drill.latch.set("anna", "drill", NOW)
    at_once(drill, lambda: drill.latch.confirmation() is not None)
    drill.ms += pause_ms - 1
    for _ in range(5):
        drill.watchdog.tick()
    assert not drill.watchdog._running
    drill.ms += 1
    at_once(drill, lambda: len(alpha.swept_ms) == 2)
    assert alpha.swept_ms == [0, pause_ms]


def test_order_that_appears_and_cannot_be_cancelled_is_told_loudly_too(drill: Drill) -> None:
    alpha, late = session(drill, "alpha"), slow(1, sequence=2)[0]
    alpha.mood = "silent"
    drill.latch.set("anna", "drill", NOW)
    drill.run(lambda: drill.heard("alpha: statement: unclear"))
    alpha.mood = "well"
    drill.run(drill.quiet)
    assert not drill.heard("APPEARED")
    alpha.refuses = True
    drill.venues.place(late)
    drill.run(lambda: drill.heard(f"alpha: ORDER {late.action.id} APPEARED AFTER THE KILL"))
    drill.run(lambda: not drill.quiet())
    alpha.refuses = False
    drill.run(drill.quiet)
    assert count(drill, QUIET) == 2


def test_same_problem_is_told_once_of_each_venue(drill: Drill) -> None:
    for each in drill.sessions.values():
        each.mood = "silent"
    drill.latch.set("anna", "drill", NOW)
    drill.run(lambda: all(len(session(drill, v).swept_ms) > 2 for v in ("alpha", "beta")))
    for venue in ("alpha", "beta"):
        assert count(drill, f"{venue}: statement: unclear, TimeoutError") == 1


def test_own_heartbeat_is_of_the_wall_clock_and_told_each_time_it_begins_to_fail(
    drill: Drill,
) -> None:
    file = drill.latch.folder / "watchdog.beat"
    file.unlink()
    pass_by(drill, 50)
    assert count(drill, "the watchdog's own heartbeat fails") == 1
    file.touch()
    for times in (2, 3):
        pass_by(drill, 50)
        assert file.stat().st_mtime_ns == (NOW + drill.ms) * 1_000_000
        file.unlink()
        pass_by(drill, 50)
        assert count(drill, "the watchdog's own heartbeat fails") == times
        file.touch()


def test_cancels_go_out_before_anything_is_written_or_told(drill: Drill) -> None:
    """A disk that hangs must not keep an order alive."""
    swept, alpha = list[bool](), session(drill, "alpha")

    class Hanging:
        def append(self, kind: str, payload: object) -> int:
            if kind == "seen":
                swept.append(alpha.swept.wait(2))
            return 0

        def seal(self) -> str:
            return ""

    drill.watchdog.close()
    drill.watchdog = drill.new_watchdog(Hanging())  # type: ignore[arg-type]
    drill.latch.set("anna", "drill", NOW)
    drill.run(drill.quiet)
    assert swept == [True]


def test_trying_of_sessions_that_hang_holds_up_no_cancel(drill: Drill) -> None:
    for venue in ("alpha", "beta"):
        session(drill, venue).hangs = 1
    drill.run(lambda: all(session(drill, v).stated_ms for v in ("alpha", "beta")))
    drill.latch.set("anna", "drill", NOW)
    drill.run(drill.quiet)
    assert drill.venues.statement("alpha").working == ()


def test_journal_that_fails_is_told_once_and_tried_no_more(drill: Drill) -> None:
    drill.journal.close()
    drill.latch.set("anna", "drill", NOW)
    drill.run(drill.quiet)
    drill.venues.place(slow(1, sequence=2)[0])
    drill.run(lambda: drill.heard("APPEARED"))
    assert count(drill, "THE JOURNAL FAILS") == 1


def test_watchdog_that_is_closed_waits_for_its_rounds(drill: Drill) -> None:
    proven(drill)
    alpha = session(drill, "alpha")
    alpha.hangs = 1
    drill.latch.set("anna", "drill", NOW)
    drill.run(lambda: len(alpha.stated_ms) == 2)
    closing = threading.Thread(target=drill.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    alpha.freed.set()
    closing.join()
    assert drill.venues.statement("alpha").working == ()


def test_rounds_that_find_nothing_new_are_not_written_down(drill: Drill) -> None:
    drill.latch.set("anna", "drill", NOW)
    drill.run(drill.quiet)
    pass_by(drill, 3_500)
    assert len(session(drill, "alpha").swept_ms) > 2
    drill.close()
    kinds = [f.kind for f in read_frames(drill.latch.folder.parent / "again.journal")]
    assert kinds == ["header", "seen", "round", "round", "confirmed", "seal"]
