# SPDX-License-Identifier: Apache-2.0
"""A half-open window of time."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.model.errors import InputError
from tidegate.model.times import format_time


@dataclass(frozen=True, slots=True)
class Window:
    """The times `start_ms <= ts_ms < end_ms` (ms UTC); an empty one raises `InputError`."""

    start_ms: int
    end_ms: int

    def __post_init__(self) -> None:
        if self.end_ms <= self.start_ms:
            raise InputError("window", "end", f"expected it after the start, got {self}")

    def __str__(self) -> str:
        return f"{format_time(self.start_ms)} to {format_time(self.end_ms)}"
