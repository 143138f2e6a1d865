# SPDX-License-Identifier: Apache-2.0
"""`tidegate run` over two paper venues, end to end: act, propose, die and go on, verify, replay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("ccxt", reason="the extra `live` is not installed")
pytest.importorskip("aiohttp", reason="the extra `live` is not installed")
pytest.importorskip("eth_account", reason="the extra `live` is not installed")

from tests.live.desk import agrees, desk, held
from tidegate.audit.replay import replay
from tidegate.backtest.claims import folder_checks
from tidegate.history.intake.public_http import public_fetch
from tidegate.history.intake.venue_answers import Busy
from tidegate.history.intake.venue_sources import Ask
from tidegate.live import run_command
from tidegate.live.rounds import Rounds
from tidegate.live.run_arguments import Asked
from tidegate.live.run_command import run_mandate
from tidegate.model.errors import InputError
from tidegate.model.replies import Leased
from tidegate.model.times import MINUTE_MS, SECOND_MS


def test_act_builds_a_hedged_book_dies_goes_on_and_its_journal_verifies_and_replays(
    tmp_path: Path,
) -> None:
    with desk(tmp_path) as found, found.session():
        running = found.engine()
        found.tick(running)
        assert running[0].desk._work is not None
        for _ in range(3):
            found.clock.pass_ms(SECOND_MS)
            found.tick(running)
        # The process is gone in the middle of its plan; what it knew is in its journal alone.
        running[0].record.journal.close()  # type: ignore[attr-defined]
        running = found.engine()
        found.passes(running, 5 * MINUTE_MS, 30 * SECOND_MS)
        agrees(running, found)
        assert held(found)
        running[0].seal()
    journal = tmp_path / "desk.journal"
    assert [check for _, check in folder_checks(journal) if not check.passed] == []
    again = replay(journal)
    assert again.difference is None
    assert again.decisions >= 2


def test_propose_tells_its_plans_and_sends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with desk(tmp_path) as found, found.session():
        found.change("mandate.toml", 'level = "act"', 'level = "propose"')
        running = found.engine()
        found.tick(running)
        found.passes(running, 2 * MINUTE_MS, MINUTE_MS)
        told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        (proposed,) = [one for one in told if one["event"] == "proposed"]
        actions = [action for step in proposed["steps"] for action in step]
        assert {action["instrument"] for action in actions} >= {
            "hyperliquid:BTC",
            "deribit:BTC_USDC-PERPETUAL",
        }
        assert held(found) == {}
        running[0].seal()
    assert replay(tmp_path / "desk.journal", resolves=False).difference is None


def test_engine_that_may_not_trade_is_refused_in_one_line_and_leaves_no_journal(
    tmp_path: Path,
) -> None:
    asked = Asked(tmp_path / "mandate.toml", tmp_path / "run.toml", None)
    with desk(tmp_path) as found:
        with found.session() as house:
            found.change("run.toml", 'token = "trading.token"', 'token = "watching.token"')
            with pytest.raises(InputError, match=r"engine\.token.*this token may look and cancel"):
                run_mandate(asked, as_json=True)
            found.change("run.toml", 'token = "watching.token"', 'token = "trading.token"')
            house._log.lease(Leased(1, "another"))
        with found.session(), pytest.raises(InputError, match="journal another has it"):
            run_mandate(asked, as_json=True)
    assert not list(tmp_path.glob("desk.journal*"))


def test_engine_to_which_no_past_is_told_waits_for_it_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(_: Ask) -> bytes:
        raise Busy("status 429")

    said: list[tuple[str, dict[str, object]]] = []
    with desk(tmp_path) as found, found.session():
        with monkeypatch.context() as patch:
            patch.setattr(run_command, "public_fetch", busy)
            running = found.engine()
        rounds = Rounds(running, None, lambda what, about: said.append((what, about)))
        rounds.once()
        assert running.machine.cycle.tally.decisions == 0
        past = running.feed._past
        past._fetch = public_fetch
        found.stream(running.feed)
        rounds.once()
        assert running.machine.cycle.tally.decisions == 1
        running.machine.record.journal.close()  # type: ignore[attr-defined]
    told = [str(about["unknown"]) for what, about in said if what == "past"]
    assert len(told) == 2
    assert "hyperliquid:BTC" in told[0]
    assert told[1] == "none"
