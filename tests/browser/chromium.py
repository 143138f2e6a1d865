# SPDX-License-Identifier: Apache-2.0
"""Debian's Chromium without a screen, driven over a pipe by its DevTools protocol.

Messages are JSON, each ended by a zero byte; Chromium reads file 3 and writes file 4.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE_S = 180.0
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-extensions", "--hide-scrollbars", "--force-color-profile=srgb"),
    # Nothing outside answers, whatever a page asks for.
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe"),
)
FAULTS = {
    "Runtime.exceptionThrown": lambda p: p["exceptionDetails"],
    "Runtime.consoleAPICalled": lambda p: p if p["type"] in ("error", "assert") else None,
    "Log.entryAdded": lambda p: p["entry"] if p["entry"]["level"] == "error" else None,
    "Network.loadingFailed": lambda p: p,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What opening a page showed: what went wrong, every address asked for, the answers to the
    questions put to the page, and its picture."""

    faults: tuple[str, ...]
    requests: tuple[str, ...]
    answers: tuple[Any, ...]
    png: bytes


class Chromium:
    """One browser; `open` looks at one page at a time."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._rest, self._next = b"", 0
        self._events: list[dict[str, Any]] = []

    def open(
        self, page: Path, width: int, questions: tuple[str, ...] = (), dark: bool = False
    ) -> Seen:
        """Open a file at a width in pixels, wait until it is drawn, and ask it."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        session = attached["sessionId"]
        self._events = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable", session)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", session, **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", session, features=[scheme])
        self._call("Page.navigate", session, url=page.resolve().as_uri())
        self._until("Page.loadEventFired")
        drawn = "new Promise(r => requestAnimationFrame(() => setTimeout(() => r(1), 100)))"
        self._ask(session, drawn)
        answers = tuple(self._ask(session, question) for question in questions)
        png = self._picture(session)
        self._call("Target.closeTarget", targetId=target)
        return Seen(self._faults(), self._requests(), answers, png)

    def _ask(self, session: str, expression: str) -> Any:
        said = self._call(
            "Runtime.evaluate",
            session,
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        return said["result"].get("value")

    def _picture(self, session: str) -> bytes:
        taken = self._call(
            "Page.captureScreenshot", session, format="png", captureBeyondViewport=True
        )
        return base64.b64decode(taken["data"])

    def _faults(self) -> tuple[str, ...]:
        told = (FAULTS[e["method"]](e["params"]) for e in self._events if e["method"] in FAULTS)
        return tuple(json.dumps(fault) for fault in told if fault)

    def _requests(self) -> tuple[str, ...]:
        sent = ("Network.requestWillBeSent", "Network.webSocketCreated")
        asked = [e["params"] for e in self._events if e["method"] in sent]
        return tuple(p.get("request", p)["url"] for p in asked)

    def _call(self, method: str, session: str | None = None, /, **params: Any) -> dict[str, Any]:
        self._next += 1
        number, asked = self._next, {"id": self._next, "method": method, "params": params}
        if session is not None:
            asked["sessionId"] = session
        os.write(self._send, json.dumps(asked).encode() + b"\0")
        while True:
            said = self._message()
            if said.get("id") == number:
                assert "error" not in said, f"{method}: {said['error']}"
                result: dict[str, Any] = said["result"]
                return result

    def _until(self, method: str) -> None:
        while all(event["method"] != method for event in self._events):
            self._message()

    def _message(self) -> dict[str, Any]:
        """The next message; an event is kept."""
        ends = time.monotonic() + PATIENCE_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._receive], [], [], ends - time.monotonic())
            assert ready, "chromium says nothing"
            read = os.read(self._receive, 1 << 20)
            assert read, "chromium has ended"
            self._rest += read
        text, _, self._rest = self._rest.partition(b"\0")
        said: dict[str, Any] = json.loads(text)
        if "method" in said:
            self._events.append(said)
        return said


@contextmanager
def chromium(profile: Path) -> Iterator[Chromium]:
    """A browser with a fresh profile in a folder; it ends with the block."""
    programme = shutil.which("chromium")
    assert programme, "found no chromium; `make test-browser` adds Debian's where it may"
    (to_read, send), (receive, to_write) = os.pipe(), os.pipe()

    def place() -> None:
        # Either may stand where the other must go, so both move out of the way first.
        ends = [os.dup2(end, 20 + i) for i, end in enumerate((to_read, to_write))]
        for place, end in zip((3, 4), ends, strict=True):
            os.dup2(end, place)

    process = subprocess.Popen(
        [programme, *FLAGS, f"--user-data-dir={profile}"],
        preexec_fn=place,
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_read), os.close(to_write)
    try:
        yield Chromium(send, receive)
    finally:
        os.close(send), os.close(receive)
        process.terminate()
        process.wait(PATIENCE_S)
