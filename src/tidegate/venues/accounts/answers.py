# SPDX-License-Identifier: Apache-2.0
"""What a venue answers to a question, in a form of our own, or why nothing is known.

A form has only the fields that an account is made of, so that a venue may drop or add any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from tidegate.model.replies import NotTaken, Unclear
from tidegate.venues.exchanges.client import VenueRefused, asked

T = TypeVar("T")


class NotTold(Exception):
    """A venue did not tell what an account is made of: what was asked, and why."""


class Refused(NotTold):
    """As `NotTold`: the venue understood the question, and has no such thing."""


def only(what: str, found: Sequence[T]) -> T:
    """The one that was asked for by its name; raises `Refused` where there is none."""
    if len(found) != 1:
        raise Refused(f"{what}: {len(found)} found, expected one")
    return found[0]


def every_page(page: Callable[[str], tuple[Sequence[T], str]]) -> list[T]:
    """All rows of what comes page by page: asked with a cursor, "" at first, `page` has its rows
    and the next cursor, "" after the last. A page without rows, or a cursor that was there before,
    is the end."""
    found, seen, cursor = list[T](), {""}, ""
    while True:
        rows, cursor = page(cursor)
        found += rows
        if not rows or cursor in seen:
            return found
        seen.add(cursor)


def answer(what: str, call: Callable[[], Any], form: type[T]) -> T:
    """What one request answers; raises `NotTold`. Numbers become `Decimal` by their own digits."""
    try:
        reply = asked(call)
    except VenueRefused as error:
        raise Refused(f"{what}: {error}") from None
    if isinstance(reply, NotTaken | Unclear):
        raise NotTold(f"{what}: {reply.reason}")
    try:
        return msgspec.convert(reply, form, strict=False)
    except (msgspec.ValidationError, ArithmeticError) as error:
        raise NotTold(f"{what}: another form: {error}") from None
