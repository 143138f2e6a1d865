# SPDX-License-Identifier: Apache-2.0
"""The kill switch between processes: it stops a hung engine, and the commands say what is so."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.venues.drill import GATE, NOW, TRADE, WATCH, house, slow
from tests.venues.processes import Files, Processes, wait_until
from tidegate.cli import main
from tidegate.execution.latch import Latch
from tidegate.execution.operators import public_key
from tidegate.execution.secret_file import read_secret
from tidegate.journal.reader import read_frames
from tidegate.model.errors import InputError
from tidegate.model.replies import Statement
from tidegate.model.units import MICRO
from tidegate.venues.paper_market import paper_house, read_paper_file
from tidegate.venues.paper_server import Access, PaperServer
from tidegate.venues.remote import RemoteGateway
from tidegate.venues.watchdog_command import run_watchdog
from tidegate.venues.watchdog_file import read_watchdog_file


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    made.close()


def working(drill: Processes, port: int) -> int:
    token = read_secret(drill.folder / "watching.token")
    said = RemoteGateway(port, token, ("alpha", "beta"), 20.0).statement("alpha")
    assert isinstance(said, Statement)
    return len(said.working)


def test_hung_engine_is_stopped_its_orders_cancelled_and_it_sends_none_when_it_wakes(
    drill: Processes,
) -> None:
    port = drill.open_venues(silence_s=600)
    watchdog, engine = drill.start_watchdog(), drill.start_engine(port)
    drill.await_watchdog()
    wait_until(lambda: working(drill, port) >= 5)
    engine.send_signal(signal.SIGSTOP)
    # These fill in an hour only; one that was on its way when the engine stopped may be added.
    resting = working(drill, port)
    status, said = drill.kill("--wait", "30")
    assert status == 0
    assert said["venues"]["alpha"]["cancelled"] >= resting >= 5
    assert working(drill, port) == 0
    before = (drill.folder / "engine.beat").stat().st_mtime_ns
    engine.send_signal(signal.SIGCONT)
    wait_until(lambda: (drill.folder / "engine.beat").stat().st_mtime_ns > before + 50_000_000)
    kill = drill.latch.kill()
    assert kill is not None
    # A process may be stopped between its last look at the latch and the sending.
    assert sum(asked_us > 1_000 * kill.ts_ms for asked_us, _, _ in drill.orders()) <= 1
    wait_until(lambda: working(drill, port) == 0)
    watchdog.send_signal(signal.SIGTERM)
    _, alarms = watchdog.communicate(timeout=20)
    assert "STOPPED by anna: drill" in alarms
    (journal,) = (drill.folder / "journals").glob("*.journal")
    assert "confirmed" in {frame.kind for frame in read_frames(journal)}


Tidegate = Callable[..., int]


@pytest.fixture
def tidegate(monkeypatch: pytest.MonkeyPatch) -> Tidegate:
    """Runs one command in this process; its exit status."""
    monkeypatch.delenv("TIDEGATE_LATCH", raising=False)

    def run(*words: str) -> int:
        monkeypatch.setattr("sys.argv", ["tidegate", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run


def test_kill_without_watchdog_says_so_and_with_its_settings_cancels_by_itself(
    tmp_path: Path, tidegate: Tidegate, capsys: pytest.CaptureFixture[str]
) -> None:
    files, venues = Files(tmp_path), house()
    for approval in slow(3):
        venues.place(approval)
    with PaperServer(venues, Access(TRADE, WATCH), clock=None) as server:
        settings = files.write_settings(server.port, silence_s=600)
        latch = ("--latch", str(files.latch.folder), "--json")
        assert tidegate("kill", *latch, "--wait", "0") == 1
        said = capsys.readouterr()
        assert json.loads(said.out) == {"stopped": True, "quiet": False, "venues": None}
        assert "NO WATCHDOG LIVES" in said.err
        assert len(venues.statement("alpha").working) == 3
        assert tidegate("kill", "--config", str(settings), "--json") == 0
        assert json.loads(capsys.readouterr().out)["venues"]["alpha"]["cancelled"] == 3
    assert venues.statement("alpha").working == ()
    assert tidegate("kill", "--config", str(settings), "--json", "--wait", "0") == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["venues"]["alpha"]["left"] is None
    assert "alpha: cancel all: unclear" in said.err


def test_kill_where_there_is_no_latch_stops_nothing_says_so_and_cancels_all_the_same(
    tmp_path: Path, tidegate: Tidegate, capsys: pytest.CaptureFixture[str]
) -> None:
    files, venues = Files(tmp_path), house()
    for approval in slow(3):
        venues.place(approval)
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder in (empty, tmp_path / "mistyped"):
        assert tidegate("kill", "--latch", str(folder), "--wait", "0") == 2
        said = capsys.readouterr()
        assert "STOPPED" not in said.out
        assert f"{folder}: latch: expected a folder that holds a latch" in said.err
        assert tidegate("latch", str(folder)) == 2
    with PaperServer(venues, Access(TRADE, WATCH), clock=None) as server:
        settings = files.write_settings(server.port, silence_s=600)
        settings.write_text(settings.read_text().replace('latch = "latch"', 'latch = "empty"'))
        capsys.readouterr()
        assert tidegate("kill", "--config", str(settings), "--json") == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["stopped"] is False
    assert "NOTHING IS STOPPED" in said.err
    assert venues.statement("alpha").working == ()
    assert list(empty.iterdir()) == []


def test_kill_of_another_latch_than_the_settings_name_is_refused(
    tmp_path: Path,
    tidegate: Tidegate,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Files(tmp_path).write_settings(port=1, silence_s=600)
    other = Files(tmp_path / "other").latch
    words = ("kill", "--config", str(settings), "--wait", "0")
    assert tidegate(*words, "--latch", str(other.folder)) == 2
    assert "NOTHING IS STOPPED" in capsys.readouterr().err
    monkeypatch.setenv("TIDEGATE_LATCH", str(other.folder))
    assert tidegate(*words) == 2
    assert not other.is_set()
    assert tidegate(*words, "--latch", str(tmp_path / "other" / ".." / "latch")) == 1
    assert Latch(tmp_path / "latch").is_set()


def test_kill_with_settings_that_cannot_be_used_sets_the_latch_it_was_given(
    tmp_path: Path, tidegate: Tidegate
) -> None:
    latch = Files(tmp_path).latch
    assert tidegate("kill", "--latch", str(latch.folder), "--config", "absent.toml") == 2
    assert latch.is_set()


def test_latch_is_made_killed_shown_and_lifted_by_two_from_the_command_line(
    tmp_path: Path, tidegate: Tidegate, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, lines = str(tmp_path / "latch"), []
    assert tidegate("latch", folder, "--new") == 0
    for name in ("anna", "bert"):
        capsys.readouterr()
        assert tidegate("latch", "--new-key", str(tmp_path / f"{name}.key")) == 0
        made = capsys.readouterr().out
        assert public_key(read_secret(tmp_path / f"{name}.key")).hex() in made
        lines.append(made.replace("NAME", name))
    (tmp_path / "latch" / "operators.toml").write_text("[operators]\n" + "".join(lines))
    assert tidegate("kill", "--latch", folder, "--why", "drill", "--wait", "0") == 1
    capsys.readouterr()
    assert tidegate("latch", folder, "--json") == 1
    assert json.loads(capsys.readouterr().out)["last_kill"]["why"] == "drill"
    for name, status in (("anna", 1), ("bert", 0)):
        key = tmp_path / f"{name}.key"
        assert tidegate("resume", "--latch", folder, "--who", name, "--key", str(key)) == status
        said = capsys.readouterr()
        assert read_secret(key).hex() not in said.out + said.err
    assert tidegate("latch", folder) == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("kill",), "tidegate: latch: expected --latch FOLDER, or TIDEGATE_LATCH"),
        (("watchdog", "absent.toml"), "absent.toml: file: expected a readable file"),
        (("paper", "absent.toml"), "absent.toml: file: expected a readable file"),
    ],
)
def test_command_with_bad_input_says_so_in_one_line(
    words: tuple[str, ...],
    complaint: str,
    tidegate: Tidegate,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tidegate(*words) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('latch = "nowhere"', "watchdog.latch: expected a folder that holds a latch"),
        ("silence_limit_s = 0.1", "watchdog.silence_limit_s: expected `float` >= 0.5"),
        ("port = 0", "session[0].port: expected `int` >= 1"),
        ('token = "nowhere"', "secret: expected a readable file"),
        ('venues = ["alpha", "alpha"]', "session: expected every venue in one session"),
        ("poll_s = 1", "watchdog: object contains unknown field `poll_s`"),
    ],
)
def test_watchdog_with_bad_settings_names_the_field(
    tmp_path: Path, line: str, expected: str
) -> None:
    settings = Files(tmp_path).write_settings(port=1, silence_s=600)
    name = line.split(" = ")[0]
    text = settings.read_text()
    wrong = re.sub(rf"^{name} = .*$", line, text, flags=re.MULTILINE)
    settings.write_text(wrong if wrong != text else text.replace("[[", f"{line}\n[["))
    with pytest.raises(InputError) as refused:
        run_watchdog(settings, goes_on=lambda: False)
    assert expected in str(refused.value)


def test_watchdog_of_a_folder_without_a_latch_refuses_and_cancels_nothing(tmp_path: Path) -> None:
    """An empty folder reads as a latch that is set."""
    files, venues = Files(tmp_path), house()
    for approval in slow(3):
        venues.place(approval)
    empty = tmp_path / "empty"
    empty.mkdir()
    with PaperServer(venues, Access(TRADE, WATCH), clock=None) as server:
        settings = files.write_settings(server.port, silence_s=600)
        text = settings.read_text()
        settings.write_text(re.sub(r"^latch = .*$", f'latch = "{empty}"', text, flags=re.MULTILINE))
        with pytest.raises(InputError, match="expected a folder that holds a latch"):
            run_watchdog(settings, goes_on=iter([True] * 5 + [False]).__next__)
    assert len(venues.statement("alpha").working) == 3
    assert not (empty / "watchdog.beat").exists()


def test_settings_of_the_example_can_be_used() -> None:
    folder = REPOSITORY / "examples" / "drill"
    said, watch = (
        read_paper_file(folder / "paper.toml"),
        read_watchdog_file(folder / "watchdog.toml"),
    )
    (session,) = watch.session
    assert (session.port, set(session.venues)) == (said.paper.port, set(said.venue))
    made = paper_house(said, GATE, NOW, "paper.toml")
    assert made.statement("beta").account.balances == {"USDC": 500_000 * MICRO}
