# SPDX-License-Identifier: Apache-2.0
"""What dollars earn at venues, as a feed says, moves money in a joint plan, within the claims."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import msgspec
import numpy as np
import pytest
from msgspec import UNSET

from tidegate.allocation.question import Answer
from tidegate.backtest.arrangement import arrange
from tidegate.backtest.provenance import NoTables
from tidegate.engine.inputs import Columns, columns_of, observed, quotes_of, snapshot_of
from tidegate.engine.inquiry import ask
from tidegate.engine.joint import Grounds, join
from tidegate.engine.outlook import Outlook
from tidegate.execution.desk import Standing
from tidegate.history.window import Window
from tidegate.live.vault.operator import mandate_of
from tidegate.model.account import SETTLED, Account, Portfolio
from tidegate.model.market import MarketSnapshot, Quote
from tidegate.model.times import DAY_MS
from tidegate.model.units import MICRO
from tidegate.risk.plan import Situation, Terms
from tidegate.risk.scenarios import Scenarios

NOW_MS = 1_796_083_200_000
WHOLE = 1_000_000.0
CAPS = {"aave": 0.4, "lp": 0.2, "perp": 0.3}


@cache
def terms() -> Terms:
    mandate = mandate_of()
    made = arrange(mandate, NoTables(), Window(NOW_MS, NOW_MS + DAY_MS), "mandate").terms
    rules = {venue: made.rule(venue, NOW_MS) for venue in made.rules}
    return Terms(mandate, made.instruments, rules, made.costs, made.passages)


def outlook() -> Outlook:
    one = np.ones((20, 1))
    scenarios = Scenarios(0.99 * one, 1.01 * one, 0.98 * one, 1.02 * one)
    moves = {"ETH": 0.2}, {"ETH": 0.13}
    return Outlook(NOW_MS, (), {"perp:ETH": 0.0}, {"ETH": 0.03}, *moves, scenarios, 1.0)


def snapshot(yields: Mapping[str, float] | None) -> MarketSnapshot:
    quotes = {"perp:ETH": Quote(300_000, NOW_MS, False, 5e7, 0.03)}
    told = UNSET if yields is None else yields
    return MarketSnapshot(NOW_MS, quotes, yields_annual=told)


def situation(held: Mapping[str, float], yields: Mapping[str, float] | None) -> Situation:
    accounts = {
        venue: Account(venue, {"USDC": round(held.get(venue, 0.0) * MICRO)}, {})
        for venue in terms().mandate.venue
    }
    expected, total = outlook(), sum(held.values())
    book = Portfolio(NOW_MS, accounts, ())
    return Situation(book, snapshot(yields), expected.outer, expected.inner, total, total)


def sent(held: Mapping[str, float], yields: Mapping[str, float] | None) -> dict[object, float]:
    seen = situation(held, yields)
    question = ask(terms(), seen, outlook(), may_grow=True)
    answer: Answer = join(question, Grounds(terms(), seen, outlook()))
    flows = zip(terms().passages, answer.transfer.tolist(), strict=True)
    return {ends: share * seen.equity_usd for ends, share in flows if share > 1e-6}


def test_idle_money_goes_where_it_earns_and_no_further_than_the_claims_allow() -> None:
    found = sent({"vault": WHOLE}, {"aave": 0.05, "lp": 0.08, "perp": 0.11})
    assert found.keys() == {("vault", venue) for venue in CAPS}
    for venue, cap in CAPS.items():
        assert cap * WHOLE - 2 <= found["vault", venue] <= cap * WHOLE


def test_venue_that_costs_is_left_and_one_that_earns_nothing_gets_nothing() -> None:
    full = {"vault": 1e5, "aave": 4e5, "lp": 2e5, "perp": 3e5}
    found = sent(full, {"aave": 0.05, "lp": 0.08, "perp": -0.11})
    assert found.keys() == {("perp", "vault")}
    assert found["perp", "vault"] > 0.99 * 3e5
    assert ("vault", "lp") not in sent({"vault": WHOLE}, {"aave": 0.05, "perp": 0.1, "lp": 0.0})


@pytest.mark.parametrize("aave", [399_000.0, 400_000.0, 400_500.0, 402_000.0])
def test_full_book_stays_as_it_is_also_where_gains_brought_a_claim_above_its_cap(
    aave: float,
) -> None:
    full = {"vault": 1e5, "aave": aave, "lp": 2e5, "perp": 3e5}
    assert sent(full, {"aave": 0.05, "lp": 0.08, "perp": 0.11}) == {}


def test_snapshot_without_yields_has_the_content_that_it_had_before_there_were_any() -> None:
    before = snapshot(None)
    fields = set(msgspec.to_builtins(before))
    assert "yields_annual" not in fields
    assert before.id != snapshot({}).id


@pytest.mark.parametrize("yields", [None, {}, {"aave": 0.05, "lp": -0.01}])
def test_snapshot_with_yields_is_read_back_from_what_a_decision_journals(
    yields: Mapping[str, float] | None,
) -> None:
    seen = situation({"vault": WHOLE}, yields)
    columns = columns_of(seen.snapshot.quotes)
    standing = Standing(False, False, SETTLED, frozenset())
    frame = observed(seen, standing, 1, columns.since(Columns()))
    again = msgspec.json.decode(msgspec.json.encode(frame), type=type(frame))
    assert snapshot_of(again, quotes_of(again, columns)).id == seen.snapshot.id
