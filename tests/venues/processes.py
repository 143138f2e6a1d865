# SPDX-License-Identifier: Apache-2.0
"""A drill in a folder: venues, watchdog and engine as processes of their own, and their files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.venues.drill import KEY, TRADE, WATCH
from tidegate.execution.latch import Latch
from tidegate.execution.operators import new_key, public_key
from tidegate.execution.secret_file import write_secret

PAPER = """
[paper]
trading_token = "trading.token"
watching_token = "watching.token"
gate_key = "gate.key"
[venue.alpha]
capital = "500000"
collateral = "USDT"
device_s = [5, 300]
contracts = [{ symbol = "BTCUSDT", base = "BTC", price = "60000", fill_after_s = 3600 }]
[venue.beta]
capital = "500000"
contracts = [{ symbol = "BTC", base = "BTC", price = "60000", tick = "1", lot = "0.00001" }]
"""
WATCHDOG = """
[watchdog]
latch = "latch"
heartbeat = "engine.beat"
journals = "journals"
silence_limit_s = {silence_s}
[[session]]
port = {port}
token = "watching.token"
timeout_s = 20
venues = ["alpha", "beta"]
"""
OPERATORS = ("anna", "bert")


class Files:
    """What a drill needs on disk: a latch with two operators, secrets and settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.latch = Latch.create(folder / "latch")
        for name, secret in (("trading", TRADE), ("watching", WATCH)):
            write_secret(folder / f"{name}.token", secret)
        write_secret(folder / "gate.key", KEY)
        self.keys = {name: new_key() for name in OPERATORS}
        lines = [f'{name} = "{public_key(key).hex()}"' for name, key in self.keys.items()]
        (folder / "latch" / "operators.toml").write_text("[operators]\n" + "\n".join(lines))
        (folder / "paper.toml").write_text(PAPER)

    def write_settings(self, port: int, silence_s: float) -> Path:
        """The watchdog's settings."""
        settings = self.folder / "watchdog.toml"
        settings.write_text(WATCHDOG.format(port=port, silence_s=silence_s))
        return settings


class Processes(Files):
    """Starts what is asked for and ends all of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.running = list[subprocess.Popen[str]]()

    def start(self, *words: str) -> subprocess.Popen[str]:
        begun = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=REPOSITORY,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(begun)
        return begun

    def open_venues(self, silence_s: float) -> int:
        """Start the paper venues; the port, also written into the watchdog's settings."""
        paper = self.start("tidegate.cli", "paper", str(self.folder / "paper.toml"), "--json")
        assert paper.stdout is not None
        port = int(json.loads(paper.stdout.readline())["port"])
        self.write_settings(port, silence_s)
        return port

    def start_watchdog(self) -> subprocess.Popen[str]:
        return self.start("tidegate.cli", "watchdog", str(self.folder / "watchdog.toml"))

    def start_engine(self, port: int) -> subprocess.Popen[str]:
        return self.start("tests.venues.drill_engine", str(self.folder), str(port))

    def kill(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Run `tidegate kill`; its exit status and what it printed."""
        latch = str(self.folder / "latch")
        done = run("kill", "--latch", latch, "--who", "anna", "--why", "drill", "--json", *words)
        return done.returncode, json.loads(done.stdout)

    def orders(self) -> list[tuple[int, int, str]]:
        """Orders that the engine sent: asked and answered (microseconds), and the word on them."""
        log = self.folder / "orders.log"
        lines = log.read_text().splitlines(keepends=True) if log.exists() else []
        rows = [line.split() for line in lines if line.endswith("\n")]
        return [(int(asked), int(answered), word) for asked, answered, word in rows]

    def await_orders(self, count: int) -> None:
        wait_until(lambda: len(self.orders()) >= count)

    def await_watchdog(self) -> None:
        beat = self.folder / "latch" / "watchdog.beat"
        wait_until(beat.exists)

    def close(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.running:
            process.communicate(timeout=20)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "tidegate.cli", *words],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(REPOSITORY / "src"), os.environ.get("PYTHONPATH", "")])
    kept = {name: value for name, value in os.environ.items() if name != "TIDEGATE_LATCH"}
    return {**kept, "PYTHONPATH": path}


def wait_until(holds: Callable[[], bool], limit_s: float = 60.0) -> None:
    """Return once something holds; fail where it never does."""
    until_s = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > until_s:
            pytest.fail("waited in vain")
        time.sleep(0.01)
