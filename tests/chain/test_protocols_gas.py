# SPDX-License-Identifier: Apache-2.0
"""What an order costs on real venues, by receipts, as docs/vault.md says it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.chain.perp import E18, UNIT
from tests.chain.test_protocols_book import Book
from tests.contracts.evm import REPOSITORY, account
from tidegate.venues.chain.client import Chain

pytestmark = pytest.mark.chain
ROW = re.compile(r"^\| (?P<what>[\w ,]+, real) \| (?P<gas>[\d,]+) \|$", re.MULTILINE)
# Addresses and seconds of accrual make a few per cent.
TOLERANCE = 0.05


def measured(book: Book) -> dict[str, int]:
    """Gas by what was done, in the words of the table."""
    desk, found = book.desk, {}
    found["to Aave, first, real"] = book.order((book.aave, 20_000 * UNIT, 0))
    found["to Aave, real"] = book.order((book.aave, 20_000 * UNIT, 0))
    found["home from Aave, real"] = book.order((book.aave, -10_000 * UNIT, 0))
    found["to Perpetual, real"] = book.order((book.perp, 1_000 * UNIT, 0))
    found["opened at Perpetual, real"] = desk.trade(20 * E18)
    found["to Perpetual with a position, real"] = book.order((book.perp, 1_000 * UNIT, 0))
    both = (book.perp, -5_000 * UNIT, 0), (book.aave, 5_000 * UNIT, 0)
    found["Perpetual to Aave with a position, real"] = book.order(*both)
    desk.trade(60 * E18)
    desk.move(1_660)
    desk.keeper.act(book.perp.address, sender=account("stranger"))
    found["deleveraged by a stranger, real"] = book.chain.spent
    return found


def test_gas_on_real_venues_is_what_the_document_says(chain: Chain, packages: Path) -> None:
    text = (REPOSITORY / "docs" / "vault.md").read_text(encoding="utf-8")
    said = {row["what"]: int(row["gas"].replace(",", "")) for row in ROW.finditer(text)}
    found = measured(Book(chain, packages))
    assert said == {what: pytest.approx(gas, rel=TOLERANCE) for what, gas in found.items()}
