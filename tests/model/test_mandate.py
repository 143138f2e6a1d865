# SPDX-License-Identifier: Apache-2.0
"""The mandate: what is read, and that each kind of bad input gives one line naming the field."""

from __future__ import annotations

import pickle
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import REPOSITORY
from tidegate.model.errors import InputError
from tidegate.model.mandate import Mandate, assumptions, read_mandate

# A sweep's grid names a mandate and is none.
GRIDS = frozenset(("sweep.toml",))
EXAMPLES = sorted(
    path for path in (REPOSITORY / "examples").glob("*.toml") if path.name not in GRIDS
)

TEXT = """
[mandate]
name = "test"
capital_usd = "1000000"
hurdle_rate_annual = { value = "0.045", as_of = "2024-09-05", source = "assumed: bills" }

[limits]
gross_leverage = 8
solvency_tail = 0.001

[stress]
outer = { BTC = 0.11, ETH = 0.20 }
inner = { BTC = 0.08, ETH = 0.13 }

[stable.USDT]
price_usd = { value = "1", as_of = "2024-09-05", source = "assumed: par" }
[stable.USDC]
price_usd = { value = "1", as_of = "2024-09-05", source = "assumed: par" }

[venue.binance]
rule = "binance_usdm"
collateral = "USDT"
leverage = 20
[venue.binance.instruments.BTCUSDT]
kind = "perpetual"
base = "BTC"
bars = "15m"
mark = { value = "mark", as_of = "2024-09-05", source = "hourly bars" }
[venue.binance.instruments.ETHUSDT]
kind = "perpetual"
base = "ETH"
bars = "1h"
mark = { value = "mark", as_of = "2024-09-05", source = "hourly bars of ETH" }

[venue.hyperliquid]
rule = "hyperliquid_cross"
collateral = "USDC"
leverage = 10
[venue.hyperliquid.instruments.BTC]
kind = "perpetual"
base = "BTC"
bars = "1h"
mark = { value = "last", as_of = "2024-09-05", source = "assumed: no marks" }

[[transfer]]
source = "binance"
destination = "hyperliquid"
fee = "1"
minimum = "10"
latency_median_s = 600
latency_p95_s = 1800
conversion_cost = "0.0001"
conversion_rate = "1.0"
as_of = "2024-09-05"
provenance = "assumed: bridge"
"""


def test_mandate_of_the_tests_is_read_with_its_defaults() -> None:
    mandate = read_mandate(TEXT, "m.toml")
    assert mandate.coins == ("BTC", "ETH")
    assert mandate.capital_usd == 1_000_000
    assert mandate.authority.level == "observe"
    assert (mandate.limits.gross_leverage, mandate.limits.naked_usd) == (8.0, 25_000.0)
    assert (mandate.mandate.target_delta_usd, mandate.stress.transfer_trigger) == ("0", 0.8)
    assert mandate.transfer[0].destination == "hyperliquid"


def test_route_without_cap_or_hours_has_none_and_a_cap_is_content() -> None:
    plain = read_mandate(TEXT, "m.toml")
    capped = TEXT.replace("latency_median_s = 600", "cap_usd_day = 1e6\nlatency_median_s = 600")
    assert (plain.transfer[0].cap_usd_day, plain.transfer[0].window) == (None, "always")
    assert read_mandate(capped, "m.toml").version != plain.version


def test_mandate_that_crossed_to_another_process_has_the_same_version() -> None:
    plain = read_mandate(TEXT, "m.toml")
    assert pickle.loads(pickle.dumps(plain)).version == plain.version


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_is_a_valid_mandate(path: object) -> None:
    text = path.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    mandate = read_mandate(text, str(path))
    assert mandate.venue
    assert all(assumption.source for _, assumption in assumptions(mandate))


@pytest.mark.parametrize(
    ("addition", "complaint"),
    [
        (
            '[allocation]\nprogramme = "jont"',
            "m.toml: allocation.programme: expected one of joint, linear, got 'jont'",
        ),
        (
            '[authority]\nlevel = "all"',
            "m.toml: authority.level: expected one of act, observe, propose, got 'all'",
        ),
    ],
)
def test_name_that_is_none_is_refused_with_those_that_are(addition: str, complaint: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(complaint)}$"):
        read_mandate(f"{TEXT}\n{addition}\n", "m.toml")


