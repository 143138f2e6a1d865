# SPDX-License-Identifier: AGPL-3.0-only
# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Action manager
@license AGPL-3.0-only
@notice Each strategist may make the calls in a Merkle tree of his own, through a venue's adapter. A
        leaf names adapter, target, whether value is sent (never), selector, which arguments are
        addresses, and those addresses. It says what may be called; the policy, which judges the
        book after the call, says how much.
@custom:security Only addresses that stand in the call's first sixteen words are held. A call whose
        addresses lie elsewhere must not be put into a tree.
"""
from snekmate.utils import merkle_proof_verification
import book
import timelock

initializes: timelock
exports: timelock.submitted_at


interface Vault:
    def holder(role: book.Role) -> address: view
    def config() -> Config: view
    def totalSupply() -> uint256: view
    def act(adapter: address, target: address, data: Bytes[1024]): nonpayable


struct Config:
    delay_s: uint256
    unlock_s: uint256
    notice_s: uint256


WORDS_MAX: constant(uint256) = 16


event RootSet:
    strategist: indexed(address)
    root: bytes32


event Acted:
    strategist: indexed(address)
    adapter: indexed(address)
    target: indexed(address)
    selector: bytes4


VAULT: immutable(Vault)

root: public(HashMap[address, bytes32])


@deploy
def __init__(vault: Vault):
    VAULT = vault
    timelock.__init__()


@view
@external
def vault() -> address:
    return VAULT.address


@pure
@external
def leaf(adapter: address, target: address, data: Bytes[1024], mask: uint256) -> bytes32:
    """
    @notice The leaf of a call, for building trees.
    @param mask Bit i is set where argument word i is an address.
    """
    return self._leaf(adapter, target, data, mask)


@external
def act(
    adapter: address,
    target: address,
    data: Bytes[1024],
    mask: uint256,
    proof: DynArray[bytes32, 64],
):
    """@notice Makes a call of the caller's tree."""
    root: bytes32 = self.root[msg.sender]
    assert root != empty(bytes32), "manager: not a strategist"
    leaf: bytes32 = self._leaf(adapter, target, data, mask)
    assert merkle_proof_verification._verify(proof, root, leaf), "manager: not in the tree"
    extcall VAULT.act(adapter, target, data)
    log Acted(
        strategist=msg.sender,
        adapter=adapter,
        target=target,
        selector=convert(slice(data, 0, 4), bytes4),
    )


@external
def submit(data: Bytes[1024]):
    """@notice Announces a new root: the calldata of `set_root`."""
    assert msg.sender == staticcall VAULT.holder(book.Role.CURATOR), "manager: not curator"
    timelock._submit(data)


@external
def revoke(data: Bytes[1024]):
    self._check_guard()
    timelock._revoke(data)


@external
@reentrant
def execute(data: Bytes[1024]):
    """@notice Carries out, by anybody, what was announced and whose time has come."""
    empty_vault: bool = staticcall VAULT.totalSupply() == 0
    delay_s: uint256 = (staticcall VAULT.config()).delay_s
    timelock._execute(data, 0 if empty_vault else delay_s)


@external
def set_root(strategist: address, root: bytes32):
    assert msg.sender == self, "manager: not timelock"
    self.root[strategist] = root
    log RootSet(strategist=strategist, root=root)


@external
def clear_root(strategist: address):
    """@notice Takes every call from a strategist, at once."""
    self._check_guard()
    self.root[strategist] = empty(bytes32)
    log RootSet(strategist=strategist, root=empty(bytes32))


@internal
@view
def _check_guard():
    allowed: bool = msg.sender == staticcall VAULT.holder(book.Role.SENTINEL)
    allowed = allowed or msg.sender == staticcall VAULT.holder(book.Role.CURATOR)
    assert allowed, "manager: not sentinel or curator"


@internal
@pure
def _leaf(adapter: address, target: address, data: Bytes[1024], mask: uint256) -> bytes32:
    assert len(data) >= 4, "manager: no selector"
    assert mask < 2**WORDS_MAX, "manager: mask"
    words: bytes32[WORDS_MAX] = empty(bytes32[WORDS_MAX])
    for i: uint256 in range(WORDS_MAX):
        if mask & (1 << i) != 0:
            assert len(data) >= 36 + 32 * i, "manager: data too short"
            words[i] = extract32(data, 4 + 32 * i)
            assert convert(words[i], uint256) < 2**160, "manager: not an address"
    selector: bytes4 = convert(slice(data, 0, 4), bytes4)
    call: bytes32 = keccak256(abi_encode(adapter, target, False, selector, mask, words))
    # Hashed twice, so that no inner node can pass for a leaf.
    return keccak256(call)
