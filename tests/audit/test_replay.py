# SPDX-License-Identifier: Apache-2.0
"""Replay: an honest journal is equal to the byte, and whatever was changed is found where it is."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.audit.replayable import (
    BOLD,
    FUNDS,
    GOLDEN,
    Payload,
    changing,
    finished,
    forged,
    frames_of,
    places,
    replayed,
    stormy,
)
from tests.conftest import REPOSITORY
from tests.engine.room import room
from tests.risk.desk import ALPHA_BTC
from tests.risk.floor import track
from tidegate.allocation.bands import Band
from tidegate.allocation.deleveraging import Threat, relieve
from tidegate.allocation.programme import allocate
from tidegate.allocation.question import Answer, Question
from tidegate.allocation.solve import SolveError
from tidegate.audit import verify
from tidegate.audit.replay import SENT, replay
from tidegate.cli import main
from tidegate.engine import cycle as engine
from tidegate.engine import inquiry
from tidegate.engine.cycle import Tools
from tidegate.journal.frames import Frame
from tidegate.journal.writer import Journal
from tidegate.model.errors import InputError
from tidegate.risk import gate
from tidegate.risk.limits import Breach

DERIVED = ("decision", "approved", "submitted", "sent", "result")
CHANGES = 60
# When the desk sent is not derived: it depends on when the venues answered.
WHEN = ("ts_ms",)


@pytest.fixture(scope="module")
def honest() -> bytes:
    return finished(stormy())


@pytest.fixture(scope="module")
def frames(honest: bytes, tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    return frames_of(tmp_path_factory.mktemp("honest"), honest)


def test_run_through_a_storm_is_replayed_equal_to_the_byte(
    honest: bytes, frames: list[Frame], tmp_path: Path
) -> None:
    found = replayed(tmp_path, honest)
    assert found.difference is None
    assert found.head == frames[-1].digest.hex()
    assert found.frames == len(frames)
    assert found.resolved == {"identical": found.solves}
    assert found.solves == len(places(frames, "solved")) == 3
    said = [frames[place].value() for place in places(frames, "decision")]
    assert {str(p["action"]) for p in said} >= {"review", "reduce", "hold"}
    assert {str(p["trigger"]) for p in said} == {"grid", "margin"}
    assert places(frames, "sent")


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in steps:
        if isinstance(item, dict | list):
            yield from leaves(item, (*path, key))
        else:
            yield (*path, key)


@pytest.mark.parametrize("kind", DERIVED)
def test_any_value_changed_in_what_the_engine_wrote_is_found_at_its_frame(
    kind: str, frames: list[Frame], tmp_path: Path
) -> None:
    """Journals that agree with themselves: all hashes are made anew."""
    draw = Random(kind)
    for _ in range(CHANGES // len(DERIVED)):
        place = draw.choice(places(frames, kind))
        paths = [path for path in leaves(frames[place].value()) if kind not in SENT or path != WHEN]
        path = draw.choice(paths)
        found = replayed(tmp_path, forged(frames, place, changing(path)), resolves=False)
        assert found.difference is not None, path
        assert (found.difference.frame, found.difference.kind) == (place, kind), path
        assert str(path[0]) in found.difference.field


def test_any_posting_changed_is_found_at_its_frame(frames: list[Frame], tmp_path: Path) -> None:
    draw = Random(1)
    for place in draw.sample(places(frames, "events"), 12):
        path = draw.choice(list(leaves(frames[place].value()["postings"], ("postings",))))
        found = replayed(tmp_path, forged(frames, place, changing(path)), resolves=False)
        assert found.difference is not None
        assert found.difference.frame == place
        assert found.difference.field.startswith("postings")


def test_forged_journal_passes_the_verifier_that_cannot_know_better(
    frames: list[Frame], tmp_path: Path
) -> None:
    """What replay is for: the chain is whole, and the decision another than its inputs gave."""
    place = places(frames, "decision")[2]
    content = forged(frames, place, changing(("action",), lambda _: "hold"))
    path = tmp_path / "forged"
    path.write_bytes(content)
    assert all(check.passed for check in verify(str(path)))
    found = replay(path).difference
    assert found is not None
    assert (found.frame, found.field, found.stated, found.derived) == (
        place,
        "action",
        "hold",
        "reduce",
    )


def times(factor: float, *path: Any) -> Callable[..., None]:
    return changing(path, lambda value: type(value)(value * factor))


INPUTS = {
    "price": ("observed", 2, times(1.01, "ticks", 0), "observed", "snapshot"),
    "peak": ("observed", 2, times(0.5, "peak_micro"), "observed", "peak_micro"),
    "other time": ("observed", 2, changing(("ts_ms",), lambda ts: ts + 1), "observed", "ts_ms"),
    "fill": ("events", 6, times(0.9, "events", 0, "lots"), "events", "postings"),
    "target": ("solved", 0, times(0.9, "answer", "target", "of", 0), "solved", "answer.target"),
    "objective": ("solved", 1, times(1.01, "answer", "objective"), "solved", "answer.objective"),
    "failure": (
        "solved",
        1,
        lambda p: (p.pop("answer"), p.update(failure="HiGHS: planted")),
        "solved",
        "failure",
    ),
}


@pytest.mark.parametrize("name", INPUTS)
def test_input_changed_alone_is_found_at_its_frame(
    name: str, frames: list[Frame], tmp_path: Path
) -> None:
    kind, count, change, found_in, field = INPUTS[name]
    place = places(frames, kind)[count]
    found = replayed(tmp_path, forged(frames, place, change)).difference
    assert found is not None
    assert (found.frame, found.kind) == (place, found_in)
    assert found.field.startswith(field)


def test_limit_changed_in_the_terms_is_found_at_the_first_decision_under_it(
    frames: list[Frame], tmp_path: Path
) -> None:
    """Terms are an input; what was decided under them cites the version of the mandate."""

    def halve(payload: Payload) -> None:
        tables = dict(payload["terms"]["mandate"]["of"]["of"])
        limits = tables["limits"]["of"]
        next(row for row in limits if row[0] == "gross_leverage")[1] /= 2

    content = forged(frames, places(frames, "terms")[0], halve)
    found = replayed(tmp_path, content, resolves=False).difference
    assert found is not None
    assert found.frame <= places(frames, "approved")[0]


def test_decision_left_out_is_found_by_its_number(frames: list[Frame], tmp_path: Path) -> None:
    """A hold on the grid, with all that it saw, taken out of the journal without a trace."""
    gone = places(frames, "decision")[1]
    kept = [f for f in frames if f.sequence not in (gone, gone - 1)]
    place = next(f.sequence for f in kept if f.kind == "decision" and f.sequence > gone)
    found = replayed(tmp_path, forged(kept, -1, lambda _: None)).difference
    assert found is not None
    assert found.frame <= place - 2


def test_decision_that_nothing_called_for_is_found(frames: list[Frame], tmp_path: Path) -> None:
    """A hold moved off the grid, by a quarter of an hour."""
    place = places(frames, "observed")[-1]
    later = changing(("ts_ms",), lambda ts: ts + 900_000)
    found = replayed(tmp_path, forged(frames, place, later)).difference
    assert found is not None
    assert (found.frame, found.field) == (place, "ts_ms")


def test_peak_seen_between_two_decisions_is_replayed_and_a_lower_one_is_found(
    tmp_path: Path,
) -> None:
    """One leg is worth a hundredth more at a look a quarter of an hour before the grid's time."""
    built = room(mandate=BOLD, funds=FUNDS)
    built.tape.tracks[ALPHA_BTC] = track(ALPHA_BTC, [1.0, 1.0, 1.01] + [1.0] * 13)  # type: ignore[index]
    built.play(8)
    content = finished(built)
    frames = frames_of(tmp_path, content)
    seen = [frames[place].value() for place in places(frames, "observed")]
    held = [frames[place].value()["equity_micro"] for place in places(frames, "decision")]
    assert seen[2]["peak_micro"] > max(held) == seen[1]["peak_micro"]
    assert replayed(tmp_path, content).difference is None
    lower = changing(("peak_micro",), lambda _: max(held))
    for place, change in ((2, times(0.9, "peak_micro")), (3, lower)):
        number = places(frames, "observed")[place]
        found = replayed(tmp_path, forged(frames, number, change)).difference
        assert found is not None
        assert (found.frame, found.field) == (number, "peak_micro")


