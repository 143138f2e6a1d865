# SPDX-License-Identifier: Apache-2.0
"""The engine over a vault's house on anvil: killed in an order, and reorganised while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.chain.conftest import PACKAGES
from tests.venues.vault.chain_model import Killed
from tidegate.audit.verifier import verify
from tidegate.live.vault.ground import Ground
from tidegate.live.vault.local_chain import AnvilChain
from tidegate.live.vault.market import DAY_S
from tidegate.live.vault.operator import DEPTH, Operator
from tidegate.live.vault.played_market import PlayedMarket
from tidegate.live.vault.setting import USDC, build
from tidegate.live.vault.story import BEGIN_S
from tidegate.venues.vault.house import REORGANISED
from tidegate.venues.vault.reading import Reader
from tidegate.venues.vault.state import VaultState

pytestmark = pytest.mark.chain
MILLION = 10**6 * USDC
DEEP = 12
VENUES = ("aave", "lp", "perp")


class Life:
    """A vault over test venues with a million in it, and an engine that can be killed."""

    def __init__(self, folder: Path, chain: AnvilChain) -> None:
        self.folder, self.chain = folder, chain
        self.ground = Ground(folder, chain)
        self.scene = build(self.ground, PlayedMarket)
        ground, (token, vault) = self.ground, (self.scene.token, self.scene.made.vault)
        holder = ground.address("alice")
        ground.call("alice", ("TestToken", token), "mint", holder, MILLION)
        ground.call("alice", ("TestToken", token), "approve", vault, MILLION)
        ground.call("alice", self.scene.vault, "deposit", MILLION, holder)
        ground.mine(3)
        self.begin()

    def begin(self) -> None:
        """An engine over what lies on disk."""
        market: Any = self.scene.market
        market._board._read = 0
        self.operator = Operator(self.ground, self.scene.place, self.folder, market)

    def killed(self) -> None:
        """The engine's process is gone, with every file that it held."""
        journal: Any = self.operator.machine.record.journal
        journal.close()
        self.operator._log.close()
        for log in self.ground._logs:
            log.close()
        self.ground._logs.clear()
        self.ground._senders.clear()

    def tick(self) -> None:
        self.operator.tick()
        self.ground.mine(DEPTH)
        self.operator.hear()

    def next_day(self) -> None:
        """A day passes, in which venues earn, and the engine decides again."""
        self.scene.market.passes((self.ground.now_s // DAY_S + 1) * DAY_S)
        self.ground.mine(DEPTH)
        self.tick()

    def state(self) -> VaultState:
        found: VaultState = self.ground.run(Reader(self.ground.node, self.scene.place, 0).state())
        return found

    def executed(self) -> tuple[list[int], list[str]]:
        """Nonces of the orders that the chain has executed, and where their money went."""
        logs, names = self.ground.logs(self.scene.vault, 0), self.scene.place.names
        nonces = [log.args["nonce"] for log in logs if log.name == "Rebalanced"]
        return nonces, [names[log.args["adapter"]] for log in logs if log.name == "VenueMoved"]

    def check(self) -> None:
        """Every order is on the chain once; engine, house and token count the same; the record is
        whole."""
        ground, state = self.ground, self.state()
        nonces, moved = self.executed()
        assert nonces == [0, 1, 2]
        assert sorted(moved) == list(VENUES)
        head = ground.run(ground.node.block()).number
        sent = ground.run(ground.node.count(ground.address("allocator"), head))
        assert sent == state.nonce == 3
        places = (self.scene.made.vault, *(self.scene.market.adapters[name] for name in VENUES))
        token = ("TestToken", self.scene.token)
        there = [ground.view(token, "balanceOf", place) for place in places]
        assert there[0] == state.idle_quanta < MILLION // 5
        assert sum(there) == state.total_quanta >= MILLION
        assert there[1:] == [v.value_quanta for v in state.venues]
        house, desk = self.operator.house, self.operator.machine.desk
        ledger = self.operator.machine.record.ledger
        for name, quanta in zip(("vault", *VENUES), there, strict=True):
            statement: Any = house.statement(name)
            assert statement.account.balances == {"USDC": quanta}
            assert ledger.account(name).balances.get("USDC", 0) == quanta
        assert not desk.books.open_transfers
        self.operator.close()
        assert all(check.passed for check in verify(str(self.operator.journal)))


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    with closing(AnvilChain(PACKAGES, BEGIN_S)) as chain:
        made = Life(tmp_path, chain)
        with closing(made.ground):
            yield made
            with suppress(Exception):  # Where the test has sealed it there is nothing left.
                made.killed()


def _dies_once(place: str, life: Life, patch: pytest.MonkeyPatch) -> None:
    """The process dies when it sends its second order: before it is queued, before it is handed
    over, or after."""
    node, edge = life.ground.node, life.operator.edge
    send, submit, seen = node.send, edge.submit, list[str]()

    async def sent(raw: str) -> str:
        seen.append(raw)
        if len(seen) == 2 and place == "before it is handed over":
            raise Killed
        answer = await send(raw)
        if len(seen) == 2:
            raise Killed
        return answer

    async def submitted(*args: Any) -> Any:
        if len(seen) == 1:
            raise Killed
        return await submit(*args)

    patch.setattr(node, "send", sent)
    if place == "before it is queued":
        patch.setattr(edge, "submit", submitted)


@pytest.mark.parametrize(
    "place", ["before it is queued", "before it is handed over", "after it is handed over"]
)
def test_engine_killed_in_the_middle_of_an_order_goes_on_from_disk_and_sends_it_once(
    life: Life, place: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        _dies_once(place, life, patch)
        with pytest.raises(Killed):
            life.operator.tick()
    life.killed()
    life.begin()
    life.tick()
    life.next_day()
    life.check()


def _reorganises(life: Life, depth: int, patch: pytest.MonkeyPatch) -> list[int]:
    """The chain drops its last blocks whenever the engine waits for more, three times those with
    an order in them; how many orders each time."""
    ground, mine, dropped = life.ground, life.ground.mine, list[int]()

    def mined(blocks: int = 1) -> None:
        mine(depth - 1)
        before = len(life.executed()[0])
        if sum(dropped) < 3:
            life.chain.world.rpc("anvil_reorg", depth, [])
            dropped.append(before - len(life.executed()[0]))
        mine(blocks)

    patch.setattr(ground, "mine", mined)
    return dropped


@pytest.mark.parametrize("depth", [1, 2])
def test_reorganisation_while_the_engine_runs_sends_each_order_once(life: Life, depth: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        dropped = _reorganises(life, depth, patch)
        life.tick()
        assert sum(dropped) == 3
    life.check()


def test_reorganisation_deeper_than_was_believed_stops_the_engine_also_after_a_restart(
    life: Life,
) -> None:
    life.tick()
    assert life.executed()[0] == [0, 1, 2]
    life.chain.world.rpc("anvil_reorg", DEEP, [])
    life.ground.mine(DEEP)
    assert life.executed()[0] != [0, 1, 2]
    for _ in range(2):
        told: Any = life.operator.house.state
        assert told.reason == REORGANISED
        assert life.operator.house.entries("aave", 0) == told
        before = life.executed()
        life.next_day()
        assert life.executed() == before
        life.killed()
        life.begin()
