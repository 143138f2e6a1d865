# SPDX-License-Identifier: Apache-2.0
"""The compiled lock: a token and a venue that call back while the vault calls them get nowhere.

Every function of the vault that changes something is called back from each place where the vault
lets go of control. The lock answers without a reason; every other refusal of the vault has one.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.evm import At, Evm, account
from tests.contracts.roles import MATRIX
from tests.contracts.setting import (
    CURATOR,
    KEEPER,
    MANAGER,
    NEVER,
    Setting,
    VenueLimit,
    new_vault,
    signers,
)

pytestmark = pytest.mark.contracts
ALICE = account("alice")
# The ERC-20 functions touch neither price nor book; the module that they come from has no lock.
UNLOCKED = {"transfer", "transferFrom", "approve"}
LOCKED = sorted(set(MATRIX["CapitalVault"]) - UNLOCKED)
LOOKS = ("totalAssets", "convertToAssets", "previewDeposit", "current_book", "maxDeposit")


class Stage:
    """A vault whose token and venue call back; Alice has shares, a request and a claim."""

    def __init__(self) -> None:
        evm, folder = Evm(), "tests/contracts/sources"
        self.token: At = evm.deploy(f"{folder}/OddToken.vy", 6, sender=account("owner"))
        self.setting: Setting = new_vault(evm, self.token)
        setting, vault = self.setting, self.setting.vault
        self.venue: At = evm.deploy(
            f"{folder}/HostileVenue.vy", self.token.address, vault.address, sender=setting.owner
        )
        setting.add_venue(self.venue, VenueLimit())
        for role, name in ((KEEPER, "keeper"), (MANAGER, "manager")):
            setting.through_timelock(vault, "appoint", role, account(name))
        self.token.mint(ALICE, 10_000, sender=ALICE)
        self.token.approve(vault.address, NEVER, sender=ALICE)
        vault.deposit(5_000, ALICE, sender=ALICE)
        setting.rebalance((self.venue.address, 1_000, 1_000))
        vault.requestRedeem(2 * 10**9, ALICE, ALICE, sender=ALICE)
        vault.fulfil(ALICE, 10**9, [], 0, sender=ALICE)
        # Nothing is idle, so that a fulfilment must unwind.
        setting.rebalance((self.venue.address, vault.idle(), 0))

    def payload(self, name: str) -> bytes:
        """Calldata of the function, well formed."""
        setting, vault, me = self.setting, self.setting.vault, self.venue.address
        order = setting.order()
        moves = [(self.venue.address, 1, 0)]
        given: dict[str, tuple[Any, ...]] = {
            "deposit": (1, me),
            "mint": (1, me),
            "setOperator": (ALICE, True),
            "requestRedeem": (1, me, me),
            "fulfil": (ALICE, 1, [], 0),
            "redeem": (1, me, me),
            "withdraw": (1, me, me),
            "execute": (vault.data("set_signers", [ALICE, me], 2),),
            "rebalance": (order, moves, setting.sign(order, moves, signers(3)[:2])),
            "act": (me, ALICE, b"\1\2\3\4"),
            "bring_home": (me, 1, 0),
            "deleverage": (me, 1, 0),
            "transfer_ownership": (me,),
            "appoint": (CURATOR, me),
            "submit": (b"\1",),
            "revoke": (b"\1",),
            "set_signers": ([ALICE, me], 2),
            "add_venue": (me,),
            "retire_venue": (me,),
            "totalAssets": (),
            "convertToAssets": (1,),
            "previewDeposit": (1,),
            "maxDeposit": (me,),
        }
        return vault.data(name, *given.get(name, ()))

    def arm(self, what: At, name: str) -> None:
        data = self.payload(name)
        if what is self.token:
            what.behave(0, False, self.setting.vault.address, data, sender=ALICE)
        else:
            what.behave(False, self.setting.vault.address, data, sender=ALICE)

    def doors(self) -> dict[str, tuple[At, Any]]:
        """Each place where the vault lets go of control, and a call that comes there."""
        setting, vault, venue = self.setting, self.setting.vault, self.venue.address
        return {
            "deposit": (self.token, lambda: vault.deposit(10, ALICE, sender=ALICE)),
            "redeem": (self.token, lambda: vault.redeem(10**6, ALICE, ALICE, sender=ALICE)),
            "rebalance": (self.venue, lambda: setting.rebalance((venue, -10, 0))),
            "bring_home": (
                self.venue, lambda: vault.bring_home(venue, 10, 0, sender=setting.sentinel)
            ),
            "deleverage": (
                self.venue, lambda: vault.deleverage(venue, 1, 0, sender=account("keeper"))
            ),
            "act": (
                self.venue, lambda: vault.act(venue, ALICE, b"", sender=account("manager"))
            ),
            "fulfil": (
                self.venue,
                lambda: vault.fulfil(
                    ALICE, 10**6, [(venue, -1, 0)], 0, sender=setting.allocator
                ),
            ),
        }  # fmt: skip


DOORS = ["act", "bring_home", "deleverage", "deposit", "fulfil", "rebalance", "redeem"]


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", [*LOCKED, *LOOKS])
def test_call_back_into_the_vault_is_stopped_by_the_lock(
    stage: Stage, door: str, name: str
) -> None:
    evm = stage.setting.evm
    mark = evm.raw.snapshot()
    if name == "execute":
        inner = stage.setting.vault.data("set_signers", [ALICE, stage.venue.address], 2)
        stage.setting.vault.submit(inner, sender=stage.setting.curator)
        evm.wait(2 * 86_400)
    what, call = stage.doors()[door]
    stage.arm(what, name)
    call()
    outcome = what.reentered(), what.answer(), what.target()
    evm.raw.revert(mark)
    # The call back was made (the target is used up), failed, and not for a reason of the vault's.
    assert outcome == (False, b"", "0x" + "00" * 20)


@pytest.mark.parametrize("name", [*LOCKED, *LOOKS])
def test_same_call_back_while_the_vault_is_not_at_work_succeeds_or_is_told_why_not(
    stage: Stage, name: str
) -> None:
    evm = stage.setting.evm
    mark = evm.raw.snapshot()
    stage.arm(stage.token, name)
    stage.token.transfer(account("bob"), 0, sender=ALICE)
    done, answer = stage.token.reentered(), stage.token.answer()
    evm.raw.revert(mark)
    assert done or answer != b""
