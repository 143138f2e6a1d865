# SPDX-License-Identifier: Apache-2.0
"""A vault with liquidity in a range at the double of a Uniswap pool; the same sums in fractions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from tests.contracts.evm import At, account
from tests.contracts.setting import Move, Setting, VenueLimit, vault_with_venues

UNIT, E18, Q96 = 10**6, 10**18, 2**96
PIPS, BPS = 10**6, 10_000
FEE_PIPS, GAP_BPS, WINDOW_S, BLOCK_S, SPACING = 3_000, 100, 1_800, 12, 60
DEPTH = 10**18


def root_of(tick: float) -> int:
    """The square root of 1.0001^tick in 2^-96."""
    return int(math.exp(tick / 2 * math.log(1.0001)) * Q96)


@dataclass(frozen=True, slots=True)
class Range:
    """A position in fractions, in the asset: what `state` must say, written down anew.

    Amounts after Adams et al., Uniswap v3 Core (2021), equations 6.29 and 6.30.
    """

    liquidity: int
    lower: Fraction
    upper: Fraction
    asset_is_1: bool

    def worth(self, root: Fraction) -> Fraction:
        at = min(max(root, self.lower), self.upper)
        amount0 = self.liquidity * (1 / at - 1 / self.upper)
        amount1 = self.liquidity * (at - self.lower)
        if self.asset_is_1:
            return amount1 + amount0 * root**2
        return amount0 + amount1 / root**2


class Shore:
    """A million deposited, an adapter in a range around a mean tick; the dollar is either token."""

    def __init__(self, asset_is_1: bool = True, mean: int = -200_280, width: int = 6_000) -> None:
        # 1.0001^-200,280 is about 2e-9: two thousand dollars of six decimals for one of eighteen.
        self.setting: Setting = vault_with_venues(0)
        setting = self.setting
        owner = setting.owner
        self.asset_is_1, self.mean = asset_is_1, mean if asset_is_1 else -mean
        self.other: At = setting.evm.deploy("TestToken", "Test coin", "TETH", 18, sender=owner)
        tokens = [self.other.address, setting.token.address]
        self.pool: At = setting.evm.deploy(
            "tests/contracts/sources/UniswapDouble.vy",
            *(tokens if asset_is_1 else tokens[::-1]),
            *(FEE_PIPS, SPACING, DEPTH),
            sender=owner,
        )
        for token, amount in ((setting.token, 10**9 * UNIT), (self.other, 10**6 * E18)):
            token.mint(self.pool.address, amount, sender=owner)
        self.at(self.mean)
        self.average(self.mean)
        self.ends = (
            (self.mean - width) // SPACING * SPACING,
            (self.mean + width) // SPACING * SPACING,
        )
        self.adapter = self.made()
        setting.add_venue(self.adapter, VenueLimit())
        setting.deposit(account("alice"), 10**6 * UNIT)

    def made(self, **changes: int) -> At:
        terms = {
            "lower": self.ends[0],
            "upper": self.ends[1],
            "window_s": WINDOW_S,
            "gap_bps": GAP_BPS,
            "block_s": BLOCK_S,
            **changes,
        }
        setting = self.setting
        return setting.evm.deploy(
            "UniswapV3LPAdapter",
            *(setting.token.address, setting.vault.address, self.pool.address),
            tuple(terms.values()),
            sender=setting.owner,
        )

    def at(self, tick: float) -> None:
        """The spot price."""
        self.pool.set_spot(root_of(tick), math.floor(tick), sender=self.setting.owner)

    def average(self, tick: int) -> None:
        self.pool.set_mean(tick, sender=self.setting.owner)

    def move(self, delta: int, least: int = 0) -> Move:
        return self.adapter.address, delta, least

    def put(self, amount: int, least: int = 0) -> None:
        self.setting.rebalance(self.move(amount, least))

    def home(self, amount: int, least: int = 0) -> int:
        """Brought home by the sentinel; what came."""
        setting = self.setting
        before = setting.vault.idle()
        setting.vault.bring_home(self.adapter.address, amount, least, sender=setting.sentinel)
        return int(setting.vault.idle()) - int(before)

    def value(self) -> int:
        return int(self.adapter.state()[0])

    def liquidity(self) -> int:
        from eth_utils import keccak

        packed = bytes.fromhex(self.adapter.address[2:])
        packed += b"".join((end % 2**24).to_bytes(3, "big") for end in self.ends)
        return int(self.pool.positions(keccak(packed))[0])

    def limit_root(self) -> Fraction:
        """The root at which the position is valued: average, less the gap and the pool's fee."""
        root = Fraction(root_of(self.mean), Q96)
        keeps = math.sqrt((1 - GAP_BPS / BPS) * (1 - FEE_PIPS / PIPS))
        return root * Fraction(keeps) if self.asset_is_1 else root / Fraction(keeps)

    def range(self) -> Range:
        lower, upper = (Fraction(root_of(end), Q96) for end in self.ends)
        return Range(self.liquidity(), lower, upper, self.asset_is_1)
