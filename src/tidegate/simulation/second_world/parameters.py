# SPDX-License-Identifier: Apache-2.0
"""Every number of the second world, each with its source, hashed before anything trades.

"measured" means on public bars and funding of Binance and Hyperliquid, January 2024 to April 2026.
Where a figure is a choice it says "assumed" or "set so that ...", with the fact that it serves.
"""

from __future__ import annotations

import json
from hashlib import sha256

import msgspec


class Coin(msgspec.Struct, frozen=True):
    """A coin: its price at the start, its part in the market, and how much of it is traded."""

    price_usd: float  # about the level of 2026; assumed
    vol_annual: float  # near the measured BTC 0.52, ETH 0.70, SOL 0.94; others assumed
    beta: float  # to BTC, hourly; measured ETH 0.93, SOL 1.33; ETH set higher for its falls
    size: float  # volume and open interest as a multiple of BTC's; assumed
    spread: float  # half-spread as a multiple of BTC's; assumed
    crash_factor: float  # move in a crisis over BTC's; assumed
    deribit_cap_8h: float  # of funding; assumed
    binance_cap_8h: float  # 0.3 % for BTC in fundingInfo of September 2026, 2 % common for alts
    dydx_initial: float  # dYdX v4 genesis tiers: large 2 %, mid 5 %


class Venue(msgspec.Struct, frozen=True):
    """A venue: its size, how it prices funding and deleverages, and how it fares in stress."""

    volume_usd_day: float  # of BTC; order of magnitude of public rankings in 2026, assumed
    half_spread: float  # of BTC when calm; assumed, binance and hyperliquid near their ticks
    premium_mean: float  # of perpetual over index; set so that funding has the mean of `Carry`
    lean: float  # share of forced trades' passing impact by which it overshoots the index; assumed
    fund_share: float  # insurance over open interest; set so that winners are seldom closed
    leverage_median: float  # of holders; assumed
    ranking: str  # formula of the queue, see `margin.adl`


COINS = {
    "BTC": Coin(76_000.0, 0.516, 1.00, 1.00, 1.0, 1.00, 0.005, 0.003, 0.02),
    "ETH": Coin(2_250.0, 0.720, 1.10, 0.80, 1.2, 1.25, 0.005, 0.003, 0.02),
    "SOL": Coin(150.0, 0.900, 1.33, 0.30, 1.8, 1.40, 0.010, 0.020, 0.05),
    "XRP": Coin(2.10, 0.860, 1.05, 0.15, 2.2, 1.45, 0.010, 0.020, 0.05),
    "DOGE": Coin(0.17, 1.000, 1.25, 0.12, 2.6, 1.60, 0.010, 0.020, 0.05),
    "AVAX": Coin(20.0, 0.950, 1.30, 0.04, 3.5, 1.70, 0.010, 0.020, 0.05),
}
PROFIT, PRICE = "profit_leverage", "price_leverage"
VENUES = {
    "hyperliquid": Venue(4.0e9, 0.6e-4, 3.7e-4, 0.40, 0.010, 8.0, PRICE),
    "binance": Venue(12.0e9, 0.3e-4, 0.4e-4, 0.20, 0.025, 6.0, PROFIT),
    "deribit": Venue(0.8e9, 0.8e-4, 1.7e-4, 0.15, 0.018, 4.0, PROFIT),
    "dydx": Venue(0.1e9, 1.5e-4, 1.9e-4, 0.45, 0.013, 5.0, PROFIT),
}


class Volatility(msgspec.Struct, frozen=True):
    """Log-variance as a sum of mean-reverting factors on one noise, which looks rough.

    Form: Abi Jaber and El Euch (2019), lifted Heston, here for a log-normal variance.
    """

    half_lives_h: tuple[float, ...] = (0.5, 4.0, 36.0, 288.0)  # assumed, about a factor of 8 apart
    weights: tuple[float, ...] = (0.3, 0.5, 0.8, 0.8)  # set so that |r| correlates 0.2 at 1 h
    log_variance_sd: float = 1.15  # set so that the chance of an hour's fall is met
    leverage_effect: float = -0.3  # assumed: falls are followed by more variance
    diurnal: float = 0.25  # assumed: busiest when Europe and America overlap
    tail_degrees: float = 5.0  # of the copula's common Student mixing; assumed
    jump_boost: float = 4.0  # variance added by one mean jump; set with the fact on clustering
    jump_boost_half_life_h: float = 2.0  # assumed
    diffusion_share: float = (
        0.46  # of variance, before the boost; set so that volatility is as measured
    )


