# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title Capital vault
@license AGPL-3.0-only
@notice Takes deposits of one asset as ERC-4626 shares, keeps them at venues within the limits of a
        risk policy, and pays holders back by ERC-7540-style requests, priced when they are
        fulfilled, net of what unwinding for them costs. Nobody can pause a request, its
        fulfilment or its payment, and the code cannot be changed.

        owner      appoints curator and sentinel, ends a pause
        curator    announces whatever adds risk (venues, policy, signers, allocator, keeper, action
                   manager); retires empty venues
        allocator  brings orders that k of n signers signed
        sentinel   pauses orders and deposits, shuts down for ever, brings money home, revokes what
                   the curator announced
@custom:security Only what came through `deposit`, `mint` or from a venue is counted, so a donation
        to the vault has no effect, and virtual shares make inflation unprofitable. Gains are paid
        out over time, losses at once. ERC-20 functions are not locked against reentry: they touch
        neither price nor book.
"""
from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from snekmate.auth import ownable
from snekmate.tokens import erc20
from snekmate.utils import eip712_domain_separator
import book
import checks
import orders
import pricing
import timelock
from interfaces import IAuditAnchor
from interfaces import IRiskPolicy
from interfaces import IVenueAdapter

initializes: ownable
initializes: erc20[ownable := ownable]
initializes: orders[eip712_domain_separator := eip712_domain_separator]
initializes: pricing
initializes: timelock

exports: (
    ownable.owner,
    erc20.name,
    erc20.symbol,
    erc20.decimals,
    erc20.totalSupply,
    erc20.balanceOf,
    erc20.allowance,
    erc20.transfer,
    erc20.transferFrom,
    erc20.approve,
    erc20.eip712Domain,
    orders.order_nonce,
    orders.last_order_at,
    orders.threshold,
    orders.signers,
    orders.is_signer,
    pricing.priced,
    pricing.locked,
    pricing.accrued_at,
    pricing.unlocks_at,
    timelock.submitted_at,
)

BPS: constant(uint256) = 10_000
DAY_S: constant(uint256) = 86_400
DELAY_MIN_S: constant(uint256) = 2 * DAY_S
OFFSET: constant(uint8) = 6  # the share has that many decimals more than the asset


struct Config:
    delay_s: uint256  # what an addition of risk waits for
    unlock_s: uint256  # over which a gain is paid out
    notice_s: uint256  # after which a holder may unwind venues for his own request


event Deposit:
    sender: indexed(address)
    owner: indexed(address)
    assets: uint256
    shares: uint256


event Withdraw:
    sender: indexed(address)
    receiver: indexed(address)
    owner: indexed(address)
    assets: uint256
    shares: uint256


event RedeemRequest:
    controller: indexed(address)
    owner: indexed(address)
    requestId: indexed(uint256)
    sender: address
    shares: uint256


event Fulfilled:
    controller: indexed(address)
    shares: uint256
    assets: uint256
    cost: uint256
    discounted: bool


event OperatorSet:
    controller: indexed(address)
    operator: indexed(address)
    approved: bool


event Rebalanced:
    nonce: indexed(uint256)
    snapshot: bytes32
    total_before: uint256
    idle: uint256
    values: DynArray[uint256, book.VENUES_MAX]


event VenueMoved:
    adapter: indexed(address)
    delta: int256  # what left for the venue, or came home as a negative number


event Deleveraged:
    adapter: indexed(address)
    share_bps: uint256


event Appointed:
    role: indexed(book.Role)
    account: indexed(address)


event VenueAdded:
    adapter: indexed(address)


event VenueRetired:
    adapter: indexed(address)


event StateSet:
    paused: bool
    shut_down: bool


ASSET: immutable(IERC20)
CONFIG: immutable(Config)
ANCHOR: immutable(IAuditAnchor)

pending_owner: public(address)
holder: public(HashMap[book.Role, address])
_has_role: HashMap[address, bool]
venues: public(DynArray[address, book.VENUES_MAX])

paused: public(bool)
shut_down: public(bool)

idle: public(uint256)  # ours and at no venue; more may lie here that nobody deposited
reserved: public(uint256)  # fulfilled and not paid yet; no part of the book

isOperator: public(HashMap[address, HashMap[address, bool]])
_pending: HashMap[address, uint256]  # shares
requested_at: public(HashMap[address, uint256])
_claimable_shares: HashMap[address, uint256]
_claimable_assets: HashMap[address, uint256]
_quota: uint256  # day (128 bits), shares that left in it at the whole price (128)


@deploy
def __init__(
    asset: IERC20,
    name: String[25],
    symbol: String[5],
    anchor: IAuditAnchor,
    roles: address[3],
    config: Config,
):
    """
    @notice The deployer becomes owner. Without policy and signers no order is taken.
    @param roles Curator, allocator and sentinel; none of them the deployer, no two the same.
    """
    checks._require(config.delay_s >= DELAY_MIN_S, "vault: delay too short")
    checks._require(config.unlock_s > 0, "vault: no unlock time")
    ASSET = asset
    CONFIG = config
    ANCHOR = anchor
    ownable.__init__()
    asset_decimals: uint8 = staticcall IERC20Detailed(asset.address).decimals()
    erc20.__init__(name, symbol, asset_decimals + OFFSET, name, "1")
    timelock.__init__()
    orders.__init__()
    pricing.__init__()
    self._appoint(book.Role.CURATOR, roles[0])
    self._appoint(book.Role.ALLOCATOR, roles[1])
    self._appoint(book.Role.SENTINEL, roles[2])


# Deposits: ERC-4626.


@view
@external
def asset() -> address:
    return ASSET.address


@view
@external
def share() -> address:
    """@notice ERC-7575: the vault is its own share."""
    return self


@view
@external
def anchor() -> address:
    return ANCHOR.address


@view
@external
def config() -> Config:
    return CONFIG


@view
@external
def totalAssets() -> uint256:
    """@notice What shares are priced on: the book at liquidation value without locked gains."""
    return self._price()


@view
@external
def current_book() -> book.Book:
    """@notice Where the money is now, by the adapters' own figures."""
    return self._book()


