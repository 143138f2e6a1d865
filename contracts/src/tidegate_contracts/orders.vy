# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Orders
@license AGPL-3.0-only
@notice What k of n signers sign, by EIP-712, and that each order is taken once and in its turn.
"""
from snekmate.utils import ecdsa
from snekmate.utils import eip712_domain_separator
import book
import checks

uses: eip712_domain_separator

SIGNERS_MAX: constant(uint256) = 8
ORDER_TYPE: constant(bytes32) = keccak256(
    "Order(uint256 nonce,uint256 deadline,bytes32 snapshot,uint256 minTotal,bytes32 moves)"
)


struct Order:
    nonce: uint256
    deadline: uint256  # last second in which it may be carried out
    snapshot: bytes32  # root of the snapshot that it rests on; it is anchored
    min_total: uint256  # of the book afterwards, units of the asset


event SignersSet:
    signers: DynArray[address, SIGNERS_MAX]
    threshold: uint256


threshold: public(uint256)
signers: public(DynArray[address, SIGNERS_MAX])
is_signer: public(HashMap[address, bool])
_pulse: uint256  # nonce of the next order (128 bits), second of the last one (128)


@deploy
def __init__():
    pass


@view
@external
def order_nonce() -> uint256:
    """@notice The nonce that the next order must have."""
    return self._pulse & (2**128 - 1)


@view
@external
def last_order_at() -> uint256:
    """@notice The second of the last order; zero before the first."""
    return self._pulse >> 128


@internal
def _take(
    order: Order,
    moves: DynArray[book.Move, book.VENUES_MAX],
    signatures: DynArray[Bytes[65], SIGNERS_MAX],
):
    """@notice Deadline, then nonce, then signatures; the nonce is used up."""
    checks._require(block.timestamp <= order.deadline, "vault: expired")
    checks._require(order.nonce == self._pulse & (2**128 - 1), "vault: nonce")
    self._check_signatures(self._hash(order, moves), signatures)
    self._pulse = (order.nonce + 1) | (block.timestamp << 128)


@internal
def _set_signers(signers: DynArray[address, SIGNERS_MAX], threshold: uint256):
    """@notice Replaces all signers. One alone is not enough to move money."""
    checks._require(2 <= threshold and threshold <= len(signers), "vault: threshold")
    for old: address in self.signers:
        self.is_signer[old] = False
    for signer: address in signers:
        new: bool = signer != empty(address) and not self.is_signer[signer]
        checks._require(new, "vault: signer twice or empty")
        self.is_signer[signer] = True
    self.signers = signers
    self.threshold = threshold
    log SignersSet(signers=signers, threshold=threshold)


@internal
@view
def _hash(order: Order, moves: DynArray[book.Move, book.VENUES_MAX]) -> bytes32:
    return eip712_domain_separator._hash_typed_data_v4(
        keccak256(abi_encode(ORDER_TYPE, order, keccak256(abi_encode(moves))))
    )


@internal
@view
def _check_signatures(digest: bytes32, signatures: DynArray[Bytes[65], SIGNERS_MAX]):
    threshold: uint256 = self.threshold
    checks._require(threshold != 0, "vault: no signers")
    checks._require(len(signatures) >= threshold, "vault: too few signatures")
    last: address = empty(address)
    for signature: Bytes[65] in signatures:
        signer: address = ecdsa._recover_sig(digest, signature)
        checks._require(self.is_signer[signer], "vault: not a signer")
        ascending: bool = convert(signer, uint160) > convert(last, uint160)
        checks._require(ascending, "vault: signers not ascending")
        last = signer