class Jumps(msgspec.Struct, frozen=True):
    """Jump arrivals that excite themselves (Hawkes 1971), by clusters; sizes generalised Pareto."""

    market_per_day: float = 0.5  # immigrants; set so that the chance of an hour's fall is met
    coin_per_day: float = 0.30  # immigrants of each coin by itself; as above
    children: float = 0.5  # branching ratio; assumed, below 1 so that clusters end
    delay_fast_h: float = 0.25  # mean delay of half of the children; assumed
    delay_slow_h: float = 6.0  # of the other half; assumed
    tail_index: float = 0.22  # of sizes; set so that the chance of an hour's fall is met
    scale: float = 0.0046  # of a market jump; as above
    size_max: float = 24.0  # of a jump over the scale, 11 % of BTC; assumed
    down_share: float = 0.56  # of first jumps; assumed, falls are faster than rises
    same_sign: float = 0.65  # of children with their parent; assumed
    crisis_seeds: float = 12.0  # jumps whose aftermath a crisis leaves; assumed


class Liquidity(msgspec.Struct, frozen=True):
    """Providers who withdraw after losses, and arbitrageurs whose capital is limited."""

    fast_half_life_h: float = 1.5  # of the memory of losses; assumed
    slow_half_life_h: float = 12.0  # of the slow part of it; assumed
    slow_share: float = 0.3  # assumed
    calm_loss: float = 0.5  # of the mean loss; set so that depth is about 1 when calm
    depth_power: float = 0.75  # set so that depth is 5 to 20 % in stress
    depth_floor: float = 0.05  # set so that depth is 5 to 20 % in stress
    spread_power: float = 0.75  # set so that spread is 5 to 10 times when depth is 5 to 12 %
    basis_sd: float = 3.4e-4  # set so that venues deviate 4 to 5 bp when calm
    basis_half_life_min: float = 20.0  # assumed
    capital_half_life_h: float = 0.5  # time in which arbitrageurs' capital comes back; assumed
    capital: float = 2.0  # loss that ties up half; set so that gaps are 50 to 190 bp in stress
    widening_max: float = 14.0  # as above
    mark_half_life_min: float = 5.0  # assumed near venues' averaging windows
    mark_clamp: float = 0.005  # mark against index; Deribit 0.5 % for BTC, assumed for the others


class Cascade(msgspec.Struct, frozen=True):
    """A continuous density of liquidation levels below and above where holders came in."""

    open_interest_days: float = 0.6  # open interest over a day's volume; assumed
    leveraged_share: float = 0.6  # of it; assumed
    distance_scale: float = 0.25  # Weibull, set so that 34 % of these fall in a move of 15 %
    distance_shape: float = 1.7  # Weibull; assumed
    entry_half_life_h: float = 24.0  # of the average entry; assumed
    impact: float = 0.25  # of daily volatility at a day's volume; square-root law, set below 1
    #                       since a liquidation is seen coming; assumed
    impact_max: float = 0.02  # in one step; assumed
    passing_share: float = 0.6  # of impact; assumed
    passing_half_life_min: float = 40.0  # assumed
    generations: int = 3  # forced sales that cause others; assumed
    shortfall_cushion: float = 0.03  # margin left at takeover, and the spread of takeovers in a
    #                                  step; set so that few winners are closed outside crises
    deleverage_max: float = 0.5  # of one side in one hour; assumed


