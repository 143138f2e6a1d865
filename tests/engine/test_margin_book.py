# SPDX-License-Identifier: Apache-2.0
"""A margin book is margined as its rule does it when called directly, or as a hand does it."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.margin_books import EXAMPLES, account_of, changed, raw_book
from tidegate.engine.margin_book.exact_account import ExactAccount
from tidegate.engine.margin_book.orders import after, parse_order
from tidegate.engine.margin_book.reading import read_account
from tidegate.engine.margin_book.rules import MAKERS
from tidegate.margin.deribit_options import DeribitOptions
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.derive_parameters import MAINNET_FACTORS_2026, CollateralTerms
from tidegate.margin.derive_portfolio import DerivePortfolio
from tidegate.margin.derive_standard import DeriveStandard
from tidegate.margin.expected_shortfall import ExpectedShortfall, MarketMove
from tidegate.margin.holdings import Holding, Holdings, WorkingOrder
from tidegate.margin.market_values import (
    Key,
    MarketValues,
    Seen,
    dollar_of,
    forward_of,
    funding_of,
    index_of,
    mark_of,
    rate_of,
    vol_of,
)
from tidegate.margin.paradex_portfolio import ParadexPortfolio
from tidegate.margin.registry import CARDS
from tidegate.margin.rule import MarginRule
from tidegate.margin.span import ScanRange, SpanAccount
from tidegate.margin.statement import AccountRule
from tidegate.model.account import Account, Position
from tidegate.model.errors import InputError
from tidegate.model.instruments import Future, Index, Instrument, Option, Perpetual
from tidegate.model.times import parse_time_ms

NOW = parse_time_ms("2026-11-20T08:00Z", "test", "now")
EXPIRY = parse_time_ms("2026-12-25T08:00Z", "test", "expiry")
STEP = Decimal("0.00000001")
INDEX = Index("v", "BTC", STEP)

# Equity, initial and maintenance margin worked by hand from each example's own tiers and rates.
BY_HAND = {
    "aave_v3": (100 * 3000 * 0.83, 150_000 + 300_000 * 0.03, 150_000),
    "binance_multi_assets": (
        20_000 * 0.9995 + 0.5 * 60_000 * 0.95,
        (480_000 + 150_000) / 20 * 0.9995,
        (480_000 * 0.005 - 300 + 1_500) * 0.9995,
    ),
    "binance_portfolio": (
        2 * 60_000 * 0.95 - 30_000,
        1.2 * (480 + 200 + 1_500),
        1.05 * (480 + 200 + 1_500),
    ),
    "binance_usdm": (50_000, (480_000 + 150_000) / 20, 480_000 * 0.005 - 300 + 1_500),
    "bybit_cross": (
        20 * 3_000 * 0.95 - 10_000,
        18_000 + 3_000 + 210_000 * 0.0006 + 1_000,
        180_000 * 0.0056 + 30_000 * 0.0106 + 10_000 * 0.04,
    ),
    "bybit_isolated": (0.02, 1 / 50, 0.005),
    "deribit_standard_linear": (40_000, 600_000 * 0.0205, 600_000 * 0.0105),
    "dydx_cross": (30_000, 300_000 / 20 + 100_000 / 20, 300_000 * 0.012 + 100_000 * 0.03),
    # The working order adds one bitcoin at the mark to the initial margin.
    "hyperliquid_cross": (60_000, (360_000 + 150_000) / 10, 300_000 * 0.0125 + 150_000 * 0.02),
    "hyperliquid_isolated": (10_000, 200_000 / 20, 200_000 * 0.025),
    "hyperliquid_portfolio": (
        0.95 * 50_000 * 0.75,
        20 + 6_000 + 5_000 + (0.95 * 50_000 * 0.75 - 25_000),
        20 + 750 + 5_000,
    ),
    "okx_cross": (20_000 + 60_000 * 0.98, 300_000 * 0.1005, 300_000 * 0.0045),
    "okx_isolated": (15_000, 300_000 * 0.0505, 300_000 * 0.0045),
    "spot": (25_000 + 120_000 + 9_990, 0, 0),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_example_is_margined_as_by_hand(name: str) -> None:
    stated = read_account(EXAMPLES[name]).statement()
    found = (stated.equity, stated.initial, stated.maintenance)
    assert found == pytest.approx(BY_HAND[name], rel=1e-12, abs=1e-9)


def test_every_rule_of_the_registry_has_an_example_and_can_be_read() -> None:
    rules = {raw_book(name)["rule"] for name in EXAMPLES}
    assert rules == set(MAKERS) == {card.name for card in CARDS}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_reads_with_nothing_unknown_and_is_solvent(name: str) -> None:
    account = read_account(EXAMPLES[name])
    assert account.unknown == ()
    assert account.statement().health > 0


def perpetual(symbol: str, base: str, settle: str = "USDC") -> Perpetual:
    face = Decimal(10) if base == settle else None
    lot = Decimal(1) if face else STEP
    return Perpetual("v", symbol, base, settle, STEP, lot, face)


def option(name: tuple[str, str, str], strike: int, is_call: bool) -> Option:
    symbol, base, settle = name
    terms = {"strike": Decimal(strike), "is_call": is_call, "expiry_ms": EXPIRY}
    index = Index("v", base, STEP)
    return Option("v", symbol, base, settle, STEP, STEP, **terms, index=index)  # type: ignore[arg-type]


def market(values: dict[Key, float]) -> MarketValues:
    seen = {key: Seen(value, NOW) for key, value in values.items()}
    return MarketValues(NOW, seen, 60_000)


Direct = tuple[AccountRule, Holdings, MarketValues]
PRICES: dict[Key, float] = {
    index_of("BTC"): 60_000.0,
    index_of("ETH"): 3_000.0,
    forward_of("BTC", EXPIRY): 60_300.0,
    forward_of("ETH", EXPIRY): 3_010.0,
    rate_of("BTC", EXPIRY): 0.05,
    dollar_of("USDC"): 1.0,
    index_of("USDC"): 1.0,
}


def priced(marks: dict[Instrument, float], vols: dict[Instrument, float]) -> dict[Key, float]:
    of_marks = {mark_of(each.id): mark for each, mark in marks.items()}
    return {**PRICES, **of_marks, **{vol_of(each.id): vol for each, vol in vols.items()}}


def deribit_segregated() -> Direct:
    perp = perpetual("P", "BTC", "BTC")
    call = option(("C", "BTC", "BTC"), 70_000, True)
    put = option(("Q", "BTC", "BTC"), 50_000, False)
    held = (Holding(perp, 3e5, 6e4), Holding(call, -20.0, 0.0), Holding(put, -10.0, 0.0))
    # The example's order on top: what it reserves is its requirement alone.
    orders = (WorkingOrder(perp, 6e4, 59_000.0),)
    values = priced({perp: 6e4, call: 0.0112, put: 0.0068}, {call: 0.45, put: 0.55})
    return DeribitPortfolio("BTC"), Holdings(held, {"BTC": 5.0}, orders), market(values)


def deribit_cross() -> Direct:
    perp, eth = perpetual("P", "BTC", "BTC"), perpetual("E", "ETH", "USDC")
    call = option(("C", "ETH", "ETH"), 3_500, True)
    held = (Holding(perp, 1.2e5, 6e4), Holding(call, -100.0, 0.0), Holding(eth, 20.0, 3e3))
    values = priced({perp: 6e4, call: 0.0145, eth: 3e3}, {call: 0.6})
    cash = {"BTC": 2.0, "ETH": 10.0, "USDC": 5e4}
    return DeribitPortfolio("USD", cross=True), Holdings(held, cash), market(values)


def dollar_book(size: float, call: float, put: float) -> tuple[tuple[Holding, ...], MarketValues]:
    perp = perpetual("P", "BTC")
    calls, puts = (
        option(("C", "BTC", "USDC"), 70_000, True),
        option(("Q", "BTC", "USDC"), 50_000, False),
    )
    held = (Holding(perp, size, 6e4), Holding(calls, call, 0.0), Holding(puts, put, 0.0))
    values = priced({perp: 6e4, calls: 680.0, puts: 410.0}, {calls: 0.45, puts: 0.55})
    return held, market({**values, funding_of(perp.id): 0.0001})


def derive_portfolio() -> Direct:
    held, at = dollar_book(4.0, -10.0, 10.0)
    rule = DerivePortfolio("BTC", {"BTC": CollateralTerms(0.02, 0.03, True)})
    return rule, Holdings(held, {"USDC": 6e4, "BTC": 1.0}), at


def derive_standard() -> Direct:
    held, at = dollar_book(2.0, -10.0, 10.0)
    cash = {"USDC": 1.5e5, "ETH": 10.0}
    return DeriveStandard(MAINNET_FACTORS_2026), Holdings(held, cash), at


def paradex() -> Direct:
    held, at = dollar_book(3.0, -10.0, 10.0)
    return ParadexPortfolio("BTC", 0.0003), Holdings(held, {"USDC": 8e4}), at


def span() -> Direct:
    terms = (Decimal("0.01"), Decimal(1))
    future = Future("v", "F", "BTC", "USD", *terms, expiry_ms=EXPIRY, index=INDEX)
    call = option(("C", "BTC", "USD"), 70_000, True)
    put = option(("Q", "BTC", "USD"), 50_000, False)
    held = (Holding(future, 5.0, 6e4), Holding(call, -10.0, 0.0), Holding(put, -10.0, 0.0))
    values = priced({future: 60_300.0, call: 680.0, put: 410.0}, {call: 0.45, put: 0.55})
    ranges = ScanRange(0.15, 0.1, "additive", 0.003, 2.0, 0.35, 600.0, "", "")
    return SpanAccount({"BTC": ranges}, 1.1), Holdings(held, {"USD": 2e5}), market(values)


def shortfall() -> Direct:
    btc, sol = perpetual("P", "BTC"), perpetual("S", "SOL")
    moves = ({"BTC": -0.2, "SOL": -0.3}, {"BTC": -0.1, "SOL": 0.05}, {"BTC": 0.1, "SOL": 0.2})
    scenarios = tuple(MarketMove(move, {}) for move in (*moves, {"BTC": 0.05}))
    days = {"BTC": 1.0, "SOL": 2.0}
    rule = ExpectedShortfall(scenarios, days, 1.0, (1.0, 2.0), Fraction(3, 4))
    held = (Holding(btc, 3.0, 6e4), Holding(sol, -300.0, 200.0))
    values = priced({btc: 6e4, sol: 200.0}, {}) | {index_of("SOL"): 200.0}
    return rule, Holdings(held, {"USDC": 1e5, "BTC": 1.0}), market(values)


DIRECT = {
    "deribit_portfolio": deribit_segregated,
    "deribit_portfolio_cross": deribit_cross,
    "derive_portfolio": derive_portfolio,
    "derive_standard": derive_standard,
    "paradex_portfolio": paradex,
    "span_16": span,
    "expected_shortfall": shortfall,
}


@pytest.mark.parametrize("name", DIRECT)
def test_example_is_margined_as_its_rule_called_directly(name: str) -> None:
    rule, holdings, at = DIRECT[name]()
    direct, stated = rule.statement(holdings, at), read_account(EXAMPLES[name]).statement()
    assert stated.unit == direct.unit
    assert stated.withdrawable == pytest.approx(direct.withdrawable)
    for found in ("equity", "initial", "maintenance"):
        assert getattr(stated, found) == pytest.approx(getattr(direct, found), rel=1e-12)
    assert list(stated.parts.values()) == pytest.approx(list(direct.parts.values()), rel=1e-12)


def test_every_example_is_checked_by_hand_or_against_its_rule() -> None:
    exact = {"deribit_standard_inverse", "deribit_standard_options", "okx_portfolio"}
    assert {*BY_HAND, *DIRECT, *exact} == set(EXAMPLES)


def rule_of_integers(name: str) -> MarginRule:
    rule = read_account(EXAMPLES[name]).rule
    assert isinstance(rule, ExactAccount)
    return rule.rule


def test_inverse_example_is_exact_to_the_satoshi() -> None:
    # 600,000 / 60,000 = 10 BTC at 1 % + 10 x 0.00005, and 300,000 / 60,300 = 4.9751... BTC.
    coins = Fraction(300_000, 60_300)
    dated = -(-coins * (Fraction(1, 100) + coins * Fraction(5, 100_000)) * 10**8 // 1)
    wanted = Fraction(10**8 * 105, 1_000) + dated
    stated = read_account(EXAMPLES["deribit_standard_inverse"]).statement()
    assert round(stated.maintenance * 10**8) == wanted


def test_options_example_is_the_integer_rule_with_the_forward_as_underlying() -> None:
    rule = rule_of_integers("deribit_standard_options")
    assert isinstance(rule, DeribitOptions)
    call, put = rule.options
    perp = next(iter(rule.contracts.instruments))
    held = {perp: Position(6_000, -(10**8)), call: Position(-100, 0), put: Position(100, 0)}
    # 6,000 contracts of 10 USD cost -60,000 / 60,000 = -1 BTC; option lots are tenths of a coin.
    marks = {perp: 120_000, call: 112, put: 68}
    marks |= {index.id: 60_300 * 10**8 for index in rule.underlyings.values()}
    direct = rule.state(Account("", {"BTC": 3 * 10**8}, held), marks)
    stated = read_account(EXAMPLES["deribit_standard_options"]).statement()
    found = [stated.equity, stated.initial, stated.maintenance, stated.withdrawable]
    assert [round((each or 0.0) * 10**8) for each in found] == [
        direct.equity,
        direct.initial,
        direct.maintenance,
        direct.withdrawable,
    ]


def test_okx_example_adds_up_as_the_rule_says(tmp_path: Path) -> None:
    stated = read_account(EXAMPLES["okx_portfolio"]).statement()
    p = {name.removeprefix("BTC "): amount for name, amount in stated.parts.items()}
    scanned = max(p["MR1"], p["MR2"], p["MR6"]) + p["MR3"] + p["MR4"] + p["MR5"] + p["MR9"]
    assert stated.maintenance == pytest.approx(max(scanned, p["MR7"]))
    # MR6 counts half of the worse of +-24 %; without it the scan of +-12 % would bind.
    without = account_of(
        changed("okx_portfolio", "parameters.okx_portfolio.units.BTC.extreme_share", 0), tmp_path
    ).statement()
    assert p["MR6"] > 0 == without.parts["BTC MR6"]


def test_numbers_of_fifteen_digits_are_margined_to_the_quantum(tmp_path: Path) -> None:
    raw = changed("binance_usdm", "balances.USDT", "123456789.123456")
    raw["positions"] = raw["positions"][:1]
    raw["positions"][0]["entry"] = "60000.0000001"
    stated = account_of(raw, tmp_path).statement()
    # -8 x 60000.0000001 = -480000.0000008 is a cost of -480000, rounded up, against the account.
    assert round(stated.equity * 10**6) == 123_456_789_123_456


@pytest.mark.parametrize(("size", "equity"), [("-8", 49_999.2), ("8", 50_000.0)])
def test_mark_finer_than_the_tick_is_rounded_against_the_holding(
    tmp_path: Path, size: str, equity: float
) -> None:
    raw = changed("binance_usdm", "positions.0.mark", "60000.05")
    raw["positions"] = [raw["positions"][0] | {"size": size}]
    assert account_of(raw, tmp_path).statement().equity == pytest.approx(equity, abs=1e-9)


@pytest.mark.parametrize(
    "name",
    ["aave_v3", "hyperliquid_isolated", "span_16", "expected_shortfall", "paradex_portfolio"],
)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(scale=st.integers(2, 400))
def test_book_scaled_has_its_margin_scaled(name: str, tmp_path: Path, scale: int) -> None:
    raw = raw_book(name)
    for held in raw.get("positions", []):
        held["size"] = str(Decimal(held["size"]) * scale)
    raw["balances"] = {a: str(Decimal(n) * scale) for a, n in raw["balances"].items()}
    once, grown = read_account(EXAMPLES[name]).statement(), account_of(raw, tmp_path).statement()
    assert grown.equity == pytest.approx(scale * once.equity, rel=1e-9)
    assert grown.initial == pytest.approx(scale * once.initial, rel=1e-9)
    assert grown.maintenance == pytest.approx(scale * once.maintenance, rel=1e-9)


FILLS = {
    # name, orders, and the places of the book once they are filled.
    "close at a profit": (
        "binance_usdm",
        ["buy 8 BTCUSDT at 59000"],
        {"positions.0.size": "0", "balances.USDT": "58000"},
    ),
    "through zero": (
        "binance_usdm",
        ["buy 5 BTCUSDT", "buy 5 BTCUSDT @ 61000"],
        {"positions.0.size": "2", "positions.0.entry": "61000", "balances.USDT": "47000"},
    ),
    "average": (
        "hyperliquid_isolated",
        ["BUY 1000 SOL at 210"],
        {"positions.0.size": "2000", "positions.0.entry": "205"},
    ),
    # Of the session until 08:00 UTC, in equity but no cash: support.deribit.com 25944756807069.
    "inverse at a profit": (
        "deribit_portfolio",
        ["sell 300000 BTC-PERPETUAL at 75000"],
        {"positions.0.size": "0", "realised.BTC": "1"},
    ),
    "inverse at a loss": (
        "deribit_portfolio",
        ["sell 300000 BTC-PERPETUAL at 50000"],
        {"positions.0.size": "0", "realised.BTC": "-1"},
    ),
    "premium": (
        "derive_portfolio",
        ["buy 10 BTC-20261225-70000-C at 700", "sell 10 BTC-20261225-50000-P"],
        {"positions.1.size": "0", "positions.2.size": "0", "balances.USDC": "57100"},
    ),
    "parts that floats do not sum": (
        "okx_cross",
        ["sell 4.7 BTC-USDT-SWAP", "sell 0.1 BTC-USDT-SWAP", "sell 0.2 BTC-USDT-SWAP"],
        {"positions.0.size": "0"},
    ),
}


@pytest.mark.parametrize("case", FILLS)
def test_what_if_is_the_margin_of_the_book_with_the_orders_filled(
    case: str, tmp_path: Path
) -> None:
    name, orders, places = FILLS[case]
    account = read_account(EXAMPLES[name])
    then = after(account, [parse_order(text, account) for text in orders]).statement()
    raw = raw_book(name)
    for path, value in places.items():
        *before, last = path.split(".")
        part = raw
        for step in before:
            part = part[int(step)] if isinstance(part, list) else part[step]
        part[last] = value
    wanted = account_of(raw, tmp_path).statement()
    for field in ("equity", "initial", "maintenance", "withdrawable"):
        found = (getattr(then, field), getattr(wanted, field))
        assert found[0] == (None if found[1] is None else pytest.approx(found[1], abs=1e-8)), field


def test_coin_bought_becomes_collateral(tmp_path: Path) -> None:
    raw = raw_book("binance_multi_assets")
    coin = {"symbol": "BTC/USDT", "kind": "spot", "base": "BTC", "settle": "USDT", "size": "0"}
    raw["positions"].append({**coin, "mark": "60000"})
    account = account_of(raw, tmp_path)
    then = after(account, [parse_order("buy 0.1 BTC/USDT", account)])
    assert then.holdings.collateral == pytest.approx({"USDT": 14_000.0, "BTC": 0.6})


def test_rule_chosen_in_words_is_that_of_the_file_changed(tmp_path: Path) -> None:
    other = account_of(changed("binance_usdm", "rule", "hyperliquid_cross"), tmp_path)
    chosen = read_account(EXAMPLES["binance_usdm"], "hyperliquid_cross")
    assert chosen.card.name == "hyperliquid_cross"
    assert chosen.statement() == other.statement()
    assert chosen.statement() != read_account(EXAMPLES["binance_usdm"]).statement()


def test_what_the_file_leaves_out_is_named(tmp_path: Path) -> None:
    raw = changed("deribit_portfolio", "realised", ...)
    del raw["positions"][0]["funding"]
    unknown = account_of(raw, tmp_path).unknown
    assert [gap.where for gap in unknown] == ["BTC-PERPETUAL.funding", "realised"]


def test_orders_and_balances_that_a_rule_does_not_count_are_named(tmp_path: Path) -> None:
    raw = changed("dydx_cross", "orders", [{"symbol": "BTC-USD", "size": 1, "price": 1}])
    raw["balances"]["DAI"] = 5
    assert [gap.where for gap in account_of(raw, tmp_path).unknown] == ["balances.DAI", "orders"]


@pytest.mark.parametrize(("least", "enough"), [("0.6", True), ("0.61", False)])
def test_figure_is_taken_when_it_is_as_sure_as_the_book_asks(
    tmp_path: Path, least: str, enough: bool
) -> None:
    raw = changed("deribit_portfolio", "coins.BTC.index", {"value": "60000", "confidence": "0.6"})
    raw["least_confidence"] = least
    account = account_of(raw, tmp_path)
    if enough:
        sure = account_of(raw_book("deribit_portfolio"), tmp_path)
        assert account.statement() == sure.statement()
        return
    with pytest.raises(InputError, match=r"index BTC: expected a confidence of at least 0\.61"):
        account.statement()
