# SPDX-License-Identifier: Apache-2.0
"""What a file says of one account, as the makers of rules ask for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

import msgspec

from tidegate.engine.book_fields import Reader
from tidegate.engine.margin_book.fields import SaidBook, SaidContract, shaped
from tidegate.model.instruments import Instrument, InstrumentId

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class SaidAccount:
    """The file's content: contracts by their place in it, instruments by symbol."""

    reader: Reader
    said: SaidBook
    contracts: Mapping[str, SaidContract]
    instruments: Mapping[str, Instrument]

    @property
    def source(self) -> str:
        """Where tables that the user gives come from."""
        return self.reader.where

    def parameters(self, rule: str, kind: type[T]) -> T:
        """The section of a rule; raises `InputError` where it lacks what the rule needs."""
        return shaped(self.reader, self.said.parameters.get(rule, {}), kind, f"parameters.{rule}")

    def collateral(self) -> str:
        """The asset that margins the account; raises `InputError` where it is not said."""
        if not self.said.collateral:
            expected = f"expected the asset in which {self.said.rule} margins the account"
            raise self.reader.refuse("collateral", expected)
        return self.said.collateral

    def used(self, one: SaidContract) -> bool:
        """Whether the account holds it or has an order on it."""
        names = [order.get("symbol") for order in self.said.orders if isinstance(order, dict)]
        return bool(one.size) or one.symbol in names

    def margined(self, *fields: str) -> Iterator[tuple[str, SaidContract, Instrument]]:
        """Contracts, with their places, that say these fields; one that is used and does not
        raises `InputError`, one that is not is left out."""
        for place, one in self.contracts.items():
            missing = [name for name in fields if getattr(one, name) is None]
            if not missing:
                yield place, one, self.instruments[one.symbol]
            elif self.used(one):
                expected = "expected it: the rule margins this position by it"
                raise self.reader.refuse(f"{place}.{missing[0]}", expected)

    def leverage(self, place: str, one: SaidContract) -> Decimal:
        """The leverage chosen for a contract, else that of the account; at least 1."""
        chosen, field = self._leverage(place, one)
        if chosen < 1:
            raise self.reader.refuse(field, f"expected at least 1, got {chosen}")
        return chosen

    def whole_leverage(self, place: str, one: SaidContract) -> int:
        """As `leverage`, where the venue takes whole numbers alone."""
        return whole(self.reader, *self._leverage(place, one))

    def _leverage(self, place: str, one: SaidContract) -> tuple[Decimal, str]:
        """The leverage in force for a contract, and the field that says it."""
        if one.leverage is not None:
            return one.leverage, f"{place}.leverage"
        if self.said.leverage is None:
            raise self.reader.refuse("leverage", "expected the leverage chosen at the venue")
        return self.said.leverage, "leverage"

    def share(self, number: Decimal | None, field: str) -> Fraction:
        """A share of 0 to below 1, 0 where it is not said."""
        self.reader.share(number, field)
        return Fraction(number or 0)

    def id_of(self, one: SaidContract) -> InstrumentId:
        """The id under which rules know a contract."""
        return self.instruments[one.symbol].id


def whole(reader: Reader, number: Decimal, field: str) -> int:
    """A whole number of at least 1."""
    if number < 1 or number % 1:
        raise reader.refuse(field, f"expected a whole number of at least 1, got {number}")
    return int(number)
