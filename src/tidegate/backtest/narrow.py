# SPDX-License-Identifier: Apache-2.0
"""Tables on narrow terminals: a column is left out whole before any figure is cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

WIDEST = 1_000


def console_of(width: int) -> Console:
    """Standard output; what is piped has no width of its own and is given one."""
    console = Console()
    return console if console.is_terminal else Console(width=width)


def fitting(
    console: Console,
    columns: Sequence[str],
    spared: Sequence[str],
    made: Callable[[Sequence[str]], Table],
) -> list[str]:
    """The columns of which a table fits the console; `spared` go first to last."""
    kept, left = list(columns), list(spared)
    wide = console.options.update(width=WIDEST, max_width=WIDEST)
    while left and Measurement.get(console, wide, made(kept)).maximum > console.width:
        kept.remove(left.pop(0))
    return kept
