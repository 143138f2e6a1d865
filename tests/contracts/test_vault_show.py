# SPDX-License-Identifier: Apache-2.0
"""`tidegate vault show` on a chain in this process, and what it says of bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.edge_bench import USD, Bench, rest
from tests.contracts.test_edge import on_a_vault
from tidegate.cli import main
from tidegate.live.vault import show_command
from tidegate.live.vault.show_command import Asked, document
from tidegate.model.errors import InputError
from tidegate.venues.vault.deploying import Deployer

pytestmark = pytest.mark.contracts


async def _lived(bench: Bench) -> None:
    """Two venues, an order, and a holder who waits with a quarter of his shares."""
    edge = await bench.edge()
    await edge.submit("one", *await bench.order(bench.move(0, 300 * USD), bench.move(1, 200 * USD)))
    await bench.settle("one")
    holder, deployer = await bench.sender("holder"), Deployer(bench.node, bench.mine)
    asked = 250 * USD * 10**6, holder.address, holder.address
    vault = "CapitalVault", bench.vault
    await deployer.call(holder, "leave", *vault, "requestRedeem", *asked)


def test_show_tells_price_places_headroom_queue_and_head_as_the_chain_has_them(
    tmp_path: Path,
) -> None:
    async def test(bench: Bench) -> None:
        await _lived(bench)
        shown = await show_command.read(bench.node, Asked("", bench.vault.lower()))
        told = document(shown)
        assert told["share_price"] == 1.0
        assert (told["idle_quanta"], told["total_quanta"]) == (500 * USD, 1_000 * USD)
        assert [venue["value_quanta"] for venue in told["venues"]] == [300 * USD, 200 * USD]
        assert [venue["headroom_quanta"] for venue in told["venues"]] == [300 * USD, 400 * USD]
        holder = bench.key("holder").address
        assert told["waiting_shares"] == {holder: 250 * USD * 10**6}
        assert told["claims_quanta"] == {}
        assert (told["symbol"], told["nonce"], told["anchor_count"]) == ("TUSD", 1, 1)
        at = (await bench.node.block()).number
        anchor = await bench.node.view("CapitalVault", bench.vault, "anchor", at=at)
        head = await bench.node.view("AuditAnchor", anchor, "head", bench.vault, at=at)
        assert told["anchor_head"] == "0x" + bytes(head).hex()
        words = "\n".join(show_command._lines(shown))
        assert f"{holder} waits to leave with 250.00 shares" in words
        assert told["anchor_head"] in words

    on_a_vault(tmp_path, test)


def test_show_finds_the_block_of_the_vault_and_reads_behind_the_head(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        assert bench.made is not None
        assert await show_command._made_at(bench.node, bench.vault) == bench.made.first_block
        await rest(bench)
        before = (await bench.node.block()).number
        await _lived(bench)
        depth = (await bench.node.block()).number - before
        state = (await show_command.read(bench.node, Asked("", bench.vault, depth))).state
        assert (state.block_number, state.nonce) == (before, 0)
        assert state.idle_quanta == 1_000 * USD

    on_a_vault(tmp_path, test)


def test_show_of_an_address_without_a_vault_is_refused(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        for address in (bench.key("holder").address, bench.token):
            with pytest.raises(InputError, match="expected a vault there"):
                await show_command.read(bench.node, Asked("", address))
        with pytest.raises(InputError, match="40 hexadecimal digits"):
            await show_command.read(bench.node, Asked("", "0x12"))

    on_a_vault(tmp_path, test)


@pytest.mark.parametrize(
    ("rpc", "says"),
    [
        ("http://node.example/key", "expected https, or http on loopback"),
        ("http://127.0.0.1:9", "expected an answer"),
    ],
)
def test_show_by_a_node_that_is_refused_or_absent_says_one_line_and_exits_with_two(
    rpc: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    vault = "0x" + "11" * 20
    monkeypatch.setattr("sys.argv", ["tidegate", "vault", "show", "--rpc", rpc, "--vault", vault])
    with pytest.raises(SystemExit) as ended:
        main()
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert says in line
    assert "key" not in line


def test_show_where_logs_and_contracts_differ_says_so_and_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def differs(asked: Asked) -> Any:
        raise show_command.Disagreement("idle", 1, 2)

    monkeypatch.setattr(show_command, "_read", differs)
    assert not show_command.run_show(Asked("", ""), as_json=True)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"tidegate vault show: {show_command.Disagreement('idle', 1, 2)}\n"
    assert json.dumps(told.err).count("\\n") == 1
