# SPDX-License-Identifier: Apache-2.0
"""Dated parameters of Deribit's portfolio margin, under the names of the venue's own interface.

Source: the `model_params` of private/pme/simulate: for bitcoin the example of docs.deribit.com of
17 June 2024, for ether a captured answer of February 2026. The venue changes them; an account's own
answer gives those of today. Haircuts of collateral are of the venue's page on cross collateral and
change often: none are preset beyond what the answers say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tidegate.model.errors import InputError

WHERE = "deribit portfolio parameters"
SIDES = frozenset({"both", "none"})


@dataclass(frozen=True, slots=True)
class CurrencyTerms:
    """Of a settlement currency ("usd" for all dollar coins): the roll shock's least and growing
    annual move, how much of gains covers other losses and up to what, what shrinks the extended
    table, the initial margin's haircut, and whether equity in the coin is itself a position."""

    min_annualised_move: float
    annualised_move_risk: float
    pnl_offset: float
    max_offsetable_usd: float
    extended_dampener_usd: float
    haircut: float = 0.0
    equity_side_impact: str = "none"

    def __post_init__(self) -> None:
        if not (0.0 <= self.pnl_offset <= 1.0 and 0.0 <= self.haircut <= 1.0):
            raise InputError(WHERE, "pnl_offset, haircut", "expected 0 to 1")
        if self.equity_side_impact not in SIDES:
            expected = f"expected one of {sorted(SIDES)}, got {self.equity_side_impact!r}"
            raise InputError(WHERE, "equity_side_impact", expected)


@dataclass(frozen=True, slots=True)
class PairTerms:
    """Of a coin against the dollar: the grid, the shocks of volatility, and the delta shock."""

    price_range: float
    volatility_range_up: float
    volatility_range_down: float
    min_volatility_for_shock_up: float
    short_term_vega_power: float
    long_term_vega_power: float
    extended_table_factor: float
    m_inc: float
    delta_threshold_usd: float
    max_delta_shock: float

    def __post_init__(self) -> None:
        if not 0.0 < self.price_range < 1.0:
            raise InputError(WHERE, "price_range", f"expected within 0 and 1: {self.price_range}")


@dataclass(frozen=True, slots=True)
class PortfolioTerms:
    """The model: currencies and pairs by lower-case name, and what is common to them."""

    currencies: Mapping[str, CurrencyTerms]
    pairs: Mapping[str, PairTerms]
    mm_factor: float
    buckets: int
    as_of: str
    source: str


_BTC_PAIR = PairTerms(0.16, 0.5, 0.25, 0.5, 0.3, 0.13, 1.0, 5e-5, 20e6, 0.1)
_ETH_PAIR = replace(
    _BTC_PAIR,
    price_range=0.18,
    volatility_range_up=0.4,
    m_inc=4e-6,
)
BITCOIN_2024 = PortfolioTerms(
    currencies={
        "btc": CurrencyTerms(0.01, 0.075, 0.0, 0.0, 100_000.0, 0.0, "both"),
        "usd": CurrencyTerms(0.01, 0.1, 0.0, 0.0, 25_000.0),
    },
    pairs={"btc": _BTC_PAIR},
    mm_factor=0.8,
    buckets=4,
    as_of="2024-06-17",
    source="docs.deribit.com, private/pme/simulate, example",
)
ETHER_2026 = PortfolioTerms(
    currencies={
        "eth": CurrencyTerms(0.005, 0.05, 0.6, 20e6, 200_000.0, 0.0, "both"),
        "usd": CurrencyTerms(0.01, 0.1, 0.4, 20e6, 25_000.0),
    },
    pairs={"eth": _ETH_PAIR},
    mm_factor=0.8,
    buckets=4,
    as_of="2026-02-28",
    source="private/pme/simulate, answer captured in February 2026",
)
TERMS_2026 = PortfolioTerms(
    currencies={**BITCOIN_2024.currencies, **ETHER_2026.currencies},
    pairs={**BITCOIN_2024.pairs, **ETHER_2026.pairs},
    mm_factor=0.8,
    buckets=4,
    as_of="2026-02-28",
    source=f"{BITCOIN_2024.source}; {ETHER_2026.source}",
)
