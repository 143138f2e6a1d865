# SPDX-License-Identifier: Apache-2.0
"""The demo's contest: several policies and a frontier of plain books through one crisis."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from tidegate.backtest.compare import hold, run_held
from tidegate.backtest.experiment import Experiment, Spec, run
from tidegate.backtest.measures import Measures, measure
from tidegate.backtest.run import Outcome
from tidegate.backtest.trial.contest import Contest, book, make_contest
from tidegate.backtest.trial.nearest_death import largest_coin, nearest_death, struck_usd
from tidegate.backtest.trial.score import Score, score
from tidegate.backtest.trial.study import leverage_of
from tidegate.backtest.trial.worlds import WORLDS
from tidegate.backtest.variants import variant
from tidegate.backtest.workers import workers
from tidegate.model.errors import InputError
from tidegate.model.times import format_time
from tidegate.risk.distance import Distance
from tidegate.simulation.tape import Freeze

POLICIES = "tidegate,desk,per-venue,threshold,fixed"
LEVERAGE = 4.0
# These two follow the mandate, of which there is one in a demo.
MANDATED = ("tidegate", "per-venue")
SIZED = (*MANDATED, "threshold", "fixed")
KNOWN = (*SIZED, "desk", "cash")
# Collateral per notional of the plain books behind the frontier, in per cent.
FRONTIER = (10, 15, 20, 25, 30, 40, 60)
PLACED = ("policy", "leverage", "calm_carry", "loss", "liquidated", "left", "refused")
SEED_MAX = 2**32 - 1
POLL_S = 0.2

Run = tuple[Spec, Path | None]
# Shares done, and what has ended, of every run.
Watch = Callable[[Sequence[float], Sequence[Outcome | None]], None]


@dataclass(frozen=True, slots=True)
class Result:
    """One policy's run, and its book when the crisis began: `nearest` is the move that would have
    ended it, `struck_usd` the notional of its legs at the struck venue, `largest` the coin with
    most notional and its share."""

    outcome: Outcome
    measures: Measures
    score: Score
    nearest: Distance
    struck_usd: float | None
    largest: tuple[str, float] | None


@dataclass(frozen=True, slots=True)
class Demo:
    """A played contest: policies in the order asked for, and the other books of the frontier."""

    contest: Contest
    results: tuple[Result, ...]
    frontier: tuple[Score, ...]

    @property
    def subject(self) -> Result | None:
        """Tidegate's result, if it ran."""
        return next((r for r in self.results if r.measures.policy == "tidegate"), None)


def read_policies(text: str) -> tuple[Spec, ...]:
    """Policies from `tidegate,threshold=4,desk`; without a number all but the desk and cash have
    leverage 4. Raises `InputError` for what is unknown, and for two mandates."""
    specs = [_spec(word.strip()) for word in text.split(",")]
    found = tuple({spec.label: spec for spec in specs}.values())
    if len({spec.leverage for spec in found if spec.policy in MANDATED}) > 1:
        expected = "expected one leverage for tidegate and per-venue: one mandate holds for both"
        raise InputError("--policies", text, expected)
    return found


def _spec(word: str) -> Spec:
    name, given, leverage = word.partition("=")
    if name not in KNOWN:
        raise InputError("--policies", word, f"expected one of {', '.join(KNOWN)}")
    if not given:
        return Spec(name, LEVERAGE if name in SIZED else None)
    try:
        value = float(leverage)
    except ValueError:
        value = 0.0
    if name == "cash" or not 0 < value <= 100:
        expected = "expected NAME or, except for cash, NAME=LEVERAGE above 0"
        raise InputError("--policies", word, expected)
    return Spec(name, value)


def read_seed(text: str) -> int:
    """A seed from text."""
    if not (text.isascii() and text.isdigit()) or int(text) > SEED_MAX:
        raise InputError("--seed", text, f"expected a whole number from 0 to {SEED_MAX}")
    return int(text)


def demo_contest(crisis: str, seed: int, specs: Sequence[Spec]) -> Contest:
    """The contest in the first world, under the demo's book at the leverage asked for."""
    leverage = next((s.leverage for s in specs if s.policy in MANDATED), LEVERAGE)
    return make_contest(WORLDS["first"](), variant(book(), leverage, ()), crisis, seed)


def frontier_specs(specs: Sequence[Spec]) -> tuple[Spec, ...]:
    """`fixed` at every point of the frontier that is not asked for anyway."""
    points = (Spec("fixed", leverage_of(buffer)) for buffer in FRONTIER)
    return tuple(spec for spec in points if spec not in specs)


