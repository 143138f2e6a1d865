# SPDX-License-Identifier: Apache-2.0
"""Digests of structured data, as wallets sign them.

    digest      keccak256(0x1901 || domain || struct)
    struct      keccak256(type hash || field 1 || field 2 ...), a word of 32 bytes each
    type hash   keccak256("Name(type field,type field...)")

Source: EIP-712, Typed structured data hashing and signing (2017), for flat structures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from Crypto.Hash import keccak

Fields = tuple[tuple[str, str], ...]
WORD_BYTES, ADDRESS_BYTES = 32, 20
ZERO_ADDRESS = "0x" + "00" * ADDRESS_BYTES
DOMAIN: Fields = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)


def keccak256(data: bytes) -> bytes:
    """The hash of the Ethereum family, which is not the later SHA3-256."""
    return bytes(keccak.new(digest_bits=256, data=data).digest())


def address_bytes(address: str) -> bytes:
    """The 20 bytes of an address in hexadecimal; raises `ValueError` for anything else."""
    raw = bytes.fromhex(address.removeprefix("0x"))
    if len(raw) != ADDRESS_BYTES:
        raise ValueError(f"expected {ADDRESS_BYTES} bytes in hexadecimal")
    return raw


def digest(domain: bytes, primary: str, fields: Fields, message: Mapping[str, Any]) -> bytes:
    """What is signed for a message; raises `ValueError` where a field does not fit its type."""
    return keccak256(b"\x19\x01" + domain + struct_hash(primary, fields, message))


@lru_cache(maxsize=256)
def domain_hash(name: str, chain_id: int) -> bytes:
    """The separator of a domain of version 1 without a contract."""
    said = {
        "name": name,
        "version": "1",
        "chainId": chain_id,
        "verifyingContract": ZERO_ADDRESS,
    }
    return struct_hash("EIP712Domain", DOMAIN, said)


def struct_hash(primary: str, fields: Fields, message: Mapping[str, Any]) -> bytes:
    """The hash of one flat structure."""
    words = (_WORDS[kind](message[name]) for name, kind in fields)
    return keccak256(_type_hash(primary, fields) + b"".join(words))


@lru_cache(maxsize=64)
def _type_hash(primary: str, fields: Fields) -> bytes:
    listed = ",".join(f"{kind} {name}" for name, kind in fields)
    return keccak256(f"{primary}({listed})".encode())


def _text(value: str) -> bytes:
    return keccak256(value.encode())


def _address(value: str) -> bytes:
    return address_bytes(value).rjust(WORD_BYTES, b"\x00")


def _number(bits: int) -> Callable[[int], bytes]:
    def word(value: int) -> bytes:
        if not 0 <= value < 1 << bits:
            raise ValueError(f"expected {bits} bits without a sign")
        return value.to_bytes(WORD_BYTES, "big")

    return word


def _word(value: bytes) -> bytes:
    if len(value) != WORD_BYTES:
        raise ValueError(f"expected {WORD_BYTES} bytes")
    return value


_WORDS: Mapping[str, Callable[[Any], bytes]] = {
    "string": _text,
    "address": _address,
    "bool": _number(1),
    "uint64": _number(64),
    "uint256": _number(256),
    "bytes32": _word,
}
