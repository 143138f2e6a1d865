# SPDX-License-Identifier: Apache-2.0
"""Below the outer stress money is sent and nothing grows; below the inner stress it is cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.engine.plan.plain_books import (
    book_values,
    decided,
    liquid,
    mandate_text,
    set_balance,
    set_carry,
    set_field,
)
from tidegate.engine.plan.after import account_after
from tidegate.engine.plan.deciding import Decision, Outcome
from tidegate.engine.plan.levels import inner_moves, worst_move

SHORT, LONG = -8, 8


def of(folder: Path, wallet: str, *, frozen: bool = False) -> Decision:
    """A hedged book, short at Binance with this much money there, long at Hyperliquid with much."""
    values = book_values(
        liquid,
        set_field(0, 0, size=str(SHORT), entry="60000"),
        set_field(0, 1, size="0"),
        set_field(1, 0, size=str(LONG), entry="60000"),
        set_field(1, 1, size="0"),
        set_carry("binance:BTCUSDT", "-0.3"),
        set_carry("hyperliquid:BTC", "0.3"),
        set_balance(0, "USDT", wallet),
        set_balance(1, "USDC", "600000"),
        options=False,
    )
    for route in values["routes"]:
        route["frozen"] = frozen
    return decided(folder, values, mandate_text(options=False))


def traded_usd(decision: Decision, venue: str) -> float:
    """What is cut of positions at a venue."""
    bounds = decision.asked.bounds
    lots = np.array([b.lot_usd * (b.account.venue == venue) for b in bounds])
    return float(np.abs(decision.changed.lots.traded) @ lots)


def least(decision: Decision, *, landed: bool, inner: bool) -> float:
    """Least exact health at Binance over the named moves of a level, USD."""
    account = decision.asked.book.accounts["binance"]
    after = account_after(decision.asked, account, decision.changed, landed=landed)
    terms = decision.asked.terms
    moves = inner_moves(terms) if inner else terms.mandate.stress.outer
    return worst_move(terms, after, moves)[0]


def test_account_below_the_outer_level_is_sent_money_and_not_cut(tmp_path: Path) -> None:
    found = of(tmp_path, "62000")
    assert found.outcome is Outcome.PLAN
    assert found.asked.waiting == {"binance"}
    assert {each.way.destination for each in found.changed.transfers} == {"binance"}
    assert traded_usd(found, "binance") == 0.0
    assert least(found, landed=False, inner=False) < 0.0
    assert least(found, landed=True, inner=False) == 0.0
    assert least(found, landed=False, inner=True) == 0.0
    assert found.proofs["binance"].holds


def test_account_below_the_inner_level_is_cut_until_it_stands_it_and_sent_money(
    tmp_path: Path,
) -> None:
    found = of(tmp_path, "30000")
    assert found.outcome is Outcome.PLAN
    assert found.asked.waiting == {"binance"}
    lots = found.changed.lots
    assert (np.abs(lots.target) <= np.abs(lots.held))[
        found.asked.question.positions.venue == 0
    ].all()
    assert traded_usd(found, "binance") > 0.0
    assert least(found, landed=False, inner=True) == 0.0
    assert least(found, landed=True, inner=False) == 0.0


def test_account_that_no_money_can_reach_is_cut_to_the_outer_level(tmp_path: Path) -> None:
    found = of(tmp_path, "62000", frozen=True)
    assert found.asked.waiting == frozenset()
    assert not found.changed.transfers
    assert least(found, landed=False, inner=False) == 0.0


def test_account_that_stands_the_outer_level_waits_for_nothing(tmp_path: Path) -> None:
    found = of(tmp_path, "300000")
    assert found.asked.waiting == frozenset()
    assert least(found, landed=False, inner=False) == 0.0
