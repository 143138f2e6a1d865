# SPDX-License-Identifier: Apache-2.0
"""What `tidegate paper` does: serve simulated venues on loopback until their market ends."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tidegate.execution.secret_file import read_secret
from tidegate.risk.gate import Gate
from tidegate.venues.paper_market import paper_house, read_paper_file
from tidegate.venues.paper_server import Access, PaperServer
from tidegate.venues.toml_file import beside


def serve_paper(path: Path, as_json: bool) -> None:
    """Serve in real time; raises `InputError` where the settings cannot be used."""
    said = read_paper_file(path)
    trading, watching, key = (
        read_secret(beside(path, getattr(said.paper, name)))
        for name in ("trading_token", "watching_token", "gate_key")
    )
    began_ms, began_ns = time.time_ns() // 1_000_000, time.monotonic_ns()
    house = paper_house(said, Gate(key), began_ms, str(path))
    access = Access(trading, watching, said.paper.orders_per_s)

    def clock() -> int:
        return began_ms + (time.monotonic_ns() - began_ns) // 1_000_000

    with PaperServer(house, access, clock, said.paper.port) as server:
        where = {"port": server.port, "venues": sorted(said.venue)}
        line = json.dumps(where) if as_json else f"paper venues on 127.0.0.1:{server.port}"
        print(line, flush=True)
        while clock() < house.end_ms:
            time.sleep(0.2)
