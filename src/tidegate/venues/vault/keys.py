# SPDX-License-Identifier: Apache-2.0
"""Keys that send, and keys that sign orders: read once, never said.

A key is read from where a reference of `exchanges.credentials` names it. What holds it has no way
to show it: its text is its address, it is not copied, and no error quotes what was read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tidegate.model.errors import InputError
from tidegate.venues.exchanges.credentials import read_credentials
from tidegate.venues.vault.sender import Unsigned

FIELD = "privateKey"
KEY_BYTES = 32
TYPE_1559 = 2


class VaultKey:
    """One private key of one chain; it signs transactions and digests, and shows its address."""

    __slots__ = ("_account", "_chain_id")

    def __init__(self, secret: bytes, chain_id: int, field: str = "key") -> None:
        """Raises `InputError` with `field`, which never quotes the secret."""
        self._account = _account(secret, field)
        self._chain_id = chain_id

    def __repr__(self) -> str:
        return f"VaultKey({self.address})"

    def __reduce__(self) -> str:
        raise TypeError("keys are not copied out of their process")

    @property
    def address(self) -> str:
        """The address, checksummed."""
        return str(self._account.address)

    def sign(self, unsigned: Unsigned) -> tuple[str, str]:
        """Hash and bytes of a signed transaction of type 2 (EIP-1559), as `0x` text."""
        transaction = {
            "type": TYPE_1559,
            "chainId": self._chain_id,
            "nonce": unsigned.nonce,
            "to": unsigned.to,
            "data": unsigned.data,
            "value": 0,
            "gas": unsigned.gas,
            "maxFeePerGas": unsigned.max_fee_wei,
            "maxPriorityFeePerGas": unsigned.tip_wei,
        }
        signed = self._account.sign_transaction(transaction)
        return "0x" + bytes(signed.hash).hex(), "0x" + bytes(signed.raw_transaction).hex()

    def sign_typed(self, message: Any) -> bytes:
        """The 65 bytes of a signature over an EIP-712 message that `orders` has made."""
        return bytes(self._account.sign_message(message).signature)


def read_key(reference: str, field: str, chain_id: int, folder: Path = Path()) -> VaultKey:
    """The key that a reference names, such as `file:allocator.key` or `keyring:tidegate/allocator`.

    What is kept there is a JSON object with the field `privateKey`, 64 hexadecimal digits. Raises
    `InputError` with `field`.
    """
    kept = read_credentials(reference, field, folder)
    try:
        secret = bytes.fromhex(kept[FIELD].removeprefix("0x"))
    except (KeyError, ValueError):
        secret = b""
    return VaultKey(secret, chain_id, field)


def _account(secret: bytes, field: str) -> Any:
    try:
        from eth_account import Account
    except ImportError:
        raise InputError("vault", field, "expected the extra `vault` to be installed") from None
    try:
        return Account.from_key(secret)
    except Exception:
        # Its own words quote the key.
        expected = f"expected {FIELD}, {2 * KEY_BYTES} hexadecimal digits of a private key"
        raise InputError("vault", field, expected) from None
