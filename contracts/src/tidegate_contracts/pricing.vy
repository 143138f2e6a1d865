# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Pricing
@license AGPL-3.0-only
@notice What shares are priced on: the book without gains that are not paid out yet. Gains are
        locked and paid out evenly until `unlocks_at`; a new gain moves that time by its weight.
        Losses come out of locked gains first.
"""

VIRTUAL_SHARES: constant(uint256) = 10**6  # they make it dear to inflate the price of the first

priced: public(uint256)  # at the last accrual
locked: public(uint256)  # at the last accrual
accrued_at: public(uint256)
unlocks_at: public(uint256)


@deploy
def __init__():
    self.accrued_at = block.timestamp


@internal
@view
def _accrual(total: uint256, unlock_s: uint256) -> (uint256, uint256, uint256):
    """@return What shares are priced on at a book of `total`, what is locked, and until when."""
    ends: uint256 = self.unlocks_at
    locked: uint256 = 0
    if block.timestamp < ends:
        # Rounded up: what is locked is not paid out early.
        left: uint256 = self.locked * (ends - block.timestamp)
        locked = self._ceil_div(left, ends - self.accrued_at)
    priced: uint256 = self.priced + self.locked - locked
    if total >= priced + locked:
        gain: uint256 = total - priced - locked
        if gain > 0:
            weight: uint256 = locked * (max(ends, block.timestamp) - block.timestamp)
            ends = block.timestamp + (weight + gain * unlock_s) // (locked + gain)
            locked += gain
    else:
        priced = min(priced, total)
        locked = total - priced
    return priced, locked, ends


@internal
def _accrue(total: uint256, unlock_s: uint256):
    self.priced, self.locked, self.unlocks_at = self._accrual(total, unlock_s)
    self.accrued_at = block.timestamp


@internal
@pure
def _to_shares(assets: uint256, priced: uint256, supply: uint256) -> uint256:
    return assets * (supply + VIRTUAL_SHARES) // (priced + 1)


@internal
@pure
def _to_assets(shares: uint256, priced: uint256, supply: uint256) -> uint256:
    return shares * (priced + 1) // (supply + VIRTUAL_SHARES)


@internal
@pure
def _to_assets_up(shares: uint256, priced: uint256, supply: uint256) -> uint256:
    return self._ceil_div(shares * (priced + 1), supply + VIRTUAL_SHARES)


@internal
@pure
def _ceil_div(x: uint256, y: uint256) -> uint256:
    return x // y if x % y == 0 else x // y + 1
