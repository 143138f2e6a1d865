# SPDX-License-Identifier: Apache-2.0
"""Order-flow imbalance and micro-price: for the timing of an order within seconds, nothing longer.

What they say of the next price is gone within seconds, far sooner than money moves, so they give
no edge and never reach the allocation: only when to send a slice that is to be sent anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class TopOfBook:
    """Best prices and sizes after each update, all of shape [n], times not falling."""

    ts_ms: IntArray
    bid: FloatArray
    bid_size: FloatArray
    ask: FloatArray
    ask_size: FloatArray

    def __post_init__(self) -> None:
        columns = (self.bid, self.bid_size, self.ask, self.ask_size)
        if any(column.shape != self.ts_ms.shape for column in columns):
            raise InputError("top of book", "columns", "expected one value per time")
        if np.any(np.diff(self.ts_ms) < 0):
            raise InputError("top of book", "ts_ms", "expected times that do not fall")
        if not all(np.all(np.isfinite(column)) for column in columns):
            raise InputError("top of book", "columns", "expected finite numbers")
        if np.any(self.bid >= self.ask) or np.any(self.bid <= 0.0):
            raise InputError("top of book", "bid, ask", "expected 0 < bid < ask")
        if np.any(self.bid_size < 0.0) or np.any(self.ask_size < 0.0):
            raise InputError("top of book", "sizes", "expected at least zero")

    @property
    def mid(self) -> FloatArray:
        """(bid + ask) / 2."""
        return np.asarray(0.5 * (self.bid + self.ask))


def order_flow_imbalance(book: TopOfBook) -> FloatArray:
    """e_n = 1{b_n >= b_n-1} B_n - 1{b_n <= b_n-1} B_n-1 - 1{a_n <= a_n-1} A_n + 1{a_n >= a_n-1}
    A_n-1, float64[n], 0 first. Source: Cont, Kukanov and Stoikov (2014), eq. 3."""
    flow = np.zeros(book.ts_ms.size)
    b0, b1, a0, a1 = book.bid[:-1], book.bid[1:], book.ask[:-1], book.ask[1:]
    bids = (b1 >= b0) * book.bid_size[1:] - (b1 <= b0) * book.bid_size[:-1]
    asks = (a1 <= a0) * book.ask_size[1:] - (a1 >= a0) * book.ask_size[:-1]
    flow[1:] = bids - asks
    return flow


def queue_imbalance(book: TopOfBook) -> FloatArray:
    """(B - A) / (B + A) in [-1, 1], 0 for an empty top."""
    total = book.bid_size + book.ask_size
    return np.where(total > 0.0, (book.bid_size - book.ask_size) / np.where(total > 0, total, 1), 0)


def micro_price(book: TopOfBook) -> FloatArray:
    """mid + half spread x queue imbalance: the side with less size is nearer to being taken.

    The weighted mid, first order of Stoikov (2018), without his fitted correction.
    """
    return np.asarray(book.mid + 0.5 * (book.ask - book.bid) * queue_imbalance(book))


def flow_in_bins(book: TopOfBook, bin_ms: int) -> tuple[FloatArray, FloatArray]:
    """Sum of the imbalance and change of the mid in each whole bin, float64[k] both."""
    if bin_ms < 1:
        raise InputError("order flow", "bin_ms", f"expected at least 1, got {bin_ms}")
    bins = (book.ts_ms - book.ts_ms[0]) // bin_ms
    edges = np.searchsorted(bins, np.arange(int(bins[-1]) + 1), side="left")
    flow = np.concatenate([[0.0], np.cumsum(order_flow_imbalance(book))])
    last = np.maximum(edges - 1, 0)
    mid = book.mid[last]
    return np.diff(flow[edges]), np.diff(mid)


def send_now(book: TopOfBook, *, buying: bool, threshold: float = 0.3) -> bool:
    """Whether the newest queue imbalance says that waiting a moment costs: sizes lean our way, so
    the price is likelier to move from us. It only orders slices that are to be sent anyway."""
    if not 0.0 <= threshold <= 1.0:
        raise InputError("order flow", "threshold", f"expected in [0, 1], got {threshold}")
    leaning = float(queue_imbalance(book)[-1])
    return (leaning if buying else -leaning) >= threshold