def test_name_that_is_none_in_a_table_with_a_name_is_refused_with_those_that_are() -> None:
    wrong = re.sub(r'bars = "\w+"', 'bars = "7m"', TEXT, count=1)
    with pytest.raises(InputError, match=r"\.bars: expected one of 15m, 1h, 5m, 8h, got '7m'$"):
        read_mandate(wrong, "m.toml")


def test_there_is_an_example() -> None:
    assert EXAMPLES


# Each row: what stands in the text above, what takes its place, the field that must be named, and
# a part of what must be said to be expected.
BAD = [
    # Not TOML, or not the mandate's tables.
    ("[mandate]", "[mandate", "TOML", "valid TOML"),
    ('name = "test"', 'name = "test"\nname = "twice"', "TOML", "valid TOML"),
    ("[stress]", "[stres]", "mandate", "`stres`"),
    ("[mandate]\n", "x = 1\n[mandate]\n", "mandate", "`x`"),
    # Unknown, missing and mistyped fields.
    ("gross_leverage", "gros_leverage", "limits", "`gros_leverage`"),
    ('base = "BTC"\nbars = "15m"', 'bars = "15m"', "venue.binance.instruments.BTCUSDT", "`base`"),
    ("leverage = 10", "leverege = 10", "venue.hyperliquid", "`leverege`"),
    ("gross_leverage = 8", 'gross_leverage = "8"', "limits.gross_leverage", "`float`"),
    ('capital_usd = "1000000"', "capital_usd = 1000000", "mandate.capital_usd", "`str`"),
    ('as_of = "2024-09-05"', "as_of = 2024-09-05", "mandate.hurdle_rate_annual.as_of", "`str`"),
    ("leverage = 10", "leverage = 10.5", "venue.hyperliquid.leverage", "`int`"),
    ("latency_median_s = 600", 'latency_median_s = "x"', "transfer[0].latency_median_s", "float"),
    ('bars = "1h"', 'bars = "2h"', "venue.binance.instruments.ETHUSDT.bars", "'2h'"),
    ('"hyperliquid_cross"', '"hyperliquid"', "venue.hyperliquid.rule", "'hyperliquid'"),
    # Numbers out of range.
    ("gross_leverage = 8", "gross_leverage = -8", "limits.gross_leverage", "> 0"),
    ("gross_leverage = 8", "gross_leverage = nan", "limits.gross_leverage", "> 0"),
    ("gross_leverage = 8", "gross_leverage = inf", "limits.gross_leverage", "finite"),
    ("latency_p95_s = 1800", "latency_p95_s = inf", "transfer[0].latency_p95_s", "172800"),
    ("solvency_tail = 0.001", "solvency_tail = 0.5", "limits.solvency_tail", "<= 0.2"),
    ("leverage = 20", "leverage = 0", "venue.binance.leverage", ">= 1"),
    ("outer = { BTC = 0.11", "outer = { BTC = 1.5", "stress.outer.BTC", "< 1"),
    ("inner = { BTC = 0.08, ETH = 0.13", "inner = { BTC = 0.08, ETH = -1", "stress.inner.ETH", ">"),
    ('"1000000"', '"0"', "mandate.capital_usd", "more than 0"),
    ('"1000000"', '"a million"', "mandate.capital_usd", "a decimal number"),
    ('"1000000"', '"1e999999999"', "mandate.capital_usd", "ordinary size"),
    ('price_usd = { value = "1"', 'price_usd = { value = "0"', "stable.USDT.price_usd", "than 0"),
    (
        "latency_median_s = 600",
        'latency_median_s = 600\nwindow = "8-20"',
        "transfer[0].window",
        "UTC",
    ),
    (
        "latency_median_s = 600",
        "latency_median_s = 600\ncap_usd_day = -1",
        "transfer[0].cap_usd_day",
        ">",
    ),
    (
        "latency_median_s = 600",
        "latency_median_s = 600\ncap_usd_day = inf",
        "transfer[0].cap_usd_day",
        "finite",
    ),
    # What must fit together.
    ("outer = { BTC = 0.11, ETH", "outer = { ETH", "stress.outer", "a move for BTC"),
    ("inner = { BTC = 0.08, ETH = 0.13", "inner = { BTC = 0.08", "stress.inner", "move for ETH"),
    ("inner = { BTC = 0.08", "inner = { BTC = 0.11", "stress.inner.BTC", "less than the outer"),
    ("inner = { BTC = 0.08", "inner = { BTC = 0.12", "stress.inner.BTC", "less than the outer"),
    ('kind = "perpetual"', 'kind = "spot"', "venue.binance.instruments.BTCUSDT.kind", "margin"),
    ('"hyperliquid_cross"', '"spot"', "venue.hyperliquid.instruments.BTC.kind", "'spot'"),
    ('collateral = "USDC"', 'collateral = "USD"', "venue.hyperliquid.collateral", "[stable.USD]"),
    ("[venue.binance.instruments.BTCUSDT]", "[venue.none.instruments.X]", "venue.none", "`rule`"),
    ('"1000000"', '"1000000"\ntarget_delta_usd = "1"', "mandate.target_delta_usd", "expected 0"),
    ('"1000000"', '"1000000"\ntarget_delta_usd = "-0.01"', "mandate.target_delta_usd", "hedged"),
    ('"1000000"', '"1000000"\ntarget_delta_usd = "x"', "mandate.target_delta_usd", "decimal"),
    ("gross_leverage = 8", "naked_usd = 1_999", "limits.naked_usd", "limits.minimum_trade_usd"),
    # What nothing would enforce cannot be asked for.
    ("gross_leverage = 8", "naked_min = 1", "limits", "`naked_min`"),
    ("gross_leverage = 8", "naked_s = 0", "limits.naked_s", "`float` > 0"),
    ("[stress]", "[stress]\nvenue_spreads = 0.01", "stress", "`venue_spreads`"),
    (
        "[limits]",
        "[authority]\ndelay_before_raising_s = -1\n[limits]",
        "authority.delay_before_raising_s",
        "0",
    ),
    # Routes.
    ('destination = "hyperliquid"', 'destination = "nowhere"', "transfer[0]", "'nowhere'"),
    ('source = "binance"', 'source = "kraken"', "transfer[0]", "'kraken'"),
    ('destination = "hyperliquid"', 'destination = "binance"', "transfer[0]", "two venues"),
    ('fee = "1"', 'fee = "-1"', "transfer[0].fee", "at least 0"),
    ('fee = "1"', 'fee = "free"', "transfer[0].fee", "a decimal number"),
    ('minimum = "10"', 'minimum = "nan"', "transfer[0].minimum", "number"),
    (
        'conversion_cost = "0.0001"',
        'conversion_cost = "1"',
        "transfer[0].conversion_cost",
        "than 1",
    ),
    ('conversion_rate = "1.0"', 'conversion_rate = "0"', "transfer[0].conversion_rate", "than 0"),
    ("latency_p95_s = 1800", "latency_p95_s = 599", "transfer[0].latency_p95_s", "the median"),
    # Where a value comes from.
    ('as_of = "2024-09-05"', 'as_of = ""', "mandate.hurdle_rate_annual", "as_of date"),
    ('as_of = "2024-09-05"', 'as_of = "not a date"', "mandate.hurdle_rate_annual", "as_of date"),
    ('as_of = "2024-09-05"', 'as_of = "2024-W36-4"', "mandate.hurdle_rate_annual", "as_of date"),
    ('"assumed: bills"', '" "', "mandate.hurdle_rate_annual", "a source"),
    (
        'as_of = "2024-09-05"\nprovenance',
        'as_of = "2024-09-31"\nprovenance',
        "transfer[0]",
        "as_of date",
    ),
    ('provenance = "assumed: bridge"', 'provenance = ""', "transfer[0]", "a source"),
    (
        'mark = { value = "mark", as_of = "2024-09-05", source = "hourly bars of ETH" }',
        'mark = { value = "mark", as_of = "lately", source = "hourly bars of ETH" }',
        "venue.binance.instruments.ETHUSDT.mark",
        "as_of date",
    ),
]


