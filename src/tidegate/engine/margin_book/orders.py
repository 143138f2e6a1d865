# SPDX-License-Identifier: Apache-2.0
"""What-if orders in words, `buy 2 BTC-PERPETUAL` or `sell 0.5 BTC-PERP at 61000`, and their fills.

Sizes are those of the book's positions: coins, of inverse contracts dollars of face.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from tidegate.engine.margin_book.account_book import AccountBook, named
from tidegate.engine.margin_book.closed_isolated import rule_once_filled
from tidegate.engine.margin_book.exact_account import exact, lot_of
from tidegate.engine.margin_book.fields import DIGITS_MAX
from tidegate.engine.margin_book.session import filled_in_session
from tidegate.margin.holding_values import filled, mark_price
from tidegate.margin.holdings import Holdings
from tidegate.margin.prices import Prices
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Option
from tidegate.model.units import read_decimal

OPTION_NAME = "--what-if"
GRAMMAR = re.compile(r"(buy|sell)\s+(\S+)\s+(\S+)(?:\s+(?:at|@)\s+(\S+))?", re.IGNORECASE)
EXPECTED = 'expected "buy|sell SIZE SYMBOL [at PRICE]", as in "buy 2 BTC-PERPETUAL at 60000"'


@dataclass(frozen=True, slots=True)
class Fill:
    """An order taken as filled: signed size, at a price or, where it is None, at the mark."""

    text: str
    instrument: Instrument
    size: float
    price: float | None


def parse_order(text: str, account: AccountBook) -> Fill:
    """The fill of an order in words; raises `InputError` saying what was expected."""
    found = GRAMMAR.fullmatch(text.strip())
    if found is None:
        raise InputError(OPTION_NAME, repr(text), EXPECTED)
    side, size_text, symbol, price_text = found.groups()
    if symbol not in account.instruments:
        known = ", ".join(sorted(account.instruments)) or "none"
        raise InputError(OPTION_NAME, repr(text), f"expected a symbol of the book: {known}")
    instrument = account.instruments[symbol]
    size = _number(size_text, text)
    if size <= 0 or (Fraction(size) / lot_of(instrument)).denominator != 1:
        expected = f"expected a size above 0 in whole lots of {float(lot_of(instrument)):g}"
        raise InputError(OPTION_NAME, repr(text), expected)
    price = None if price_text is None else _number(price_text, text)
    if price is not None and (price < 0 or (price == 0 and not isinstance(instrument, Option))):
        raise InputError(OPTION_NAME, repr(text), "expected a price above 0")
    signed = float(size) if side.lower() == "buy" else -float(size)
    return Fill(text, instrument, signed, None if price is None else float(price))


def _number(word: str, text: str) -> Decimal:
    number = read_decimal(word, OPTION_NAME, repr(text))
    if len(number.as_tuple().digits) > DIGITS_MAX:
        raise InputError(OPTION_NAME, repr(text), f"expected at most {DIGITS_MAX} digits")
    return number


def after(account: AccountBook, fills: Sequence[Fill]) -> AccountBook:
    """The account once all are filled, one after another; working orders stay as they are."""
    holdings = account.holdings
    fill_in = filled_in_session if account.settles_daily else filled
    with named(account.where):
        for fill in fills:
            price = fill.price
            if price is None:
                price = mark_price(fill.instrument, Prices(account.market, 0.0))
            made = fill_in(holdings, fill.instrument, fill.size, price)
            holdings = _in_whole_lots(made, fill.instrument)
        rule = rule_once_filled(account.rule, account.holdings, holdings)
    return replace(account, holdings=holdings, rule=rule)


def _in_whole_lots(holdings: Holdings, traded: Instrument) -> Holdings:
    """A sum of floats leaves dust where what was held in lots is sold in parts."""
    lot = lot_of(traded)
    kept = []
    for held in holdings.positions:
        if held.instrument.id == traded.id:
            size = float(round(exact(held.size) / lot) * lot)
            held = replace(held, size=size)
        if held.size:
            kept.append(held)
    return replace(holdings, positions=tuple(kept))
