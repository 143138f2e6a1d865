# SPDX-License-Identifier: Apache-2.0
"""Figures of a running engine for Prometheus, on loopback: numbers and names of venues, no more.

A figure that is not known is absent, never zero.
"""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from typing import Any

from tidegate.live.feed import LiveFeed
from tidegate.live.listener import Listener
from tidegate.live.machine import Machine
from tidegate.live.switches import Switches
from tidegate.model.errors import InputError
from tidegate.model.times import SECOND_MS

LOOPBACK = "127.0.0.1"
HOSTS = (LOOPBACK, "localhost")


class Metrics:
    """A collector over a machine, its feed, its switches and what listens for fills; asked when
    somebody scrapes."""

    def __init__(
        self,
        machine: Machine,
        feed: LiveFeed,
        switches: Switches | None = None,
        listener: Listener | None = None,
    ) -> None:
        self._machine, self._feed, self._switches = machine, feed, switches
        self._listener = listener
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
            self._switch_times(),
            *self._of_streams(),
            *self._of_accounts(),
        ]

    def _switch_times(self) -> Any:
        """Nothing of a venue without a switch; NaN of one that is not armed."""
        about = "Until when a venue's dead-man's switch is armed, by its time."
        family = self._family("switch_armed_until_seconds", about, "venue")
        standing = {} if self._switches is None else self._switches.standing
        for venue, known in dict(standing).items():
            until = nan if known.until_ms is None else known.until_ms / SECOND_MS
            family.add_metric([venue], until)
        return family

    def _of_streams(self) -> list[Any]:
        """Nothing of an input that was never told or is not believed."""
        about = "Since an input was told last, our clock."
        ages = self._family("input_age_seconds", about, "contract", "input")
        for known in self._feed.inputs():
            if known.age_s is not None:
                ages.add_metric([known.contract, known.kind], known.age_s)
        made = self._family("stream_connections", "Connections on which something came.", "venue")
        ended = self._family("stream_ends", "Connections and attempts that ended.", "venue")
        again = self._family("book_resyncs", "Books that had to begin anew.", "venue")
        let_go = self._family("messages_dropped", "Market data let go for want of room.", "venue")
        for venue, stream in self._feed.streams.items():
            made.add_metric([venue], stream.connection.connects)
            ended.add_metric([venue], sum(stream.connection.ends.values()))
            again.add_metric([venue], stream.resyncs)
            let_go.add_metric([venue], stream.inbox.dropped)
        return [ages, made, ended, again, let_go]

    def _of_accounts(self) -> list[Any]:
        """Nothing where nobody listens."""
        if self._listener is None:
            return []
        heard, wakes, lost = self._listener.heard, self._listener.wakes, self._listener.failures
        told = self._family("account_messages", "Messages of our account's stream.", "venue")
        ends = self._family("account_stream_ends", "Ends of our account's stream.", "venue")
        for family, counts in ((told, heard.told), (ends, heard.ends)):
            for venue, count in counts.items():
                family.add_metric([venue], count)
        about = "Times that the session did not say what it heard."
        return [
            told,
            ends,
            self._gauge("account_wakes", "Rounds called early for such a message.", wakes),
            self._gauge("account_questions_lost", about, lost),
        ]

    def _family(self, name: str, about: str, *labels: str) -> Any:
        return self._core.GaugeMetricFamily(f"tidegate_{name}", about, labels=labels)

    def _gauge(self, name: str, about: str, value: float | None) -> Any:
        family = self._core.GaugeMetricFamily(f"tidegate_{name}", about)
        if value is not None:
            family.add_metric([], value)
        return family

    def _by_venue(self, name: str, about: str, struck: set[str]) -> Any:
        family = self._family(name, about, "venue")
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
