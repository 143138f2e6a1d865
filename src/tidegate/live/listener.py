# SPDX-License-Identifier: Apache-2.0
"""Wakes the engine when a venue has said something of our account, so that fills are booked soon.

It asks the session on a thread of its own and tells nobody what was said: the round that it wakes
asks the venues, as every round does. While nobody answers, rounds come at their ordinary pace.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from tidegate.venues.remote import RemoteGateway
from tidegate.venues.wire import Heard

# How long one question waits; between two rounds that are woken, at least; after a failure.
LONGEST_S, LEAST_S, RETRY_S = 1.0, 0.25, 1.0
JOIN_S = 5.0


class Listener:
    """Use it as a context. `heard` is what was heard last, `wakes` how often a round was called
    early for it, `failures` how often the session did not say."""

    def __init__(self, gateway: RemoteGateway, wake: Callable[[], None]) -> None:
        self._gateway, self._wake = gateway, wake
        self.heard = Heard(0, {}, {})
        self.wakes = self.failures = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._live, name="listener", daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(JOIN_S)

    def _live(self) -> None:
        while not self._done.is_set():
            self._done.wait(self._once())

    def _once(self) -> float:
        """Ask once; for how long nothing is to be asked then."""
        reply = self._gateway.heard(self.heard.total, LONGEST_S)
        if not isinstance(reply, Heard):
            self.failures += 1
            return RETRY_S
        if reply.total == self.heard.total:
            return 0.0
        self.heard = reply
        self.wakes += 1
        self._wake()
        return LEAST_S
