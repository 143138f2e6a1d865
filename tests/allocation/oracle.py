# SPDX-License-Identifier: Apache-2.0
"""The programme written a second time, from its mathematics alone, for cvxpy.

Spare money is asked for by `shares` (v): of all that lend margin alike, until they are given.

Nothing here comes from `formulate`: sizes are absolute values, maintenance is a maximum over tiers,
CVaR over k whole windows is the mean of the k largest losses.
"""

from __future__ import annotations

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.question import Question

PENALTIES = {"outer": 1.0, "inner": 20.0, "tail": 20.0}


class Oracle:
    """Variables and expressions of one question."""

    def __init__(self, question: Question, shares: NDArray[np.float64] | None = None) -> None:
        self.question = question
        self.shares = question.wallets.margined.astype(float) if shares is None else shares
        legs, wallets, edges = question.legs, question.wallets, question.edges
        self.target = cp.Variable(len(legs.names))
        self.sent = cp.Variable(edges.source.size, nonneg=True)
        self.realised = cp.Variable(len(wallets.names), nonneg=True)
        self.spare = cp.Variable(nonneg=True)
        self.short = {name: cp.Variable(len(wallets.names), nonneg=True) for name in PENALTIES}
        self.traded = cp.abs(self.target - legs.held)
        pieces = [
            cp.multiply(legs.impact_slope[:, k], self.traded) - legs.impact_intercept[:, k]
            for k in range(legs.impact_slope.shape[1])
        ]
        self.impact = cp.pos(cp.maximum(*pieces) if len(pieces) > 1 else pieces[0])
        self.costs = cp.multiply(legs.cost_rate, self.traded) + self.impact

    def optimum(self) -> float:
        """Minimal cost less carry."""
        question = self.question
        carry = question.stakes.payback_years * question.legs.carry_annual
        # The programme counts the carry of what is traded; what is held is a constant.
        cost = (
            -carry @ (self.target - question.legs.held)
            + cp.sum(self.costs)
            + question.edges.cost_rate @ self.sent
            + question.wallets.realise_cost_rate @ self.realised
            + sum(PENALTIES[name] * cp.sum(short) for name, short in self.short.items())
            - 2 * max([*question.edges.cost_rate[question.edges.open], 0.0]) * self.spare
        )
        rules = [*self._book(), *self._money(), *self._solvency()]
        problem = cp.Problem(cp.Minimize(cost), rules)
        problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
        assert problem.status == cp.OPTIMAL
        return float(problem.value)

    def _book(self) -> list[cp.Constraint]:
        legs, stakes = self.question.legs, self.question.stakes
        slack, margined = stakes.delta_tolerance, np.flatnonzero(legs.margined)
        gross = cp.sum(cp.abs(self.target[margined]))
        rules = [cp.abs(cp.sum(self.target) - stakes.target_delta) <= slack]
        for coin in np.unique(legs.coin):
            net = cp.sum(self.target[np.flatnonzero(legs.coin == coin)])
            rules.append(cp.abs(net) <= slack + abs(stakes.target_delta))
        if stakes.may_grow:
            outright = np.flatnonzero(~legs.margined)
            rules += [gross <= stakes.gross, self.traded <= legs.trade_cap]
            if outright.size:
                rules.append(self.target[outright] >= np.minimum(0, legs.held[outright]))
        else:
            rules.append(gross <= max(stakes.gross, np.abs(legs.held[margined]).sum()))
            rules += [self.target >= np.minimum(0, legs.held)]
            rules += [self.target <= np.maximum(0, legs.held)]
        return rules

    def _out(self, venue: int) -> cp.Expression:
        return cp.sum(self.sent[np.flatnonzero(self.question.edges.source == venue)])

    def _in(self, venue: int) -> cp.Expression:
        return cp.sum(self.sent[np.flatnonzero(self.question.edges.destination == venue)])

    def _money(self) -> list[cp.Constraint]:
        question, legs = self.question, self.question.legs
        wallets, edges = question.wallets, question.edges
        rules = [self.sent[np.flatnonzero(~edges.open)] == 0] if not edges.open.all() else []
        rules.append(self.realised <= wallets.realisable)
        for venue, margined in enumerate(wallets.margined):
            here = np.flatnonzero(legs.venue == venue)
            out, paid = self._out(venue), cp.sum(self.costs[here])
            rules.append(self._in(venue) <= wallets.room[venue])
            if margined:
                free = wallets.withdrawable[venue] + self.realised[venue]
                initial = legs.initial_rate[here] @ cp.abs(self.target[here])
                short = self.short["inner"][venue]
                rules.append(out <= free)
                rules.append(out + initial + paid <= wallets.equity[venue] + short)
            else:
                bought = cp.sum(self.target[here] - legs.held[here])
                money = wallets.dollars[venue] + wallets.landing[venue]
                rules.append(out - self._in(venue) + bought + paid <= money)
        return rules

    def _adverse(self, venue: int, moves: np.ndarray, landed: bool) -> cp.Expression:
        """Health when longs fall and shorts rise; maintenance is taken at the higher price."""
        legs = self.question.legs
        here = np.flatnonzero(legs.venue == venue)
        health = self._cash(venue, landed)
        for leg in here:
            move = moves[legs.coin[leg]]
            health -= move * cp.abs(self.target[leg]) + self._chord(int(leg), 1 + float(move))
        return health

    def _cash(self, venue: int, landed: bool) -> cp.Expression:
        question, legs = self.question, self.question.legs
        wallets, edges = question.wallets, question.edges
        here = np.flatnonzero(legs.venue == venue)
        health = wallets.equity[venue] - self._out(venue) - cp.sum(self.costs[here])
        health -= wallets.realise_cost_rate[venue] * self.realised[venue]
        if landed:
            inward = np.flatnonzero(edges.destination == venue)
            health += (1 - edges.cost_rate[inward]) @ self.sent[inward] + wallets.landing[venue]
        return health

    def _health(self, venue: int, ratio: np.ndarray, landed: bool) -> cp.Expression:
        legs = self.question.legs
        health = self._cash(venue, landed)
        for leg in np.flatnonzero(legs.venue == venue):
            moved = ratio[legs.coin[leg]]
            health += (moved - 1) * self.target[leg] - self._chord(int(leg), float(moved))
        return health

    def _maintenance(self, leg: int, ratio: float) -> cp.Expression:
        legs = self.question.legs
        size = ratio * cp.abs(self.target[leg])
        tiers = zip(legs.margin_rate[leg], legs.margin_deduction[leg], strict=True)
        return cp.pos(cp.maximum(*[rate * size - less for rate, less in tiers]))

    def _chord(self, leg: int, ratio: float) -> cp.Expression:
        """Maintenance between its values at the lowest price, today's, and the highest."""
        question, coin = self.question, self.question.legs.coin[leg]
        stakes, paths = question.stakes, question.scenarios
        worst = max(stakes.outer[coin], stakes.inner[coin])
        low = min(1 - worst, float(paths.low_after[:, coin].min()))
        high = max(1 + worst, float(paths.high_after[:, coin].max()))
        end = low if ratio < 1 else high
        share = (ratio - 1) / (end - 1)
        now = self._maintenance(leg, 1.0)
        return share * self._maintenance(leg, end) + (1 - share) * now

    def _solvency(self) -> list[cp.Constraint]:
        question = self.question
        stakes, paths = question.stakes, question.scenarios
        rules = [self.spare <= question.wallets.equity.sum()]
        for venue in np.flatnonzero(question.wallets.margined):
            outer = self._adverse(int(venue), stakes.outer, True) + self.short["outer"][venue]
            inner = self._adverse(int(venue), stakes.inner, False) + self.short["inner"][venue]
            rules += [outer >= 0, inner >= 0]
            rules += [outer >= self.shares[venue] * self.spare] if self.shares[venue] else []
            points = (
                (paths.low_before, False),
                (paths.high_before, False),
                (paths.low_after, True),
                (paths.high_after, True),
            )
            losses = [
                cp.maximum(*[-self._health(int(venue), p[w], landed) for p, landed in points])
                for w in range(paths.count)
            ]
            worst = int(stakes.tail_windows)
            tail = cp.sum_largest(cp.hstack(losses), worst) / worst
            rules.append(tail <= self.short["tail"][venue])
        return rules
