# SPDX-License-Identifier: Apache-2.0
"""Small contracts, tier tables and accounts, and Hypothesis strategies for them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from hypothesis import strategies as st

from tidegate.margin.linear import BinanceUsdm, HyperliquidCross
from tidegate.margin.tiers import TierTable, tier_table
from tidegate.model.account import Account, Position
from tidegate.model.instruments import Instrument, Perpetual

BTC = Perpetual("venue", "BTC", "BTC", "USDC", Decimal("0.1"), Decimal("0.001"))
ETH = Perpetual("venue", "ETH", "ETH", "USDC", Decimal("0.01"), Decimal("0.01"))
CONTRACTS: dict[str, Instrument] = {BTC.id: BTC, ETH.id: ETH}
CLEARANCE = {BTC.id: 12_500, ETH.id: 15_000}

TierRow = tuple[Decimal, Decimal | None, Fraction, Fraction, int]


def table(floors: Sequence[int], rates: Sequence[Fraction], leverages: Sequence[int]) -> TierTable:
    """A table whose deductions follow the recurrence; the last tier has no cap."""
    rows: list[TierRow] = []
    deduction, before = Fraction(0), rates[0]
    for index, (floor, rate, leverage) in enumerate(zip(floors, rates, leverages, strict=True)):
        deduction += floor * (rate - before)
        cap = Decimal(floors[index + 1]) if index + 1 < len(floors) else None
        rows.append((Decimal(floor), cap, rate, deduction, leverage))
        before = rate
    return tier_table(rows, "USDC", "2024-01-01", "test")


def ladder(tiers: Sequence[tuple[int, int]]) -> TierTable:
    """A table from (floor in dollars, max leverage) with maintenance at half the initial rate."""
    floors, leverages = zip(*tiers, strict=True)
    return table(floors, [Fraction(1, 2 * leverage) for leverage in leverages], leverages)


FLAT = ladder([(0, 25)])
STEEP = ladder([(0, 40), (100_000, 20), (1_000_000, 10), (5_000_000, 4)])


def hyperliquid(
    btc: TierTable = STEEP, eth: TierTable = STEEP, leverage: int = 20
) -> HyperliquidCross:
    return HyperliquidCross("USDC", CONTRACTS, {BTC.id: btc, ETH.id: eth}, leverage)


def binance(btc: TierTable = STEEP, eth: TierTable = STEEP, leverage: int = 20) -> BinanceUsdm:
    return BinanceUsdm("USDC", CONTRACTS, {BTC.id: btc, ETH.id: eth}, leverage, CLEARANCE)


def account(wallet: int, positions: dict[str, Position]) -> Account:
    return Account("venue", {"USDC": wallet}, positions)


def bought(instrument: Instrument, lots: int, ticks: int) -> Position:
    """A position as a fill without costs leaves it."""
    return Position(lots, instrument.entry_cost(lots, ticks))


@st.composite
def tables(draw: st.DrawFn) -> TierTable:
    """Tables of one to six tiers with rates that rise and deductions by the recurrence."""
    steps = draw(st.lists(st.integers(1, 5_000_000), min_size=0, max_size=5))
    floors = [0]
    for step in steps:
        floors.append(floors[-1] + step)
    rates = sorted(
        draw(
            st.lists(
                st.builds(Fraction, st.integers(1, 499), st.just(1_000)),
                min_size=len(floors),
                max_size=len(floors),
            )
        )
    )
    return table(floors, rates, [max(1, int(1 / (2 * rate))) for rate in rates])


@st.composite
def books(draw: st.DrawFn) -> tuple[Account, dict[str, int]]:
    """An account with up to two positions, and marks."""
    marks = {BTC.id: draw(st.integers(1_000, 2_000_000)), ETH.id: draw(st.integers(1_000, 900_000))}
    positions = {}
    for instrument in (BTC, ETH):
        lots = draw(st.integers(-500_000, 500_000))
        entry = draw(st.integers(1_000, 2_000_000))
        if lots:
            positions[instrument.id] = bought(instrument, lots, entry)
    return account(draw(st.integers(-(10**12), 10**13)), positions), marks
