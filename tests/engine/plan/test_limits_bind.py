# SPDX-License-Identifier: Apache-2.0
"""Each limit of the mandate that only a plan reads is seen to bind, by what changes without it."""

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
    set_field,
)
from tidegate.engine.plan.asking import ask
from tidegate.engine.plan.deciding import Decision, Outcome, decide
from tidegate.engine.plan.limits import belongs
from tidegate.engine.plan.lots import notional_usd
from tidegate.engine.plan.reasons import document

SKEW = 'capital_usd = "1000000"\ntarget_delta_usd = "{target}"'
PURPOSE = 'capital_usd = "1000000"'


def _delta_usd(decision: Decision) -> float:
    usd = notional_usd(decision.asked, decision.changed.lots.target)
    greeks = decision.asked.greeks
    return float(greeks.delta @ usd) + sum(greeks.coin_usd.values())


@pytest.mark.parametrize("target", [-150_000, 0, 150_000])
def test_target_skew_is_met_to_the_smallest_lot_whatever_may_stand_between_legs(
    target: int, tmp_path: Path
) -> None:
    """Carry would pay for a naked leg: of the naked limit a target spends nothing."""
    for naked in ("25_000", "250_000"):
        swaps = ((PURPOSE, SKEW.format(target=target)), ("= 25_000", f"= {naked}"))
        decision = decided(
            tmp_path, book_values(options=False), mandate_text(*swaps, options=False)
        )
        assert decision.outcome is Outcome.PLAN
        # One lot of 0.001 BTC is 60 USD, one of 0.0001 ETH less.
        assert _delta_usd(decision) == pytest.approx(target, abs=60)
        lines = {line.name for line in document(decision, "mandate.toml").limits}
        assert "target delta of the book" in lines or not target


def test_delta_that_cannot_be_mended_now_is_left_within_the_naked_limit_and_said(
    tmp_path: Path,
) -> None:
    """A third of a bitcoin is owned and no contract may be raised against it."""
    flat = [set_field(0, place, size="0") for place in (0, 1)]
    flat += [set_field(1, place, size="0") for place in (0, 1)]

    def owned(book: dict[str, Any]) -> None:
        book["costs"] = {}
        book["accounts"][2]["positions"] = []
        book["accounts"][2]["balances"]["BTC"] = "0.333"
        for name in [n for n in book["edges"] if n.startswith("deribit:")]:
            del book["edges"][name]

    decision = decided(tmp_path, book_values(*flat, owned), mandate_text())
    found = document(decision, "mandate.toml")
    given_up = {line.name: line.usd for line in found.shortfalls}
    assert decision.outcome is Outcome.NOTHING
    assert given_up["target delta BTC"] == pytest.approx(19_980, rel=0.01)
    line = next(each for each in found.greeks if each.name == "target delta BTC")
    assert line.after == pytest.approx(19_980, rel=0.01)


def test_skew_is_not_held_at_the_cost_of_a_coin_that_owns_its_delta(tmp_path: Path) -> None:
    """Coins owned count: five BTC unhedged are sold short for a target of nought."""
    swaps = (PURPOSE, SKEW.format(target=0))
    flat = set_field(2, 0, size="0")
    decision = decided(tmp_path, book_values(flat), mandate_text(swaps))
    assert decision.outcome is Outcome.PLAN
    assert abs(_delta_usd(decision)) <= 60


def _sleeve_gross(decision: Decision) -> float:
    """Delta-weighted notional of the sleeve over equity."""
    asked = decision.asked
    usd = np.abs(notional_usd(asked, decision.changed.lots.target))
    inside = [belongs(bound, asked.terms.sleeves["eth"]) for bound in asked.bounds]
    return float(np.abs(asked.greeks.coin_delta) * usd @ np.array(inside)) / asked.equity_usd


def test_sleeve_limits_the_gross_of_its_members_alone(tmp_path: Path) -> None:
    sleeve = '[sleeve.eth]\ninstruments = ["binance:ETHUSDT", "hyperliquid:ETH"]\n'
    book = book_values(set_carry("hyperliquid:ETH", "-0.30"), liquid, options=False)
    found = {}
    for most in (5.0, 0.2):
        text = mandate_text(options=False) + sleeve + f"gross_leverage = {most}\n"
        found[most] = decided(tmp_path, book, text)
        assert found[most].outcome is Outcome.PLAN
    assert _sleeve_gross(found[5.0]) > 0.25
    assert 0.15 < _sleeve_gross(found[0.2]) <= 0.2 + 1e-9
    assert "sleeve eth" in {line.name for line in document(found[0.2], "m").limits}


