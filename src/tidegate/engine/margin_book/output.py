# SPDX-License-Identifier: Apache-2.0
"""Printing to a reader that may go away, as `| head` does: that ends the command quietly, and never
with the status that says an account is below maintenance."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console

# What a shell reports of a program that a closed pipe has ended: 128 + SIGPIPE.
READER_GONE = 141


class PipeConsole(Console):
    """A console that ends the command where its reader went away."""

    def on_broken_pipe(self) -> NoReturn:
        """Called while the error is handled; the library's own ends with status 1."""
        end_quietly()


def console(width: int) -> Console:
    """The terminal, or lines of a width where there is none."""
    made = PipeConsole(highlight=False)
    return made if made.is_terminal else PipeConsole(width=width, highlight=False)


@contextmanager
def to_reader() -> Iterator[None]:
    """Everything printed inside has been read or ends the command quietly."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        end_quietly()


def end_quietly() -> NoReturn:
    """Ends the command; what is still buffered goes nowhere, so that no flush complains."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(READER_GONE)
