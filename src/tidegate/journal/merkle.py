# SPDX-License-Identifier: Apache-2.0
"""The Merkle tree over frame hashes, hashed as in RFC 6962, section 2.1.

Leaves and nodes are hashed with different first bytes, so that a node can never be passed off
as a leaf. The tree keeps only the roots of its complete subtrees, one per bit of its size.
"""

from __future__ import annotations

from hashlib import sha256


class MerkleTree:
    """A growing tree that knows its root in memory logarithmic in its size."""

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def append(self, entry: bytes) -> None:
        """Add one entry: leaf = sha256(0x00 | entry), node = sha256(0x01 | left | right)."""
        node = sha256(b"\x00" + entry).digest()
        peaks, carried = self._peaks, self.size
        while carried & 1:
            node = sha256(b"\x01" + peaks.pop() + node).digest()
            carried >>= 1
        peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the Merkle tree hash (32 bytes); of no entries, sha256 of nothing.

        Source: Laurie, Langley, Kasper (2013), RFC 6962, section 2.1.
        """
        if not self._peaks:
            return sha256(b"").digest()
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = sha256(b"\x01" + peak + node).digest()
        return node
