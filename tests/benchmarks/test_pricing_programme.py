# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the pricing runs from the command line and prints what it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.pricing import arguments
from benchmarks.side_by_side.entries import PEERS
from benchmarks.side_by_side.forced_target import AVX2_PROCESSOR, forced_environment
from benchmarks.side_by_side.starting import clocked

REPOSITORY = Path(__file__).resolve().parents[2]


def run(*options: str) -> str:
    """What the programme prints."""
    return subprocess.run(
        [sys.executable, "benchmarks/pricing.py", *options],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout


def test_quick_run_of_a_topic_prints_machine_peers_rows_and_aims() -> None:
    found = json.loads(run("--quick", "--json", "--only", "implied-vol"))
    assert {peer["name"] for peer in found["peers"]} == {peer.distribution for peer in PEERS}
    for peer in found["peers"]:
        assert peer["absent"] or peer["version"]
    (topic,) = found["topics"]
    ours = topic["rows"][0]
    assert ours["name"] == "Tidegate"
    assert ours["rounds"] >= 5
    assert ours["errors"]["max_error_generator"] < 1e-12
    named = {row["name"] for row in topic["rows"]} | set(topic["left_out"])
    assert {"iv-engine", "pyvolr", "lbriv", "vollib", "QuantLib, LiRS"} <= named
    assert found["machine"]["processor"]
    assert found["machine"]["subnormals_kept"] is True


def test_quick_run_of_the_start_prints_its_table() -> None:
    text = run("--quick", "--only", "start")
    assert "| import tidegate |" in text
    assert "| first implied volatility, warm cache |" in text
    assert "| aim | reached | met |" in text


def test_too_few_rounds_are_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments(["--rounds", "4"])
    assert "expected at least 5 rounds, got 4" in capsys.readouterr().err


def test_forced_target_names_a_processor_and_adds_no_feature_of_this_one() -> None:
    environment = forced_environment()
    assert environment["NUMBA_CPU_NAME"] == AVX2_PROCESSOR
    assert environment["NUMBA_CPU_FEATURES"] == ""
    code = (
        "from benchmarks.side_by_side.forced_target import numba_target\n"
        "import sys; sys.stderr.write(numba_target())\n"
        "assert numba_target() == 'haswell, no AVX-512 named', numba_target()"
    )
    wall, cpu = clocked(code, environment)
    assert 0.0 < cpu
    assert 0.0 < wall


def test_code_that_fails_in_a_fresh_process_says_why() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        clocked("1 / 0")