def test_peak_raised_where_nobody_looked_between_is_found(tmp_path: Path) -> None:
    purpose = msgspec.structs.replace(BOLD.mandate, watch_interval_s=1800)
    content = finished(stormy(mandate=msgspec.structs.replace(BOLD, mandate=purpose)))
    frames = frames_of(tmp_path, content)
    place = places(frames, "observed")[2]
    found = replayed(tmp_path, forged(frames, place, times(1.1, "peak_micro"))).difference
    assert found is not None
    assert (found.frame, found.field) == (place, "peak_micro")


def failing(question: Question, threat: Threat | None = None) -> Answer:
    raise SolveError("planted")


def enlarging(question: Question, threat: Threat) -> Answer:
    answer = relieve(question, threat)
    return replace(answer, target=1.5 * question.legs.held, transfer=np.zeros_like(answer.transfer))


def timid(question: Question) -> Answer:
    """As proved as the best answer says it is, and two thirds of its size."""
    answer = allocate(question)
    return replace(answer, target=answer.target * 2 / 3)


@pytest.mark.parametrize(
    ("tools", "field"),
    [
        (Tools(relieve=failing), "failure"),
        (Tools(relieve=enlarging), "answer.target"),
        (Tools(allocate=timid), "answer.target"),
    ],
    ids=["failing", "enlarging", "timid"],
)
def test_solver_that_answered_otherwise_replays_and_is_found_by_solving_again(
    tools: Tools, field: str, tmp_path: Path
) -> None:
    """Refused plans, ladders and smaller books follow from the answers; the answers do not hold."""
    content = finished(stormy(tools))
    taken = replayed(tmp_path, content, resolves=False)
    assert taken.difference is None
    assert taken.resolved == {}
    found = replayed(tmp_path, content).difference
    assert found is not None
    assert (found.kind, found.field) == ("solved", field)


