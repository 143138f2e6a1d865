# SPDX-License-Identifier: Apache-2.0
"""Dated parameters of Derive's margin rules.

Source: the venue's mainnet configuration (derivexyz/v2-core at 7736900d, January 2026), whose
numbers alone stand here; its third version has others, set by governance (docs.derive.xyz,
Portfolio Margin Parameters). The configuration's discounts of 1.05 for longs and 0.95 for shorts
read as if exchanged against the venue's own cases (0.95 and 1.04): they stand here with the smaller
for longs, which is never less than the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.margin.scenario.shocks import (
    Scenario,
    SkewCap,
    SkewShock,
    VolMove,
    VolShock,
    grid,
)


@dataclass(frozen=True, slots=True)
class CollateralTerms:
    """Haircuts on an asset's worth, the initial one besides the maintenance one; whether its price
    moves with the coin in scenarios, and so cancels risk."""

    maintenance_haircut: float
    initial_haircut: float
    risk_cancelling: bool = False


@dataclass(frozen=True, slots=True)
class DiscountTerms:
    """static x exp(-+ years (rate x rate_scale + rate_add)), minus for longs."""

    static: float
    rate_scale: float
    rate_add: float


@dataclass(frozen=True, slots=True)
class PortfolioParameters:
    """Everything PM2 takes; shares are of spot notional, `basis_*` of the basis contingency."""

    scenarios: tuple[Scenario, ...]
    vol_shock: VolShock
    skew_shock: SkewShock
    initial_factor: float
    maintenance_factor: float
    long_discount: DiscountTerms
    short_discount: DiscountTerms
    basis_up: float
    basis_down: float
    basis_static: float
    basis_per_year: float
    perpetual_maintenance: float
    perpetual_initial: float
    option_maintenance: float
    option_initial: float
    peg_threshold: float
    peg_factor: float
    confidence_threshold: float
    confidence_margin: float
    as_of: str
    source: str


@dataclass(frozen=True, slots=True)
class StandardParameters:
    """Everything the standard manager takes; shares are of spot, the perpetual's of its mark."""

    most_of_spot: float
    least_of_spot: float
    call_maintenance: float
    put_maintenance: float
    put_mark_maintenance: float
    unpaired_initial: float
    unpaired_maintenance: float
    put_offset: float
    perpetual_initial: float
    perpetual_maintenance: float
    confidence_threshold: float
    oracle_factor: float
    peg_threshold: float
    peg_factor: float
    as_of: str
    source: str


MAINNET_STANDARD_2026 = StandardParameters(
    most_of_spot=0.15,
    least_of_spot=0.13,
    call_maintenance=0.09,
    put_maintenance=0.09,
    put_mark_maintenance=0.09,
    unpaired_initial=1.2,
    unpaired_maintenance=1.1,
    put_offset=1.05,
    perpetual_initial=0.10,
    perpetual_maintenance=0.065,
    confidence_threshold=0.55,
    oracle_factor=1.0,
    peg_threshold=0.99,
    peg_factor=2.0,
    as_of="2026-01-31",
    source="derivexyz/v2-core@7736900d, mainnet configuration",
)
# What a coin's worth counts, and what of that for initial margin, under the same configuration.
MAINNET_FACTORS_2026 = {"ETH": (0.8, 0.9375), "BTC": (0.75, 0.93)}

_TAILS = (
    (0.34, 0.21),
    (0.67, 0.42),
    (1.50, 0.2772),
    (2.00, 0.1386),
    (3.00, 0.0693),
    (4.00, 0.0462),
    (5.00, 0.03465),
    (6.00, 0.02772),
)
MAINNET_2026 = PortfolioParameters(
    scenarios=(
        *grid(
            (1.18, 1.135, 1.09, 1.045, 1.0, 0.955, 0.91, 0.865, 0.82),
            (VolMove.DOWN, VolMove.NONE, VolMove.UP),
            (VolMove.UP,),
        ),
        *(Scenario(f"tail {r - 1.0:+.0%} vol up", r, VolMove.UP, w) for r, w in _TAILS),
        Scenario("linear skew", 1.0, VolMove.LINEAR_SKEW),
        Scenario("absolute skew", 1.0, VolMove.ABSOLUTE_SKEW),
    ),
    vol_shock=VolShock(0.5, 0.3, 0.3, 0.13, 1.0, 0.4),
    skew_shock=SkewShock(SkewCap(0.25, -0.1), SkewCap(0.25, -0.1), 0.01, 4.0, 0.6, -0.1),
    initial_factor=1.0,
    maintenance_factor=0.8,
    long_discount=DiscountTerms(0.95, 1.0, 0.16),
    short_discount=DiscountTerms(1.05, 1.0, 0.16),
    basis_up=1.045,
    basis_down=0.955,
    basis_static=0.5,
    basis_per_year=2.0,
    perpetual_maintenance=0.03,
    perpetual_initial=0.01,
    option_maintenance=0.003,
    option_initial=0.002,
    peg_threshold=0.99,
    peg_factor=4.0,
    confidence_threshold=0.55,
    confidence_margin=1.0,
    as_of="2026-01-31",
    source="derivexyz/v2-core@7736900d, mainnet configuration",
)
