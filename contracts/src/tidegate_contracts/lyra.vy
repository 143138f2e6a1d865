# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
"""
@title Lyra
@license AGPL-3.0-only
@notice What is said to the contracts of Lyra v1 ("Avalon") and what they answer, as the published
        ABI of `@lyrafinance/protocol` 0.1.3-alpha has it. Amounts, prices, vols and shares are in
        18 decimals.
"""


struct Position:
    id: uint256
    strike_id: uint256
    kind: uint8
    amount: uint256
    collateral: uint256
    state: uint8


struct Strike:
    id: uint256
    price: uint256
    skew: uint256
    long_call: uint256
    short_call_base: uint256
    short_call_quote: uint256
    long_put: uint256
    short_put: uint256
    board_id: uint256


struct Board:
    id: uint256
    expiry: uint256
    iv: uint256
    frozen: bool
    strike_ids: DynArray[uint256, 64]


struct Order:
    strike_id: uint256
    position_id: uint256
    iterations: uint256
    kind: uint8
    amount: uint256
    collateral: uint256
    least: uint256
    most: uint256


struct Result:
    position_id: uint256
    cost: uint256
    fee: uint256


struct Liquidity:
    free: uint256
    burnable: uint256
    used_collateral: uint256
    pending_delta: uint256
    used_delta: uint256
    nav: uint256


struct Exchange:
    spot: uint256
    quote_key: bytes32
    base_key: bytes32
    quote_base_fee: uint256
    base_quote_fee: uint256


struct Trade:
    buys: bool
    forced: bool
    direction: uint8
    kind: uint8
    amount: uint256
    expiry: uint256
    strike_price: uint256
    liquidity: Liquidity
    exchange: Exchange


struct Pricing:
    price: uint256
    vega_before: int256
    vega_after: int256
    call_delta: int256
    vol: uint256
    iv_variance: uint256
    vega: uint256


struct VegaFee:
    before: int256
    after: int256
    util: uint256
    vol: uint256
    nav: uint256
    fee: uint256


struct VarianceFee:
    coefficient: uint256
    vega: uint256
    vega_coefficient: uint256
    skew: uint256
    skew_coefficient: uint256
    iv_variance: uint256
    iv_coefficient: uint256
    fee: uint256


struct Priced:
    amount: uint256
    premium: uint256
    option_fee: uint256
    spot_fee: uint256
    vega_fee: VegaFee
    variance_fee: VarianceFee
    fee: uint256
    cost: uint256
    vol: uint256
    iv: uint256
    skew: uint256


struct Net:
    delta: int256
    std_vega: int256
    value: int256


struct Greeks:
    call_delta: int256
    put_delta: int256
    std_vega: uint256
    call_price: uint256
    put_price: uint256


struct StrikeCache:
    id: uint256
    board_id: uint256
    price: uint256
    skew: uint256
    greeks: Greeks
    call_exposure: int256
    put_exposure: int256
    skew_variance: uint256


struct BoardCache:
    id: uint256
    strikes: DynArray[uint256, 64]
    expiry: uint256
    iv: uint256
    net: Net
    updated_at: uint256
    updated_at_price: uint256
    skew_variance_max: uint256
    iv_variance: uint256


struct GlobalCache:
    updated_min: uint256
    price_min: uint256
    price_max: uint256
    skew_variance_max: uint256
    iv_variance_max: uint256
    net: Net


struct ForceClose:
    iv_period_s: uint256
    skew_period_s: uint256
    shocks: uint256[6]
    minima: uint256[2]


struct TradeLimits:
    min_delta: int256
    min_force_delta: int256
    cutoff_s: uint256
    vols: uint256[8]
    caps_skew: bool


interface Market:
    def closePosition(order: Order) -> Result: nonpayable
    def forceClosePosition(order: Order) -> Result: nonpayable
    def getStrikeAndBoard(strike_id: uint256) -> (Strike, Board): view
    def getSettlementParameters(strike_id: uint256) -> (uint256, uint256, uint256): view


interface Token:
    def positions(id: uint256) -> Position: view


interface Cache:
    def getPriceForForceClose(
        trade: Trade, strike: Strike, expiry: uint256, vol: uint256, late: bool
    ) -> (uint256, uint256): view
    def getMinCollateral(
        kind: uint8, strike_price: uint256, expiry: uint256, spot: uint256, amount: uint256
    ) -> uint256: view
    def getIvGWAV(board_id: uint256, period_s: uint256) -> uint256: view
    def getSkewGWAV(strike_id: uint256, period_s: uint256) -> uint256: view
    def getStrikeCache(strike_id: uint256) -> StrikeCache: view
    def getOptionBoardCache(board_id: uint256) -> BoardCache: view
    def getGlobalCache() -> GlobalCache: view
    def getForceCloseParams() -> ForceClose: view


interface Pricer:
    def ivImpactForTrade(trade: Trade, iv: uint256, skew: uint256) -> (uint256, uint256): view
    def getTradeResult(trade: Trade, pricing: Pricing, iv: uint256, skew: uint256) -> Priced: view
    def getTradeLimitParams() -> TradeLimits: view


interface Pool:
    def getLiquidity(spot: uint256) -> Liquidity: view


interface Oracle:
    def getExchangeParams(market: address) -> Exchange: view


interface Collateral:
    def settleOptions(ids: DynArray[uint256, 1]): nonpayable


struct Contracts:
    market: Market
    token: Token
    cache: Cache
    pricer: Pricer
    pool: Pool
    oracle: Oracle
    collateral: Collateral
