# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Ranges
@license AGPL-3.0-only
@notice What liquidity in a range of prices is made of. A price is token1 for one token0; its square
        root is counted in 2^-96, liquidity is the square root of the product of both reserves.
        Formulas: Adams et al., Uniswap v3 Core (2021), equations 6.1 and 6.29 to 6.30.
"""
from snekmate.utils import math

Q96: constant(uint256) = 2**96
TICK_MAX: constant(int24) = 887_272  # beyond it the root leaves 160 bits

# 2^128 / sqrt(1.0001)^(2^i), to the nearest integer.
FACTORS: constant(uint256[20]) = [
    340265354078544963557816517032075149313,
    340248342086729790484326174814286782778,
    340214320654664324051920982716015181260,
    340146287995602323631171512101879684304,
    340010263488231146823593991679159461444,
    339738377640345403697157401104375502016,
    339195258003219555707034227454543997025,
    338111622100601834656805679988414885971,
    335954724994790223023589805789778977700,
    331682121138379247127172139078559817300,
    323299236684853023288211250268160618739,
    307163716377032989948697243942600083929,
    277268403626896220162999269216087595045,
    225923453940442621947126027127485391333,
    149997214084966997727330242082538205943,
    66119101136024775622716233608466517926,
    12847376061809297530290974190478138313,
    485053260817066172746253684029974020,
    691415978906521570653435304214168,
    1404880482679654955896180642,
]


@internal
@pure
def _sqrt_price(tick: int24) -> uint256:
    """@return The root of 1.0001^tick, rounded up."""
    steps: uint256 = convert(abs(convert(tick, int256)), uint256)
    ratio: uint256 = 2**128
    bit: uint256 = 1
    for factor: uint256 in FACTORS:
        if steps & bit != 0:
            ratio = ratio * factor >> 128
        bit = bit << 1
    if tick > 0:
        ratio = max_value(uint256) // ratio
    return (ratio + 2**32 - 1) >> 32


@internal
@pure
def _amounts(liquidity: uint256, root: uint256, low: uint256, high: uint256) -> (uint256, uint256):
    """@return Token0 and token1 of liquidity between two roots at a price, rounded down."""
    at: uint256 = max(low, min(root, high))
    amount0: uint256 = math._mul_div(liquidity * Q96, high - at, high, False) // at
    return amount0, math._mul_div(liquidity, at - low, Q96, False)


@internal
@pure
def _liquidity(
    amount0: uint256, amount1: uint256, root: uint256, low: uint256, high: uint256
) -> uint256:
    """@return The most liquidity that the amounts are enough for, rounded down."""
    at: uint256 = max(low, min(root, high))
    found: uint256 = 2**128 - 1
    if at < high:
        product: uint256 = math._mul_div(at, high, Q96, False)
        found = min(found, math._mul_div(amount0, product, high - at, False))
    if at > low:
        found = min(found, math._mul_div(amount1, Q96, at - low, False))
    return found
