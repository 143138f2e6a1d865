# SPDX-License-Identifier: Apache-2.0
"""Golden runs: short runs of engine, desk and ledger whose every frame is kept and compared.

`PYTHONPATH=src python -m tests.regressions.golden_runs [--only NAME,NAME]` writes them anew; when
one may is said in docs/testing.md.
"""

from __future__ import annotations

import argparse
import lzma
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tests.audit.replayable import finished, stormy
from tests.engine.room import Room
from tests.regressions.golden_answers import Answers
from tests.regressions.golden_files import FILES
from tests.regressions.golden_kill import KILL
from tests.regressions.golden_offline import OFFLINE as RULES
from tests.regressions.golden_plans import PLANS
from tests.regressions.golden_scripts import STORMS
from tests.regressions.golden_stage import Setup, Stage
from tests.regressions.golden_troubles import TROUBLES
from tidegate.audit.difference import Differs, other_payload
from tidegate.engine.cycle import Tools
from tidegate.journal.frames import Frame
from tidegate.journal.reader import read_frames, whole
from tidegate.journal.writer import Journal, encode_payload
from tidegate.risk.limits import check_names

FOLDER = Path(__file__).parent / "golden"
SETUPS = {**STORMS, **TROUBLES, **PLANS, KILL.name: KILL}
OFFLINE = {**RULES, **FILES}
BACKTEST = "backtest"
COMMAND = "python -m tests.regressions.golden_runs"
# The same bytes on every machine: no check sum or preset that a version of the library chooses.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9}]


class Line(msgspec.Struct, frozen=True):
    """One thing that is compared: where it stands among what, its kind, and its content."""

    sequence: int
    kind: str
    payload: bytes


class Kept(msgspec.Struct, frozen=True):
    """What a golden file holds beside the journal: what was told, the exchange's log and what it
    stated last, and the questions with their answers."""

    seed: int
    told: list[tuple[str, Any]]
    log: list[tuple[str, Any]]
    asked: list[dict[str, Any]]


@dataclass(frozen=True)
class Played:
    """A run that is over, or ended by `error`: its journal's bytes and what is kept beside."""

    journal: bytes
    kept: Kept
    error: str = ""


def names() -> list[str]:
    """All golden runs in order."""
    return [*SETUPS, BACKTEST, *OFFLINE]


def play(name: str, golden: Kept | None) -> Played:
    """Play a run; with what a golden one kept nobody is asked to solve."""
    if name == BACKTEST:
        return _backtest(Answers(Tools(), None if golden is None else golden.asked))
    if name in OFFLINE:
        told: list[tuple[str, object]] = []
        return _guarded(lambda: OFFLINE[name](told), lambda: (b"", Kept(0, _plain(told), [], [])))
    setup = SETUPS[name]
    stage = Stage(setup, None if golden is None else golden.asked)
    return _guarded(stage.play, lambda: (bytes(stage.disk.durable), _kept(setup, stage)))


def _backtest(answers: Answers) -> Played:
    """A storm in which nothing is lost on the wire and time stands still within a step."""
    tools = Tools(answers.allocate, answers.relieve)
    journal = Journal.in_memory({"book": "backtest", "checks": check_names()})
    found: list[Room] = []

    def run() -> None:
        found.append(stormy(tools, journal=journal))
        finished(found[0])

    def kept() -> tuple[bytes, Kept]:
        events = found[0].record.events if found else []
        return journal.content(), Kept(1, [], _plain([("event", e) for e in events]), answers.kept)

    return _guarded(run, kept)


def _guarded(run: Callable[[], None], found: Callable[[], tuple[bytes, Kept]]) -> Played:
    error = ""
    try:
        run()
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    return Played(*found(), error)


def _plain(said: list[tuple[str, object]]) -> list[tuple[str, Any]]:
    return [(what, msgspec.json.decode(encode_payload(value))) for what, value in said]


def _kept(setup: Setup, stage: Stage) -> Kept:
    server = stage.server
    log: list[tuple[str, object]] = [("line", entry) for entry in server.history]
    log += [("statement", server.statement(venue)) for venue in server.venues]
    return Kept(setup.seed, _plain(stage.told), _plain(log), stage.answers.kept)


