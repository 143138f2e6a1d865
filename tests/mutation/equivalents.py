# SPDX-License-Identifier: Apache-2.0
"""Mutants that change no behaviour, each with the reason; they are not counted."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tests.mutation.mutants import Mutant

LIST = Path(__file__).with_name("equivalents.toml")


class Equivalent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file's line before and after, stripped, and why no test can tell them apart."""

    file: str
    before: str
    after: str
    why: str


class Equivalents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The list."""

    equivalent: tuple[Equivalent, ...] = ()

    @classmethod
    def read(cls) -> Equivalents:
        """The list that stands beside this file."""
        return msgspec.toml.decode(LIST.read_bytes(), type=cls)

    def holds(self, mutant: Mutant, source: str) -> bool:
        """Whether a mutant is in the list."""
        mine = [e for e in self.equivalent if e.file == mutant.file]
        if not mine:
            return False
        before, after = mutant.diff(source)
        return any((e.before, e.after) == (before, after) for e in mine)
