# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Aave v3 adapter
@license AGPL-3.0-only
@notice Supplies the asset to one Aave v3 pool and holds the aTokens. Nothing is borrowed.
@custom:security The value is the aToken balance. What the pool has lent out cannot come home until
        somebody repays; what is there does. While Aave itself is paused nothing moves either way.
"""
from ethereum.ercs import IERC20
from interfaces import IVenueAdapter

implements: IVenueAdapter


interface Pool:
    def supply(asset: address, amount: uint256, on_behalf_of: address, referral: uint16): nonpayable
    def withdraw(asset: address, amount: uint256, to: address) -> uint256: nonpayable


ASSET: immutable(IERC20)
VAULT: immutable(address)
POOL: immutable(Pool)
A_TOKEN: immutable(IERC20)


@deploy
def __init__(asset: IERC20, vault: address, pool: Pool, a_token: IERC20):
    """@param a_token What the pool gives for the asset."""
    ASSET = asset
    VAULT = vault
    POOL = pool
    A_TOKEN = a_token


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
def pool() -> address:
    return POOL.address


@view
@external
def state() -> (uint256, uint256, uint256):
    return staticcall A_TOKEN.balanceOf(self), max_value(uint256), block.timestamp


@external
def allocate(amount: uint256):
    assert msg.sender == VAULT, "aave: not vault"
    assert extcall ASSET.approve(
        POOL.address, amount, default_return_value=True
    ), "aave: approval failed"
    extcall POOL.supply(ASSET.address, amount, self, 0)


@external
def deallocate(amount: uint256):
    """@notice Sends home what is asked for, and no more than the pool has not lent out."""
    assert msg.sender == VAULT, "aave: not vault"
    # Asking for more than lies there would bring nothing: a borrower could hold all of it back.
    there: uint256 = staticcall ASSET.balanceOf(A_TOKEN.address)
    out: uint256 = min(amount, min(staticcall A_TOKEN.balanceOf(self), there))
    assert out > 0, "aave: nothing there"
    extcall POOL.withdraw(ASSET.address, out, VAULT)


@external
def deleverage(share_bps: uint256):
    raise "aave: nothing is borrowed"


@external
def perform(target: address, data: Bytes[1024]):
    raise "aave: no actions"
