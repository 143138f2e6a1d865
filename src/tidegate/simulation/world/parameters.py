# SPDX-License-Identifier: Apache-2.0
"""Every number of the world, each with its source or the measurement that it was set by.

Measured: figures of Binance 15-minute bars 2024-01 to 2026-04 (BTC, ETH; SOL to 2025-06) and
Hyperliquid hourly bars and funding 2023-09 to 2025-03. Set: chosen here so that a stylised fact
comes out, which a test then holds. Assumed: neither, an order of magnitude.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from math import isfinite
from typing import Any

from tidegate.margin.adl import RANKINGS
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.simulation.world.crises import CRISES, LATER, CrisisDraw, CrisisShape


@dataclass(frozen=True, slots=True)
class Coin:
    """One coin: first price, calm volatility, its share of market-wide blows, daily volume.

    `vol_annual` is the diffusion in the calm regime. Measured over all regimes: BTC 0.54, ETH
    0.70, SOL 0.95. `jump_beta` multiplies common jumps, `crisis_beta` the crisis' log move.
    `volume_day_usd` at Binance, measured for BTC, ETH, SOL; assumed for the others. `margin_gap`
    is dYdX's IM minus MM (genesis tiers: 2 % * 40 % for large, 5 % * 40 % for mid markets), and
    `cap_8h` Binance's funding cap (BTC and ETH 0.3 %, others 2 %: fundingInfo of 2026-09).
    """

    name: str
    price_usd: float
    vol_annual: float
    jump_beta: float
    crisis_beta: float
    volume_day_usd: float
    margin_gap: float
    cap_8h: float


@dataclass(frozen=True, slots=True)
class Venue:
    """One venue: its funding formula, mean premium, and how it differs from Binance.

    `premium_8h` and `premium_load`: where the perpetual stands against the index on average and
    how strongly it answers common demand; set so that funding averages come near the measured
    ones (a year: Binance 8 %, Hyperliquid 16 to 24 %, dYdX 12 %; Hyperliquid's closes stand 2 to
    5 bp above Binance's). `volume_share` of Binance's, `half_spread`, `insurance_share` of open
    interest: assumed. `ranking`: by which formula winners are ordered for deleveraging.
    """

    name: str
    formula: str
    premium_8h: float
    premium_load: float
    volume_share: float
    half_spread: float
    insurance_share: float
    ranking: str


@dataclass(frozen=True, slots=True)
class Regimes:
    """Two states of the market and log-volatility inside them (Hamilton 1989; Taylor 1986).

    Stress comes about every two weeks, lasts hours, and multiplies volatility. Durations are
    exponential. Log-volatility is the sum of a slow and a fast mean-reverting part. All set: to
    the measured P(lowest price of 60 minutes < -5 %) of BTC 8.4e-4, ETH 2.6e-3, SOL 4.0e-3 and
    to the autocorrelation of absolute 15-minute returns (0.28 at 15 minutes, 0.2 at an hour,
    0.11 at a day). `shock_move` is the move of the first coin in 15 minutes that by itself
    counts as full stress.
    """

    calm_hours: float = 280.0
    stress_hours: float = 9.0
    stress_vol: float = 5.0
    stress_level: float = 0.75
    onset_half_life_hours: float = 0.25
    slow_deviation: float = 0.40
    slow_half_life_hours: float = 72.0
    fast_deviation: float = 0.30
    fast_half_life_hours: float = 3.0
    correlation_calm: float = 0.65
    correlation_stress: float = 0.90
    shock_move: float = 0.04
    crisis_half_life_hours: float = 4.0
    crisis_vol: float = 4.0


@dataclass(frozen=True, slots=True)
class Jumps:
    """Double-exponential jumps (Kou 2002), common to all coins and of one coin alone.

    Rates a day, mean sizes in logs. Falls are more frequent than rises: measured P(60 minutes
    rise > 5 %) is half of P(fall > 5 %). `stress_rate` multiplies rates in full stress.
    """

    common_per_day: float = 0.10
    coin_per_day: float = 0.10
    down_share: float = 0.60
    common_down: float = 0.011
    common_up: float = 0.008
    coin_size: float = 0.008
    stress_rate: float = 8.0


@dataclass(frozen=True, slots=True)
class Basis:
    """Fast distance of a venue's price from the index.

    Measured between Hyperliquid and Binance, hourly, median taken off: deviation 4 to 5 bp, 99.9 %
    of closes within 16 to 21 bp, largest 45 to 55; lows at most 74 to 191 bp apart, and in other
    windows closes to 53 and lows to 187 bp. `stress_scale` multiplies the deviation in full
    stress. Crises add `spikes` dislocations of a venue, exponential in size about the crisis'
    kick, that fade with `spike_half_life_hours`: lows see them whole, closes in part.
    """

    deviation: float = 2.2e-4
    half_life_hours: float = 0.1
    stress_scale: float = 7.0
    spikes: int = 5
    spike_half_life_hours: float = 0.02
    forced_flow_lean: float = 0.04
    mark_half_life_hours: float = 0.05
    mark_clamp: float = 0.01


@dataclass(frozen=True, slots=True)
class Premium:
    """Slow premium of perpetuals over the index, as 8-hour rates: what funding is made of.

    common + coin + venue-and-coin parts, each mean-reverting; `pair_level` is a lasting level
    of one coin at one venue that each seed draws anew, so that the better side of a pair is not
    known beforehand. `lean_8h` answers the imbalance of leveraged longs over shorts, `trend_8h`
    the last day's return per unit of it. Set: daily autocorrelation of funding 0.8 (measured
    0.78 to 0.84; published 0.82 and 0.79), deviations a year about 10 % at Binance and 29 % at
    Hyperliquid.
    """

    common_deviation: float = 2.3e-4
    coin_deviation: float = 1.4e-4
    pair_deviation: float = 0.8e-4
    pair_level: float = 0.5e-4
    half_life_hours: float = 96.0
    pair_half_life_hours: float = 24.0
    lean_8h: float = 2.0e-4
    trend_8h: float = 1.0e-3
    crisis_half_life_hours: float = 5.0


@dataclass(frozen=True, slots=True)
class FundingRules:
    """The constants of the venues' formulas, as 8-hour rates unless named otherwise.

    Interest 0.01 % and band 0.05 % (Binance, Hyperliquid documentation); cap 4 % an hour
    (Hyperliquid); dead band 0.025 % (Deribit; its cap differs by instrument: 0.5 % assumed);
    default rate 0 (dYdX v4 as of 2025-12; 100 ppm at genesis), clamp 600 % of IM - MM.
    """

    interest_8h: float = 1.0e-4
    band_8h: float = 5.0e-4
    hyperliquid_cap_1h: float = 0.04
    dead_band_8h: float = 2.5e-4
    deribit_cap_8h: float = 0.005
    dydx_default_8h: float = 0.0
    dydx_cap_multiple: float = 6.0


@dataclass(frozen=True, slots=True)
class Liquidity:
    """Depth, spread and volume. Depth in full stress 8 % of calm, spreads 8 times: within the
    5 to 20 % and 5 to 10 times seen in October 2025 and March 2020 (published order of magnitude:
    testing at 3 to 10 times cost). Volume grows with volatility to the power given."""

    stress_depth: float = 0.08
    stress_spread: float = 8.0
    noise: float = 0.15
    volume_noise: float = 0.30
    volume_power: float = 1.0
    day_swing: float = 0.35
    spread_power: float = 0.25


@dataclass(frozen=True, slots=True)
class Leverage:
    """Leveraged holders whose forced closing moves the price.

    `holders` per coin and side with log-normal leverage; they close when price reaches
    entry * (1 - side / leverage) / (1 - side * maintenance) and come back later. Impact of the
    fading forced volume Q: impact * daily volatility * sqrt(Q / (daily volume * depth)), the
    square-root law (Donier and Bonart 2015: constant 0.5 to 1.5). `interest_share`: open interest
    as a share of a day's volume (assumed). `thinning`: expected life in hours of a position.
    """

    holders: int = 48
    leverage_median: float = 5.0
    leverage_deviation: float = 0.7
    leverage_max: float = 30.0
    maintenance: float = 0.008
    impact: float = 0.6
    impact_half_life_hours: float = 0.5
    interest_share: float = 0.35
    life_hours: float = 36.0
    return_hours: float = 18.0
    block_hours: float = 2.0


@dataclass(frozen=True, slots=True)
class Stablecoins:
    """USDT and USDC in USD: a mean-reverting wobble, wider in stress, and a depeg that comes
    within two hours and heals by half within a day. Set: 3 bp in calm."""

    assets: tuple[str, str] = ("USDT", "USDC")
    deviation: float = 3.0e-4
    half_life_hours: float = 6.0
    stress_scale: float = 4.0
    depeg_hours: float = 1.5
    heal_half_life_hours: float = 24.0


@dataclass(frozen=True, slots=True)
class Interruptions:
    """Stops of trading and of withdrawals outside of crises, per venue and year, and how long
    they last (exponential means); within a crisis an outage lasts the minutes given. Assumed:
    venues' status pages report a handful a year."""

    outages_per_year: float = 5.0
    outage_minutes: float = 30.0
    freezes_per_year: float = 4.0
    freeze_hours: float = 2.0
    crisis_outage_minutes: tuple[float, float] = (5.0, 40.0)