@view
@external
def convertToShares(assets: uint256) -> uint256:
    return pricing._to_shares(assets, self._price(), erc20.totalSupply)


@view
@external
def convertToAssets(shares: uint256) -> uint256:
    return pricing._to_assets(shares, self._price(), erc20.totalSupply)


@view
@external
def maxDeposit(receiver: address) -> uint256:
    return self._max_deposit()


@view
@external
def maxMint(receiver: address) -> uint256:
    return self._max_deposit()


@view
@external
def previewDeposit(assets: uint256) -> uint256:
    return pricing._to_shares(assets, self._price(), erc20.totalSupply)


@view
@external
def previewMint(shares: uint256) -> uint256:
    return pricing._to_assets_up(shares, self._price(), erc20.totalSupply)


@external
def deposit(assets: uint256, receiver: address) -> uint256:
    """@return Shares, rounded down."""
    self._accrue_to_deposit()
    shares: uint256 = pricing._to_shares(assets, pricing.priced, erc20.totalSupply)
    self._deposit(assets, shares, receiver)
    return shares


@external
def mint(shares: uint256, receiver: address) -> uint256:
    """@return Assets taken, rounded up."""
    self._accrue_to_deposit()
    assets: uint256 = pricing._to_assets_up(shares, pricing.priced, erc20.totalSupply)
    self._deposit(assets, shares, receiver)
    return assets


# Exits: ERC-7540, one request for each controller. Nothing here looks at a pause.


@view
@external
def pendingRedeemRequest(request_id: uint256, controller: address) -> uint256:
    return self._pending[controller]


@view
@external
def claimableRedeemRequest(request_id: uint256, controller: address) -> uint256:
    return self._claimable_shares[controller]


@view
@external
def maxRedeem(controller: address) -> uint256:
    return self._claimable_shares[controller]


@view
@external
def maxWithdraw(controller: address) -> uint256:
    return self._claimable_assets[controller]


