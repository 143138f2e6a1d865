# SPDX-License-Identifier: Apache-2.0
"""Parameters of a request, read strictly: from JSON as they are, from a query as text.

Numbers of unusual size are refused before anything is computed with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tidegate.model.errors import InputError
from tidegate.model.units import read_decimal
from tidegate.venues.deribit_server.refusals import bad_param

TEXT_MAX, CHANNELS_MAX = 256, 500
_NUMBER_TEXT_MAX = 40


class Params:
    """The parameters of one request; every reader raises `Refusal` where one cannot be used."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    def has(self, name: str) -> bool:
        """Whether it is there and not null."""
        return self._given.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """Text of ordinary length; without a default it is required."""
        value = self._given.get(name)
        if value is None:
            if default is None:
                raise bad_param(name, "value_required")
            return default
        if isinstance(value, bool | float | dict | list):
            raise bad_param(name, "invalid_format")
        if not isinstance(value, str):
            value = self._digits(name, value)
        if len(value) > TEXT_MAX:
            raise bad_param(name, "value_too_long")
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """One of some words."""
        value = self.text(name, default)
        if value not in choices:
            raise bad_param(name, f"expected one of {', '.join(choices)}")
        return value

    def number(self, name: str) -> Decimal:
        """A finite decimal number of ordinary size."""
        value = self._given.get(name)
        if value is None:
            raise bad_param(name, "value_required")
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal | float):
            raise bad_param(name, "must be a number")
        try:
            return read_decimal(self._digits(name, value), "request", name)
        except InputError:
            raise bad_param(name, "must be a number") from None

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number."""
        if default is not None and not self.has(name):
            return default
        number = self.number(name)
        if number != number.to_integral_value():
            raise bad_param(name, "must be an integer")
        return int(number)

    def within(self, name: str, least: int, most: int, default: int) -> int:
        """A whole number within bounds."""
        value = self.integer(name, default)
        if not least <= value <= most:
            raise bad_param(name, f"must be between {least} and {most}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false, also as text."""
        value = self._given.get(name, default)
        if isinstance(value, bool):
            return value
        if value in ("true", "false"):
            return bool(value == "true")
        raise bad_param(name, "must be a boolean")

    def channels(self) -> list[str]:
        """Names of channels."""
        value = self._given.get("channels")
        if not isinstance(value, list) or len(value) > CHANNELS_MAX:
            raise bad_param("channels", f"must be an array of at most {CHANNELS_MAX}")
        if not all(isinstance(one, str) and len(one) <= TEXT_MAX for one in value):
            raise bad_param("channels", "must be texts")
        return value

    @staticmethod
    def _digits(name: str, value: object) -> str:
        if isinstance(value, int) and not -(10**24) < value < 10**24:
            raise bad_param(name, "must be a number of ordinary size")
        text = str(value)
        if len(text) > (TEXT_MAX if isinstance(value, str) else _NUMBER_TEXT_MAX):
            raise bad_param(name, "value_too_long")
        return text
