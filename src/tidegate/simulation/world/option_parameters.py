# SPDX-License-Identifier: Apache-2.0
"""Every number of the world's option market, each with its source or the measurement behind it.

Measured: 481 chains of Deribit's coin-settled BTC and ETH options, 2025-12-30 to 2026-04-30, about
four a day; smiles by the venue's mark volatilities, spreads by its quotes. There the 30-day
volatility at the money was 0.36 to 0.79 (BTC, median 0.46) and 0.52 to 0.93 (ETH, 0.65), with the
largest on 5 February 2026. Set: chosen so that a measured fact comes out, which a test holds.
Assumed: neither.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from math import isfinite
from typing import Any

from tidegate.model.errors import InputError

# theta phi (1 + |rho|) <= 4 of the eSSVI slices holds while neither wing passes this.
WING_MAX = 1.9


@dataclass(frozen=True, slots=True)
class OptionCoin:
    """One coin's smile in rest, its quotes and its contracts.

    `long_run_vol`: median at the money at 180 days, measured 0.49 BTC, 0.67 ETH; SOL assumed.
    `put_wing`, `call_wing`: of eSSVI, in units of the square root of the variance at the money; by
    the measured smile at one deviation below and above (BTC +14 % and -4 % of the volatility at
    the money, ETH +11 % and 0 %; nearly the same from a day to half a year). `spread_vol` and
    `spread_vol_day`: half-spread in volatility, a + b / sqrt(days), measured medians at the money
    1.4, 1.1, 0.6, 0.33, 0.31 points of BTC at 1, 4, 20, 60 and 200 days, 1.9, 1.4, 0.7, 0.45, 0.44
    of ETH. `coins_day`, `interest_coins`: a day's volume and open interest of one option at the
    money, measured 70 and 500 BTC, 450 and 3,000 ETH. `tick_usd` and `lot` of the contracts that
    settle in USDC: assumed, but SOL's multiplier of 10 (contract pages). `coin_tick`, `coin_lot`
    of those that settle in coin (0.0001 and 0.1 BTC, combos of May 2026); 0: there are none.
    """

    name: str
    long_run_vol: float
    put_wing: float
    call_wing: float
    spread_vol: float
    spread_vol_day: float
    coins_day: float
    interest_coins: float
    tick_usd: str
    lot: str
    coin_tick: str = "0"
    coin_lot: str = "0"


@dataclass(frozen=True, slots=True)
class Term:
    """How the volatility at the money answers the world, and its term structure.

    Forward variance, in units of the level L^2: 1 + slow 2^(-T / slow_days) + fast 2^(-T /
    fast_days). With z = sqrt(realised variance / L^2) - 1, realised with `memory_hours`, each part
    is up z where z > 0, down z where not, and rises with the fall of the price below its average
    of `fall_hours` (a rise counts at most `rise_most`). Set by the crisis of February 2026: at 1,
    7, 30, 90 and 180 days from 0.68, 0.56, 0.51, 0.49, 0.50 to 1.44, 1.03, 0.79, 0.64, 0.58 and
    back by half within ten hours. A fall's square counts 1 + `asymmetry`, a rise's 1 - `asymmetry`
    (Patton and Sheppard 2015 for the fact), and the level moves by `level_fall` in logs per log of
    the price below its average: by the measured -0.6 between returns and changes of volatility,
    whose slope is -2.1, -1.2 and -0.4 at 7, 30 and 180 days.
    """

    slow_days: float = 20.0
    fast_days: float = 1.4
    memory_hours: float = 6.0
    slow_up: float = 0.40
    fast_up: float = 1.10
    slow_down: float = 0.15
    fast_down: float = 0.45
    fall_hours: float = 12.0
    slow_fall: float = 2.0
    fast_fall: float = 4.0
    rise_most: float = 0.02
    asymmetry: float = 0.4
    level_fall: float = 0.6


@dataclass(frozen=True, slots=True)
class Noise:
    """What volatility does by itself, in logs: a slow and a fast mean-reverting part of the level,
    whose shocks grow with stress to `stress_scale` times, the vol of vol of a crisis. Measured:
    deviation of 180-day volatility 6 %; daily changes of 30-day volatility 3 % in rest (5 % with
    the crisis). `skew` moves both wings apart; `carry` is the futures' yearly basis over the index,
    measured medians 2 to 3 %, 1 to 5 % in nine of ten chains."""

    slow: float = 0.06
    slow_half_life_hours: float = 720.0
    fast: float = 0.02
    fast_half_life_hours: float = 12.0
    stress_scale: float = 4.0
    skew: float = 0.04
    skew_half_life_hours: float = 24.0
    carry: float = 0.025
    carry_deviation: float = 0.01
    carry_half_life_hours: float = 240.0


@dataclass(frozen=True, slots=True)
class Smile:
    """How the wings answer: the put wing per log of fall, the call wing per log of rise, and both
    by jumps, in full stress. Measured in February 2026: BTC's put wing from 0.94 to 1.5 in a fall
    of 15 %, both wings up by 0.1 to 0.2; more than `most` is not added by one cause."""

    put_fall: float = 2.5
    call_rise: float = 2.5
    jump: float = 0.12
    most: float = 0.6


@dataclass(frozen=True, slots=True)
class Quoting:
    """Half-spreads grow toward the wings, by 1 + wing |z|^3 with z = k / (sigma sqrt(T)) (measured
    1.2 to 1.5 times at 1.4 deviations, 3 to 4 times at 2.4), and with stress to `stress_spread`
    times (measured 1.6 BTC and 2.9 ETH at the four-hourly worst of February 2026; set to the
    latter); volume falls by exp(-z^2 / volume_wing). The market's middle stands off the mark by
    `off_mark` half-spreads (measured deviation 0.3 to 0.4)."""

    wing: float = 0.16
    stress_spread: float = 3.0
    volume_wing: float = 8.0
    off_mark: float = 0.3


@dataclass(frozen=True, slots=True)
class Listing:
    """What is listed: the next days, Fridays, last Fridays of months and of quarters, each at
    08:00 UTC, measured 12 expiries with 36 strikes each. Strikes stand on steps of about `step`
    sqrt(T) of the index, T at least `step_days`, twice and five times that farther out, up to
    exp(`reach` sqrt(T)) away, at least `least`."""

    days: int = 3
    weeks: int = 3
    months: int = 3
    quarters: int = 4
    step: float = 0.055
    step_days: float = 4.0
    reach: float = 1.6
    least: float = 0.10


_COINS = (
    OptionCoin(
        *("BTC", 0.48, 0.94, 0.52, 0.0025, 0.012, 70.0, 500.0),
        *("5", "0.01", "0.0001", "0.1"),
    ),
    OptionCoin(
        *("ETH", 0.67, 0.86, 0.59, 0.0035, 0.016, 450.0, 3_000.0),
        *("0.2", "0.1", "0.0001", "1"),
    ),
    OptionCoin("SOL", 0.85, 0.86, 0.62, 0.007, 0.03, 2_000.0, 15_000.0, "0.01", "10"),
)


@dataclass(frozen=True, slots=True)
class OptionParameters:
    """All numbers that make the option market of `venue`; `digest()` pins them."""

    venue: str = "deribit"
    coins: tuple[OptionCoin, ...] = _COINS
    term: Term = field(default_factory=Term)
    noise: Noise = field(default_factory=Noise)
    smile: Smile = field(default_factory=Smile)
    quoting: Quoting = field(default_factory=Quoting)
    listing: Listing = field(default_factory=Listing)

    def __post_init__(self) -> None:
        for part in (*self.coins, self.term, self.noise, self.smile, self.quoting, self.listing):
            _check_numbers(part)
        names = [coin.name for coin in self.coins]
        if not names or len(set(names)) != len(names):
            raise InputError("options", "coins", "expected at least one, each name once")
        _check_term(self.term)

    def coin(self, name: str) -> OptionCoin:
        """A coin with options, by name; another raises `InputError`."""
        for coin in self.coins:
            if coin.name == name:
                return coin
        known = ", ".join(coin.name for coin in self.coins)
        raise InputError("options", "coin", f"expected one of {known}, got {name!r}")

    def digest(self) -> str:
        """SHA-256 of the canonical JSON of every field (sorted keys, shortest floats)."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def with_world(self, world_digest: str) -> str:
        """The digest of a world's parameters and these: what a journal states with options on."""
        return hashlib.sha256(f"{world_digest}{self.digest()}".encode()).hexdigest()


_MAY_BE_ZERO = frozenset(
    "slow_up fast_up slow_down fast_down slow_fall fast_fall rise_most slow fast skew carry "
    "carry_deviation put_fall call_rise asymmetry level_fall jump most wing off_mark "
    "spread_vol_day days weeks months quarters".split()
)


def _check_numbers(part: Any) -> None:
    """Every number is finite and above zero, or not below it where its name may be zero."""
    for one in fields(part):
        value = getattr(part, one.name)
        if isinstance(value, str):
            continue
        least_met = value >= 0 if one.name in _MAY_BE_ZERO else value > 0
        if not (isfinite(value) and least_met):
            raise InputError("options", one.name, f"expected a number above zero, got {value}")


def _check_term(term: Term) -> None:
    """Forward variance is above zero whatever the world does."""
    if term.asymmetry >= 1.0:
        raise InputError("options", "asymmetry", f"expected less than 1, got {term.asymmetry}")
    lost = term.slow_down + term.fast_down + (term.slow_fall + term.fast_fall) * term.rise_most
    if lost >= 1.0:
        raise InputError("options", "term", "expected forward variance above zero in full calm")
