# SPDX-License-Identifier: Apache-2.0
"""Where runs are made: in this process, on processes of this machine, on a Dask cluster.

Each yields every task's answer once, in whatever order they come. What a run gives does not depend
on where it was made, since a task carries all that it needs.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for_end

from tidegate.backtest.sweep.task import Played, Task, failed, play_task
from tidegate.backtest.workers import workers

# Runs that wait at a process, so that it never does.
AHEAD = 2


class WorkerDied(Exception):
    """The process of a run ended before the run did."""

    def __init__(self) -> None:
        super().__init__("its process ended before it did; it may need more memory")


def on_this_process(tasks: Sequence[Task]) -> Iterator[Played]:
    """One after the other."""
    yield from map(play_task, tasks)


def on_processes(tasks: Sequence[Task], processes: int) -> Iterator[Played]:
    """On processes of this machine. Where one dies, the runs that it may have died of are made
    each by itself, and only one that ends its process again has that for its result."""
    left = deque(tasks)
    while left:
        doubted = yield from _until_broken(left, processes)
        for task in doubted:
            if (yield from _until_broken(deque([task]), 1)):
                yield Played(failed(task.key.id, WorkerDied(), final=False))


def _until_broken(left: deque[Task], processes: int) -> Generator[Played, None, list[Task]]:
    """Answers until all tasks are taken, or a process dies; returns those without an answer."""
    running: dict[Future[Played], Task] = {}
    with workers(min(processes, len(left)), end_with_parent) as submit:
        try:
            while left or running:
                while left and len(running) < processes * AHEAD:
                    running[submit(play_task, left[0])] = left[0]
                    left.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    answer = future.result()
                    del running[future]
                    yield answer
        except BrokenProcessPool:
            pass
    return list(running.values())


def end_with_parent() -> None:
    """End this process when the one that started it is gone, however it went: a worker waits for
    calls on a pipe of which it holds both ends, and would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_outlive_nobody, args=(parent.sentinel,), daemon=True).start()


def _outlive_nobody(sentinel: int) -> None:
    wait_for_end([sentinel])
    os._exit(1)
