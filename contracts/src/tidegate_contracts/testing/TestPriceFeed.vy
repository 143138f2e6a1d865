# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Test price feed
@license AGPL-3.0-only
@notice Dollar prices with eight decimals that its deployer sets, in the shape of Chainlink's
        aggregators (AggregatorV3Interface), for real protocols in tests and demonstrations.
"""

DEPLOYER: immutable(address)

decimals: public(constant(uint8)) = 8

answers: HashMap[uint80, int256]
set_at: HashMap[uint80, uint256]
round: uint80


@deploy
def __init__(price: int256):
    """@param price The first, of round one."""
    DEPLOYER = msg.sender
    self._set(price)


@external
def set_price(price: int256):
    assert msg.sender == DEPLOYER, "feed: not deployer"
    self._set(price)


@view
@external
def latestAnswer() -> int256:
    return self.answers[self.round]


@view
@external
def latestRoundData() -> (uint80, int256, uint256, uint256, uint80):
    """@return Round, answer, begun at, set at, and the round of the answer."""
    return self._round(self.round)


@view
@external
def getRoundData(round: uint80) -> (uint80, int256, uint256, uint256, uint80):
    return self._round(round)


@internal
def _set(price: int256):
    self.round += 1
    self.answers[self.round] = price
    self.set_at[self.round] = block.timestamp


@internal
@view
def _round(round: uint80) -> (uint80, int256, uint256, uint256, uint80):
    at: uint256 = self.set_at[round]
    return round, self.answers[round], at, at, round
