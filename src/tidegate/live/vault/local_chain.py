# SPDX-License-Identifier: Apache-2.0
"""The two chains that the demonstration can stand on: one within this process, and one's own anvil.

Both begin at a second of their own, make a block when a transaction comes, and let time pass when
they are told to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from tidegate.model.errors import InputError
from tidegate.venues.chain.anvil import Anvil
from tidegate.venues.chain.client import Chain
from tidegate.venues.vault.node import ChainNode, connect

ETHER = 10**18
GIFT_WEI = 1_000 * ETHER
GAS_BLOCK = 60_000_000
EXTRA = "expected the extra `vault`: pip install 'tidegate[vault]' tidegate-contracts"


class LocalChain(Protocol):
    """A chain whose time is ours; `node` is the way to it."""

    @property
    def node(self) -> ChainNode:
        """What the vault's edge speaks to."""

    def wait(self, until_s: int) -> None:
        """Make a block at that second."""

    def mine(self, blocks: int) -> None:
        """Make blocks, a second apart."""

    def gift(self, address: str) -> None:
        """Give an address money for gas."""

    def close(self) -> None:
        """End it."""


class TesterChain:
    """py-evm in this process, by pip alone."""

    def __init__(self, begin_s: int) -> None:
        """Raises `InputError` where the extra is missing."""
        self._tester, web3 = _tester(begin_s)
        self._node = ChainNode(web3, "eth-tester")
        self._rich = self._tester.get_accounts()[0]

    @property
    def node(self) -> ChainNode:
        """The chain in this process, as an edge asks it."""
        return self._node

    def wait(self, until_s: int) -> None:
        """Make a block at that second."""
        self._tester.time_travel(until_s)
        self._tester.mine_blocks()

    def mine(self, blocks: int) -> None:
        """Make blocks, a second apart."""
        self._tester.mine_blocks(blocks)

    def gift(self, address: str) -> None:
        """Give an address money for gas."""
        sent = {"from": self._rich, "to": address, "value": GIFT_WEI, "gas": 21_000}
        self._tester.send_transaction(sent)

    def close(self) -> None:
        """It ends with this process."""


class AnvilChain:
    """anvil on a free port of loopback; it ends with `close`. `world` acts there in any name."""

    def __init__(self, packages: Path, begin_s: int) -> None:
        """Raises `InputError` in one line where npm or the node is missing."""
        self._anvil = Anvil(packages, ("--timestamp", str(begin_s)))
        try:
            self.world = Chain(self._anvil.port)
            self._node = connect(self._anvil.url)
        except BaseException:
            self._anvil.kill()
            raise

    @property
    def node(self) -> ChainNode:
        """The node, as an edge asks it."""
        return self._node

    def wait(self, until_s: int) -> None:
        """Make a block at that second."""
        self.world.wait(until_s - self.world.now_s)

    def mine(self, blocks: int) -> None:
        """Make blocks, a second apart."""
        for _ in range(blocks):
            self.world.rpc("evm_mine")

    def gift(self, address: str) -> None:
        """Give an address money for gas."""
        self.world.rpc("anvil_setBalance", address, hex(GIFT_WEI))

    def close(self) -> None:
        """End the node."""
        self._anvil.kill()


def _tester(begin_s: int) -> tuple[Any, Any]:
    try:
        from eth_tester import EthereumTester, PyEVMBackend
        from web3 import AsyncEthereumTesterProvider, AsyncWeb3
    except ImportError:
        raise InputError("vault", "demo", EXTRA) from None
    said = {"timestamp": begin_s, "gas_limit": GAS_BLOCK}
    genesis = PyEVMBackend.generate_genesis_params(said)
    tester = EthereumTester(PyEVMBackend(genesis_parameters=genesis))
    provider = AsyncEthereumTesterProvider()
    provider.ethereum_tester = tester
    return tester, AsyncWeb3(provider)
