# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Perpetual v2 adapter
@license AGPL-3.0-only
@notice Margin in the settlement token, and one market's position, at Perpetual Protocol v2 ("curie").
        Positions are opened by allowed calls to the clearing house; the adapter itself can only
        close them.
@custom:security The value is what curie counts of the asset at its mark price, unrealised profit
        and pending funding included, and zero where it is negative. Closing costs slippage that it
        does not contain. Only free collateral comes home: what a position needs stays. Another
        token that somebody deposits for the adapter counts neither in the value, since it cannot
        come home, nor in the health, which curie may then see higher.
"""
from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from interfaces import IVenueAdapter

implements: IVenueAdapter


struct OpenPosition:
    baseToken: address
    isBaseToQuote: bool
    isExactInput: bool
    amount: uint256
    oppositeAmountBound: uint256
    deadline: uint256
    sqrtPriceLimitX96: uint160
    referralCode: bytes32


interface ClearingHouse:
    def openPosition(params: OpenPosition) -> (uint256, uint256): nonpayable


interface Margin:
    def deposit(token: address, amount: uint256): nonpayable
    def withdraw(token: address, amount: uint256): nonpayable
    def getFreeCollateralByToken(trader: address, token: address) -> uint256: view
    def getSettlementTokenValue(trader: address) -> int256: view


interface AccountBalance:
    def getTotalPositionSize(trader: address, base_token: address) -> int256: view
    def getMarginRequirementForLiquidation(trader: address) -> int256: view


BPS: constant(uint256) = 10_000

ASSET: immutable(IERC20)
VAULT: immutable(address)
CLEARING_HOUSE: immutable(ClearingHouse)
MARGIN: immutable(Margin)
BALANCES: immutable(AccountBalance)
BASE_TOKEN: immutable(address)
SCALE: immutable(uint256)  # curie counts requirements in 18 decimals


@deploy
def __init__(
    asset: IERC20,
    vault: address,
    clearing_house: ClearingHouse,
    margin: Margin,
    balances: AccountBalance,
    base_token: address,
):
    """
    @param asset Curie's settlement token.
    @param margin Curie's contract `Vault`, where margin lies.
    @param base_token The one market that `deleverage` closes.
    """
    ASSET = asset
    VAULT = vault
    CLEARING_HOUSE = clearing_house
    MARGIN = margin
    BALANCES = balances
    BASE_TOKEN = base_token
    SCALE = 10 ** convert(18 - staticcall IERC20Detailed(asset.address).decimals(), uint256)


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
def state() -> (uint256, uint256, uint256):
    worth: int256 = staticcall MARGIN.getSettlementTokenValue(self)
    equity: uint256 = convert(max(worth, 0), uint256)
    required: int256 = staticcall BALANCES.getMarginRequirementForLiquidation(self)
    health_bps: uint256 = max_value(uint256)
    if required > 0:
        health_bps = equity * SCALE * BPS // convert(required, uint256)
    return equity, health_bps, block.timestamp


@external
def allocate(amount: uint256):
    assert msg.sender == VAULT, "perp: not vault"
    assert extcall ASSET.approve(
        MARGIN.address, amount, default_return_value=True
    ), "perp: approval failed"
    extcall MARGIN.deposit(ASSET.address, amount)


@external
def deallocate(amount: uint256):
    """@notice Sends home what is asked for, and no more than curie calls free."""
    assert msg.sender == VAULT, "perp: not vault"
    # The free collateral as a whole may be another token, and asking for it would bring nothing.
    free: uint256 = staticcall MARGIN.getFreeCollateralByToken(self, ASSET.address)
    out: uint256 = min(amount, free)
    assert out > 0, "perp: nothing is free"
    extcall MARGIN.withdraw(ASSET.address, out)
    assert extcall ASSET.transfer(VAULT, out, default_return_value=True), "perp: transfer failed"


@external
def deleverage(share_bps: uint256):
    """@notice Closes that share of the position; the vault bounds what it may cost."""
    assert msg.sender == VAULT, "perp: not vault"
    size: int256 = staticcall BALANCES.getTotalPositionSize(self, BASE_TOKEN)
    assert size != 0, "perp: nothing open"
    long: bool = size > 0
    # A long is sold for what it gives, a short bought back for what it costs.
    extcall CLEARING_HOUSE.openPosition(
        OpenPosition(
            baseToken=BASE_TOKEN,
            isBaseToQuote=long,
            isExactInput=long,
            amount=convert(abs(size), uint256) * share_bps // BPS,
            oppositeAmountBound=0,
            deadline=block.timestamp,
            sqrtPriceLimitX96=0,
            referralCode=empty(bytes32),
        )
    )


@external
def perform(target: address, data: Bytes[1024]):
    assert msg.sender == VAULT, "perp: not vault"
    assert target == CLEARING_HOUSE.address, "perp: foreign target"
    raw_call(target, data)
