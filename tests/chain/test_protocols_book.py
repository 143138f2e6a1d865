# SPDX-License-Identifier: Apache-2.0
"""One book over real Aave v3 and real Perpetual v2, from the first deposit to the last coin out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chain.perp import E18, INTERVAL_S, SILENCE_S, UNIT, Desk
from tests.contracts.evm import DAY_S, account
from tests.contracts.setting import NEVER, BookLimit, VenueLimit
from tidegate.venues.chain.aave_v3 import Reserve, deploy_aave_v3
from tidegate.venues.chain.client import At, Chain, Refused

pytestmark = pytest.mark.chain
ALICE, STRANGER = account("alice"), account("stranger")


class Book:
    """The desk's vault with a second venue, Aave, in the same risk group of the chain."""

    def __init__(self, chain: Chain, packages: Path) -> None:
        self.desk = Desk(chain, packages)
        self.chain, self.setting, self.perp = chain, self.desk.setting, self.desk.adapter
        owner, dollar = self.desk.owner, self.desk.dollar
        feed = self.desk.node.deploy("TestPriceFeed", 10**8, sender=owner)
        self.bank = deploy_aave_v3(chain, packages, owner, (Reserve(dollar, feed, 6),))
        at = dollar.address, self.setting.vault.address
        pool = self.bank.pool.address, self.bank.a_tokens[dollar.address].address
        self.aave: At = self.desk.node.deploy("AaveV3Adapter", *at, *pool, sender=owner)
        self.setting.add_venue(self.aave, VenueLimit(cap_bps=5_000))
        self.setting.limit_group(0, cap_bps=9_000)
        self.setting.limit_book(BookLimit(idle_min_bps=500, loss_max_bps=300, unwind_bps=100))

    def order(self, *moves: tuple[At, int, int]) -> int:
        """By two of three signatures; the gas."""
        self.setting.rebalance(*((adapter.address, *move) for adapter, *move in moves))
        return self.chain.spent

    def where(self) -> tuple[int, int, int]:
        """Idle, at Aave, at curie, in dollars."""
        at = self.setting.vault.idle(), self.aave.state()[0], self.perp.state()[0]
        return tuple(round(amount / UNIT) for amount in at)  # type: ignore[return-value]


@pytest.fixture
def book(chain: Chain, packages: Path) -> Book:
    return Book(chain, packages)


def test_money_moves_between_real_venues_in_one_order_and_nothing_is_lost(book: Book) -> None:
    assert book.where() == (60_000, 0, 40_000)
    book.order((book.aave, 40_000 * UNIT, 40_000 * UNIT))
    assert book.where() == (20_000, 40_000, 40_000)
    both = (book.perp, -15_000 * UNIT, 15_000 * UNIT), (book.aave, 5_000 * UNIT, 5_000 * UNIT)
    spent = book.order(*both)
    assert book.where() == (30_000, 45_000, 25_000)
    assert book.setting.total() == 100_000 * UNIT
    assert spent < 700_000


def test_limits_of_group_and_idle_hold_over_both_venues(book: Book) -> None:
    with pytest.raises(Refused, match="policy: relative venue cap"):
        book.order((book.aave, 51_000 * UNIT, 0))
    with pytest.raises(Refused, match="policy: relative group cap"):
        book.order((book.aave, 49_000 * UNIT, 0), (book.perp, 5_000 * UNIT, 0))


def test_book_lives_through_crash_silence_and_the_last_redemption(book: Book) -> None:
    desk, vault = book.desk, book.setting.vault
    book.order((book.aave, 40_000 * UNIT, 40_000 * UNIT))
    desk.trade(80 * E18)
    worth = vault.convertToAssets(vault.balanceOf(ALICE))
    desk.move(1_660)
    lost = 80 * 340 * UNIT
    assert worth - vault.convertToAssets(vault.balanceOf(ALICE)) == pytest.approx(lost, rel=0.03)
    with pytest.raises(Refused, match="perp: nothing is free"):
        book.order((book.perp, -1_000 * UNIT, 0))
    desk.keeper.act(book.perp.address, sender=STRANGER)
    assert desk.size() == 60 * E18
    desk.chain.wait(SILENCE_S)
    for adapter in (book.perp, book.aave):
        desk.set_index(1_660)
        desk.keeper.act(adapter.address, sender=STRANGER)
    assert (desk.size(), book.where()[:2]) == (45 * E18, (30_000, 30_000))
    shares = int(vault.balanceOf(ALICE))
    vault.requestRedeem(shares, ALICE, ALICE, sender=ALICE)
    desk.chain.wait(max(DAY_S, INTERVAL_S))
    # What a position of 45 coins needs at curie stays there until somebody closes it.
    moves = [(book.aave.address, -(10**12), 0), (book.perp.address, -(10**12), 0)]
    with pytest.raises(Refused, match="vault: idle"):
        vault.fulfil(ALICE, shares, moves, 0, sender=ALICE)
    while book.perp.state()[1] != NEVER:
        desk.set_index(1_660)
        desk.keeper.act(book.perp.address, sender=STRANGER)
        desk.chain.wait(INTERVAL_S)
    total = book.setting.total()
    claim = int(vault.fulfil(ALICE, shares, moves, total * 999 // 1_000, sender=ALICE))
    vault.redeem(shares, ALICE, ALICE, sender=ALICE)
    assert desk.dollar.balanceOf(ALICE) == claim
    assert book.setting.total() <= 10
