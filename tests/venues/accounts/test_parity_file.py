# SPDX-License-Identifier: Apache-2.0
"""A record of parity frees only venues of which its last line says, lately, that they agree."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tidegate.model.times import format_time
from tidegate.venues.accounts.parity import Ours, Parity, parity
from tidegate.venues.accounts.parity_file import Line, record, recorded_reduce_only
from tidegate.venues.accounts.told import Stated, Whose

NOW_MS, AGE_MS = 1_795_000_000_000, 3_600_000
VENUES = {"deribit": None, "hyperliquid": None}
HERE = "http://127.0.0.1:8711"


def said(venue: str, maintenance: int = 10, url: str | None = None) -> Parity:
    ours, whose = Ours(100.0, 20.0, 10.0), Whose(venue.partition(".")[0], "0x12ab", url)
    theirs = Stated("USD", Decimal(100), None, Decimal(maintenance))
    return parity(venue, ours, theirs, whose=whose)


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


def test_account_of_a_paper_server_frees_no_venue_that_is_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "parity.jsonl"
    record(path, Line(format_time(NOW_MS), (said("deribit"), said("hyperliquid", url=HERE))))
    assert recorded_reduce_only(path, VENUES, NOW_MS, AGE_MS) == {"hyperliquid"}
    other = said("deribit")
    named = Parity("hyperliquid", *msgspec.structs.astuple(other)[1:])
    record(path, Line(format_time(NOW_MS), (other, named)))
    assert recorded_reduce_only(path, VENUES, NOW_MS, AGE_MS) == {"hyperliquid"}
    record(path, Line(format_time(NOW_MS), (other, said("hyperliquid", url=HERE))))
    paper = {"deribit": HERE, "hyperliquid": HERE + "/"}
    assert recorded_reduce_only(path, paper, NOW_MS, AGE_MS) == {"deribit"}


@pytest.mark.parametrize("text", [None, "", "{", '{"as_of": "x", "parity": []}\n', "\xff\n"])
def test_record_that_cannot_be_read_frees_nobody(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "parity.jsonl"
    if text is not None:
        path.write_text(text, encoding="latin-1")
    assert doubted(path) == set(VENUES)