class Carry(msgspec.Struct, frozen=True):
    """Demand for leverage as a premium; each venue's formula makes funding of it.

    Sought a year: Binance about 8 % (measured 9.1 to 10.2), Hyperliquid 15 to 25 % (16 to 23).
    """

    demand_sd: float = 3.0e-4  # common to the market; with the next three set so that daily
    demand_half_life_d: float = 8.0  # funding correlates 0.8 and has the measured deviation
    coin_sd: float = 1.6e-4  # of one coin's demand
    coin_half_life_d: float = 6.0
    tilt_sd: float = 2.6e-4  # of one pair of venue and coin: set as above, mean zero, so that
    tilt_half_life_d: float = 5.0  # the better side is not known beforehand; assumed
    chase: float = 0.4e-2  # premium per unit of the return of the last days; assumed
    chase_half_life_d: float = 2.0  # assumed
    interest_8h: float = 1e-4  # Binance, Hyperliquid documentation
    band_8h: float = 5e-4  # Binance, Hyperliquid documentation
    hyperliquid_cap_1h: float = 0.04  # Hyperliquid documentation
    deribit_dead_band: float = 2.5e-4  # Deribit documentation
    dydx_impact: float = 3e-4  # impact prices from the middle; dYdX premium formula, size assumed
    dydx_maintenance: float = 0.6  # over initial margin; dYdX v4 genesis tiers
    dydx_clamp: float = 6.0  # dYdX v4 genesis


class Faults(msgspec.Struct, frozen=True):
    """What breaks besides prices: venues, withdrawals and stablecoins."""

    outages_year: float = (
        5.0  # all venues, when calm; a handful with those that stress adds; assumed
    )
    outage_median_min: float = 30.0  # assumed
    freezes_year: float = 4.0  # all venues, when calm; assumed
    freeze_median_h: float = 4.0  # assumed
    log_sd: float = 0.7  # of durations; assumed
    stress_pull: float = 8.0  # hazard in full stress over calm, less 1; assumed
    stable_sd: float = 3e-4  # wobble; typical of USDT and USDC, assumed
    stable_half_life_h: float = 6.0  # assumed


class Holders(msgspec.Struct, frozen=True):
    """Who holds: when they came in, and with which leverage."""

    age_mean_h: float = 72.0  # exponential; assumed
    ages: int = 8  # set so that quantiles are smooth
    leverage_log_sd: float = 0.8  # assumed
    leverages: int = 5  # set so that quantiles are smooth
    equity_floor: float = 0.02  # of notional; near maintenance of majors


class Crises(msgspec.Struct, frozen=True):
    """The named days. Moves are of BTC, as shares of its price, and assumed."""

    crash: tuple[float, float] = (0.15, 0.20)
    crash_minutes: tuple[int, int] = (50, 75)
    gap: tuple[float, float] = (0.14, 0.16)
    squeeze: tuple[float, float] = (0.18, 0.22)
    insolvency: tuple[float, float] = (0.145, 0.165)
    insolvency_minutes: int = 30
    rebound: tuple[float, float] = (0.2, 0.45)  # of the move; assumed
    rebound_half_life_h: float = 2.0  # assumed
    alt_spread: float = 0.08  # of a coin's factor; assumed
    fall_max: float = 0.5  # of any coin; assumed
    depth: float = 0.10  # at the worst, but for an insolvency; assumed
    depth_insolvency: float = 0.05  # assumed
    depth_half_life_h: float = 3.0  # of its recovery; assumed
    freeze_h: tuple[float, float] = (3.0, 12.0)  # assumed
    insolvency_freeze_h: float = 24.0  # assumed
    deleverage_share: float = 0.5  # of winners at the insolvent venue; assumed
    depeg: tuple[float, float] = (0.025, 0.035)  # USDC lost more in March 2023; assumed
    depeg_minutes: float = 60.0  # mean time of the fall; assumed
    depeg_half_life_h: float = 18.0  # of recovery; USDC took about two days in March 2023


class SecondParameters(msgspec.Struct, frozen=True):
    """All parameters of the second world; `digest` names them."""

    coins: dict[str, Coin] = msgspec.field(default_factory=lambda: dict(COINS))
    venues: dict[str, Venue] = msgspec.field(default_factory=lambda: dict(VENUES))
    start_ms: int = 1_735_689_600_000  # 2025-01-01 00:00 UTC
    volatility: Volatility = Volatility()
    jumps: Jumps = Jumps()
    liquidity: Liquidity = Liquidity()
    cascade: Cascade = Cascade()
    carry: Carry = Carry()
    faults: Faults = Faults()
    holders: Holders = Holders()
    crises: Crises = Crises()

    def digest(self) -> str:
        """SHA-256 of the canonical JSON: keys sorted, no spaces."""
        text = json.dumps(msgspec.to_builtins(self), sort_keys=True, separators=(",", ":"))
        return sha256(text.encode()).hexdigest()
