# SPDX-License-Identifier: Apache-2.0
"""Where the tests find market data and margin cases, and how long Hypothesis and soak search."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import soak
from tests.house.promises import COLLECTED
from tests.soak import budget as budget

REPOSITORY = Path(__file__).resolve().parents[1]

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("dev", deadline=None)
settings.register_profile(
    "soak",
    max_examples=2_000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def shared_folder(variable: str, default: str) -> Path:
    """The folder that an environment variable names, else the default beside the repository.

    Where it is absent the test is skipped with the reason, or fails when the environment says
    with `TIDEGATE_REQUIRE_DATA=1` that the data must be there.
    """
    folder = Path(os.environ.get(variable) or REPOSITORY / default)
    if folder.is_dir():
        return folder.resolve()
    reason = f"{folder} is absent; {variable} may name another folder of the same layout"
    if os.environ.get("TIDEGATE_REQUIRE_DATA") == "1":
        pytest.fail(f"{reason}, and TIDEGATE_REQUIRE_DATA=1 says that it must be there")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The market data: `TIDEGATE_DATA`, else ../shared/market-data."""
    return shared_folder("TIDEGATE_DATA", "../shared/market-data")


@pytest.fixture(scope="session")
def cases_root() -> Path:
    """Venues' published margin cases: `TIDEGATE_CASES`, else ../shared/cases."""
    return shared_folder("TIDEGATE_CASES", "../shared/cases")


@pytest.fixture(scope="session", autouse=True)
def trials_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Runs of the tests are no trials of whoever runs them."""
    os.environ["TIDEGATE_TRIALS"] = str(tmp_path_factory.mktemp("trials") / "trials.jsonl")


def pytest_configure() -> None:
    soak.configure()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Note each test before any mark leaves it out, for the test of the promises."""
    item.config.stash.setdefault(COLLECTED, set()).add(item.nodeid.partition("[")[0])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    soak.share_out(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if (row := soak.row(item, report)) is not None:
        report.user_properties.append(("soak", row))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    stats = terminalreporter.stats
    reports = [r for kind in ("passed", "failed", "error", "skipped") for r in stats.get(kind, [])]
    soak.summarise(reports, terminalreporter.write_line)
