# SPDX-License-Identifier: Apache-2.0
"""Which tests run which lines, and how long each takes, from one run of narrow tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.mutation.mutants import Mutant

# Hypothesis is imported before pytest could rewrite its assertions, which no test needs.
QUIETLY = ("-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")


class Reach(msgspec.Struct):
    """Per file and line the tests that run it, per test its seconds, and the tests that fail."""

    tests: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]
    failed: list[str]

    def of(self, mutant: Mutant) -> list[str]:
        """The tests that run a mutant's lines, cheapest first.

        A line that runs when its module is imported is no test's own: then all of the file's.
        """
        lines = self.tests.get(mutant.file, {})
        spanned = [lines.get(n, []) for n in range(mutant.line, mutant.last + 1)]
        found = {test for tests in spanned for test in tests}
        if any("" in tests for tests in spanned):
            found = {test for tests in lines.values() for test in tests}
        return sorted(found & self.seconds.keys(), key=lambda test: self.seconds[test])

    def beside(self, mutant: Mutant, near: Sequence[str], most: int) -> list[str]:
        """Further tests of the file, which may meet the mutant through what others have kept."""
        lines = self.tests.get(mutant.file, {})
        files = {test.split("::")[0] for tests in lines.values() for test in tests}
        others = [t for t in self.seconds if t.split("::")[0] in files and t not in set(near)]
        return sorted(others, key=lambda test: self.seconds[test])[:most]


class _Recorder:
    """A plugin that tells coverage which test is running."""

    def __init__(self, measured: Any) -> None:
        self.measured = measured
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.measured.switch_context(item.nodeid)
        result = yield
        self.measured.switch_context("")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.seconds[report.nodeid] = report.duration
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)


def record(source: Path, tests: Sequence[str], result: Path) -> None:
    """Run tests once over the unchanged source, a folder, and write their `Reach` to a file."""
    import coverage  # of the developer's tools, and needed by no test

    measured = coverage.Coverage(data_file=None, source=[str(source)], config_file=False)
    recorder = _Recorder(measured)
    measured.start()
    pytest.main([*QUIETLY, *tests], plugins=[recorder])
    measured.stop()
    data, root = measured.get_data(), source.parents[1]
    reached = {
        Path(file).relative_to(root).as_posix(): data.contexts_by_lineno(file)
        for file in data.measured_files()
    }
    found = Reach(reached, recorder.seconds, recorder.failed)
    result.write_bytes(msgspec.json.encode(found))
