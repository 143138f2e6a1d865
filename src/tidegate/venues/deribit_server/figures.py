# SPDX-License-Identifier: Apache-2.0
"""Between the street's integers and Deribit's decimals, exactly.

An amount is in dollars of inverse perpetuals, and in base coins of all else; a price in ticks;
money in the currency of the wallet. Source: docs.deribit.com, private/buy, read in November 2026.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from tidegate.model.instruments import Instrument, Option
from tidegate.model.units import from_quanta
from tidegate.venues.deribit_server.contracts import VENUES
from tidegate.venues.deribit_server.refusals import Refusal, bad_param

CURRENCIES = tuple(VENUES)
PLACES = Decimal("1e-10")


def step_amount(instrument: Instrument) -> Decimal:
    """The amount of one lot."""
    return instrument.lot * (instrument.inverse_face_usd or 1)


def contract_size(instrument: Instrument) -> Decimal:
    """The amount of one contract."""
    return Decimal(1) if isinstance(instrument, Option) else step_amount(instrument)


def amount(instrument: Instrument, lots: int) -> Decimal:
    """The amount of lots."""
    return plain(lots * step_amount(instrument))


def lots_of(instrument: Instrument, given: Decimal, name: str = "amount") -> int:
    """Lots of an amount, which must be a whole number of them, above 0."""
    lots, rest = divmod(given, step_amount(instrument))
    if rest or lots < 1:
        step = step_amount(instrument)
        raise bad_param(name, f"must be a multiple of the minimum order size {step.normalize():f}")
    return int(lots)


def price(instrument: Instrument, ticks: int) -> Decimal:
    """A price in quote currency (options: coins, or dollars, a coin)."""
    return plain(ticks * instrument.tick)


def ticks_of(instrument: Instrument, given: Decimal) -> int:
    """Ticks of a price, which must be a whole number of them, above 0."""
    ticks, rest = divmod(given, instrument.tick)
    if given <= 0:
        raise bad_param("price", "must be positive")
    if rest:
        raise Refusal(10043, {"reason": f"tick size is {instrument.tick}", "param": "price"})
    return int(ticks)


def money(quanta: int, asset: str) -> Decimal:
    """An amount of a wallet's currency."""
    return plain(from_quanta(quanta, asset))


def shown(value: Fraction | float) -> Decimal:
    """A figure that is no integer of the exchange's, to ten places."""
    if isinstance(value, Fraction):
        value = float(value)
    return plain(Decimal(value).quantize(PLACES))


def plain(number: Decimal) -> Decimal:
    """The same number with no exponent and no zeros at its end."""
    if number == number.to_integral_value():
        return number.quantize(Decimal(1))
    return number.normalize()


def currency_of(venue: str) -> str:
    """The currency of a venue of the street."""
    return next(asset for asset, known in VENUES.items() if known == venue)
