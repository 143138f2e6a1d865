# SPDX-License-Identifier: Apache-2.0
"""The tree says what may be called, the policy how much may change; neither alone is enough."""

from __future__ import annotations

import pytest

from tests.contracts.evm import At, Refused, account
from tests.contracts.setting import MANAGER, BookLimit, Setting, vault_with_venues

pytestmark = pytest.mark.contracts
STRATEGIST = account("strategist")


def _pair(a: bytes, b: bytes) -> bytes:
    from eth_utils import keccak

    return bytes(keccak(min(a, b) + max(a, b)))


class Tree:
    """A Merkle tree of four leaves."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves = leaves
        self.left, self.right = _pair(*leaves[:2]), _pair(*leaves[2:])
        self.root = _pair(self.left, self.right)

    def proof(self, index: int) -> list[bytes]:
        return [self.leaves[index ^ 1], self.right if index < 2 else self.left]


class Stage:
    """A strategist who may have the venue approve the curator, and mark its own book."""

    def __init__(self) -> None:
        self.setting: Setting = vault_with_venues(2)
        setting = self.setting
        self.manager: At = setting.evm.deploy(
            "ActionManager", setting.vault.address, sender=setting.owner
        )
        setting.through_timelock(setting.vault, "appoint", MANAGER, self.manager.address)
        setting.limit_book(BookLimit(loss_max_bps=100))
        self.venue = setting.venues[0]
        self.approve = setting.token.data("approve", setting.curator, 5)
        self.small = self.venue.data("set_market", 1_990, 0, 0)
        self.large = self.venue.data("set_market", 1_800, 0, 0)
        token, venue = setting.token.address, self.venue.address
        calls = [(token, self.approve, 1), (venue, self.small, 0), (venue, self.large, 0)]
        leaves = [self.manager.leaf(venue, *call) for call in calls]
        self.tree = Tree([*leaves, bytes(32)])
        setting.through_timelock(self.manager, "set_root", STRATEGIST, self.tree.root)
        setting.deposit(account("alice"), 10_000)
        setting.rebalance(setting.move(0, 2_000, 2_000))

    def act(self, index: int, target: At, data: bytes, mask: int = 0, sender: str = "") -> None:
        self.manager.act(
            self.venue.address,
            target.address,
            data,
            mask,
            self.tree.proof(index),
            sender=sender or STRATEGIST,
        )

    def refusal(self, *args: object, **given: str) -> str:
        with pytest.raises(Refused) as refused:
            self.act(*args, **given)  # type: ignore[arg-type]
        return str(refused.value)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_call_in_the_tree_is_made_by_the_venues_adapter(stage: Stage) -> None:
    token = stage.setting.token
    stage.act(0, token, stage.approve, 1)
    assert token.allowance(stage.venue.address, stage.setting.curator) == 5


def test_redirected_recipient_other_selector_target_or_mask_is_refused(stage: Stage) -> None:
    token, outside = stage.setting.token, "manager: not in the tree"
    redirected = token.data("approve", STRATEGIST, 5)
    assert stage.refusal(0, token, redirected, 1) == outside
    assert stage.refusal(0, token, redirected, 0) == outside
    assert stage.refusal(0, token, token.data("transfer", stage.setting.curator, 5), 1) == outside
    assert stage.refusal(0, stage.setting.vault, stage.approve, 1) == outside
    assert stage.refusal(1, token, stage.approve, 1) == outside


def test_amount_is_not_in_the_tree_and_is_the_policys(stage: Stage) -> None:
    token = stage.setting.token
    stage.act(0, token, token.data("approve", stage.setting.curator, 10**12), 1)
    stage.act(1, stage.venue, stage.small)
    assert stage.setting.total() == 9_990
    assert stage.refusal(2, stage.venue, stage.large) == "policy: loss"


def test_other_strategist_and_cleared_root_are_refused(stage: Stage) -> None:
    token = stage.setting.token
    denied = "manager: not a strategist"
    assert stage.refusal(0, token, stage.approve, 1, sender=stage.setting.stranger) == denied
    stage.manager.clear_root(STRATEGIST, sender=stage.setting.sentinel)
    assert stage.refusal(0, token, stage.approve, 1) == denied


def test_call_in_a_pause_is_refused(stage: Stage) -> None:
    stage.setting.vault.pause(sender=stage.setting.sentinel)
    assert stage.refusal(0, stage.setting.token, stage.approve, 1) == "vault: paused"


def test_calldata_that_the_mask_does_not_fit_is_refused(stage: Stage) -> None:
    token = stage.setting.token
    assert stage.refusal(0, token, b"\1\2\3") == "manager: no selector"
    assert stage.refusal(0, token, stage.approve, 1 << 2) == "manager: data too short"
    assert stage.refusal(0, token, stage.approve, 1 << 16) == "manager: mask"
    dirty = stage.approve[:4] + b"\xff" + stage.approve[5:]
    assert stage.refusal(0, token, dirty, 1) == "manager: not an address"


def test_inner_node_does_not_pass_for_a_leaf(stage: Stage) -> None:
    assert stage.tree.left not in stage.tree.leaves
    assert stage.manager.root(STRATEGIST) == stage.tree.root
    with pytest.raises(Refused, match="manager: not in the tree"):
        stage.manager.act(
            stage.venue.address, stage.venue.address, stage.small, 0,
            [stage.tree.right], sender=STRATEGIST,
        )  # fmt: skip


def test_new_root_waits_for_the_timelock_once_there_are_depositors(stage: Stage) -> None:
    setting, data = stage.setting, stage.manager.data("set_root", STRATEGIST, bytes(31) + b"\1")
    stage.manager.submit(data, sender=setting.curator)
    with pytest.raises(Refused, match="timelock: too early"):
        stage.manager.execute(data, sender=setting.stranger)
    stage.manager.revoke(data, sender=setting.sentinel)
    with pytest.raises(Refused, match="timelock: not submitted"):
        stage.manager.execute(data, sender=setting.stranger)
