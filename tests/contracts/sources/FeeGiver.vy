# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Fee giver
@license AGPL-3.0-only
@notice Gives a Uniswap v3 pool's providers a fee for nothing, by a flash loan of nothing that it
        pays back with more.
"""
from ethereum.ercs import IERC20


interface Pool:
    def token0() -> address: view
    def token1() -> address: view
    def flash(receiver: address, amount0: uint256, amount1: uint256, data: Bytes[64]): nonpayable


@external
def give(pool: Pool, amount0: uint256, amount1: uint256):
    """@notice The amounts must lie here."""
    extcall pool.flash(self, 0, 0, abi_encode(amount0, amount1))


@external
def uniswapV3FlashCallback(fee0: uint256, fee1: uint256, data: Bytes[64]):
    amount0: uint256 = 0
    amount1: uint256 = 0
    amount0, amount1 = abi_decode(data, (uint256, uint256))
    pool: Pool = Pool(msg.sender)
    assert extcall IERC20(staticcall pool.token0()).transfer(msg.sender, amount0)
    assert extcall IERC20(staticcall pool.token1()).transfer(msg.sender, amount1)
