# SPDX-License-Identifier: Apache-2.0
"""The example desk's files read, and agree with each other and with what the paper venues list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tidegate.backtest.arrangement import Arrangement, arrange
from tidegate.backtest.provenance import NoTables
from tidegate.history.window import Window
from tidegate.live.settings import read_run_file
from tidegate.model.errors import InputError
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
    listing = pytest.importorskip("tidegate.venues.hyperliquid_server.listing")
    listed = {("deribit", one.instrument.symbol): one.instrument for one in PERPETUALS}
    listed |= {("hyperliquid", one.name): one.contract for one in listing.coins()}
    for one in arranged().terms.instruments.values():
        assert isinstance(one, Perpetual)
        paper = listed[one.venue, one.symbol]
        assert (one.tick, one.lot, one.settle) == (paper.tick, paper.lot, paper.settle)
        assert not paper.inverse


@pytest.mark.parametrize(
    ("name", "kind", "read"),
    [("session.toml", "venue", read_session_file), ("run.toml", "market", read_run_file)],
)
def test_venue_under_another_name_than_its_kind_is_refused_by_its_field(
    tmp_path: Path, name: str, kind: str, read: Callable[[Path], object]
) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    (tmp_path / name).write_text(text.replace(f"[{kind}.deribit", f"[{kind}.other"))
    with pytest.raises(InputError, match=rf"{kind}\.other\.kind"):
        read(tmp_path / name)
