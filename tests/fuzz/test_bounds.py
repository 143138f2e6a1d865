# SPDX-License-Identifier: Apache-2.0
"""Claims of great length and depth are refused before memory or time is spent on them."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.fuzz.hanging import no_hang
from tests.fuzz.parsers import JOURNAL, NOTES, PARSERS, Parser
from tests.venues.drill import GATE, NOW
from tests.venues.test_wire import answering
from tidegate.audit import verify
from tidegate.audit.checkpoint import parse, public_key
from tidegate.engine.book_file import read_book
from tidegate.journal.frames import LENGTH_MAX
from tidegate.journal.reader import read_content
from tidegate.model.errors import InputError
from tidegate.model.replies import Unclear
from tidegate.venues.paper_market import paper_house, read_paper_file

KEY = str(PARSERS["public key"].seeds[0], "utf-8")
DEEP = 200_000


@contextmanager
def within(most_bytes: int) -> Iterator[None]:
    """Let no more memory than this be taken at any moment."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most_bytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("length", [LENGTH_MAX, LENGTH_MAX + 1, 2**32 - 1])
def test_length_of_a_frame_takes_no_memory_that_its_file_does_not_have(length: int) -> None:
    claimed = JOURNAL + length.to_bytes(4, "little") + bytes(1_000)
    with within(2_000_000), pytest.raises(InputError):
        list(read_content(claimed))
    with within(2_000_000):
        assert not all(check.passed for check in verify(claimed))


def test_length_of_a_reply_takes_no_memory_beyond_the_limit() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n{}"
    with answering(head) as gateway, within(40_000_000):
        assert isinstance(gateway.statement("alpha"), Unclear)


def nested(name: str) -> tuple[Parser, bytes]:
    opening, key = (b"a = ", b"{a=") if "settings" in name or name == "mandate" else (b"", b'{"a":')
    return PARSERS[name], opening + b"[" * 20_000 + key * DEEP


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_nesting_beyond_the_stack_ends_in_value_or_named_error(name: str, tmp_path: Path) -> None:
    parser, content = nested(name)
    with within(60_000_000), suppress(*parser.refusals):
        parser.feed(content, tmp_path)


def test_object_of_very_many_names_is_read_in_time_that_grows_with_them(tmp_path: Path) -> None:
    """In the square of them it would take an hour."""
    path = tmp_path / "book.json"
    path.write_text(json.dumps({f"n{n}": 0 for n in range(300_000)}))
    with no_hang(), pytest.raises(InputError, match="unknown field"):
        read_book(path)


def test_notes_that_never_end_are_read_in_time_that_grows_with_them() -> None:
    key, tail = public_key(KEY), "example.com/log\n1\n" + "A" * 43 + "=\n"
    for text in (NOTES.decode() + tail * 30_000, "x" * 2_000_000, "x\n" * 500_000):
        with no_hang(), pytest.raises(InputError, match="expected a checkpoint"):
            parse(text, key, "notes")
        with no_hang():
            assert not all(check.passed for check in verify(JOURNAL, None, KEY, text))


@pytest.mark.parametrize("wait", ["inf", "1e300", "nan", "-1.0"])
def test_paper_order_that_never_fills_is_refused_by_its_field(wait: str, tmp_path: Path) -> None:
    path = tmp_path / "paper.toml"
    said = PARSERS["paper settings"].seeds[0].decode().replace("fill_after_s = 600", "?")
    path.write_text(said.replace("?", f"fill_after_s = {wait}"))
    with pytest.raises(InputError, match="fill_after_s"):
        paper_house(read_paper_file(path), GATE, NOW, "paper.toml")
