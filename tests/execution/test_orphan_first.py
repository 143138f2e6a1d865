# SPDX-License-Identifier: Apache-2.0
"""A coin that is naked near the limit and has legs on both sides can be closed all the same."""

from __future__ import annotations

import pytest

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, BETA_BTC, INSTRUMENTS, held
from tidegate.execution.planning import Targets, plan_targets
from tidegate.model.actions import Order
from tidegate.risk.limits import breaches
from tidegate.risk.plan import Situation, net_coins

TERMS = desk.terms()
# The naked limit is 25,000 dollars, and the least slice a tenth of it.
CLOSE = Targets({ALPHA_BTC: 0.0, BETA_BTC: 0.0}, {}, {}, "reduce", urgent=True)


def naked(coins: float) -> Situation:
    """A long coin at alpha, and a short at beta that lacks as many coins as are said."""
    positions = {
        ALPHA_BTC: held(ALPHA_BTC, 1_000),
        BETA_BTC: held(BETA_BTC, -round(100_000 * (1 - coins))),
    }
    return desk.situation(desk.portfolio({"alpha": 400_000, "beta": 400_000}, positions))


@pytest.mark.parametrize("coins", [0.2, 0.38, 0.42, 0.6, 0.95])
@pytest.mark.parametrize("side", [1, -1])
def test_plan_that_closes_everything_passes_the_gate_however_naked_the_coin_is(
    coins: float, side: int
) -> None:
    """The failure of a venue left 27,000 dollars of a coin naked, and the gate refused every plan
    that touched it: its hedged slices could have left yet more of it alone."""
    situation = naked(coins) if side > 0 else naked(-coins)
    plan = plan_targets(TERMS, situation, CLOSE, "d")
    assert breaches(TERMS, situation, plan) == []
    traded: dict[str, int] = {}
    for order in plan.actions:
        assert isinstance(order, Order)
        traded[order.instrument] = traded.get(order.instrument, 0) + order.lots
    for name, lots in traded.items():
        account = situation.portfolio.accounts[INSTRUMENTS[name].venue]
        assert lots == -account.positions[name].lots


def test_orphan_is_closed_alone_and_before_any_hedged_slice() -> None:
    situation = naked(0.6)
    plan = plan_targets(TERMS, situation, CLOSE, "d")
    net = float(net_coins(TERMS, situation)["BTC"])
    left = []
    for step in plan.steps:
        for order in step.actions:
            assert isinstance(order, Order)
            net += order.lots * float(INSTRUMENTS[order.instrument].lot)
        left.append((len(step.actions), round(net, 6)))
    alone = [size for size, _ in left].index(2)
    assert left[alone - 1] == (1, 0.0)
    assert all(size == 2 for size, _ in left[alone:])


def test_coin_that_is_little_naked_is_cut_hedged_as_before() -> None:
    plan = plan_targets(TERMS, naked(0.2), CLOSE, "d")
    assert all(len(step.actions) == 2 for step in plan.steps)
