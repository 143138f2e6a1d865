# SPDX-License-Identifier: Apache-2.0
"""The cascade: a price falls, accounts are closed, and their orders push the price further.

In every step, at the mark of its beginning:

1. an account below maintenance is closed by a market order while it has at least two thirds of the
   requirement left; the worst first, as much as the book takes in a step;
2. one below that is taken over at the mark by the fund, with what is left of its money, if the fund
   can bear what is missing;
3. one below nothing that the fund cannot bear is closed against winners of the other side at the
   price at which nothing is left of it, in order of rank; so is what the fund holds once its own
   money is gone, at the price of the fund's own end;
4. the fund sells what it took over, a share of what the book takes;
5. what is missing after all that (too few winners, or no deleveraging) is charged to all accounts
   that still hold something, by their equity.

The mark is the outside price times e^d. An order of Q dollars moves d by Q / depth, half of which
its own fills pay; d halves every `refill_s`. Backstop at two thirds, takeover and ranking are those
of Hyperliquid's documentation (2025 and 2026); the linear book, its depth and its refill are
assumed, and so is that longs and shorts of one step share what the book takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from math import ceil, exp, floor

import numpy as np
from numpy.typing import NDArray

from tidegate.margin.tiers import TierTable, tier_table
from tidegate.model.errors import InputError
from tidegate.model.units import MICRO
from tidegate.simulation.protocol.books import (
    FUND,
    MAKERS,
    OURS,
    UNIT,
    Books,
    IntArray,
    maintenance,
    shared_out,
)
from tidegate.simulation.protocol.deleveraging import bankruptcy_ticks, deleverage, worst_first

FloatArray = NDArray[np.float64]
PRICE_TICKS = 1_000_000
BACKSTOP = Fraction(2, 3)


def default_tiers() -> TierTable:
    """Two tiers: 40 times up to 150 million dollars, then 20, maintenance half of initial."""
    low, high = Fraction(1, 80), Fraction(1, 40)
    step = 150_000_000
    rows = [
        (Decimal(0), Decimal(step), low, Fraction(0), 40),
        (Decimal(step), None, high, step * (high - low), 20),
    ]
    return tier_table(rows, "USDC", "2026-11-01", "assumed: shaped as Hyperliquid's BTC")


@dataclass(frozen=True, slots=True)
class Shock:
    """The outside price: a move (share) spread evenly in logs over `move_s`, then flat to `end_s`;
    depth per unit of log price in USD, the share of it that is left at the worst, how long it takes
    to refill after a trade and to come back after the move; `step_d` is the most that orders of one
    step may move the price, `unwind_share` what of it the fund may take for itself."""

    move: float = -0.15
    move_s: int = 720
    end_s: int = 3_600
    step_s: int = 2
    depth_usd: float = 5e9
    depth_floor: float = 0.1
    refill_s: float = 60.0
    depth_back_s: float = 900.0
    step_d: float = 0.002
    unwind_share: float = 0.25
    fee_ppm: int = 450
    adl: bool = True

    def __post_init__(self) -> None:
        for name, least, most in (
            ("move", -0.9, 2.0),
            ("move_s", 1, 86_400),
            ("end_s", self.move_s, 86_400),
            ("step_s", 1, 60),
            ("depth_usd", 1e6, 1e13),
            ("depth_floor", 1e-3, 1.0),
            ("refill_s", 1.0, 86_400.0),
            ("depth_back_s", 1.0, 86_400.0),
            ("step_d", 1e-5, 0.1),
            ("unwind_share", 0.0, 1.0),
            ("fee_ppm", 0, 100_000),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise InputError("shock", name, f"expected {least:g} to {most:g}, got {value:g}")

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self.end_s // self.step_s

    def outside(self, step: int) -> float:
        """The outside price over the first, as a step begins."""
        gone = min(1.0, step * self.step_s / self.move_s)
        return float((1.0 + self.move) ** gone)

    def depth(self, step: int) -> float:
        """Depth in USD per unit of log price: down with the move, back after it."""
        now_s = step * self.step_s
        gone = min(1.0, now_s / self.move_s)
        back = 1.0 - float(0.5 ** (max(0.0, now_s - self.move_s) / self.depth_back_s))
        return self.depth_usd * (1.0 - (1.0 - self.depth_floor) * gone * (1.0 - back))


@dataclass(slots=True)
class Tally:
    """What happened; amounts in quanta, `closed` and `deleveraged` say of each account whether."""

    closed: NDArray[np.bool_]
    deleveraged: NDArray[np.bool_]
    market: int = 0
    taken_over: int = 0
    adl: int = 0
    adl_ours: int = 0
    adl_ours_lots: int = 0
    socialised: int = 0
    marks: list[int] = field(default_factory=list)
    fund: list[int] = field(default_factory=list)
    liquidated: list[int] = field(default_factory=list)
    closed_by_adl: list[int] = field(default_factory=list)


class Cascade:
    """A venue's books on their way through a shock."""

    def __init__(self, books: Books, shock: Shock, table: TierTable) -> None:
        self.books, self.shock, self._table = books, shock, table
        count = books.accounts
        self.tally = Tally(np.zeros(count, dtype=bool), np.zeros(count, dtype=bool))
        self._d = 0.0

    def run(self) -> Tally:
        """Play all steps."""
        for step in range(self.shock.steps):
            self.play(step)
        return self.tally

    def play(self, step: int) -> None:
        """One step."""
        mark = max(1, round(PRICE_TICKS * self.shock.outside(step) * exp(self._d)))
        self._d *= 0.5 ** (self.shock.step_s / self.shock.refill_s)
        equity, need = self._health(mark)
        below = np.flatnonzero((equity < need) & (self.books.lots[:-2] != 0))
        backed = equity[below] * BACKSTOP.denominator >= need[below] * BACKSTOP.numerator
        room = self.shock.depth(step) * self.shock.step_d * MICRO
        self._sell(below[backed], equity, (mark, step, room))
        self._take_over(below[~backed], equity, mark)
        self._unwind((mark, step, room * self.shock.unwind_share))
        self._close_fund(mark)
        self._socialise(mark)
        self._note(mark)

    def _health(self, mark: int) -> tuple[IntArray, IntArray]:
        notional = np.abs(self.books.lots[:-2]) * (mark * UNIT)
        return self.books.equity(mark)[:-2], maintenance(self._table, notional)

    def _sell(self, who: IntArray, equity: IntArray, market: tuple[int, int, float]) -> None:
        """Market orders of accounts, the worst first, as many as the book takes now."""
        mark, step, room = market
        held = self.books.lots[who]
        order = worst_first(equity[who], np.abs(held) * (mark * UNIT))
        size = np.abs(held[order])
        # The last of them is closed in part.
        taken = np.clip(int(room / (mark * UNIT)) - (np.cumsum(size) - size), 0, size)
        chosen, closing = who[order][taken > 0], (np.sign(held[order]) * taken)[taken > 0]
        if not chosen.size:
            return
        ticks = self._push(int(closing.sum()), mark, step)
        self.books.close(chosen, closing, ticks, MAKERS)
        fees = -(-np.abs(closing) * (ticks * UNIT) * self.shock.fee_ppm // MICRO)
        self.books.charge(chosen, fees)
        self.tally.closed[chosen] = True
        self.tally.market += int(np.abs(closing).sum()) * mark * UNIT
        self._cover(chosen[self.books.lots[chosen] == 0])

    def _push(self, lots: int, mark: int, step: int) -> int:
        """Sell lots (buy where negative) into the book: the price of the fills, against the seller
        by rounding; the price moves twice as far as they pay."""
        moved = -lots * mark * UNIT / MICRO / self.shock.depth(step)
        self._d += moved
        filled = mark * exp(moved / 2)
        return max(1, floor(filled) if lots > 0 else ceil(filled))

    def _cover(self, who: IntArray) -> None:
        """What closed accounts lack comes from the fund, which may go below nothing."""
        missing = np.minimum(self.books.balance[who], 0)
        self.books.charge(who, missing, FUND)

    def _take_over(self, who: IntArray, equity: IntArray, mark: int) -> None:
        """The fund takes positions with what money is left; what it cannot bear is deleveraged."""
        fund = int(self.books.equity(mark)[FUND])
        for row in who[np.argsort(-equity[who], kind="stable")].tolist():
            lots, left = int(self.books.lots[row]), int(equity[row])
            if left < 0 and fund + left < 0 and self.shock.adl:
                self._deleverage(row, mark)
            if lots := int(self.books.lots[row]):
                one = np.array([row])
                self.books.close(one, np.array([lots]), mark, FUND)
                self.books.charge(one, self.books.balance[one], FUND)
                self.tally.taken_over += abs(lots) * mark * UNIT
                fund += left
            self.tally.closed[row] = True

    def _deleverage(self, row: int, mark: int) -> None:
        """Close a row's lots against winners at the price at which nothing is left of it; what that
        price leaves by rounding goes to the fund."""
        ticks = bankruptcy_ticks(self.books, row)
        found = deleverage(self.books, row, (mark, ticks))
        if found is None:
            return
        winners, theirs = found
        self.books.match(row, -int(theirs.sum()), ticks, found)
        size = np.abs(theirs) * (mark * UNIT)
        self.tally.adl += int(size.sum())
        self.tally.adl_ours += int(size[winners == OURS].sum())
        self.tally.adl_ours_lots += int(np.abs(theirs[winners == OURS]).sum())
        self.tally.deleveraged[winners] = True
        if row != self.books.lots.size + FUND and self.books.lots[row] == 0:
            one = np.array([row])
            self.books.charge(one, self.books.balance[one], FUND)

    def _unwind(self, market: tuple[int, int, float]) -> None:
        mark, step, room = market
        held = int(self.books.lots[FUND])
        count = min(abs(held), int(room / (mark * UNIT)))
        if count:
            lots = count if held > 0 else -count
            ticks = self._push(lots, mark, step)
            for row, sign in ((FUND, -1), (MAKERS, 1)):
                self.books.lots[row] += sign * lots
                self.books.cost[row] += sign * lots * ticks * UNIT

    def _close_fund(self, mark: int) -> None:
        """What the fund holds once its own money is gone is closed against winners."""
        row = self.books.lots.size + FUND
        if self.shock.adl and self.books.lots[row] and self.books.equity(mark)[row] < 0:
            self._deleverage(row, mark)

    def _socialise(self, mark: int) -> None:
        """A fund below nothing is filled by all who hold something, by what they have."""
        missing = -int(self.books.equity(mark)[FUND])
        if missing <= 0:
            return
        equity = self.books.equity(mark)[:-2]
        payers = np.flatnonzero((self.books.lots[:-2] != 0) & (equity > 0))
        if not payers.size:
            return
        missing = min(missing, int(equity[payers].sum()))
        self.books.charge(payers, shared_out(missing, equity[payers]), FUND)
        self.tally.socialised += missing

    def _note(self, mark: int) -> None:
        self.tally.marks.append(mark)
        self.tally.fund.append(int(self.books.equity(mark)[FUND]))
        self.tally.liquidated.append(self.tally.market + self.tally.taken_over)
        self.tally.closed_by_adl.append(self.tally.adl)
