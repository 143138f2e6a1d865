# SPDX-License-Identifier: Apache-2.0
"""The rounds of a running engine: take in what came, tick, keep the switches armed, wait."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple

from tidegate.execution.heartbeat import Heartbeat
from tidegate.live.feed import LiveFeed
from tidegate.live.machine import Machine
from tidegate.live.switches import Switches
from tidegate.model.times import format_time
from tidegate.venues.remote import RemoteGateway
from tidegate.venues.wire import News

Say = Callable[[str, dict[str, object]], None]


class Running(NamedTuple):
    """An engine with its prices and its session."""

    machine: Machine
    feed: LiveFeed
    gateway: RemoteGateway


class Rounds:
    """Goes round until it is stopped. `switches` is None where nothing may be sent."""

    def __init__(self, running: Running, switches: Switches | None, say: Say) -> None:
        self._running, self._switches, self._say = running, switches, say
        self._silence: str | None = None  # why the session does not answer
        self._silent: dict[str, str] = {}
        self._unknown: tuple[str, ...] = ()

    def run(self, heart: Heartbeat, tick_s: float) -> None:
        """Until SIGINT or SIGTERM; then end what is under way, and disarm."""
        done, feed = threading.Event(), self._running.feed

        def stop(number: int, frame: FrameType | None) -> None:
            done.set()
            feed.wake()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        while not done.is_set():
            began_s = time.monotonic()
            heart.beat(time.time_ns())
            self.once()
            if not done.is_set():
                feed.wait(max(0.0, tick_s - (time.monotonic() - began_s)))
        self._running.machine.stop()
        if self._switches is not None:
            self._switches.release()
        self._say("stopped", {})

    def once(self) -> None:
        """One round, where the session answers."""
        machine, feed, _ = self._running
        now_ms = self._now_ms()
        self._tell_session(now_ms if isinstance(now_ms, str) else None)
        if isinstance(now_ms, str):
            return
        feed.refresh(now_ms)
        self._tell_streams(feed)
        if self._switches is not None:
            self._tell_switches(self._switches, now_ms)
        machine.tick(now_ms, decides=not feed.unknown)

    def _now_ms(self) -> int | str:
        """The venues' time, or why there is none to go by."""
        news = self._running.gateway.news()
        if not isinstance(news, News):
            return news.reason
        ran_back = news.ts_ms < self._running.machine.ticked_ms
        return "its time ran back" if ran_back else news.ts_ms

    def _tell_session(self, silence: str | None) -> None:
        if silence != self._silence:
            told = {"is": "back"} if silence is None else {"is": "silent", "why": silence}
            self._say("session", dict(told))
        self._silence = silence

    def _tell_streams(self, feed: LiveFeed) -> None:
        for venue, why in feed.silent.items():
            if venue not in self._silent:
                self._say("stream", {"venue": venue, "is": "silent", "why": why})
        for venue in self._silent.keys() - feed.silent.keys():
            self._say("stream", {"venue": venue, "is": "back"})
        self._silent = dict(feed.silent)
        if feed.unknown != self._unknown:
            self._unknown = feed.unknown
            self._say("past", {"unknown": ", ".join(feed.unknown) or "none"})

    def _tell_switches(self, switches: Switches, now_ms: int) -> None:
        for venue, standing in switches.keep(now_ms).items():
            if standing.until_ms is not None:
                said: dict[str, object] = {"armed_until": format_time(standing.until_ms)}
            else:
                said = {"armed": "no", "why": standing.why_not}
            self._say("switch", {"venue": venue, **said})
