# SPDX-License-Identifier: Apache-2.0
"""What the demonstration's acts ask of a market, and the board on which it shows itself.

Two markets play the same acts: one over test venues (`played_market`), one over real protocols
(`real_market`). Who decides sees only what stands on the board, which shows nothing beyond the
present.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tidegate.live.vault.ground import Ground
from tidegate.venues.vault.feed import Points
from tidegate.venues.vault.logs import Log

DAY_S = 86_400
BAR_S = 8 * 3_600
YEAR_DAYS = 365
MICRO = 10**6
PRICE = "ETH"
PRICE_USD = 3_000.0
RATES = {"aave": 0.052, "lp": 0.085, "perp": 0.115}
NOISE = {"aave": 0.004, "lp": 0.012, "perp": 0.020}
POINTS = 240
Row = tuple[str, int, float]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the vault allows there: for each venue the most of the book, its risk group and its
    least health, all in bps; what a keeper's step may cost, in bps; what a move of an order may
    lose, in millionths."""

    venues: Mapping[str, tuple[int, int, int]]
    slip_bps: int
    slip_ppm: int


class Market(Protocol):
    """Venues by name and what happens to them; `rates` is what they are to pay from now on."""

    rates: dict[str, float]

    @property
    def bounds(self) -> Bounds:
        """Limits that suit these venues."""

    @property
    def adapters(self) -> Mapping[str, str]:
        """The address of each venue's adapter."""

    def join(self, vault: str) -> None:
        """Make the adapters of a vault that has no deposit yet, and the past of the market."""

    def open(self, vault: str) -> None:
        """Whatever else the vault needs before the first deposit, its venues being known."""

    def points(self) -> dict[str, Points]:
        """What the board shows since this was last asked."""

    def passes(self, until_s: int) -> None:
        """Let time pass to the beginning of a day: venues live, and the board shows it."""

    def trades(self) -> None:
        """The strategist is long at the perpetual venue while longs are paid, and else flat."""

    def falls(self) -> float:
        """The coin falls within a day; by which share of its price."""


class Board:
    """Series on the chain, by rows of (series, second, value); values in millionths."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._at = ground, ("TestBoard", ground.create("world", "TestBoard"))
        self._read = 0

    def post(self, rows: Sequence[Row]) -> None:
        """Show rows, those of a series in their order."""
        plain = [(_series(name), at, round(value * MICRO)) for name, at, value in rows]
        for start in range(0, len(plain), POINTS):
            told = list(zip(*plain[start : start + POINTS], strict=True))
            self._ground.call("world", self._at, "post", *map(list, told))

    def points(self) -> dict[str, Points]:
        """What was shown since this was last asked, read from the chain's logs."""
        first = self._read
        logs = self._ground.logs(self._at, first)
        self._read = max((log.block_number for log in logs), default=first - 1) + 1
        return points_of(logs)


def points_of(logs: Iterable[Log]) -> dict[str, Points]:
    """Points by series, of logs of a board."""
    found: dict[str, list[tuple[int, int]]] = {}
    for log in logs:
        name = bytes.fromhex(log.args["series"][2:]).rstrip(b"\0").decode()
        found.setdefault(name, []).append((log.args["at"], log.args["value"]))
    return dict(found)


def _series(name: str) -> bytes:
    return name.encode().ljust(32, b"\0")
