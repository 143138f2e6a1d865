# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Pool double
@license AGPL-3.0-only
@notice Stands in for an Aave v3 pool and its aToken where the real one is not there: one balance for
        each supplier, which `earn` raises.
"""
from ethereum.ercs import IERC20

balanceOf: public(HashMap[address, uint256])


@external
def supply(asset: address, amount: uint256, on_behalf_of: address, referral: uint16):
    assert extcall IERC20(asset).transferFrom(msg.sender, self, amount)
    self.balanceOf[on_behalf_of] += amount


@external
def withdraw(asset: address, amount: uint256, to: address) -> uint256:
    self.balanceOf[msg.sender] -= amount
    assert extcall IERC20(asset).transfer(to, amount)
    return amount


@external
def earn(supplier: address, amount: uint256):
    self.balanceOf[supplier] += amount
