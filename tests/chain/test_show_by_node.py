# SPDX-License-Identifier: Apache-2.0
"""`tidegate vault show`, the command itself, at a node by HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chain.test_edge_gates import HALF_MOVED, Site, on_anvil

pytestmark = pytest.mark.chain


def test_show_by_a_node_tells_what_the_token_counts_and_sends_nothing(tmp_path: Path) -> None:
    async def test(site: Site) -> None:
        await site.ordered()
        site.rpc("evm_setAutomine", True)
        await site.bench.settle("order")
        head = (await site.bench.node.block()).number
        asked = ["vault", "show", "--rpc", site.anvil.url, "--vault", site.bench.vault]
        surroundings = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        for more in (["--json"], []):
            ended = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-m", "tidegate.cli", *asked, *more],
                capture_output=True,
                text=True,
                timeout=60,
                env=surroundings,
            )
            assert ended.returncode == 0, ended.stderr
            if more:
                told = json.loads(ended.stdout)
        values = [venue["value_quanta"] for venue in told["venues"]]
        assert (told["idle_quanta"], *values) == HALF_MOVED == await site.bench.money()
        assert told["block_number"] == head == (await site.bench.node.block()).number
        assert f"A share is worth {told['share_price']:.6f} TUSD" in ended.stdout
        assert told["anchor_head"] in ended.stdout

    on_anvil(tmp_path, test)