def lines_of(played: Played) -> dict[str, list[Line]]:
    """All that is compared, in the order in which it is."""
    kept = played.kept
    return {
        "frame": [Line(f.sequence, f.kind, f.payload) for f in frames_of(played.journal)],
        "word": _numbered(kept.told),
        "log line": _numbered(kept.log),
    }


def frames_of(journal: bytes) -> list[Frame]:
    """The frames of a journal's bytes, sealed or not, without a torn tail."""
    if not journal:
        return []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        path.write_bytes(whole(journal))
        return list(read_frames(path, sealed=False))


def _numbered(said: list[tuple[str, Any]]) -> list[Line]:
    return [Line(n, what, encode_payload(value)) for n, (what, value) in enumerate(said)]


def difference(name: str, golden: Played, now: Played) -> str:
    """The first difference of a run from its golden one in one line; empty where there is none."""
    both = lines_of(golden), lines_of(now)
    found = next((w for part in both[0] if (w := _first(part, both[0][part], both[1][part]))), "")
    if now.error:
        found = f"{found or 'at its end'}; it ended by {now.error}".replace("\n", " ")
    again = f"{COMMAND} --show {name}"
    return f"golden run {name} (seed {golden.kept.seed}): {found} (again: {again})" if found else ""


def _first(part: str, golden: list[Line], now: list[Line]) -> str:
    for one, other in zip(golden, now, strict=False):
        if one.kind != other.kind:
            return f"{part} {one.sequence}: golden {one.kind}, now {other.kind}"
        if one.payload != other.payload:
            found = _where(one, other)
            return f"{part} {one.sequence} ({one.kind}), field {found}"
    if len(golden) == len(now):
        return ""
    count = min(len(golden), len(now))
    kinds = [lines[count].kind if len(lines) > count else "nothing" for lines in (golden, now)]
    return f"{part} {count}: golden {kinds[0]}, now {kinds[1]}"


def _where(one: Line, other: Line) -> str:
    found: Differs = other_payload(one, other.payload)  # type: ignore[arg-type]
    place = found.difference
    return f"{place.field}: golden {place.stated}, now {place.derived}"


def paths(name: str) -> tuple[Path, Path]:
    """Where a run's journal and what is kept beside it stand."""
    return FOLDER / f"{name}.journal.xz", FOLDER / f"{name}.json.xz"


def read(name: str) -> Played:
    """A golden run from its files."""
    journal, beside = paths(name)
    kept = msgspec.json.decode(lzma.decompress(beside.read_bytes()), type=Kept)
    return Played(lzma.decompress(journal.read_bytes()) if journal.exists() else b"", kept)


def write(name: str, played: Played) -> None:
    """Write a run's golden files; raises `RuntimeError` where it did not come to its end."""
    if played.error:
        raise RuntimeError(f"{name}: {played.error}")
    FOLDER.mkdir(exist_ok=True)
    contents = played.journal, encode_payload(played.kept)
    for path, content in zip(paths(name), contents, strict=True):
        if content:
            path.write_bytes(lzma.compress(content, check=lzma.CHECK_CRC32, filters=FILTERS))


def main() -> None:
    """Write golden files anew, or show how one differs."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--only", default="", help="names of runs, with commas between")
    parser.add_argument("--show", default="", help="a run to compare and not to write")
    options = parser.parse_args()
    if options.show:
        golden = read(options.show)
        said = difference(options.show, golden, play(options.show, golden.kept))
        print(said or f"golden run {options.show}: equal")
        return
    wanted = options.only.split(",") if options.only else names()
    if unknown := set(wanted) - set(names()):
        raise SystemExit(f"--only: expected {', '.join(names())}, not {', '.join(sorted(unknown))}")
    for name in wanted:
        write(name, play(name, None))
        size = sum(path.stat().st_size for path in paths(name) if path.exists())
        print(f"{name}: {size:,} bytes")


if __name__ == "__main__":
    main()
