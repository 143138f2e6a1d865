# SPDX-License-Identifier: Apache-2.0
"""Whatever the market and the venues do, no rule leaves a naked leg that it could have ended."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backtest.policies.small_desk import HOUR, INSTRUMENTS, PAIRS, Play, Script, at, session
from tidegate.backtest.policies import (
    DeskPolicy,
    FixedPolicy,
    ForesightPolicy,
    PerVenuePolicy,
    ThresholdPolicy,
)
from tidegate.backtest.run import Policy, Session
from tidegate.simulation.tape import Deleveraging, Freeze

STEPS = 6 * HOUR
VENUES = ("hyper", "bin", "third")
LEGS = tuple(name for pair in PAIRS for name in pair)
EVERY_STEP: dict[str, Callable[[Session, float], Policy]] = {
    "desk": lambda made, leverage: DeskPolicy(made, PAIRS, leverage),
    "per-venue": lambda made, leverage: PerVenuePolicy(made, PAIRS, leverage),
}
HOURLY: dict[str, Callable[[Session, float], Policy]] = {
    "fixed": lambda made, leverage: FixedPolicy(made, PAIRS, leverage),
    "threshold": lambda made, leverage: ThresholdPolicy(made, PAIRS, leverage),
    "foresight": lambda made, leverage: ForesightPolicy(made, PAIRS, leverage, at(30), at(40)),
}


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Rough days: jumps, freezes, outages, and winners deleveraged at any time."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.sampled_from([0.002, 0.01, 0.03]))
    market = rng.normal(0.0, size, STEPS) + (rng.random(STEPS) < 0.02) * rng.normal(0, 0.1, STEPS)
    paths = {
        name: list(np.exp(np.cumsum(market * beta) + rng.normal(0.0, size / 20, STEPS)))
        for name, beta in ((n, 1.0 if i.base == "BTC" else 1.4) for n, i in INSTRUMENTS.items())
    }
    closings = [
        Deleveraging(at(draw(st.integers(2, STEPS - 2))) - 1, name, side, 0.0)
        for name in draw(st.lists(st.sampled_from(LEGS), max_size=3))
        for side in (-1, 1)
    ]
    return Script(
        paths,
        STEPS,
        draw(_pauses()),
        draw(_pauses()),
        tuple(sorted(closings)),
        LEGS if draw(st.booleans()) else (),
    )


def _pauses() -> st.SearchStrategy[tuple[Freeze, ...]]:
    one = st.builds(
        lambda venue, start, steps: Freeze(venue, at(start), at(start + steps)),
        st.sampled_from(VENUES),
        st.integers(1, STEPS - 1),
        st.integers(1, 24),
    )
    return st.lists(one, max_size=2).map(tuple)


def naked_without_cause(played: Play) -> bool:
    excused = played.session.exchange.out_venues() or played.refusals()
    return not excused and not played.hedged()


@pytest.mark.parametrize("name", EVERY_STEP)
@settings(max_examples=25)
@given(script=scripts(), leverage=st.sampled_from([1.5, 3.0, 6.0]))
def test_coins_are_hedged_after_every_act_of_rules_that_look_every_step(
    name: str, script: Script, leverage: float
) -> None:
    made = session(script)
    played = Play(made, EVERY_STEP[name](made, leverage))

    def check() -> None:
        assert not naked_without_cause(played), played.step

    check()
    played.to(STEPS - 1, check)


@pytest.mark.parametrize("name", HOURLY)
@settings(max_examples=15)
@given(script=scripts(), leverage=st.sampled_from([1.5, 3.0, 6.0]))
def test_coins_are_hedged_after_every_hourly_act_of_plain_rules(
    name: str, script: Script, leverage: float
) -> None:
    made = session(script)
    played = Play(made, HOURLY[name](made, leverage))

    def check() -> None:
        if played.step % HOUR == 0:
            assert not naked_without_cause(played), played.step

    check()
    played.to(STEPS - 1, check)


@settings(max_examples=15)
@given(script=scripts())
def test_desk_is_a_function_of_what_it_sees(script: Script) -> None:
    """Two tapes that part only later give the same deeds until they part."""
    later = Script(
        {name: script.path(name)[: STEPS // 2] for name in INSTRUMENTS},
        STEPS,
        script.freezes,
        script.outages,
        tuple(d for d in script.deleveragings if d.ts_ms < at(STEPS // 2)),
        script.queues,
    )
    runs = []
    for tape in (script, later):
        made = session(tape)
        runs.append(Play(made, DeskPolicy(made, PAIRS)).to(STEPS // 2 - 1).events())
    assert runs[0] == runs[1]