def test_sleeve_limits_what_its_members_may_lose(tmp_path: Path) -> None:
    """A naked ETH position of one venue loses a fifth of itself at the outer move."""
    sleeve = '[sleeve.eth]\ninstruments = ["hyperliquid:ETH"]\nloss_share = 0.02\n'
    book = book_values(set_carry("hyperliquid:ETH", "-0.30"), options=False)
    plain = decided(tmp_path, book, mandate_text(options=False))
    kept = decided(tmp_path, book, mandate_text(options=False) + sleeve)
    held = [
        abs(float(notional_usd(each.asked, each.changed.lots.target)[3])) * 0.2
        for each in (plain, kept)
    ]
    assert held[0] > 0.03 * plain.asked.equity_usd
    assert held[1] <= 0.02 * kept.asked.equity_usd + 1.0


def test_venue_cap_sends_money_away_as_far_as_it_may_leave(tmp_path: Path) -> None:
    rich = set_balance(0, "USDT", "900000")
    text = mandate_text(options=False)
    free = decided(tmp_path, book_values(rich, options=False), text.replace("0.6", "1.0"))
    capped = decided(tmp_path, book_values(rich, options=False), text)
    sent = {each.way.name: each.sent_usd for each in capped.changed.transfers}
    assert not any(each.way.source == "binance" for each in free.changed.transfers)
    # 900,000 of 1,200,000 is 0.15 above the cap; orphaned legs of up to a million claim 0.5 %.
    assert 180_000 <= sent["binance -> hyperliquid"] <= 186_000
    line = document(capped, "m").transfers[0]
    assert "claim on binance" in line.binding
    assert line.value_at_source_annual is not None
    assert line.value_at_destination_annual is not None
    assert line.value_at_source_annual < line.value_at_destination_annual


def test_no_more_of_an_asset_is_sent_than_the_account_owns_of_it(tmp_path: Path) -> None:
    """Five bitcoins margin a cross account; they are not dollars that could leave."""
    values = book_values()
    cross = values["accounts"][2]
    cross |= {"rule": "deribit_portfolio_cross", "collateral": "USDC"}
    cross["balances"] = {"BTC": "5", "USDC": "20000"}
    cross["realised"] = {"BTC": "0", "USDC": "0"}
    values["yields"] = {"binance": "0.2"}
    values["routes"].append({**values["routes"][1], "source": "deribit"})
    swaps = (
        ("deribit_portfolio", "deribit_portfolio_cross"),
        ('collateral = "BTC"', 'collateral = "USDC"'),
        ("claim_cap = 0.6", "claim_cap = 1.0"),
    )
    decision = decided(tmp_path, values, mandate_text(*swaps))
    sent = {each.way.source: each.sent for each in decision.changed.transfers}
    assert 15_000 < sent["deribit"] <= 20_000


def test_claim_that_must_hold_a_moves_profit_makes_the_book_there_smaller(tmp_path: Path) -> None:
    """Half of the outer moves' profit, each leg at its own, is then within the venue's cap."""
    gross = {}
    for name, line in (("plain", ""), ("watched", "claims = 0.5\n")):
        swaps = (("[stress]\n", "[stress]\n" + line),)
        decision = decided(
            tmp_path, book_values(options=False), mandate_text(*swaps, options=False)
        )
        limits = {limit.name: limit for limit in decision.asked.question.gross}
        weights = limits["claim on binance"].weights
        lots = np.abs(decision.changed.lots.target.astype(float))
        gross[name] = float(weights.max()), float(lots.sum())
    assert gross["watched"][0] > 10 * gross["plain"][0]
    assert gross["watched"][1] < gross["plain"][1]


def test_money_is_not_sent_where_the_fee_is_much_of_it(tmp_path: Path) -> None:
    """A cap of a venue asks for 19,000 to leave; a fee of 2 is paid for it and one of 3,000 not,
    though it is little beside all that may leave."""
    lost = {}
    for fee in ("2", "3000"):
        values = book_values(options=False)
        for route in values["routes"]:
            route["fee"] = fee
        cap = (("claim_cap = 0.6\n", "claim_cap = 0.55\n"),)
        decision = decided(tmp_path, values, mandate_text(*cap, options=False))
        lost[fee] = sum(each.lost_usd for each in decision.changed.transfers)
    assert 0.0 < lost["2"] < 10.0
    assert lost["3000"] == 0.0


def test_transfer_below_the_least_is_left_out_and_said_so(tmp_path: Path) -> None:
    rich = set_balance(0, "USDT", "450500")
    text = mandate_text(options=False)
    decision = decided(tmp_path, book_values(rich, options=False), text)
    assert decision.changed.transfers == ()
    small = next(line for line in document(decision, "m").left_out if line.coin == "money")
    assert "below the least transfer of 5,000 USD" in small.why


def test_transfer_below_the_minimum_of_its_route_is_said_to_be_below_that(tmp_path: Path) -> None:
    values = book_values(set_balance(0, "USDT", "900000"), options=False)
    values["routes"][0] |= {"minimum": "500000", "fee": "0"}
    decision = decided(tmp_path, values, mandate_text(options=False))
    assert decision.changed.transfers == ()
    small = next(line for line in document(decision, "m").left_out if line.coin == "money")
    assert small.why.endswith("below the least transfer of 500,000 USD")


