# SPDX-License-Identifier: Apache-2.0
"""Tries mutants: each is written into a copy of the tree and met by tests in a process of its own.

The process that stays imports what no mutant changes, the libraries and the rooms below the
mutated one; a fork of it starts in no time. The tree itself is never written to.
"""

from __future__ import annotations

import os
import pkgutil
import resource
import shutil
import signal
import sys
import time
import tomllib
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import cache_from_source
from math import ceil
from pathlib import Path

import msgspec
import pytest
from hypothesis import Phase, settings

from tests.mutation import reach
from tests.mutation.mutants import Mutant
from tests.mutation.reach import Reach

LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", "out", "__pycache__")
HEAVY = "numpy numba scipy.optimize scipy.special scipy.stats hypothesis.strategies rich typer"
MEMORY_BYTES = 12 * 2**30
FIRST = 12
# How much longer than the processor's time a process may take on a busy machine.
SLOWEST = 30
FAILED = 1
NOT_RUN = (int(pytest.ExitCode.USAGE_ERROR), int(pytest.ExitCode.NO_TESTS_COLLECTED))


class Outcome(msgspec.Struct, frozen=True):
    """A mutant was `killed`, a `timeout`, `survived` or `unreached`; and by which test."""

    verdict: str
    test: str
    seconds: float


class Workshop:
    """A copy of the tree in which the files of one room are mutated and tested."""

    def __init__(self, root: Path, copy: Path, room: str) -> None:
        self.copy = copy
        shutil.copytree(root, copy, ignore=LEFT_OUT, dirs_exist_ok=True)
        self._move_in(root)
        self._preload(room)

    def _move_in(self, root: Path) -> None:
        """Let this process and those it starts find the copy and not the tree."""
        for variable, folder in (("TIDEGATE_DATA", "market-data"), ("TIDEGATE_CASES", "cases")):
            if variable not in os.environ and (root.parent / "shared" / folder).is_dir():
                os.environ[variable] = str(root.parent / "shared" / folder)
        others = [p for p in sys.path if Path(p or ".").resolve() not in {root, root / "src"}]
        sys.path[:] = [str(self.copy / "src"), str(self.copy), *others]
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])
        os.environ["HYPOTHESIS_PROFILE"] = "mutation"
        os.chdir(self.copy)
        # A failing example is as good as the smallest one here.
        phases = [Phase.explicit, Phase.generate]
        settings.register_profile(
            "mutation", derandomize=True, deadline=None, database=None, phases=phases
        )

    def _preload(self, room: str) -> None:
        rules = tomllib.loads((self.copy / "pyproject.toml").read_text())["tool"]["importlinter"]
        layers = [layer.strip("()") for layer in rules["contracts"][0]["layers"]]
        for name in HEAVY.split():
            import_module(name)
        for below in layers[layers.index(room) + 1 :]:
            _import_all(f"tidegate.{below}")

    def reach(self, room: str, tests: Sequence[str]) -> Reach:
        """What narrow tests run of a room, from one run without a mutant."""
        result, log = self.copy / "reach.json", self.copy / "reach.log"
        source = self.copy / "src" / "tidegate"
        if _in_a_fork(lambda: reach.record(source, tests, result), 3_600.0, log):
            raise RuntimeError(f"the tests could not be run once:\n{log.read_text()[-4_000:]}")
        found = msgspec.json.decode(result.read_bytes(), type=Reach)
        prefix = f"src/tidegate/{room}"
        found.tests = {f: lines for f, lines in found.tests.items() if f.startswith(prefix)}
        return found

    def judge(self, mutant: Mutant, found: Reach, beside: int) -> Outcome:
        """Let the tests that run a mutant meet it, then some of those beside them."""
        near, start = found.of(mutant), time.monotonic()
        others = found.beside(mutant, near, beside)
        if not near and not others:
            return Outcome("unreached", "", 0.0)
        verdict, test = "survived", ""
        # Most mutants end at the cheapest tests, and to collect the others costs more than those.
        for tests in (near[:FIRST], [*near[FIRST:], *others]):
            if tests and verdict == "survived":
                verdict, test = self._met(mutant, tests, found)
        if verdict == "survived" and not near:
            verdict = "unreached"
        return Outcome(verdict, test, round(time.monotonic() - start, 2))

    def _met(self, mutant: Mutant, tests: Sequence[str], found: Reach) -> tuple[str, str]:
        path, told = self.copy / mutant.file, self.copy / "killer.txt"
        source = path.read_text(encoding="utf-8")
        told.write_text("")
        patience_s = 20.0 + 3.0 * sum(found.seconds[test] for test in tests)
        try:
            path.write_text(mutant.applied(source), encoding="utf-8")
            Path(cache_from_source(str(path))).unlink(missing_ok=True)
            status = _in_a_fork(lambda: _meet(tests, told), patience_s, self.copy / "trial.log")
        finally:
            path.write_text(source, encoding="utf-8")
        if status is None:
            return "timeout", ""
        if status in NOT_RUN:
            raise RuntimeError((self.copy / "trial.log").read_text()[-4_000:])
        return ("survived" if status == 0 else "killed"), told.read_text()


def _import_all(package: str) -> None:
    found = import_module(package)
    for module in pkgutil.walk_packages(getattr(found, "__path__", []), f"{package}."):
        import_module(module.name)


class _Chosen:
    """A plugin that runs the chosen tests only, in their order, and notes the first that fails."""

    def __init__(self, tests: Sequence[str], told: Path) -> None:
        self.order = {test: index for index, test in enumerate(tests)}
        self.told = told

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.nodeid in self.order]
        items[:] = sorted(chosen, key=lambda item: self.order[item.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.told.read_text():
            self.told.write_text(report.nodeid)


def _meet(tests: Sequence[str], told: Path) -> int:
    sys.dont_write_bytecode = True
    files = sorted({test.split("::")[0] for test in tests})
    arguments = ["-x", "--tb=no", "--no-header", *reach.QUIETLY, *files]
    return int(pytest.main(arguments, plugins=[_Chosen(tests, told)]))


def _in_a_fork(run: Callable[[], int | None], patience_s: float, log: Path) -> int | None:
    """The exit status of a function run in a fork, or None where it took too long."""
    child = os.fork()
    if child == 0:
        status = FAILED
        try:
            os.setsid()
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            # Time of the processor and not of the clock, for others may keep it busy.
            resource.setrlimit(resource.RLIMIT_CPU, (ceil(patience_s), ceil(patience_s) + 1))
            status = run() or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    status = _awaited(child, time.monotonic() + SLOWEST * patience_s)
    return None if status == -signal.SIGXCPU else status


def _awaited(child: int, until: float) -> int | None:
    try:
        while time.monotonic() < until:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
    except BaseException:
        _end(child)
        raise
    _end(child)
    return None


def _end(child: int) -> None:
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