@view
@external
def previewRedeem(shares: uint256) -> uint256:
    """@notice Reverts, as ERC-7540 asks: the price is not known before fulfilment."""
    checks._require(False, "vault: priced at fulfilment")
    return 0


@view
@external
def previewWithdraw(assets: uint256) -> uint256:
    """@notice Reverts, as ERC-7540 asks: the price is not known before fulfilment."""
    checks._require(False, "vault: priced at fulfilment")
    return 0


@view
@external
def quota_used() -> uint256:
    """@notice Shares that left today at the whole price while reports counted."""
    return self._quota_used()


@external
def setOperator(operator: address, approved: bool) -> bool:
    """@notice Lets another act for the caller's requests."""
    self.isOperator[msg.sender][operator] = approved
    log OperatorSet(controller=msg.sender, operator=operator, approved=approved)
    return True


@external
def requestRedeem(shares: uint256, controller: address, owner: address) -> uint256:
    """
    @notice Takes shares into escrow, where they gain and lose like all others until fulfilment.
    @return Always zero: requests of one controller are one.
    """
    checks._require(shares > 0, "vault: no shares")
    checks._require(shares <= erc20.balanceOf[owner], "vault: more than the balance")
    # Or a stranger could start another's notice anew by a request of one share for him.
    own: bool = msg.sender == controller or self.isOperator[controller][msg.sender]
    checks._require(own, "vault: not controller or operator")
    owns: bool = msg.sender == owner or self.isOperator[owner][msg.sender]
    checks._require(owns, "vault: not owner or operator")
    erc20._transfer(owner, self, shares)
    self._pending[controller] += shares
    self.requested_at[controller] = block.timestamp
    log RedeemRequest(
        controller=controller, owner=owner, requestId=0, sender=msg.sender, shares=shares
    )
    return 0


@external
def fulfil(
    controller: address,
    shares: uint256,
    moves: DynArray[book.Move, book.VENUES_MAX],
    min_assets: uint256,
) -> uint256:
    """
    @notice Prices pending shares and sets their assets aside. Anybody may do it from idle money;
            the allocator may unwind venues for it, and so may the holder once his notice has run.
            Where venues report, a daily quota leaves at the whole price. Ahead of it, or while a
            report is old, only the holder himself may choose to leave, at the discounted price.
    @param moves What to bring home for it, and no more than the claim lacks; what that costs is
           taken off the claim.
    @param min_assets The least that the claim may be worth.
    @return Assets set aside.
    """
    checks._require(shares > 0, "vault: no shares")
    checks._require(shares <= self._pending[controller], "vault: more than is pending")
    own: bool = msg.sender == controller or self.isOperator[controller][msg.sender]
    before: book.Book = self._book()
    terms: IRiskPolicy.ExitTerms = self._exit_terms(before)
    pricing._accrue(before.total, CONFIG.unlock_s)
    gross: uint256 = pricing._to_assets(shares, pricing.priced, erc20.totalSupply)
    discounted: bool = not self._within_quota(shares, terms)
    claim: uint256 = gross
    if discounted:
        checks._require(own, "vault: beyond the quota or stale")
        sure: uint256 = before.total - min(before.total, terms.discount)
        claim = pricing._to_assets(shares, min(pricing.priced, sure), erc20.totalSupply)
    cost: uint256 = self._unwind(controller, own, claim, moves, before)
    checks._require(own or cost * BPS <= claim * terms.unwind_bps, "vault: unwind cost")
    checks._require(cost < claim, "vault: nothing left of the claim")
    assets: uint256 = claim - cost
    checks._require(assets >= min_assets, "vault: below the minimum")
    checks._require(assets <= self.idle, "vault: idle")
    # What a discount leaves in the book is found as a gain by the next accrual, and is locked.
    pricing.priced -= gross
    self.idle -= assets
    self.reserved += assets
    self._pending[controller] -= shares
    self._claimable_shares[controller] += shares
    self._claimable_assets[controller] += assets
    erc20._burn(self, shares)
    log Fulfilled(
        controller=controller, shares=shares, assets=assets, cost=cost, discounted=discounted
    )
    return assets


