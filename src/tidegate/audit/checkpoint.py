# SPDX-License-Identifier: Apache-2.0
"""Signed checkpoints of a journal, in the public formats of transparency logs.

A checkpoint says of a log (its origin) how many entries it has and their Merkle root; a signed note
carries it. Entries are the hashes of a journal's frames, the seal's included. Signing uses a
library; the stand-alone verifier checks by itself. Sources: C2SP, tlog-checkpoint and signed-note
(c2sp.org, read November 2026); Josefsson, Liusvaara (2017), RFC 8032; keys are written as by Go's
golang.org/x/mod/sumdb/note.
"""

from __future__ import annotations

import base64
import os
import re
import stat
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tidegate.journal.merkle import MerkleTree
from tidegate.journal.reader import read_live
from tidegate.model.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ED25519 = b"\x01"
PRIVATE = "PRIVATE+KEY+"
KEY_BYTES_MAX = 1000
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]{1,200}")
_NOTE = re.compile(
    r"(?P<text>(?P<origin>[^\n]+)\n(?P<size>0|[1-9]\d{0,18})\n(?P<root>[A-Za-z0-9+/]{43}=)\n"
    r"(?:[^\n]+\n){0,99})\n(?P<seals>(?:— [^ \n]+ [A-Za-z0-9+/]+=*\n)+)\n*"
)

_WHOLE_TAIL = re.compile(r"\n\n(?:— [^\n]*\n)+\n*\Z")


class Checkpoint(msgspec.Struct, frozen=True):
    """What a log of `size` entries amounts to: its name and its Merkle root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class PublicKey(msgspec.Struct, frozen=True):
    """Whose checkpoints are trusted: a name, which is the origin, and an Ed25519 key."""

    name: str
    raw: bytes

    @property
    def number(self) -> bytes:
        """SHA-256(name | 0x0A | 0x01 | key), its first four bytes, which tell keys apart."""
        return sha256(f"{self.name}\n".encode() + ED25519 + self.raw).digest()[:4]

    def __str__(self) -> str:
        encoded = base64.b64encode(ED25519 + self.raw).decode()
        return f"{self.name}+{self.number.hex()}+{encoded}"


class Signer:
    """A private key that signs checkpoints and shows itself nowhere."""

    __slots__ = ("_private", "public")

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublicKey(name, private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Signer({self.public.name!r})"

    def sign(self, size: int, root: bytes) -> str:
        """Return the signed note of a checkpoint under this key's name."""
        text = Checkpoint(self.public.name, size, root).text
        seal = self.public.number + self._private.sign(text.encode())
        return f"{text}\n— {self.public.name} {base64.b64encode(seal).decode()}\n"


def make_key(path: Path, name: str) -> PublicKey:
    """Write a new private key to a file that its owner alone can read, and return its public one.

    Raises `InputError` where something stands already, or the name holds a space or a plus.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not _NAME.fullmatch(name):
        raise InputError(name, "origin", "expected a name without spaces and plus signs")
    private = Ed25519PrivateKey.generate()
    signer = Signer(name, private)
    secret = base64.b64encode(ED25519 + private.private_bytes_raw()).decode()
    line = f"{PRIVATE}{name}+{signer.public.number.hex()}+{secret}\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InputError(
            str(path), "key", f"expected a new file that can be made ({error.strerror})"
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(descriptor)
    return signer.public


def read_key(source: str) -> Signer:
    """Read a private key from a file by path, or from an open descriptor as `fd:N`.

    Raises `InputError` unless it is a key, and a file of ours with mode 0600 or stricter; what the
    file holds is never in the message.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    text = _secret(source)
    try:
        name, number, encoded = text.removeprefix(PRIVATE).strip().split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        signer = Signer(name, Ed25519PrivateKey.from_private_bytes(raw[1:]))
        sound = text.startswith(PRIVATE) and raw[:1] == ED25519 and _NAME.fullmatch(name)
    except ValueError:
        sound = None
    if not sound or signer.public.number.hex() != number:
        raise InputError(source, "key", "expected a private key as `tidegate audit key` writes it")
    return signer


