# SPDX-License-Identifier: Apache-2.0
"""Where the faults that provoke error branches are registered, with the branches of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Place:
    """An empty folder, and the means to let calls of the system fail."""

    folder: Path
    patch: pytest.MonkeyPatch


Fault = Callable[[Place], None]
FAULTS: dict[str, tuple[Fault, tuple[str, ...]]] = {}


def provokes(file: str, *branches: str) -> Callable[[Fault], Fault]:
    """Register a fault with the branches of a file that it is to take."""

    def register(fault: Fault) -> Fault:
        name = fault.__name__
        known = FAULTS[name][1] if name in FAULTS else ()
        FAULTS[name] = fault, (*known, *(f"{file} {branch}" for branch in branches))
        return fault

    return register


def failing(error: int, words: str) -> Callable[..., int]:
    """A call of the system that fails in this way."""

    def call(*_given: object, **_named: object) -> int:
        raise OSError(error, words)

    return call
