# SPDX-License-Identifier: Apache-2.0
"""A run that dies and starts again: the ledger is its venues', and its journal replays equal."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.audit.replayable import BOLD, FUNDS, STEPS, finished, frames_of, replayed, stormy
from tests.engine.room import FixedOutlook, Room, TapeFeed, room
from tests.risk import desk
from tests.risk.floor import STEP_MS
from tidegate.engine.cycle import Cycle, World
from tidegate.engine.restart import resume
from tidegate.execution.desk import Desk
from tidegate.journal.frames import Frame
from tidegate.journal.reader import read_frames
from tidegate.journal.writer import Journal
from tidegate.risk.limits import check_names

# Frames that a run writes because of what it does itself; the tape's own events come anyhow.
DEEDS = "terms outlook observed solved decision approved submitted sent replied".split()
EVERY = 9


class Death(BaseException):
    """The process is killed."""


class Mortal:
    """A journal whose writer dies before it writes its nth frame."""

    def __init__(self, journal: Journal, dies_at: int) -> None:
        self.journal, self._left = journal, dies_at

    def append(self, kind: str, payload: object) -> int:
        self._left -= 1
        if self._left == 0:
            raise Death
        return self.journal.append(kind, payload)

    def seal(self) -> str:
        return self.journal.seal()


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    return frames_of(tmp_path_factory.mktemp("honest"), finished(stormy()))


def reborn(dead: Room, journal: Journal, folder: Path) -> Room:
    """A new process over the same venues, from what the journal has."""
    written = Journal.in_memory({"book": "test", "checks": check_names()})
    path = folder / "cut.journal"
    path.write_bytes(journal.content())
    frames = list(read_frames(path, sealed=False))
    for frame in frames[1:]:
        written.append(frame.kind, msgspec.Raw(frame.payload))
    resumed = resume(frames, written, dead.exchange.now_ms)
    terms = (BOLD.limits, desk.INSTRUMENTS)
    hands = Desk(dead.venues, resumed.record, terms, past=resumed.past)
    world = World(TapeFeed(dead.tape), dead.venues, dead.gate, resumed.record, hands)
    start = dead.tape.start_ms
    cycle = Cycle(world, lambda _: desk.terms(BOLD), FixedOutlook(), start)
    cycle.recall(resumed.memory, resumed.quotes)
    return Room(cycle, dead.exchange, resumed.record, dead.tape, hands, dead.gate, dead.venues)


def test_run_that_dies_before_any_deed_is_written_ends_with_its_venues_books_and_replays(
    honest: list[Frame], tmp_path: Path
) -> None:
    places = [frame.sequence for frame in honest if frame.kind in DEEDS]
    for place in places[:: len(places) // EVERY]:
        journal = Journal.in_memory({"book": "test", "checks": check_names()})
        mortal = Mortal(journal, place)
        dead = stormy(steps=0, journal=mortal)
        with pytest.raises(Death):
            dead.play(STEPS)
        built = reborn(dead, journal, tmp_path)
        # The look at which it died comes again.
        while (built.exchange.now_ms - built.tape.start_ms) // STEP_MS < STEPS:
            built.play(1)
        ledger = built.record.ledger
        for venue in ("alpha", "beta"):
            theirs, ours = built.exchange.account(venue), ledger.account(venue)
            assert ours.positions == theirs.positions, place
            assert {a: q for a, q in ours.balances.items() if q} == theirs.balances, place
        assert not built.hands.breaks
        placed = [order.order.id for order in built.hands.books.all_orders()]
        assert len(placed) == len(set(placed))
        found = replayed(tmp_path, finished(built), resolves=False)
        assert found.difference is None, (place, found.difference)


def test_leg_that_a_death_left_alone_is_mended_at_the_next_look(tmp_path: Path) -> None:
    journal = Journal.in_memory({"book": "test", "checks": check_names()})
    flat(Mortal(journal, 10**9)).play(1)
    kinds = [frame.kind for frame in frames_of(tmp_path, sealed(journal))]
    second = [place for place, kind in enumerate(kinds) if kind == "submitted"][1]
    journal = Journal.in_memory({"book": "test", "checks": check_names()})
    dead = flat(Mortal(journal, second))
    with pytest.raises(Death):
        dead.play(1)
    assert dead.lots(desk.ALPHA_BTC) != 0 == dead.lots(desk.BETA_BTC)
    built = reborn(dead, journal, tmp_path)
    built.play(1)
    assert built.lots(desk.ALPHA_BTC) == 0


def flat(journal: Mortal) -> Room:
    return room({"BTC": [1.0] * 8}, mandate=BOLD, steps=8, funds=FUNDS, journal=journal)


def sealed(journal: Journal) -> bytes:
    journal.seal()
    return journal.content()
