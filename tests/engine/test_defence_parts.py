# SPDX-License-Identifier: Apache-2.0
"""What a defence is told of orphans, of prices apart, of routes and of the price of health."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tests.engine.test_defence import ETH_LOTS, HEDGED, asked, leg, seen, told
from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH, VAULT_BTC, held
from tidegate.allocation.question import Question
from tidegate.engine.defence import BELOW_CUTTING, INNER_PRICE


def hedged_ether() -> dict[str, object]:
    return {ALPHA_ETH: held(ALPHA_ETH, ETH_LOTS), BETA_ETH: held(BETA_ETH, -100 * ETH_LOTS)}


def test_orphan_is_kept_for_nothing_and_the_hedged_coin_beside_it_for_its_carry() -> None:
    """Long bitcoin at alpha has carry, a price that stands against it, and no partner."""
    low = {ALPHA_BTC: desk.quote(ALPHA_BTC, round(0.99 * desk.MARKS[ALPHA_BTC]))}
    positions = {ALPHA_BTC: HEDGED[ALPHA_BTC], **hedged_ether()}
    keep = told(seen(positions, quotes=low)).keep_rate  # type: ignore[arg-type]
    assert {leg(keep, name) for name in (ALPHA_BTC, BETA_BTC, VAULT_BTC)} == {0.0}
    assert min(leg(keep, name) for name in (ALPHA_ETH, BETA_ETH)) > 0


def test_middle_price_is_that_of_most_venues_whatever_one_of_them_says() -> None:
    """The vault alone quotes far above: nothing comes back at alpha."""
    far = {VAULT_BTC: desk.quote(VAULT_BTC, 2 * desk.MARKS[VAULT_BTC])}
    calm, off = told(seen()).keep_rate, told(seen(quotes=far)).keep_rate
    assert leg(off, ALPHA_BTC) == pytest.approx(leg(calm, ALPHA_BTC), abs=2e-5)
    assert leg(off, BETA_BTC) == pytest.approx(leg(calm, BETA_BTC), abs=2e-5)


def cutting_price(question: Question, keep: np.ndarray) -> float:
    legs, stakes = question.legs, question.stakes
    relief = stakes.outer[legs.coin] + legs.margin_rate.max(axis=1)
    return float((2 * (legs.cost_rate + keep) / relief).min())


@pytest.mark.parametrize("frozen", [(), ("alpha",)])
def test_price_of_the_outer_level_is_twice_the_dearest_open_route_or_half_of_cutting(
    frozen: tuple[str, ...],
) -> None:
    """A dollar at alpha is worth half of one at beta; a route that is shut is no measure."""
    situation = seen()
    snapshot = msgspec.structs.replace(
        situation.snapshot, frozen_venues=frozen, stable_micro={"USDT": 500_000, "USDC": 1_000_000}
    )
    situation = msgspec.structs.replace(situation, snapshot=snapshot)
    question, threat = asked(situation), told(situation)
    opened = question.edges.cost_rate[question.edges.open].max(initial=0.0)
    assert (opened > 0.4) == (not frozen)
    half = BELOW_CUTTING * cutting_price(question, np.asarray(threat.keep_rate))
    assert threat.outer_penalty == pytest.approx(max(2 * opened, half))


def test_inner_shortfall_costs_what_it_is_expected_to_lose() -> None:
    assert told(seen()).inner_penalty == INNER_PRICE == 0.25
