# SPDX-License-Identifier: Apache-2.0
"""All policies of a study on several processes, with progress, and the folder of results.

Results are written beside their final place and moved there at the end, so that a folder that
exists is whole.
"""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path

from tidegate.backtest.experiment import Experiment, Spec, prepare, run
from tidegate.backtest.run import Outcome
from tidegate.backtest.workers import workers
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import parse_time_ms
from tidegate.simulation.tape import Freeze

POLL_S = 0.2
Shares = Callable[[Sequence[float]], None]
_FREEZE = re.compile(
    r"(?P<venue>[^:]+):(?P<start>\d{4}-\d\d-\d\d[^:]*(?::\d\d[^:]*)*?)"
    r":(?P<end>\d{4}-\d\d-\d\d.*)"
)


@dataclass(frozen=True, slots=True)
class Request:
    """What to run: a mandate over a window of a data folder, with freezes, under policies."""

    mandate: Path
    data: Path
    window: Window
    freezes: tuple[Freeze, ...]
    seed: int
    specs: tuple[Spec, ...]
    jobs: int


def default_specs() -> tuple[Spec, ...]:
    """Tidegate, cash, and the plain rules at the leverages of the published comparison."""
    fixed = tuple(Spec("fixed", leverage) for leverage in (1.0, 2.0, 3.0, 5.0))
    threshold = tuple(
        Spec("threshold", leverage) for leverage in (2.0, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 8.0)
    )
    return (Spec("tidegate"), Spec("cash"), *fixed, *threshold)


def read_specs(texts: Sequence[str]) -> tuple[Spec, ...]:
    """Policies from text: `tidegate`, `cash`, `fixed`, `threshold=4.5`; a plain rule without a
    leverage means all of its usual ones."""
    specs: list[Spec] = []
    for text in texts:
        name, _, leverage = text.partition("=")
        usual = [spec for spec in default_specs() if spec.policy == name]
        if not usual:
            known = ", ".join(sorted({spec.policy for spec in default_specs()}))
            raise InputError("--policy", name, f"expected one of {known}")
        if not leverage:
            specs += usual
            continue
        specs.append(Spec(name, _leverage(name, leverage)))
    return tuple({spec.label: spec for spec in specs}.values()) or default_specs()


def _leverage(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if name in ("tidegate", "cash") or not 0 < value <= 100:
        expected = "expected NAME or, for fixed and threshold, NAME=LEVERAGE above 0"
        raise InputError("--policy", f"{name}={text}", expected)
    return value


def read_freeze(text: str) -> Freeze:
    """A freeze from VENUE:FROM:TO; dates include their last day."""
    found = _FREEZE.fullmatch(text)
    if found is None:
        raise InputError("--freeze", text, "expected VENUE:FROM:TO, two dates or UTC times")
    start_ms = parse_time_ms(found["start"], "--freeze", "FROM")
    end_ms = parse_time_ms(found["end"], "--freeze", "TO", end_of_day=True)
    if end_ms <= start_ms:
        raise InputError("--freeze", text, "expected TO after FROM")
    return Freeze(found["venue"], start_ms, end_ms)


def run_all(
    request: Request, journals: Path | None, progress: Shares
) -> tuple[Experiment, list[Outcome]]:
    """Check the input, run every policy, and return outcomes in the order of the request.

    The input is read here first, so that bad input is found before any process starts. The engine
    runs longest and therefore starts first.
    """
    experiment = prepare(
        request.mandate, request.data, request.window, request.freezes, request.seed
    )
    if request.jobs == 1 or len(request.specs) == 1:
        outcomes = []
        done = [0.0] * len(request.specs)
        for index, spec in enumerate(request.specs):
            outcomes.append(
                run(experiment, spec, _journal(journals, spec), _note(done, index, progress))
            )
            done[index] = 1.0
            progress(done)
        return experiment, outcomes
    return experiment, _run_in_processes(request, journals, progress)


def _note(done: list[float], index: int, progress: Shares) -> Callable[[float], None]:
    def note(share: float) -> None:
        done[index] = share
        progress(done)

    return note


def _journal(folder: Path | None, spec: Spec) -> Path | None:
    return None if folder is None else folder / f"{spec.label.replace(' ', '-')}.journal"


_worker: dict[str, object] = {}


def hold(experiment: Experiment, shares: SynchronizedArray[float]) -> None:
    """Keep in this process what its runs are made of, and where they say how far they are."""
    _worker.update(experiment=experiment, shares=shares)


def _start_worker(request: Request, shares: SynchronizedArray[float]) -> None:
    words = (request.mandate, request.data, request.window, request.freezes, request.seed)
    hold(prepare(*words), shares)


def run_held(index: int, spec: Spec, journal: Path | None) -> Outcome:
    """Run one policy on what this process holds."""
    experiment, shares = _worker["experiment"], _worker["shares"]
    assert isinstance(experiment, Experiment)

    def note(share: float) -> None:
        shares[index] = share  # type: ignore[index]

    outcome = run(experiment, spec, journal, note)
    note(1.0)
    return outcome


def _run_in_processes(request: Request, journals: Path | None, progress: Shares) -> list[Outcome]:
    shares = multiprocessing.get_context("spawn").Array("d", len(request.specs))
    processes = min(request.jobs, len(request.specs))
    with workers(processes, _start_worker, (request, shares)) as submit:
        order = sorted(
            range(len(request.specs)), key=lambda i: request.specs[i].policy != "tidegate"
        )
        futures: dict[int, Future[Outcome]] = {
            i: submit(run_held, i, request.specs[i], _journal(journals, request.specs[i]))
            for i in order
        }
        while wait(futures.values(), POLL_S).not_done:
            progress([float(share) for share in shares.get_obj()])
        progress([float(share) for share in shares.get_obj()])
        return [futures[i].result() for i in range(len(request.specs))]
