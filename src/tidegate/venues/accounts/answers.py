# SPDX-License-Identifier: Apache-2.0
"""What a venue answers to a question, in a form of our own, or why nothing is known.

A form has only the fields that an account is made of, so that a venue may drop or add any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from tidegate.model.replies import NotTaken, Unclear
from tidegate.venues.exchanges.client import VenueRefused, asked

T = TypeVar("T")


class NotTold(Exception):
    """A venue did not tell what an account is made of: what was asked, and why."""


def answer(what: str, call: Callable[[], Any], form: type[T]) -> T:
    """What one request answers; raises `NotTold`. Numbers become `Decimal` by their own digits."""
    try:
        reply = asked(call)
    except VenueRefused as error:
        raise NotTold(f"{what}: {error}") from None
    if isinstance(reply, NotTaken | Unclear):
        raise NotTold(f"{what}: {reply.reason}")
    try:
        return msgspec.convert(reply, form, strict=False)
    except (msgspec.ValidationError, ArithmeticError) as error:
        raise NotTold(f"{what}: another form: {error}") from None
