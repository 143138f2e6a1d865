# SPDX-License-Identifier: Apache-2.0
"""Every rule of the registry by name: the section of a file that it reads, and its making."""

from __future__ import annotations

from tidegate.engine.book_fields import Reader
from tidegate.engine.margin_book import exact_rules, scenario_rules, venue_rules
from tidegate.engine.margin_book.fields import SaidBook, shaped
from tidegate.engine.margin_book.said_account import SaidAccount
from tidegate.margin.statement import AccountRule

MAKERS = {**exact_rules.MAKERS, **venue_rules.MAKERS, **scenario_rules.MAKERS}
# Rules that count no working order, because no document says what one reserves.
WITHOUT_ORDERS = frozenset(
    "deribit_standard dydx_cross derive_portfolio derive_standard paradex_portfolio".split()
)


def require_parameters(reader: Reader, said: SaidBook) -> None:
    """Raises `InputError` for a section of no rule, or with a field that its rule does not know,
    whichever rule is chosen."""
    for name, value in said.parameters.items():
        if name not in MAKERS:
            expected = f"expected the name of a rule, one of {', '.join(sorted(MAKERS))}"
            raise reader.refuse(f"parameters.{name}", expected)
        shaped(reader, value, MAKERS[name][0], f"parameters.{name}")


def build(rule: str, account: SaidAccount) -> AccountRule:
    """The rule of that name with the account's terms; raises `InputError` for what it lacks."""
    return MAKERS[rule][1](account)
