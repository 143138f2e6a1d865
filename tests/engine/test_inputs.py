# SPDX-License-Identifier: Apache-2.0
"""What decisions are made of is journalled when it changes, whichever part of it that is."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from tests.engine.room import FixedOutlook, room
from tests.risk import desk
from tidegate.costs.trading import TradingCosts
from tidegate.engine.inputs import Inputs
from tidegate.execution.desk import Standing
from tidegate.model.account import Unsettled
from tidegate.risk.plan import Terms

CHANGES: dict[str, Callable[[], Terms]] = {
    "margin rules": lambda: desk.terms(with_rules=desk.rules(high="0.03")),
    "mandate": lambda: desk.terms(desk.with_limits(naked_s=31.0)),
    "routes": lambda: desk.routed(1_000.0),
    "costs": lambda: msgspec.structs.replace(
        desk.terms(), costs=dict.fromkeys(desk.INSTRUMENTS, TradingCosts(501, 0.0001, 1.0))
    ),
}


@pytest.mark.parametrize("part", CHANGES)
def test_terms_are_journalled_again_when_any_part_of_them_changes_and_only_then(part: str) -> None:
    built = room()
    inputs = Inputs(built.record, built.exchange.now_ms, reduces=True)
    sight = (
        desk.situation(desk.portfolio({"alpha": 1e6, "beta": 1e6})),
        Standing(False, False, Unsettled(), frozenset()),
    )
    outlook = FixedOutlook().at(built.exchange.now_ms)
    for terms in (desk.terms(), desk.terms(), CHANGES[part](), CHANGES[part]()):
        inputs.note(terms, outlook, sight, 0)
    kinds = [kind for kind, _ in built.frames() if kind in ("terms", "observed")]
    assert kinds == ["terms", "observed", "observed", "terms", "observed", "observed"]
