# SPDX-License-Identifier: Apache-2.0
"""From what a policy holds no way leads to the world's parameters, its paths or the contest."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from functools import partial
from types import FunctionType, ModuleType

import pytest

from tests.backtest.trial.contests import held, made, played, start_ms
from tidegate.backtest.experiment import PLAIN, Experiment, Spec
from tidegate.backtest.policies import EnginePolicy
from tidegate.backtest.trial.contest import Contest
from tidegate.engine.cycle import Cycle
from tidegate.simulation.second_world import SecondParameters
from tidegate.simulation.tape import Tape
from tidegate.simulation.world import WorldParameters
from tidegate.venues.paper import PaperVenues
from tidegate.venues.replay import ReplayFeed

WORLDS = ("tidegate.simulation.world.", "tidegate.simulation.second_world.")
POLICIES = ("tidegate", "cash", *PLAIN)
# What leads nowhere, or to the whole program.
LEAVES = (int, float, str, bytes, type(None), type, ModuleType)
MOST = 3_000_000


def held_by(root: object) -> Iterable[object]:
    """Everything that can be reached from an object by attributes, items, bound arguments and
    closures; what a module holds is not an object's own."""
    seen, waiting = {id(root)}, [root]
    while waiting:
        thing = waiting.pop()
        yield thing
        for part in parts(thing):
            if id(part) not in seen and not isinstance(part, LEAVES):
                seen.add(id(part))
                waiting.append(part)
        assert len(seen) < MOST, "expected a smaller policy"


def parts(thing: object) -> Iterable[object]:
    if isinstance(thing, FunctionType):
        return (thing.__closure__, thing.__defaults__, thing.__kwdefaults__, thing.__dict__)
    return gc.get_referents(thing)


def of_worlds(things: Iterable[object]) -> set[str]:
    """Kinds of what is a world's, or tells what only who made the contest knows."""
    found = {type(thing) for thing in things}
    outside = {kind for kind in found if kind in (Experiment, Contest)}
    inside = {kind for kind in found if f"{kind.__module__}.".startswith(WORLDS)}
    return {kind.__name__ for kind in outside | inside}


@pytest.mark.parametrize("world", ["first", "second"])
@pytest.mark.parametrize("policy", POLICIES)
def test_policy_reaches_nothing_of_the_world(policy: str, world: str) -> None:
    at_ms = start_ms(made(world)) + 3_600_000
    session, acting = played(held(world), Spec(policy), at_ms)
    things = list(held_by((session, acting)))
    kinds = {type(thing) for thing in things}
    assert {type(session), type(acting), Tape} <= kinds
    assert of_worlds(things) == set()


def test_walk_from_the_engine_meets_its_feed_and_its_venues() -> None:
    _, acting = played(held("first"), Spec("tidegate"), start_ms(made("first")))
    assert isinstance(acting, EnginePolicy)
    kinds = {type(thing) for thing in held_by(acting)}
    assert {Cycle, ReplayFeed, PaperVenues, Tape} <= kinds


def test_contest_itself_tells_who_made_it_no_parameters() -> None:
    assert of_worlds(held_by(held("first").experiment)) == {"Experiment"}


def kept_in_closure(secret: object) -> object:
    return lambda: secret


def kept_as_default(secret: object) -> object:
    def told(answer: object = secret) -> object:
        return answer

    return told


@pytest.mark.parametrize("keep", [kept_in_closure, kept_as_default, partial(partial, print)])
@pytest.mark.parametrize("secret", [WorldParameters(), SecondParameters(), made("first")])
def test_walk_finds_what_a_policy_would_hide(keep: object, secret: object) -> None:
    session, acting = played(held("first"), Spec("fixed"), start_ms(made("first")))
    assert callable(keep)
    hidden = {"pairs": [("a", keep(secret))]}
    session.exchange.hidden = hidden  # type: ignore[attr-defined]
    assert type(secret).__name__ in of_worlds(held_by(acting))
