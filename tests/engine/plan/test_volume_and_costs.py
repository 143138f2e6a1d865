# SPDX-License-Identifier: Apache-2.0
"""What may be traded in a day binds cuts too; and a cost that is not known is said, not hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.plan.plain_books import (
    Change,
    book_values,
    decided,
    mandate_text,
    read,
    set_balance,
    set_field,
)
from tests.engine.plan.synthetic_history import history
from tidegate.engine.plan.asking import ask
from tidegate.engine.plan.book import WORST_RATE
from tidegate.engine.plan.deciding import Decision, Outcome
from tidegate.engine.plan.history_words import sampled
from tidegate.engine.plan.reasons import document

TEXT = mandate_text(options=False)


def _volume(usd: int) -> Change:
    """So much volume a day everywhere, of which the mandate's share is a hundredth."""

    def change(book: dict[str, Any]) -> None:
        for costs in book["costs"].values():
            costs["volume_day_usd"] = str(usd)
        book["edges"] = {}
        book["routes"] = []

    return change


def _traded_usd(decision: Decision) -> float:
    lots = np.array([bound.lot_usd for bound in decision.asked.bounds])
    return float(np.abs(decision.changed.lots.traded * lots).max())


# Short 8 BTC with 50,000: they need 80,000 at the outer move, so 190,000 of 480,000 are cut.
POOR = set_balance(0, "USDT", "50000")


def test_cut_that_a_day_is_enough_for_is_made_and_takes_its_share_of_a_day(tmp_path: Path) -> None:
    decision = decided(tmp_path, book_values(POOR, _volume(40_000_000), options=False), TEXT)
    assert decision.outcome in (Outcome.PLAN, Outcome.REDUCE)
    traded = _traded_usd(decision)
    assert 150_000 < traded <= 400_000
    lines = {line.symbol: line for line in document(decision, "m").positions}
    days = lines["BTCUSDT"].days
    assert days is not None
    # What is meant for later steps takes its time too.
    assert traded / 400_000 - 1e-6 <= days <= 1.0


def test_cut_that_a_day_is_too_short_for_is_refused_with_the_days_that_it_takes(
    tmp_path: Path,
) -> None:
    """A day's share is 50,000."""
    decision = decided(tmp_path, book_values(POOR, _volume(5_000_000), options=False), TEXT)
    assert decision.outcome is Outcome.NONE
    why = next(each.why for each in decision.refusals if each.step == "reduce only")
    assert "binance:BTCUSDT: cutting" in why
    assert "days at the share of a day's volume" in why
    days = int(why.split("binance:BTCUSDT: cutting")[1].split("takes ")[1].split()[0])
    assert days >= 4


def test_option_that_expires_soon_is_closed_no_faster_than_a_days_share(tmp_path: Path) -> None:
    """Four calls of 60,000 USD each; 120,000 a day close two of them."""
    swap = ("unwind_before_expiry_s = 86_400", "unwind_before_expiry_s = 8_640_000")
    values = book_values()
    values["costs"]["deribit:BTC-25DEC26-70000-C"]["volume_day_usd"] = "12000000"
    decision = decided(tmp_path, values, mandate_text(swap))
    held = {line.symbol: line for line in document(decision, "m").positions}
    assert decision.outcome is Outcome.PLAN, decision.refusals
    assert held["BTC-25DEC26-70000-C"].size_target == pytest.approx(-2.0)
    assert held["BTC-25DEC26-50000-P"].size_target == 0.0


def test_cost_that_is_not_known_is_an_assumption_and_is_counted_in_the_cost(tmp_path: Path) -> None:
    def unknown(book: dict[str, Any]) -> None:
        del book["costs"]["binance:BTCUSDT"]

    found = document(decided(tmp_path, book_values(POOR, unknown, options=False), TEXT), "m")
    said = {line.where: line.value for line in found.assumptions}
    assert said == {"costs.binance:BTCUSDT": WORST_RATE}
    line = next(each for each in found.positions if each.symbol == "BTCUSDT")
    traded = abs(line.notional_target_usd - line.notional_held_usd)
    assert line.days is None
    assert line.cost_usd == pytest.approx(WORST_RATE * traded)
    known = document(decided(tmp_path, book_values(POOR, options=False), TEXT), "m")
    assert known.assumptions == ()


def test_contract_that_is_not_held_and_of_unknown_cost_needs_no_assumption(tmp_path: Path) -> None:
    def unknown(book: dict[str, Any]) -> None:
        del book["costs"]["binance:ETHUSDT"]

    found = document(decided(tmp_path, book_values(unknown, options=False), TEXT), "m")
    assert found.assumptions == ()


def test_document_says_which_stresses_are_proved_and_which_are_only_sampled(tmp_path: Path) -> None:
    found = document(decided(tmp_path, book_values(options=False), TEXT), "m")
    assert "proved by certificate" in found.proved
    assert "-30% to +50%" in found.proved
    assert found.sampled == ""
    options = sampled(ask(*read(tmp_path, book_values(), mandate_text())))
    # Deribit's one coin: five prices, of which the present one too, with vols bent both ways.
    assert "at 10 markets" in options
    assert "bend with tenor and strike" in options
    values = book_values(set_field(1, 0, size="4"), options=False)
    values["history"] = history(3)
    seen = sampled(ask(*read(tmp_path, values, TEXT)))
    assert "history" in seen
    assert "bend" not in seen
