# SPDX-License-Identifier: Apache-2.0
"""Aave v3 on a development node: its own contracts of `@aave/core-v3` 1.19.3, deployed and wired.

The order of the steps is that of the protocol's deployment: addresses provider, access list, oracle,
pool and configurator behind proxies, then one reserve for each token.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.venues.chain.artifacts import Artifacts
from tidegate.venues.chain.client import NOBODY, At, Chain
from tidegate.venues.chain.npm import AAVE_V3, fetch

VARIABLE_RATE = 2
RAY = 10**27
_DOLLAR = 10**8
# Optimal use 80 %, slopes 4 % and 60 % a year; stable borrowing is off: the strategy's shape is
# that of a dollar reserve in Aave's v3 configuration.
_RATES = (
    RAY * 4 // 5,
    0,
    RAY // 25,
    RAY * 3 // 5,
    RAY // 200,
    RAY * 3 // 5,
    RAY // 100,
    0,
    RAY // 5,
)
_LTV_BPS, _THRESHOLD_BPS, _BONUS_BPS = 8_000, 8_500, 10_500
# Where `getReserveData` tells the aToken's address.
_A_TOKEN = 8


@dataclass(frozen=True, slots=True)
class Reserve:
    """One listed token and the feed of its dollar price, with eight decimals."""

    token: At
    feed: At
    decimals: int


@dataclass(frozen=True, slots=True)
class AaveV3:
    """A running pool; `owner` is its administrator."""

    pool: At
    configurator: At
    owner: str
    a_tokens: dict[str, At]


class _Deployment:
    def __init__(self, chain: Chain, packages: Path, owner: str) -> None:
        self.chain, self.owner = chain, owner
        self.artifacts = Artifacts(fetch(AAVE_V3, packages))

    def make(self, name: str, *args: Any, libraries: dict[str, str] | None = None) -> At:
        artifact = self.artifacts[name]
        return self.chain.create(
            artifact, *args, sender=self.owner, libraries={} if libraries is None else libraries
        )

    def libraries(self) -> dict[str, str]:
        """Addresses of what the pool is linked with."""
        names = "BorrowLogic BridgeLogic EModeLogic LiquidationLogic PoolLogic SupplyLogic".split()
        found = {name: self.make(name).address for name in names}
        found["FlashLoanLogic"] = self.make("FlashLoanLogic", libraries=found).address
        return found

    def provider(self, reserves: tuple[Reserve, ...]) -> At:
        """The addresses provider, which knows access list and oracle."""
        provider = self.make("PoolAddressesProvider", "Tidegate", self.owner)
        provider.setACLAdmin(self.owner, sender=self.owner)
        access = self.make("ACLManager", provider.address)
        access.addPoolAdmin(self.owner, sender=self.owner)
        provider.setACLManager(access.address, sender=self.owner)
        oracle = self.make(
            "AaveOracle",
            *(provider.address, [reserve.token.address for reserve in reserves]),
            *([reserve.feed.address for reserve in reserves], NOBODY, NOBODY, _DOLLAR),
        )
        provider.setPriceOracle(oracle.address, sender=self.owner)
        return provider

    def pool_of(self, provider: At) -> At:
        """The pool behind its proxy."""
        code = self.make("Pool", provider.address, libraries=self.libraries())
        provider.setPoolImpl(code.address, sender=self.owner)
        return self.chain.at(provider.getPool(), code.abi)

    def configurator_of(self, provider: At) -> At:
        """The pool's configurator behind its proxy."""
        logic = {"ConfiguratorLogic": self.make("ConfiguratorLogic").address}
        code = self.make("PoolConfigurator", libraries=logic)
        provider.setPoolConfiguratorImpl(code.address, sender=self.owner)
        return self.chain.at(provider.getPoolConfigurator(), code.abi)

    def listing(self, provider: At, pool: At, reserves: tuple[Reserve, ...]) -> list[Any]:
        """What the configurator is told of each reserve."""
        kinds = "AToken", "StableDebtToken", "VariableDebtToken"
        codes = [self.make(kind, pool.address).address for kind in kinds]
        rates = self.make("DefaultReserveInterestRateStrategy", provider.address, *_RATES).address
        return [
            (
                *(*codes, reserve.decimals, rates, reserve.token.address),
                *(self.owner, NOBODY, "a", "a", "v", "v", "s", "s", b""),
            )
            for reserve in reserves
        ]


def deploy_aave_v3(
    chain: Chain, packages: Path, owner: str, reserves: tuple[Reserve, ...]
) -> AaveV3:
    """Every contract, each token listed, to be supplied, borrowed, and taken as collateral."""
    deployment = _Deployment(chain, packages, owner)
    provider = deployment.provider(reserves)
    pool = deployment.pool_of(provider)
    configurator = deployment.configurator_of(provider)
    configurator.initReserves(deployment.listing(provider, pool, reserves), sender=owner)
    for reserve in reserves:
        at = reserve.token.address
        limits = _LTV_BPS, _THRESHOLD_BPS, _BONUS_BPS
        configurator.configureReserveAsCollateral(at, *limits, sender=owner)
        configurator.setReserveBorrowing(at, True, sender=owner)
    abi = deployment.artifacts["AToken"].abi
    a_tokens = {
        reserve.token.address: chain.at(pool.getReserveData(reserve.token.address)[_A_TOKEN], abi)
        for reserve in reserves
    }
    return AaveV3(pool, configurator, owner, a_tokens)
