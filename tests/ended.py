# SPDX-License-Identifier: Apache-2.0
"""A command run in this process: how it ended and what it printed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tidegate.cli import main


@dataclass(frozen=True, slots=True)
class Ended:
    """Exit status, and what was printed."""

    status: int
    out: str
    err: str


Run = Callable[..., Ended]


def runner(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> Run:
    """What runs a command with words and tells how it ended."""

    def run(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["tidegate", command, *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        seen = capsys.readouterr()
        return Ended(int(ended.value.code or 0), seen.out, seen.err)

    return run