@external
def redeem(shares: uint256, receiver: address, controller: address) -> uint256:
    """@return Assets paid for fulfilled shares, rounded down; the last share takes the rest."""
    checks._require(shares > 0, "vault: no shares")
    claimable: uint256 = self._claimable_shares[controller]
    checks._require(shares <= claimable, "vault: more than is claimable")
    assets: uint256 = self._claimable_assets[controller] * shares // claimable
    self._pay(assets, shares, receiver, controller)
    return assets


@external
def withdraw(assets: uint256, receiver: address, controller: address) -> uint256:
    """@return Fulfilled shares that were used up, rounded up."""
    checks._require(assets > 0, "vault: no assets")
    claimable: uint256 = self._claimable_assets[controller]
    checks._require(assets <= claimable, "vault: more than is claimable")
    shares: uint256 = pricing._ceil_div(self._claimable_shares[controller] * assets, claimable)
    self._pay(assets, shares, receiver, controller)
    return shares


@external
def accrue():
    """@notice Looks at the book, so that gains begin to be paid out and losses count."""
    pricing._accrue(self._book().total, CONFIG.unlock_s)


# Orders.


@external
def rebalance(
    order: orders.Order,
    moves: DynArray[book.Move, book.VENUES_MAX],
    signatures: DynArray[Bytes[65], orders.SIGNERS_MAX],
):
    """
    @notice Carries out a signed order, then holds the whole book against the policy.
    @param signatures By at least `threshold` signers, in strictly ascending order of their address.
    """
    self._check_open()
    checks._require(msg.sender == self.holder[book.Role.ALLOCATOR], "vault: not allocator")
    orders._take(order, moves, signatures)

    before: book.Book = self._book()
    sent: uint256 = 0
    touched: uint256 = 0
    for move: book.Move in moves:
        i: uint256 = self._position(before, move.adapter)
        checks._require(touched & (1 << i) == 0, "vault: venue twice")
        touched |= 1 << i
        if move.delta > 0:
            sent += self._send(move)
        else:
            self._bring_home(move)
    after: book.Book = self._book()
    self._check_gains(moves, before, after)
    checks._require(after.total >= order.min_total, "vault: below the order's total")
    self._judge(before, after, sent)
    extcall ANCHOR.anchor(order.snapshot)
    values: DynArray[uint256, book.VENUES_MAX] = []
    for venue: book.Venue in after.venues:
        values.append(venue.value)
    log Rebalanced(
        nonce=order.nonce,
        snapshot=order.snapshot,
        total_before=before.total,
        idle=after.idle,
        values=values,
    )


@external
def act(adapter: address, target: address, data: Bytes[1024]):
    """@notice A call by an adapter, allowed by the action manager; the policy judges the book."""
    self._check_open()
    checks._require(msg.sender == self.holder[book.Role.MANAGER], "vault: not manager")
    before: book.Book = self._book()
    i: uint256 = self._position(before, adapter)
    extcall IVenueAdapter(adapter).perform(target, data)
    self._judge(before, self._book(), 0)


# The way home. No signature, cap or pause stands in it.


@external
def bring_home(adapter: address, amount: uint256, min_out: uint256):
    """@notice By the sentinel, or by the keeper contract, which says when and how much."""
    sentinel: bool = msg.sender == self.holder[book.Role.SENTINEL]
    keeper: bool = msg.sender == self.holder[book.Role.KEEPER]
    checks._require(sentinel or keeper, "vault: not sentinel or keeper")
    i: uint256 = self._position(self._book(), adapter)
    delta: int256 = -convert(amount, int256)
    self._bring_home(book.Move(adapter=adapter, delta=delta, min_out=min_out))


@external
def deleverage(adapter: address, share_bps: uint256, value_min: uint256):
    """@notice Closes a share of what is open at a venue, by the keeper contract."""
    checks._require(msg.sender == self.holder[book.Role.KEEPER], "vault: not keeper")
    before: book.Book = self._book()
    i: uint256 = self._position(before, adapter)
    extcall IVenueAdapter(adapter).deleverage(share_bps)
    now: book.Venue = self._venue(adapter)
    checks._require(now.value >= value_min, "vault: below the minimum")
    checks._require(now.health_bps >= before.venues[i].health_bps, "vault: health got worse")
    log Deleveraged(adapter=adapter, share_bps=share_bps)


