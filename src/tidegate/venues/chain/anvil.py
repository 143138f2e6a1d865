# SPDX-License-Identifier: Apache-2.0
"""A node of one's own: anvil on a free port of loopback, which ends with its caller."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tidegate.model.errors import InputError
from tidegate.venues.chain.npm import anvil_package, fetch

CHAIN_ID = 31_337
_LISTENING = re.compile(r"^Listening on 127\.0\.0\.1:(\d+)", re.MULTILINE)
_START_S = 20.0


class Anvil:
    """One running node. Use it in `with`; `kill` ends it as a power cut would, `stop` lets it save.

    `options` are anvil's own, such as `--state FILE` or `--no-mining`.
    """

    def __init__(self, packages: Path, options: Sequence[str] = (), port: int = 0) -> None:
        """Starts it; `packages` is where npm's packages lie. Raises `InputError` if it ends."""
        binary = fetch(anvil_package(), packages) / "bin" / "anvil"
        fixed = ["--host", "127.0.0.1", "--port", str(port), "--chain-id", str(CHAIN_ID)]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed in stop and kill)
        self.process = subprocess.Popen(
            [str(binary), *fixed, *options],
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
        )
        try:
            self.port = self._await_port()
        except BaseException:  # Nobody holds it yet who could end it.
            self.kill()
            raise
        self.url = f"http://127.0.0.1:{self.port}"

    def _await_port(self) -> int:
        ends_s = time.monotonic() + _START_S
        while time.monotonic() < ends_s:
            if match := _LISTENING.search(self._text()):
                return int(match[1])
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        said = (self._text().strip().splitlines() or ["nothing"])[-1]
        raise InputError("anvil", "start", f"expected it to listen; its last line: {said}")

    def _text(self) -> str:
        self._said.seek(0)
        return self._said.read().decode(errors="replace")

    def kill(self) -> None:
        """Ends it at once; nothing is saved."""
        self.process.kill()
        self._ended()

    def stop(self) -> None:
        """Asks it to end, so that it saves its state where an option says so."""
        self.process.terminate()
        self._ended()

    def _ended(self) -> None:
        self.process.wait(timeout=_START_S)
        self._said.close()

    def __enter__(self) -> Anvil:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
