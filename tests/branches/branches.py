# SPDX-License-Identifier: Apache-2.0
"""Error branches of source files, read from the source: what is caught, suppressed and raised."""

from __future__ import annotations

import ast
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from tests.conftest import REPOSITORY

SOURCE = REPOSITORY / "src/tidegate"
FILES = (
    *sorted((SOURCE / "venues").glob("*.py")),
    *sorted((SOURCE / "venues/order_books").glob("*.py")),
    *sorted((SOURCE / "venues/payloads").glob("*.py")),
    # The streams' connection is broken in every way by tests of its own, over a real socket.
    SOURCE / "venues/streams/talk.py",
    *sorted((SOURCE / "journal").glob("*.py")),
    *(
        SOURCE / "execution" / f"{name}.py"
        for name in ("durable_file", "heartbeat", "latch", "operators", "secret_file")
    ),
    SOURCE / "audit/anchor.py",
    SOURCE / "model/parsing.py",
)


@dataclass(frozen=True, slots=True)
class Branch:
    """Where it lies, and the lines of which one runs when it is taken; `thrown`: where it is taken
    when an exception passes through them."""

    file: str
    lines: range
    thrown: bool = False


def branches() -> dict[str, Branch]:
    """All error branches, by file, function, what they do, and a number where that is the same.

    A `raise` that always follows in a handler is that handler's; all others count by themselves.
    """
    found = dict[str, Branch]()
    for path in FILES:
        names = Counter[str]()
        for name, branch in _of(ast.parse(path.read_text(encoding="utf-8")), str(path), ""):
            names[name] += 1
            number = f" {names[name]}" if names[name] > 1 else ""
            found[f"{path.relative_to(SOURCE)} {name}{number}"] = branch
    return found


def _of(node: ast.AST, file: str, function: str) -> Iterator[tuple[str, Branch]]:
    for child in ast.iter_child_nodes(node):
        inside = child.name if isinstance(child, ast.FunctionDef) else function
        if isinstance(child, ast.ExceptHandler) and child.type is not None:
            first = child.body[0]
            yield f"{function}: except {ast.unparse(child.type)}", Branch(file, _lines(first))
        follows = isinstance(node, ast.ExceptHandler)
        if isinstance(child, ast.Raise) and not follows:
            yield f"{function}: raise {_raised(child)}", Branch(file, _lines(child))
        if isinstance(child, ast.With):
            for item in child.items:
                if (said := ast.unparse(item)).startswith("suppress("):
                    yield f"{function}: {said}", Branch(file, _lines(child.body[0]), True)
        yield from _of(child, file, inside)


def _raised(node: ast.Raise) -> str:
    made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return "" if made is None else ast.unparse(made)


def _lines(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


class Seen:
    """Lines that ran, and those through which an exception passed."""

    def __init__(self) -> None:
        self.ran = set[tuple[str, int]]()
        self.threw = set[tuple[str, int]]()

    def took(self, branch: Branch) -> bool:
        """Whether the branch was taken."""
        seen = self.threw if branch.thrown else self.ran
        return any((branch.file, line) in seen for line in branch.lines)


def untraced(call: Callable[[str], Any]) -> Callable[[str], Any]:
    """The same call, within which nothing is noted: at the end of the stack a tracer would fail
    too, and be switched off for good."""

    def called(text: str) -> Any:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return call(text)
        finally:
            sys.settrace(tracer)

    return called


@contextmanager
def watched() -> Iterator[Seen]:
    """Note which lines of the files run here and in threads that start meanwhile."""
    seen, files = Seen(), {str(path) for path in FILES}

    def local(frame: FrameType, event: str, _given: Any) -> Any:
        place = frame.f_code.co_filename, frame.f_lineno
        if event == "line":
            seen.ran.add(place)
        elif event == "exception":
            seen.threw.add(place)
        return local

    def calls(frame: FrameType, _event: str, _given: Any) -> Any:
        return local if frame.f_code.co_filename in files else None

    before, before_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(calls)
    threading.settrace(calls)
    try:
        yield seen
    finally:
        sys.settrace(before)
        threading.settrace(before_threads)
