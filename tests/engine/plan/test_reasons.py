# SPDX-License-Identifier: Apache-2.0
"""Reasons can be checked: what a dollar is worth, when a move pays, what is left out and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.plan.plain_books import (
    book_values,
    decided,
    liquid,
    mandate_text,
    read,
    set_balance,
    set_carry,
)
from tests.engine.plan.random_books import Drawn
from tidegate.allocation.joint.reference import solve_reference
from tidegate.engine.plan.asking import ask
from tidegate.engine.plan.deciding import Decision, Outcome, fast
from tidegate.engine.plan.reasons import document

PURPOSE, AIM = 'capital_usd = "1000000"', "target_delta_usd"


def _no_way(book: dict[str, Any]) -> None:
    """No money can be sent."""
    book["routes"] = []


def test_dollar_value_is_what_the_programme_gains_by_one_more_dollar(tmp_path: Path) -> None:
    """Hyperliquid has little money and all the carry."""
    text = mandate_text(("claim_cap = 0.6", "claim_cap = 1.0"), options=False)

    def values(balance: int) -> dict[str, Any]:
        poor = set_balance(1, "USDC", str(balance))
        carry = set_carry("hyperliquid:ETH", "-0.40")
        return book_values(poor, carry, liquid, _no_way, options=False)

    gains = []
    for balance in (95_000, 96_000):
        asked = ask(*read(tmp_path, values(balance), text))
        gains.append(fast(asked.question).objective * asked.equity_usd / asked.horizon_years)
    line = document(decided(tmp_path, values(95_500), text), "m").accounts[1]
    assert line.venue == "hyperliquid"
    assert line.dollar_value_annual is not None
    assert line.dollar_value_annual > 0.1
    assert line.dollar_value_annual == pytest.approx((gains[1] - gains[0]) / 1_000, rel=0.05)


def test_price_of_delta_is_what_the_programme_gains_by_one_more_dollar_of_it(
    tmp_path: Path,
) -> None:
    """Long is what pays here, so an aim that is 1,000 higher earns the price of its row more."""
    values = book_values(*(set_carry(name, "0.10") for name in book_values()["edges"]))
    gains = []
    for target in (99_500, 100_500):
        text = mandate_text((PURPOSE, f"{PURPOSE}\n{AIM} = '{target}'"))
        asked = ask(*read(tmp_path, values, text))
        gains.append(fast(asked.question).objective * asked.equity_usd / asked.horizon_years)
    text = mandate_text((PURPOSE, f"{PURPOSE}\n{AIM} = '100000'"))
    found = document(decided(tmp_path, values, text), "m")
    prices = {line.name: line.usd_annual for line in found.limits}
    # The other coin stands at nought, which does not move with the aim.
    moves = {line.name for line in found.greeks if line.upper == 100_000 and line.after > 90_000}
    total = sum(price for name, price in prices.items() if name in moves)
    assert total > 0.01
    assert total == pytest.approx((gains[1] - gains[0]) / 1_000, rel=0.05)


def _with_targets(decision: Decision, share: float) -> dict[str, Any]:
    """The book held once a share of the plan is done, from the present marks on."""
    values, lots = book_values(liquid, _no_way, options=False), decision.changed.lots
    place = 0
    for account in values["accounts"]:
        for row in account["positions"]:
            lot = float(row["lot"])
            aim = lots.held[place] + share * (lots.target[place] - lots.held[place])
            row.update(size=f"{round(aim) * lot:.8f}", entry=row["mark"], funding="0")
            place += 1
    return values


def test_book_near_its_target_is_left_in_the_band_and_one_far_from_it_is_not(
    tmp_path: Path,
) -> None:
    least = ("naked_usd = 25_000", "naked_usd = 25_000\nminimum_trade_usd = 500")
    text = mandate_text(least, options=False)
    first = decided(tmp_path, book_values(liquid, _no_way, options=False), text)
    assert first.outcome is Outcome.PLAN
    near = decided(tmp_path, _with_targets(first, 0.999), text)
    assert near.outcome is Outcome.NOTHING
    assert any("band" in each.why for each in near.left_out)
    far = decided(tmp_path, _with_targets(first, 0.3), text)
    assert far.outcome is Outcome.PLAN


def test_payback_is_the_cost_over_a_days_gain(tmp_path: Path) -> None:
    found = document(decided(tmp_path, book_values(), mandate_text()), "m")
    move = next(line for line in found.moves if line.coin == "ETH")
    assert move.payback_days is not None
    assert move.payback_days == pytest.approx(move.cost_usd / (move.gain_usd_annual / 365.0))
    assert move.payback_days <= 0.5 * move.half_life_days


def test_gain_of_the_whole_is_that_of_its_moves_and_of_what_money_earns_where_it_goes(
    tmp_path: Path,
) -> None:
    values = book_values(options=False)
    values["yields"] = {"binance": "0.01", "hyperliquid": "0.10"}
    text = mandate_text(("claim_cap = 0.6", "claim_cap = 1.0"), options=False)
    found = document(decided(tmp_path, values, text), "m")
    sent = found.transfers[0]
    assert (sent.source, sent.destination) == ("binance", "hyperliquid")
    earned = 0.10 * sent.received - 0.01 * sent.sent
    assert earned > 1_000.0
    moved = sum(each.gain_usd_annual for each in found.moves)
    assert found.gain_usd_annual == pytest.approx(moved + earned)
    assert found.payback_days == pytest.approx(found.cost_usd / found.gain_usd_annual * 365.0)


@pytest.mark.parametrize("seed", [5, 7])
def test_reference_programme_agrees_on_the_question_of_a_random_book(
    seed: int, tmp_path: Path
) -> None:
    question = ask(*Drawn(seed, options=False).read(tmp_path)).question
    quick, reference = fast(question), solve_reference(question)
    assert quick.objective == pytest.approx(reference.objective, abs=1e-6)


def test_legs_of_a_coin_are_rounded_together_within_half_the_smallest_lot(tmp_path: Path) -> None:
    decision = decided(tmp_path, book_values(liquid, options=False), mandate_text(options=False))
    assert decision.answer is not None
    aimed = decision.answer.size[0] * decision.asked.equity_usd
    usd = decision.changed.lots.target * np.array([b.lot_usd for b in decision.asked.bounds])
    # Hyperliquid's lots: 0.00001 BTC and 0.0001 ETH.
    for coin, lot_usd in (("BTC", 0.6), ("ETH", 0.3)):
        rows = [b.instrument.base == coin for b in decision.asked.bounds]
        assert abs(float((aimed - usd)[rows].sum())) <= lot_usd / 2 + 1e-6