def _secret(source: str) -> str:
    number = source.removeprefix("fd:")
    try:
        given = source.startswith("fd:") and number.isdecimal()
        descriptor = int(number) if given else os.open(source, os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as file:
            _ensure_private(source, os.fstat(descriptor))
            return file.read(KEY_BYTES_MAX).decode("utf-8", "replace")
    except OSError as error:
        raise InputError(source, "key", f"expected a readable file ({error.strerror})") from None
    except (OverflowError, TypeError, ValueError):
        raise InputError(source, "key", "expected the number of an open descriptor") from None


def _ensure_private(source: str, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise InputError(source, "key", "expected a file")
    # A pipe has no other readers, whatever its mode says.
    if not stat.S_ISREG(status.st_mode):
        return
    if status.st_mode & 0o077 or status.st_uid != os.geteuid():
        raise InputError(source, "key", "expected a file of yours that nobody else can read: 0600")


def public_key(given: str) -> PublicKey:
    """Read a public key: its text NAME+ID+BASE64, or a file that holds it; `InputError` if not."""
    where = given if "+" not in given else "public key"
    try:
        text = given if "+" in given else Path(given).read_text("utf-8")
        name, number, encoded = text.strip().split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
    except OSError as error:
        raise InputError(where, "key", f"expected a readable file ({error.strerror})") from None
    except ValueError:
        raise InputError(where, "key", "expected NAME+ID+BASE64") from None
    key = PublicKey(name, raw[1:])
    if len(raw) != 33 or raw[:1] != ED25519 or key.number.hex() != number:
        raise InputError(where, "key", "expected the id and the 33 bytes of an Ed25519 key")
    return key


def parse(text: str, key: PublicKey, where: str) -> list[Checkpoint]:
    """Return the checkpoints of a text of signed notes, each signed by the key, in their order.

    A text of nothing has none. Raises `InputError` where any part is no signed checkpoint of the
    key's log; signatures of others are passed over, as C2SP asks.
    """
    found, end = [], 0
    # Matched only where the last one ended: a search would take time in the square of a long text.
    while (note := _NOTE.match(text, end)) and _is_signed(note, key):
        root = base64.b64decode(note["root"])
        found.append(Checkpoint(note["origin"], int(note["size"]), root))
        end = note.end()
    if end != len(text):
        place = f"checkpoint {len(found) + 1}"
        raise InputError(where, place, f"expected a checkpoint that {key.name} signed")
    return found


def torn_at(text: str) -> int | None:
    """Where the beginning of a note stands at the end of a text of whole notes; None if none does.

    A note that is whole and of a bad signature is not torn, and neither is what follows one.
    """
    end = 0
    for note in _NOTE.finditer(text):
        if note.start() != end:
            break
        end = note.end()
    rest = text[end:]
    return end if rest and rest.count("\n\n") <= 1 and not _WHOLE_TAIL.search(rest) else None


def _is_signed(note: re.Match[str], key: PublicKey) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    seals = [line.split(" ")[1:] for line in note["seals"].splitlines()]
    try:
        mine = [base64.b64decode(seal, validate=True) for name, seal in seals if name == key.name]
        ours = [seal[4:] for seal in mine if seal[:4] == key.number]
        for seal in ours:
            Ed25519PublicKey.from_public_bytes(key.raw).verify(seal, note["text"].encode())
    except (ValueError, InvalidSignature):
        return False
    return bool(ours) and note["origin"] == key.name


def roots_at(path: Path, sizes: Iterable[int]) -> tuple[int, dict[int, bytes]]:
    """Read a journal, sealed or live, once: its size, and its root there and at smaller sizes.

    Raises `InputError` where it does not check.
    """
    wanted, tree = set(sizes), MerkleTree()
    roots = {0: tree.root()} if 0 in wanted else {}
    for frame in read_live(path):
        tree.append(frame.digest)
        if tree.size in wanted:
            roots[tree.size] = tree.root()
    return tree.size, roots | {tree.size: tree.root()}
