# SPDX-License-Identifier: Apache-2.0
"""A review that was refused for what passes by itself comes again at the next trigger."""

from __future__ import annotations

import inspect
import re

import msgspec
import pytest

from tests.engine.room import Room, room
from tests.engine.test_cycle import one_coin, scaled_margin
from tests.risk import desk
from tests.risk.desk import ALPHA_BTC
from tidegate.engine.cycle import Tools, _is_curable
from tidegate.execution.planning import Targets
from tidegate.model.actions import Transfer
from tidegate.model.market import MarketSnapshot
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.risk import limits
from tidegate.risk.limits import Breach
from tidegate.risk.plan import Plan, Step

GRID_STEPS = 4
ROUTE = ("alpha", "beta")


def stale(built: Room) -> None:
    """The feed stands still from a day ago until the next grid time."""
    feed, until_ms = built.cycle._world.feed, desk.NOW_MS + HOUR_MS
    told = feed.snapshot

    def snapshot(ts_ms: int, frozen: tuple[str, ...]) -> MarketSnapshot:
        seen = told(ts_ms, frozen)
        if ts_ms >= until_ms:
            return seen
        old = {
            name: msgspec.structs.replace(quote, as_of_ms=ts_ms - DAY_MS)
            for name, quote in seen.quotes.items()
        }
        return msgspec.structs.replace(seen, quotes=old)

    feed.snapshot = snapshot  # type: ignore[method-assign]


def test_review_refused_on_stale_quotes_is_made_again_at_the_next_trigger() -> None:
    built = room(tools=Tools(one_coin), mandate=desk.with_limits(gross_leverage=40.0))
    stale(built)
    built.play(GRID_STEPS)
    assert built.cycle.tally.refusals == 1
    assert built.lots(ALPHA_BTC) == 0
    built.play(1)
    assert built.lots(ALPHA_BTC) > 0
    refused = [value for kind, value in built.frames() if kind == "refused"]
    assert [value["curable"] for value in refused] == [True]


def test_review_refused_for_what_lasts_is_not_made_again_before_the_next_review() -> None:
    built = room(tools=Tools(scaled_margin), mandate=desk.with_limits(gross_leverage=40.0))
    built.play(2 * GRID_STEPS + 1)
    assert built.cycle.tally.refusals == built.cycle.tally.solves == 1
    assert not built.cycle.memory.awaits_growth


@pytest.mark.parametrize(
    ("rules", "wanted_usd", "sent", "expected"),
    [
        (("fresh quotes", "unsettled"), 0.0, False, True),
        (("fresh quotes", "claim cap"), 0.0, False, False),
        (("survives stress",), 5_000.0, False, True),
        (("survives stress",), 5_000.0, True, False),
        (("survives stress",), 1.0, False, False),
    ],
)
def test_refusal_is_curable_where_all_that_is_broken_passes_or_a_transfer_could_not_leave(
    rules: tuple[str, ...], wanted_usd: float, sent: bool, expected: bool
) -> None:
    wanted = Targets({}, {ROUTE: wanted_usd}, {}, "review")
    money = Transfer("t", *ROUTE, "USDT", 5_000_000_000, "review")
    plan = Plan((Step((money,)),) if sent else (), raises=True)
    found = [Breach(rule, "somewhere", "because") for rule in rules]
    assert _is_curable(desk.terms(), wanted, plan, found) is expected


PASS = ("fresh quotes", "quotes agree", "unsettled", "open route", "route hours", "daily cap")
LAST = ("authority", "reduce only", "withdrawable", "survives stress", "initial margin", "balance")
LAST += ("naked leg", "hedged", "gross leverage", "loss from peak", "claim cap", "volume share")
LAST += ("no lots",)


@pytest.mark.parametrize("rule", PASS + LAST)
def test_each_rule_by_itself_is_one_that_passes_or_one_that_lasts(rule: str) -> None:
    wanted, plan = Targets({}, {}, {}, "review"), Plan((), raises=True)
    broken = [Breach(rule, "somewhere", "because")]
    assert _is_curable(desk.terms(), wanted, plan, broken) == (rule in PASS)


def test_rules_that_pass_or_last_are_all_that_a_check_can_name() -> None:
    source = inspect.getsource(limits)
    assert set(re.findall(r'Breach\(\s*"([a-z ]+)"', source)) == set(PASS + LAST)
