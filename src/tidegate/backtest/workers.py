# SPDX-License-Identifier: Apache-2.0
"""Processes that work for this one: a Ctrl-C is this one's alone, and what is left ends with it."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from types import FrameType

INTERRUPT = {signal.SIGINT}
Submit = Callable[..., Future]  # type: ignore[type-arg]


@contextmanager
def workers(
    processes: int, start: Callable[..., None] | None = None, given: tuple[object, ...] = ()
) -> Iterator[Submit]:
    """What submits calls to processes, each of which first calls `start(*given)` if there is one;
    they are ended at once where the body raises, so that nothing writes any more."""
    others = multiprocessing.active_children()
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, start, given)  # type: ignore[arg-type]

    def submit(*call: object) -> Future[object]:
        with interrupt_waits():
            return pool.submit(*call)  # type: ignore[arg-type]

    try:
        yield submit
    except BaseException:
        with interrupt_waits():
            for child in multiprocessing.active_children():
                if child not in others:
                    child.terminate()
            pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


@contextmanager
def interrupt_waits() -> Iterator[None]:
    """Ctrl-C is told after the body. A process started in it inherits the mask before it imports
    anything, and never hears of Ctrl-C; the mask alone would not do here, since the kernel may
    choose another thread."""
    heard: list[tuple[int, FrameType | None]] = []
    main = threading.current_thread() is threading.main_thread()
    told = signal.getsignal(signal.SIGINT)
    if main:
        signal.signal(signal.SIGINT, lambda number, frame: heard.append((number, frame)))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if main:
            signal.signal(signal.SIGINT, told)
    if heard and callable(told):
        told(*heard[0])
