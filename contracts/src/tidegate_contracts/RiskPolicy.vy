# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Risk policy
@license AGPL-3.0-only
@notice Post-conditions on the whole book after each change that an order or an action makes. A
        limit holds if the book is within it, or is no worse in it than before: so a venue that fell
        below its health limit can be topped up, and one that grew above its cap does not block the
        rest.
        Limits are tightened by the curator at once and loosened through the timelock.
@custom:security The policy trusts the adapters' figures. It bounds how much may move and be lost;
        what may be called is the action manager's.
"""
import book
import timelock
from interfaces import IRiskPolicy

implements: IRiskPolicy

initializes: timelock
exports: timelock.submitted_at


interface Vault:
    def holder(role: book.Role) -> address: view
    def totalSupply() -> uint256: view


BPS: constant(uint256) = 10_000
PPB: constant(uint256) = 10**9  # loss and turnover are counted in parts of the book
DAY_S: constant(uint256) = 86_400
DELAY_MIN_S: constant(uint256) = 2 * DAY_S
GROUPS_MAX: constant(uint256) = 16


struct VenueLimit:
    cap: uint256  # units of the asset, below 2**128
    cap_bps: uint256  # of the book
    group: uint256  # risk group, below 16
    health_min_bps: uint256
    age_max_s: uint256
    discount_bps: uint256  # of the value, where a holder leaves ahead of the quota


struct GroupLimit:
    cap: uint256  # units of the asset, below 2**128
    cap_bps: uint256  # of the book


struct BookLimit:
    idle_min_bps: uint256
    turnover_max_bps: uint256  # of the book, sent to venues in a day
    loss_max_bps: uint256  # of the book, in one change
    loss_budget_bps: uint256  # of the book; what was lost is forgotten evenly over `forget_s`
    forget_s: uint256
    quota_bps: uint256  # of the supply, that may leave in a day at the whole price
    unwind_bps: uint256  # of a claim


event VenueLimited:
    adapter: indexed(address)
    limit: VenueLimit


event GroupLimited:
    group: indexed(uint256)
    limit: GroupLimit


event BookLimited:
    limit: BookLimit


VAULT: immutable(address)
DELAY_S: immutable(uint256)
# One slot each: every venue is looked up in every check, and a slot costs 2,100 gas.
_venue_limits: HashMap[address, uint256]
_group_limits: HashMap[uint256, uint256]
_book_limit: uint256
_spent: uint256  # day (64 bits), turnover in it (64), loss (64), second of the loss (64)


@deploy
def __init__(vault: address, delay_s: uint256):
    """
    @param vault The only caller of `check`; its curator and sentinel are the policy's.
    @param delay_s What loosening waits for, in seconds; at least two days.
    """
    assert delay_s >= DELAY_MIN_S, "policy: delay too short"
    VAULT = vault
    DELAY_S = delay_s
    timelock.__init__()


@view
@external
def vault() -> address:
    return VAULT


@view
@external
def delay_s() -> uint256:
    return DELAY_S


@view
@external
def venue_limit(adapter: address) -> VenueLimit:
    """@notice A venue without a limit has a cap of zero."""
    return self._venue_limit(adapter)


@view
@external
def health_min_bps(adapter: address) -> uint256:
    """@notice Below it anybody may have the keeper take risk off the venue."""
    return self._venue_limit(adapter).health_min_bps


@view
@external
def group_limit(group: uint256) -> GroupLimit:
    return self._group_limit(group)


@view
@external
def book_limit() -> BookLimit:
    return self._unpack_book(self._book_limit)


@view
@external
def turnover_ppb() -> uint256:
    """@notice Parts of the book per billion that were sent to venues today."""
    return self._turnover_ppb(self._spent)


@view
@external
def loss_ppb() -> uint256:
    """@notice Parts of the book per billion that were lost and are not forgotten yet."""
    return self._loss_ppb(self._spent, self._unpack_book(self._book_limit))


@external
def set_venue_limit(adapter: address, limit: VenueLimit):
    """@notice Tighter in every part by the curator, anything else through the timelock."""
    assert limit.cap < 2**128 and limit.cap_bps <= BPS, "policy: limit out of range"
    assert limit.group < GROUPS_MAX and limit.health_min_bps < 2**32, "policy: limit out of range"
    assert limit.age_max_s < 2**32 and limit.discount_bps <= BPS, "policy: limit out of range"
    self._authorise(self._venue_tightens(self._venue_limit(adapter), limit))
    self._venue_limits[adapter] = (
        limit.cap
        | (limit.cap_bps << 128)
        | (limit.group << 144)
        | (limit.health_min_bps << 152)
        | (limit.age_max_s << 184)
        | (limit.discount_bps << 216)
    )
    log VenueLimited(adapter=adapter, limit=limit)


@external
def set_group_limit(group: uint256, limit: GroupLimit):
    """@notice Tighter in every part by the curator, anything else through the timelock."""
    assert group < GROUPS_MAX, "policy: limit out of range"
    assert limit.cap < 2**128 and limit.cap_bps <= BPS, "policy: limit out of range"
    old: GroupLimit = self._group_limit(group)
    self._authorise(limit.cap <= old.cap and limit.cap_bps <= old.cap_bps)
    self._group_limits[group] = limit.cap | (limit.cap_bps << 128)
    log GroupLimited(group=group, limit=limit)


@external
def set_book_limit(limit: BookLimit):
    """@notice Tighter in every part by the curator, anything else through the timelock."""
    shares: uint256[5] = [
        limit.idle_min_bps,
        limit.loss_max_bps,
        limit.loss_budget_bps,
        limit.quota_bps,
        limit.unwind_bps,
    ]
    for share: uint256 in shares:
        assert share <= BPS, "policy: limit out of range"
    assert limit.turnover_max_bps < 2**32, "policy: limit out of range"
    assert 0 < limit.forget_s and limit.forget_s < 2**32, "policy: limit out of range"
    self._authorise(self._book_tightens(self._unpack_book(self._book_limit), limit))
    self._book_limit = (
        limit.idle_min_bps
        | (limit.turnover_max_bps << 16)
        | (limit.loss_max_bps << 48)
        | (limit.loss_budget_bps << 64)
        | (limit.forget_s << 80)
        | (limit.quota_bps << 112)
        | (limit.unwind_bps << 128)
    )
    log BookLimited(limit=limit)


@external
def submit(data: Bytes[1024]):
    """@notice Announces a loosening: the calldata of one of the setters."""
    assert msg.sender == staticcall Vault(VAULT).holder(book.Role.CURATOR), "policy: not curator"
    timelock._submit(data)


@external
def revoke(data: Bytes[1024]):
    """@notice Takes an announced loosening back."""
    allowed: bool = msg.sender == staticcall Vault(VAULT).holder(book.Role.SENTINEL)
    allowed = allowed or msg.sender == staticcall Vault(VAULT).holder(book.Role.CURATOR)
    assert allowed, "policy: not sentinel or curator"
    timelock._revoke(data)


@external
@reentrant
def execute(data: Bytes[1024]):
    """@notice Carries out, by anybody, a loosening whose time has come. Without depositors nobody
            needs the time, and none is waited for."""
    empty_vault: bool = staticcall Vault(VAULT).totalSupply() == 0
    timelock._execute(data, 0 if empty_vault else DELAY_S)


@external
def check(before: book.Book, after: book.Book, sent: uint256):
    """
    @notice Reverts with its reason where the book after a change breaks a limit.
    @param before The book before the change.
    @param after The book after it, the same venues in the same order.
    @param sent Units of the asset that were sent to venues.
    """
    assert msg.sender == VAULT, "policy: not vault"
    limit: BookLimit = self._unpack_book(self._book_limit)
    was_in_group: uint256[GROUPS_MAX] = empty(uint256[GROUPS_MAX])
    is_in_group: uint256[GROUPS_MAX] = empty(uint256[GROUPS_MAX])
    groups: uint256 = 0
    for i: uint256 in range(len(after.venues), bound=book.VENUES_MAX):
        was: book.Venue = before.venues[i]
        now: book.Venue = after.venues[i]
        own: VenueLimit = self._venue_limit(now.adapter)
        self._check_venue(was, now, own, after.total)
        assert sent == 0 or not self._is_stale(now, own), "policy: report age"
        was_in_group[own.group] += was.value
        is_in_group[own.group] += now.value
        groups |= 1 << own.group
    for group: uint256 in range(GROUPS_MAX):
        if groups & (1 << group) != 0 and is_in_group[group] > was_in_group[group]:
            self._check_group(is_in_group[group], self._group_limit(group), after.total)
    self._check_idle(before.idle, after, limit)
    self._check_spent(before.total, after.total, sent, limit)


@view
@external
def exit_terms(current: book.Book) -> IRiskPolicy.ExitTerms:
    """
    @notice On what terms holders come and go at this book.
    @param current The book now.
    """
    limit: BookLimit = self._unpack_book(self._book_limit)
    fresh: bool = True
    discount: uint256 = 0
    for venue: book.Venue in current.venues:
        own: VenueLimit = self._venue_limit(venue.adapter)
        fresh = fresh and not self._is_stale(venue, own)
        # Rounded up: what is taken off stays with those who remain.
        discount += (venue.value * own.discount_bps + BPS - 1) // BPS
    return IRiskPolicy.ExitTerms(
        fresh=fresh, discount=discount, quota_bps=limit.quota_bps, unwind_bps=limit.unwind_bps
    )


@internal
@view
def _authorise(tightens: bool):
    if msg.sender == self:
        return
    assert msg.sender == staticcall Vault(VAULT).holder(book.Role.CURATOR), "policy: not curator"
    assert tightens, "policy: loosening needs the timelock"


@internal
@pure
def _venue_tightens(old: VenueLimit, new: VenueLimit) -> bool:
    return (
        new.cap <= old.cap
        and new.cap_bps <= old.cap_bps
        and new.group == old.group
        and new.health_min_bps >= old.health_min_bps
        and new.age_max_s <= old.age_max_s
        and new.discount_bps == old.discount_bps
    )


@internal
@pure
def _book_tightens(old: BookLimit, new: BookLimit) -> bool:
    # Terms of leaving are no limits of risk: to change them either way may hurt a holder.
    return (
        new.idle_min_bps >= old.idle_min_bps
        and new.turnover_max_bps <= old.turnover_max_bps
        and new.loss_max_bps <= old.loss_max_bps
        and new.loss_budget_bps <= old.loss_budget_bps
        and new.forget_s >= old.forget_s
        and new.quota_bps == old.quota_bps
        and new.unwind_bps == old.unwind_bps
    )


@internal
@view
def _is_stale(venue: book.Venue, limit: VenueLimit) -> bool:
    # A venue that tells nothing is stale whatever it holds: unknown is never safe.
    old: bool = venue.as_of + limit.age_max_s < block.timestamp
    return old and (venue.value != 0 or venue.as_of == 0)


@internal
@pure
def _check_venue(was: book.Venue, now: book.Venue, limit: VenueLimit, total: uint256):
    if now.value > was.value:
        assert now.value <= limit.cap, "policy: venue cap"
        assert now.value * BPS <= limit.cap_bps * total, "policy: relative venue cap"
    healthy: bool = now.health_bps >= limit.health_min_bps
    assert healthy or now.health_bps >= was.health_bps, "policy: venue health"


@internal
@pure
def _check_group(held: uint256, limit: GroupLimit, total: uint256):
    assert held <= limit.cap, "policy: group cap"
    assert held * BPS <= limit.cap_bps * total, "policy: relative group cap"


@internal
@pure
def _check_idle(was: uint256, after: book.Book, limit: BookLimit):
    enough: bool = after.idle * BPS >= limit.idle_min_bps * after.total
    assert enough or after.idle >= was, "policy: idle"


@internal
def _check_spent(was: uint256, now: uint256, sent: uint256, limit: BookLimit):
    spent: uint256 = self._spent
    turnover: uint256 = self._turnover_ppb(spent)
    loss: uint256 = self._loss_ppb(spent, limit)
    if sent > 0:
        turnover += self._parts(sent, was)
        assert turnover * BPS <= limit.turnover_max_bps * PPB, "policy: turnover"
    if now < was:
        lost: uint256 = self._parts(was - now, was)
        assert lost * BPS <= limit.loss_max_bps * PPB, "policy: loss"
        loss += lost
        assert loss * BPS <= limit.loss_budget_bps * PPB, "policy: loss budget"
    self._spent = (
        (block.timestamp // DAY_S) | (turnover << 64) | (loss << 128) | (block.timestamp << 192)
    )


@internal
@pure
def _parts(amount: uint256, total: uint256) -> uint256:
    """@return Parts of `total` per billion, rounded up; it counts against the limits."""
    return (amount * PPB + total - 1) // total


@internal
@view
def _turnover_ppb(spent: uint256) -> uint256:
    if spent & (2**64 - 1) != block.timestamp // DAY_S:
        return 0
    return (spent >> 64) & (2**64 - 1)


@internal
@view
def _loss_ppb(spent: uint256, limit: BookLimit) -> uint256:
    loss: uint256 = (spent >> 128) & (2**64 - 1)
    if loss == 0:
        return 0
    elapsed: uint256 = block.timestamp - (spent >> 192)
    forgotten: uint256 = limit.loss_budget_bps * PPB * elapsed // (BPS * limit.forget_s)
    return loss - min(loss, forgotten)


@internal
@view
def _venue_limit(adapter: address) -> VenueLimit:
    packed: uint256 = self._venue_limits[adapter]
    return VenueLimit(
        cap=packed & (2**128 - 1),
        cap_bps=(packed >> 128) & (2**16 - 1),
        group=(packed >> 144) & (2**8 - 1),
        health_min_bps=(packed >> 152) & (2**32 - 1),
        age_max_s=(packed >> 184) & (2**32 - 1),
        discount_bps=(packed >> 216) & (2**16 - 1),
    )


@internal
@view
def _group_limit(group: uint256) -> GroupLimit:
    packed: uint256 = self._group_limits[group]
    return GroupLimit(cap=packed & (2**128 - 1), cap_bps=(packed >> 128) & (2**16 - 1))


@internal
@pure
def _unpack_book(packed: uint256) -> BookLimit:
    return BookLimit(
        idle_min_bps=packed & (2**16 - 1),
        turnover_max_bps=(packed >> 16) & (2**32 - 1),
        loss_max_bps=(packed >> 48) & (2**16 - 1),
        loss_budget_bps=(packed >> 64) & (2**16 - 1),
        forget_s=(packed >> 80) & (2**32 - 1),
        quota_bps=(packed >> 112) & (2**16 - 1),
        unwind_bps=(packed >> 128) & (2**16 - 1),
    )