def test_run_that_may_not_cut_says_so_and_is_replayed_equal(tmp_path: Path) -> None:
    content = finished(stormy(Tools(reduces=False)))
    assert replayed(tmp_path, content).difference is None
    frames = frames_of(tmp_path, content)
    allowed = forged(frames, places(frames, "terms")[0], changing(("reduces",)))
    assert replayed(tmp_path, allowed).difference is not None


REFUSAL = [Breach("planted", "alpha", "by the test")]
OTHERWISE = {
    "band": (Tools(), engine, "proportional_band", lambda *_: Band(0.0, 0.0, 0.0)),
    "ladder": (Tools(relieve=enlarging), engine, "LADDER_CUT", 0.31),
    "gate": (Tools(), gate, "findings", lambda *_: {"quotes_are_fresh": REFUSAL}),
    "expiry": (Tools(), gate, "APPROVAL_LIFE_MS", 61_000),
    "question": (Tools(), inquiry, "GROWTH_MARGIN", 1.1),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_engine_that_decides_otherwise_is_found(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same journal under other code: no band, a steeper ladder, a gate that refuses; that the
    solver would be asked another question shows only where it is asked."""
    tools, room, attribute, planted = OTHERWISE[name]
    content = finished(stormy(tools))
    assert replayed(tmp_path, content, resolves=False).difference is None
    monkeypatch.setattr(room, attribute, planted)
    asked = name == "question"
    assert replayed(tmp_path, content, resolves=asked).difference is not None
    assert (replayed(tmp_path, content, resolves=False).difference is None) == asked


def test_golden_journal_is_replayed_equal() -> None:
    """Of inputs version 1, and equal for as long as that stands. A decision rule that is changed on
    purpose changes it: write it anew with `python -m tests.audit.replayable`, and say in the
    changelog that older journals replay with the release that wrote them."""
    found = replay(GOLDEN)
    assert found.difference is None
    assert found.decisions == 7
    assert GOLDEN.stat().st_size < 100_000


def test_same_run_under_another_hash_seed_has_the_same_head() -> None:
    words = "from tests.audit.replayable import *; print(stormy().record.journal.head)"
    heads = set()
    for seed in ("1", "2"):
        places = os.pathsep.join((str(REPOSITORY / "src"), str(REPOSITORY)))
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": places}
        done = subprocess.run(
            [sys.executable, "-c", words],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        heads.add(done.stdout)
    assert heads == {f"{stormy().record.journal.head}\n"}


def without_inputs() -> bytes:
    journal = Journal.in_memory({"policy": "fixed 2"})
    journal.append("events", {"ts_ms": 1, "events": [], "postings": []})
    journal.seal()
    return journal.content()


def test_journal_without_inputs_is_bad_input_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected decisions with their inputs; .*'fixed 2'"):
        replayed(tmp_path, without_inputs())


def test_inputs_of_another_version_are_bad_input(frames: list[Frame], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="inputs of version 1, not 2"):
        replayed(tmp_path, forged(frames, 1, changing(("inputs",))))


@pytest.mark.parametrize("kind", ["book", "terms", "outlook", "observed", "solved", "events"])
def test_input_that_cannot_be_read_is_a_difference_at_its_frame(
    kind: str, frames: list[Frame], tmp_path: Path
) -> None:
    """Values of types that no engine writes, wherever they stand."""
    place = places(frames, kind)[0]
    field = {"book": "instruments", "observed": "ticks", "solved": "answer", "events": "events"}
    spoil = changing((field.get(kind, kind),), lambda _: {"@": "Popen", "of": ["ls"]})
    found = replayed(tmp_path, forged(frames, place, spoil)).difference
    assert found is not None
    assert found.frame == place


STRANGE = (None, -1, 0, 10**15, 1e308, "", "x", [], {}, [[1]], {"@": "map", "of": []})


@pytest.mark.parametrize("seed", range(4))
def test_journal_with_strange_values_ends_in_an_answer_and_never_in_a_traceback(
    seed: int, frames: list[Frame], tmp_path: Path
) -> None:
    """Any value of any frame replaced by one of another kind or size, all hashes made anew."""
    draw = Random(seed)
    kinds = sorted({frame.kind for frame in frames} - {"header", "seal"})
    for _ in range(15):
        place = draw.choice(places(frames, draw.choice(kinds)))
        path = draw.choice(list(leaves(frames[place].value())))
        path, value = path[: draw.randint(1, len(path))], draw.choice(STRANGE)
        content = forged(frames, place, changing(path, lambda _, value=value: value))
        with contextlib.suppress(InputError), np.errstate(all="ignore"):
            found = replayed(tmp_path, content, resolves=bool(draw.getrandbits(1)))
            assert found.difference is not None or found.head is not None


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["tidegate", "replay", *words])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_command_exits_0_equal_1_different_and_2_where_nothing_can_be_replayed(
    honest: bytes,
    frames: list[Frame],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = places(frames, "decision")[0]
    files = {
        "equal": honest,
        "other": forged(frames, place, changing(("equity_micro",))),
        "plain": without_inputs(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert run([str(tmp_path / "equal"), "--json"], monkeypatch) == 0
    told = msgspec.json.decode(capsys.readouterr().out)
    assert (told["difference"], told["head"]) == (None, frames[-1].digest.hex())
    assert run([str(tmp_path / "other"), "--no-resolve"], monkeypatch) == 1
    first, journal, derived, *_ = capsys.readouterr().out.splitlines()
    assert first == f"DIFFERENT at frame {place} (decision), field equity_micro"
    assert int(journal.split()[-1]) == int(derived.split()[-1]) + 1
    assert run([str(tmp_path / "plain")], monkeypatch) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
