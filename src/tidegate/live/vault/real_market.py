# SPDX-License-Identifier: Apache-2.0
"""A market over real protocols on anvil: what its venues pay and lose is what they themselves say.

Strangers' wishes and the index are the demonstration's own, made of a seed. At the end of each day
the board shows what was read from the protocols: Aave's rate, curie's funding times the
strategist's leverage, the fees of the vault's range. The past before the vault was lived there too.
"""

from __future__ import annotations

import math
from pathlib import Path

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
from tidegate.live.vault.real_protocols import Bank, Exchange, Pool, tokens_on
from tidegate.venues.chain.client import Chain
from tidegate.venues.vault.feed import Points

HISTORY_DAYS = 63  # what the forecast of a rate needs before its error is known
PAST_S = HISTORY_DAYS * DAY_S
LEAD_S = 7_200  # by which strangers act before a day ends, so that averages have followed
VOL_DAY = 0.003  # the coin is calm until it falls
FALL = 0.25
LEVERAGE, LEVERAGE_SLACK = 2.0, 0.1
MANAGER_ROLE, FIRST_WORD = 16, 1  # the flag in `book.vy`: the fifth; the market's address
BOUNDS = Bounds(
    {"aave": (4_500, 0, 0), "lp": (2_500, 1, 0), "perp": (3_500, 1, 60_000)},
    slip_bps=200,
    slip_ppm=10_000,
)


class RealMarket:
    """Three protocols, the board, and the vault's strategist at the perpetual one."""

    def __init__(
        self, chain: Chain, packages: Path, ground: Ground, token: str, seed: int = 11
    ) -> None:
        """Deploys the protocols; raises `InputError` where npm cannot give one."""
        self.rates, self.adapters = dict(RATES), dict[str, str]()
        self._chain, self._ground, self._token = chain, ground, token
        self._chance, self._price = np.random.default_rng(seed), PRICE_USD
        tokens = tokens_on(chain, token, PRICE_USD)
        self._bank = Bank(tokens, packages)
        self._exchange = Exchange(tokens, packages, PRICE_USD)
        self._pool = Pool(tokens, packages, PRICE_USD)
        self._board, self._manager = Board(ground), ""
        self._shown_s = chain.now_s // DAY_S * DAY_S
        self._index = PRICE_USD

    @property
    def bounds(self) -> Bounds:
        """Limits that suit these venues."""
        return BOUNDS

    def join(self, vault: str) -> None:
        """Live the past, and make the shipped adapter of each protocol."""
        self.passes(self._shown_s + HISTORY_DAYS * DAY_S)
        bank, perp, at = self._bank, self._exchange.perp, (self._token, vault)
        places = perp.clearing_house, perp.margin, perp.balances, perp.base
        own: dict[str, tuple[str, tuple[object, ...]]] = {
            "aave": ("AaveV3Adapter", (bank.aave.pool.address, bank.a_token.address)),
            "lp": ("UniswapV3LPAdapter", (self._pool.uniswap.pool.address, self._pool.terms)),
            "perp": ("PerpV2Adapter", tuple(place.address for place in places)),
        }
        for name, (contract, args) in own.items():
            self.adapters[name] = self._ground.create("world", contract, *at, *args)

    def open(self, vault: str) -> None:
        """An action manager whose tree is one leaf: the strategist may open in this market."""
        ground, house = self._ground, self._exchange.perp.clearing_house
        deployer, curator = ground.deployer, ground.sender("curator")
        self._manager = ground.create("owner", "ActionManager", vault)
        manager, data = ("ActionManager", self._manager), self._opening(1)
        leaf = ground.view(manager, "leaf", self.adapters["perp"], house.address, data, FIRST_WORD)
        office = "appoint", MANAGER_ROLE, self._manager
        ground.run(deployer.carry_out(curator, "CapitalVault", vault, *office))
        root = "set_root", ground.address("strategist"), leaf
        ground.run(deployer.carry_out(curator, *manager, *root))

    def points(self) -> dict[str, Points]:
        """What the board shows since this was last asked."""
        return self._board.points()

    def passes(self, until_s: int) -> None:
        """Let whole days pass, strangers acting towards the end of each."""
        rows: list[Row] = []
        while self._shown_s < until_s:
            rows += self._day(float(self._chance.normal(0.0, VOL_DAY)))
        self._board.post(rows)

    def trades(self) -> None:
        """Long at a multiple of the venue's value while longs are paid, and else flat; the taker
        then brings the pool back."""
        adapter = self.adapters["perp"]
        held = int(self._ground.view(("PerpV2Adapter", adapter), "state")[0])
        wanted = LEVERAGE * held / 10**6 / self._index if self.rates["perp"] > 0.0 else 0.0
        now = self._exchange.size(adapter)
        change = round(wanted * 10**18) - now
        if abs(change) <= LEVERAGE_SLACK * max(now, round(wanted * 10**18)):
            return
        tick, house = self._exchange.tick(), self._exchange.perp.clearing_house
        proof: list[bytes] = []  # Of a tree of one leaf.
        call = adapter, house.address, self._opening(change), FIRST_WORD, proof
        self._ground.call("strategist", ("ActionManager", self._manager), "act", *call)
        self._exchange.goes(1.0001 ** (tick + 0.5), self._premium())

    def falls(self) -> float:
        """The coin falls within a day, in both pools and the index."""
        self._board.post(self._day(math.log(1.0 - FALL)))
        return FALL

    def _opening(self, coins: int) -> bytes:
        house = self._exchange.perp.clearing_house
        return house.data("openPosition", self._exchange.opening(coins))

    def _premium(self) -> float:
        """The share by which curie's pool stands above the index so that the strategist's long is
        paid what the venue is to pay."""
        return -self.rates["perp"] / YEAR_DAYS / LEVERAGE

    def _day(self, change: float) -> list[Row]:
        """One day whose price changes so much, and what it showed: the index at each bar, the
        rates at its end."""
        begin_s, before = self._shown_s, self._index
        self._shown_s += DAY_S
        self._until(self._shown_s - LEAD_S)
        self._price *= math.exp(change)
        paid = {n: r + float(self._chance.normal(0.0, NOISE[n])) for n, r in self.rates.items()}
        premium = -paid["perp"] / YEAR_DAYS / LEVERAGE
        self._index = self._exchange.goes(self._price, premium)
        self._bank.pays(max(paid["aave"], 0.001))
        self._pool.trades(paid["lp"], self._price)
        self._until(self._shown_s)
        bars = [(PRICE, at, before) for at in range(begin_s + BAR_S, self._shown_s, BAR_S)]
        rates = {
            "aave": self._bank.rate(),
            "lp": self._pool.rate(1.0),
            "perp": self._exchange.funding() * LEVERAGE,
        }
        end_s = self._shown_s
        return [*bars, (PRICE, end_s, self._index), *((n, end_s, r) for n, r in rates.items())]

    def _until(self, at_s: int) -> None:
        if self._chain.now_s < at_s:
            self._chain.wait(at_s - self._chain.now_s)
