# SPDX-License-Identifier: Apache-2.0
"""Prices, sizes and dollars between the venue's decimal text and integers.

A size has at most `szDecimals` decimals, a price at most six less those and at most five
significant figures, unless it is whole. So a tick times a lot is one micro-dollar. Source:
hyperliquid.gitbook.io, Tick and lot size (stored copy read in November 2026).
"""

from __future__ import annotations

import re
from decimal import Decimal

from tidegate.model.units import asset_decimals

SIGNIFICANT_FIGURES = 5
MAX_DECIMALS = 6
MINIMUM_ORDER_USD = 10
_PLAIN = re.compile(r"\d{1,20}(?:\.\d{1,12})?")


def plain_decimal(text: str) -> Decimal | None:
    """A number without sign or exponent; None for any other text."""
    return Decimal(text) if _PLAIN.fullmatch(text) else None


def whole_steps(text: str, step: Decimal) -> int | None:
    """How many steps a number is; None where it is no number or not a whole number of them."""
    number = plain_decimal(text)
    if number is None:
        return None
    steps = number / step
    return int(steps) if steps == steps.to_integral_value() else None


def price_ticks(text: str, tick: Decimal) -> int | None:
    """A price in ticks; None where it is no price by the venue's rule."""
    number, ticks = plain_decimal(text), whole_steps(text, tick)
    if number is None or ticks is None:
        return None
    whole = number == number.to_integral_value()
    figures = len(number.normalize().as_tuple().digits)
    return ticks if whole or figures <= SIGNIFICANT_FIGURES else None


def text_of(number: Decimal) -> str:
    """A number as the venue writes it: no exponent, and one decimal at least."""
    plain = f"{number:f}"
    whole, _, decimals = plain.partition(".")
    return f"{whole}.{decimals.rstrip('0') or '0'}"


def price_text(ticks: int, tick: Decimal) -> str:
    """A price in the venue's text."""
    return text_of(ticks * tick)


def size_text(lots: int, lot: Decimal) -> str:
    """A size in the venue's text."""
    return text_of(lots * lot)


def quanta_text(quanta: int, asset: str = "USDC") -> str:
    """An amount of an asset in the venue's text, exact."""
    return text_of(Decimal(quanta).scaleb(-asset_decimals(asset)))


def amount_quanta(text: str, asset: str = "USDC") -> int | None:
    """Quanta of an amount; None where it is no number, none, or finer than a quantum."""
    steps = whole_steps(text, Decimal(1).scaleb(-asset_decimals(asset)))
    return steps if steps else None


def without_trailing_zeros(text: str) -> str:
    """A number's text without what does not change it; other text as it is."""
    if not _PLAIN.fullmatch(text) or "." not in text:
        return text
    return text.rstrip("0").rstrip(".")
