# SPDX-License-Identifier: Apache-2.0
"""The search for what kills Tidegate: the smallest fall that liquidates it, by how fast it comes
and what else fails with it.

For each kind of crisis the fall is bisected until it kills in half of the seeds. The cheapest kind
is the one whose fall is smallest; of equal ones the one that needs fewer things to fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from tidegate.backtest.experiment import Spec, run
from tidegate.backtest.trial.contest import book, make_contest
from tidegate.backtest.trial.worlds import first_world
from tidegate.backtest.workers import workers
from tidegate.model.errors import ensure
from tidegate.model.events import LiquidationStarted
from tidegate.simulation.world import WorldParameters
from tidegate.simulation.world.crises import CrisisShape

NAME = "killer"
MILDEST, WORST = 0.02, 0.60
RESOLUTION = 0.01
MINUTES = (1, 5, 15, 60)


class Kind(msgspec.Struct, frozen=True):
    """A kind of crisis: direction (-1 falls), how many minutes it takes, and what else fails at
    the struck venue."""

    direction: int
    minutes: int
    frozen: bool
    out: bool

    @property
    def failures(self) -> int:
        """How many things fail beside the price."""
        return int(self.frozen) + int(self.out)

    def shape(self, move: float) -> CrisisShape:
        """The crisis of this kind with a move of the first coin."""
        return CrisisShape(
            NAME,
            move=self.direction * move,
            minutes=self.minutes,
            freeze_hours=(12.0, 12.0) if self.frozen else (0.0, 0.0),
            premium_8h=0.0015,
            basis_kick=0.007,
            outage_probability=1.0 if self.out else 0.0,
        )


class Finding(msgspec.Struct, frozen=True):
    """What a kind needs to kill: the least move of the first coin that kills in half of the seeds
    (None: not even the worst tried), the venues that went first, and how many runs it took."""

    kind: Kind
    move: float | None
    venues: dict[str, int]
    runs: int


def kinds() -> tuple[Kind, ...]:
    """Every kind that is searched."""
    return tuple(
        Kind(direction, minutes, frozen, out)
        for direction in (-1, 1)
        for minutes in MINUTES
        for frozen, out in ((False, False), (True, False), (True, True))
    )


def killed_by(
    kind: Kind, move: float, seed: int, leverage: float, fitted: WorldParameters | None = None
) -> str | None:
    """The venue that first liquidates Tidegate in a crisis of this kind and size; None if none
    does, and where it died before the crisis, which then did not kill it."""
    contest = make_contest(first_world(kind.shape(move), fitted=fitted), book(), NAME, seed)
    events = run(contest.experiment, Spec("tidegate", leverage), None).events
    first = next((e for e in events if isinstance(e, LiquidationStarted)), None)
    begin = contest.crisis_start_ms
    ensure(begin is not None, "a contest with a killer has a crisis")
    return first.venue if first is not None and first.ts_ms >= (begin or 0) else None


def search(
    kind: Kind, seeds: Sequence[int], leverage: float, fitted: WorldParameters | None = None
) -> Finding:
    """Bisect the move between the mildest and the worst, both tried; more of it is taken to
    kill no less often, which noise may bend a little."""
    venues: dict[str, int] = {}
    runs = 0

    def kills(move: float) -> bool:
        nonlocal runs, venues
        found = [killed_by(kind, move, seed, leverage, fitted) for seed in seeds]
        runs += len(found)
        named = [venue for venue in found if venue is not None]
        if 2 * len(named) < len(seeds):
            return False
        venues = {venue: named.count(venue) for venue in sorted(set(named))}
        return True

    move = _least(kills) if kills(WORST) else None
    return Finding(kind, move, venues if move is not None else {}, runs)


def _least(kills: Callable[[float], bool]) -> float:
    if kills(MILDEST):
        return MILDEST
    good, bad = MILDEST, WORST
    while bad - good > RESOLUTION:
        middle = (good + bad) / 2
        if kills(middle):
            bad = middle
        else:
            good = middle
    return round(bad, 4)


def search_all(
    seeds: Sequence[int],
    leverage: float,
    processes: int,
    fitted: WorldParameters | None = None,
) -> Iterator[Finding]:
    """Every kind, on processes, each as soon as it is found."""
    with workers(processes) as submit:
        futures = [submit(search, kind, tuple(seeds), leverage, fitted) for kind in kinds()]
        for future in futures:
            yield future.result()


def cheapest(findings: Sequence[Finding]) -> Finding | None:
    """The finding with the smallest move, and of equal ones with the fewest failures."""
    found = [f for f in findings if f.move is not None]
    return min(found, key=lambda f: (f.move or 0.0, f.kind.failures), default=None)
