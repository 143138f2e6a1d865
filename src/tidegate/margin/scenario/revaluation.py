# SPDX-License-Identifier: Apache-2.0
"""What one unit of each option is worth in each scenario: Black-76 on its own forward.

    V(p) = D Black(F v(p) + f, K, sigma(p), T)

with v the ratio by which prices move, f what the delivery average has fixed of the forward already,
and sigma(p) the shocked vol. Compiled in `_moving`; `option_values` is in numpy and
what a single statement uses, so that one book needs no compiler. Values are by unit, so that they
serve many books at one market; `coin_books` revalues one book, with time that passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.margin.scenario.shocks import Scenario

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

# Nothing is worth less than this, so that logarithms stay finite when a price falls to zero.
LEAST_FORWARD = 1e-100


@dataclass(frozen=True, slots=True, eq=False)
class OptionColumns:
    """Options as columns of n: forwards, of which `fixed` does not move, and strikes in USD; years
    to expiry; annual vols; sign 1 of calls and -1 of puts; discount factors."""

    forward: FloatArray
    fixed: FloatArray
    strike: FloatArray
    expiry_years: FloatArray
    vol: FloatArray
    sign: FloatArray
    discount: FloatArray

    @property
    def log_strike(self) -> FloatArray:
        """ln(K / F)."""
        return np.asarray(np.log(self.strike / self.forward))

    def rows(self) -> FloatArray:
        """The columns as one array [7, n], as the kernel takes them."""
        moving = self.forward - self.fixed
        root = np.sqrt(self.expiry_years)
        rows = (moving, self.fixed, self.strike, root, self.vol, self.sign, self.discount)
        return np.ascontiguousarray(np.stack(rows))


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """Scenarios as columns: ratios [P] and vol moves [P]; a skew scenario moves no price."""

    ratios: FloatArray
    vols: IndexArray

    @classmethod
    def of(cls, scenarios: Sequence[Scenario]) -> Moves:
        """The moves of these scenarios."""
        ratios = [1.0 if each.skews else each.ratio for each in scenarios]
        return cls(np.array(ratios, dtype=float), np.array([int(each.vol) for each in scenarios]))


def option_values(rows: FloatArray, shocked_vols: FloatArray, moves: Moves) -> FloatArray:
    """Value of one unit of each option in each scenario, USD, [P, n].

    Args: `rows` of `OptionColumns`; `shocked_vols` by `VolMove`, [5, n].
    """
    from tidegate.pricing import _scenarios as pricing
    from tidegate.pricing._elementary import mills_

    moving, fixed, strike, root, _, sign, discount = rows
    if not len(strike):
        return np.zeros((len(moves.ratios), 0))
    forward = np.maximum(np.multiply.outer(moves.ratios, moving) + fixed, LEAST_FORWARD)
    deviation, inverse = pricing.deviation_(shocked_vols[moves.vols], 0.0, root)
    d = pricing.arguments_(np.log(forward / strike), deviation, inverse)
    mills = (mills_(abs(d[0])), mills_(abs(d[1])))
    return np.asarray(pricing.revalued_((forward, strike, sign), d, mills, deviation) * discount)


def black_deltas(columns: OptionColumns) -> FloatArray:
    """Black-76 delta of each option on its forward, undiscounted, coins per unit, [n]."""
    from tidegate.pricing import _scenarios as pricing
    from tidegate.pricing._elementary import normal_cdf_

    root, sign = np.sqrt(columns.expiry_years), columns.sign
    deviation, inverse = pricing.deviation_(columns.vol, 0.0, root)
    d1, _ = pricing.arguments_(-columns.log_strike, deviation, inverse)
    return np.asarray(sign * normal_cdf_(sign * d1))
