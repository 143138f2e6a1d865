# SPDX-License-Identifier: Apache-2.0
"""Which of several deaths is the nearest, the likeliest, and the one that an account fears."""

from __future__ import annotations

from math import log
from typing import Any

import pytest

from tidegate.engine.deaths import Death, likeliest, nearest, threat, uncounted


def death(cause: str, move: float | None, vols: float | None, **said: Any) -> Death:
    told = {"side": "up", "status": "never" if move is None else "dies", "move": move}
    return Death("alpha", cause, **{**told, "vols_day": vols, "vol_annual": vols, **said})


FAR = death("BTC", 0.30, 1.5)
FALL = death("ETH", -0.25, 4.0, side="down")
PEG = death("USDT", -0.01, None, side="depeg")
NEVER = death("SOL", None, None)
DARK = death("SOL", None, None, status="unknown")
BARE = death("DOGE", 0.1, None)
NOW = death("XRP", 0.0, 0.0)


@pytest.mark.parametrize(
    ("found", "near", "likely", "feared"),
    [
        ((FAR, FALL), FAR, FAR, FAR),
        ((FAR, FALL, PEG, NEVER), FAR, FAR, FAR),
        ((FALL, PEG), FALL, FALL, FALL),
        ((PEG, NEVER), None, None, None),
        ((FALL, BARE), BARE, FALL, None),
        ((FALL, DARK), FALL, FALL, None),
        ((FAR, DARK, BARE, NOW), NOW, NOW, NOW),
        ((), None, None, None),
    ],
)
def test_nearest_and_likeliest_are_of_prices_alone_and_what_is_not_known_is_feared_by_no_name(
    found: tuple[Death, ...], near: Death | None, likely: Death | None, feared: Death | None
) -> None:
    """A rise of 30 % is nearer than a fall of 25 %, in logs."""
    assert (nearest(found), likeliest(found), threat(found)) == (near, likely, feared)
    assert nearest(found[::-1]) == near


def test_death_is_as_far_as_its_log_and_a_depeg_or_one_that_never_comes_needs_no_count() -> None:
    assert FAR.log_distance == pytest.approx(log(1.3))
    assert FALL.log_distance == pytest.approx(-log(0.75))
    assert NEVER.log_distance == 0
    assert death("BTC", -1.0, 1.0).log_distance > 20
    assert [uncounted(d) for d in (BARE, PEG, NEVER, FAR, DARK)] == [True] + [False] * 4
