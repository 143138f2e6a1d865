# SPDX-License-Identifier: Apache-2.0
"""A log of 256 entries under every kind of tampering, before the verifier and before the reader."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest

from tests.audit.made_logs import SIGNER, chained, entries, file_of, signed
from tests.soak import Budget
from tidegate.audit import verify
from tidegate.journal.reader import read_frames
from tidegate.model.errors import InputError

ENTRIES = entries()
FRAMES = chained(ENTRIES)
LOG = b"".join(FRAMES)
KEY = str(SIGNER.public)
NOTES = signed(FRAMES)
MANGLED = 1_000


def accepts(content: bytes, *notes: str) -> bool:
    """Whether the verifier passes a log."""
    return all(check.passed for check in verify(content, None, KEY if notes else "", *notes))


def reads(content: bytes, folder: Path) -> bool:
    """Whether the journal's own reader does."""
    with file_of(content, folder) as path:
        try:
            return bool(list(read_frames(path)))
        except InputError:
            return False


def flipped(bit: int) -> bytes:
    damaged = bytearray(LOG)
    damaged[bit >> 3] ^= 1 << (bit & 7)
    return bytes(damaged)


def test_log_that_was_not_touched_passes_with_its_checkpoints(tmp_path: Path) -> None:
    assert len(FRAMES) == 256
    assert accepts(LOG, signed(FRAMES, 1, 100, 255, 256))
    assert reads(LOG, tmp_path)


def test_every_bit_of_every_kind_of_frame_and_a_bit_of_every_frame_is_missed_when_flipped(
    tmp_path: Path,
) -> None:
    """The first seven frames and the last are one of each kind; all bits of all frames in soak."""
    starts = [8 * sum(map(len, FRAMES[:n])) for n in range(257)]
    dice = random.Random(256)
    bits = list(range(starts[7]))
    bits += [bit for bit in range(starts[255], starts[256]) if bit % 7 == 0]
    bits += [dice.randrange(start, end) for start, end in pairwise(starts)]
    for bit in bits:
        assert not accepts(flipped(bit)), bit
    for bit in (*bits[:: len(bits) // 500], *bits[-256:]):
        assert not reads(flipped(bit), tmp_path), bit


def not_accepted(content: bytes) -> None:
    assert content != LOG
    assert not accepts(content)


@pytest.mark.soak(promise="R19", weight=4)
def test_every_bit_of_the_log_is_missed_when_flipped(budget: Budget) -> None:
    budget.each("bit", lambda bit: not_accepted(flipped(bit)), 8 * len(LOG), closed=True)


def mangled(number: int) -> bytes:
    """The log with one to three pieces of it changed, left out, doubled or put elsewhere."""
    dice, content = random.Random(f"mangled {number}"), bytearray(LOG)
    for _ in range(dice.randint(1, 3)):
        start = dice.randrange(len(content) - 1)
        end = min(len(content), start + dice.choice((1, 4, 32, 300, 5_000)))
        piece, there = content[start:end], dice.randrange(len(content))
        match dice.randrange(4):
            case 0:
                content[start:end] = bytes(byte ^ dice.randrange(256) for byte in piece)
            case 1:
                del content[start:end]
            case 2:
                content[start:start] = piece
            case _:
                del content[start:end]
                content[there:there] = piece
    return bytes(content) if content != LOG else LOG[:-1]


def test_log_mangled_at_random_is_found() -> None:
    for number in range(MANGLED):
        assert not accepts(mangled(number)), number


@pytest.mark.soak(promise="R19", weight=3)
def test_log_mangled_in_a_million_ways_is_found(budget: Budget) -> None:
    budget.each("mutation", lambda number: not_accepted(mangled(number)), 1_000_000)


def rearranged() -> dict[str, list[bytes]]:
    """Frames left out, swapped with a neighbour or far away, doubled, and put elsewhere."""
    dice, found = random.Random(7), dict[str, list[bytes]]()
    for n in range(256):
        found[f"without {n}"] = FRAMES[:n] + FRAMES[n + 1 :]
        found[f"doubled {n}"] = FRAMES[: n + 1] + FRAMES[n:]
        m = dice.choice([other for other in range(256) if other != n])
        for name, pair in ((f"next {n}", (n, (n + 1) % 256)), (f"far {n}", (n, m))):
            swapped = FRAMES.copy()
            swapped[pair[0]], swapped[pair[1]] = swapped[pair[1]], swapped[pair[0]]
            found[name] = swapped
        found[f"copied {n} to {m}"] = [*FRAMES[:m], FRAMES[n], *FRAMES[m:]]
    return found


def test_every_deletion_swap_and_insertion_is_found_by_verifier_and_reader(tmp_path: Path) -> None:
    for name, frames in rearranged().items():
        content = b"".join(frames)
        assert not accepts(content), name
        assert not reads(content, tmp_path), name


def test_every_cut_between_frames_is_found(tmp_path: Path) -> None:
    for count in range(256):
        content = b"".join(FRAMES[:count])
        assert not accepts(content), count
        assert not reads(content, tmp_path), count


def test_every_fork_agrees_with_itself_and_is_found_behind_a_checkpoint(tmp_path: Path) -> None:
    """Whoever can write makes chain, checksums and seal anew; only what is held elsewhere tells."""
    for n in range(1, 255):
        kind, payload = ENTRIES[n]
        changed = [*ENTRIES[:n], (kind, payload | {"note": "forged"}), *ENTRIES[n + 1 :]]
        content = b"".join(chained(changed))
        assert accepts(content), n
        found = {c.name: c for c in verify(content, None, KEY, NOTES)}
        assert not found["checkpoints"].passed, n
        assert "fork" in found["checkpoints"].detail
        if n % 32 == 0:
            assert reads(content, tmp_path)


@pytest.mark.parametrize("size", [1, 2, 3, 64, 127, 128, 129, 254, 255])
def test_tail_cut_and_sealed_anew_passes_alone_and_is_found_behind_a_checkpoint(size: int) -> None:
    market = [entry for entry in ENTRIES[1:] if entry[0] == "market"]
    content = b"".join(chained([ENTRIES[0], *market][:size]))
    assert accepts(content)
    found = {c.name: c for c in verify(content, None, KEY, NOTES)}
    assert not found["checkpoints"].passed


def test_log_that_goes_on_after_its_checkpoints_passes_and_a_fork_behind_the_last_is_named() -> (
    None
):
    notes = signed(FRAMES, 10, 50, 200)
    assert accepts(LOG, notes)
    for n, passes in ((199, False), (200, True)):
        kind, payload = ENTRIES[n]
        changed = [*ENTRIES[:n], (kind, payload | {"note": "x"}), *ENTRIES[n + 1 :]]
        assert accepts(b"".join(chained(changed)), notes) is passes
