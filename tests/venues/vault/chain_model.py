# SPDX-License-Identifier: Apache-2.0
"""A chain of one key, small enough to try every order of events on: a fake of the node's port."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from tidegate.venues.vault.outbox import Entry, Receipt, Sight
from tidegate.venues.vault.sender import Unsigned

ADDRESS = "0x00000000000000000000000000000000000000aA"
BLOCK_S, START_S = 12, 1_800_000_000


class Killed(BaseException):
    """The process ended here; no handler may have a say."""


def run(step: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that never has to wait."""
    try:
        step.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("the fake made its caller wait")


class KnownKey:
    """Signs with a hash, so that the bytes say what was signed."""

    address = ADDRESS

    def sign(self, unsigned: Unsigned) -> tuple[str, str]:
        raw = json.dumps([getattr(unsigned, name) for name in Unsigned.__slots__])
        return "0x" + sha256(raw.encode()).hexdigest(), raw


def hash_of(raw: str) -> str:
    return "0x" + sha256(raw.encode()).hexdigest()


@dataclass
class ChainModel:
    """Blocks of transactions of one key; a base fee; a pool that forgets; a wire that breaks.

    A call whose data is in `refused` reverts. `kill` says at which touch of the wire the process
    dies: "before" or "after" the node has what is sent, or at a "look". With `races` a block comes
    between every look and what is sent upon it.
    """

    base_fee_wei: int = 10
    blocks: list[list[str]] = field(default_factory=lambda: [[] for _ in range(5)])
    pool: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    kill: str = ""
    races: bool = False
    forks: int = 0

    @property
    def height(self) -> int:
        return len(self.blocks) - 1

    def nonce(self, height: int) -> int:
        return sum(len(block) for block in self.blocks[: height + 1])

    def mine(self, blocks: int = 1) -> None:
        """Each block takes, in the order of nonces, the best paid of each that pays."""
        for _ in range(blocks):
            block = list[str]()
            while True:
                nonce = self.nonce(self.height) + len(block)
                fit = [raw for raw in self.pool.values() if self._fits(raw, nonce)]
                if not fit:
                    break
                block.append(max(fit, key=lambda raw: json.loads(raw)[4]))
            self.blocks.append(block)
            used = self.nonce(self.height)
            self.pool = {h: raw for h, raw in self.pool.items() if json.loads(raw)[0] >= used}

    def _fits(self, raw: str, nonce: int) -> bool:
        found = json.loads(raw)
        return bool(found[0] == nonce and found[4] >= self.base_fee_wei)

    def reorganise(self, blocks: int, forget: bool) -> None:
        """Empty blocks in place of the last ones; their transactions return to the pool, or not."""
        gone = [self.blocks.pop() for _ in range(min(blocks, self.height))]
        self.forks += 1
        self.blocks.extend([] for _ in gone)
        if not forget:
            self.pool |= {hash_of(raw): raw for block in gone for raw in block}

    def executed(self) -> list[str]:
        """The data of every call of the chain as it stands that did something."""
        found = [json.loads(raw)[2] for block in self.blocks for raw in block]
        return [data for data in found if data != "0x" and data not in self.refused]

    async def look(self, address: str, entry: Entry, depth_blocks: int) -> Sight:
        self._die_at("look")
        sight = Sight(
            block_number=self.height,
            ts_s=START_S + BLOCK_S * self.height,
            base_fee_wei=self.base_fee_wei,
            nonce=self.nonce(self.height),
            settled_nonce=self.nonce(self.height - depth_blocks),
            pooled=frozenset(self.pool),
            refusal="vault: paused" if entry.call.data in self.refused else "",
        )
        return replace(sight, receipt=self._receipt(entry))

    def _receipt(self, entry: Entry) -> Receipt | None:
        for height, block in enumerate(self.blocks):
            for raw in block:
                if any(attempt.raw == raw for attempt in entry.attempts):
                    success = json.loads(raw)[2] not in self.refused
                    return Receipt(hash_of(raw), height, f"{height}/{self.forks}", success)
        return None

    async def send(self, raw: str) -> str:
        self._die_at("before")
        if self.races:
            self.mine()
        if json.loads(raw)[0] < self.nonce(self.height):
            return "nonce too low"
        self.pool[hash_of(raw)] = raw
        self._die_at("after")
        return ""

    def _die_at(self, place: str) -> None:
        if self.kill == place:
            self.kill = ""
            raise Killed
