# SPDX-License-Identifier: Apache-2.0
"""How much of an order to trade in each of a number of slots: impact against risk, solved exactly.

With shares q_j of the whole order traded in slot j and x_j = 1 - q_0 - ... - q_j left after it,

    F = sum_j (a q_j^(3/2) + b q_j^2) + c sum_j x_j^2,    sum_j q_j = 1,  0 <= q_j <= cap

a is square-root impact (Almgren 2003), b linear impact (Almgren and Chriss 2000) or risk that
grows with the size of a slice (Almgren 2003, trading-enhanced risk), c the risk of what waits.
F is strictly convex. With the marginal cost g(q) = 3/2 a q^(1/2) + 2 b q its one minimum satisfies

    g(q_j) = min(p_j, g(cap)),    p_j = p_(j+1) + 2 c x_j

so the last slot's price p_(N-1) fixes all, and the whole that it trades rises with it: one root.
In continuous time and without end a alone gives x(t) = (1 + t / (3 T))^-3 with T = 1 / q_0.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

# Halvings of the bracket of the last slot's log price, after which it is known to rounding.
_HALVINGS = 64
_LOG_SPAN = 600.0


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """Costs a, b, c of the module's formula, in one unit, for shares of the whole order; `slots`
    N >= 1 and `cap` with N cap >= 1. One of a and b is above zero, none below."""

    impact: float
    quadratic: float
    waiting: float
    slots: int
    cap: float = 1.0

    def marginal(self, share: float) -> float:
        """What trading one more share in a slot costs: g(q)."""
        return 1.5 * self.impact * sqrt(share) + 2.0 * self.quadratic * share

    def share_at(self, price: float) -> float:
        """The share that costs a price at the margin, at most the cap: g's inverse."""
        a = 1.5 * self.impact
        root = 2.0 * price / (a + sqrt(a * a + 8.0 * self.quadratic * price))
        return min(self.cap, root * root)

    def value(self, shares: list[float]) -> float:
        """F of a list of shares."""
        total, left = 0.0, 1.0
        for share in shares:
            left -= share
            total += self.impact * share * sqrt(share) + self.quadratic * share * share
            total += self.waiting * left * left
        return total


def optimal_shares(problem: Tradeoff) -> list[float]:
    """The shares that minimise F, first slot first; they sum to one to rounding.

    Without waiting cost they are equal; where waiting costs more than any impact, the first slots
    are full. The dearer waiting is beside a, the less is left at every time.
    Source: Almgren and Chriss (2000), eq. 17 to 20 for b and c alone; Almgren (2003) for a.
    """
    high = log(problem.marginal(1.0 / problem.slots))
    low = high - _LOG_SPAN
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if sum(_from_the_end(problem, exp(middle))) > 1.0:
            high = middle
        else:
            low = middle
    return _filled(problem, _from_the_end(problem, exp(low))[::-1])


def _from_the_end(problem: Tradeoff, price: float) -> list[float]:
    """Shares from the last slot to the first for a last price, until they are more than all."""
    shares, left = list[float](), 0.0
    for _ in range(problem.slots):
        price += 2.0 * problem.waiting * left
        shares.append(problem.share_at(price))
        left += shares[-1]
        if left > 1.0:
            break
    return shares


def _filled(problem: Tradeoff, shares: list[float]) -> list[float]:
    """What rounding left over goes to the first slots that have room."""
    rest = 1.0 - sum(shares)
    for index, share in enumerate(shares):
        added = min(rest, problem.cap - share)
        shares[index] += added
        rest -= added
    return shares
