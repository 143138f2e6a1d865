# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Lyra v1 adapter
@license AGPL-3.0-only
@notice Options of one Lyra v1 ("Avalon") market: longs that are paid for, and shorts whose collateral
        is the quote asset, which is the vault's own. Positions are opened by allowed calls to the
        market; the adapter itself can only close them, and takes back what was settled.
@custom:security A position is worth what a forced close would bring by Lyra's own formula, after
        its fees: at the average vol or the present one, whichever is against us, and shocked
        against us. So nobody raises the value by moving vols; and while a present vol is further from
        its average than the gap, the value is told as no younger than the average. A close, forced
        or not, that is worse than that value less the slip reverts. Shorts count at what is
        left of their collateral, never below nothing. Positions that others send here do not count.
"""
from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
import lyra
from interfaces import IVenueAdapter

implements: IVenueAdapter


# What a position is worth: all of it if it were closed now.
struct Worth:
    value: uint256
    health_bps: uint256
    known: bool
    calm: bool


BPS: constant(uint256) = 10_000
ONE: constant(uint256) = 10**18
POSITIONS_MAX: constant(uint256) = 6
ACTIVE: constant(uint8) = 1
CLOSE: constant(uint8) = 1
SHORT_CALL_BASE: constant(uint8) = 2
ORDER_SIZE: constant(uint256) = 4 + 32 * 8
OPEN_CALL: constant(bytes4) = method_id(
    "openPosition((uint256,uint256,uint256,uint8,uint256,uint256,uint256,uint256))",
    output_type=bytes4,
)
CLOSE_CALL: constant(bytes4) = method_id(
    "closePosition((uint256,uint256,uint256,uint8,uint256,uint256,uint256,uint256))",
    output_type=bytes4,
)
FORCE_CALL: constant(bytes4) = method_id(
    "forceClosePosition((uint256,uint256,uint256,uint8,uint256,uint256,uint256,uint256))",
    output_type=bytes4,
)
ADD_CALL: constant(bytes4) = method_id("addCollateral(uint256,uint256)", output_type=bytes4)

ASSET: immutable(IERC20)
VAULT: immutable(address)
LYRA: immutable(lyra.Contracts)
GAP_BPS: immutable(uint256)
SLIP_BPS: immutable(uint256)

open_ids: DynArray[uint256, POSITIONS_MAX]


@deploy
def __init__(
    asset: IERC20,
    vault: address,
    contracts: lyra.Contracts,
    gap_bps: uint256,
    slip_bps: uint256,
):
    """
    @param asset The market's quote asset.
    @param gap_bps Furthest that a vol may be from its average while the value counts as of now.
    @param slip_bps Most that a close may be worse than the value told just before.
    """
    # All of Lyra counts in eighteen decimals.
    assert staticcall IERC20Detailed(asset.address).decimals() == 18, "lyra: decimals"
    assert 0 < gap_bps and gap_bps < BPS, "lyra: gap"
    assert slip_bps < BPS, "lyra: slip"
    ASSET = asset
    VAULT = vault
    LYRA = contracts
    GAP_BPS = gap_bps
    SLIP_BPS = slip_bps


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
def contracts() -> lyra.Contracts:
    return LYRA


@view
@external
def bounds() -> (uint256, uint256):
    """@return Gap and slip in bps."""
    return GAP_BPS, SLIP_BPS


@view
@external
def positions() -> DynArray[uint256, POSITIONS_MAX]:
    """@return What was opened here and may be open still."""
    return self.open_ids


@view
@external
def state() -> (uint256, uint256, uint256):
    """@notice Known from now; from the beginning of the average where a vol has left it; unknown
            while a board has expired and nobody has settled it."""
    total: uint256 = staticcall ASSET.balanceOf(self)
    health_bps: uint256 = max_value(uint256)
    known_from: uint256 = block.timestamp
    if len(self.open_ids) == 0:
        return total, health_bps, known_from
    exchange: lyra.Exchange = staticcall LYRA.oracle.getExchangeParams(LYRA.market.address)
    liquidity: lyra.Liquidity = staticcall LYRA.pool.getLiquidity(exchange.spot)
    for id: uint256 in self.open_ids:
        worth: Worth = self._worth(staticcall LYRA.token.positions(id), exchange, liquidity)
        total += worth.value
        health_bps = min(health_bps, worth.health_bps)
        if not worth.known:
            known_from = 0
        elif not worth.calm and known_from > 0:
            terms: lyra.ForceClose = staticcall LYRA.cache.getForceCloseParams()
            known_from = block.timestamp - max(terms.iv_period_s, terms.skew_period_s)
    return total, health_bps, known_from


@external
def allocate(amount: uint256):
    """@notice Money waits here until an allowed call uses it."""
    assert msg.sender == VAULT, "lyra: not vault"


@external
def deallocate(amount: uint256):
    """@notice Takes back what was settled, and closes of every position the share that is lacking."""
    assert msg.sender == VAULT, "lyra: not vault"
    self._settle()
    here: uint256 = staticcall ASSET.balanceOf(self)
    if amount > here and len(self.open_ids) > 0:
        exchange: lyra.Exchange = staticcall LYRA.oracle.getExchangeParams(LYRA.market.address)
        liquidity: lyra.Liquidity = staticcall LYRA.pool.getLiquidity(exchange.spot)
        placed: uint256 = 0
        for id: uint256 in self.open_ids:
            position: lyra.Position = staticcall LYRA.token.positions(id)
            placed += self._worth(position, exchange, liquidity).value
        share: uint256 = ONE
        if amount - here < placed:
            share = ((amount - here) * ONE + placed - 1) // placed
        for id: uint256 in self.open_ids:
            self._close(staticcall LYRA.token.positions(id), share, True)
        self._prune()
    out: uint256 = min(amount, staticcall ASSET.balanceOf(self))
    assert out > 0, "lyra: nothing comes home"
    assert extcall ASSET.transfer(VAULT, out, default_return_value=True), "lyra: transfer failed"


@external
def deleverage(share_bps: uint256):
    """@notice Closes that share of every short, paid from what lies here before its collateral."""
    assert msg.sender == VAULT, "lyra: not vault"
    closed: bool = False
    for id: uint256 in self.open_ids:
        position: lyra.Position = staticcall LYRA.token.positions(id)
        if self._is_short(position.kind):
            closed = self._close(position, share_bps * ONE // BPS, False) or closed
    assert closed, "lyra: nothing to close"
    self._prune()


@external
def perform(target: address, data: Bytes[1024]):
    """@notice Opens, adds to, closes or backs a position, as the call says."""
    assert msg.sender == VAULT, "lyra: not vault"
    assert target == LYRA.market.address, "lyra: foreign target"
    selector: bytes4 = convert(slice(data, 0, 4), bytes4)
    assert selector in [OPEN_CALL, CLOSE_CALL, FORCE_CALL, ADD_CALL], "lyra: foreign call"
    id: uint256 = 0
    if selector == ADD_CALL:
        id = convert(extract32(data, 4), uint256)
    else:
        assert len(data) == ORDER_SIZE, "lyra: foreign call"
        id = convert(extract32(data, 36), uint256)
        kind: uint256 = convert(extract32(data, 100), uint256)
        assert kind != convert(SHORT_CALL_BASE, uint256), "lyra: base collateral"
    assert id == 0 or id in self.open_ids, "lyra: unknown position"
    self._settle()
    self._approve(staticcall ASSET.balanceOf(self))
    answer: Bytes[96] = raw_call(target, data, max_outsize=96)
    self._approve(0)
    if id == 0:
        assert len(self.open_ids) < POSITIONS_MAX, "lyra: too many positions"
        self.open_ids.append(convert(extract32(answer, 0), uint256))
    self._prune()


@internal
def _approve(amount: uint256):
    assert extcall ASSET.approve(
        LYRA.market.address, amount, default_return_value=True
    ), "lyra: approval failed"


@internal
def _prune():
    """@notice Forgets what is closed, liquidated or settled."""
    kept: DynArray[uint256, POSITIONS_MAX] = []
    for id: uint256 in self.open_ids:
        if (staticcall LYRA.token.positions(id)).state == ACTIVE:
            kept.append(id)
    if len(kept) != len(self.open_ids):
        self.open_ids = kept


@internal
def _settle():
    """@notice Anybody could; it must not wait for him."""
    for id: uint256 in self.open_ids:
        position: lyra.Position = staticcall LYRA.token.positions(id)
        if position.state == ACTIVE and self._settled_at(position) > 0:
            extcall LYRA.collateral.settleOptions([id])
    self._prune()


@internal
def _close(position: lyra.Position, share: uint256, release: bool) -> bool:
    """
    @notice Closes a share of a position, in the ordinary way or, where Lyra allows only that,
            by force; both within the slip of what the value says.
    @param share In 18 decimals.
    @param release Frees the share of the collateral too, as far as health stays.
    @return Nothing is done where that is not possible, nor for a short that is worth nothing:
            what it owes beyond its collateral is Lyra's.
    """
    if position.state != ACTIVE:
        return False
    strike: lyra.Strike = empty(lyra.Strike)
    board: lyra.Board = empty(lyra.Board)
    strike, board = staticcall LYRA.market.getStrikeAndBoard(position.strike_id)
    if block.timestamp >= board.expiry:
        return False
    exchange: lyra.Exchange = staticcall LYRA.oracle.getExchangeParams(LYRA.market.address)
    liquidity: lyra.Liquidity = staticcall LYRA.pool.getLiquidity(exchange.spot)
    amount: uint256 = min(position.amount, (position.amount * share + ONE - 1) // ONE)
    if amount == 0:
        return False
    told: uint256 = self._quote(position.kind, amount, strike, board, exchange, liquidity)
    order: lyra.Order = lyra.Order(
        strike_id=position.strike_id,
        position_id=position.id,
        iterations=1,
        kind=position.kind,
        amount=amount,
        collateral=0,
        least=told * (BPS - SLIP_BPS) // BPS,
        most=max_value(uint256),
    )
    here: uint256 = staticcall ASSET.balanceOf(self)
    if self._is_short(position.kind):
        if told * position.amount >= position.collateral * amount:
            return False
        order.least = 0
        order.most = told * (BPS + SLIP_BPS) // BPS
        if amount < position.amount:
            order.collateral = self._kept(position, order, strike, board, exchange, release, here)
    self._approve(here)
    done: bool = raw_call(
        LYRA.market.address,
        abi_encode(order, method_id=CLOSE_CALL),
        revert_on_failure=False,
    )
    if not done:
        extcall LYRA.market.forceClosePosition(order)
    self._approve(0)
    return True


@internal
@view
def _kept(
    position: lyra.Position,
    order: lyra.Order,
    strike: lyra.Strike,
    board: lyra.Board,
    exchange: lyra.Exchange,
    release: bool,
    here: uint256,
) -> uint256:
    """@return The collateral that stays behind what stays open, as far as there is money for it."""
    wanted: uint256 = position.collateral
    if release:
        rest: uint256 = position.amount - order.amount
        needs: uint256 = self._required(position.kind, position.amount, strike, board, exchange)
        still: uint256 = self._required(position.kind, rest, strike, board, exchange)
        wanted = (position.collateral * still + needs - 1) // needs
    have: uint256 = position.collateral + here
    return min(wanted, have - min(have, order.most))


@internal
@view
def _worth(position: lyra.Position, exchange: lyra.Exchange, liquidity: lyra.Liquidity) -> Worth:
    worth: Worth = Worth(value=0, health_bps=max_value(uint256), known=True, calm=True)
    if position.state != ACTIVE:
        return worth
    strike: lyra.Strike = empty(lyra.Strike)
    board: lyra.Board = empty(lyra.Board)
    strike, board = staticcall LYRA.market.getStrikeAndBoard(position.strike_id)
    short: bool = self._is_short(position.kind)
    counts: uint256 = 0
    settled_at: uint256 = self._settled_at(position)
    if settled_at > 0:
        counts = self._intrinsic(position.kind, strike.price, settled_at) * position.amount // ONE
    elif block.timestamp >= board.expiry:
        worth.known = False
        return worth
    else:
        counts = self._quote(position.kind, position.amount, strike, board, exchange, liquidity)
        worth.calm = self._is_calm(strike, board)
        if short:
            needs: uint256 = self._required(position.kind, position.amount, strike, board, exchange)
            worth.health_bps = position.collateral * BPS // max(needs, 1)
    worth.value = counts
    if short:
        worth.value = position.collateral - min(position.collateral, counts)
    return worth


@internal
@view
def _quote(
    kind: uint8,
    amount: uint256,
    strike: lyra.Strike,
    board: lyra.Board,
    exchange: lyra.Exchange,
    liquidity: lyra.Liquidity,
) -> uint256:
    """@return What a forced close of that amount pays for a long or costs for a short, after fees."""
    short: bool = self._is_short(kind)
    trade: lyra.Trade = lyra.Trade(
        buys=short,
        forced=True,
        direction=CLOSE,
        kind=kind,
        amount=amount,
        expiry=board.expiry,
        strike_price=strike.price,
        liquidity=liquidity,
        exchange=exchange,
    )
    iv: uint256 = 0
    skew: uint256 = 0
    iv, skew = staticcall LYRA.pricer.ivImpactForTrade(trade, board.iv, strike.skew)
    cutoff_s: uint256 = (staticcall LYRA.pricer.getTradeLimitParams()).cutoff_s
    late: bool = block.timestamp + cutoff_s > board.expiry
    price: uint256 = 0
    vol: uint256 = 0
    # A forced close moves the skew and leaves the board's vol where it is.
    price, vol = staticcall LYRA.cache.getPriceForForceClose(
        trade, strike, board.expiry, board.iv * skew // ONE, late
    )
    vega: uint256 = (staticcall LYRA.cache.getStrikeCache(strike.id)).greeks.std_vega
    net: int256 = (staticcall LYRA.cache.getGlobalCache()).net.std_vega
    change: int256 = convert(vega * amount // ONE, int256)
    after: int256 = net + change if short else net - change
    pricing: lyra.Pricing = lyra.Pricing(
        price=price,
        vega_before=-net,
        vega_after=-after,
        call_delta=0,
        vol=vol,
        iv_variance=(staticcall LYRA.cache.getOptionBoardCache(board.id)).iv_variance,
        vega=vega,
    )
    return (staticcall LYRA.pricer.getTradeResult(trade, pricing, board.iv, skew)).cost


@internal
@view
def _is_calm(strike: lyra.Strike, board: lyra.Board) -> bool:
    terms: lyra.ForceClose = staticcall LYRA.cache.getForceCloseParams()
    iv: uint256 = staticcall LYRA.cache.getIvGWAV(board.id, terms.iv_period_s)
    skew: uint256 = staticcall LYRA.cache.getSkewGWAV(strike.id, terms.skew_period_s)
    mean: uint256 = iv * skew // ONE
    now: uint256 = board.iv * strike.skew // ONE
    apart: uint256 = max(mean, now) - min(mean, now)
    return apart * BPS <= mean * GAP_BPS


@internal
@view
def _required(
    kind: uint8, amount: uint256, strike: lyra.Strike, board: lyra.Board, exchange: lyra.Exchange
) -> uint256:
    return staticcall LYRA.cache.getMinCollateral(
        kind, strike.price, board.expiry, exchange.spot, amount
    )


@internal
@view
def _settled_at(position: lyra.Position) -> uint256:
    """@return The price at which the position's board was settled; zero before."""
    return (staticcall LYRA.market.getSettlementParameters(position.strike_id))[1]


@internal
@pure
def _is_short(kind: uint8) -> bool:
    return kind >= SHORT_CALL_BASE


@internal
@pure
def _intrinsic(kind: uint8, strike_price: uint256, spot: uint256) -> uint256:
    # Calls are zero and three, puts one and four.
    if kind == 1 or kind == 4:
        return strike_price - min(strike_price, spot)
    return spot - min(strike_price, spot)
