# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Test venue
@license AGPL-3.0-only
@notice A venue whose value, requirement, cost of leaving and silence its deployer sets, for tests
        and demonstrations. It keeps its own account, so that a donation to it has no effect.
"""
from ethereum.ercs import IERC20
from interfaces import IVenueAdapter

implements: IVenueAdapter

BPS: constant(uint256) = 10_000

ASSET: immutable(IERC20)
VAULT: immutable(address)
DEPLOYER: immutable(address)

held: public(uint256)
requirement: public(uint256)
cost_bps: public(uint256)  # of what leaves
mute: public(bool)


@deploy
def __init__(asset: IERC20, vault: address):
    ASSET = asset
    VAULT = vault
    DEPLOYER = msg.sender


@view
@external
def asset() -> address:
    return ASSET.address


@view
@external
def vault() -> address:
    return VAULT


@view
@external
def state() -> (uint256, uint256, uint256):
    assert not self.mute, "venue: mute"
    if self.requirement == 0:
        return self.held, max_value(uint256), block.timestamp
    return self.held, self.held * BPS // self.requirement, block.timestamp


@external
def allocate(amount: uint256):
    assert msg.sender == VAULT, "venue: not vault"
    self.held += amount - amount * self.cost_bps // BPS


@external
def deallocate(amount: uint256):
    assert msg.sender == VAULT, "venue: not vault"
    out: uint256 = min(amount, self.held)
    self.held -= out
    assert extcall ASSET.transfer(
        VAULT, out - out * self.cost_bps // BPS, default_return_value=True
    ), "venue: transfer failed"


@external
def deleverage(share_bps: uint256):
    assert msg.sender == VAULT, "venue: not vault"
    assert self.requirement > 0, "venue: nothing open"
    closed: uint256 = self.requirement * share_bps // BPS
    self.requirement -= closed
    # Whatever was brought home before is not there to pay with.
    self.held -= min(self.held, closed * self.cost_bps // BPS)


@external
def perform(target: address, data: Bytes[1024]):
    assert msg.sender == VAULT, "venue: not vault"
    raw_call(target, data)


@external
def set_market(held: uint256, requirement: uint256, cost_bps: uint256):
    """@notice What the position is worth, what it requires, and what leaving costs. Tokens for a
            gain must be minted to this contract."""
    assert msg.sender == DEPLOYER or msg.sender == self, "venue: not deployer"
    self.held = held
    self.requirement = requirement
    self.cost_bps = cost_bps


@external
def set_mute(mute: bool):
    assert msg.sender == DEPLOYER, "venue: not deployer"
    self.mute = mute
