# SPDX-License-Identifier: Apache-2.0
"""Roots of a journal that a contract on a chain holds, against the journal.

The contract `AuditAnchor` has one chain of roots for each publisher:

    head_n = keccak256(head_(n-1) | root_n | n), each a word of 32 bytes, head_0 = 0

A file tells its log: a JSON object with `publisher` and `roots`, of which each has `count`, `root`
and `head`. Whoever has a node reads the same from the contract's events `Anchored`; the head that
the contract itself answers is the one to hold the last of them against. Source:
`contracts/src/tidegate_contracts/AuditAnchor.vy`.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec

from tidegate.audit.verifier import Check
from tidegate.journal.merkle import MerkleTree
from tidegate.journal.reader import read_live
from tidegate.model.errors import InputError

NO_HEAD = bytes(32)
CHAIN, ROOTS = "chain of anchored roots", "anchored roots"


class Root(msgspec.Struct, frozen=True):
    """One root that was anchored, and the publisher's head thereafter; `0x` text."""

    count: int
    root: str
    head: str


class ChainRoots(msgspec.Struct, frozen=True):
    """A publisher's whole chain of roots."""

    publisher: str
    roots: tuple[Root, ...]


def read_roots(path: Path) -> ChainRoots:
    """The roots of a file; raises `InputError`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ChainRoots)
    except OSError as error:
        raise InputError(str(path), "roots", f"expected a readable file ({error})") from None
    except msgspec.MsgspecError as error:
        raise InputError(str(path), "roots", f"expected a chain of roots ({error})") from None


def chain_checks(journal: Path, told: ChainRoots) -> list[Check]:
    """Whether the chain of roots is one, and each of them is of a beginning of the journal, later
    ones of a longer one."""
    broken = _broken(told)
    last = told.roots[-1].head if told.roots else "none"
    chain = Check(CHAIN, not broken, broken or f"{len(told.roots)} roots, the head is {last}")
    sizes = _sizes(journal)
    found = [sizes.get(_bytes(root.root, root.count), 0) for root in told.roots]
    foreign = [each.count for each, size in zip(told.roots, found, strict=True) if not size]
    ordered = all(a < b for a, b in itertools.pairwise(found))
    why = f"root {foreign[0]} is of no beginning of this journal" if foreign else ""
    why = why or ("" if ordered else "a later root is of a shorter beginning")
    words = ", ".join(str(size) for size in found)
    return [chain, Check(ROOTS, not why, why or f"of its first {words} frames")]


def _broken(told: ChainRoots) -> str:
    """Where the chain is none; empty where it is."""
    head = NO_HEAD
    for place, each in enumerate(told.roots, start=1):
        if each.count != place:
            return f"root {place} is numbered {each.count}"
        head = _keccak256(head + _bytes(each.root, place) + place.to_bytes(32, "big"))
        if head != _bytes(each.head, place):
            return f"the head after root {place} does not follow from the one before it"
    return "" if told.roots else "it has no root"


def _sizes(journal: Path) -> dict[bytes, int]:
    """Sizes of all beginnings of a journal by their root."""
    tree, sizes = MerkleTree(), dict[bytes, int]()
    for frame in read_live(journal):
        tree.append(frame.digest)
        sizes[tree.root()] = tree.size
    return sizes


def _bytes(text: str, count: int) -> bytes:
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        found = b""
    if len(found) != len(NO_HEAD):
        raise InputError("roots", f"root {count}", "expected 32 bytes in hexadecimal digits")
    return found


def _keccak256(data: bytes) -> bytes:
    try:
        from Crypto.Hash import keccak
    except ImportError:
        expected = "expected the extra `vault` or `live` to be installed, for keccak256"
        raise InputError("tidegate verify", "--chain", expected) from None
    return bytes(keccak.new(digest_bits=256, data=data).digest())
