# SPDX-License-Identifier: Apache-2.0
"""A record of parity frees only venues of which its last line says, lately, that they agree."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tidegate.model.times import format_time
from tidegate.venues.accounts.parity import Ours, Parity, parity
from tidegate.venues.accounts.parity_file import Line, record, recorded_reduce_only
from tidegate.venues.accounts.told import Stated

NOW_MS, AGE_MS = 1_795_000_000_000, 3_600_000
VENUES = ("deribit", "hyperliquid")


def said(venue: str, maintenance: int = 10) -> Parity:
    ours = Ours(100.0, 20.0, 10.0)
    return parity(venue, ours, Stated("USD", Decimal(100), None, Decimal(maintenance)))


AGREES = (said("deribit.BTC"), said("deribit.ETH"), said("hyperliquid"))


def doubted(path: Path) -> frozenset[str]:
    return recorded_reduce_only(path, VENUES, NOW_MS, AGE_MS)


@pytest.mark.parametrize(
    ("seen", "age_ms", "venues"),
    [
        (AGREES, 0, set()),
        (AGREES, AGE_MS, set()),
        (AGREES, AGE_MS + 1_000, set(VENUES)),
        (AGREES, -1_000, set(VENUES)),
        (AGREES[:2], 0, {"hyperliquid"}),
        ((*AGREES, said("deribit.USDC", 200)), 0, {"deribit"}),
    ],
)
def test_last_line_frees_what_agrees_and_is_not_too_old(
    seen: tuple[Parity, ...], age_ms: int, venues: set[str], tmp_path: Path
) -> None:
    path = tmp_path / "parity.jsonl"
    record(path, Line(format_time(NOW_MS - 2 * AGE_MS), (said("hyperliquid", 200),)))
    record(path, Line(format_time(NOW_MS - age_ms), seen))
    assert doubted(path) == venues


@pytest.mark.parametrize("text", [None, "", "{", '{"as_of": "x", "parity": []}\n', "\xff\n"])
def test_record_that_cannot_be_read_frees_nobody(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "parity.jsonl"
    if text is not None:
        path.write_text(text, encoding="latin-1")
    assert doubted(path) == set(VENUES)
