# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Uniswap v3 liquidity adapter
@license AGPL-3.0-only
@notice Liquidity in one range of one Uniswap v3 pool. Of the pool's two tokens one is the asset; the
        other is bought on the way in and sold on the way home, in the same pool, never at a price
        further than the gap from the pool's own average over the window.
@custom:security Every sale home is limited to the average less the gap, before the pool's fee. The value
        is what the position is worth at just that price, fees to be collected included. A position
        holds the less the more its price is its own, so whatever the spot price is, burning and
        selling down to the limit takes nothing off that value; and within the gap the spot price has no
        part in it. Outside, the value is not known and nothing is sold: what is asset already comes
        home, the rest waits for the average to follow. How much the pool can take before the
        limit is not counted: what it cannot take stays here, and counts on. Gifts are gains.
"""
from ethereum.ercs import IERC20
from snekmate.utils import math
import ranges
from interfaces import IVenueAdapter

implements: IVenueAdapter


interface Pool:
    def token0() -> address: view
    def token1() -> address: view
    def fee() -> uint24: view
    def tickSpacing() -> int24: view
    def slot0() -> Slot: view
    def observe(ages_s: DynArray[uint32, 2]) -> (DynArray[int56, 2], DynArray[uint160, 2]): view
    def positions(key: bytes32) -> Position: view
    def ticks(tick: int24) -> Tick: view
    def feeGrowthGlobal0X128() -> uint256: view
    def feeGrowthGlobal1X128() -> uint256: view
    def mint(
        owner: address, tick_lower: int24, tick_upper: int24, liquidity: uint128, data: Bytes[32]
    ) -> (uint256, uint256): nonpayable
    def burn(
        tick_lower: int24, tick_upper: int24, liquidity: uint128
    ) -> (uint256, uint256): nonpayable
    def collect(
        receiver: address, tick_lower: int24, tick_upper: int24, most0: uint128, most1: uint128
    ) -> (uint128, uint128): nonpayable
    def swap(
        receiver: address, sells0: bool, amount: int256, limit: uint160, data: Bytes[32]
    ) -> (int256, int256): nonpayable


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


struct Terms:
    tick_lower: int24
    tick_upper: int24
    window_s: uint256  # over which the pool's price is averaged
    gap_bps: uint256  # furthest from the average at which anything is traded
    block_s: uint256  # least seconds between two blocks of the chain


struct Prices:
    spot: uint256  # all three are square roots
    low: uint256
    high: uint256
    tick: int24
    calm: bool  # the spot price is within the gap


Q96: constant(uint256) = 2**96
BPS: constant(uint256) = 10_000
PIPS: constant(uint256) = 10**6
GAP_MAX_BPS: constant(uint256) = 2_000
WINDOW_MIN_S: constant(uint256) = 60

ASSET: immutable(IERC20)
OTHER: immutable(IERC20)
VAULT: immutable(address)
POOL: immutable(Pool)
TERMS: immutable(Terms)
OTHER_IS_0: immutable(bool)
FEE_PIPS: immutable(uint256)
GAP_ROOT: immutable(uint256)  # root of one less the gap
FEE_ROOT: immutable(uint256)  # root of one less the pool's fee
LOWER: immutable(uint256)  # roots of the range's ends
UPPER: immutable(uint256)
KEY: immutable(bytes32)


@deploy
def __init__(asset: IERC20, vault: address, pool: Pool, terms: Terms):
    """@notice The pool must remember enough blocks for the window; anybody may make it."""
    token0: address = staticcall pool.token0()
    token1: address = staticcall pool.token1()
    assert asset.address in [token0, token1], "lp: foreign pool"
    assert 0 < terms.gap_bps and terms.gap_bps <= GAP_MAX_BPS, "lp: gap"
    assert WINDOW_MIN_S <= terms.window_s and terms.window_s < 2**31, "lp: window"
    slot: Slot = staticcall pool.slot0()
    remembers_s: uint256 = convert(slot.observations, uint256) * terms.block_s
    assert remembers_s > terms.window_s, "lp: pool remembers too little"
    spacing: int24 = staticcall pool.tickSpacing()
    assert terms.tick_lower < terms.tick_upper, "lp: range"
    assert terms.tick_lower % spacing == 0 and terms.tick_upper % spacing == 0, "lp: range"
    ends: int24 = max(-terms.tick_lower, terms.tick_upper)
    assert ends <= ranges.TICK_MAX, "lp: range"
    ASSET = asset
    VAULT = vault
    POOL = pool
    TERMS = terms
    OTHER_IS_0 = asset.address == token1
    OTHER = IERC20(token0 if asset.address == token1 else token1)
    FEE_PIPS = convert(staticcall pool.fee(), uint256)
    GAP_ROOT = isqrt((BPS - terms.gap_bps) * Q96 // BPS * Q96)
    FEE_ROOT = isqrt((PIPS - FEE_PIPS) * Q96 // PIPS * Q96)
    LOWER = ranges._sqrt_price(terms.tick_lower)
    UPPER = ranges._sqrt_price(terms.tick_upper)
    KEY = keccak256(
        concat(
            convert(self, bytes20),
            convert(terms.tick_lower, bytes3),
            convert(terms.tick_upper, bytes3),
        )
    )


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
def terms() -> Terms:
    return TERMS


@view
@external
def state() -> (uint256, uint256, uint256):
    position: Position = staticcall POOL.positions(KEY)
    here: uint256 = staticcall ASSET.balanceOf(self)
    if position.liquidity == 0 and position.owed0 == 0 and position.owed1 == 0:
        if staticcall OTHER.balanceOf(self) == 0:
            return here, max_value(uint256), block.timestamp
    prices: Prices = self._prices()
    known_from: uint256 = block.timestamp if prices.calm else 0
    return here + self._placed(position, prices), max_value(uint256), known_from


@external
def allocate(amount: uint256):
    """@notice Buys the share that the range needs of the other token, and adds liquidity. What
            the limit or the ratio leaves over stays here, and is used the next time."""
    assert msg.sender == VAULT, "lp: not vault"
    prices: Prices = self._prices()
    assert prices.calm, "lp: price off its average"
    spent: uint256 = self._to_buy_with(prices.spot)
    if spent > 0:
        self._swap(not OTHER_IS_0, spent, prices)
    spot: uint256 = convert((staticcall POOL.slot0()).root, uint256)
    mine: uint256 = staticcall ASSET.balanceOf(self)
    other: uint256 = staticcall OTHER.balanceOf(self)
    amount0: uint256 = other if OTHER_IS_0 else mine
    amount1: uint256 = mine if OTHER_IS_0 else other
    liquidity: uint256 = ranges._liquidity(amount0, amount1, spot, LOWER, UPPER)
    if liquidity > 0:
        extcall POOL.mint(
            self, TERMS.tick_lower, TERMS.tick_upper, convert(liquidity, uint128), b""
        )


@external
def deallocate(amount: uint256):
    """@notice Burns what the amount needs, collects, and sells the other token down to the limit;
            away from its average nothing is sold, and only what is asset already comes home."""
    assert msg.sender == VAULT, "lp: not vault"
    here: uint256 = staticcall ASSET.balanceOf(self)
    if amount > here:
        prices: Prices = self._prices()
        self._burn(amount - here, prices)
        other: uint256 = staticcall OTHER.balanceOf(self)
        if prices.calm and other > 0:
            self._swap(OTHER_IS_0, other, prices)
    out: uint256 = min(amount, staticcall ASSET.balanceOf(self))
    assert out > 0, "lp: nothing comes home"
    assert extcall ASSET.transfer(VAULT, out, default_return_value=True), "lp: transfer failed"


@external
def deleverage(share_bps: uint256):
    raise "lp: nothing is borrowed"


@external
def perform(target: address, data: Bytes[1024]):
    raise "lp: no actions"


# The pool asks for its money while it is called, and so while the lock is on. It calls back nobody
# but its own caller.


@external
@reentrant
def uniswapV3MintCallback(owed0: uint256, owed1: uint256, data: Bytes[32]):
    assert msg.sender == POOL.address, "lp: not pool"
    self._pay(owed0, owed1)


@external
@reentrant
def uniswapV3SwapCallback(change0: int256, change1: int256, data: Bytes[32]):
    assert msg.sender == POOL.address, "lp: not pool"
    self._pay(convert(max(change0, 0), uint256), convert(max(change1, 0), uint256))


@internal
def _pay(owed0: uint256, owed1: uint256):
    self._pay_in(OTHER if OTHER_IS_0 else ASSET, owed0)
    self._pay_in(ASSET if OTHER_IS_0 else OTHER, owed1)


@internal
def _pay_in(token: IERC20, owed: uint256):
    if owed > 0:
        assert extcall token.transfer(
            POOL.address, owed, default_return_value=True
        ), "lp: transfer failed"


@internal
def _swap(sells0: bool, amount: uint256, prices: Prices):
    """@notice Sells at most that amount, as far as the limit goes."""
    limit: uint256 = prices.low if sells0 else prices.high
    extcall POOL.swap(self, sells0, convert(amount, int256), convert(limit, uint160), b"")


@internal
def _burn(short: uint256, prices: Prices):
    """@notice Burns the share of the liquidity that the rest of the value is short of, rounded up,
            and collects; the fees of all of it come along."""
    position: Position = staticcall POOL.positions(KEY)
    liquidity: uint256 = convert(position.liquidity, uint256)
    if liquidity > 0:
        placed: uint256 = self._placed(position, prices)
        share: uint256 = liquidity
        if short < placed:
            share = math._mul_div(liquidity, short, placed, True)
        extcall POOL.burn(TERMS.tick_lower, TERMS.tick_upper, convert(share, uint128))
    all: uint128 = max_value(uint128)
    extcall POOL.collect(self, TERMS.tick_lower, TERMS.tick_upper, all, all)


@internal
@view
def _placed(position: Position, prices: Prices) -> uint256:
    """@return What all but the asset that lies here is worth at the limit, less the pool's fee."""
    # Towards the side on which the other token is worth less; beyond the limit the spot price is.
    at: uint256 = 0
    if OTHER_IS_0:
        at = math._mul_div(min(prices.low, prices.spot), FEE_ROOT, Q96, False)
    else:
        at = math._mul_div(max(prices.high, prices.spot), Q96, FEE_ROOT, True)
    liquidity: uint256 = convert(position.liquidity, uint256)
    amount0: uint256 = 0
    amount1: uint256 = 0
    amount0, amount1 = ranges._amounts(liquidity, at, LOWER, UPPER)
    fee0: uint256 = 0
    fee1: uint256 = 0
    fee0, fee1 = self._fees(position, prices.tick)
    amount0 += fee0
    amount1 += fee1
    other: uint256 = staticcall OTHER.balanceOf(self)
    if OTHER_IS_0:
        return amount1 + self._worth(amount0 + other, at)
    return amount0 + self._worth(amount1 + other, at)


