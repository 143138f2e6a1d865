# SPDX-License-Identifier: Apache-2.0
"""A bound, not a rule: how well a fixed book could have got through if it were told the crisis."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import mean, median

from tidegate.backtest.policies.pairs import Pairs
from tidegate.backtest.policies.plain import FixedPolicy
from tidegate.backtest.run import Session
from tidegate.model.instruments import InstrumentId
from tidegate.simulation.tape import Tape, Track

# Times, UTC milliseconds, from the first of which the book is to be flat until the second; equal
# ones are no absence.
Absence = tuple[int, int]
# Spreads up to this many times their median before the crisis, and depth down to one part in as
# many, are normal.
NORMAL = 1.5


class ForesightPolicy(FixedPolicy):
    """Fixed leverage, flat from one step before an absence begins until it ends.

    The absence is chosen with hindsight: `absences` names all that are thought of, every one is
    played on the same market from the same start, and of those that end without a liquidation the
    one with the most equity is taken (of all, where none does). So no fixed book of these pairs
    and this leverage that holds through, leaves for good, or leaves and comes back once when
    markets are normal again, lives and ends with more. It is a bound for this family only: a rule
    that leaves in part or at another time, chooses other legs, or moves money may end above it.
    Leaving, one step before the crisis, is paid for out of the calm part's carry. It knows what
    nobody can know, so nothing is compared with it but the distance to it.
    """

    def __init__(
        self, session: Session, pairs: Pairs, leverage: float, flat_ms: int, back_ms: int
    ) -> None:
        super().__init__(session, pairs, leverage)
        self._flat_ms, self._back_ms = flat_ms, back_ms
        self._before_ms = session.exchange.now_ms

    def act(self, ts_ms: int) -> None:
        """Be flat while the crisis is near or on, else act as the fixed rule does."""
        step_ms, self._before_ms = ts_ms - self._before_ms, ts_ms
        leaves = self._flat_ms < self._back_ms
        if leaves and self._flat_ms - step_ms <= ts_ms < self._back_ms:
            self._trader.flatten(self._pairs)
            self._opened, self._trader.opening = {}, True
            return
        super().act(ts_ms)


def absences(tape: Tape, names: Iterable[InstrumentId], crisis_ms: int | None) -> list[Absence]:
    """The absences that a fixed book is tried with: none at all; from the crisis on for good; and
    until the instruments' spreads and depth are normal again, where the tape has such a time."""
    never = (tape.end_ms, tape.end_ms)
    if crisis_ms is None:
        return [never]
    back_ms = normal_again_ms(tape, names, crisis_ms)
    back = [(crisis_ms, back_ms)] if crisis_ms < back_ms < tape.end_ms else []
    return [never, (crisis_ms, tape.end_ms), *back]


def normal_again_ms(tape: Tape, names: Iterable[InstrumentId], crisis_ms: int) -> int:
    """When the last step ends in which spreads are wide or depth is thin, on the mean over
    instruments and against their medians before the crisis; the crisis' begin if none is."""
    strains = [_strains(tape.tracks[name], tape.step_at(crisis_ms)) for name in names]
    for step in range(tape.steps - 1, tape.step_at(crisis_ms) - 1, -1):
        if max(mean(s[kind][step] for s in strains) for kind in (0, 1)) > NORMAL:
            return tape.start_ms + (step + 1) * tape.step_ms
    return crisis_ms


def _strains(track: Track, calm_steps: int) -> tuple[list[float], list[float]]:
    """By step, how many times wider the spread is than in the calm, and how many times thinner
    the depth; a spread that the tape does not state is taken as the same throughout."""
    spreads = track.half_spread or [1.0] * len(track.open)
    calm = slice(max(1, calm_steps))
    wide, deep = median(spreads[calm]), median(track.volume_day_usd[calm])
    return [s / wide for s in spreads], [deep / d for d in track.volume_day_usd]
