# SPDX-License-Identifier: Apache-2.0
"""How often the best strategy of one half of the record is below the middle in the other half."""

from __future__ import annotations

from itertools import combinations

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.backtest.honesty.samples import BoolArray, FloatArray
from tidegate.model.errors import InputError

BLOCKS = 16


class Overfitting(msgspec.Struct, frozen=True):
    """`probability` of overfitting (PBO), over how many `splits`, and `loss`: how often the chosen
    strategy loses out of sample."""

    probability: float
    splits: int
    loss: float


def overfitting(returns: npt.NDArray[np.float64], blocks: int = BLOCKS) -> Overfitting:
    """Combinatorially symmetric cross-validation of a choice by Sharpe ratio.

    The periods are cut into S blocks of one length; each half of the blocks chooses the strategy
    of the highest Sharpe ratio, and its relative rank w in the other half gives the logit
    ln(w / (1 - w)), w = rank / (N + 1). PBO is the share of splits with a logit of at most 0.

    Args: `returns` float64[T, N], a column per strategy; `blocks` S, even. The first T mod S
        periods are left out, so that blocks are of one length.
    Raises: `InputError` unless there are two strategies that vary and two periods in each block.
    Source: Bailey, Borwein, Lopez de Prado and Zhu (2017), section 3.
    """
    sums, squares, length = _block_sums(_checked(returns, blocks), blocks)
    chosen = _halves(blocks)
    ours, theirs = chosen @ sums, (1.0 - chosen) @ sums
    half = length * blocks // 2
    inside = _sharpe(ours, chosen @ squares, half)
    outside = _sharpe(theirs, (1.0 - chosen) @ squares, half)
    rows = np.arange(chosen.shape[0])
    best = outside[rows, inside.argmax(axis=1)]
    below = (outside < best[:, None]).sum(axis=1)
    equal = (outside == best[:, None]).sum(axis=1)
    relative = (below + (equal + 1.0) / 2.0) / (outside.shape[1] + 1.0)
    return Overfitting(
        probability=float(np.mean(relative <= 0.5)),
        splits=chosen.shape[0],
        loss=float(np.mean(best < 0.0)),
    )


def _checked(returns: npt.NDArray[np.float64], blocks: int) -> FloatArray:
    table = np.asarray(returns, dtype=np.float64)
    if blocks < 2 or blocks % 2:
        raise InputError("overfitting", "blocks", f"expected an even number, got {blocks}")
    if table.ndim != 2 or table.shape[1] < 2 or table.shape[0] < 2 * blocks:
        raise InputError(
            "overfitting",
            "returns",
            f"expected two strategies and {2 * blocks} periods, got shape {table.shape}",
        )
    if not np.isfinite(table).all():
        raise InputError("overfitting", "returns", "expected finite numbers")
    if not np.ptp(table, axis=0).all():
        raise InputError("overfitting", "returns", "expected strategies that vary")
    return table[table.shape[0] % blocks :]


def _block_sums(table: FloatArray, blocks: int) -> tuple[FloatArray, FloatArray, int]:
    """Sums and sums of squares by block, float64[S, N] each, and the length of a block."""
    length = table.shape[0] // blocks
    cube = table.reshape(blocks, length, table.shape[1])
    return cube.sum(axis=1), (cube**2).sum(axis=1), length


def _halves(blocks: int) -> FloatArray:
    """Every choice of half the blocks, float64[splits, S] of ones and zeros."""
    picks = list(combinations(range(blocks), blocks // 2))
    chosen = np.zeros((len(picks), blocks))
    np.put_along_axis(chosen, np.array(picks), 1.0, axis=1)
    return chosen


def _sharpe(total: FloatArray, square: FloatArray, n: int) -> FloatArray:
    """Sharpe ratios from sums; a strategy that never varies in a half stands by its mean's sign."""
    mean = total / n
    variance = np.maximum(square / n - mean**2, 0.0)
    still: BoolArray = variance <= 1e-24 * np.maximum(mean**2, np.finfo(np.float64).tiny)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = mean / np.sqrt(variance)
    return np.where(still, np.sign(mean) * np.where(mean == 0.0, 0.0, np.inf), ratio)
