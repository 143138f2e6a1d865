# SPDX-License-Identifier: Apache-2.0
"""The vault's setting of tests/contracts on a real node, by the same calls."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from tests.contracts.evm import REPOSITORY
from tests.contracts.setting import Move, Setting, new_vault, sign_order
from tidegate.venues.chain.anvil import CHAIN_ID
from tidegate.venues.chain.artifacts import Artifact
from tidegate.venues.chain.client import At, Chain


class Patient(Chain):
    """The node now and then tells of a transaction before it has made the block; we ask again."""

    def rpc(self, method: str, *params: Any) -> Any:
        ends_s = time.monotonic() + 10
        answer = super().rpc(method, *params)
        while answer is None and method == "eth_getTransactionReceipt":
            assert time.monotonic() < ends_s, "no receipt in ten seconds"
            time.sleep(0.002)
            answer = super().rpc(method, *params)
        return answer


class Node:
    """A node as tests/contracts/evm.py has its EVM: deploys our contracts, and lets time pass."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain

    @property
    def now_s(self) -> int:
        return self.chain.now_s

    def wait(self, seconds: int) -> None:
        self.chain.wait(seconds)

    def deploy(self, name: str, *args: Any, sender: str) -> At:
        return self.chain.create(_ours(name), *args, sender=sender)


def _ours(name: str) -> Artifact:
    """A contract as it is shipped, or a source that only tests use, compiled now."""
    import tidegate_contracts

    if not name.endswith(".vy"):
        contract = tidegate_contracts.load(name)
        return Artifact(name, contract.abi, contract.bytecode.hex(), {})
    from tidegate_contracts.compile import compile_file

    made = compile_file(REPOSITORY / name)
    return Artifact(made["name"], made["abi"], made["bytecode"], {})


@dataclass(slots=True)
class NodeSetting(Setting):
    """A vault on the node, whose chain is part of what is signed."""

    def sign(
        self, order: tuple[int, int, bytes, int], moves: Sequence[Move], keys: Sequence[Any]
    ) -> list[bytes]:
        return sign_order(self.vault.address, order, moves, keys, CHAIN_ID)


def vault_on(chain: Chain, token: At, decimals: int) -> NodeSetting:
    """An empty vault of a token, with policy and three signers of whom two are needed."""
    made = new_vault(Node(chain), token, decimals)  # type: ignore[arg-type]
    return NodeSetting(**{field.name: getattr(made, field.name) for field in fields(made)})