_COINS = (
    Coin("BTC", 95_000.0, 0.39, 1.00, 1.00, 17.2e9, 0.008, 0.003),
    Coin("ETH", 3_400.0, 0.55, 1.35, 1.15, 10.2e9, 0.008, 0.003),
    Coin("SOL", 190.0, 0.67, 1.60, 1.28, 3.3e9, 0.02, 0.02),
    Coin("XRP", 2.30, 0.61, 1.40, 1.20, 1.6e9, 0.02, 0.02),
    Coin("DOGE", 0.33, 0.66, 1.60, 1.28, 1.3e9, 0.02, 0.02),
    Coin("AVAX", 37.0, 0.67, 1.60, 1.32, 0.4e9, 0.02, 0.02),
)
_VENUES = (
    Venue("hyperliquid", "hyperliquid", 3.2e-4, 2.0, 0.25, 0.6e-4, 0.004, "price_leverage"),
    Venue("binance", "binance", -1.5e-4, 1.0, 1.0, 0.3e-4, 0.010, "profit_leverage"),
    Venue("deribit", "deribit", 1.0e-4, 1.0, 0.05, 0.8e-4, 0.006, "profit_leverage"),
    Venue("dydx", "dydx", 1.1e-4, 0.7, 0.02, 1.2e-4, 0.004, "profit_leverage"),
)
FORMULAS = frozenset({"hyperliquid", "binance", "deribit", "dydx"})