def test_venue_that_holds_more_than_its_cap_and_cannot_send_is_given_up_for_now_and_named(
    tmp_path: Path,
) -> None:
    rich, no_way = set_balance(0, "USDT", "900000"), lambda book: book.update(routes=[])
    decision = decided(
        tmp_path, book_values(rich, no_way, options=False), mandate_text(options=False)
    )
    assert decision.changed.transfers == ()
    found = document(decision, "m")
    given_up = {line.name: line.usd for line in found.shortfalls}
    assert given_up["claim on binance"] > 170_000
    # The programme's price of it is a penalty, and no year's money.
    assert "claim on binance" not in {line.name for line in found.limits}
    worth = {line.venue: line.dollar_value_annual for line in found.accounts}
    assert worth["binance"] is None
    assert worth["hyperliquid"] is not None


def test_option_that_expires_within_the_time_to_unwind_is_closed(tmp_path: Path) -> None:
    text = mandate_text(("unwind_before_expiry_s = 86_400", "unwind_before_expiry_s = 3_456_000"))
    decision = decided(tmp_path, book_values(liquid), text)
    options = [i for i, b in enumerate(decision.asked.bounds) if b.closes]
    assert len(options) == 2
    assert decision.changed.lots.target[options].tolist() == [0, 0]


def test_options_are_never_raised_where_the_mandate_says_nothing_of_them(tmp_path: Path) -> None:
    text = mandate_text()
    start, end = text.index("[option]"), text.index("[sleeve.options]")
    carry = set_carry("deribit:BTC-25DEC26-50000-P", "-5.0")
    book, terms = read(tmp_path, book_values(carry), text[:start] + text[end:])
    lots = decide(book, terms).changed.lots
    assert (np.abs(lots.target[5:]) <= np.abs(lots.held[5:])).all()


def test_short_wings_bind_what_calls_are_sold(tmp_path: Path) -> None:
    carry = set_carry("deribit:BTC-25DEC26-70000-C", "-2.0")
    decision = decided(tmp_path, book_values(carry, liquid), mandate_text())
    calls = decision.changed.lots.target[5] * 0.1
    assert -5.0 - 1e-9 <= calls < -4.5


def test_unknown_cost_or_edge_lets_an_instrument_only_be_reduced(tmp_path: Path) -> None:
    def forget(book: dict[str, dict[str, object]]) -> None:
        del book["costs"]["hyperliquid:ETH"]
        book["edges"]["hyperliquid:BTC"] = None

    decision = decided(tmp_path, book_values(forget), mandate_text())
    found = document(decision, "m")
    why = {line.symbol: line.only_reduced for line in found.positions if line.only_reduced}
    assert set(why) == {"ETH", "BTC"}
    assert {"costs.hyperliquid:ETH", "edges.hyperliquid:BTC"} <= {u.where for u in found.unknown}
    eth = next(line for line in found.positions if line.symbol == "ETH")
    assert eth.lots_target == 0


def test_shock_of_a_dollar_coin_bounds_how_much_of_it_is_held(tmp_path: Path) -> None:
    text = mandate_text(options=False).replace(
        "[stable.USDC]", "cap = 0.5\nshock = 0.1\n[stable.USDC]"
    )
    book, terms = read(tmp_path, book_values(set_balance(0, "USDT", "900000"), options=False), text)
    assert terms.stable_cap("USDT") == 0.5
    caps = {each.name: each.cap for each in ask(book, terms).question.gross}
    assert caps["stable USDT"] == 0.5
    text = text.replace("shock = 0.1", "shock = 0.8")
    assert read(tmp_path, book_values(options=False), text)[1].stable_cap("USDT") == 0.25


def test_wallet_of_dollars_sends_where_a_dollar_is_worth_most(tmp_path: Path) -> None:
    """Hyperliquid is short of money for its carry, and a wallet earns nothing."""

    def wallet(book: dict[str, Any]) -> None:
        book["accounts"].append(
            {"venue": "bank", "rule": "spot", "collateral": "USDC", "balances": {"USDC": "300000"}}
        )
        way = {"fee": "1", "minimum": "10", "latency_median_s": 600, "latency_p95_s": 900}
        book["routes"] = [{"source": "bank", "destination": "hyperliquid", **way}]

    poor, carry = set_balance(1, "USDC", "60000"), set_carry("hyperliquid:ETH", "-0.40")
    bank = '[venue.bank]\nrule = "spot"\ncollateral = "USDC"\n'
    text = mandate_text(("claim_cap = 0.6", "claim_cap = 1.0"), options=False) + bank
    decision = decided(tmp_path, book_values(poor, carry, wallet, liquid, options=False), text)
    sent = [each for each in decision.changed.transfers if each.way.source == "bank"]
    assert decision.outcome is Outcome.PLAN
    assert sent[0].sent_usd > 5_000
    assert decision.proofs["bank"].holds
    assert document(decision, "m").transfers[0].value_at_destination_annual is not None
