# SPDX-License-Identifier: Apache-2.0
"""Without tables every number of a run stands in the mandate, with its source, or it refuses."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import pytest

from tidegate.backtest.arrangement import Arrangement, arrange
from tidegate.backtest.provenance import NoTables
from tidegate.history.window import Window
from tidegate.margin.deribit import DeribitStandard
from tidegate.margin.dydx import DydxCross
from tidegate.margin.linear import BinanceUsdm, HyperliquidCross
from tidegate.margin.rule import MarginRule
from tidegate.model.account import Account, Position
from tidegate.model.errors import InputError
from tidegate.model.mandate import assumptions, read_mandate
from tidegate.model.times import DAY_MS

WHERE = "book.toml"
TEXT = files("tidegate.backtest.trial").joinpath(WHERE).read_text(encoding="utf-8")
START = 1_737_849_600_000  # 2025-01-26
WINDOW = Window(START, START + 2 * DAY_MS)
VENUES = ("hyperliquid", "binance", "deribit", "dydx")
EVERYWHERE = (
    "mark",
    "tick",
    "lot",
    "half_spread",
    "impact_coefficient",
    "initial_rate",
    "maintenance_rate",
)
OF_VENUE = {"binance": ("liquidation_fee",), "deribit": ("liquidation_fee", "rate_per_base")}
REQUIRED = [
    ("mandate", "hurdle_rate_annual"),
    ("stable.USDT", "price_usd"),
    ("stable.USDC", "price_usd"),
    *((f"venue.{venue}", key) for venue in VENUES for key in ("taker_fee", "idle_yield_annual")),
    *(
        (f"venue.{venue}.instruments.{coin}", key)
        for venue in VENUES
        for coin in ("BTC", "ETH")
        for key in (*EVERYWHERE, *OF_VENUE.get(venue, ()))
    ),
]


def arranged(text: str) -> Arrangement:
    return arrange(read_mandate(text, WHERE), NoTables(), WINDOW, WHERE)


@cache
def book() -> Arrangement:
    return arranged(TEXT)


def edited(section: str, key: str, line: str) -> str:
    """The book with one line of a section changed, or without it."""
    before, header, after = TEXT.partition(f"\n[{section}]\n")
    assert header
    lines = after.split("\n")
    (place, *_) = [k for k, words in enumerate(lines) if words.startswith(f"{key} = ")]
    assert not any(words.startswith("[") for words in lines[:place])
    lines[place : place + 1] = [line] if line else []
    return before + header + "\n".join(lines)


def said(key: str, value: str, source: str = "assumed: of the test", on: str = "2025-01-01") -> str:
    return f'{key} = {{ value = "{value}", as_of = "{on}", source = "{source}" }}'


def refusal(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        arranged(text)
    assert "\n" not in str(caught.value)
    return caught.value


def test_every_number_of_the_book_appears_with_its_date_and_source() -> None:
    told = [(p.field, p.value, p.as_of, p.source) for p in book().provenance]
    numbers = [(f, a.value, a.as_of, a.source) for f, a in assumptions(book().mandate)]
    assert len(numbers) > 100
    assert {row for row in told if not row[0].startswith("transfer")} == set(numbers)
    assert {p.kind for p in book().provenance} == {"mandate"}


def test_every_route_of_the_book_appears_with_its_terms() -> None:
    told = {p.field: p for p in book().provenance if p.field.startswith("transfer")}
    assert len(told) == len(book().mandate.transfer)
    for index, route in enumerate(book().mandate.transfer):
        found = told[f"transfer[{index}] {route.source} to {route.destination}"]
        assert (found.as_of, found.source) == (route.as_of, route.provenance)
        for figure in (route.fee, f"{route.latency_median_s:.0f}", route.conversion_cost):
            assert figure in found.value


@pytest.mark.parametrize(("section", "key"), REQUIRED, ids=map(".".join, REQUIRED))
def test_book_without_a_required_number_is_refused_and_the_number_named(
    section: str, key: str
) -> None:
    error = refusal(edited(section, key, ""))
    assert section in str(error)
    assert key in str(error)


@pytest.mark.parametrize("value", ["", "much", "NaN", "1e99"])
@pytest.mark.parametrize(
    "key", ["tick", "half_spread", "initial_rate", "liquidation_fee", "rate_per_base"]
)
def test_number_that_is_none_is_refused_and_named(key: str, value: str) -> None:
    section = "venue.deribit.instruments.BTC"
    assert refusal(edited(section, key, said(key, value))).field == f"{section}.{key}"


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tick", "0"),
        ("tick", "-1"),
        ("lot", "0"),
        ("half_spread", "-0.001"),
        ("half_spread", "1"),
        ("impact_coefficient", "-1"),
    ],
)
def test_term_out_of_range_is_refused_at_its_instrument(venue: str, key: str, value: str) -> None:
    section = f"venue.{venue}.instruments.BTC"
    assert refusal(edited(section, key, said(key, value))).field.startswith(section)


@pytest.mark.parametrize("venue", ["binance", "deribit"])
@pytest.mark.parametrize("value", ["-0.5", "1.5"])
def test_liquidation_fee_out_of_range_is_refused(venue: str, value: str) -> None:
    section = f"venue.{venue}.instruments.BTC"
    error = refusal(edited(section, "liquidation_fee", said("liquidation_fee", value)))
    assert "BTC" in error.field


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("maintenance_rate", "0.5"),
        ("maintenance_rate", "0"),
        ("maintenance_rate", "-0.01"),
        ("initial_rate", "0.001"),
        ("initial_rate", "1.5"),
        ("initial_rate", "0"),
    ],
)
def test_rates_that_are_not_below_each_other_are_refused(venue: str, key: str, value: str) -> None:
    section = f"venue.{venue}.instruments.BTC"
    error = refusal(edited(section, key, said(key, value)))
    assert error.field == f"{section}.maintenance_rate"
    assert "0 < maintenance_rate <= initial_rate <= 1" in str(error)


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("key", ["tick", "half_spread", "maintenance_rate", "mark"])
def test_sourced_number_dated_after_the_start_is_refused(venue: str, key: str) -> None:
    section = f"venue.{venue}.instruments.ETH"
    value = "mark" if key == "mark" else "0.01"
    late = said(key, value, "the venue's page", "2025-01-27")
    error = refusal(edited(section, key, late))
    assert error.field == f"{section}.{key}"
    assert "2025-01-26" in str(error)
    arranged(edited(section, key, late.replace("2025-01-27", "2025-01-26")))


RULES = {
    "hyperliquid": HyperliquidCross,
    "binance": BinanceUsdm,
    "deribit": DeribitStandard,
    "dydx": DydxCross,
}


def rule_of(venue: str) -> MarginRule:
    ((since, rule),) = book().terms.rules[venue]
    assert since == START
    return rule


@pytest.mark.parametrize("venue", VENUES)
def test_rule_of_each_venue_is_of_its_kind_and_asset(venue: str) -> None:
    assert type(rule_of(venue)) is RULES[venue]
    assert rule_of(venue).collateral == ("USDT" if venue == "binance" else "USDC")


# A hundred thousand dollars of a coin. Initial margin is the stated rate, or a twentieth where
# the venue's leverage of 20 asks for more; Deribit knows no such leverage and adds per coin.
@pytest.mark.parametrize(
    ("name", "price_usd", "coins", "initial_usd", "maintenance_usd"),
    [
        ("hyperliquid:BTC", 100_000, 1, 5_000, 1_250),
        ("hyperliquid:DOGE", 1, 100_000, 10_000, 5_000),
        ("binance:BTC", 100_000, 1, 5_000, 500),
        ("binance:AVAX", 25, 4_000, 5_000, 2_000),
        ("deribit:BTC", 100_000, 1, 2_005, 1_005),
        ("deribit:SOL", 200, 500, 4_250, 2_250),
        ("dydx:BTC", 100_000, 1, 5_000, 1_200),
        ("dydx:ETH", 2_500, 40, 5_000, 1_200),
    ],
)
@pytest.mark.parametrize("side", [1, -1])
def test_rule_asks_for_the_stated_margin(
    name: str, price_usd: int, coins: int, initial_usd: int, maintenance_usd: int, side: int
) -> None:
    instrument = book().terms.instruments[name]
    ticks, lots = int(price_usd / instrument.tick), side * int(coins / instrument.lot)
    position = Position(lots, instrument.entry_cost(lots, ticks))
    account = Account(instrument.venue, {instrument.settle: 20_000 * 10**6}, {name: position})
    state = rule_of(instrument.venue).state(account, {name: ticks})
    assert state.equity == 20_000 * 10**6
    assert state.initial == initial_usd * 10**6
    assert state.maintenance == maintenance_usd * 10**6


def test_instrument_costs_and_yields_are_the_stated_ones() -> None:
    terms = book().terms
    assert {v: terms.costs[f"{v}:BTC"].taker_ppm for v in VENUES} == {
        "hyperliquid": 450,
        "binance": 500,
        "deribit": 500,
        "dydx": 500,
    }
    spreads = {venue: terms.costs[f"{venue}:BTC"].half_spread for venue in VENUES}
    assert spreads == dict(zip(VENUES, (6e-5, 3e-5, 8e-5, 12e-5), strict=True))
    assert all(terms.idle_yield_annual[venue] == 0 for venue in VENUES)
    assert set(terms.passages) == {(a, b) for a in VENUES for b in VENUES if a != b}


@pytest.mark.parametrize(("venue", "fee_ppm"), [("binance", 12_500), ("deribit", 7_500)])
def test_liquidation_fee_is_the_stated_one(venue: str, fee_ppm: int) -> None:
    rule = rule_of(venue)
    assert isinstance(rule, BinanceUsdm | DeribitStandard)
    assert set(rule.clearance_ppm.values()) == {fee_ppm}
    assert set(rule.clearance_ppm) == {n for n in book().terms.instruments if venue in n}


def test_liquidation_fee_finer_than_a_millionth_is_rounded_against_us() -> None:
    section = "venue.binance.instruments.BTC"
    fine = said("liquidation_fee", "0.0125005")
    rule = arranged(edited(section, "liquidation_fee", fine)).terms.rules["binance"][0][1]
    assert isinstance(rule, BinanceUsdm)
    assert rule.clearance_ppm["binance:BTC"] == 12_501


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("initial", ["0.3", "0.7", "0.055"])
def test_margin_asked_is_never_below_the_stated_rate(venue: str, initial: str) -> None:
    section = f"venue.{venue}.instruments.BTC"
    terms = arranged(edited(section, "initial_rate", said("initial_rate", initial))).terms
    name = f"{venue}:BTC"
    instrument = terms.instruments[name]
    lots, ticks = int(1 / instrument.lot), int(100_000 / instrument.tick)
    held = {name: Position(lots, instrument.entry_cost(lots, ticks))}
    state = terms.rules[venue][0][1].state(Account(venue, {}, held), {name: ticks})
    assert state.initial >= float(initial) * 1e11
