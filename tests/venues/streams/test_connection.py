# SPDX-License-Identifier: Apache-2.0
"""Streams over a real socket on loopback that breaks in every way: books are true, or stale."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest


@pytest.fixture
def loopback() -> Any:
    """The server and the client, where the extra is installed that they need."""
    pytest.importorskip("aiohttp", reason="aiohttp is absent; it comes with the extra live")
    return import_module("tests.venues.streams.loopback")


def test_books_over_a_socket_that_breaks_in_every_way_are_true_or_stale_and_heal(
    loopback: Any,
) -> None:
    loopback.faulty_day(seed=3, rounds=1)


@pytest.mark.soak(promise="P-539", weight=1)
def test_books_over_a_socket_that_breaks_many_times_are_true_or_stale_and_heal(
    loopback: Any,
) -> None:
    for seed in range(10):
        loopback.faulty_day(seed, rounds=4)


def test_stream_that_has_no_room_for_news_is_broken_off_and_said_so(loopback: Any) -> None:
    ends, kept = loopback.ends_without_room()
    assert ends[0] is loopback.End.NO_ROOM
    assert kept == 8


def test_peer_that_never_answers_the_handshake_is_given_up_and_tried_again(loopback: Any) -> None:
    assert loopback.attempts_at_a_peer_that_never_answers() == 2
