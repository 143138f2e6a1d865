# SPDX-License-Identifier: Apache-2.0
"""Runs on the machines of a Dask cluster, or of one made on this machine for the sweep.

Whoever can reach a cluster's scheduler can run code on it. The one made here listens on loopback
behind a certificate of its own; the safety of another is its owner's.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any

from tidegate.backtest.sweep.executors import AHEAD, WorkerDied
from tidegate.backtest.sweep.task import Played, Task, failed, play_task
from tidegate.backtest.workers import interrupt_waits
from tidegate.model.errors import InputError

LOCAL = "local"
CONNECT_S = 10
WORKERS_S = 30
FIELD = "--cluster"


def on_cluster(tasks: Sequence[Task], address: str, processes: int) -> Iterator[Played]:
    """On the cluster at an address, or on one of `processes` made here where it is `local`."""
    with _client(address, processes) as client:
        yield from _answers(client, deque(tasks))


def _answers(client: Any, left: deque[Task]) -> Iterator[Played]:
    import distributed

    known: dict[str, Task] = {}

    def submit() -> Any:
        task = left.popleft()
        known[task.key.id] = task
        return client.submit(play_task, task, key=task.key.id, pure=False, retries=0)

    slots = max(1, sum(client.nthreads().values())) * AHEAD
    first = [submit() for _ in range(min(slots, len(left)))]
    coming = distributed.as_completed(first, loop=client.loop)
    for future in coming:
        yield _answer(future, known.pop(future.key))
        if left:
            coming.add(submit())


def _answer(future: Any, task: Task) -> Played:
    import distributed

    if future.status == "finished":
        answer: Played = future.result()
        return answer
    error = future.exception() if future.status == "error" else None
    if isinstance(error, distributed.KilledWorker):
        return Played(failed(task.key.id, WorkerDied(), final=False))
    told = f"{type(error).__name__}: {' '.join(str(error).split())}" if error else future.status
    raise InputError(FIELD, "a run", f"expected its answer, got {told}")


@contextmanager
def _client(address: str, processes: int) -> Iterator[Any]:
    if find_spec("distributed") is None:
        expected = "expected the extra of that name: pip install 'tidegate[cluster]'"
        raise InputError(FIELD, "cluster", expected)
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
    with ExitStack() as open_now:
        # Its processes inherit that Ctrl-C is not theirs.
        with interrupt_waits():
            place: Any = address
            if address == LOCAL:
                place = open_now.enter_context(_local(processes))
            client = open_now.enter_context(_connected(place, address))
        yield client


def _local(processes: int) -> Any:
    import distributed

    return distributed.LocalCluster(
        n_workers=processes,
        threads_per_worker=1,
        processes=True,
        security=True,
        dashboard_address=None,
        silence_logs=logging.CRITICAL + 1,
    )


def _connected(place: Any, address: str) -> Any:
    import distributed

    try:
        if place == address:
            asyncio.run(_reach(address))
        client = distributed.Client(place, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        expected = f"expected a Dask scheduler such as tcp://host:8786; {_unreached(error)}"
        raise InputError(FIELD, address, expected) from None
    try:
        client.wait_for_workers(1, timeout=WORKERS_S)
    except TimeoutError:
        client.close()
        raise InputError(FIELD, address, "expected at least one worker") from None
    return client


def _unreached(error: Exception) -> str:
    """In words what came of the address."""
    if isinstance(error, ValueError):
        return "this is no address of one"
    waited = isinstance(error, TimeoutError) or "Timed out" in str(error)
    return (
        f"nobody answered there within {CONNECT_S} s" if waited else "nothing can be reached there"
    )


async def _reach(address: str) -> None:
    """Whether anybody answers, before a client is made that would not end quietly."""
    import distributed
    from distributed.comm.core import connect

    given = distributed.Security().get_connection_args("client")
    comm = await connect(address, timeout=CONNECT_S, **given)
    comm.abort()
