# SPDX-License-Identifier: Apache-2.0
"""Silence is measured from the last change seen, on a clock that never steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.execution.heartbeat import Heartbeat, Pulse
from tidegate.model.errors import InputError


def test_silence_grows_until_a_beat_whatever_time_the_beat_says(tmp_path: Path) -> None:
    file = tmp_path / "beat"
    heart, pulse = Heartbeat(file), Pulse(file, 1_000)
    heart.beat(5_000_000_000)
    assert [pulse.silence_ms(t) for t in (1_100, 1_900)] == [0, 800]
    heart.beat(3_000_000_000)  # The engine's time of day stepped back.
    assert [pulse.silence_ms(t) for t in (2_000, 2_500)] == [0, 500]
    pulse.restart(2_500)
    assert pulse.silence_ms(2_600) == 100


def test_file_that_is_absent_or_removed_is_silence(tmp_path: Path) -> None:
    file = tmp_path / "beat"
    pulse = Pulse(file, 0)
    assert pulse.silence_ms(700) == 700
    Heartbeat(file)
    assert pulse.silence_ms(800) == 0
    file.unlink()
    assert pulse.silence_ms(900) == 100


def test_heartbeat_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a file that can be made"):
        Heartbeat(tmp_path / "nowhere" / "beat")
