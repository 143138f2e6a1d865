# SPDX-License-Identifier: Apache-2.0
"""A real Lyra v1 market with one board of options, and a vault with an adapter there.

Parameters are the defaults of `@lyrafinance/protocol` 0.1.3-alpha. Its spot side is Synthetix, for
which the package brings doubles of its own; options, their prices and margins are the real ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.chain.vault import Node, vault_on
from tests.contracts.evm import DAY_S, account
from tests.contracts.setting import MANAGER, NEVER, VenueLimit
from tidegate.venues.chain.artifacts import Artifacts
from tidegate.venues.chain.client import At, Chain
from tidegate.venues.chain.npm import LYRA_V1, fetch

E18 = 10**18
WEEK_S, HOUR_S = 7 * DAY_S, 3_600
SPOT_USD, EXPIRES_S = 2_000, 28 * DAY_S
STRIKES_USD, SKEWS = (1_500, 2_000, 2_500), (90, 100, 110)
LONG_CALL, LONG_PUT, SHORT_CALL_BASE, SHORT_CALL, SHORT_PUT = range(5)
GAP_BPS, SLIP_BPS = 2_000, 200
KEYS = {name: name.encode().ljust(32, b"\0") for name in ("sUSD", "sETH")}


def _e18(**values: float) -> dict[str, int]:
    return {name: round(value * 10**9) * 10**9 for name, value in values.items()}


CACHE = {
    "maxStrikesPerBoard": 30,
    "staleUpdateDuration": 3 * HOUR_S,
    "varianceIvGWAVPeriod": DAY_S,
    "varianceSkewGWAVPeriod": 3 * DAY_S,
    "optionValueIvGWAVPeriod": DAY_S,
    "optionValueSkewGWAVPeriod": 3 * DAY_S,
    **_e18(acceptableSpotPricePercentMove=0.05, gwavSkewFloor=0.5, gwavSkewCap=2),
    **_e18(rateAndCarry=0.05),
}
COLLATERAL = {
    **_e18(minStaticBaseCollateral=0.2, minStaticQuoteCollateral=200, shockVolA=2.5),
    **_e18(shockVolB=1.8, callSpotPriceShock=1.2, putSpotPriceShock=0.8),
    "shockVolPointA": 2 * WEEK_S,
    "shockVolPointB": 8 * WEEK_S,
}
FORCE = {
    "ivGWAVPeriod": 12 * HOUR_S,
    "skewGWAVPeriod": 24 * HOUR_S,
    **_e18(shortVolShock=1.2, shortPostCutoffVolShock=1.4, longVolShock=0.8),
    **_e18(longPostCutoffVolShock=0.5, liquidateVolShock=1.3, liquidatePostCutoffVolShock=1.6),
    **_e18(shortSpotMin=0.01, liquidateSpotMin=0.02),
}
PRICING = {
    "optionPriceFee1xPoint": 6 * WEEK_S,
    "optionPriceFee2xPoint": 16 * WEEK_S,
    "spotPriceFee1xPoint": 6 * WEEK_S,
    "spotPriceFee2xPoint": 12 * WEEK_S,
    **_e18(optionPriceFeeCoefficient=0.01, spotPriceFeeCoefficient=0.01, vegaFeeCoefficient=100),
    **_e18(standardSize=5, skewAdjustmentFactor=0.75),
}
LIMITS = {
    **_e18(maxBaseIV=2, maxSkew=1.5, minBaseIV=0.35, minSkew=0.5, minDelta=0.15, maxVol=3),
    **_e18(minForceCloseDelta=0.25, minVol=0.55, absMaxSkew=5, absMinSkew=0.15),
    "tradingCutoff": DAY_S // 2,
    "capSkewsToAbs": False,
}
VARIANCE = _e18(
    defaultVarianceFeeCoefficient=0.25,
    forceCloseVarianceFeeCoefficient=0.25,
    skewAdjustmentCoefficient=3,
    referenceSkew=1,
    minimumStaticSkewAdjustment=1,
    vegaCoefficient=0.01,
    minimumStaticVega=0,
    ivVarianceCoefficient=1.5,
    minimumStaticIvVariance=1,
)
POOL = {
    **_e18(minDepositWithdraw=1, withdrawalFee=0.01, liquidityCBThreshold=0.01),
    **_e18(ivVarianceCBThreshold=0.1, skewVarianceCBThreshold=0.35, maxFeePaid=0.01),
    "depositDelay": WEEK_S,
    "withdrawalDelay": WEEK_S,
    "liquidityCBTimeout": 3 * DAY_S,
    "ivVarianceCBTimeout": 12 * HOUR_S,
    "skewVarianceCBTimeout": 12 * HOUR_S,
    "guardianMultisig": "0x" + "00" * 20,
    "guardianDelay": 2 * WEEK_S,
    "boardSettlementCBTimeout": 6 * HOUR_S,
}
SHORTS = _e18(penaltyRatio=0.2, liquidatorFeeRatio=0.4, smFeeRatio=0.3, minLiquidationFee=15)


class Lyra:
    """Spot at 2,000; three strikes, 28 days, vols around 100 %; a million of liquidity."""

    def __init__(self, chain: Chain, packages: Path) -> None:
        self.chain, self.owner = chain, account("owner")
        self._from = Artifacts(fetch(LYRA_V1, packages), "dist/artifacts")
        self._synthetix()
        self._market()
        self._wire()
        self._allow()
        self.quote.mint(self.owner, 10**6 * E18, sender=self.owner)
        self.quote.approve(self.pool.address, NEVER, sender=self.owner)
        self.pool.initiateDeposit(self.owner, 10**6 * E18, sender=self.owner)
        self.expiry_s = self.chain.now_s + EXPIRES_S
        prices = [price * E18 for price in STRIKES_USD]
        skews = [skew * E18 // 100 for skew in SKEWS]
        self._do(self.market, "createOptionBoard", self.expiry_s, E18, prices, skews, False)
        # An average is one only after its period.
        self.chain.wait(DAY_S)

    def _make(self, name: str, *args: Any, **libraries: str) -> At:
        return self.chain.create(self._from[name], *args, sender=self.owner, libraries=libraries)

    def _do(self, contract: At, name: str, *args: Any) -> Any:
        return contract.call(name, *args, sender=self.owner)

    def _synthetix(self) -> None:
        self.oracle = self._make("SynthetixAdapter")
        self._do(self.oracle, "initialize")
        self.quote = self._make("TestERC20Fail", "Synthetic USD", "sUSD")
        self.base = self._make("TestERC20Fail", "Synthetic ETH", "sETH")
        self.rates = self._make("TestExchangeRates")
        self.exchanger = self._make("TestExchanger")
        self.synthetix = self._make("TestSynthetixReturnZero")
        self.borrowing = self._make("TestCollateralShort")
        parts = {
            "ProxySynthetix": self.synthetix,
            "Exchanger": self.exchanger,
            "ExchangeRates": self.rates,
            "CollateralShort": self.borrowing,
            "DelegateApprovals": self._make("TestDelegateApprovals"),
        }
        book = self._make("TestAddressResolver")
        names = [name.encode().ljust(32, b"\0") for name in parts]
        self._do(book, "setAddresses", names, [part.address for part in parts.values()])
        at = self.oracle.address, self.quote.address
        self._do(self.synthetix, "init", *at, book.address)
        self._do(self.borrowing, "init", *at)
        for token in (self.quote, self.base):
            for part in (self.synthetix, self.borrowing):
                self._do(token, "permitMint", part.address, True)
            self._do(token, "permitMint", self.owner, True)
        self._do(self.oracle, "setAddressResolver", book.address)
        self._do(self.oracle, "updateSynthetixAddresses")

    def _market(self) -> None:
        scholes, gwav = self._make("BlackScholes").address, self._make("GWAV").address
        self.market, self.pricer = self._make("OptionMarket"), self._make("OptionMarketPricer")
        self.cache = self._make("OptionGreekCache", GWAV=gwav, BlackScholes=scholes)
        self.pool = self._make("LiquidityPool")
        self.pool_token = self._make("LiquidityToken", "Pool", "LP")
        self.token = self._make("OptionToken", "Options", "OPT")
        self.collateral, self.hedger = self._make("ShortCollateral"), self._make("ShortPoolHedger")

    def _wire(self) -> None:
        market, pricer, cache = self.market, self.pricer, self.cache
        coins, oracle, pool = (self.quote, self.base), self.oracle, self.pool
        wires: dict[At, tuple[At, ...]] = {
            market: (oracle, pool, pricer, cache, self.collateral, self.token, *coins),
            pricer: (market, cache),
            cache: (oracle, market, pricer),
            pool: (oracle, market, self.pool_token, cache, self.hedger, self.collateral, *coins),
            self.pool_token: (pool,),
            self.hedger: (oracle, market, cache, pool, *coins),
            self.collateral: (market, pool, self.token, oracle, *coins),
            self.token: (market, cache, self.collateral, oracle),
        }
        for part, others in wires.items():
            self._do(part, "init", *(other.address for other in others))
        for part in (self.synthetix, self.borrowing):
            self._do(part, "addBaseAsset", KEYS["sETH"], self.base.address, market.address)
        self._do(
            oracle,
            "setGlobalsForContract",
            *(market.address, KEYS["sUSD"], KEYS["sETH"], account("rewards"), bytes(32)),
        )

    def _allow(self) -> None:
        market = {
            "securityModule": account("module"),
            "maxBoardExpiry": 365 * DAY_S,
            **_e18(feePortionReserved=0.1, staticBaseSettlementFee=0.0075),
        }
        for contract, name, values in (
            (self.market, "setOptionMarketParams", market),
            (self.pool, "setLiquidityPoolParameters", POOL),
            (self.hedger, "setPoolHedgerParams", {"interactionDelay": DAY_S, "hedgeCap": NEVER}),
            (self.cache, "setGreekCacheParameters", CACHE),
            (self.cache, "setMinCollateralParameters", COLLATERAL),
            (self.cache, "setForceCloseParameters", FORCE),
            (self.pricer, "setPricingParams", PRICING),
            (self.pricer, "setTradeLimitParams", LIMITS),
            (self.pricer, "setVarianceFeeParams", VARIANCE),
            (self.token, "setPartialCollateralParams", SHORTS),
        ):
            self._do(contract, name, _in_order(contract, name, values))
        self._do(self.hedger, "setShortBuffer", 2 * E18)
        for pair, fee in ((("sETH", "sUSD"), 0.0075), (("sUSD", "sETH"), 0.005)):
            keys = [KEYS[name] for name in pair]
            self._do(self.exchanger, "setFeeRateForExchange", *keys, round(fee * 10**6) * 10**12)
        self.spot(SPOT_USD)

    def spot(self, usd: int) -> None:
        self._do(self.rates, "setRateAndInvalid", KEYS["sETH"], usd * E18, False)

    def trade(self, name: str, trader: str, order: tuple[int, ...]) -> Any:
        """By anybody, at any cost; what Lyra says: position, cost, fee."""
        self.quote.mint(trader, 10**7 * E18, sender=self.owner)
        self.quote.approve(self.market.address, NEVER, sender=trader)
        return self.market.call(name, order, sender=trader)

    def contracts(self) -> tuple[str, ...]:
        parts = self.market, self.token, self.cache, self.pricer, self.pool, self.oracle
        return tuple(part.address for part in (*parts, self.collateral))


def _in_order(contract: At, name: str, values: dict[str, Any]) -> tuple[Any, ...]:
    """A struct's values in the order of the ABI; every name of it and no other."""
    (part,) = [part for part in contract.abi if part.get("name") == name]
    names = [field["name"] for field in part["inputs"][0]["components"]]
    assert set(names) == set(values), (name, set(names) ^ set(values))
    return tuple(values[field] for field in names)