def journal_of(folder: Path, label: str) -> Path:
    """Where a policy's journal stands."""
    return folder / f"{label.replace(' ', '-')}.journal"


def play_demo(
    contest: Contest, specs: Sequence[Spec], journals: Path, jobs: int, watch: Watch
) -> Demo:
    """Run every policy with a journal and the frontier without, and score them."""
    rest = frontier_specs(specs)
    shown: list[Run] = [(spec, journal_of(journals, spec.label)) for spec in specs]
    runs: list[Run] = [*shown, *((spec, None) for spec in rest)]
    play = _in_turn if jobs == 1 else partial(_on_processes, jobs)
    outcomes = play(contest.experiment, runs, watch)
    arrangement = contest.experiment.arrangement
    results = tuple(
        Result(
            o,
            measure(o, arrangement),
            score(contest, o, s),
            nearest_death(contest, o),
            struck_usd(contest, o),
            largest_coin(contest, o),
        )
        for s, o in zip(specs, outcomes[: len(specs)], strict=True)
    )
    behind = zip(rest, outcomes[len(specs) :], strict=True)
    return Demo(contest, results, tuple(score(contest, o, s) for s, o in behind))


def _in_turn(experiment: Experiment, runs: Sequence[Run], watch: Watch) -> list[Outcome]:
    shares, found = [0.0] * len(runs), list[Outcome | None]([None] * len(runs))

    def note(index: int, share: float) -> None:
        shares[index] = share
        watch(shares, found)

    outcomes = []
    for index, (spec, path) in enumerate(runs):
        outcomes.append(run(experiment, spec, path, partial(note, index)))
        found[index] = outcomes[-1]
        note(index, 1.0)
    return outcomes


def _on_processes(
    jobs: int, experiment: Experiment, runs: Sequence[Run], watch: Watch
) -> list[Outcome]:
    shares = multiprocessing.get_context("spawn").Array("d", len(runs))
    with workers(min(jobs, len(runs)), hold, (experiment, shares)) as submit:
        futures = [submit(run_held, index, *task) for index, task in enumerate(runs)]
        left = True
        while left:
            left = bool(wait(futures, POLL_S).not_done)
            ended = [future.result() if future.done() else None for future in futures]
            watch([float(share) for share in shares.get_obj()], ended)
        return [future.result() for future in futures]


def results_document(demo: Demo) -> dict[str, object]:
    """What the folder claims, in the form that its journals are held against."""
    contest, experiment = demo.contest, demo.contest.experiment
    tape, arrangement = experiment.tape, experiment.arrangement
    return {
        "mandate": arrangement.mandate.mandate.name,
        "mandate_version": arrangement.mandate.version,
        "from": format_time(tape.start_ms),
        "to": format_time(tape.end_ms),
        "freezes": _spans(tape.freezes),
        "outages": _spans(tape.outages),
        "seed": contest.seed,
        "data_sha256": experiment.market.digest,
        "policies": {r.measures.label: msgspec.to_builtins(r.measures) for r in demo.results},
        "provenance": msgspec.to_builtins(arrangement.provenance),
    }


def summary_document(demo: Demo) -> dict[str, object]:
    """The results with what the contest was, every policy's place beside the frontier, and the
    nearest death of each just before the crisis."""
    contest = demo.contest
    start = contest.crisis_start_ms
    scores = [*(result.score for result in demo.results), *demo.frontier]
    return results_document(demo) | {
        "world": contest.world,
        "world_parameters": contest.experiment.origin["world_parameters"],
        "crisis": contest.crisis,
        "crisis_from": None if start is None else format_time(start),
        "crisis_venue": contest.crisis_venue,
        "frontier": [{f: getattr(s, f) for f in PLACED} for s in scores],
        "scores": {r.measures.label: msgspec.to_builtins(r.score) for r in demo.results},
        "nearest_death": {
            r.measures.label: {"move": r.nearest.move, "venue": r.nearest.venue}
            for r in demo.results
        },
        "struck_usd": {r.measures.label: r.struck_usd for r in demo.results},
    }


def _spans(spans: Sequence[Freeze]) -> list[dict[str, str]]:
    return [
        {"venue": f.venue, "from": format_time(f.start_ms), "to": format_time(f.end_ms)}
        for f in spans
    ]
