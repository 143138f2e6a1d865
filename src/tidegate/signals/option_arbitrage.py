# SPDX-License-Identifier: Apache-2.0
"""Option positions whose pay-off is certain and whose quotes pay for it: conversions, boxes and
one option on two venues.

All prices are in the settlement currency per contract, over the forward for coin-settled options,
and every leg is taken at the side that is quoted against us, plus its fee. A chain without sizes
says that a violation was quoted and not how much of it could be had, so capacity is None and the
edge stays `observed`. Equal strikes, expiry and settlement are the caller's to see to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import msgspec
import numpy as np

from tidegate.model.errors import InputError
from tidegate.pricing.option_chain import OptionChain
from tidegate.signals.edges import Edge

DAYS_PER_YEAR = 365.0


class StrikeQuotes(msgspec.Struct, frozen=True):
    """A call's and a put's quotes at one strike, NaN where not quoted; `over_forward` is K / F."""

    over_forward: float
    call_bid: float
    call_ask: float
    put_bid: float
    put_ask: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.over_forward) and self.over_forward > 0.0):
            raise InputError("strike", "over_forward", "expected above zero")
        for side in ("call", "put"):
            bid, ask = getattr(self, f"{side}_bid"), getattr(self, f"{side}_ask")
            if bid > ask:
                raise InputError("strike", side, f"expected bid <= ask, got {bid} and {ask}")


def strikes_of(chain: OptionChain, expiry_ms: int) -> tuple[StrikeQuotes, ...]:
    """Strikes of one expiry with a call and a put, prices over the forward, by strike.

    A quote of nothing is a missing one. A crossed side is left out as missing on both sides: it is
    a stale quote far more often than money on the table. Raises: `InputError` for no such expiry.
    """
    rows = np.flatnonzero(chain.expiry_ms == expiry_ms)
    if rows.size == 0:
        raise InputError("option chain", "expiry_ms", f"expected one of the chain: {expiry_ms}")
    sides: dict[float, dict[bool, tuple[float, float]]] = {}
    forwards: dict[float, float] = {}
    for i in rows.tolist():
        unit = 1.0 if chain.inverse else float(chain.forward_usd[i])
        bid, ask = (float(x[i]) / unit if x[i] > 0.0 else math.nan for x in (chain.bid, chain.ask))
        strike = float(chain.strike_usd[i])
        sound = not bid > ask
        side = (bid, ask) if sound else (math.nan, math.nan)
        sides.setdefault(strike, {})[bool(chain.is_call[i])] = side
        forwards[strike] = float(chain.forward_usd[i])
    return tuple(
        StrikeQuotes(strike / forwards[strike], *both[True], *both[False])
        for strike, both in sorted(sides.items())
        if len(both) == 2 and forwards[strike] > 0.0
    )


class ArbitrageTerms(msgspec.Struct, frozen=True):
    """Days to expiry, discount of the settlement currency, fee per option leg, cost of trading the
    future one way (all over the forward)."""

    days: float
    discount: float = 1.0
    option_fee: float = 0.0003
    future_cost: float = 0.0005

    def __post_init__(self) -> None:
        if not (self.days > 0.0 and self.discount > 0.0):
            raise InputError("option arbitrage", "days, discount", "expected above zero")
        if not (self.option_fee >= 0.0 and self.future_cost >= 0.0):
            raise InputError("option arbitrage", "fees", "expected at least zero")


def parity_edges(strikes: Sequence[StrikeQuotes], terms: ArbitrageTerms) -> tuple[Edge, ...]:
    """Conversions and reversals that pay after costs: C - P against D (1 - K / F).

    Conversion: sell the call, buy the put, buy the future; reversal: the other way round.
    """
    found = []
    for each in strikes:
        fair = terms.discount * (1.0 - each.over_forward)
        cost = 2.0 * terms.option_fee + terms.future_cost
        ways = (
            ("conversion", each.call_bid - each.put_ask - fair),
            ("reversal", fair - each.call_ask + each.put_bid),
        )
        found += [
            _edge("parity", f"{way} at {each.over_forward:.4f}", gain, cost, terms)
            for way, gain in ways
            if gain > cost
        ]
    return tuple(found)


def box_edges(strikes: Sequence[StrikeQuotes], terms: ArbitrageTerms) -> tuple[Edge, ...]:
    """Pairs of strikes whose box is bought below, or sold above, D (x2 - x1) after four fees."""
    ordered = sorted(strikes, key=lambda each: each.over_forward)
    found = []
    for low, high in combinations(ordered, 2):
        fair = terms.discount * (high.over_forward - low.over_forward)
        bought = low.call_ask - high.call_bid + high.put_ask - low.put_bid
        sold = low.call_bid - high.call_ask + high.put_bid - low.put_ask
        cost = 4.0 * terms.option_fee
        name = f"{low.over_forward:.4f} to {high.over_forward:.4f}"
        for way, gain in (("buy", fair - bought), ("sell", sold - fair)):
            if gain > cost:
                found.append(_edge("box", f"{way} {name}", gain, cost, terms))
    return tuple(found)


class VenueQuote(msgspec.Struct, frozen=True):
    """One option's quote on one venue, and the size at it where the venue says it (contracts)."""

    venue: str
    bid: float
    ask: float
    bid_size: float | None = None
    ask_size: float | None = None


def cross_venue_edges(
    option: str, quotes: Sequence[VenueQuote], terms: ArbitrageTerms, contract_usd: float
) -> tuple[Edge, ...]:
    """Sell an option where its bid is above another venue's ask by more than two fees.

    Capacity is the smaller size x `contract_usd` where both are known, else None.
    """
    if not contract_usd > 0.0:
        raise InputError(option, "contract_usd", "expected above zero")
    found = []
    for a, b in combinations(quotes, 2):
        for seller, buyer in ((a, b), (b, a)):
            gain, cost = seller.bid - buyer.ask, 2.0 * terms.option_fee
            if gain > cost:
                name = f"{option}: buy {buyer.venue}, sell {seller.venue}"
                capacity = _capacity(seller.bid_size, buyer.ask_size, contract_usd)
                found.append(_edge("cross-venue option", name, gain, cost, terms, capacity))
    return tuple(found)


def _capacity(bid_size: float | None, ask_size: float | None, unit_usd: float) -> float | None:
    if bid_size is None or ask_size is None:
        return None
    return min(bid_size, ask_size) * unit_usd


def _edge(
    kind: str,
    name: str,
    gain: float,
    cost: float,
    terms: ArbitrageTerms,
    capacity_usd: float | None = None,
) -> Edge:
    per_year = DAYS_PER_YEAR / terms.days
    return Edge(kind, name, gain * per_year, cost * per_year, (), capacity_usd)
