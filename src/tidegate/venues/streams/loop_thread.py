# SPDX-License-Identifier: Apache-2.0
"""An event loop on a thread of its own, beside a program that has none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

JOIN_S = 10.0
Work = Callable[[], Iterable[Coroutine[Any, Any, None]]]


class LoopThread:
    """Runs what `work` makes until `close`. What ends it before, which nothing should, is its
    `failure`; `ended` is called on the thread at its end, however it came."""

    def __init__(self, name: str, work: Work, ended: Callable[[], object]) -> None:
        self._work, self._ended = work, ended
        self.failure: BaseException | None = None
        self._begun = threading.Event()
        self._stop: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)

    def start(self) -> None:
        """Begin, and return once the loop runs."""
        self._thread.start()
        self._begun.wait()

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End all of it."""
        if self._thread.is_alive():
            self._stop()
            self._thread.join(JOIN_S)

    def _live(self) -> None:
        try:
            asyncio.run(self._run())
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self.failure = error
        finally:
            self._stop = lambda: None
            self._ended()

    async def _run(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._stop = lambda: _soon(loop, task.cancel)
        self._begun.set()
        async with asyncio.TaskGroup() as group:
            for part in self._work():
                group.create_task(part)


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Have a loop of another thread call something, unless it has just ended."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
