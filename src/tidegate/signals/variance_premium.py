# SPDX-License-Identifier: Apache-2.0
"""What an option bought or sold and delta-hedged should earn, after the hedge has been paid for.

With forecast volatility sigma, hedged every dt at a cost of k per dollar traded (one way), hedging
adds or takes variance (Leland 1985):

    sigma_hedged^2 = sigma^2 (1 +- sqrt(8 / pi) k / (sigma sqrt(dt)))

plus for a sold option, minus for a bought one. The edge of selling is bid - V(sigma_hedged) - fee,
of buying V(sigma_hedged) - ask - fee, in USD per unit of the underlying.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError
from tidegate.pricing.black76 import greeks, price
from tidegate.signals.edges import Edge, Loading

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

HOURS_PER_YEAR = 8760.0


class HedgeTerms(msgspec.Struct, frozen=True):
    """Forecast volatility and the error of its logarithm, hours between hedges, cost per dollar
    traded in the hedge one way, and the option's fee in USD per unit of the underlying."""

    vol_annual: float
    standard_error_log: float
    hedge_hours: float
    hedge_cost: float
    fee_usd: float

    def __post_init__(self) -> None:
        if not (self.vol_annual > 0.0 and self.hedge_hours > 0.0):
            raise InputError("hedge terms", "vol_annual, hedge_hours", "expected above zero")
        least = min(self.standard_error_log, self.hedge_cost, self.fee_usd)
        if not least >= 0.0:
            raise InputError("hedge terms", "errors and costs", "expected at least zero")

    def hedged_vol(self, *, sold: bool) -> float:
        """Volatility that hedging costs the writer, or leaves the buyer; at least zero."""
        step = math.sqrt(self.hedge_hours / HOURS_PER_YEAR)
        share = math.sqrt(8.0 / math.pi) * self.hedge_cost / (self.vol_annual * step)
        return self.vol_annual * math.sqrt(max(1.0 + (share if sold else -share), 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class OptionQuotes:
    """Quoted options of one underlying: all float64[n] or bool[n], prices in USD per unit, NaN
    for a side that is not quoted. `source` names the volatility forecast that prices them."""

    name: tuple[str, ...]
    forward_usd: FloatArray
    strike_usd: FloatArray
    expiry_years: FloatArray
    is_call: BoolArray
    bid_usd: FloatArray
    ask_usd: FloatArray
    source: str


def variance_edges(quotes: OptionQuotes, terms: HedgeTerms) -> tuple[Edge, ...]:
    """The better side of each option, sold or bought, where that side is quoted at all.

    Rates are per USD of the underlying and year: edge / forward / years. The error is vega x
    sigma x the error of log sigma, and all options of one source are wrong together. Capacity is
    not known: quotes here have no sizes.
    """
    sold = _value(quotes, terms.hedged_vol(sold=True))
    bought = _value(quotes, terms.hedged_vol(sold=False))
    fair = _value(quotes, terms.vol_annual)
    vega = np.asarray(
        greeks(
            quotes.forward_usd,
            quotes.strike_usd,
            quotes.expiry_years,
            np.full(quotes.strike_usd.size, terms.vol_annual),
            quotes.is_call,
        ).vega
    )
    error = vega * terms.vol_annual * terms.standard_error_log
    found = []
    for i, name in enumerate(quotes.name):
        per_year = 1.0 / (quotes.forward_usd[i] * quotes.expiry_years[i])
        sides = (
            ("sell", quotes.bid_usd[i] - fair[i], sold[i] - fair[i], -1.0),
            ("buy", fair[i] - quotes.ask_usd[i], fair[i] - bought[i], 1.0),
        )
        known = [side for side in sides if math.isfinite(side[1])]
        if known:
            side, gross, hedging, sign = max(known, key=lambda each: each[1] - each[2])
            loading = Loading(f"{quotes.source} vol", sign * float(error[i] * per_year), 1.0)
            cost = float((hedging + terms.fee_usd) * per_year)
            gross_annual = float(gross * per_year)
            found.append(
                Edge("variance premium", f"{side} {name}", gross_annual, cost, (loading,), None)
            )
    return tuple(found)


def _value(quotes: OptionQuotes, vol_annual: float) -> FloatArray:
    value = price(
        quotes.forward_usd,
        quotes.strike_usd,
        quotes.expiry_years,
        np.full(quotes.strike_usd.size, vol_annual),
        quotes.is_call,
    )
    return np.asarray(value, dtype=np.float64)
