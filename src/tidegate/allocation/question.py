# SPDX-License-Identifier: Apache-2.0
"""What the programme is asked and what it answers, in units of equity (1.0 = the whole book)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.risk.scenarios import Scenarios

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Legs:
    """Instruments (i): venue and coin index, present signed notional, carry of being long (a
    year), trading costs, margin lines (i, j), and bounds.

    `cost_rate` is fee and half spread per unit traded; impact is the piecewise-linear majorant
    max_k(slope x traded - intercept), shapes (i, k). `margined` is False for coins held outright.
    """

    names: tuple[str, ...]
    venue: IntArray
    coin: IntArray
    held: FloatArray
    carry_annual: FloatArray
    cost_rate: FloatArray
    impact_slope: FloatArray
    impact_intercept: FloatArray
    margin_rate: FloatArray
    margin_deduction: FloatArray
    initial_rate: FloatArray
    margined: NDArray[np.bool_]
    trade_cap: FloatArray


@dataclass(frozen=True, slots=True)
class Wallets:
    """Venues (v): equity there now, what may leave now, profit that a roll would free and its cost
    per unit, what is under way to it, what it may still receive (negative above its cap), and
    whether it lends margin."""

    names: tuple[str, ...]
    equity: FloatArray
    dollars: FloatArray
    withdrawable: FloatArray
    realisable: FloatArray
    realise_cost_rate: FloatArray
    landing: FloatArray
    room: FloatArray
    margined: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Edges:
    """Transfer routes (e): ends, share lost on the way, whether open now."""

    source: IntArray
    destination: IntArray
    cost_rate: FloatArray
    open: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Claims:
    """Favourable moves per leg (i) of which a claim must hold the profit within its cap: for the
    outer level, and for the inner one, beyond which positions are cut."""

    outer: FloatArray
    inner: FloatArray


@dataclass(frozen=True, slots=True)
class Stakes:
    """What must hold: gross limit, stress moves per coin, tail, target delta, payback time; claims
    where the mandate watches them."""

    gross: float
    outer: FloatArray
    inner: FloatArray
    tail_windows: float
    target_delta: float
    delta_tolerance: float
    payback_years: float
    may_grow: bool
    claims: Claims | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One allocation problem."""

    legs: Legs
    wallets: Wallets
    edges: Edges
    stakes: Stakes
    scenarios: Scenarios
    equity_usd: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Targets in units of equity, and why.

    `outer_shortfall` and `inner_shortfall` (v) are what no allowed move could cure; `dollar_value`
    (v) is what one more dollar at a venue is worth over the payback time; `binding` names rows with
    a shadow price.
    """

    target: FloatArray
    transfer: FloatArray
    realise: FloatArray
    outer_shortfall: FloatArray
    inner_shortfall: FloatArray
    objective: float
    dollar_value: FloatArray
    binding: tuple[tuple[str, float], ...]
    bound: float
