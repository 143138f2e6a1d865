# SPDX-License-Identifier: Apache-2.0
"""Frames and the Merkle tree: their bytes, their bounds and their hashes."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.journal.frames import (
    FRAME_BYTES_MAX,
    LENGTH_BYTES,
    ORIGIN,
    FrameError,
    decode_frame,
    encode_frame,
    is_torn,
    kind_tag,
)
from tidegate.journal.merkle import MerkleTree

# The leaves and roots of the certificate-transparency project's own Merkle tree tests
# (google/certificate-transparency, merkletree_test): the roots of the first 1 to 8 leaves.
CT_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def merkle_tree_hash(entries: list[bytes]) -> bytes:
    """The recursive definition of RFC 6962, section 2.1, word for word."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    left, right = merkle_tree_hash(entries[:split]), merkle_tree_hash(entries[split:])
    return sha256(b"\x01" + left + right).digest()


def grown(entries: list[bytes]) -> MerkleTree:
    tree = MerkleTree()
    for entry in entries:
        tree.append(entry)
    return tree


@given(st.lists(st.binary(max_size=40), max_size=70))
def test_merkle_root_of_any_entries_equals_the_recursive_definition(entries: list[bytes]) -> None:
    assert grown(entries).root() == merkle_tree_hash(entries)


@pytest.mark.parametrize("size", range(1, 9))
def test_merkle_root_of_the_transparency_vectors_is_the_published_one(size: int) -> None:
    assert grown(CT_LEAVES[:size]).root().hex() == CT_ROOTS[size - 1]


def test_merkle_tree_of_a_thousand_entries_keeps_one_root_per_bit() -> None:
    tree = grown([bytes((n % 256,)) for n in range(1000)])
    assert len(tree._peaks) == (1000).bit_count()


@given(
    st.integers(0, 2**64 - 1),
    st.binary(min_size=32, max_size=32),
    st.from_regex(r"[a-z][a-z0-9_.-]{0,63}", fullmatch=True),
    st.text(max_size=60),
)
def test_frame_encoded_and_decoded_comes_back_with_the_same_hash(
    sequence: int, previous: bytes, kind: str, text: str
) -> None:
    payload = b'{"text":"' + text.encode("utf-8", "ignore").hex().encode() + b'"}'
    written, digest = encode_frame(sequence, previous, kind_tag(kind), payload)
    frame = decode_frame(written[LENGTH_BYTES:], offset_bytes=7)
    assert int.from_bytes(written[:LENGTH_BYTES], "little") == len(written) - LENGTH_BYTES
    assert (frame.sequence, frame.previous, frame.kind) == (sequence, previous, kind)
    assert (frame.payload, frame.digest, frame.end_bytes) == (payload, digest, 7 + len(written))


def test_frame_hash_is_over_sequence_previous_kind_and_payload() -> None:
    written, digest = encode_frame(1, ORIGIN, kind_tag("fill"), b"{}")
    assert digest == sha256((1).to_bytes(8, "little") + ORIGIN + b"\x04fill{}").digest()
    assert written.endswith(ORIGIN + b"\x04fill{}")


@pytest.mark.parametrize("kind", ["", "Fill", "9fill", "fi ll", "fïll", "f" * 65])
def test_kind_outside_the_alphabet_is_refused(kind: str) -> None:
    with pytest.raises(FrameError, match="kind"):
        kind_tag(kind)


@pytest.mark.parametrize("payload", [b"[]", b"1", b"null", b'"{}"', b""])
def test_payload_that_is_no_object_is_refused_by_the_writer(payload: bytes) -> None:
    with pytest.raises(FrameError, match="JSON object"):
        encode_frame(0, ORIGIN, kind_tag("fill"), payload)


def test_frame_beyond_the_limit_is_refused_and_at_the_limit_taken() -> None:
    tag = kind_tag("k")
    room = FRAME_BYTES_MAX - LENGTH_BYTES - 46 - len(b'{"a":""}')
    full = b'{"a":"' + b"x" * room + b'"}'
    assert len(encode_frame(0, ORIGIN, tag, full)[0]) == FRAME_BYTES_MAX
    with pytest.raises(FrameError, match="at most"):
        encode_frame(0, ORIGIN, tag, full[:-2] + b'x"}')


def test_every_beginning_of_a_frame_counts_as_torn_and_no_foreign_bytes_do() -> None:
    previous = sha256(b"before").digest()
    written, _ = encode_frame(5, previous, kind_tag("fill"), b'{"a":{"b":1},"c":"}"}')
    body = written[LENGTH_BYTES:]
    assert all(is_torn(body[:cut], 5, previous) for cut in range(len(body)))
    assert not is_torn(body, 5, previous)
    assert not any(is_torn(body[:cut], 6, previous) for cut in range(1, len(body)))
    assert not any(is_torn(body[:cut], 5, ORIGIN) for cut in range(13, len(body)))
