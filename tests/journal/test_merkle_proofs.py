# SPDX-License-Identifier: Apache-2.0
"""Proofs of inclusion and consistency: published vectors, every size, and every damage."""

import pytest

from tests.journal.test_journal_frames import CT_LEAVES, CT_ROOTS, merkle_tree_hash
from tidegate.journal.proofs import (
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
)
from tidegate.model.errors import InvariantError

# Proofs over the eight leaves of the certificate-transparency tests, as published in
# github.com/transparency-dev/merkle, proof/verify_test.go (there leaves are counted from 1).
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): INCLUSION[1, 5][1:],
    (6, 7): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
SIZES = range(1, 34)
ENTRIES = [bytes((n,)) * 3 for n in SIZES]
ROOTS = [merkle_tree_hash(ENTRIES[:n]) for n in range(len(ENTRIES) + 1)]


def damaged(proof: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """A bit flipped in each hash, each left out, each doubled, one added at either end."""
    found = [(*proof, bytes(32)), (bytes(32), *proof)]
    for place, node in enumerate(proof):
        flipped = bytes((node[0] ^ 8,)) + node[1:]
        rest = proof[place + 1 :]
        found += [(*proof[:place], other, *rest) for other in (flipped, bytes(32), b"")]
        found += [proof[:place] + rest, (*proof[:place], node, node, *rest)]
    return found


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_proof_of_the_transparency_leaves_is_the_published_one(
    index: int, size: int
) -> None:
    proof = inclusion_proof(CT_LEAVES[:size], index)
    assert [node.hex() for node in proof] == INCLUSION[index, size]
    assert is_included(CT_LEAVES[index], index, size, proof, bytes.fromhex(CT_ROOTS[size - 1]))


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_consistency_proof_of_the_transparency_leaves_is_the_published_one(
    old: int, new: int
) -> None:
    proof = consistency_proof(CT_LEAVES[:new], old)
    roots = [bytes.fromhex(CT_ROOTS[size - 1]) for size in (old, new)]
    assert [node.hex() for node in proof] == CONSISTENCY[old, new]
    assert is_consistent((old, roots[0]), (new, roots[1]), proof)


@pytest.mark.parametrize("size", SIZES)
def test_inclusion_of_every_entry_is_shown_for_it_alone_and_no_damaged_proof_holds(
    size: int,
) -> None:
    for index in range(size):
        proof = inclusion_proof(ENTRIES[:size], index)
        assert len(proof) <= (size - 1).bit_length()
        shown = [
            (other, place)
            for other in range(size)
            for place in range(-1, size + 2)
            if is_included(ENTRIES[other], place, size, proof, ROOTS[size])
        ]
        assert shown == [(index, index)]
        entry = ENTRIES[index]
        assert not any(is_included(entry, index, size, p, ROOTS[size]) for p in damaged(proof))
        assert not is_included(entry, index, size, proof, ROOTS[size - 1])


@pytest.mark.parametrize("new", SIZES)
def test_consistency_with_every_beginning_is_shown_and_no_damaged_proof_holds(new: int) -> None:
    for old in range(1, new + 1):
        proof = consistency_proof(ENTRIES[:new], old)
        assert len(proof) <= (new - 1).bit_length() + 1
        before, after = (old, ROOTS[old]), (new, ROOTS[new])
        assert is_consistent(before, after, proof)
        assert not any(is_consistent(before, after, p) for p in damaged(proof))
        for size in set(range(-1, new + 2)) - {old, 0}:
            assert not is_consistent((size, ROOTS[old]), after, proof)
        if old != new:
            assert not is_consistent(after, before, proof)
            assert not is_consistent((old, ROOTS[new]), after, proof)


def test_empty_tree_is_the_beginning_of_every_tree_and_needs_no_proof() -> None:
    assert is_consistent((0, ROOTS[0]), (5, ROOTS[5]), ())
    assert not is_consistent((0, ROOTS[1]), (5, ROOTS[5]), ())
    assert not is_consistent((0, ROOTS[0]), (5, ROOTS[5]), (ROOTS[1],))


def test_proof_of_what_is_not_there_is_refused() -> None:
    for index in (-1, 3):
        with pytest.raises(InvariantError, match="of 3"):
            inclusion_proof(ENTRIES[:3], index)
    for size in (0, 4):
        with pytest.raises(InvariantError, match="of 3"):
            consistency_proof(ENTRIES[:3], size)


def test_proof_in_a_tree_of_five_thousand_entries_is_thirteen_hashes() -> None:
    entries = [n.to_bytes(4, "big") for n in range(5000)]
    proof = inclusion_proof(entries, 4321)
    assert len(proof) <= 13
    assert len(leaf_hash(entries[0])) == 32
    assert is_included(entries[4321], 4321, 5000, proof, merkle_tree_hash(entries))
