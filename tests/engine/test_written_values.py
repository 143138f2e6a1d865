# SPDX-License-Identifier: Apache-2.0
"""Inputs written to a journal come back as what they were: rules, terms, outlooks, answers."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.test_arrangement import book
from tests.engine.room import FixedOutlook
from tests.risk import desk
from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.arrangement_rules import RULES
from tidegate.backtest.experiment import terms_at
from tidegate.engine.written_values import read, written
from tidegate.journal.writer import encode_payload
from tidegate.margin.rule import MarginRule
from tidegate.model.account import Account, Position
from tidegate.model.instruments import Index, InstrumentId, Option
from tidegate.risk.plan import Terms

CLASSES = {
    "hyperliquid_cross": "HyperliquidCross",
    "binance_usdm": "BinanceUsdm",
    "deribit_standard": "DeribitStandard",
    "dydx_cross": "DydxCross",
    "spot": "SpotWallet",
}


def again(value: object) -> Any:
    """A value written to a journal's bytes and read back."""
    plain = msgspec.json.decode(encode_payload({"value": written(value)}))
    return read(plain["value"])


@cache
def terms() -> tuple[Terms, ...]:
    """The terms of the demo's book, which has four rules, and of the desk, which has coins."""
    arrangement: Arrangement = book()
    return terms_at(arrangement, 0), desk.terms()


@cache
def rules() -> dict[str, tuple[MarginRule, MarginRule]]:
    """Every rule of those terms by class, and as it came back."""
    found = {}
    for one in terms():
        back = again(one)
        for venue, rule in one.rules.items():
            found[type(rule).__name__] = (rule, back.rules[venue])
    return found


def test_terms_come_back_equal_and_in_their_order() -> None:
    for one in terms():
        back = again(one)
        assert back == one
        assert back.mandate.version == one.mandate.version
        for name in ("instruments", "rules", "costs", "passages"):
            assert list(getattr(back, name)) == list(getattr(one, name))
        assert list(back.mandate.venue) == list(one.mandate.venue)


def test_every_rule_that_a_mandate_can_name_is_tried_here() -> None:
    assert set(CLASSES) == set(RULES)
    assert set(rules()) == set(CLASSES.values())


@pytest.mark.parametrize("kind", sorted(CLASSES))
@given(data=st.data())
def test_rule_that_came_back_judges_random_accounts_alike(kind: str, data: st.DataObject) -> None:
    """State, lines and what the venue does next."""
    one, back = rules()[CLASSES[kind]]
    contracts = getattr(one, "instruments", None) or {i.id: i for i in one.coins.values()}  # type: ignore[attr-defined]
    marks: dict[InstrumentId, int] = {}
    positions: dict[InstrumentId, Position] = {}
    balances = {one.collateral: data.draw(st.integers(-(10**10), 10**13))}
    for name, contract in contracts.items():
        marks[name] = data.draw(st.integers(1_000, 2_000_000))
        lots = data.draw(st.integers(-100_000, 100_000))
        if kind == "spot":
            balances[contract.base] = abs(lots) * contract.base_quanta(1)
        elif lots:
            positions[name] = Position(lots, contract.entry_cost(lots, marks[name]) * 9 // 10)
    account = Account("venue", balances, positions)
    assert back.state(account, marks) == one.state(account, marks)
    assert back.liquidation_step(account, marks, 1) == one.liquidation_step(account, marks, 1)
    for name in contracts:
        assert back.lines(name, marks[name], 1e6) == one.lines(name, marks[name], 1e6)


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.fractions()
)


@given(
    st.recursive(
        PLAIN,
        lambda inner: (
            st.lists(inner, max_size=3).map(tuple)
            | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_any_value_comes_back_of_the_same_type_and_order(value: object) -> None:
    back = again(value)
    assert repr(back) == repr(value)


@given(st.lists(st.floats(), max_size=12))
def test_array_comes_back_to_the_bit(numbers: list[float]) -> None:
    array = np.array(numbers, dtype=np.float64)
    back = again(array)
    assert back.dtype == array.dtype
    # A number that is none is one: its bits carry no meaning.
    assert np.array_equal(back, array, equal_nan=True)
    assert np.array_equal(np.signbit(back[array == 0]), np.signbit(array[array == 0]))


def test_array_keeps_its_shape_when_it_is_empty() -> None:
    assert again(np.zeros((0, 3))).shape == (0, 3)


def test_outlook_and_option_come_back_equal() -> None:
    outlook = FixedOutlook().at(desk.NOW_MS)
    back = again(outlook)
    assert repr(back) == repr(outlook)
    index = Index("deribit", "BTC-INDEX", Decimal("0.01"))
    option = Option(
        *("deribit", "C", "BTC", "BTC", Decimal("0.0005"), Decimal("0.1")),
        strike=Decimal(60_000),
        is_call=True,
        expiry_ms=desk.NOW_MS,
        index=index,
    )
    assert again(option) == option


@pytest.mark.parametrize(
    "plain",
    [
        {"@": "Popen", "of": ["ls"]},
        {"@": "Fraction", "of": "1/0"},
        {"@": "Decimal", "of": "much"},
        {"@": "array", "type": "object", "shape": [1], "of": [1]},
        {"@": "array", "type": "float64", "shape": [2], "of": [1.0]},
        {"@": "map", "of": [[1]]},
        {"@": "map", "of": [[[{"@": "map", "of": []}], 1]]},
        {"@": "Mandate", "of": {"@": "map", "of": []}},
        {"@": "TierTable", "tiers": [], "as_of": ""},
        {"@": "TradingCosts", "taker_ppm": 1, "half_spread": 0.0, "fee": 1},
        {"@": "SizedRate", "at_zero": {"@": "Fraction", "of": "2"}, "per_base": 0},
        {"of": 1},
    ],
    ids=lambda plain: str(plain.get("@")),
)
def test_what_was_not_written_by_the_engine_is_refused(plain: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read(plain)


def test_value_of_a_type_that_is_not_known_is_not_written() -> None:
    with pytest.raises(TypeError, match="values of Fine"):
        written(type("Fine", (), {})())
    assert again(Fraction(1, 3)) == Fraction(1, 3)
