# SPDX-License-Identifier: Apache-2.0
"""What a margin book says of an instrument, checked and made into one."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from tidegate.engine.book_fields import Reader
from tidegate.engine.margin_book.fields import SaidContract
from tidegate.model.instruments import Future, Index, Instrument, Option, Perpetual, Spot
from tidegate.model.times import format_time, parse_time_ms

# Steps where the venue's are not said: finer than any, so that every size and price is exact.
FINE = Decimal("0.00000001")
# What each kind must say besides what all say, and what it may not.
REQUIRED = {"future": ("expiry",), "option": ("expiry", "strike", "right")}
FOREIGN = {
    "perpetual": ("expiry", "strike", "right", "vol"),
    "future": ("strike", "right", "vol", "funding_next"),
    "option": ("face_usd", "funding", "funding_next"),
    "spot": ("expiry", "strike", "right", "vol", "face_usd", "entry", "funding", "funding_next"),
}
POSITIVE = ("tick", "lot", "face_usd", "strike", "entry")


def instrument_of(
    reader: Reader, venue: str, said: SaidContract, now_ms: int, place: str
) -> Instrument:
    """The instrument; raises `InputError` for terms that its kind lacks or cannot have."""
    for name in REQUIRED.get(said.kind, ()):
        if getattr(said, name) is None:
            raise reader.refuse(f"{place}.{name}", f"expected it, as the kind is {said.kind}")
    for name in FOREIGN[said.kind]:
        if getattr(said, name) is not None:
            raise reader.refuse(f"{place}.{name}", f"expected none, as the kind is {said.kind}")
    for name in POSITIVE:
        reader.positive(getattr(said, name), f"{place}.{name}")
    _check_settlement(reader, said, place)
    _check_size(reader, said, place)
    return _made(said, venue, _expiry_ms(reader, said, now_ms, place))


def _check_settlement(reader: Reader, said: SaidContract, place: str) -> None:
    if not said.base or not said.settle:
        raise reader.refuse(place, "expected base and settle to name assets")
    if said.inverse and (said.kind not in ("perpetual", "future") or said.settle != said.base):
        expected = "expected false, unless a perpetual or future is settled in its base"
        raise reader.refuse(f"{place}.inverse", expected)
    if said.face_usd is not None and not said.inverse:
        raise reader.refuse(f"{place}.face_usd", "expected none, as it is not inverse")
    if said.kind != "option" and not said.inverse and said.settle == said.base:
        expected = f'expected another asset than {said.base}, or "inverse": true'
        raise reader.refuse(f"{place}.settle", expected)


def _check_size(reader: Reader, said: SaidContract, place: str) -> None:
    if said.kind == "spot" and said.size:
        raise reader.refuse(f"{place}.size", f"expected 0: it stands in balances.{said.base}")
    if said.size and said.kind in ("perpetual", "future") and said.entry is None:
        raise reader.refuse(
            f"{place}.entry", "expected the price from which its profit is not in balances yet"
        )
    if said.lot is not None and (Fraction(said.size) / lot_size(said)).denominator != 1:
        raise reader.refuse(f"{place}.size", f"expected a multiple of lot {said.lot}")


def lot_size(said: SaidContract) -> Fraction:
    """What a lot adds to `size`: coins, or dollars of face."""
    return Fraction(said.lot or FINE) * Fraction(said.face_usd or 1)


def _expiry_ms(reader: Reader, said: SaidContract, now_ms: int, place: str) -> int:
    if said.expiry is None:
        return 0
    expiry_ms = parse_time_ms(said.expiry, reader.where, f"{place}.expiry")
    if expiry_ms <= now_ms:
        expected = f"expected after {format_time(now_ms)}, got {said.expiry}"
        raise reader.refuse(f"{place}.expiry", expected)
    return expiry_ms


def _made(said: SaidContract, venue: str, expiry_ms: int) -> Instrument:
    terms = (venue, said.symbol, said.base, said.settle, said.tick or FINE, said.lot or FINE)
    face = (said.face_usd or Decimal(1)) if said.inverse else None
    index = Index(venue, said.base, FINE)
    if said.kind == "perpetual":
        return Perpetual(*terms, face)
    if said.kind == "future":
        return Future(*terms, face, expiry_ms=expiry_ms, index=index)
    if said.kind == "spot":
        return Spot(*terms)
    strike, is_call = said.strike or Decimal(1), said.right == "call"
    return Option(*terms, strike=strike, is_call=is_call, expiry_ms=expiry_ms, index=index)
