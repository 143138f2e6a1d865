# SPDX-License-Identifier: Apache-2.0
"""What signers sign, and how k signatures become an order that the vault takes.

Source: EIP-712; types and domain are those of `contracts/src/tidegate_contracts/orders.vy`. The
domain's name is that of the vault's share, its version "1".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.model.errors import InputError
from tidegate.venues.vault.keys import VaultKey
from tidegate.venues.vault.state import Order

VERSION = "1"
MOVES = "(address,int256,uint256)[]"
TYPES = {
    "Order": [
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
        {"name": "snapshot", "type": "bytes32"},
        {"name": "minTotal", "type": "uint256"},
        {"name": "moves", "type": "bytes32"},
    ]
}


@dataclass(frozen=True, slots=True)
class Domain:
    """Where an order holds and nowhere else: name of the share, chain and vault."""

    name: str
    chain_id: int
    vault: str


@dataclass(frozen=True, slots=True)
class Signature:
    """One signer's word for one order: who says to be it, and 65 bytes."""

    signer: str
    content: bytes


def sign_order(order: Order, domain: Domain, key: VaultKey) -> Signature:
    """A signer's signature over an order."""
    return Signature(key.address, key.sign_typed(message(order, domain)))


def collect(
    order: Order,
    domain: Domain,
    signatures: Iterable[Signature],
    signers: Sequence[str],
    threshold: int,
) -> tuple[bytes, ...]:
    """As many signatures as are needed, in strictly ascending order of their signers.

    Each is recovered first: one that is not its signer's, or not a signer's at all, raises
    `InputError`, and so do too few. More than are needed are left out: each costs gas.
    """
    from eth_account import Account

    signed, good = message(order, domain), dict[int, bytes]()
    for signature in signatures:
        signer = str(Account.recover_message(signed, signature=signature.content))
        if signer != signature.signer or signer not in signers:
            raise InputError("order", signature.signer, "expected a signature by that signer")
        good[int(signer, 16)] = signature.content
    if len(good) < max(threshold, 1):
        raise InputError("order", "signatures", f"expected {threshold}, got {len(good)}")
    return tuple(good[signer] for signer in sorted(good)[:threshold])


def message(order: Order, domain: Domain) -> Any:
    """The EIP-712 message of an order, as eth-account takes it."""
    from eth_abi.abi import encode
    from eth_account.messages import encode_typed_data
    from eth_utils.crypto import keccak

    nonce, deadline_s, snapshot, min_total = order.terms
    moves = keccak(encode([MOVES], [[move.terms for move in order.moves]]))
    where = {
        "name": domain.name,
        "version": VERSION,
        "chainId": domain.chain_id,
        "verifyingContract": domain.vault,
    }
    content = {
        "nonce": nonce,
        "deadline": deadline_s,
        "snapshot": snapshot,
        "minTotal": min_total,
        "moves": moves,
    }
    return encode_typed_data(where, TYPES, content)
