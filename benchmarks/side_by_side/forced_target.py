# SPDX-License-Identifier: Apache-2.0
"""Ours with numba's target forced to AVX2: a second process that is asked for runs in turn.

The processor's name alone does not do it: numba adds what the machine at hand can to what the
named one can. Only with a list of features that is empty is nothing added.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from benchmarks.side_by_side.entries import Entry, Topic
from benchmarks.side_by_side.timing import Local, Run

AVX2_PROCESSOR = "haswell"


def cache_folder(name: str) -> str:
    """A folder for compiled code inside the environment, or a passing one if that is read-only."""
    folder = Path(sys.prefix) / "tidegate-bench" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return tempfile.mkdtemp(prefix="tidegate-bench-")
    return str(folder)


def forced_environment() -> dict[str, str]:
    """The environment in which numba compiles for AVX2 and nothing more."""
    return {
        **os.environ,
        "NUMBA_CPU_NAME": AVX2_PROCESSOR,
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": cache_folder("numba-avx2"),
    }


def numba_target() -> str:
    """What numba compiles for in this process: processor, and features named beside it."""
    from numba.core.registry import cpu_target

    _, processor, features = cpu_target.target_context.codegen().magic_tuple()
    wide = ",".join(name for name in features.split(",") if name.startswith("+avx512"))
    return f"{processor}, {wide or 'no AVX-512 named'}"


class Worker:
    """A process of ours that prepares, times and judges entries on request."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=60)

    def ask(self, **request: Any) -> Any:
        """The answer to one request. Raises: `RuntimeError` with what went wrong there."""
        pipes = self._process.stdin, self._process.stdout
        if pipes[0] is None or pipes[1] is None:
            raise RuntimeError("the worker has no pipes")
        pipes[0].write(json.dumps(request) + "\n")
        pipes[0].flush()
        answer = json.loads(pipes[1].readline() or '{"error": "the worker ended"}')
        if "error" in answer:
            raise RuntimeError(f"{request}: {answer['error']}")
        return answer["answer"]


@dataclass(frozen=True, slots=True)
class Forced:
    """An entry of ours as a contestant in a worker, which counts the time there."""

    name: str
    things: int
    topic: str
    entry: str
    worker: Worker

    def timed(self, calls: int) -> Run:
        answer = self.worker.ask(do="time", topic=self.topic, entry=self.entry, calls=calls)
        return Run(*answer)


def serve(requests: Iterable[str], replies: TextIO, topics: Sequence[Topic], quick: bool) -> None:
    """Answers requests, one line of JSON each, until there are no more."""
    desk = _Desk(topics, quick)
    for line in requests:
        request = json.loads(line)
        try:
            with redirect_stdout(sys.stderr):
                reply = {"answer": desk.answer(request)}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


class _Desk:
    """Cases and prepared entries are kept, so that a timed run is only that."""

    def __init__(self, topics: Sequence[Topic], quick: bool) -> None:
        self._topics = {topic.key: topic for topic in topics}
        self._quick = quick
        self._cases: dict[str, Any] = {}
        self._locals: dict[tuple[str, str], Local] = {}

    def answer(self, request: dict[str, Any]) -> Any:
        if request["do"] == "target":
            return numba_target()
        topic = self._topics[request["topic"]]
        entry = topic.entry(request["entry"])
        if topic.key not in self._cases:
            self._cases[topic.key] = topic.case(self._quick)
        if request["do"] == "judge":
            return topic.judge(self._cases[topic.key], entry)
        run = self._local(topic, entry).timed(request["calls"])
        return [run.cpu_s, run.wall_s]

    def _local(self, topic: Topic, entry: Entry) -> Local:
        key = (topic.key, entry.name)
        if key not in self._locals:
            prepared = entry.prepare(self._cases[topic.key])
            self._locals[key] = Local(entry.name, prepared.things, prepared.call)
        return self._locals[key]
