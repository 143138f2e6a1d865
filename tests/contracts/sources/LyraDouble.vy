# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Lyra double
@license AGPL-3.0-only
@notice Stands in for all seven contracts of a Lyra v1 market where the real ones are not there: one
        board with one strike, an ordinary price and a forced one, a requirement for each option,
        all of them set. It holds the money, and asks for no fee. Shapes of calls are those of the
        published ABI of version 0.1.3-alpha.
"""
from ethereum.ercs import IERC20
import lyra


ONE: constant(uint256) = 10**18
HOUR_S: constant(uint256) = 3_600

ASSET: immutable(IERC20)
EXPIRY: immutable(uint256)

positions: public(HashMap[uint256, lyra.Position])
owner_of: HashMap[uint256, address]
count: uint256
ordinary: uint256  # zero: only forced closes are allowed
forced: uint256
requirement: uint256
vol: uint256
mean: uint256
settled: uint256
paused: bool


@deploy
def __init__(asset: IERC20, expiry: uint256):
    ASSET = asset
    EXPIRY = expiry
    self.vol = ONE
    self.mean = ONE


@external
def set_market(ordinary: uint256, forced: uint256, requirement: uint256):
    self.ordinary = ordinary
    self.forced = forced
    self.requirement = requirement


@external
def set_vols(vol: uint256, mean: uint256):
    self.vol = vol
    self.mean = mean


@external
def set_paused(paused: bool):
    self.paused = paused


@external
def settle(price: uint256):
    """@notice The strike is two thousand."""
    self.settled = price


@external
def liquidate(id: uint256, left: uint256):
    self.positions[id].state = 3
    assert extcall ASSET.transfer(self.owner_of[id], left)


@external
def openPosition(order: lyra.Order) -> lyra.Result:
    id: uint256 = order.position_id
    if id == 0:
        self.count += 1
        id = self.count
        self.owner_of[id] = msg.sender
        self.positions[id] = lyra.Position(
            id=id,
            strike_id=order.strike_id,
            kind=order.kind,
            amount=0,
            collateral=0,
            state=1,
        )
    cost: uint256 = self.ordinary * order.amount // ONE
    self.positions[id].amount += order.amount
    if order.kind < 2:
        self._take(cost)
    else:
        self._set_collateral(id, order.collateral, self.positions[id].collateral + cost)
    return lyra.Result(position_id=id, cost=cost, fee=0)


@external
def closePosition(order: lyra.Order) -> lyra.Result:
    assert self.ordinary > 0, "double: delta out of range"
    return self._close(order, self.ordinary)


@external
def forceClosePosition(order: lyra.Order) -> lyra.Result:
    return self._close(order, self.forced)


@external
def addCollateral(id: uint256, amount: uint256):
    self.positions[id].collateral += amount
    self._take(amount)


@external
def settleOptions(ids: DynArray[uint256, 1]):
    for id: uint256 in ids:
        position: lyra.Position = self.positions[id]
        call: bool = position.kind == 0 or position.kind == 3
        low: uint256 = min(self.settled, 2_000 * ONE)
        pays: uint256 = (self.settled if call else 2_000 * ONE) - low
        worth: uint256 = pays * position.amount // ONE
        if position.kind >= 2:
            worth = position.collateral - min(position.collateral, worth)
        self.positions[id].state = 4
        assert extcall ASSET.transfer(self.owner_of[id], worth)


@view
@external
def getStrikeAndBoard(strike_id: uint256) -> (lyra.Strike, lyra.Board):
    strike: lyra.Strike = empty(lyra.Strike)
    strike.id = strike_id
    strike.price = 2_000 * ONE
    strike.skew = ONE
    strike.board_id = 1
    board: lyra.Board = lyra.Board(
        id=1, expiry=EXPIRY, iv=self.vol, frozen=False, strike_ids=[strike_id]
    )
    return strike, board


@view
@external
def getSettlementParameters(strike_id: uint256) -> (uint256, uint256, uint256):
    return 2_000 * ONE, self.settled, 0


@view
@external
def getPriceForForceClose(
    trade: lyra.Trade, strike: lyra.Strike, expiry: uint256, vol: uint256, late: bool
) -> (uint256, uint256):
    return self.forced, vol


@view
@external
def getMinCollateral(
    kind: uint8, strike_price: uint256, expiry: uint256, spot: uint256, amount: uint256
) -> uint256:
    return self.requirement * amount // ONE


@view
@external
def getIvGWAV(board_id: uint256, period_s: uint256) -> uint256:
    return self.mean


@view
@external
def getSkewGWAV(strike_id: uint256, period_s: uint256) -> uint256:
    return ONE


@view
@external
def getStrikeCache(strike_id: uint256) -> lyra.StrikeCache:
    cached: lyra.StrikeCache = empty(lyra.StrikeCache)
    cached.greeks.std_vega = 2 * ONE
    return cached


@view
@external
def getOptionBoardCache(board_id: uint256) -> lyra.BoardCache:
    return empty(lyra.BoardCache)


@view
@external
def getGlobalCache() -> lyra.GlobalCache:
    return empty(lyra.GlobalCache)


@view
@external
def getForceCloseParams() -> lyra.ForceClose:
    terms: lyra.ForceClose = empty(lyra.ForceClose)
    terms.iv_period_s = 12 * HOUR_S
    terms.skew_period_s = 24 * HOUR_S
    return terms


@view
@external
def ivImpactForTrade(trade: lyra.Trade, iv: uint256, skew: uint256) -> (uint256, uint256):
    return iv, skew


@view
@external
def getTradeResult(
    trade: lyra.Trade, pricing: lyra.Pricing, iv: uint256, skew: uint256
) -> lyra.Priced:
    # A short is bought back, and the pool is then short the vega that it sells.
    short: bool = trade.kind >= 2
    assert trade.buys == short and trade.forced and trade.direction == 1, "double: other trade"
    vega: int256 = 2 * convert(trade.amount, int256)
    sold: int256 = pricing.vega_before - pricing.vega_after
    assert sold == vega if short else sold == -vega, "double: other vega"
    priced: lyra.Priced = empty(lyra.Priced)
    priced.cost = pricing.price * trade.amount // ONE
    return priced


@view
@external
def getTradeLimitParams() -> lyra.TradeLimits:
    return empty(lyra.TradeLimits)


@view
@external
def getLiquidity(spot: uint256) -> lyra.Liquidity:
    return empty(lyra.Liquidity)


@view
@external
def getExchangeParams(market: address) -> lyra.Exchange:
    assert not self.paused, "double: paused"
    exchange: lyra.Exchange = empty(lyra.Exchange)
    exchange.spot = 2_000 * ONE
    return exchange


@internal
def _close(order: lyra.Order, price: uint256) -> lyra.Result:
    id: uint256 = order.position_id
    assert self.owner_of[id] == msg.sender and self.positions[id].state == 1, "double: not yours"
    assert block.timestamp < EXPIRY, "double: expired"
    cost: uint256 = price * order.amount // ONE
    assert order.least <= cost and cost <= order.most, "double: cost"
    self.positions[id].amount -= order.amount
    if order.kind < 2:
        assert extcall ASSET.transfer(msg.sender, cost)
    else:
        self._set_collateral(id, order.collateral, self.positions[id].collateral - cost)
    if self.positions[id].amount == 0:
        assert order.collateral == 0, "double: collateral left"
        self.positions[id].state = 2
    return lyra.Result(position_id=id, cost=cost, fee=0)


@internal
def _set_collateral(id: uint256, wanted: uint256, have: uint256):
    needs: uint256 = self.requirement * self.positions[id].amount // ONE
    assert wanted >= needs, "double: minimum collateral"
    self.positions[id].collateral = wanted
    if wanted > have:
        self._take(wanted - have)
    elif wanted < have:
        assert extcall ASSET.transfer(msg.sender, have - wanted)


@internal
def _take(amount: uint256):
    assert extcall ASSET.transferFrom(msg.sender, self, amount)
