# SPDX-License-Identifier: Apache-2.0
"""The edge on a chain within this process: made, read, ordered, refused, and cut off anywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.edge_bench import USD, Bench, going, rest, shares
from tests.venues.vault.chain_model import Killed
from tidegate.model.errors import InputError
from tidegate.venues.vault.deploying import Blueprint, Deployer
from tidegate.venues.vault.logs import Disagreement, Log
from tidegate.venues.vault.outbox import Stage
from tidegate.venues.vault.state import Move

pytestmark = pytest.mark.contracts
ALL_HOME = (1_000 * USD, 0, 0)
HALF_MOVED = (500 * USD, 300 * USD, 200 * USD)


async def _bench(folder: Path) -> Bench:
    from web3 import AsyncEthereumTesterProvider, AsyncWeb3

    from tidegate.venues.vault.node import ChainNode

    provider = AsyncEthereumTesterProvider()
    web3 = AsyncWeb3(provider)
    tester: Any = provider.ethereum_tester
    rich = (await web3.eth.accounts)[0]

    async def mine() -> None:
        tester.mine_blocks()

    async def fund(address: str) -> None:
        await web3.eth.send_transaction({"from": rich, "to": address, "value": 10**19})

    node = ChainNode(web3, "eth-tester")
    return Bench(node, await node.chain_id(), folder, mine, fund, chain=tester)


def on_a_vault(folder: Path, test: Any, built: bool = True) -> None:
    """Run a test over a vault on a chain of its own, built or not yet."""

    async def whole() -> None:
        bench = await _bench(folder)
        try:
            if built:
                await bench.build()
            await test(bench)
        finally:
            bench.forget()

    going(whole())


def test_order_moves_its_money_once_and_is_read_back_from_logs(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        edge = await bench.edge()
        order, signed = await bench.order(bench.move(0, 300 * USD), bench.move(1, 200 * USD))
        await edge.submit("first", order, signed)
        assert (await bench.settle("first")).stage is Stage.DONE
        assert (await edge.submit("first", order, signed)).stage is Stage.DONE
        state = await edge.state()
        assert (state.idle_quanta, *shares(state)) == HALF_MOVED
        assert (state.nonce, state.anchor_count, state.total_quanta) == (1, 1, 1_000 * USD)
        # 6,000 bps of the book at most for each venue, 9,500 for their group.
        assert [venue.cap_quanta for venue in state.venues] == [600 * USD] * 2
        assert [venue.headroom_quanta for venue in state.venues] == [300 * USD, 400 * USD]
        await _leave(bench, state.supply_shares // 10)
        await rest(bench)
        left = await edge.state()
        assert (left.escrow_shares, left.set_aside_quanta) == (0, 100 * USD)
        assert left.supply_shares == state.supply_shares - state.supply_shares // 10
        assert await bench.money() == HALF_MOVED
        assert await bench.count("Rebalanced", nonce=0) == await bench.calls("allocator") == 1

    on_a_vault(tmp_path, test)


async def _leave(bench: Bench, amount: int) -> None:
    holder, deployer = await bench.sender("holder"), Deployer(bench.node, bench.mine)
    vault, who = ("CapitalVault", bench.vault), holder.address
    await deployer.call(holder, "ask", *vault, "requestRedeem", amount, who, who)
    await rest(bench)
    assert (await bench.reader().state()).escrow_shares == amount
    await deployer.call(holder, "fulfil", *vault, "fulfil", who, amount, [], 0)


def test_node_that_keeps_a_log_back_is_found_out_by_the_contracts_own_figures(
    tmp_path: Path,
) -> None:
    async def test(bench: Bench) -> None:
        await rest(bench)
        logs = bench.node.logs

        async def fewer(*args: Any) -> list[Log]:
            return [log for log in await logs(*args) if log.name != "Deposit"]

        bench.node.logs = fewer  # type: ignore[method-assign]
        with pytest.raises(Disagreement, match="idle_quanta: the logs make 0"):
            await bench.reader().state()

    on_a_vault(tmp_path, test)


def test_order_that_the_vault_would_refuse_is_refused_with_its_reason_and_never_sent(
    tmp_path: Path,
) -> None:
    async def test(bench: Bench) -> None:
        edge = await bench.edge()
        cases = {
            "policy: relative venue cap": ((bench.move(0, 700 * USD),), {}),
            "policy: idle": ((bench.move(0, 500 * USD), bench.move(1, 420 * USD)), {}),
            "vault: nonce": ((bench.move(0, USD),), {"nonce": 1}),
            "vault: below the order's total": (
                (bench.move(0, USD),),
                {"min_total_quanta": 1_000 * USD + 1},
            ),
            "vault: unknown venue": ((Move(bench.vault, USD, USD),), {}),
        }
        for reason, (moves, changes) in cases.items():
            order, signed = await bench.order(*moves, **changes)
            await edge.submit(reason, order, signed)
            entry = await bench.settle(reason)
            assert (entry.stage, entry.reason) == (Stage.REFUSED, reason)
        assert await bench.money() == ALL_HOME
        assert await bench.calls("allocator") == 0

    on_a_vault(tmp_path, test)


def test_order_without_least_outcome_or_with_a_wrong_signature_is_not_taken(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        edge = await bench.edge()
        order, signed = await bench.order(bench.move(0, USD))
        bare, bare_signed = await bench.order(Move(bench.venues[0], USD, 0))
        with pytest.raises(InputError, match="expected a least outcome above zero"):
            await edge.submit("bare", bare, bare_signed)
        with pytest.raises(InputError, match="signatures: expected 2, got 1"):
            await edge.submit("one", order, signed[:1])
        with pytest.raises(InputError, match="signatures: expected 2, got 1"):
            await edge.submit("twice", order, [signed[0], signed[0]])
        with pytest.raises(InputError, match="expected a signature by that signer"):
            await edge.submit("changed", replace(order, min_total_quanta=2), signed)
        assert await bench.calls("allocator") == 0

    on_a_vault(tmp_path, test)


@pytest.mark.parametrize("place", ["before", "after"])
def test_process_killed_while_it_sends_executes_the_order_once(tmp_path: Path, place: str) -> None:
    async def test(bench: Bench) -> None:
        edge = await bench.edge()
        order, signed = await bench.order(bench.move(0, 300 * USD), bench.move(1, 200 * USD))
        await edge.submit("order", order, signed)
        send = bench.node.send

        async def cut(raw: str) -> str:
            if place == "after":
                await send(raw)
            raise Killed

        bench.node.send = cut  # type: ignore[method-assign]
        with pytest.raises(Killed):
            await edge.step()
        bench.node.send = send  # type: ignore[method-assign]
        bench.forget()
        assert (await bench.settle("order")).stage is Stage.DONE
        again = await (await bench.edge()).submit("order", order, signed)
        assert again.stage is Stage.DONE
        assert await bench.money() == HALF_MOVED
        assert await bench.count("Rebalanced", nonce=0) == await bench.calls("allocator") == 1

    on_a_vault(tmp_path, test)


def test_block_of_an_order_that_is_gone_executes_it_once(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        edge = await bench.edge()
        order, signed = await bench.order(bench.move(0, 300 * USD), bench.move(1, 200 * USD))
        await edge.submit("order", order, signed)
        mark = bench.chain.take_snapshot()
        await edge.step()
        await rest(bench, 2)
        included = await edge.step()
        assert included is not None
        assert included.entry.stage is Stage.INCLUDED
        assert await bench.money() == HALF_MOVED
        bench.chain.revert_to_snapshot(mark)
        await rest(bench, 3)
        assert await bench.money() == ALL_HOME
        assert (await bench.settle("order")).stage is Stage.DONE
        assert await bench.money() == HALF_MOVED
        assert await bench.count("Rebalanced", nonce=0) == await bench.calls("allocator") == 1

    on_a_vault(tmp_path, test)


def test_deployment_that_was_cut_off_goes_on_and_makes_nothing_twice(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        deployer = Deployer(bench.node, bench.mine)
        owner = await bench.sender("owner")
        token = await deployer.create(owner, "token", "TestToken", "Test dollar", "TUSD", 6)
        people = [bench.key(name).address for name in ("curator", "allocator", "sentinel")]
        plan = Blueprint(token, "Tidegate", "TIDE", *people)
        bench.mine, mine = _after(2, bench.mine), bench.mine
        with pytest.raises(Killed):
            await Deployer(bench.node, bench.mine).vault(owner, plan)
        bench.mine = mine
        bench.forget()
        owner = await bench.sender("owner")
        made = await Deployer(bench.node, mine).vault(owner, plan)
        assert await bench.calls("owner") == 4
        again = await Deployer(bench.node, mine).vault(owner, plan)
        assert again == made
        assert await bench.calls("owner") == 4

    on_a_vault(tmp_path, test, built=False)


def _after(times: int, mine: Any) -> Any:
    left = [times]

    async def cut() -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1
        await mine()

    return cut
