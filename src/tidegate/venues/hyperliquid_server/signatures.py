# SPDX-License-Identifier: Apache-2.0
"""Who signed an action, truly recovered, and for which chain.

An action of trading is hashed and the hash is signed as a "phantom agent", whose source is `a` for
mainnet and `b` for testnet; one that moves money is signed field by field, the chain's name among
them. A signature says no more than that some address made it over these bytes: over others the
same signature gives another address, which nobody holds. So both chains are tried, and an address
that is known decides which one was meant.

Source: hyperliquid.gitbook.io, Signing; hyperliquid-python-sdk 0.24, which is the venue's own.
"""

from __future__ import annotations

from typing import Any

import coincurve
import msgspec
from msgspec import structs

from tidegate.venues.hyperliquid_server.actions import (
    SHOWN,
    Action,
    Chain,
    Envelope,
    ModifyOrder,
    ModifyOrders,
    OrderType,
    OrderWire,
    PlaceOrders,
    Signature,
)
from tidegate.venues.hyperliquid_server.amounts import without_trailing_zeros
from tidegate.venues.hyperliquid_server.typed_data import (
    ADDRESS_BYTES,
    Fields,
    address_bytes,
    digest,
    domain_hash,
    keccak256,
)

SOURCES: dict[Chain, str] = {"Mainnet": "a", "Testnet": "b"}
AGENT: Fields = (("source", "string"), ("connectionId", "bytes32"))
PHANTOM_CHAIN_ID = 1337
_CHAIN = ("hyperliquidChain", "string")
_TO, _AMOUNT = ("destination", "string"), ("amount", "string")
_TIME, _NONCE = ("time", "uint64"), ("nonce", "uint64")
# The primary type and fields of what a wallet shows.
WALLET_TYPES: dict[str, tuple[str, Fields]] = {
    "usdClassTransfer": ("UsdClassTransfer", (_CHAIN, _AMOUNT, ("toPerp", "bool"), _NONCE)),
    "usdSend": ("UsdSend", (_CHAIN, _TO, _AMOUNT, _TIME)),
    "withdraw3": ("Withdraw", (_CHAIN, _TO, _AMOUNT, _TIME)),
    "sendAsset": (
        "SendAsset",
        (
            _CHAIN,
            _TO,
            ("sourceDex", "string"),
            ("destinationDex", "string"),
            ("token", "string"),
            _AMOUNT,
            ("fromSubAccount", "string"),
            _NONCE,
        ),
    ),
    "approveAgent": (
        "ApproveAgent",
        (_CHAIN, ("agentAddress", "address"), ("agentName", "string"), _NONCE),
    ),
    "approveBuilderFee": (
        "ApproveBuilderFee",
        (_CHAIN, ("maxFeeRate", "string"), ("builder", "address"), _NONCE),
    ),
}


class Unsigned(Exception):
    """A signature from which no key can be recovered."""


def signer(envelope: Envelope, action: Action, chain: Chain) -> str:
    """The address that signed, if it signed for a chain: lower case, with 0x.

    Raises `Unsigned` where no address comes out.
    """
    try:
        return recovered(_digest(envelope, action, chain), envelope.signature)
    except ValueError as error:
        raise Unsigned(str(error)) from None


def recovered(signed: bytes, signature: Signature) -> str:
    """The address whose key made a signature over 32 bytes; raises `ValueError`."""
    r, s = (int(part, 16).to_bytes(32, "big") for part in (signature.r, signature.s))
    compact = r + s + bytes([signature.v % 27])
    key = coincurve.PublicKey.from_signature_and_message(compact, signed, hasher=None)
    return address_of(key)


def address_of(key: coincurve.PublicKey) -> str:
    """The address of a public key."""
    return "0x" + keccak256(key.format(compressed=False)[1:])[-ADDRESS_BYTES:].hex()


def _digest(envelope: Envelope, action: Action, chain: Chain) -> bytes:
    if isinstance(action, SHOWN):
        return _wallet_digest(action, chain)
    agent = {"source": SOURCES[chain], "connectionId": action_hash(envelope, action)}
    return digest(domain_hash("Exchange", PHANTOM_CHAIN_ID), "Agent", AGENT, agent)


def _wallet_digest(action: Any, chain: Chain) -> bytes:
    name, fields = WALLET_TYPES[action.__struct_config__.tag]
    message = structs.asdict(action) | {"hyperliquidChain": chain}
    domain = domain_hash("HyperliquidSignTransaction", int(action.signatureChainId, 16))
    return digest(domain, f"HyperliquidTransaction:{name}", fields, message)


def action_hash(envelope: Envelope, action: Action) -> bytes:
    """keccak256 of the action in msgpack, nonce, vault and expiry, each after its flag.

    Raises `ValueError` for a vault that is no address.
    """
    said = msgspec.msgpack.encode(_canonical(action)) + envelope.nonce.to_bytes(8, "big")
    vault, expires_ms = envelope.vaultAddress, envelope.expiresAfter
    said += b"\x00" if vault is None else b"\x01" + address_bytes(vault)
    if expires_ms is not None:
        said += b"\x00" + expires_ms.to_bytes(8, "big")
    return keccak256(said)


def _canonical(action: Action) -> Action:
    """The action as the venue writes it down again before it hashes: numbers without the zeros
    at their end. Who signed them with zeros signed something else."""
    if isinstance(action, PlaceOrders):
        return structs.replace(action, orders=tuple(map(_plain_order, action.orders)))
    if isinstance(action, ModifyOrder):
        return structs.replace(action, order=_plain_order(action.order))
    if isinstance(action, ModifyOrders):
        plain = (structs.replace(m, order=_plain_order(m.order)) for m in action.modifies)
        return structs.replace(action, modifies=tuple(plain))
    return action


def _plain_order(order: OrderWire) -> OrderWire:
    kind = order.t
    if isinstance(kind.trigger, msgspec.Struct):
        price = without_trailing_zeros(kind.trigger.triggerPx)
        kind = OrderType(trigger=structs.replace(kind.trigger, triggerPx=price))
    price, size = without_trailing_zeros(order.p), without_trailing_zeros(order.s)
    return structs.replace(order, p=price, s=size, t=kind)
