# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Uniswap double
@license AGPL-3.0-only
@notice Stands in for a Uniswap v3 pool where the real one is not there. Trades meet a constant
        liquidity `depth`; spot price and average are set, and nobody but the callers has liquidity.
        Shapes of calls are those of the published ABI of v3-core 1.0.1.
"""
from ethereum.ercs import IERC20
from snekmate.utils import math
import ranges


interface Caller:
    def uniswapV3MintCallback(owed0: uint256, owed1: uint256, data: Bytes[32]): nonpayable
    def uniswapV3SwapCallback(change0: int256, change1: int256, data: Bytes[32]): nonpayable


struct Slot:
    root: uint160
    tick: int24
    observation: uint16
    observations: uint16
    observations_next: uint16
    protocol_fee: uint8
    unlocked: bool


struct Position:
    liquidity: uint128
    growth0: uint256
    growth1: uint256
    owed0: uint128
    owed1: uint128


struct Tick:
    gross: uint128
    net: int128
    growth0: uint256
    growth1: uint256
    tick_seconds: int56
    seconds_per_liquidity: uint160
    seconds: uint32
    initialised: bool


Q96: constant(uint256) = 2**96
PIPS: constant(uint256) = 10**6

token0: public(address)
token1: public(address)
fee: public(uint24)
tickSpacing: public(int24)
slot0: public(Slot)
feeGrowthGlobal0X128: public(uint256)
feeGrowthGlobal1X128: public(uint256)
positions: public(HashMap[bytes32, Position])
mean: int24
depth: uint256


@deploy
def __init__(token0: address, token1: address, fee: uint24, spacing: int24, depth: uint256):
    self.token0 = token0
    self.token1 = token1
    self.fee = fee
    self.tickSpacing = spacing
    self.depth = depth
    self.slot0 = empty(Slot)
    self.slot0.observations = 1_000
    self.slot0.unlocked = True


@external
def set_spot(root: uint160, tick: int24):
    self.slot0.root = root
    self.slot0.tick = tick


@external
def set_mean(tick: int24):
    self.mean = tick


@external
def set_depth(depth: uint256):
    self.depth = depth


@external
def set_slot(observations: uint16, unlocked: bool):
    self.slot0.observations = observations
    self.slot0.unlocked = unlocked


@external
def earn(growth0: uint256, growth1: uint256):
    """@notice Fees for every unit of liquidity; the sums run over as they do in the pool."""
    self.feeGrowthGlobal0X128 = unsafe_add(self.feeGrowthGlobal0X128, growth0)
    self.feeGrowthGlobal1X128 = unsafe_add(self.feeGrowthGlobal1X128, growth1)


@view
@external
def observe(ages_s: DynArray[uint32, 2]) -> (DynArray[int56, 2], DynArray[uint160, 2]):
    assert self.slot0.observations > 1, "OLD"
    sums: DynArray[int56, 2] = []
    for age_s: uint32 in ages_s:
        sums.append(-convert(self.mean, int56) * convert(age_s, int56))
    return sums, [0, 0]


@view
@external
def ticks(tick: int24) -> Tick:
    # The pool came from below: a tick that is passed has all growth up to then on its far side.
    return empty(Tick)


@external
def mint(
    owner: address, tick_lower: int24, tick_upper: int24, liquidity: uint128, data: Bytes[32]
) -> (uint256, uint256):
    assert liquidity > 0
    self._touch(owner, tick_lower, tick_upper, convert(liquidity, int256))
    amount0: uint256 = 0
    amount1: uint256 = 0
    amount0, amount1 = self._amounts(tick_lower, tick_upper, liquidity)
    # Rounded up, by one more than the pool does at times.
    amount0 += 1 if amount0 > 0 else 0
    amount1 += 1 if amount1 > 0 else 0
    extcall Caller(msg.sender).uniswapV3MintCallback(amount0, amount1, data)
    return amount0, amount1


@external
def burn(tick_lower: int24, tick_upper: int24, liquidity: uint128) -> (uint256, uint256):
    key: bytes32 = self._touch(msg.sender, tick_lower, tick_upper, -convert(liquidity, int256))
    amount0: uint256 = 0
    amount1: uint256 = 0
    amount0, amount1 = self._amounts(tick_lower, tick_upper, liquidity)
    self.positions[key].owed0 += convert(amount0, uint128)
    self.positions[key].owed1 += convert(amount1, uint128)
    return amount0, amount1


@external
def collect(
    receiver: address, tick_lower: int24, tick_upper: int24, most0: uint128, most1: uint128
) -> (uint128, uint128):
    key: bytes32 = self._key(msg.sender, tick_lower, tick_upper)
    out0: uint128 = min(most0, self.positions[key].owed0)
    out1: uint128 = min(most1, self.positions[key].owed1)
    self.positions[key].owed0 -= out0
    self.positions[key].owed1 -= out1
    assert extcall IERC20(self.token0).transfer(receiver, convert(out0, uint256))
    assert extcall IERC20(self.token1).transfer(receiver, convert(out1, uint256))
    return out0, out1


@external
def swap(
    receiver: address, sells0: bool, amount: int256, limit: uint160, data: Bytes[32]
) -> (int256, int256):
    spot: uint256 = convert(self.slot0.root, uint256)
    end: uint256 = convert(limit, uint256)
    assert end < spot if sells0 else end > spot, "SPL"
    given: uint256 = convert(amount, uint256)
    net: uint256 = given * (PIPS - convert(self.fee, uint256)) // PIPS
    # As far as the amount or the limit goes, whichever comes first.
    room: uint256 = self._taken(sells0, spot, end)
    if net < room:
        if sells0:
            product: uint256 = self.depth * Q96
            end = math._mul_div(product, spot, product + net * spot, True)
        else:
            end = spot + net * Q96 // self.depth
    else:
        given = math._mul_div(room, PIPS, PIPS - convert(self.fee, uint256), True)
    out: int256 = -convert(self._given(sells0, spot, end), int256)
    paid: int256 = convert(given, int256)
    self.slot0.root = convert(end, uint160)
    token: address = self.token1 if sells0 else self.token0
    assert extcall IERC20(token).transfer(receiver, convert(-out, uint256))
    change0: int256 = paid if sells0 else out
    change1: int256 = out if sells0 else paid
    extcall Caller(msg.sender).uniswapV3SwapCallback(change0, change1, data)
    return change0, change1


@internal
@view
def _taken(sells0: bool, spot: uint256, end: uint256) -> uint256:
    if sells0:
        return ranges._amounts(self.depth, end, end, spot)[0] + 1
    return ranges._amounts(self.depth, end, spot, end)[1] + 1


@internal
@view
def _given(sells0: bool, spot: uint256, end: uint256) -> uint256:
    if sells0:
        return ranges._amounts(self.depth, spot, end, spot)[1]
    return ranges._amounts(self.depth, spot, spot, end)[0]


@internal
@view
def _amounts(tick_lower: int24, tick_upper: int24, liquidity: uint128) -> (uint256, uint256):
    return ranges._amounts(
        convert(liquidity, uint256),
        convert(self.slot0.root, uint256),
        ranges._sqrt_price(tick_lower),
        ranges._sqrt_price(tick_upper),
    )


@internal
def _touch(owner: address, tick_lower: int24, tick_upper: int24, change: int256) -> bytes32:
    key: bytes32 = self._key(owner, tick_lower, tick_upper)
    held: Position = self.positions[key]
    liquidity: uint256 = convert(held.liquidity, uint256)
    if tick_lower <= self.slot0.tick and self.slot0.tick < tick_upper:
        grown0: uint256 = unsafe_sub(self.feeGrowthGlobal0X128, held.growth0)
        grown1: uint256 = unsafe_sub(self.feeGrowthGlobal1X128, held.growth1)
        held.owed0 += convert(math._mul_div(grown0, liquidity, 2**128, False), uint128)
        held.owed1 += convert(math._mul_div(grown1, liquidity, 2**128, False), uint128)
        held.growth0 = self.feeGrowthGlobal0X128
        held.growth1 = self.feeGrowthGlobal1X128
    held.liquidity = convert(convert(held.liquidity, int256) + change, uint128)
    self.positions[key] = held
    return key


@internal
@view
def _key(owner: address, tick_lower: int24, tick_upper: int24) -> bytes32:
    return keccak256(
        concat(convert(owner, bytes20), convert(tick_lower, bytes3), convert(tick_upper, bytes3))
    )
