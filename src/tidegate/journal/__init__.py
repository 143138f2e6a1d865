# SPDX-License-Identifier: Apache-2.0
"""The append-only record of every input and decision, written before anything acts.

A journal is a file of frames, each carrying the hash of the one before, closed by a seal with
the Merkle root of all of them. It shows that nothing was changed *after* the head was known
elsewhere. A chain that lies beside its data proves nothing against someone who can rewrite
both, so publish the head outside: in a checkpoint, an e-mail, a public log.
"""

from tidegate.journal.frames import FORMAT, Frame
from tidegate.journal.merkle import MerkleTree
from tidegate.journal.reader import read_content, read_frames, recover, whole
from tidegate.journal.writer import Journal, Sink, partial_path

__all__ = [
    "FORMAT",
    "Frame",
    "Journal",
    "MerkleTree",
    "Sink",
    "partial_path",
    "read_content",
    "read_frames",
    "recover",
    "whole",
]
