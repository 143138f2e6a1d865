# SPDX-License-Identifier: Apache-2.0
"""The metrics endpoint answers one question, to who names this machine as it is."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any

import pytest

from tidegate.live.metrics import serve_metrics

core = pytest.importorskip("prometheus_client.core", reason="the extra `live` is not installed")


class Told:
    """A collector with one figure."""

    def collect(self) -> Iterator[Any]:
        yield core.GaugeMetricFamily("tidegate_equity_usd", "Equity.", 7)


@pytest.fixture(scope="module")
def port() -> int:
    return serve_metrics(0, Told())  # type: ignore[arg-type]


def answered(port: int, method: str, path: str, host: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, headers={"Host": host})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:{port}", "localhost:{port}"])
def test_figures_are_told_to_who_asks_for_them_on_this_machine(port: int, host: str) -> None:
    status, body = answered(port, "GET", "/metrics", host.format(port=port))
    assert (status, b"tidegate_equity_usd 7.0" in body) == (200, True)


@pytest.mark.parametrize(
    ("method", "path", "host", "expected"),
    [
        ("GET", "/metrics", "rebound.example", 403),
        ("GET", "/metrics", "rebound.example:8721", 403),
        ("GET", "/metrics", "127.0.0.1.rebound.example", 403),
        ("GET", "/metrics", "", 403),
        ("GET", "/", "127.0.0.1", 404),
        ("GET", "/metrics/more", "127.0.0.1", 404),
        ("POST", "/metrics", "127.0.0.1", 405),
        ("DELETE", "/metrics", "localhost", 405),
    ],
)
def test_another_question_or_name_is_told_nothing(
    port: int, method: str, path: str, host: str, expected: int
) -> None:
    assert answered(port, method, path, host) == (expected, b"")
