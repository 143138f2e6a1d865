# SPDX-License-Identifier: Apache-2.0
"""The three commands of a desk as three processes: they find each other, trade, and end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

pytest.importorskip("ccxt", reason="the extra `live` is not installed")
pytest.importorskip("aiohttp", reason="the extra `live` is not installed")

from tests.ended import runner
from tests.live.desk import write_desk
from tidegate.audit.replay import replay
from tidegate.backtest.claims import folder_checks


@contextmanager
def command(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until the context ends, and then must end by itself."""
    line = [sys.executable, "-m", "tidegate.cli", *words]
    errors = (folder / f"{words[0]}.err").open("w")
    with (
        errors,
        subprocess.Popen(line, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def said(process: subprocess.Popen[str]) -> dict[str, object]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "it ended without a word"
    return dict(json.loads(line))


@pytest.mark.soak
def test_paper_session_and_run_trade_as_processes_and_the_journal_is_sealed(tmp_path: Path) -> None:
    with ExitStack() as stack:
        words = ("paper", "both", "--seed", "7", "--speed", "4", "--no-limits", "--json")
        paper = stack.enter_context(command(tmp_path, *words, "--credentials", str(tmp_path)))
        where = said(paper)
        ports = [int(str(where[name]).rpartition(":")[2]) for name in ("hyperliquid", "deribit")]
        write_desk(tmp_path, (ports[0], ports[1]))
        session = stack.enter_context(
            command(tmp_path, "session", str(tmp_path / "session.toml"), "--json")
        )
        run = tmp_path / "run.toml"
        text, port = run.read_text(), said(session)["port"]
        run.write_text(text.replace("session_port = 8720", f"session_port = {port}"))
        mandate = str(tmp_path / "mandate.toml")
        engine = ("run", mandate, "--settings", str(run), "--json")
        with command(tmp_path, *engine) as running:
            assert said(running)["event"] == "started"
            ends_s = time.monotonic() + 60
            while b"hyperliquid:BTC" not in _log(tmp_path) or b'"Filled"' not in _log(tmp_path):
                assert time.monotonic() < ends_s, (tmp_path / "run.err").read_text()
                time.sleep(0.2)
            time.sleep(5)
        assert running.returncode == 0
        with command(tmp_path, *engine, "--seal") as sealing:
            assert said(sealing)["event"] == "sealed"
            assert sealing.wait(30) == 0
    assert session.returncode == 0
    journal = tmp_path / "desk.journal"
    assert [check for _, check in folder_checks(journal) if not check.passed] == []
    assert replay(journal).difference is None


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("--port", 65_535), "--port"),
        (("--crisis", "boom"), "--crisis"),
        (("--speed", "nan"), "--speed"),
    ],
)
def test_paper_venues_that_cannot_be_are_refused_and_no_keys_are_written(
    words: tuple[object, ...],
    field: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paper = runner(capsys, monkeypatch, "paper")
    ended = paper("both", "--credentials", tmp_path, *words)
    assert (ended.status, field in ended.err, ended.err.count("\n")) == (2, True, 1)
    assert list(tmp_path.iterdir()) == []


def _log(folder: Path) -> bytes:
    path = folder / "session.log.partial"
    return path.read_bytes() if path.exists() else b""
