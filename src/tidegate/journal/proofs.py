# SPDX-License-Identifier: Apache-2.0
"""Proofs over the Merkle tree: that an entry is in it, that one tree is the beginning of another.

Both are lists of hashes, at most ceil(log2(size)) of them for inclusion and one more for
consistency, and are checked without the entries. Source: Laurie, Messeri, Stradling (2021),
RFC 9162, sections 2.1.3 and 2.1.4, whose trees are those of RFC 6962.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from tidegate.journal.merkle import MerkleTree
from tidegate.model.errors import ensure


def leaf_hash(entry: bytes) -> bytes:
    """Return sha256(0x00 | entry), what a proof of inclusion is checked with."""
    return sha256(b"\x00" + entry).digest()


def inclusion_proof(entries: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the audit path of entry `index` (0-based): its siblings from the leaf to the root.

    PATH(m, D_n) of RFC 9162, section 2.1.3.1. Raises `InvariantError` where there is no such entry.
    """
    ensure(0 <= index < len(entries), f"entry {index} of {len(entries)}")
    return _path(entries, index, 0, len(entries))


def _path(entries: Sequence[bytes], index: int, start: int, end: int) -> tuple[bytes, ...]:
    if end - start == 1:
        return ()
    middle = start + _left(end - start)
    if index < middle:
        return (*_path(entries, index, start, middle), _root(entries, middle, end))
    return (*_path(entries, index, middle, end), _root(entries, start, middle))


def consistency_proof(entries: Sequence[bytes], size: int) -> tuple[bytes, ...]:
    """Return the proof that the first `size` entries are the beginning of all.

    PROOF(m, D_n) of RFC 9162, section 2.1.4.1; empty where the sizes are equal. Raises
    `InvariantError` unless 0 < size <= len(entries).
    """
    ensure(0 < size <= len(entries), f"the first {size} of {len(entries)} entries")
    return _subproof(entries, size, (0, len(entries)), True)


def _subproof(
    entries: Sequence[bytes], size: int, span: tuple[int, int], known: bool
) -> tuple[bytes, ...]:
    """SUBPROOF: `known` while the old tree's own root is the one that the reader holds."""
    start, end = span
    if size == end:
        return () if known else (_root(entries, start, end),)
    middle = start + _left(end - start)
    if size <= middle:
        inner = _subproof(entries, size, (start, middle), known)
        return (*inner, _root(entries, middle, end))
    return (*_subproof(entries, size, (middle, end), False), _root(entries, start, middle))


def is_included(entry: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether a proof shows that the tree of `size` entries and `root` holds `entry` at
    `index`. Source: RFC 9162, section 2.1.3.2."""
    if not 0 <= index < size:
        return False
    node, place, last = leaf_hash(entry), index, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            node = _node(sibling, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = _node(node, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and node == root


def is_consistent(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> bool:
    """Tell whether a proof shows that the tree `old` (size, root) is the beginning of `new`.

    Source: RFC 9162, section 2.1.4.2. Every tree begins with the empty one, which needs no proof.
    """
    (first, first_root), (second, second_root) = old, new
    if first == second or first == 0:
        same = first_root == (second_root if first == second else MerkleTree().root())
        return same and not proof
    if not 0 < first < second or not proof:
        return False
    path = proof if first & (first - 1) else (first_root, *proof)
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    low = high = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            low, high = _node(sibling, low), _node(sibling, high)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            high = _node(high, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and (low, high) == (first_root, second_root)


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _left(size: int) -> int:
    """The largest power of two below a size of at least two."""
    return 1 << (size - 1).bit_length() - 1


def _root(entries: Sequence[bytes], start: int, end: int) -> bytes:
    tree = MerkleTree()
    for place in range(start, end):
        tree.append(entries[place])
    return tree.root()
