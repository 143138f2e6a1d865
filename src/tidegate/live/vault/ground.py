# SPDX-License-Identifier: Apache-2.0
"""A chain in this process, with people who have keys: where the demonstration's vault stands.

Every transaction is signed and goes through its sender's outbox, as on any other chain. The keys
are made from names, so that a run can be told again; they are known to all and worth nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from tidegate.model.errors import InputError
from tidegate.venues.vault.deploying import Deployer
from tidegate.venues.vault.keys import VaultKey
from tidegate.venues.vault.logs import Log
from tidegate.venues.vault.node import ChainNode
from tidegate.venues.vault.outbox import Call, Terms
from tidegate.venues.vault.outbox_log import OutboxLog
from tidegate.venues.vault.sender import Sender

T = TypeVar("T")
GWEI, ETHER = 10**9, 10**18
GAS_BLOCK = 60_000_000
GAS_CALL = 8_000_000
TERMS = Terms(fee_ceiling_wei=500 * GWEI, gas_ceiling=10**7, depth_blocks=0)
EXTRA = "expected the extra `vault`: pip install 'tidegate[vault]' tidegate-contracts"


class Ground:
    """One chain that begins at a second of its own; `wait` lets time pass on it."""

    def __init__(self, folder: Path, begin_s: int) -> None:
        """Raises `InputError` where the extra is missing."""
        self._tester, web3 = _tester(begin_s)
        self._folder, self._runner = folder, asyncio.Runner()
        self.run: Callable[[Awaitable[Any]], Any] = lambda answer: self._runner.run(_whole(answer))
        self.node = ChainNode(web3, "eth-tester")
        self.chain_id = int(self.run(self.node.chain_id()))
        self._rich = self._tester.get_accounts()[0]
        self._senders: dict[str, Sender] = {}
        self._logs: list[OutboxLog] = []
        self._calls = 0
        self.deployer = Deployer(self.node, self._mine)

    def close(self) -> None:
        """End it."""
        for log in self._logs:
            log.close()
        self._runner.close()

    @property
    def now_s(self) -> int:
        """The second of the newest block."""
        return int(self.run(self.node.block()).ts_s)

    def wait(self, until_s: int) -> None:
        """Make a block at that second."""
        self._tester.time_travel(until_s)
        self._tester.mine_blocks()

    def mine(self, blocks: int = 1) -> None:
        """Make blocks, a second apart."""
        self._tester.mine_blocks(blocks)

    def key(self, name: str) -> VaultKey:
        """The key of a name."""
        return VaultKey(sha256(f"tidegate vault demo {name}".encode()).digest(), self.chain_id)

    def address(self, name: str) -> str:
        """The address of a name."""
        return self.key(name).address

    def sender(self, name: str, terms: Terms = TERMS) -> Sender:
        """The outbox of a name, with money for gas."""
        if name not in self._senders:
            key = self.key(name)
            gift = {"from": self._rich, "to": key.address, "value": 1_000 * ETHER, "gas": 21_000}
            self._tester.send_transaction(gift)
            log = OutboxLog(self._folder / f"{name}.outbox", self.chain_id, key.address)
            self._logs.append(log)
            self._senders[name] = Sender(log, key, self.node, terms)
        return self._senders[name]

    def create(self, name: str, contract: str, *args: object) -> str:
        """Make a shipped contract in a name; its address."""
        made = self.deployer.create(self.sender(name), self._next(), contract, *args)
        return str(self.run(made))

    def call(self, name: str, contract: tuple[str, str], function: str, *args: object) -> None:
        """Call a contract (kind, address) in a name; raises `InputError` with its reason."""
        sender = self.sender(name)
        self.run(self.deployer.call(sender, self._next(), *contract, function, *args))

    def refusal(self, name: str, contract: tuple[str, str], function: str, *args: object) -> str:
        """Why a contract would refuse a call in a name now; empty where it would not."""
        data = self.node.data(contract[0], function, *args)
        call = Call("", contract[1], data, GAS_CALL, 0)
        return str(self.run(self.node.dry_run(self.sender(name).address, call)))

    def view(self, contract: tuple[str, str], function: str, *args: object) -> Any:
        """What a contract says at the head."""
        head = self.run(self.node.block()).number
        return self.run(self.node.view(*contract, function, *args, at=head))

    def logs(self, contract: tuple[str, str], first: int) -> Sequence[Log]:
        """A contract's logs from a block to the head."""
        head = self.run(self.node.block()).number
        found: Sequence[Log] = self.run(self.node.logs(*contract, first, head))
        return found

    def _next(self) -> str:
        self._calls += 1
        return f"call {self._calls}"

    async def _mine(self) -> None:
        self._tester.mine_blocks()


async def _whole(answer: Awaitable[T]) -> T:
    return await answer


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
