# SPDX-License-Identifier: Apache-2.0
"""The two ways in which Tidegate stops: bad input, and a contradiction inside."""

from __future__ import annotations


class InputError(Exception):
    """Input from outside is unusable: names where, which field, and what was expected.

    The command line prints it as one line and exits with status 2.
    """

    def __init__(self, where: str, field: str, expected: str) -> None:
        self.where, self.field, self.expected = where, field, expected
        super().__init__(f"{where}: {field}: {expected}")


class InvariantError(Exception):
    """Tidegate contradicts itself; stopping is safer than going on."""


def ensure(condition: bool, message: str) -> None:
    """Raise `InvariantError` unless the condition holds; unlike `assert`, it survives `-O`."""
    if not condition:
        raise InvariantError(message)
