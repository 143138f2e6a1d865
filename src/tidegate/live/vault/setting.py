# SPDX-License-Identifier: Apache-2.0
"""The demonstration's vault: contracts, people and limits, made on a chain of its own."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.live.vault.ground import Ground
from tidegate.live.vault.market import DAY_S, Market
from tidegate.venues.vault.deploying import Blueprint, BookLimit, Deployed, Setup
from tidegate.venues.vault.limits import GroupLimit, VenueLimit
from tidegate.venues.vault.reading import Place

USDC = 10**6
UNBOUND = 2**100
SIGNERS = ("signer 1", "signer 2", "signer 3")
THRESHOLD = 2
KEEPER_ROLE = 8  # the flag of that role in `book.vy`: the fourth
SILENCE_S, INTERVAL_S, STEP_BPS, SLIP_BPS = 3 * DAY_S, 3_600, 2_500, 50
# Of the book: least idle, sent in a day, lost at once and in a month; of the supply, of a claim.
BOOK = BookLimit(500, 20_000, 50, 200, 30 * DAY_S, 100, 50)
# Most of the book at each venue, its risk group, and its least health; bps.
LIMITS = {"aave": (4_500, 0, 0), "lp": (2_500, 1, 0), "perp": (3_500, 1, 12_000)}
GROUPS = {0: GroupLimit(UNBOUND, 4_500), 1: GroupLimit(UNBOUND, 5_500)}


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that was made."""

    ground: Ground
    made: Deployed
    keeper: str
    token: str
    market: Market
    place: Place

    @property
    def vault(self) -> tuple[str, str]:
        """The vault, as it is called."""
        return "CapitalVault", self.made.vault


def build(ground: Ground) -> Scene:
    """Make all contracts, set the limits while nobody has deposited, and show the past."""
    token = ground.create("world", "TestToken", "Test dollar", "USDC", 6)
    board = ground.create("world", "TestBoard")
    curator, allocator, sentinel = map(ground.address, ("curator", "allocator", "sentinel"))
    plan = Blueprint(token, "Tidegate demo", "TIDE", curator, allocator, sentinel)
    made = ground.run(ground.deployer.vault(ground.sender("owner"), plan))
    venues = {n: ground.create("world", "TestVenue", token, made.vault) for n in LIMITS}
    _limits(ground, made, venues)
    keeper = _keeper(ground, made)
    market = Market(ground, token, venues, board)
    market.show_history()
    names = {adapter: name for name, adapter in venues.items()}
    return Scene(ground, made, keeper, token, market, Place(made.vault, made.first_block, names))


def _limits(ground: Ground, made: Deployed, venues: dict[str, str]) -> None:
    signers = tuple(ground.address(name) for name in SIGNERS)
    limits = {
        venues[name]: VenueLimit(UNBOUND, cap, group, health, DAY_S, 0)
        for name, (cap, group, health) in LIMITS.items()
    }
    setup = Setup(signers, THRESHOLD, BOOK, GROUPS, limits)
    ground.run(ground.deployer.set_up(ground.sender("curator"), made, setup))


def _keeper(ground: Ground, made: Deployed) -> str:
    bounds = (SILENCE_S, INTERVAL_S, STEP_BPS, SLIP_BPS)
    keeper = ground.create("owner", "Keeper", made.vault, *bounds)
    vault, curator = ("CapitalVault", made.vault), ground.sender("curator")
    office = ("appoint", KEEPER_ROLE, keeper)
    ground.run(ground.deployer.carry_out(curator, *vault, *office))
    return keeper