@internal
@view
def _fees(position: Position, tick: int24) -> (uint256, uint256):
    """@return What the position has earned and not collected, as the pool would reckon it now."""
    fee0: uint256 = convert(position.owed0, uint256)
    fee1: uint256 = convert(position.owed1, uint256)
    if position.liquidity == 0:
        return fee0, fee1
    lower: Tick = staticcall POOL.ticks(TERMS.tick_lower)
    upper: Tick = staticcall POOL.ticks(TERMS.tick_upper)
    all0: uint256 = staticcall POOL.feeGrowthGlobal0X128()
    all1: uint256 = staticcall POOL.feeGrowthGlobal1X128()
    inside0: uint256 = self._inside(all0, lower.growth0, upper.growth0, tick)
    inside1: uint256 = self._inside(all1, lower.growth1, upper.growth1, tick)
    liquidity: uint256 = convert(position.liquidity, uint256)
    # Only differences of growth mean something: the pool lets the sums run over.
    fee0 += math._mul_div(unsafe_sub(inside0, position.growth0), liquidity, 2**128, False)
    fee1 += math._mul_div(unsafe_sub(inside1, position.growth1), liquidity, 2**128, False)
    return fee0, fee1


@internal
@view
def _inside(all: uint256, lower: uint256, upper: uint256, tick: int24) -> uint256:
    """@return Growth of fees within the range, from growths on the far sides of its ends."""
    if tick < TERMS.tick_lower:
        return unsafe_sub(lower, upper)
    if tick >= TERMS.tick_upper:
        return unsafe_sub(upper, lower)
    return unsafe_sub(unsafe_sub(all, lower), upper)


