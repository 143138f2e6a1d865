# SPDX-License-Identifier: Apache-2.0
"""What a rule says of itself: where it comes from, what is not pinned, what the user must give."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RuleCard:
    """One rule as it stands in the registry.

    Attributes:
        name: how a mandate or a book chooses it.
        subject: venue and account model, one line.
        answers: the class that implements it, `module.Class`; "exchange" rules are of integers and
            margin-call in simulation, "statement" rules are of floats and answer for a book.
        source: documents and their dates.
        not_pinned: what no document settles, and how it is taken.
        user_gives: parameters without a default.
        closes_first: what the venue closes first, and what it costs.
        convex_form: how the allocator bounds it, or why it does not.
    """

    name: str
    subject: str
    answers: str
    source: tuple[str, ...]
    not_pinned: tuple[str, ...]
    user_gives: tuple[str, ...]
    closes_first: str
    convex_form: str
    of_integers: bool = False
