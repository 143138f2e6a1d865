# SPDX-License-Identifier: Apache-2.0
"""Data that is stale, missing, crossed, contradicted or thin never lets a plan that raises pass."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec
import pytest

from tests.risk import desk
from tests.risk.test_limits import RICH, hedged_step, legs
from tests.soak import Budget
from tidegate.model.market import Quote
from tidegate.model.times import SECOND_MS
from tidegate.risk.limits import breaches
from tidegate.risk.plan import Situation

CASES, PARTS, SOAK_CASES = 10_000, 2, 1_000_000
TERMS = desk.terms()
PAIRS = ((desk.ALPHA_BTC, desk.BETA_BTC), (desk.ALPHA_ETH, desk.BETA_ETH))
LIMITS = desk.MANDATE.limits


def stale(quote: Quote, dice: Random) -> Quote:
    late_ms = dice.choice((1, dice.randint(1, 10**9)))
    as_of_ms = desk.NOW_MS - int(LIMITS.quote_age_s * SECOND_MS) - late_ms
    return msgspec.structs.replace(quote, as_of_ms=as_of_ms)


def crossed(quote: Quote, dice: Random) -> Quote:
    return msgspec.structs.replace(quote, half_spread=-(10.0 ** dice.uniform(-9, -2)))


def apart(quote: Quote, dice: Random) -> Quote:
    """Beyond the gap that venues may have, to either side."""
    by = (1 + LIMITS.venue_gap) * (1.001 + dice.random())
    ticks = quote.ticks * (by if dice.random() < 0.5 else 1 / by)
    return msgspec.structs.replace(quote, ticks=max(1, round(ticks)))


def thin(quote: Quote, dice: Random) -> Quote:
    """So little is traded in a day that the order is more than its share."""
    return msgspec.structs.replace(quote, volume_day_usd=dice.uniform(1.0, 1_000.0))


DEFECTS: dict[str, tuple[Callable[[Quote, Random], Quote] | None, str]] = {
    "missing": (None, "fresh quotes"),
    "stale": (stale, "fresh quotes"),
    "crossed": (crossed, "quotes agree"),
    "apart": (apart, "quotes agree"),
    "thin": (thin, "volume share"),
}


def drawn(number: int) -> tuple[Situation, Situation, list[desk.Action], str]:
    """A sound market, the same with one bad quote of what is traded, a hedged step, the rule."""
    dice = Random(f"data {number}")
    pair = dice.choice(PAIRS)
    step = hedged_step(*pair, dice.choice((-1, 1)) * dice.uniform(2_000, 20_000))
    book = desk.portfolio(RICH, legs(*[dice.choice((0.0, dice.uniform(5_000, 50_000)))] * 2))
    sound = desk.situation(book)
    name, (change, rule) = dice.choice(pair), dice.choice(list(DEFECTS.values()))
    quotes = dict(sound.snapshot.quotes)
    quote = quotes.pop(name)
    if change is not None:
        quotes[name] = change(quote, dice)
    snapshot = msgspec.structs.replace(sound.snapshot, quotes=quotes)
    return sound, msgspec.structs.replace(sound, snapshot=snapshot), list(step), rule


def never_trades(number: int) -> None:
    """The gate names the bad quote's rule, and lets the same plan pass on sound data."""
    sound, bad, step, rule = drawn(number)
    what = desk.plan(tuple(step), raises=True)
    assert rule in {breach.rule for breach in breaches(TERMS, bad, what)}
    if number % 10 == 0:
        assert breaches(TERMS, sound, what) == []


@pytest.mark.parametrize("part", range(PARTS))
def test_ten_thousand_plans_on_bad_data_are_refused_by_its_rule(part: int) -> None:
    for number in range(part, CASES, PARTS):
        never_trades(number)


@pytest.mark.soak(promise="R14", weight=1)
def test_fresh_plans_on_bad_data_are_refused_by_its_rule(budget: Budget) -> None:
    budget.each("plan", never_trades, SOAK_CASES)