@dataclass(frozen=True, slots=True)
class WorldParameters:
    """All numbers that make a world; `digest()` pins them before a policy runs.

    `start_ms` is a midnight UTC; `step_ms` divides an hour; `substeps` is how many prices each
    step's high and low are taken from.
    """

    start_ms: int = 1_735_689_600_000
    step_ms: int = 300_000
    substeps: int = 5
    coins: tuple[Coin, ...] = _COINS
    venues: tuple[Venue, ...] = _VENUES
    regimes: Regimes = field(default_factory=Regimes)
    jumps: Jumps = field(default_factory=Jumps)
    basis: Basis = field(default_factory=Basis)
    premium: Premium = field(default_factory=Premium)
    funding_rules: FundingRules = field(default_factory=FundingRules)
    liquidity: Liquidity = field(default_factory=Liquidity)
    leverage: Leverage = field(default_factory=Leverage)
    stablecoins: Stablecoins = field(default_factory=Stablecoins)
    interruptions: Interruptions = field(default_factory=Interruptions)
    crisis_draw: CrisisDraw = field(default_factory=CrisisDraw)
    crises: tuple[CrisisShape, ...] = tuple(CRISES.values())

    def __post_init__(self) -> None:
        _check_numbers(self, "")
        for check in (_check_grid, _check_names, _check_leverage, _check_crises):
            check(self)

    @property
    def step_hours(self) -> float:
        """Length of a step."""
        return self.step_ms / HOUR_MS

    @property
    def substep_hours(self) -> float:
        """Length of a sub-step."""
        return self.step_hours / self.substeps

    @property
    def steps_per_day(self) -> int:
        """Steps in a day."""
        return DAY_MS // self.step_ms

    @property
    def instruments(self) -> tuple[tuple[str, str], ...]:
        """Every (venue, coin), venue by venue."""
        return tuple((v.name, c.name) for v in self.venues for c in self.coins)

    def crisis(self, name: str) -> CrisisShape:
        """The shape of a named crisis; an unknown name raises `InputError`."""
        for shape in self.crises:
            if shape.name == name:
                return shape
        known = ", ".join(shape.name for shape in self.crises)
        raise InputError("world", "crisis", f"expected one of {known}, got {name!r}")

    def digest(self) -> str:
        """SHA-256 of the canonical JSON of every field (sorted keys, shortest floats)."""
        told = asdict(self, dict_factory=_told)
        text = json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


