# SPDX-License-Identifier: Apache-2.0
"""What comes page by page is read to its end, and a venue that repeats itself holds up nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.venues.accounts.answers import Refused, every_page, only


@given(st.lists(st.lists(st.integers(), min_size=1), max_size=8))
def test_every_row_of_every_page_is_read_once_and_in_order(pages: list[list[int]]) -> None:
    def page(cursor: str) -> tuple[list[int], str]:
        number = int(cursor or 0)
        rows = pages[number] if number < len(pages) else []
        return rows, str(number + 1) if number + 1 < len(pages) else ""

    assert every_page(page) == [row for rows in pages for row in rows]


def test_cursor_that_comes_again_ends_the_reading() -> None:
    assert every_page(lambda cursor: ([cursor], "same")) == ["", "same"]


def test_page_without_rows_is_the_last_whatever_its_cursor() -> None:
    assert every_page(lambda cursor: ([], cursor + "x")) == []


@pytest.mark.parametrize("found", [[], [1, 2]])
def test_what_is_none_or_several_is_not_the_one_that_was_asked_for(found: list[int]) -> None:
    with pytest.raises(Refused, match=f"name: {len(found)} found"):
        only("name", found)
    assert only("name", [7]) == 7
