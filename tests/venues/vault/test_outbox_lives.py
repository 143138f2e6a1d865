# SPDX-License-Identifier: Apache-2.0
"""Random lives of an outbox: kills, reorganisations, drops, races, and gas that jumps."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venues.vault.chain_model import (
    ADDRESS,
    BLOCK_S,
    START_S,
    ChainModel,
    Killed,
    KnownKey,
    run,
)
from tidegate.venues.vault.outbox import Call, Stage, Terms
from tidegate.venues.vault.outbox_log import OutboxLog
from tidegate.venues.vault.sender import Sender

DEPTH = 3
TERMS = Terms(
    fee_ceiling_wei=400, gas_ceiling=10**6, tip_wei=2, patience_blocks=2, depth_blocks=DEPTH
)
DAY_BLOCKS = 7_200


class Life:
    """A process that is killed and started again on its journal, beside the model of a chain."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.chain, self.count = folder, ChainModel(), 0
        self._open()

    def _open(self) -> None:
        self.log = OutboxLog(self.folder / "outbox", 1, ADDRESS)
        self.sender = Sender(self.log, KnownKey(), self.chain, TERMS)

    def queue(self, lasts_blocks: int) -> None:
        self.count += 1
        deadline_s = START_S + BLOCK_S * (self.chain.height + lasts_blocks)
        data = f"0x{self.count:04x}"
        self.sender.queue(Call(f"call-{self.count}", "0xbb", data, 10**5, deadline_s))

    def step(self, kill: str, races: bool) -> None:
        self.chain.kill, self.chain.races = kill, races
        try:
            run(self.sender.step())
        except Killed:
            self.log.close()
            self._open()
        self.chain.kill, self.chain.races = "", False

    def mine(self, blocks: int) -> None:
        self.chain.mine(blocks)

    def reorganise(self, blocks: int, forget: bool) -> None:
        self.chain.reorganise(blocks, forget)

    def drop(self) -> None:
        self.chain.pool.clear()

    def price(self, fee: int) -> None:
        self.chain.base_fee_wei = fee

    def refuse(self) -> None:
        """What was queued last and is in no block yet reverts from now on."""
        data = f"0x{self.count:04x}"
        if not any(data in raw for block in self.chain.blocks for raw in block):
            self.chain.refused.add(data)

    def check(self) -> None:
        executed = self.chain.executed()
        assert len(executed) == len(set(executed))
        for entry in self.log.outbox.entries.values():
            if not entry.is_open:
                done = entry.stage is Stage.DONE
                assert executed.count(entry.call.data) == int(done), entry

    def recover(self) -> None:
        """Once the chain is calm, every entry ends."""
        self.chain.base_fee_wei = 10
        for _ in range(12 * (self.count + 1)):
            if run(self.sender.step()) is None:
                break
            self.chain.mine()
            self.check()
        assert not any(entry.is_open for entry in self.log.outbox.entries.values())


WEIGHTS = {"step": 9, "mine": 4, "queue": 2, "reorganise": 2, "drop": 1, "price": 2, "refuse": 0.3}


def _event(dice: random.Random) -> tuple[object, ...]:
    name = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    match name:
        case "step":
            kill = dice.choice(("", "", "", "before", "after", "look"))
            return name, kill, dice.random() < 0.3
        case "mine":
            return name, dice.choice((1, 1, 2, 4))
        case "queue":
            return name, dice.choice((3, 15, DAY_BLOCKS, DAY_BLOCKS))
        case "reorganise":
            return name, dice.randint(1, DEPTH), dice.random() < 0.5
        case "price":
            return name, dice.choice((1, 10, 10, 50, 500))
        case _:
            return (name,)


def _live(seed: int, events: int) -> set[Stage]:
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder))
        life.queue(DAY_BLOCKS)
        for _ in range(events):
            name, *args = _event(dice)
            getattr(life, str(name))(*args)
            life.check()
        life.recover()
        life.log.close()
        return {entry.stage for entry in life.log.outbox.entries.values()}


def test_call_is_executed_once_or_never_through_kills_reorganisations_drops_and_gas() -> None:
    ends = set[Stage]()
    for seed in range(60):
        ends |= _live(seed, events=80)
    # A life in which nothing happens would show nothing.
    assert ends >= {Stage.DONE, Stage.CANCELLED, Stage.REFUSED, Stage.EXPIRED}


@pytest.mark.soak
@given(st.integers(min_value=60))
@settings(max_examples=5_000)
def test_call_is_executed_once_or_never_in_5_000_lives(seed: int) -> None:
    _live(seed, events=150)
