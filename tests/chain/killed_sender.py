# SPDX-License-Identifier: Apache-2.0
"""A process that ends by SIGKILL just before or after the node has the allocator's transaction.

`python -m tests.chain.killed_sender URL FOLDER before|after`
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.contracts.edge_bench import TERMS, secret
from tidegate.venues.vault.keys import VaultKey
from tidegate.venues.vault.node import connect
from tidegate.venues.vault.outbox_log import OutboxLog
from tidegate.venues.vault.sender import Sender


async def step_and_die(url: str, folder: Path, place: str) -> None:
    node = connect(url)
    chain_id = await node.chain_id()
    key = VaultKey(secret("allocator"), chain_id)
    send = node.send

    async def cut(raw: str) -> str:
        if place == "after":
            await send(raw)
        os.kill(os.getpid(), signal.SIGKILL)
        return ""

    node.send = cut  # type: ignore[method-assign]
    log = OutboxLog(folder / "allocator", chain_id, key.address)
    await Sender(log, key, node, TERMS).step()


if __name__ == "__main__":
    asyncio.run(step_and_die(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