# Roles and settings.


@external
def transfer_ownership(account: address):
    """@notice Offers the ownership, which `accept_ownership` takes."""
    checks._require(msg.sender == ownable.owner, "vault: not owner")
    self.pending_owner = account


@external
def accept_ownership():
    checks._require(msg.sender == self.pending_owner, "vault: not the next owner")
    checks._require(not self._has_role[msg.sender], "vault: role taken")
    self.pending_owner = empty(address)
    ownable._transfer_ownership(msg.sender)


@external
def appoint(role: book.Role, account: address):
    """@notice Curator and sentinel by the owner at once, every other role through the timelock."""
    by_owner: bool = role in (book.Role.CURATOR | book.Role.SENTINEL)
    if by_owner:
        checks._require(msg.sender == ownable.owner, "vault: not owner")
    else:
        checks._require(msg.sender == self, "vault: not timelock")
    self._appoint(role, account)


@external
def pause():
    """@notice Stops orders, actions and deposits; exits go on."""
    checks._require(msg.sender == self.holder[book.Role.SENTINEL], "vault: not sentinel")
    self.paused = True
    log StateSet(paused=True, shut_down=self.shut_down)


@external
def resume():
    """@notice Ends a pause, by the owner."""
    checks._require(msg.sender == ownable.owner, "vault: not owner")
    self.paused = False
    log StateSet(paused=False, shut_down=self.shut_down)


@external
def shut():
    """@notice Stops orders, actions and deposits for ever; exits go on."""
    sentinel: bool = msg.sender == self.holder[book.Role.SENTINEL]
    checks._require(sentinel or msg.sender == ownable.owner, "vault: not sentinel or owner")
    self.shut_down = True
    log StateSet(paused=self.paused, shut_down=True)


@external
def submit(data: Bytes[1024]):
    """@notice Announces an addition of risk: the calldata of a function of the timelock."""
    checks._require(msg.sender == self.holder[book.Role.CURATOR], "vault: not curator")
    timelock._submit(data)


@external
def revoke(data: Bytes[1024]):
    """@notice Takes an announcement back."""
    sentinel: bool = msg.sender == self.holder[book.Role.SENTINEL]
    curator: bool = msg.sender == self.holder[book.Role.CURATOR]
    checks._require(sentinel or curator, "vault: not sentinel or curator")
    timelock._revoke(data)


@external
@reentrant
def execute(data: Bytes[1024]):
    """@notice Carries out, by anybody, what was announced and whose time has come. Without
            depositors nobody needs the time, and none is waited for."""
    timelock._execute(data, 0 if erc20.totalSupply == 0 else CONFIG.delay_s)


@external
def set_signers(signers: DynArray[address, orders.SIGNERS_MAX], threshold: uint256):
    """@notice Replaces all signers. One alone is not enough to move money."""
    checks._require(msg.sender == self, "vault: not timelock")
    orders._set_signers(signers, threshold)


@external
def add_venue(adapter: address):
    checks._require(msg.sender == self, "vault: not timelock")
    checks._require(adapter not in self.venues, "vault: venue known")
    checks._require(len(self.venues) < book.VENUES_MAX, "vault: too many venues")
    checks._require(staticcall IVenueAdapter(adapter).vault() == self, "vault: foreign adapter")
    asset: address = staticcall IVenueAdapter(adapter).asset()
    checks._require(asset == ASSET.address, "vault: foreign asset")
    self.venues.append(adapter)
    log VenueAdded(adapter=adapter)


@external
def retire_venue(adapter: address):
    """@notice Takes an empty venue off the list, by the curator."""
    checks._require(msg.sender == self.holder[book.Role.CURATOR], "vault: not curator")
    current: book.Book = self._book()
    i: uint256 = self._position(current, adapter)
    known: bool = current.venues[i].as_of != 0
    checks._require(known and current.venues[i].value == 0, "vault: venue not empty")
    last: address = self.venues.pop()
    if last != adapter:
        self.venues[i] = last
    log VenueRetired(adapter=adapter)


