# SPDX-License-Identifier: Apache-2.0
"""The demonstration's vault: contracts, people and limits, over whichever market it is given."""

from __future__ import annotations

from collections.abc import Callable
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
SILENCE_S, INTERVAL_S, STEP_BPS = 3 * DAY_S, 3_600, 2_500
# Of the book: least idle, sent in a day, lost at once and in a month; of the supply, of a claim.
BOOK = BookLimit(500, 20_000, 50, 200, 30 * DAY_S, 100, 50)
GROUPS = {0: GroupLimit(UNBOUND, 4_500), 1: GroupLimit(UNBOUND, 5_500)}
MarketOf = Callable[[Ground, str], Market]


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


def build(ground: Ground, market_of: MarketOf) -> Scene:
    """Make all contracts over a market; the limits are set while nobody has deposited."""
    token = ground.create("world", "TestToken", "Test dollar", "USDC", 6)
    market = market_of(ground, token)
    curator, allocator, sentinel = map(ground.address, ("curator", "allocator", "sentinel"))
    plan = Blueprint(token, "Tidegate demo", "TIDE", curator, allocator, sentinel)
    made = ground.run(ground.deployer.vault(ground.sender("owner"), plan))
    market.join(made.vault)
    _limits(ground, made, market)
    keeper = _keeper(ground, made, market.bounds.slip_bps)
    market.open(made.vault)
    names = {adapter: name for name, adapter in market.adapters.items()}
    return Scene(ground, made, keeper, token, market, Place(made.vault, made.first_block, names))


def _limits(ground: Ground, made: Deployed, market: Market) -> None:
    signers = tuple(ground.address(name) for name in SIGNERS)
    limits = {
        market.adapters[name]: VenueLimit(UNBOUND, cap, group, health, DAY_S, 0)
        for name, (cap, group, health) in market.bounds.venues.items()
    }
    setup = Setup(signers, THRESHOLD, BOOK, GROUPS, limits)
    ground.run(ground.deployer.set_up(ground.sender("curator"), made, setup))


def _keeper(ground: Ground, made: Deployed, slip_bps: int) -> str:
    bounds = (SILENCE_S, INTERVAL_S, STEP_BPS, slip_bps)
    keeper = ground.create("owner", "Keeper", made.vault, *bounds)
    vault, curator = ("CapitalVault", made.vault), ground.sender("curator")
    office = ("appoint", KEEPER_ROLE, keeper)
    ground.run(ground.deployer.carry_out(curator, *vault, *office))
    return keeper
