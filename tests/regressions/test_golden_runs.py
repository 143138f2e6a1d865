# SPDX-License-Identifier: Apache-2.0
"""Golden runs: every frame of engine, desk and ledger is what it was, to the byte."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from tests.regressions.golden_answers import Answers, OtherQuestion, unlike
from tests.regressions.golden_runs import (
    BACKTEST,
    FOLDER,
    SETUPS,
    Played,
    difference,
    frames_of,
    names,
    paths,
    play,
    read,
)
from tidegate.audit import verify
from tidegate.audit.replay import replay

# What a person did on the account without the engine, which a verifier must say.
STRANGE = {
    "doubts": {"orders accounted for"},
    "by-hand": {"orders accounted for"},
    "errands": {"transfers accounted for"},
}
SIZE_MAX = 1_000_000


@pytest.fixture(scope="module")
def golden() -> dict[str, Played]:
    return {name: read(name) for name in names()}


@pytest.mark.parametrize("name", names())
def test_golden_run_is_equal_to_the_byte(name: str, golden: dict[str, Played]) -> None:
    kept = golden[name]
    said = difference(name, kept, play(name, kept.kept))
    assert not said, said


@pytest.mark.parametrize("name", [*SETUPS, BACKTEST])
def test_golden_journal_verifies_and_its_decisions_are_made_again(
    name: str, golden: dict[str, Played], tmp_path: Path
) -> None:
    path = tmp_path / "golden.journal"
    path.write_bytes(golden[name].journal)
    failed = {check.name for check in verify(str(path)) if not check.passed}
    assert failed == STRANGE.get(name, set())
    found = replay(path, resolves=False)
    assert found.difference is None
    assert found.decisions > 0


def test_golden_files_are_those_of_the_runs_and_small() -> None:
    expected = {path for name in names() for path in paths(name)}
    found = set(FOLDER.iterdir())
    journals = {path for path in expected if path.name.endswith(".journal.xz")}
    assert found <= expected
    assert expected - found <= journals
    assert sum(path.stat().st_size for path in found) < SIZE_MAX


@pytest.mark.parametrize("name", ["wire", "kill", "books"])
def test_any_value_that_is_another_is_told_in_one_line_with_its_place(
    name: str, golden: dict[str, Played]
) -> None:
    """A frame's, a word's or a log line's: changed in the golden run, found in the same one."""
    kept, draw = golden[name], Random(name)
    for part in ("told", "log"):
        lines = getattr(kept.kept, part)
        if not lines:
            continue
        place = draw.randrange(len(lines))
        kind, value = lines[place]
        field = draw.choice(sorted(value))
        other = (kind, {**value, field: "another"})
        changed = msgspec.structs.replace(
            kept.kept, **{part: [*lines[:place], other, *lines[place + 1 :]]}
        )
        said = difference(name, Played(kept.journal, changed), kept)
        assert said.startswith(f"golden run {name} (seed {kept.kept.seed}): ")
        assert f" {place} ({kind}), field {field}: golden another, now " in said
        assert "\n" not in said


def test_run_that_ends_sooner_is_told_with_its_frame(golden: dict[str, Played]) -> None:
    kept = golden["unsolved"]
    frames = frames_of(kept.journal)
    cut = kept.journal[: -len(frames[-1].payload)]
    said = difference("unsolved", kept, Played(cut, kept.kept, "OSError: planted"))
    assert f"frame {len(frames) - 1}: golden seal, now nothing" in said
    assert "OSError: planted" in said


def test_question_that_differs_by_more_than_a_processors_last_digits_is_refused(
    golden: dict[str, Played],
) -> None:
    asked = golden["growth"].kept.asked
    tools = Answers(None, asked)  # type: ignore[arg-type]
    first = asked[0]["asked"]
    assert unlike(first, first) == ""
    near, far = (_scaled(first, 1 + change) for change in (1e-12, 1e-6))
    assert tools._remembered(near) == {"answer": asked[0]["answer"]}
    with pytest.raises(OtherQuestion, match=r"question 0, allocate\.edges\.cost_rate\[0\]"):
        tools._remembered(far)


def test_question_that_no_golden_run_asked_is_refused(golden: dict[str, Played]) -> None:
    tools = Answers(None, [])  # type: ignore[arg-type]
    with pytest.raises(OtherQuestion, match="question 0: golden nothing, now allocate"):
        tools._remembered(golden["growth"].kept.asked[0]["asked"])


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, dict):
        return {key: _scaled(part, factor) for key, part in value.items()}
    if isinstance(value, list):
        return [_scaled(part, factor) for part in value]
    return value * factor if isinstance(value, float) else value