@internal
@view
def _prices() -> Prices:
    """@notice Spot price, and the average less and more the gap. Reverts where the pool does not
            remember the whole window: an average that is not known is no price."""
    slot: Slot = staticcall POOL.slot0()
    sums: DynArray[int56, 2] = []
    others: DynArray[uint160, 2] = []
    ages_s: DynArray[uint32, 2] = [convert(TERMS.window_s, uint32), 0]
    sums, others = staticcall POOL.observe(ages_s)
    change: int256 = convert(sums[1], int256) - convert(sums[0], int256)
    average: int24 = self._mean(change)
    middle: uint256 = ranges._sqrt_price(average)
    low: uint256 = math._mul_div(middle, GAP_ROOT, Q96, False)
    high: uint256 = math._mul_div(middle, Q96, GAP_ROOT, True)
    spot: uint256 = convert(slot.root, uint256)
    # In the midst of another's call to the pool nothing about it is known.
    calm: bool = slot.unlocked and low < spot and spot < high
    return Prices(spot=spot, low=low, high=high, tick=slot.tick, calm=calm)


@internal
@view
def _mean(change: int256) -> int24:
    """@return The mean tick, rounded to where the other token is worth less."""
    window_s: int256 = convert(TERMS.window_s, int256)
    mean: int256 = change // window_s
    rest: int256 = change - mean * window_s
    if OTHER_IS_0 and rest < 0:
        mean -= 1
    if not OTHER_IS_0 and rest > 0:
        mean += 1
    return convert(mean, int24)


@internal
@view
def _to_buy_with(spot: uint256) -> uint256:
    """@return How much of the asset here buys what the range lacks of the other token, after fee."""
    amount0: uint256 = 0
    amount1: uint256 = 0
    amount0, amount1 = ranges._amounts(2**112, spot, LOWER, UPPER)
    needs: uint256 = self._worth(amount0 if OTHER_IS_0 else amount1, spot)
    keeps: uint256 = amount1 if OTHER_IS_0 else amount0
    keeps -= math._mul_div(keeps, FEE_PIPS, PIPS, False)
    held: uint256 = self._worth(staticcall OTHER.balanceOf(self), spot)
    mine: uint256 = staticcall ASSET.balanceOf(self)
    wanted: uint256 = math._mul_div(mine + held, needs, needs + keeps, False)
    return min(mine, wanted - min(wanted, held))


@internal
@view
def _worth(other: uint256, at: uint256) -> uint256:
    """@return An amount of the other token in the asset at a price, rounded down."""
    if OTHER_IS_0:
        return math._mul_div(math._mul_div(other, at, Q96, False), at, Q96, False)
    return math._mul_div(math._mul_div(other, Q96, at, False), Q96, at, False)
