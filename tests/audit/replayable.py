# SPDX-License-Identifier: Apache-2.0
"""Short runs of the engine whose journals can be replayed, and journals forged from them.

`python -m tests.audit.replayable` writes the golden journal anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.engine.room import TOOLS, Room, room
from tests.risk import desk
from tidegate.audit.replay import Replayed, replay
from tidegate.engine.cycle import Tools
from tidegate.engine.record_frames import conclude
from tidegate.execution.record import Writes
from tidegate.journal.frames import Frame
from tidegate.journal.reader import read_frames
from tidegate.journal.writer import Journal
from tidegate.model.events import Marked
from tidegate.model.mandate import Mandate
from tidegate.simulation.tape import Freeze

GOLDEN = Path(__file__).parent / "golden" / "storm-1.journal"
# Large for its money, so that a fall of an eighth has it defended between two grid times.
BOLD = msgspec.structs.replace(
    desk.with_limits(gross_leverage=5.0),
    edge=msgspec.structs.replace(desk.MANDATE.edge, payback_days=20.0),
    mandate=msgspec.structs.replace(desk.MANDATE.mandate, decision_interval_s=1800),
)
FUNDS = {"alpha": 60_000.0, "beta": 60_000.0}
STORM = {"BTC": [1.0, 1.0, 1.1, 1.12, 1.02, 0.97] + [1.05] * 10}
STEPS = 12
Payload = dict[str, Any]


def stormy(
    tools: Tools = TOOLS,
    mandate: Mandate = BOLD,
    steps: int = STEPS,
    journal: Writes | None = None,
) -> Room:
    """A book that grows, is cut off the grid, sends money, and meets a freeze and an outage."""
    start = desk.NOW_MS
    frozen = Freeze("alpha", start + 6 * 900_000, start + 9 * 900_000)
    out = Freeze("beta", start + 7 * 900_000, start + 8 * 900_000)
    built = room(STORM, tools, mandate, 16, FUNDS, (frozen,), (out,), journal)
    built.play(steps)
    return built


def finished(built: Room) -> bytes:
    """The journal of a run that is over: marked, concluded and sealed."""
    record, exchange = built.record, built.exchange
    record.take([Marked(exchange.now_ms, exchange.marks())])
    conclude(record, built.cycle.tally)
    record.journal.seal()
    return record.journal.content()  # type: ignore[attr-defined, no-any-return]


def replayed(folder: Path, content: bytes, resolves: bool = True) -> Replayed:
    """What a journal of these bytes comes to."""
    path = folder / "a.journal"
    path.write_bytes(content)
    return replay(path, resolves)


def frames_of(folder: Path, content: bytes) -> list[Frame]:
    """The frames of a journal of these bytes, which are checked."""
    path = folder / "b.journal"
    path.write_bytes(content)
    return list(read_frames(path))


def forged(frames: Sequence[Frame], number: int, change: Callable[[Payload], None]) -> bytes:
    """A journal that agrees with itself, with one frame changed."""
    header = {k: v for k, v in frames[0].value().items() if k not in ("format", "durability")}
    journal = Journal.in_memory(header)
    for frame in frames[1:-1]:
        value = frame.payload
        if frame.sequence == number:
            changed = frame.value()
            change(changed)
            value = msgspec.json.encode(changed)
        journal.append(frame.kind, msgspec.Raw(value))
    journal.seal()
    return journal.content()


def places(frames: list[Frame], kind: str) -> list[int]:
    return [frame.sequence for frame in frames if frame.kind == kind]


def another(value: object) -> object:
    """A value of the same type that is not the same."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value or ''}x"


def changing(path: tuple[Any, ...], to: Callable[[Any], object] = another) -> Callable[..., None]:
    def change(payload: Payload) -> None:
        place: Any = payload
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to(place[path[-1]])

    return change


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_bytes(finished(stormy()))
