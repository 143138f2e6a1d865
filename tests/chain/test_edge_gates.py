# SPDX-License-Identifier: Apache-2.0
"""The edge when a real node misbehaves: each test ends by counting money and orders on chain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.chain.conftest import PACKAGES
from tests.contracts.edge_bench import DEPTH, GWEI, TERMS, USD, Bench, going, rest, shares
from tidegate.venues.chain.anvil import CHAIN_ID, Anvil
from tidegate.venues.chain.client import Chain
from tidegate.venues.vault.node import ChainNode, connect
from tidegate.venues.vault.outbox import Resend, Sign, Stage, Terms, Wait

pytestmark = pytest.mark.chain
CEILING = replace(TERMS, fee_ceiling_wei=10 * GWEI, tip_wei=GWEI // 10)
HALF_MOVED = (500 * USD, 300 * USD, 200 * USD)
ALL_HOME = (1_000 * USD, 0, 0)


class Site:
    """One anvil and a vault on it; the node may be killed and another started from a state."""

    def __init__(self, folder: Path, terms: Terms) -> None:
        self.folder, self.terms = folder, terms
        self.pool_holder = ""
        self.anvil = Anvil(PACKAGES)
        self.chain = Chain(self.anvil.port)
        self.bench = self._bench(connect(self.anvil.url))

    def _bench(self, node: ChainNode) -> Bench:
        async def mine() -> None:
            self.chain.rpc("evm_mine")

        async def fund(address: str) -> None:
            self.chain.rpc("anvil_setBalance", address, hex(10**20))

        return Bench(node, CHAIN_ID, self.folder, mine, fund, self.terms)

    def rpc(self, method: str, *args: Any) -> Any:
        return self.chain.rpc(method, *args)

    async def end(self) -> None:
        self.bench.forget()
        await self.bench.node.close()
        self.anvil.kill()

    async def die(self, saved: str) -> None:
        """Node and our process end at once; another node starts from what was saved."""
        old = self.bench
        await self.end()
        self.anvil = Anvil(PACKAGES)
        self.chain = Chain(self.anvil.port)
        self.rpc("anvil_loadState", saved)
        self.bench = self._bench(connect(self.anvil.url))
        self.bench.token, self.bench.venues, self.bench.made = old.token, old.venues, old.made

    async def mine_at(self, fee_wei: int, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.rpc("anvil_setNextBlockBaseFeePerGas", hex(fee_wei))
            self.rpc("evm_mine")

    async def ordered(self, id: str = "order", **changes: Any) -> None:
        """An order of two moves is queued; blocks come only when they are asked for."""
        self.rpc("evm_setAutomine", False)
        await self.queue(id, **changes)

    async def queue(self, id: str, **changes: Any) -> None:
        bench = self.bench
        edge = await bench.edge()
        moves = bench.move(0, 300 * USD), bench.move(1, 200 * USD)
        order, signed = await bench.order(*moves, **changes)
        await edge.submit(id, order, signed)

    async def step(self) -> Any:
        return await (await self.bench.sender("allocator")).step()

    async def counted(self) -> tuple[tuple[int, ...], int, int]:
        """Money by holder, executed orders, and transactions of the allocator: on the chain."""
        bench = self.bench
        return await bench.money(), await bench.count("Rebalanced"), await bench.calls("allocator")


async def built(site: Site) -> None:
    """A vault over two test venues."""
    await site.bench.build()


def on_anvil(
    folder: Path,
    test: Callable[[Site], Awaitable[None]],
    terms: Terms = TERMS,
    build: Callable[[Site], Awaitable[None]] = built,
) -> None:
    async def whole() -> None:
        site = Site(folder, terms)
        try:
            await build(site)
            await test(site)
        finally:
            await site.end()

    going(whole())


@pytest.mark.parametrize("saved", ["before it was sent", "in the block", "before its block"])
def test_node_killed_in_the_middle_of_a_rebalance_executes_it_once(
    tmp_path: Path, saved: str
) -> None:
    async def test(site: Site) -> None:
        await site.ordered()
        state = site.rpc("anvil_dumpState")
        first = await site.step()
        assert isinstance(first.step, Sign)
        if saved != "before it was sent":
            site.rpc("evm_mine")
            assert (await site.step()).entry.stage is Stage.INCLUDED
        if saved == "in the block":
            state = site.rpc("anvil_dumpState")
        await site.die(state)
        assert (await site.bench.settle("order")).stage is Stage.DONE
        await rest(site.bench)
        assert await site.counted() == (HALF_MOVED, 1, 1)
        read = await (await site.bench.edge()).state()
        assert (read.idle_quanta, *shares(read)) == HALF_MOVED

    on_anvil(tmp_path, test)


@pytest.mark.parametrize("place", ["before", "after"])
def test_process_killed_by_a_signal_while_it_sends_executes_the_order_once(
    tmp_path: Path, place: str
) -> None:
    async def test(site: Site) -> None:
        await site.ordered()
        site.bench.forget()
        told = [site.anvil.url, str(tmp_path), place]
        script = [sys.executable, "-m", "tests.chain.killed_sender", *told]
        paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
        ended = subprocess.run(script, env=os.environ | paths, timeout=60, check=False)
        assert ended.returncode == -signal.SIGKILL
        progress = await site.step()
        assert isinstance(progress.step, Resend if place == "before" else Wait)
        assert (await site.bench.settle("order")).stage is Stage.DONE
        assert await site.counted() == (HALF_MOVED, 1, 1)

    on_anvil(tmp_path, test)


@pytest.mark.parametrize("kept", [True, False])
def test_reorganisation_of_three_blocks_executes_the_order_once(tmp_path: Path, kept: bool) -> None:
    async def test(site: Site) -> None:
        await site.ordered()
        await rest(site.bench, DEPTH)
        before = await (await site.bench.edge()).state()
        mark = site.rpc("evm_snapshot")
        await site.step()
        site.rpc("evm_mine")
        included = await site.step()
        assert included.entry.stage is Stage.INCLUDED
        await rest(site.bench, 2)
        assert (await site.counted())[1] == 1
        if kept:
            site.rpc("anvil_reorg", 3, [])
        else:
            assert site.rpc("evm_revert", mark)
            await rest(site.bench, 3)
        assert await site.counted() == (ALL_HOME, 0, 0)
        assert (await site.step()).step.reason == "reorganised"
        assert (await site.bench.settle("order")).stage is Stage.DONE
        assert await site.counted() == (HALF_MOVED, 1, 1)
        again = await site.bench.node.block(before.block_number)
        assert again.hash == before.block_hash

    on_anvil(tmp_path, test)


def test_reader_that_saw_blocks_which_are_gone_reads_anew(tmp_path: Path) -> None:
    async def test(site: Site) -> None:
        await site.ordered()
        await site.step()
        site.rpc("evm_mine")
        reader = site.bench.reader(depth=0)
        assert (await reader.state()).nonce == 1
        site.rpc("anvil_reorg", 1, [])
        state = await reader.state()
        assert (state.nonce, state.idle_quanta, *shares(state)) == (0, *ALL_HOME)
        assert (await site.bench.settle("order")).stage is Stage.DONE
        state = await reader.state()
        assert (state.nonce, state.idle_quanta, *shares(state)) == (1, *HALF_MOVED)

    on_anvil(tmp_path, test)


def test_gas_times_fifty_waits_below_its_ceiling_and_executes_the_order_once(
    tmp_path: Path,
) -> None:
    async def test(site: Site) -> None:
        await site.mine_at(GWEI)
        await site.ordered()
        sent = await site.step()
        assert isinstance(sent.step, Sign)
        for _ in range(8):
            await site.mine_at(50 * GWEI)
            progress = await site.step()
            assert progress.entry.stage is Stage.SENT
        assert await site.counted() == (ALL_HOME, 0, 0)
        attempts = progress.entry.attempts
        assert all(one.fees.max_fee_wei <= 10 * GWEI for one in attempts)
        await site.mine_at(GWEI)
        assert (await site.bench.settle("order")).stage is Stage.DONE
        assert await site.counted() == (HALF_MOVED, 1, 1)
        done = (await site.bench.sender("allocator")).entry("order").receipt
        receipt = site.rpc("eth_getTransactionReceipt", done.hash)
        assert int(receipt["effectiveGasPrice"], 16) <= 10 * GWEI

    on_anvil(tmp_path, test, CEILING)


def test_gas_times_fifty_until_the_deadline_gives_the_order_up_and_the_next_one_goes_through(
    tmp_path: Path,
) -> None:
    async def test(site: Site) -> None:
        await site.mine_at(GWEI)
        await site.ordered()
        await site.step()
        await site.mine_at(50 * GWEI)
        site.rpc("evm_setNextBlockTimestamp", site.chain.now_s + 4_000)
        await site.mine_at(50 * GWEI)
        for _ in range(4):
            assert (await site.step()).entry.stage is Stage.SENT
            await site.mine_at(50 * GWEI)
        assert await site.counted() == (ALL_HOME, 0, 0)
        site.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        await site.mine_at(GWEI)
        # Which of the two is included is for who makes the block to say; neither moves money.
        ends = (Stage.CANCELLED, Stage.REVERTED)
        assert (await site.bench.settle("order")).stage in ends
        assert await site.counted() == (ALL_HOME, 0, 1)
        await site.queue("next")
        assert (await site.bench.settle("next")).stage is Stage.DONE
        assert await site.counted() == (HALF_MOVED, 1, 2)

    on_anvil(tmp_path, test, CEILING)


def test_dropped_transaction_is_sent_again_and_executes_the_order_once(tmp_path: Path) -> None:
    async def test(site: Site) -> None:
        await site.ordered()
        sent = await site.step()
        hash = sent.entry.attempts[0].hash
        assert site.rpc("anvil_dropTransaction", hash) == hash
        site.rpc("evm_mine")
        assert await site.counted() == (ALL_HOME, 0, 0)
        again = await site.step()
        assert isinstance(again.step, Resend)
        assert (await site.bench.settle("order")).stage is Stage.DONE
        assert await site.counted() == (HALF_MOVED, 1, 1)

    on_anvil(tmp_path, test)


def test_attempt_that_was_replaced_and_its_replacement_execute_the_order_once(
    tmp_path: Path,
) -> None:
    async def test(site: Site) -> None:
        await site.mine_at(GWEI)
        await site.ordered()
        first = (await site.step()).entry.attempts[0]
        await site.mine_at(5 * GWEI, blocks=3)
        second = await site.step()
        assert isinstance(second.step, Sign)
        assert second.step.fees.max_fee_wei > first.fees.max_fee_wei
        assert (await site.bench.settle("order")).stage is Stage.DONE
        await rest(site.bench)
        assert await site.counted() == (HALF_MOVED, 1, 1)

    on_anvil(tmp_path, test, CEILING)
