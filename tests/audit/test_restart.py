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
from tidegate.audit import verify
from tidegate.engine.cycle import Cycle, World
from tidegate.engine.restart import MANDATE_CHANGED, resume, resume_file
from tidegate.execution.desk import Desk
from tidegate.journal.frames import Frame
from tidegate.journal.reader import read_frames
from tidegate.journal.writer import Journal, partial_path
from tidegate.model.errors import InputError
from tidegate.model.mandate import Mandate
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


def reborn(
    dead: Room,
    journal: Journal,
    folder: Path,
    mandate: Mandate = BOLD,
    changed_by: str = "",
) -> Room:
    """A new process over the same venues, from what the journal has, under another mandate if it is
    said who changed it."""
    written = Journal.in_memory({"book": "test", "checks": check_names()})
    path = folder / "cut.journal"
    path.write_bytes(journal.content())
    frames = list(read_frames(path, sealed=False))
    for frame in frames[1:]:
        written.append(frame.kind, msgspec.Raw(frame.payload))
    said = mandate.version if changed_by else None
    resumed = resume(frames, written, dead.exchange.now_ms, said, changed_by)
    terms = (mandate.limits, desk.INSTRUMENTS)
    hands = Desk(dead.venues, resumed.record, terms, past=resumed.past)
    world = World(TapeFeed(dead.tape), dead.venues, dead.gate, resumed.record, hands)
    start = dead.tape.start_ms
    cycle = Cycle(world, lambda _: desk.terms(mandate), FixedOutlook(), start)
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


WILD = msgspec.structs.replace(
    BOLD, limits=msgspec.structs.replace(BOLD.limits, gross_leverage=15.0, naked_usd=500_000.0)
)
LIMITS = "limits held at every decision"


@pytest.mark.parametrize("named", [False, True])
def test_run_that_goes_on_under_another_mandate_passes_only_where_a_change_names_it(
    named: bool, tmp_path: Path
) -> None:
    journal = Journal.in_memory({"book": "test", "checks": check_names()})
    dead = stormy(steps=1, journal=journal)
    built = reborn(dead, journal, tmp_path, WILD, "the owner" if named else "")
    built.play(STEPS)
    content = finished(built)
    told = [f.value() for f in frames_of(tmp_path, content) if f.kind == MANDATE_CHANGED]
    assert [(t["mandate"], t["who"]) for t in told] == [(WILD.version, "the owner")] * named
    cited = {f.value()["mandate"] for f in frames_of(tmp_path, content) if f.kind == "approved"}
    assert cited == {BOLD.version, WILD.version}
    failed = [check.name for check in verify(content) if not check.passed]
    found = replayed(tmp_path, content, resolves=False).difference
    if named:
        assert (failed, found) == ([], None)
    else:
        assert failed == [LIMITS]
        assert found is not None
        assert (found.kind, found.field) == ("terms", "terms.mandate")


@pytest.mark.parametrize("kinds", [("header",), ("terms",), ("approved",)])
def test_journal_is_resumed_under_its_own_mandate_and_under_no_other(
    kinds: tuple[str, ...], tmp_path: Path
) -> None:
    """Whichever of its frames names it; refused, it is as it was."""
    source = Journal.in_memory({"book": "test", "checks": check_names()})
    stormy(steps=1, journal=source)
    (tmp_path / "source").write_bytes(source.content())
    _, *frames = read_frames(tmp_path / "source", sealed=False)
    path, law = tmp_path / "a.journal", {"mandate": BOLD.version} if "header" in kinds else {}
    journal = Journal.create(path, {"book": "test", **law}, durable=False)
    for frame in frames:
        if frame.kind in {"book", *kinds}:
            journal.append(frame.kind, msgspec.Raw(frame.payload))
    journal.close()
    before = partial_path(path).read_bytes()
    with pytest.raises(InputError, match=f"expected {BOLD.version}, .*not {WILD.version}"):
        resume_file(path, desk.NOW_MS, WILD.version)
    assert partial_path(path).read_bytes() == before
    resumed = resume_file(path, desk.NOW_MS, BOLD.version)
    assert resumed.mandate == BOLD.version
    resumed.record.journal.close()  # type: ignore[attr-defined]
    changed = resume_file(path, desk.NOW_MS, WILD.version, "the owner")
    changed.record.journal.close()  # type: ignore[attr-defined]
    again = resume_file(path, desk.NOW_MS, WILD.version)
    assert again.mandate == WILD.version
    again.record.journal.close()  # type: ignore[attr-defined]
