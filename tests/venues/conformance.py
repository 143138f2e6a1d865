# SPDX-License-Identifier: Apache-2.0
"""Writes docs/conformance.md: what real clients do on the paper servers, tried anew.

    python -m tests.venues.conformance

Each venue's module has `run`, which tries every case with the client as it is published and returns
its rows. A test holds each venue's section to what comes out now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"
# Title of a section: the module that tries its cases.
VENUES = {
    "Deribit": "tests.venues.deribit_server.cases",
    "Hyperliquid by ccxt": "tests.venues.hyperliquid_server.cases_ccxt",
    "Hyperliquid by its own SDK": "tests.venues.hyperliquid_server.cases_sdk",
}
HEAD = """# Conformance of the paper servers

Written by `python -m tests.venues.conformance`, which trades with the clients as they are
published, unmodified, on the local servers; a test compares each section with what comes out now.
"""


@dataclass(frozen=True)
class Row:
    """One thing that a client did: in words, its call, the venue's methods, and how it came out."""

    what: str
    call: str
    methods: str
    outcome: str


def section(title: str, client: str, rows: list[Row]) -> str:
    """A venue's section."""
    lines = [f"## {title}", "", f"Client: {client}.", "", "| what | call | method | outcome |"]
    lines.append("|---|---|---|---|")
    lines += [f"| {r.what} | `{r.call}` | {r.methods} | {r.outcome} |" for r in rows]
    done = sum(r.outcome == "yes" for r in rows)
    return "\n".join([*lines, "", f"{done} of {len(rows)} are met."]) + "\n"


def written(title: str) -> str:
    """A venue's section as the page has it; empty where it has none."""
    _, _, after = PAGE.read_text().partition(f"\n## {title}\n")
    return f"## {title}\n" + after.partition("\n## ")[0] if after else ""


def write() -> None:
    """Try every venue and write the page."""
    parts = [HEAD]
    for title, name in VENUES.items():
        module = import_module(name)
        run: Callable[[], list[Row]] = module.run
        parts.append(section(title, module.CLIENT, run()))
    PAGE.write_text("\n".join(parts))


if __name__ == "__main__":
    write()
