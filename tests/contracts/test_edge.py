# SPDX-License-Identifier: Apache-2.0
"""The edge on a chain within this process: made, read, ordered, refused, and cut off anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contracts.edge_bench import USD, Bench, going, shares
from tidegate.venues.vault.outbox import Stage

pytestmark = pytest.mark.contracts


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
    return Bench(node, await node.chain_id(), folder, mine, fund)


def _on_a_vault(folder: Path, test: Any, venues: int = 2) -> None:
    async def whole() -> None:
        bench = await _bench(folder)
        try:
            await bench.build(venues)
            await test(bench)
        finally:
            bench.forget()

    going(whole())


def test_order_moves_its_money_once_and_is_read_back_from_logs(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        edge = await bench.edge()
        order, signed = await bench.order(bench.move(0, 300 * USD), bench.move(1, 200 * USD))
        await edge.submit("first", order, signed)
        assert (await edge.submit("first", order, signed)).call.id == "first"
        assert (await bench.settle("first")).stage is Stage.DONE
        state = await edge.state()
        assert (state.idle_quanta, *shares(state)) == (500 * USD, 300 * USD, 200 * USD)
        assert await bench.money() == (500 * USD, 300 * USD, 200 * USD)
        assert (state.nonce, state.anchor_count) == (1, 1)
        assert await bench.count("Rebalanced", nonce=0) == 1
        assert await bench.calls("allocator") == 1

    _on_a_vault(tmp_path, test)