@pytest.mark.parametrize(("old", "new", "field", "expected"), BAD)
def test_bad_mandate_is_refused_in_one_line_that_names_file_field_and_expectation(
    old: str, new: str, field: str, expected: str
) -> None:
    assert old in TEXT
    with pytest.raises(InputError) as refused:
        read_mandate(TEXT.replace(old, new, 1), "m.toml")
    assert (refused.value.where, refused.value.field) == ("m.toml", field)
    assert expected in refused.value.expected
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(f"m.toml: {field}: ")


def test_second_route_between_the_same_venues_is_refused() -> None:
    with pytest.raises(InputError, match=r"transfer\[1\]: expected one route"):
        read_mandate(TEXT + TEXT[TEXT.index("[[transfer]]") :], "m.toml")


def test_collateral_that_is_no_dollar_coin_is_refused_even_with_a_price() -> None:
    text = TEXT.replace('collateral = "USDC"', 'collateral = "BTC"').replace("USDC", "BTC")
    with pytest.raises(InputError, match=r"venue\.hyperliquid\.collateral: expected USD"):
        read_mandate(text, "m.toml")


def test_mandate_without_a_venue_or_a_venue_without_instruments_is_refused() -> None:
    head = TEXT[: TEXT.index("[venue.binance]")]
    with pytest.raises(InputError, match="venue: expected at least one venue"):
        read_mandate(head + "[venue]\n", "m.toml")
    bare = '[venue.bare]\nrule = "hyperliquid_cross"\ncollateral = "USDC"\n'
    bare += "[venue.bare.instruments]\n"
    with pytest.raises(InputError, match=r"venue\.bare\.instruments: expected at least one"):
        read_mandate(head + bare, "m.toml")


