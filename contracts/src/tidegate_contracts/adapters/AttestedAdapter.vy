# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Attested adapter
@license AGPL-3.0-only
@notice Money at a venue off the chain, on the word of a reporter who signs what it is worth. A
        report that lowers the value counts at once and whole. One that raises it counts no faster than
        `up_bps_day` a day, and a pause in reports gains at most one day of it. Money that the
        vault sent or took back after what a report has seen is added or taken off here.
@custom:security The contract cannot know that a report is true. It bounds what a lie upward can
        do in a day, says how old the last report is, and lets the vault's sentinel mark the value down,
        after which reports can only lower it.
"""
from ethereum.ercs import IERC20
from snekmate.utils import ecdsa
from snekmate.utils import eip712_domain_separator
import book
from interfaces import IVenueAdapter

implements: IVenueAdapter
initializes: eip712_domain_separator
exports: eip712_domain_separator.eip712Domain


interface Vault:
    def holder(role: book.Role) -> address: view


struct Report:
    sequence: uint256
    value: uint256  # equity at the venue, with what is on its way back or lies in this contract
    health_bps: uint256
    sent_seen: uint256  # of all that was ever sent there, what the value contains
    returned_seen: uint256  # of all that was ever taken back, what the value lacks
    as_of: uint256


event Reported:
    sequence: indexed(uint256)
    claimed: uint256  # flows since added
    accepted: uint256
    as_of: uint256


event MarkedDown:
    accepted: uint256


DAY_S: constant(uint256) = 86_400
BPS: constant(uint256) = 10_000
REPORT_TYPE: constant(bytes32) = keccak256(
    "Report(uint256 sequence,uint256 value,uint256 healthBps,uint256 sentSeen,"
    "uint256 returnedSeen,uint256 asOf)"
)
ASSET: immutable(IERC20)
VAULT: immutable(address)
REPORTER: immutable(address)
CUSTODY: immutable(address)
UP_BPS_DAY: immutable(uint256)

accepted: public(uint256)
health_bps: public(uint256)
as_of: public(uint256)
reported_at: public(uint256)
sequence: public(uint256)
sent: public(uint256)
returned: public(uint256)
distrusted: public(bool)


@deploy
def __init__(
    asset: IERC20, vault: address, reporter: address, custody: address, up_bps_day: uint256
):
    """
    @param reporter Signer of reports.
    @param custody Where the venue takes deposits; nothing is ever sent elsewhere.
    @param up_bps_day What reports may add to the value in a day.
    """
    assert reporter != empty(address) and custody != empty(address), "attested: nobody"
    assert up_bps_day <= BPS, "attested: step"
    ASSET = asset
    VAULT = vault
    REPORTER = reporter
    CUSTODY = custody
    UP_BPS_DAY = up_bps_day
    eip712_domain_separator.__init__("Tidegate attested venue", "1")
    self.health_bps = max_value(uint256)
    self.as_of = block.timestamp
    self.reported_at = block.timestamp


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
def reporter() -> address:
    return REPORTER


@view
@external
def custody() -> address:
    return CUSTODY


@view
@external
def up_bps_day() -> uint256:
    return UP_BPS_DAY


@view
@external
def state() -> (uint256, uint256, uint256):
    return self.accepted, self.health_bps, self.as_of


@external
def report(report: Report, signature: Bytes[65]):
    """@notice Takes a report that the reporter signed, from anybody."""
    assert report.sequence > self.sequence, "attested: sequence"
    assert report.as_of > self.as_of, "attested: older than the last"
    assert report.as_of <= block.timestamp, "attested: from the future"
    assert report.value < 2**128, "attested: value out of range"
    assert report.sent_seen <= self.sent, "attested: saw more than was sent"
    assert report.returned_seen <= self.returned, "attested: saw more than came back"
    digest: bytes32 = eip712_domain_separator._hash_typed_data_v4(
        keccak256(abi_encode(REPORT_TYPE, report))
    )
    assert ecdsa._recover_sig(digest, signature) == REPORTER, "attested: not the reporter"
    arriving: uint256 = report.value + self.sent - report.sent_seen
    claimed: uint256 = arriving - min(arriving, self.returned - report.returned_seen)
    self.accepted = min(claimed, self._ceiling())
    self.health_bps = report.health_bps
    self.as_of = report.as_of
    self.reported_at = block.timestamp
    self.sequence = report.sequence
    log Reported(
        sequence=report.sequence, claimed=claimed, accepted=self.accepted, as_of=report.as_of
    )


@external
def mark_down(accepted: uint256):
    """@notice By the vault's sentinel: believes the reporter no more, unless he says less."""
    sentinel: address = staticcall Vault(VAULT).holder(book.Role.SENTINEL)
    assert msg.sender == sentinel, "attested: not sentinel"
    assert accepted <= self.accepted, "attested: not down"
    self.accepted = accepted
    self.distrusted = True
    log MarkedDown(accepted=accepted)


@external
def allocate(amount: uint256):
    assert msg.sender == VAULT, "attested: not vault"
    self.sent += amount
    self.accepted += amount
    assert extcall ASSET.transfer(
        CUSTODY, amount, default_return_value=True
    ), "attested: transfer failed"


@external
def deallocate(amount: uint256):
    """@notice Hands on what the venue has sent back here, and no more than it is worth."""
    assert msg.sender == VAULT, "attested: not vault"
    here: uint256 = staticcall ASSET.balanceOf(self)
    out: uint256 = min(amount, min(here, self.accepted))
    self.returned += out
    self.accepted -= out
    assert extcall ASSET.transfer(
        VAULT, out, default_return_value=True
    ), "attested: transfer failed"


@external
def deleverage(share_bps: uint256):
    raise "attested: positions are off the chain"


@external
def perform(target: address, data: Bytes[1024]):
    raise "attested: positions are off the chain"


@internal
@view
def _ceiling() -> uint256:
    if self.distrusted:
        return self.accepted
    elapsed: uint256 = min(block.timestamp - self.reported_at, DAY_S)
    return self.accepted + self.accepted * UP_BPS_DAY * elapsed // (BPS * DAY_S)
