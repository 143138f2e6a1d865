# SPDX-License-Identifier: Apache-2.0
"""What a book loses at worst: the nonlinear end of every scenario rule, in one formula.

Columns are what can be held. With sizes q, a group g of columns (an expiry, or all that is linear)
is worth s = sum q_i V_i(p) in scenario p and m now; per scenario and pool c (a coin)

    x_g = w_p (s a_g - m)          a_g = long factor where s >= 0, short factor below
    t_c = sum of x_g               of groups with a smile under a skew scenario: of -|x_g|
    t_c = sign(t_c) max(|t_c| - shrink_p, 0);  gains then count min(keep_c t_c, cap_c)

    loss = max(0, -min_p (sum_c t_c) / z_p, -basis)
    basis = sum_g b_g min(m_up - m, m_down - m, 0)

Derive's PM2 has factors, a basis and no pools; Deribit has pools, shrinking and z_p, the price at
which dollars become coins; Paradex has weights alone. All amounts are in USD until z_p.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

# After the scenarios follow the rows of the basis, up and down, and of what is worth now.
EXTRA_ROWS = 3
BASIS = "basis contingency"
NOTHING = "nothing at risk"


@dataclass(frozen=True, slots=True)
class Group:
    """Columns whose worth is one number in a scenario; `smiles` where skew scenarios apply."""

    name: str
    pool: int = 0
    long_factor: float = 1.0
    short_factor: float = 1.0
    basis_factor: float = 0.0
    smiles: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    """What of a coin's gains may cover other coins' losses: `keep` of them, `cap_usd` at most."""

    name: str
    keep: float = 1.0
    cap_usd: float = np.inf


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioTable:
    """Values [P + 3, n] of one unit of each column, n sorted by group; `starts` [G + 1] of groups.

    `weights` [G, P] are w_p, `shrink_usd` [C, P] by pool, `scale` [P] is z_p, in USD per unit of
    the answer; `names` [P] of the scenarios and whether each `skews`.
    """

    names: tuple[str, ...]
    skews: NDArray[np.bool_]
    values: FloatArray
    starts: IndexArray
    groups: tuple[Group, ...]
    pools: tuple[Pool, ...]
    weights: FloatArray
    shrink_usd: FloatArray
    scale: FloatArray

    @property
    def binding_names(self) -> tuple[str, ...]:
        """Names of what can be worst: the scenarios, the basis, nothing."""
        return (*self.names, BASIS, NOTHING)

    def sums(self, sizes: FloatArray) -> FloatArray:
        """Worth of each group of each book in each row, [G, B, P + 3], of sizes [B, n]."""
        out = np.empty((len(self.groups), len(sizes), len(self.values)))
        for g, (start, end) in enumerate(zip(self.starts[:-1], self.starts[1:], strict=True)):
            np.matmul(sizes[:, start:end], self.values[:, start:end].T, out=out[g])
        return out

    def results(self, sums: FloatArray) -> FloatArray:
        """What each book gains in each scenario and by the basis, [B, P + 1], unit of the answer.

        The numpy twin of the kernel in `_losses`.
        """
        total = np.zeros((sums.shape[1], len(self.names)))
        for c, pool in enumerate(self.pools):
            members = [g for g, group in enumerate(self.groups) if group.pool == c]
            if members:
                gains = sum(self.group_gains(sums[g], g) for g in members)
                total += self.pooled(np.asarray(gains), pool, self.shrink_usd[c])
        basis = self.basis_falls(sums).sum(axis=0)[:, None]
        return np.concatenate([total / self.scale, basis], axis=1)

    def basis_falls(self, sums: FloatArray) -> FloatArray:
        """What each group adds to the basis of books, [G, B]."""
        up, down, now = sums[:, :, -3], sums[:, :, -2], sums[:, :, -1]
        factors = np.array([group.basis_factor for group in self.groups])[:, None]
        return np.asarray(np.minimum(np.minimum(up, down) - now, 0.0) * factors)

    def worst(self, sums: FloatArray) -> tuple[FloatArray, IndexArray]:
        """Worst loss >= 0 of each book and which of `binding_names` it is, [B] each."""
        results = self.results(sums)
        index = results.argmin(axis=1)
        least = np.take_along_axis(results, index[:, None], axis=1)[:, 0]
        return np.maximum(-least, 0.0), np.where(least < 0.0, index, results.shape[1])

    def group_gains(self, sums: FloatArray, g: int) -> FloatArray:
        """x_g by scenario of books, [B, P], from the group's sums [B, P + 3]."""
        worth, base, group = sums[:, : len(self.names)], sums[:, -1:], self.groups[g]
        factor = np.where(worth >= 0.0, group.long_factor, group.short_factor)
        gains = (worth * factor - base) * self.weights[g]
        return np.asarray(np.where(self.skews & group.smiles, -np.abs(gains), gains))

    @staticmethod
    def pooled(gains: FloatArray, pool: Pool, shrink_usd: FloatArray) -> FloatArray:
        """t_c by scenario after shrinking, gains in part."""
        left = np.copysign(np.maximum(np.abs(gains) - shrink_usd, 0.0), gains)
        return np.where(left > 0.0, np.minimum(pool.keep * left, pool.cap_usd), left)


def stacked(
    parts: Sequence[FloatArray], groups: Sequence[int], count: int
) -> tuple[FloatArray, IndexArray, IndexArray]:
    """Columns of values sorted by their group: [R, n], the order [n], and starts [G + 1]."""
    values = np.concatenate(parts, axis=1)
    labels = np.asarray(groups, dtype=np.int64)
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(count + 1))
    return np.ascontiguousarray(values[:, order]), order, starts.astype(np.int64)
