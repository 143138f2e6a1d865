# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Keeper
@license AGPL-3.0-only
@notice Anybody may call `act`. It takes risk off one venue, step by step, where the contract itself
        sees a cause: the venue's health is below the policy's limit, or no order has come for
        `silence_s`. Money can only go to the vault, and each step's size, its cost and the time
        between two steps are bounded for ever.
@custom:security With a step of s, a slip of c and an interval of T seconds, keepers can cost a
        venue no more than s * c of its value every T seconds.
"""
import book


interface Vault:
    def holder(role: book.Role) -> address: view
    def last_order_at() -> uint256: view
    def current_book() -> book.Book: view
    def bring_home(adapter: address, amount: uint256, min_out: uint256): nonpayable
    def deleverage(adapter: address, share_bps: uint256, value_min: uint256): nonpayable


interface Policy:
    def health_min_bps(adapter: address) -> uint256: view


event Acted:
    caller: indexed(address)
    adapter: indexed(address)
    unhealthy: bool
    silent: bool


VAULT: immutable(Vault)
SILENCE_S: immutable(uint256)
INTERVAL_S: immutable(uint256)
STEP_BPS: immutable(uint256)
SLIP_BPS: immutable(uint256)
DEPLOYED_AT: immutable(uint256)

acted_at: public(HashMap[address, uint256])


@deploy
def __init__(
    vault: Vault, silence_s: uint256, interval_s: uint256, step_bps: uint256, slip_bps: uint256
):
    """
    @param silence_s Seconds without an order after which the operator counts as gone.
    @param interval_s Seconds between two steps at one venue.
    @param step_bps Share of a venue that one step closes or brings home.
    @param slip_bps Most that a step may cost, as a share of what it moves.
    """
    assert silence_s > 0 and interval_s > 0, "keeper: no time"
    assert 0 < step_bps and step_bps <= book.BPS, "keeper: step"
    assert slip_bps < book.BPS, "keeper: slip"
    VAULT = vault
    SILENCE_S = silence_s
    INTERVAL_S = interval_s
    STEP_BPS = step_bps
    SLIP_BPS = slip_bps
    DEPLOYED_AT = block.timestamp


@view
@external
def vault() -> address:
    return VAULT.address


@view
@external
def bounds() -> (uint256, uint256, uint256, uint256):
    """@return Silence and interval in seconds, step and slip in bps."""
    return SILENCE_S, INTERVAL_S, STEP_BPS, SLIP_BPS


@external
def act(adapter: address):
    """@notice One step at one venue; what is open is closed before anything is brought home."""
    assert block.timestamp >= self.acted_at[adapter] + INTERVAL_S, "keeper: too soon"
    venue: book.Venue = self._venue(adapter)
    unhealthy: bool = venue.health_bps < staticcall self._policy().health_min_bps(adapter)
    heard_at: uint256 = max(staticcall VAULT.last_order_at(), DEPLOYED_AT)
    silent: bool = heard_at + SILENCE_S < block.timestamp
    assert unhealthy or silent, "keeper: no cause"
    self.acted_at[adapter] = block.timestamp
    step: uint256 = venue.value * STEP_BPS // book.BPS
    cost: uint256 = step * SLIP_BPS // book.BPS
    if venue.health_bps != max_value(uint256):
        extcall VAULT.deleverage(adapter, STEP_BPS, venue.value - cost)
    else:
        extcall VAULT.bring_home(adapter, step, step - cost)
    log Acted(caller=msg.sender, adapter=adapter, unhealthy=unhealthy, silent=silent)


@internal
@view
def _venue(adapter: address) -> book.Venue:
    current: book.Book = staticcall VAULT.current_book()
    for venue: book.Venue in current.venues:
        if venue.adapter == adapter:
            assert venue.as_of != 0, "keeper: venue does not answer"
            return venue
    raise "keeper: unknown venue"


@internal
@view
def _policy() -> Policy:
    return Policy(staticcall VAULT.holder(book.Role.POLICY))
