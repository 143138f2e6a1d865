# SPDX-License-Identifier: Apache-2.0
"""Premium of the perpetuals over the index, and each venue's funding formula on it."""

from __future__ import annotations

import numpy as np

from tidegate.model.times import HOUR_MS
from tidegate.simulation.world.arrays import FloatArray, kept_share, ornstein_uhlenbeck
from tidegate.simulation.world.crises import CrisisPlan
from tidegate.simulation.world.parameters import FundingRules, Venue, WorldParameters

RULES = FundingRules()
HOURS = 8


def interest_clamped(premium_8h: FloatArray | float, rules: FundingRules = RULES) -> FloatArray:
    """P + clamp(I - P, -band, +band): the interest rate near it, the premium far from it."""
    band = rules.band_8h
    return np.asarray(premium_8h + np.clip(rules.interest_8h - premium_8h, -band, band))


def hyperliquid_hourly(premium_8h: FloatArray | float, rules: FundingRules = RULES) -> FloatArray:
    """Rate an hour: (P + clamp(I - P)) / 8, at most 4 % an hour either way.

    P is the hour's average premium. Source: Hyperliquid documentation, funding.
    """
    cap = rules.hyperliquid_cap_1h
    return np.asarray(np.clip(interest_clamped(premium_8h, rules) / HOURS, -cap, cap))


def binance_8h(
    premium_8h: FloatArray | float, cap_8h: FloatArray | float, rules: FundingRules = RULES
) -> FloatArray:
    """Rate of 8 hours: P + clamp(I - P), capped. Source: Binance USD-M funding introduction."""
    return np.asarray(np.clip(interest_clamped(premium_8h, rules), -cap_8h, cap_8h))


def deribit_8h(premium_8h: FloatArray | float, rules: FundingRules = RULES) -> FloatArray:
    """Rate of 8 hours: max(d, P) + min(-d, P), zero inside the dead band d, capped.

    Accrues continuously on the premium of the moment. Source: Deribit documentation, perpetuals.
    """
    band, cap = rules.dead_band_8h, rules.deribit_cap_8h
    dead = np.maximum(band, premium_8h) + np.minimum(-band, premium_8h)
    return np.asarray(np.clip(dead, -cap, cap))


def dydx_hourly(
    premium_8h: FloatArray | float, margin_gap: FloatArray | float, rules: FundingRules = RULES
) -> FloatArray:
    """Rate an hour: (P + default) / 8 with |8-hour rate| at most 600 % of IM - MM.

    P is the hour's average premium. Source: dYdX v4 protocol, perpetuals module.
    """
    cap = rules.dydx_cap_multiple * margin_gap
    return np.asarray(np.clip(premium_8h + rules.dydx_default_8h, -cap, cap) / HOURS)


def draw_slow_premium(
    rng: np.random.Generator, parameters: WorldParameters, hours: int
) -> FloatArray:
    """Premium (venues, coins, hours + 1) without the market's own state, as 8-hour rates.

    level + load * (common + coin) + pair, all Ornstein-Uhlenbeck; the pair's own lasting level
    is drawn once.
    """
    p = parameters.premium
    coins, points = len(parameters.coins), hours + 1
    kept = kept_share(1.0, p.half_life_hours)
    shared = p.common_deviation * ornstein_uhlenbeck(rng, (points,), kept)
    shared = shared + p.coin_deviation * ornstein_uhlenbeck(rng, (coins, points), kept)
    kept = kept_share(1.0, p.pair_half_life_hours)
    pairs = (len(parameters.venues), coins)
    own = p.pair_deviation * ornstein_uhlenbeck(rng, (*pairs, points), kept)
    level = np.array([venue.premium_8h for venue in parameters.venues])[:, None, None]
    level = level + p.pair_level * rng.standard_normal((*pairs, 1))
    load = np.array([venue.premium_load for venue in parameters.venues])[:, None, None]
    return np.asarray(level + load * shared + own)


def state_premium(
    parameters: WorldParameters, log_price: FloatArray, imbalance: FloatArray, plan: CrisisPlan
) -> FloatArray:
    """Premium that the market's state makes (venues, coins, steps), as 8-hour rates.

    load * (lean * (longs - shorts) + trend * last day's log return) + the crisis' own, which
    fades. `log_price` and `imbalance` are (coins, steps); the imbalance is in shares.
    """
    p = parameters.premium
    day = min(parameters.steps_per_day, log_price.shape[1])
    before = np.concatenate(
        [np.repeat(log_price[:, :1], day, axis=1), log_price[:, :-day]], axis=1
    )[:, : log_price.shape[1]]
    shared = p.lean_8h * imbalance + p.trend_8h * (log_price - before)
    load = np.array([venue.premium_load for venue in parameters.venues])[:, None, None]
    made = load * shared
    if plan.on:
        made += _crisis_premium(parameters, plan, log_price.shape[1])[:, None, :]
    return np.asarray(made)


def _crisis_premium(parameters: WorldParameters, plan: CrisisPlan, steps: int) -> FloatArray:
    age = np.arange(steps) - plan.start // parameters.substeps
    kept = kept_share(parameters.step_hours, parameters.premium.crisis_half_life_hours)
    fading = np.where(age >= 0, kept ** np.maximum(age, 0), 0.0)
    force = plan.sign * plan.shape.premium_8h * (0.5 + 0.5 * plan.lean)
    return np.asarray(force[:, None] * fading)


def funding_rows(
    parameters: WorldParameters, premium_8h: FloatArray
) -> tuple[tuple[int, str, int], ...]:
    """Every print in time order: (ts_ms, "venue:COIN", rate * 1e12 of its interval).

    `premium_8h` (venues, coins, sub-steps); the first print comes one whole interval after the
    world's begin.
    """
    rows = []
    for v, venue in enumerate(parameters.venues):
        rates, hours = _rates(parameters, venue, premium_8h[v])
        for c, coin in enumerate(parameters.coins):
            name = f"{venue.name}:{coin.name}"
            for k, rate in enumerate(np.rint(rates[c] * 1e12).astype(np.int64).tolist(), 1):
                rows.append((parameters.start_ms + k * hours * HOUR_MS, name, rate))
    return tuple(sorted(rows))


def _rates(
    parameters: WorldParameters, venue: Venue, premium_8h: FloatArray
) -> tuple[FloatArray, int]:
    """Rates (coins, prints) of a venue and the hours of its interval."""
    rules = parameters.funding_rules
    per_hour = round(1.0 / parameters.substep_hours)
    if venue.formula == "deribit":
        return _means(deribit_8h(premium_8h, rules), per_hour) / HOURS, 1
    if venue.formula == "binance":
        caps = np.array([coin.cap_8h for coin in parameters.coins])[:, None]
        averages = _means(premium_8h, HOURS * per_hour)
        return binance_8h(averages, caps, rules), HOURS
    averages = _means(premium_8h, per_hour)
    if venue.formula == "hyperliquid":
        return hyperliquid_hourly(averages, rules), 1
    gaps = np.array([coin.margin_gap for coin in parameters.coins])[:, None]
    return dydx_hourly(averages, gaps, rules), 1


def _means(values: FloatArray, width: int) -> FloatArray:
    whole = values.shape[1] // width * width
    return np.asarray(values[:, :whole].reshape(values.shape[0], -1, width).mean(axis=2))
