# SPDX-License-Identifier: Apache-2.0
"""The benchmark of margin runs from the command line and prints what it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.margin import TOPICS, arguments
from benchmarks.side_by_side.margins import TOPICS as MEASURED

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.soak
def test_quick_run_prints_rows_with_errors_and_who_is_missing() -> None:
    printed = subprocess.run(
        [sys.executable, "benchmarks/margin.py", "--quick", "--json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout
    found = json.loads(printed)
    assert [topic["key"] for topic in found["topics"]] == list(TOPICS)
    for topic in found["topics"]:
        ours = topic["rows"][0]
        assert ours["name"] == "Tidegate"
        assert ours["rounds"] >= 5
        errors = [value for name, value in ours["errors"].items() if "error" in name]
        assert max(errors) < 1e-9
    margin = found["topics"][0]
    named = {row["name"] for row in margin["rows"]} | set(margin["left_out"])
    assert named == {"Tidegate", "numpy and scipy", "QuantLib blackFormula"}
    assert len(found["aims"]) == len(TOPICS)
    assert {peer["name"] for peer in found["peers"]} == {"numpy", "scipy", "QuantLib"}


def test_topics_on_the_command_line_are_those_that_are_measured() -> None:
    assert tuple(topic.key for topic in MEASURED) == TOPICS


def test_too_few_rounds_are_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments(["--rounds", "4"])
    assert "expected at least 5 rounds, got 4" in capsys.readouterr().err
