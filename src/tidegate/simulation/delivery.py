# SPDX-License-Identifier: Apache-2.0
"""Expiry: at which price, who is paid what, and what a market must say before it is played.

Source: Deribit delivers at the time-weighted average of its index over the last 30 minutes before
08:00 UTC (support.deribit.com, contract pages, undated, read in November 2026).
"""

from __future__ import annotations

from tidegate.costs.options import OptionCosts
from tidegate.model.errors import InputError
from tidegate.model.events import Delivered
from tidegate.model.instruments import Expiring, Future, Index, Option
from tidegate.model.times import MINUTE_MS
from tidegate.simulation.books import Book
from tidegate.simulation.tape import DeliveryPrice, Tape
from tidegate.simulation.terms import ExchangeTerms

AVERAGED_MS = 30 * MINUTE_MS


def average_price(tape: Tape, index: Index, expiry_ms: int) -> DeliveryPrice:
    """Delivery price of an index by its track: the mean of its marks at the ends of the steps of
    the last 30 minutes, to the nearest tick, halves up.

    Raises `InputError` where the tape does not have all of these minutes in whole steps.
    """
    first, short = divmod(expiry_ms - AVERAGED_MS - tape.start_ms, tape.step_ms)
    count, cut = divmod(AVERAGED_MS, tape.step_ms)
    if first < 0 or short or cut or first + count > tape.steps or index.id not in tape.tracks:
        raise InputError("delivery", index.id, "expected its last 30 minutes in whole steps")
    total = sum(tape.tracks[index.id].mark_close[first : first + count])
    return DeliveryPrice(expiry_ms, index.id, (2 * total + count) // (2 * count))


def check_expiries(tape: Tape, terms: ExchangeTerms) -> None:
    """Refuse, with `InputError`, a tape or terms that leave out what trading an option or an
    expiry within the tape needs."""
    said = {(price.ts_ms, price.index): price.ticks for price in tape.deliveries}
    for name in tape.tracks:
        instrument = terms.instruments.get(name)
        if isinstance(instrument, Option):
            _check_option(instrument, tape, terms)
        if not isinstance(instrument, Future | Option):
            continue
        if not tape.start_ms < instrument.expiry_ms <= tape.end_ms:
            continue
        if said.get((instrument.expiry_ms, instrument.index.id), 0) <= 0:
            raise InputError("tape", name, f"expected a delivery price of {instrument.index.id}")
        if name not in terms.delivery_fees:
            raise InputError("terms", name, "expected the fee of its delivery")


def _check_option(option: Option, tape: Tape, terms: ExchangeTerms) -> None:
    if option.index.id not in tape.tracks:
        raise InputError("tape", option.id, f"expected a track of {option.index.id}")
    if not isinstance(terms.costs.get(option.id), OptionCosts):
        raise InputError("terms", option.id, "expected an option's cost terms")


def expired(instrument: object, ts_ms: int) -> bool:
    """Whether an instrument is past its delivery and trades no more."""
    return isinstance(instrument, Future | Option) and ts_ms >= instrument.expiry_ms


def due(book: Book, price: DeliveryPrice, terms: ExchangeTerms) -> list[tuple[Expiring, Delivered]]:
    """What of a book is delivered at a price, in order of name."""
    found: list[tuple[Expiring, Delivered]] = []
    for name, position in sorted(book.positions.items()):
        instrument = terms.instruments[name]
        if not isinstance(instrument, Future | Option):
            continue
        if (instrument.expiry_ms, instrument.index.id) == (price.ts_ms, price.index):
            found.append((instrument, _delivered(instrument, position.lots, price, terms)))
    return found


def _delivered(
    instrument: Expiring, lots: int, price: DeliveryPrice, terms: ExchangeTerms
) -> Delivered:
    fee = terms.delivery_fees[instrument.id].quanta(instrument, lots, price.ticks)
    paid = instrument.payoff(lots, price.ticks)
    return Delivered(price.ts_ms, instrument.id, lots, price.ticks, paid, fee)
