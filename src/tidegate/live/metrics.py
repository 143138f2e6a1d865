# SPDX-License-Identifier: Apache-2.0
"""Figures of a running engine for Prometheus, on loopback: numbers and names of venues, no more.

A figure that is not known is absent, never zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate.live.feed import LiveFeed
from tidegate.live.machine import Machine
from tidegate.model.errors import InputError
from tidegate.model.times import SECOND_MS

LOOPBACK = "127.0.0.1"
HOSTS = (LOOPBACK, "localhost")


class Metrics:
    """A collector over a machine and its feed; asked when somebody scrapes."""

    def __init__(self, machine: Machine, feed: LiveFeed) -> None:
        self._machine, self._feed = machine, feed
        from prometheus_client import core

        self._core: Any = core

    def collect(self) -> list[Any]:
        """All families now."""
        machine, tally = self._machine, self._machine.cycle.tally
        ticked_s = machine.ticked_ms / SECOND_MS
        differs, silent = set(machine.desk.breaks), set(self._feed.silent)
        return [
            self._gauge("equity_usd", "Equity at the prices now.", machine.equity_usd()),
            self._gauge("ticked_seconds", "Time of the last tick, venues' clock.", ticked_s),
            self._gauge("events", "Events in the ledger.", len(machine.record.events)),
            self._gauge("decisions", "Decisions of the run.", tally.decisions),
            self._gauge("solves", "Programmes solved in the run.", tally.solves),
            self._gauge("refusals", "Plans of the run that the gate refused.", tally.refusals),
            self._by_venue("unreconciled", "1 where ledger and venue disagree.", differs),
            self._by_venue("silent", "1 where public data does not come.", silent),
        ]

    def _gauge(self, name: str, about: str, value: float | None) -> Any:
        family = self._core.GaugeMetricFamily(f"tidegate_{name}", about)
        if value is not None:
            family.add_metric([], value)
        return family

    def _by_venue(self, name: str, about: str, struck: set[str]) -> Any:
        family = self._core.GaugeMetricFamily(f"tidegate_{name}", about, labels=["venue"])
        for venue in self._machine.venues:
            family.add_metric([venue], float(venue in struck))
        return family


def serve_metrics(port: int, metrics: Metrics) -> int:
    """Serve on loopback (0: the system chooses the port) until the process ends; the port.

    Raises `InputError` where the library is not installed or the port is taken.
    """
    try:
        import prometheus_client as library
    except ImportError:
        raise InputError("engine", "metrics_port", "expected the extra `live`") from None
    registry = library.CollectorRegistry(auto_describe=False)
    try:
        server, _ = library.start_http_server(port, addr=LOOPBACK, registry=registry)
    except OSError as error:
        expected = f"expected a port that is free ({error.strerror})"
        raise InputError("engine", "metrics_port", expected) from None
    server.set_app(_guarded(server.get_app()))
    # From here on there is something to tell.
    registry.register(metrics)
    return int(server.server_port)


def _guarded(app: Any) -> Any:
    """The same for `GET /metrics` under a name of this machine, and nothing else: a page in a
    browser may reach loopback by a name of its own."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ.get("HTTP_HOST", "").partition(":")[0] not in HOSTS:
            status = "403 Forbidden"
        elif environ["PATH_INFO"] != "/metrics":
            status = "404 Not Found"
        elif environ["REQUEST_METHOD"] != "GET":
            status = "405 Method Not Allowed"
        else:
            return app(environ, start_response)
        start_response(status, [("Content-Length", "0")])
        return [b""]

    return answer
