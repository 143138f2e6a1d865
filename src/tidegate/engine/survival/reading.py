# SPDX-License-Identifier: Apache-2.0
"""Which of the two kinds of book a file is: positions with ticks and tiers as `book_file` has them,
or whole accounts under any rule, as `tidegate plan` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args, get_type_hints

import msgspec

from tidegate.engine.book_fields import Document, Reader, SaidAccount
from tidegate.engine.plan.book import PlanBook
from tidegate.engine.plan.book_file import SaidPlanBook, plan_book_of
from tidegate.engine.survival.terms import RiskTerms, risk_terms
from tidegate.margin.registry import CARDS

OLD_RULES = frozenset(get_args(get_type_hints(SaidAccount)["rule"]))
RULES = frozenset(each.name for each in CARDS) - OLD_RULES
FIELDS = frozenset(SaidPlanBook.__struct_fields__) - frozenset(Document.__struct_fields__)


def has_whole_accounts(value: object) -> bool:
    """Whether a book is one of whole accounts: it has a field that only such a book has, an account
    under a rule that the other kind does not know, or a position with its `kind`."""
    if not isinstance(value, Mapping):
        return False
    accounts = value.get("accounts")
    rows = accounts if isinstance(accounts, list) else []
    return bool(FIELDS & value.keys()) or any(map(_is_whole, rows))


def _is_whole(account: object) -> bool:
    if not isinstance(account, Mapping):
        return False
    positions = account.get("positions")
    rows = positions if isinstance(positions, list) else []
    ruled = isinstance(account.get("rule"), str) and account["rule"] in RULES
    return ruled or any(isinstance(row, Mapping) and "kind" in row for row in rows)


def whole_accounts(reader: Reader, value: object) -> tuple[PlanBook, RiskTerms]:
    """The book and what it says of markets; raises `InputError`."""
    book = plan_book_of(reader, value)
    raw = msgspec.convert(value, SaidPlanBook)
    return book, risk_terms(reader, raw.observe, book)