class Desk:
    """A vault with 200,000 dollars of 18 decimals, 50,000 of them with the adapter."""

    def __init__(self, chain: Chain, packages: Path) -> None:
        self.lyra = Lyra(chain, packages)
        self.chain = self.lyra.chain
        self.node = Node(self.chain)
        self.lyra.quote.mint(account("alice"), 200_000 * E18, sender=self.lyra.owner)
        self.setting = vault_on(self.chain, self.lyra.quote, 18)
        setting = self.setting
        self.adapter = self.node.deploy(
            "LyraV1Adapter",
            *(self.lyra.quote.address, setting.vault.address, self.lyra.contracts()),
            *(GAP_BPS, SLIP_BPS),
            sender=setting.owner,
        )
        setting.add_venue(self.adapter, VenueLimit(health_min_bps=11_000, age_max_s=HOUR_S))
        setting.through_timelock(setting.vault, "appoint", MANAGER, account("manager"))
        alice = account("alice")
        self.lyra.quote.approve(setting.vault.address, NEVER, sender=alice)
        setting.vault.deposit(200_000 * E18, alice, sender=alice)
        setting.rebalance((self.adapter.address, 50_000 * E18, 50_000 * E18))

    def call(self, name: str, *args: Any, target: At | None = None) -> None:
        """An allowed call by the adapter."""
        to, data = (target or self.lyra.market), self.lyra.market.data(name, *args)
        self.act(to, data)

    def act(self, target: At, data: bytes) -> None:
        self.setting.vault.act(
            self.adapter.address, target.address, data, sender=account("manager")
        )

    def open(self, kind: int, amount: int, collateral: int = 0, strike: int = 2) -> int:
        """A new position; its number."""
        self.call("openPosition", (strike, 0, 1, kind, amount, collateral, 0, NEVER))
        return int(self.adapter.positions()[-1])

    def home(self, amount: int, least: int = 0) -> int:
        vault, before = self.setting.vault, self.setting.vault.idle()
        vault.bring_home(self.adapter.address, amount, least, sender=self.setting.sentinel)
        return int(vault.idle()) - int(before)

    def value(self) -> int:
        return int(self.adapter.state()[0])

    def health_bps(self) -> int:
        return int(self.adapter.state()[1])
