# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Hostile venue
@license AGPL-3.0-only
@notice An adapter that calls into the vault while the vault calls it, and may answer nonsense.
"""
from ethereum.ercs import IERC20

asset: public(address)
vault: public(address)
held: public(uint256)
lie: public(bool)
target: public(address)
payload: public(Bytes[2048])
reentered: public(bool)
answer: public(Bytes[256])


@deploy
def __init__(asset: address, vault: address):
    self.asset = asset
    self.vault = vault


@external
def behave(lie: bool, target: address, payload: Bytes[2048]):
    self.lie = lie
    self.target = target
    self.payload = payload


@view
@external
def state() -> (uint256, uint256, uint256):
    if self.lie:
        return max_value(uint256), 0, block.timestamp
    return self.held, max_value(uint256), block.timestamp


@external
def allocate(amount: uint256):
    self.held += amount
    self._reenter()


@external
def deallocate(amount: uint256):
    out: uint256 = min(amount, self.held)
    self.held -= out
    self._reenter()
    assert extcall IERC20(self.asset).transfer(self.vault, out)


@external
def deleverage(share_bps: uint256):
    self._reenter()


@external
def perform(target: address, data: Bytes[1024]):
    self._reenter()


@internal
def _reenter():
    if self.target != empty(address):
        target: address = self.target
        self.target = empty(address)
        self.reentered, self.answer = raw_call(
            target, self.payload, max_outsize=256, revert_on_failure=False
        )
