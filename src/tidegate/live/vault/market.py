# SPDX-License-Identifier: Apache-2.0
"""The demonstration's market: what test venues earn and what a coin costs, shown on a board.

It is made of a seed and a few words of the story; who decides sees only what stands on the board,
which shows nothing beyond the present. What a venue's rate says comes to its value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from tidegate.live.vault.ground import Ground
from tidegate.venues.vault.feed import Points
from tidegate.venues.vault.logs import Log

DAY_S = 86_400
BAR_S = 8 * 3_600
HISTORY_DAYS = 90
YEAR_DAYS = 365
MICRO = 10**6
PRICE = "ETH"
PRICE_USD = 3_000.0
VOL_BAR = 0.016
RATES = {"aave": 0.052, "lp": 0.085, "perp": 0.115}
NOISE = {"aave": 0.004, "lp": 0.012, "perp": 0.020}
POINTS = 240


@dataclass
class Market:
    """Test venues by name, each at its address, and the board; `rates` are what they earn now."""

    ground: Ground
    token: str
    venues: Mapping[str, str]
    board: str
    seed: int = 11
    rates: dict[str, float] = field(default_factory=lambda: dict(RATES))
    requirements: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._chance = np.random.default_rng(self.seed)
        self._price = PRICE_USD
        self._accrued_s = self._posted_s = self.ground.now_s // BAR_S * BAR_S
        self._shown: dict[str, float] = dict(self.rates)
        self._read = 0

    def show_history(self) -> None:
        """Post the past up to now."""
        now_s = self._posted_s
        self._posted_s = now_s - HISTORY_DAYS * DAY_S
        self._post(now_s)

    def passes(self, until_s: int) -> None:
        """Let time pass: the board shows it, and the venues earn what it shows."""
        self.ground.wait(until_s)
        self._post(until_s)

    def earns(self) -> None:
        """Bring to each venue's value what it earned since this was last done."""
        days = (self.ground.now_s - self._accrued_s) / DAY_S
        self._accrued_s = self.ground.now_s
        for name in self.venues:
            self.gain(name, self._shown[name] * days / YEAR_DAYS)

    def gain(self, name: str, share: float) -> None:
        """Change a venue's value by a share of it."""
        held = self.held(name)
        change = round(held * share)
        if change > 0:
            token = ("TestToken", self.token)
            self.ground.call("world", token, "mint", self.venues[name], change)
        self._set(name, held + change)

    def opens(self, name: str, share: float) -> None:
        """The venue's strategist opens positions that require a share of its value."""
        self.requirements[name] = round(self.held(name) * share)
        self._set(name, self.held(name))

    def falls(self, share: float) -> None:
        """The coin's price falls by a share at once."""
        self._price *= 1.0 - share

    def held(self, name: str) -> int:
        """What a venue says it holds."""
        return int(self.ground.view(("TestVenue", self.venues[name]), "held"))

    def points(self) -> dict[str, Points]:
        """What the board shows since this was last asked, read from the chain's logs."""
        first = self._read
        logs = self.ground.logs(("TestBoard", self.board), first)
        self._read = max((log.block_number for log in logs), default=first - 1) + 1
        return points_of(logs)

    def _set(self, name: str, held: int) -> None:
        if name in self.requirements:
            told = int(self.ground.view(("TestVenue", self.venues[name]), "requirement"))
            self.requirements[name] = min(self.requirements[name], told or 2**255)
        required = self.requirements.get(name, 0)
        venue = ("TestVenue", self.venues[name])
        self.ground.call("world", venue, "set_market", held, required, 0)

    def _post(self, until_s: int) -> None:
        rows: list[tuple[bytes, int, int]] = []
        while self._posted_s + BAR_S <= until_s:
            self._posted_s += BAR_S
            self._price *= float(np.exp(self._chance.normal(0.0, VOL_BAR)))
            rows.append((_series(PRICE), self._posted_s, round(self._price * MICRO)))
            if self._posted_s % DAY_S == 0:
                rows += self._rates(self._posted_s)
        for start in range(0, len(rows), POINTS):
            told = list(zip(*rows[start : start + POINTS], strict=True))
            self.ground.call("world", ("TestBoard", self.board), "post", *map(list, told))

    def _rates(self, at_s: int) -> list[tuple[bytes, int, int]]:
        for name, mean in self.rates.items():
            self._shown[name] = mean + float(self._chance.normal(0.0, NOISE[name]))
        return [(_series(n), at_s, round(r * MICRO)) for n, r in self._shown.items()]


def points_of(logs: Iterable[Log]) -> dict[str, Points]:
    """Points by series, of logs of a board."""
    found: dict[str, list[tuple[int, int]]] = {}
    for log in logs:
        name = bytes.fromhex(log.args["series"][2:]).rstrip(b"\0").decode()
        found.setdefault(name, []).append((log.args["at"], log.args["value"]))
    return dict(found)


def _series(name: str) -> bytes:
    return name.encode().ljust(32, b"\0")
