# SPDX-License-Identifier: Apache-2.0
"""Who may lift a latch, and what each of them signs to do so.

`operators.toml` in the latch's folder names people by their Ed25519 public keys (RFC 8032). A
consent is one person's signature over the content id of one kill, and over when it was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from tidegate.execution.durable_file import content
from tidegate.model.errors import InputError
from tidegate.model.parsing import toml_tables
from tidegate.model.times import HOUR_MS

CONSENTS = 2
# A consent is for the kill as it stood when both people looked at it.
CONSENT_LIFE_MS = HOUR_MS
NAME_LETTERS_MAX = 40


class Consent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One operator's leave to lift one kill; `signature` is hexadecimal."""

    who: str
    kill: str
    ts_ms: int
    signature: str


def read_operators(path: Path) -> dict[str, bytes]:
    """Public keys by name; raises `InputError` where two people are one, or a key is none."""
    where = str(path)
    try:
        said = toml_tables(content(path).decode("utf-8"), where).get("operators")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(where, "operators", f"expected a readable TOML file ({error})") from None
    if not isinstance(said, dict):
        raise InputError(where, "operators", 'expected [operators] with lines NAME = "KEY"')
    keys = {name: _public_key(where, name, key) for name, key in said.items()}
    if len(set(keys.values())) < len(keys):
        raise InputError(where, "operators", "expected a key of their own for every operator")
    return keys


def check_name(name: str, where: str) -> str:
    """The name, if it can be printed and be part of a file's name; else `InputError`."""
    plain = name.replace("-", "").replace("_", "").isalnum() and name.isascii()
    if not plain or len(name) > NAME_LETTERS_MAX:
        raise InputError(where, "name", f"expected 1 to {NAME_LETTERS_MAX} of a-z, 0-9, - and _")
    return name


def new_key() -> bytes:
    """A new private key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate().private_bytes_raw()


def public_key(secret: bytes) -> bytes:
    """The public key of a private one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def sign(who: str, secret: bytes, kill: str, ts_ms: int) -> Consent:
    """A person's consent to lift a kill."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(secret)
    return Consent(who, kill, ts_ms, key.sign(_signed(who, kill, ts_ms)).hex())


def enough(consents: Iterable[Consent], kill: str, operators: Mapping[str, bytes]) -> bool:
    """Whether two operators consented to lift this very kill, within an hour of each other."""
    valid = {c.who: c for c in consents if c.kill == kill and is_valid(c, operators)}
    times = sorted(consent.ts_ms for consent in valid.values())
    return any(
        later - first <= CONSENT_LIFE_MS
        for first, later in zip(times, times[CONSENTS - 1 :], strict=False)
    )


def is_valid(consent: Consent, operators: Mapping[str, bytes]) -> bool:
    """Whether a named operator signed it."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if consent.who not in operators:
        return False
    key = Ed25519PublicKey.from_public_bytes(operators[consent.who])
    try:
        signature = bytes.fromhex(consent.signature)
        key.verify(signature, _signed(consent.who, consent.kill, consent.ts_ms))
    except (ValueError, InvalidSignature):
        return False
    return True


def _signed(who: str, kill: str, ts_ms: int) -> bytes:
    return f"tidegate: lift kill\n{kill}\n{who}\n{ts_ms}\n".encode()


def _public_key(where: str, name: str, text: object) -> bytes:
    check_name(name, where)
    try:
        key = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        key = b""
    if len(key) != 32:
        raise InputError(where, f"operators.{name}", "expected 64 hexadecimal digits")
    return key