@view
@external
def supportsInterface(interface_id: bytes4) -> bool:
    """@notice ERC-165, ERC-7575, ERC-7540 operators and asynchronous redemption."""
    known: bool = interface_id == 0x01ffc9a7 or interface_id == 0x2f0a18c5
    return known or interface_id == 0xe3bc4e65 or interface_id == 0x620ee8e4


# The book.


@internal
@view
def _book() -> book.Book:
    current: book.Book = empty(book.Book)
    current.idle = self.idle
    current.total = current.idle
    for adapter: address in self.venues:
        venue: book.Venue = self._venue(adapter)
        current.total += venue.value
        current.venues.append(venue)
    return current


@internal
@view
def _venue(adapter: address) -> book.Venue:
    """@notice A venue that does not answer counts as nothing and not known; it blocks no exit."""
    success: bool = False
    answer: Bytes[96] = b""
    success, answer = raw_call(
        adapter,
        method_id("state()"),
        max_outsize=96,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not success or len(answer) != 96:
        return book.Venue(adapter=adapter, value=0, health_bps=0, as_of=0)
    held: uint256 = 0
    health_bps: uint256 = 0
    as_of: uint256 = 0
    held, health_bps, as_of = abi_decode(answer, (uint256, uint256, uint256))
    if held >= 2**128 or as_of > block.timestamp:
        return book.Venue(adapter=adapter, value=0, health_bps=0, as_of=0)
    return book.Venue(adapter=adapter, value=held, health_bps=health_bps, as_of=as_of)


@internal
@pure
def _position(current: book.Book, adapter: address) -> uint256:
    for i: uint256 in range(len(current.venues), bound=book.VENUES_MAX):
        if current.venues[i].adapter == adapter:
            return i
    raise "vault: unknown venue"


@internal
def _send(move: book.Move) -> uint256:
    amount: uint256 = convert(move.delta, uint256)
    checks._require(amount <= self.idle, "vault: idle")
    self.idle -= amount
    self._transfer(move.adapter, amount)
    extcall IVenueAdapter(move.adapter).allocate(amount)
    log VenueMoved(adapter=move.adapter, delta=move.delta)
    return amount


@internal
def _bring_home(move: book.Move):
    amount: uint256 = convert(-move.delta, uint256)
    before: uint256 = staticcall ASSET.balanceOf(self)
    extcall IVenueAdapter(move.adapter).deallocate(amount)
    came: uint256 = staticcall ASSET.balanceOf(self) - before
    checks._require(came >= move.min_out, "vault: too little came home")
    self.idle += came
    log VenueMoved(adapter=move.adapter, delta=-convert(came, int256))


@internal
def _transfer(receiver: address, amount: uint256):
    done: bool = extcall ASSET.transfer(receiver, amount, default_return_value=True)
    checks._require(done, "vault: transfer failed")


@internal
def _check_gains(
    moves: DynArray[book.Move, book.VENUES_MAX], before: book.Book, after: book.Book
):
    for move: book.Move in moves:
        if move.delta > 0:
            i: uint256 = self._position(after, move.adapter)
            least: uint256 = before.venues[i].value + move.min_out
            checks._require(after.venues[i].value >= least, "vault: too little arrived")


@internal
@view
def _check_open():
    checks._require(not self.shut_down, "vault: shut down")
    checks._require(not self.paused, "vault: paused")


@internal
def _judge(before: book.Book, after: book.Book, sent: uint256):
    policy: address = self.holder[book.Role.POLICY]
    checks._require(policy != empty(address), "vault: no policy")
    extcall IRiskPolicy(policy).check(before, after, sent)


# Shares and their price.


@internal
@view
def _price() -> uint256:
    return pricing._accrual(self._book().total, CONFIG.unlock_s)[0]


@internal
def _accrue_to_deposit():
    self._check_open()
    current: book.Book = self._book()
    checks._require(self._exit_terms(current).fresh, "vault: stale report")
    pricing._accrue(current.total, CONFIG.unlock_s)


@internal
def _deposit(assets: uint256, shares: uint256, receiver: address):
    checks._require(assets > 0 and shares > 0, "vault: nothing for it")
    before: uint256 = staticcall ASSET.balanceOf(self)
    done: bool = extcall ASSET.transferFrom(msg.sender, self, assets, default_return_value=True)
    checks._require(done, "vault: transfer failed")
    checks._require(staticcall ASSET.balanceOf(self) == before + assets, "vault: token takes a fee")
    self.idle += assets
    pricing.priced += assets
    erc20._mint(receiver, shares)
    log Deposit(sender=msg.sender, owner=receiver, assets=assets, shares=shares)


@internal
def _pay(assets: uint256, shares: uint256, receiver: address, controller: address):
    own: bool = msg.sender == controller or self.isOperator[controller][msg.sender]
    checks._require(own, "vault: not controller or operator")
    self._claimable_shares[controller] -= shares
    self._claimable_assets[controller] -= assets
    self.reserved -= assets
    self._transfer(receiver, assets)
    log Withdraw(
        sender=msg.sender, receiver=receiver, owner=controller, assets=assets, shares=shares
    )


@internal
def _unwind(
    controller: address,
    own: bool,
    claim: uint256,
    moves: DynArray[book.Move, book.VENUES_MAX],
    before: book.Book,
) -> uint256:
    """@return What bringing that money home took off the whole book."""
    if len(moves) == 0:
        return 0
    if msg.sender != self.holder[book.Role.ALLOCATOR]:
        checks._require(own, "vault: not the holder or allocator")
        ends: uint256 = self.requested_at[controller] + CONFIG.notice_s
        checks._require(block.timestamp >= ends, "vault: notice")
    for move: book.Move in moves:
        i: uint256 = self._position(before, move.adapter)
        checks._require(move.delta < 0, "vault: not homeward")
        # The claim's price moves between blocks, so nobody could name what it lacks to the unit.
        lack: int256 = convert(claim - min(claim, self.idle), int256)
        if lack == 0:
            break
        out: int256 = max(move.delta, -lack)
        self._bring_home(book.Move(adapter=move.adapter, delta=out, min_out=move.min_out))
    after: uint256 = self._book().total
    return before.total - min(before.total, after)


@internal
def _within_quota(shares: uint256, terms: IRiskPolicy.ExitTerms) -> bool:
    """@notice Books the shares against today's quota if they fit. Without reports there is none."""
    if not terms.fresh:
        return False
    if terms.discount == 0:
        return True
    used: uint256 = self._quota_used()
    if (used + shares) * BPS > (erc20.totalSupply + used) * terms.quota_bps:
        return False
    self._quota = (block.timestamp // DAY_S) | ((used + shares) << 128)
    return True


@internal
@view
def _quota_used() -> uint256:
    same_day: bool = self._quota & (2**128 - 1) == block.timestamp // DAY_S
    return self._quota >> 128 if same_day else 0


@internal
@view
def _exit_terms(current: book.Book) -> IRiskPolicy.ExitTerms:
    """@notice Without a policy there is no venue money that it would have allowed."""
    if self.holder[book.Role.POLICY] == empty(address):
        return IRiskPolicy.ExitTerms(fresh=True, discount=0, quota_bps=0, unwind_bps=0)
    return staticcall IRiskPolicy(self.holder[book.Role.POLICY]).exit_terms(current)


@internal
@view
def _max_deposit() -> uint256:
    open: bool = not self.paused and not self.shut_down and self._exit_terms(self._book()).fresh
    return max_value(uint256) if open else 0


@internal
def _appoint(role: book.Role, account: address):
    """@notice Nobody has two roles; only keeper and action manager may be nobody."""
    if account == empty(address):
        checks._require(role in (book.Role.KEEPER | book.Role.MANAGER), "vault: nobody")
    checks._require(account != ownable.owner, "vault: role taken")
    checks._require(not self._has_role[account], "vault: role taken")
    self._has_role[self.holder[role]] = False
    self._has_role[account] = account != empty(address)
    self.holder[role] = account
    log Appointed(role=role, account=account)
