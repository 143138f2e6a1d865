# SPDX-License-Identifier: Apache-2.0
"""An answer that cannot be written ends a command in one line, and is no negative answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tidegate.cli import UNWRITTEN

SCRIPT = "from tidegate.cli import main; main()"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}


def test_full_disk_behind_the_output_is_one_line_and_a_status_of_its_own() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    command = [sys.executable, "-c", SCRIPT, "crisis", "list", "--json"]
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False
        )
    assert ended.returncode == UNWRITTEN
    assert ended.stderr.decode().splitlines() == [
        "tidegate: expected room to write: [Errno 28] No space left on device"
    ]


def test_reader_that_goes_away_is_no_negative_answer() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", SCRIPT, "--version"]
    ended = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")
