# SPDX-License-Identifier: Apache-2.0
"""A market over test venues: what they earn and lose is made of a seed and words of the story.

What a venue's rate says comes to its value. Its owner sets what a position requires.
"""

from __future__ import annotations

import numpy as np

from tidegate.live.vault.ground import Ground
from tidegate.live.vault.market import (
    BAR_S,
    DAY_S,
    NOISE,
    PRICE,
    PRICE_USD,
    RATES,
    YEAR_DAYS,
    Board,
    Bounds,
    Row,
)
from tidegate.venues.vault.feed import Points

HISTORY_DAYS = 90
VOL_BAR = 0.016
FALL, LOST = 0.35, {"perp": 0.40, "lp": 0.15}
OPEN_SHARE = 0.55
BOUNDS = Bounds(
    {"aave": (4_500, 0, 0), "lp": (2_500, 1, 0), "perp": (3_500, 1, 12_000)},
    slip_bps=50,
    slip_ppm=1_000,
)


class PlayedMarket:
    """Test venues by name, each at its address, and the board."""

    def __init__(self, ground: Ground, token: str, seed: int = 11) -> None:
        self.rates, self.adapters = dict(RATES), dict[str, str]()
        self._ground, self._token = ground, token
        self._chance = np.random.default_rng(seed)
        self._price, self._shown = PRICE_USD, dict(RATES)
        self._board = Board(ground)
        self._accrued_s = self._posted_s = ground.now_s // BAR_S * BAR_S

    @property
    def bounds(self) -> Bounds:
        """Limits that suit these venues."""
        return BOUNDS

    def join(self, vault: str) -> None:
        """Make a test venue of each name, and show the past."""
        ground, token = self._ground, self._token
        made = {name: ground.create("world", "TestVenue", token, vault) for name in RATES}
        self.adapters.update(made)
        now_s = self._posted_s
        self._posted_s = now_s - HISTORY_DAYS * DAY_S
        self._post(now_s)

    def open(self, vault: str) -> None:
        """Nothing: the owner of the test venues is the strategist too."""

    def points(self) -> dict[str, Points]:
        """What the board shows since this was last asked."""
        return self._board.points()

    def passes(self, until_s: int) -> None:
        """Let time pass: the board shows it, and each venue's value gets what it earned."""
        self._ground.wait(until_s)
        self._post(until_s)
        days = (self._ground.now_s - self._accrued_s) / DAY_S
        self._accrued_s = self._ground.now_s
        for name in self.adapters:
            self._gain(name, self._shown[name] * days / YEAR_DAYS)

    def trades(self) -> None:
        """A position that requires a share of the venue's value, while longs are paid."""
        held = self._asked("held")
        self._set("perp", held, round(held * OPEN_SHARE) if self.rates["perp"] > 0.0 else 0)

    def falls(self) -> float:
        """The coin falls at once, and a day passes."""
        self._price *= 1.0 - FALL
        self.passes((self._ground.now_s // DAY_S + 1) * DAY_S)
        for name, share in LOST.items():
            self._gain(name, -share)
        return FALL

    def _gain(self, name: str, share: float) -> None:
        """Change a venue's value by a share of it."""
        held = self._asked("held", name)
        change = round(held * share)
        if change > 0:
            token = ("TestToken", self._token)
            self._ground.call("world", token, "mint", self.adapters[name], change)
        self._set(name, held + change, self._asked("requirement", name))

    def _asked(self, what: str, name: str = "perp") -> int:
        return int(self._ground.view(("TestVenue", self.adapters[name]), what))

    def _set(self, name: str, held: int, required: int) -> None:
        venue = ("TestVenue", self.adapters[name])
        self._ground.call("world", venue, "set_market", held, required, 0)

    def _post(self, until_s: int) -> None:
        rows: list[Row] = []
        while self._posted_s + BAR_S <= until_s:
            self._posted_s += BAR_S
            self._price *= float(np.exp(self._chance.normal(0.0, VOL_BAR)))
            rows.append((PRICE, self._posted_s, self._price))
            if self._posted_s % DAY_S == 0:
                rows += self._rates(self._posted_s)
        self._board.post(rows)

    def _rates(self, at_s: int) -> list[Row]:
        for name, mean in self.rates.items():
            self._shown[name] = mean + float(self._chance.normal(0.0, NOISE[name]))
        return [(name, at_s, rate) for name, rate in self._shown.items()]
