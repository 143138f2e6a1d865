# SPDX-License-Identifier: Apache-2.0
"""A connection on which all reading together must end at one moment.

A socket's own time-out starts anew with each byte, so that a peer who sends a byte at a time could
hold its reader for ever.
"""

from __future__ import annotations

import socket
import time
from typing import Any


class DeadlineSocket(socket.socket):
    """A connected socket whose reads raise `TimeoutError` at `deadline_s` of the steady clock."""

    deadline_s = 0.0

    def recv_into(self, *arguments: Any) -> int:
        """Read what there is, as of any socket, within the time that is left."""
        left_s = self.deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("not everything came in time")
        self.settimeout(left_s)
        return super().recv_into(*arguments)


def with_deadline(connection: socket.socket, deadline_s: float) -> DeadlineSocket:
    """The same connection with a deadline; the object that was given is of no more use."""
    timeout_s = connection.gettimeout()
    dated = DeadlineSocket(fileno=connection.detach())
    dated.settimeout(timeout_s)
    dated.deadline_s = deadline_s
    return dated
