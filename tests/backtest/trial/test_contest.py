# SPDX-License-Identifier: Apache-2.0
"""A contest is the same on every run, says beforehand what it is, and is fair to everybody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from tests.backtest.trial.contests import BOOK, CRISIS, SEED, held, made, played, staged, start_ms
from tidegate.backtest import experiment
from tidegate.backtest.experiment import Spec
from tidegate.backtest.trial import contest
from tidegate.backtest.trial.worlds import WORLDS
from tidegate.journal.reader import read_frames
from tidegate.model.errors import InputError
from tidegate.model.events import Deposited
from tidegate.model.times import HOUR_MS
from tidegate.simulation.second_world import SecondParameters
from tidegate.simulation.world import CRISES, WorldParameters

SOURCES = Path(__file__).resolve().parents[3] / "src"
PROGRAM = """
import json
from tidegate.backtest.experiment import Spec, run
from tidegate.backtest.trial import contest
from tidegate.backtest.trial.worlds import WORLDS

contest.WARMUP_DAYS, contest.CALM_DAYS = 25, 1
made = contest.make_contest(WORLDS["first"](), contest.book(), "insolvency", 3)
specs = [Spec(policy, 5.0) for policy in ("tidegate", "threshold")]
heads = {s.policy: run(made.experiment, s, None).journal_head for s in specs}
told = {"digest": made.experiment.market.digest, "pairs": made.pairs, "heads": heads}
print(json.dumps({**told, "placement": made.experiment.placement}))
"""


def test_same_seed_gives_the_same_contest_and_journals_in_every_process() -> None:
    hash_seed = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(SOURCES)}
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, timeout=120
    )
    assert told.returncode == 0
    here: dict[str, object] = {}
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as printed:
        patch.setattr(contest, "WARMUP_DAYS", 25)
        patch.setattr(contest, "CALM_DAYS", 1)
        exec(PROGRAM, here)
    mine = json.loads(printed.getvalue())
    assert json.loads(told.stdout) == mine
    assert len(set(mine["heads"].values())) == 2
    assert mine["digest"] == held("first").experiment.market.digest


def test_other_seed_or_crisis_gives_another_contest() -> None:
    digests = {
        staged(made("first", crisis, seed), crisis, seed).experiment.market.digest
        for crisis, seed in ((CRISIS, SEED), ("crash", SEED), (CRISIS, SEED + 1))
    }
    assert len(digests) == 3


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sealed journal of a run in a world that has a name."""
    path = tmp_path_factory.mktemp("contest") / "run.journal"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contest, "WARMUP_DAYS", 25)
        patch.setattr(contest, "CALM_DAYS", 1)
        held = contest.make_contest(WORLDS["second"](), BOOK, "freeze", SEED)
    experiment.run(held.experiment, Spec("threshold", 5.0), path)
    return path


def test_journal_states_world_parameters_and_crisis_before_any_event(journal: Path) -> None:
    frames = list(read_frames(journal))
    kinds = [frame.kind for frame in frames]
    assert kinds[0] == "header"
    assert "events" in kinds[1:]
    header = frames[0].value()
    assert header["world"] == "second"
    assert header["world_parameters"] == SecondParameters().digest()
    assert header["crisis"] == "freeze"
    assert header["seed"] == SEED
    assert header["mandate"] == BOOK.version
    data = made("second", "freeze").digest()
    assert header["data"] == data


def test_worlds_state_the_digest_of_all_their_parameters() -> None:
    assert {name: make().digest for name, make in WORLDS.items()} == {
        "first": WorldParameters().digest(),
        "second": SecondParameters().digest(),
    }
    assert all(make().name == name for name, make in WORLDS.items())


@pytest.mark.parametrize("world", sorted(WORLDS))
def test_placement_gives_out_all_capital_where_pairs_stand(world: str) -> None:
    contest = held(world)
    placement = contest.experiment.placement
    assert placement is not None
    assert sum(placement.values()) == pytest.approx(1.0, abs=1e-12)
    legs = [name.split(":")[0] for pair in contest.pairs for name in pair]
    assert placement == {venue: legs.count(venue) / len(legs) for venue in BOOK.venue}


@pytest.mark.parametrize("policy", ["tidegate", "fixed", "per-venue"])
def test_every_policy_starts_with_the_same_money_in_the_same_places(policy: str) -> None:
    contest = held("first")
    session, _ = played(contest, Spec(policy), start_ms(made("first")))
    paid = [event for event in session.record.events if isinstance(event, Deposited)]
    assert sum(event.quanta for event in paid) == int(BOOK.capital_usd) * 10**6
    placement = contest.experiment.placement
    assert placement is not None
    for event in paid:
        assert event.quanta == pytest.approx(placement[event.venue] * 1e11, abs=1)


def test_pairs_hold_every_coin_once_on_two_venues() -> None:
    pairs = held("first").pairs
    assert sorted(long.split(":")[1] for long, _ in pairs) == sorted(BOOK.coins)
    for long, short in pairs:
        assert long.split(":")[1] == short.split(":")[1]
        assert long != short


def test_foresight_alone_is_told_when_the_crisis_comes() -> None:
    contest, paths = held("first"), made("first")
    assert paths.crisis_start_ms is not None
    start = paths.crisis_start_ms
    assert contest.crisis_start_ms == start
    end = min(start + 6 * HOUR_MS, contest.experiment.tape.end_ms)
    assert contest.experiment.crisis_ms == (start, end)
    calm = staged(made("first", "calm"), "calm")
    assert calm.crisis_start_ms is calm.experiment.crisis_ms is None


@pytest.mark.parametrize("crisis", ["", "Crash", "meteor"])
@pytest.mark.parametrize("world", sorted(WORLDS))
def test_unknown_crisis_is_refused_in_one_line(world: str, crisis: str) -> None:
    with pytest.raises(InputError, match="expected one of calm, crash") as caught:
        contest.make_contest(WORLDS[world](), BOOK, crisis, SEED)
    assert "\n" not in str(caught.value)
    assert all(name in str(caught.value) for name in CRISES)
