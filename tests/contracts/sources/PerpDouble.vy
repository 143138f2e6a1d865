# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Perp double
@license AGPL-3.0-only
@notice Stands in for Perpetual v2's clearing house, vault and account balance where the real ones are
        not there: one price without slippage, a requirement of a sixteenth, free collateral beyond a
        tenth. Shapes of calls are those of the published ABI of version 2.8.4.
"""
from ethereum.ercs import IERC20


struct OpenPosition:
    baseToken: address
    isBaseToQuote: bool
    isExactInput: bool
    amount: uint256
    oppositeAmountBound: uint256
    deadline: uint256
    sqrtPriceLimitX96: uint160
    referralCode: bytes32


E18: constant(int256) = 10**18
TO_E18: constant(int256) = 10**12

price: public(int256)  # dollars per unit of the base, 18 decimals
cash: public(HashMap[address, int256])  # 18 decimals
size: public(HashMap[address, int256])


@external
def set_price(price: int256):
    self.price = price


@external
def deposit(token: address, amount: uint256):
    assert extcall IERC20(token).transferFrom(msg.sender, self, amount)
    self.cash[msg.sender] += convert(amount, int256) * TO_E18


@external
def withdraw(token: address, amount: uint256):
    assert amount <= self._free(msg.sender), "V_NEFC"
    self.cash[msg.sender] -= convert(amount, int256) * TO_E18
    assert extcall IERC20(token).transfer(msg.sender, amount)


@external
def openPosition(params: OpenPosition) -> (uint256, uint256):
    assert params.deadline >= block.timestamp, "CH_TE"
    # Exact base both ways: sold as the input, bought as the output.
    assert params.isBaseToQuote == params.isExactInput, "double: exact quote"
    change: int256 = convert(params.amount, int256)
    if params.isBaseToQuote:
        change = -change
    self.size[msg.sender] += change
    self.cash[msg.sender] -= change * self.price // E18
    return params.amount, 0


@view
@external
def getTotalPositionSize(trader: address, base_token: address) -> int256:
    return self.size[trader]


@view
@external
def getMarginRequirementForLiquidation(trader: address) -> int256:
    return self._notional(trader) // 16


@view
@external
def getFreeCollateralByToken(trader: address, token: address) -> uint256:
    return self._free(trader)


@view
@external
def getSettlementTokenValue(trader: address) -> int256:
    return self._worth(trader) // TO_E18


@internal
@view
def _worth(trader: address) -> int256:
    return self.cash[trader] + self.size[trader] * self.price // E18


@internal
@view
def _notional(trader: address) -> int256:
    return abs(self.size[trader]) * self.price // E18


@internal
@view
def _free(trader: address) -> uint256:
    return convert(max(0, self._worth(trader) - self._notional(trader) // 10) // TO_E18, uint256)