def test_second_of_two_venues_is_the_one_named_when_only_it_is_wrong() -> None:
    text = TEXT.replace("leverage = 10", "claim_cap = 2.0")
    with pytest.raises(InputError, match=r"m\.toml: venue\.hyperliquid\.claim_cap: expected"):
        read_mandate(text, "m.toml")


def outcome(text: str) -> object:
    """The mandate, or the place that a refusal names."""
    try:
        return read_mandate(text, "m.toml")
    except InputError as refused:
        return refused.where


@given(st.text(max_size=40), st.integers(0, len(TEXT)))
def test_mandate_with_any_text_put_in_is_read_or_refused(text: str, place: int) -> None:
    found = outcome(TEXT[:place] + text + TEXT[place:])
    assert found == "m.toml" or isinstance(found, Mandate)


@given(st.integers(0, len(TEXT)), st.integers(1, 30))
def test_mandate_with_a_piece_cut_out_is_read_or_refused(place: int, length: int) -> None:
    found = outcome(TEXT[:place] + TEXT[place + length :])
    assert found == "m.toml" or isinstance(found, Mandate)


def test_version_depends_on_what_is_said_and_not_on_how() -> None:
    mandate = read_mandate(TEXT, "one.toml")
    spaced = read_mandate(re.sub(r" = ", "  =  ", TEXT) + "\n# a remark\n", "two.toml")
    other = read_mandate(TEXT.replace("gross_leverage = 8", "gross_leverage = 7"), "one.toml")
    assert mandate.version == spaced.version != other.version


def test_every_assumption_is_found_with_its_field() -> None:
    found = dict(assumptions(read_mandate(TEXT, "m.toml")))
    assert set(found) == {
        "mandate.hurdle_rate_annual",
        "stable.USDT.price_usd",
        "stable.USDC.price_usd",
        "venue.binance.instruments.BTCUSDT.mark",
        "venue.binance.instruments.ETHUSDT.mark",
        "venue.hyperliquid.instruments.BTC.mark",
    }


def test_mandate_cannot_be_changed() -> None:
    mandate = read_mandate(TEXT, "m.toml")
    with pytest.raises(AttributeError, match="immutable"):
        mandate.limits.gross_leverage = 100.0  # type: ignore[misc]
    assert msgspec.structs.asdict(mandate.limits)["gross_leverage"] == 8.0
