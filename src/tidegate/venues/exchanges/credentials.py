# SPDX-License-Identifier: Apache-2.0
"""Keys of venues: named by where they are kept, read once, never said.

A reference is `keyring:SERVICE/NAME`, `env:NAME`, `fd:NUMBER` or `file:PATH` (mode 0600). What is
kept there is one JSON object whose fields are those of the venue, such as `apiKey` and `secret`, or
`walletAddress` and `privateKey`. No argument, log or error holds any of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from tidegate.execution.secret_file import read_private
from tidegate.model.errors import InputError

FIELDS = frozenset(("apiKey", "secret", "password", "walletAddress", "privateKey"))
LARGEST_BYTES = 16_384
WAYS = "expected keyring:SERVICE/NAME, env:NAME, fd:NUMBER or file:PATH"


class Credentials(Mapping[str, str]):
    """The fields of one venue's key; printing it shows their names alone."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = dict(fields)

    def __getitem__(self, name: str) -> str:
        return self._fields[name]

    def __iter__(self) -> Iterable[str]:  # type: ignore[override]
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Credentials({', '.join(sorted(self._fields))})"

    def __reduce__(self) -> str:
        raise TypeError("credentials are not copied out of their process")


def read_credentials(reference: str, field: str, folder: Path = Path()) -> Credentials:
    """The key that a reference names; a relative file lies in `folder`.

    Raises `InputError` with `field`, which never quotes what was read.
    """
    way, _, name = reference.partition(":")
    if way not in _READERS or not name:
        raise InputError("credentials", field, WAYS)
    text = _READERS[way](name, field, folder)
    try:
        fields = msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InputError("credentials", field, "expected one JSON object of texts") from None
    if not fields or not fields.keys() <= FIELDS:
        raise InputError("credentials", field, f"expected fields of {', '.join(sorted(FIELDS))}")
    return Credentials(fields)


def public_name(credentials: Mapping[str, str]) -> str:
    """What a venue calls the owner of a key, and no secret: its address, or the key's own name."""
    return credentials.get("walletAddress") or credentials.get("apiKey", "")


def _from_keyring(name: str, field: str, folder: Path) -> bytes:
    service, _, user = name.rpartition("/")
    try:
        import keyring

        found = keyring.get_password(service, user)
    except ImportError:
        raise InputError("credentials", field, "expected the extra `live` for keyring") from None
    except Exception as error:
        # A keyring's own words may hold what was asked for.
        why = f"expected a keyring that answers ({type(error).__name__})"
        raise InputError("credentials", field, why) from None
    if found is None:
        raise InputError("credentials", field, "expected an entry of that name in the keyring")
    return str(found).encode()


def _from_environment(name: str, field: str, folder: Path) -> bytes:
    # Taken out, so that no child process inherits it.
    found = os.environ.pop(name, None)
    if found is None:
        raise InputError("credentials", field, f"expected the environment to hold {name}")
    return found.encode()


def _from_descriptor(name: str, field: str, folder: Path) -> bytes:
    try:
        with os.fdopen(int(name), "rb") as pipe:
            return pipe.read(LARGEST_BYTES)
    except (ValueError, OSError, TypeError, OverflowError):
        raise InputError("credentials", field, "expected an open file descriptor") from None


def _from_file(name: str, field: str, folder: Path) -> bytes:
    return read_private(folder / name, LARGEST_BYTES)


_READERS = {
    "keyring": _from_keyring,
    "env": _from_environment,
    "fd": _from_descriptor,
    "file": _from_file,
}
