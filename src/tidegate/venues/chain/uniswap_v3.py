# SPDX-License-Identifier: Apache-2.0
"""Uniswap v3 on a development node: one pool of a dollar and a coin, of its own contracts.

They come from `@uniswap/v3-core` 1.0.1; strangers trade and provide through `v3-periphery` 1.4.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from pathlib import Path

from tidegate.venues.chain.artifacts import Artifacts
from tidegate.venues.chain.client import At, Chain
from tidegate.venues.chain.npm import UNISWAP_V3, UNISWAP_V3_PERIPHERY, fetch

FEE_PIPS, SPACING = 3_000, 60
NEVER = 2**256 - 1
_BPS = 10_000


@dataclass(frozen=True, slots=True)
class UniswapV3:
    """A pool at its first price; `root` and `tick` are of that, the root in 2**-96."""

    chain: Chain
    pool: At
    router: At
    manager: At
    dollar: At
    coin: At
    root: int
    tick: int

    @property
    def dollar_is_1(self) -> bool:
        """Tokens stand in the order of their addresses."""
        return int(self.coin.address, 16) < int(self.dollar.address, 16)

    @property
    def tokens(self) -> tuple[At, At]:
        """Both as the pool has them."""
        return (self.coin, self.dollar) if self.dollar_is_1 else (self.dollar, self.coin)

    def around(self, ticks: int) -> tuple[int, int]:
        """The ends of a range, as the pool has them, so far to both sides of the first price."""
        middle = self.tick // SPACING * SPACING
        return middle - ticks // SPACING * SPACING, middle + ticks // SPACING * SPACING

    def provide(self, who: str, dollars: int, coins: int, ticks: int) -> None:
        """Liquidity of somebody around the first price, of tokens that he holds."""
        for token in self.tokens:
            token.approve(self.manager.address, NEVER, sender=who)
        amounts = (coins, dollars) if self.dollar_is_1 else (dollars, coins)
        pair = [token.address for token in self.tokens]
        params = (*pair, FEE_PIPS, *self.around(ticks), *amounts, 0, 0, who, NEVER)
        self.manager.mint(params, sender=who)

    def swap(self, who: str, sold: At, amount: int, limit: int = 0) -> int:
        """Sells an amount that he holds, as far as the limit's root; what he got."""
        bought = self.coin if sold is self.dollar else self.dollar
        sold.approve(self.router.address, NEVER, sender=who)
        params = (sold.address, bought.address, FEE_PIPS, who, NEVER, amount, 0, limit)
        return int(self.router.exactInputSingle(params, sender=who))

    def root_at(self, bps: int) -> int:
        """The root where the coin is dearer by so many hundredths of a per cent than at first."""
        up, down = (_BPS + bps, _BPS) if self.dollar_is_1 else (_BPS, _BPS + bps)
        return isqrt(self.root**2 * up // down)

    def root_now(self) -> int:
        """That of the spot price."""
        return int(self.pool.slot0()[0])


def deploy_uniswap_v3(
    chain: Chain, packages: Path, owner: str, pair: tuple[At, At], price: tuple[int, int]
) -> UniswapV3:
    """Factory, router, position manager and one pool without liquidity.

    `pair` is dollar and coin; `price` says how many quanta of the first so many of the second cost.
    """
    core = Artifacts(fetch(UNISWAP_V3, packages))
    periphery = Artifacts(fetch(UNISWAP_V3_PERIPHERY, packages))
    dollar, coin = pair
    factory = chain.create(core["UniswapV3Factory"], sender=owner)
    # Neither wraps ether here, nor draws pictures of positions.
    nobody = owner
    router = chain.create(periphery["SwapRouter"], factory.address, nobody, sender=owner)
    manager = chain.create(
        periphery["NonfungiblePositionManager"], factory.address, nobody, nobody, sender=owner
    )
    place = factory.createPool(dollar.address, coin.address, FEE_PIPS, sender=owner)
    pool = chain.at(place, core["UniswapV3Pool"].abi)
    coin_is_0 = int(coin.address, 16) < int(dollar.address, 16)
    up, down = price if coin_is_0 else price[::-1]
    root = isqrt((up << 192) // down)
    pool.initialize(root, sender=owner)
    return UniswapV3(chain, pool, router, manager, dollar, coin, root, int(pool.slot0()[1]))
