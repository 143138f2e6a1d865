# SPDX-License-Identifier: Apache-2.0
"""The edge over a real Aave v3 pool: a rebalance that node and process do not survive."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chain.conftest import PACKAGES
from tests.chain.test_edge_gates import Site, on_anvil
from tests.chain.vault import Node
from tests.contracts.edge_bench import USD, rest, shares
from tests.contracts.evm import account
from tidegate.venues.chain.aave_v3 import AaveV3, Reserve, deploy_aave_v3
from tidegate.venues.chain.client import At
from tidegate.venues.vault.deploying import Deployer
from tidegate.venues.vault.outbox import Stage
from tidegate.venues.vault.shipped import shipped
from tidegate.venues.vault.state import Move

pytestmark = pytest.mark.chain
DOLLAR = 10**8


def _aave(site: Site) -> AaveV3:
    node, owner = Node(site.chain), account("owner")
    token = At(site.chain, site.bench.token, shipped("TestToken").abi)
    feed = node.deploy("TestPriceFeed", DOLLAR, sender=owner)
    return deploy_aave_v3(site.chain, PACKAGES, owner, (Reserve(token, feed, 6),))


async def _built(site: Site) -> None:
    """A vault over the pool and a test venue."""
    bench = site.bench
    await bench.make()
    aave = _aave(site)
    deployer, owner = Deployer(bench.node, bench.mine), await bench.sender("owner")
    args = (bench.token, bench.vault, aave.pool.address, aave.a_tokens[bench.token].address)
    bench.venues.append(await deployer.create(owner, "aave", "AaveV3Adapter", *args))
    await bench.add_test_venue()
    await bench.open()
    site.pool_holder = args[3]


@pytest.mark.parametrize("included", [False, True])
def test_rebalance_into_real_aave_that_node_and_process_do_not_survive_is_executed_once(
    tmp_path: Path, included: bool
) -> None:
    async def test(site: Site) -> None:
        await site.ordered()
        state = site.rpc("anvil_dumpState")
        await site.step()
        if included:
            site.rpc("evm_mine")
            assert (await site.step()).entry.stage is Stage.INCLUDED
        await site.die(state)
        assert (await site.bench.settle("order")).stage is Stage.DONE
        token = At(site.chain, site.bench.token, shipped("TestToken").abi)
        there = [token.balanceOf(who) for who in (site.bench.vault, site.pool_holder)]
        assert there == [500 * USD, 300 * USD]
        assert await site.bench.count("Rebalanced", nonce=0) == 1
        assert await site.bench.calls("allocator") == 1
        await rest(site.bench)
        read = await (await site.bench.edge()).state()
        assert (read.idle_quanta, *shares(read)) == (500 * USD, 300 * USD, 200 * USD)
        home = await site.bench.order(Move(site.bench.venues[0], -300 * USD, 300 * USD))
        await (await site.bench.edge()).submit("home", *home)
        assert (await site.bench.settle("home")).stage is Stage.DONE
        assert token.balanceOf(site.bench.vault) == 800 * USD

    on_anvil(tmp_path, test, build=_built)