def _told(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """Fields without those that came later and are unused: so digests of older worlds stand."""
    return {name: value for name, value in fields if value or name not in LATER}


_SIGNED = frozenset({"move", "premium_8h", "venue_lean", "interest_8h", "dydx_default_8h"})
_POSITIVE = frozenset(
    "calm_hours stress_hours life_hours return_hours block_hours depeg_hours price_usd vol_annual "
    "volume_day_usd holders leverage_median interest_share stress_depth depth_floor shock_move "
    "evenness".split()
)
_AT_MOST_ONE = frozenset(
    "correlation_calm correlation_stress down_share stress_depth depth_floor adl_share depeg "
    "outage_probability stress_level collateral_depeg".split()
)


def _check_numbers(value: Any, name: str) -> None:
    """Every number is finite, and not negative, zero or above one unless its name may be."""
    if is_dataclass(value):
        for part in fields(value):
            _check_numbers(getattr(value, part.name), part.name)
    elif isinstance(value, tuple):
        for part in value:
            _check_numbers(part, name)
    elif isinstance(value, int | float):
        _check_number(value, name)


def _check_number(value: float, name: str) -> None:
    positive = name in _POSITIVE or name.endswith("half_life_hours")
    if not isfinite(value) or (value < 0 and name not in _SIGNED) or (positive and value == 0):
        expected = "above zero" if positive else "finite and not negative"
        raise InputError("world", name, f"expected a number {expected}, got {value}")
    if name in _AT_MOST_ONE and value > 1:
        raise InputError("world", name, f"expected at most 1, got {value}")


def _check_grid(p: WorldParameters) -> None:
    if p.start_ms % DAY_MS:
        raise InputError("world", "start_ms", f"expected a midnight UTC, got {p.start_ms}")
    if p.step_ms <= 0 or HOUR_MS % p.step_ms:
        raise InputError("world", "step_ms", f"expected a divisor of an hour, got {p.step_ms}")
    if p.substeps < 1:
        raise InputError("world", "substeps", f"expected at least 1, got {p.substeps}")


def _check_names(p: WorldParameters) -> None:
    groups = {
        "coins": [coin.name for coin in p.coins],
        "venues": [venue.name for venue in p.venues],
        "crises": [shape.name for shape in p.crises],
    }
    for group, names in groups.items():
        if not names or len(set(names)) != len(names):
            raise InputError("world", group, "expected at least one, each name once")
    for venue in p.venues:
        if venue.formula not in FORMULAS:
            raise InputError(
                "world", f"{venue.name}.formula", f"expected one of {sorted(FORMULAS)}"
            )
        if venue.ranking not in RANKINGS:
            raise InputError(
                "world", f"{venue.name}.ranking", f"expected one of {sorted(RANKINGS)}"
            )


def _check_leverage(p: WorldParameters) -> None:
    if not 0.0 < p.leverage.leverage_max * p.leverage.maintenance < 1.0:
        expected = "expected leverage_max * maintenance between 0 and 1"
        raise InputError("world", "leverage_max", expected)


def _check_crises(p: WorldParameters) -> None:
    latest = p.crisis_draw.hours[1]
    for shape in p.crises:
        if shape.move <= -1.0:
            raise InputError("world", f"{shape.name}.move", "expected a fall of less than all")
        if shape.minutes < 1 or latest + shape.minutes / 60.0 > 24.0:
            expected = f"expected 1 or more, and an end within the day if begun at {latest} h"
            raise InputError("world", f"{shape.name}.minutes", expected)
