# SPDX-License-Identifier: Apache-2.0
"""Small logs whose frames can be changed, chained anew and sealed anew, and a key to sign them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tidegate.audit.checkpoint import Signer
from tidegate.journal.frames import ORIGIN, decode_frame, encode_frame, kind_tag
from tidegate.journal.merkle import MerkleTree

Entry = tuple[str, dict[str, object]]
SIGNER = Signer("example.com/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
PINNED = ["fresh", "small"]


def header(**more: object) -> Entry:
    return "header", {"format": "tidegate-journal/1", "durability": "fsync", **more}


def action(number: int) -> dict[str, object]:
    return {"type": "Order", "id": f"o{number}", "instrument": "x:B", "lots": 2}


def checked(decision: int, ts_ms: int, found: int = 0) -> Entry:
    rows = [[name, found == 0, [["rule", "where", found, 0]]] for name in PINNED]
    return "checked", {"ts_ms": ts_ms, "decision": decision, "checks": rows}


def decided(number: int, at: int) -> list[Entry]:
    """A decision whose frame is the journal's `at`-th, and all that comes of it: six frames."""
    ts_ms, key, content = 1000 + number, f"{at}.0", f"c{number}"
    fill = {"type": "Filled", "reason": "order", "order": f"o{number}", "instrument": "x:B"}
    rows = [["own/x", "USDC", -1, -1, "fees"], ["fees/x", "USDC", 1, 1, "fees"]]
    approval = {"id": key, "decision": at, "content": content, "expires_ms": ts_ms + 60}
    return [
        ("decision", {"ts_ms": ts_ms, "number": number}),
        checked(at, ts_ms),
        ("approved", {"ts_ms": ts_ms, "action": action(number), **approval}),
        ("submitted", {"ts_ms": ts_ms, "approval": key, "content": content}),
        ("events", {"ts_ms": ts_ms, "events": [{**fill, "lots": 2}], "postings": rows}),
        ("market", {"ts_ms": ts_ms, "mid": 60000 + number}),
    ]


def entries(frames: int = 256) -> list[Entry]:
    """What a log of that many frames holds, its seal not counted in."""
    found = [header(checks=PINNED)]
    while len(found) < frames - 1:
        found += decided(len(found), len(found))
    return found[: frames - 1]


def chained(given: list[Entry], seal: bool = True) -> list[bytes]:
    """The frames of entries, with true links, checksums and seal, as a forger can make them too."""
    frames, previous, tree = list[bytes](), ORIGIN, MerkleTree()
    for kind, payload in given:
        frame, previous = encode_frame(len(frames), previous, kind_tag(kind), encoded(payload))
        frames.append(frame)
        tree.append(previous)
    if seal:
        closing = {"frames": tree.size, "merkle_root": tree.root().hex()}
        frames.append(encode_frame(tree.size, previous, kind_tag("seal"), encoded(closing))[0])
    return frames


def encoded(payload: dict[str, object]) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode()


def signed(frames: list[bytes], *sizes: int) -> str:
    """Notes of checkpoints at these sizes, the whole log's if none is named."""
    tree, notes = MerkleTree(), ""
    for size, frame in enumerate(frames, 1):
        tree.append(decode_frame(frame[4:], 0).digest)
        if size in (sizes or (len(frames),)):
            notes += SIGNER.sign(size, tree.root()) + "\n"
    return notes


@contextmanager
def file_of(content: bytes, folder: Path) -> Iterator[Path]:
    """A file that holds the content, in memory where the system can do that."""
    if not hasattr(os, "memfd_create"):
        (folder / "log").write_bytes(content)
        yield folder / "log"
        return
    descriptor = os.memfd_create("log")
    try:
        os.write(descriptor, content)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
