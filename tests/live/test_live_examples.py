# SPDX-License-Identifier: Apache-2.0
"""The example desk's files read, and agree with each other and with what the paper venues list."""

from __future__ import annotations

from pathlib import Path

from tidegate.backtest.arrangement import Arrangement, arrange
from tidegate.backtest.provenance import NoTables
from tidegate.history.window import Window
from tidegate.live.settings import read_run_file
from tidegate.model.instruments import Contract, Perpetual
from tidegate.model.mandate import read_mandate
from tidegate.model.times import DAY_MS
from tidegate.venues.deribit_server.contracts import PERPETUALS
from tidegate.venues.exchanges.settings import read_session_file, venue_of

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "live"
# 30 November 2026.
NOW_MS = 20_787 * DAY_MS


def arranged() -> Arrangement:
    path = FOLDER / "mandate.toml"
    mandate = read_mandate(path.read_text(encoding="utf-8"), path.name)
    return arrange(mandate, NoTables(), Window(NOW_MS, NOW_MS + DAY_MS), path.name)


def test_session_of_the_example_knows_the_mandates_contracts_to_the_step() -> None:
    path = FOLDER / "session.toml"
    said = read_session_file(path)
    told: dict[str, Contract] = {}
    for name, venue in said.venue.items():
        told |= {c.id: c for c in venue_of(name, venue, str(path)).contracts.values()}
    assert told == arranged().terms.instruments
    assert set(said.policy.instruments) == told.keys()


def test_run_of_the_example_asks_the_sessions_port_and_the_same_servers() -> None:
    run, session = (read_run_file(FOLDER / "run.toml"), read_session_file(FOLDER / "session.toml"))
    assert run.engine.session_port == session.session.port
    assert {n: m.url for n, m in run.market.items()} == {n: v.url for n, v in session.venue.items()}
    assert run.market.keys() == arranged().mandate.venue.keys()


def test_contracts_of_the_example_have_the_paper_venues_steps() -> None:
    listed = {("deribit", one.instrument.symbol): one.instrument for one in PERPETUALS}
    listed |= {("hyperliquid", one.name): one.contract for one in hyperliquid_coins()}
    for one in arranged().terms.instruments.values():
        assert isinstance(one, Perpetual)
        paper = listed[one.venue, one.symbol]
        assert (one.tick, one.lot, one.settle) == (paper.tick, paper.lot, paper.settle)
        assert not paper.inverse


def hyperliquid_coins() -> tuple[object, ...]:
    from tidegate.venues.hyperliquid_server.listing import coins

    return coins()
