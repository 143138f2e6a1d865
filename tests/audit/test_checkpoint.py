# SPDX-License-Identifier: Apache-2.0
"""Signed checkpoints: the public format, keys that stay secret, and two ways of checking."""

from __future__ import annotations

import base64
import os
import random
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.audit.made_logs import SIGNER, chained, entries, signed
from tidegate.audit import verifier
from tidegate.audit.checkpoint import Signer, make_key, parse, public_key, read_key, roots_at
from tidegate.journal import Journal, partial_path
from tidegate.model.errors import InputError

FRAMES = chained(entries(20))
LOG = b"".join(FRAMES)
KEY = str(SIGNER.public)

# RFC 8032, section 7.1, tests 1 to 3 and SHA(abc): public key, message, signature.
RFC_8032 = [
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
     "6594a7c15e9716ed28dc027beceea1ec40a"),
]  # fmt: skip


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_signatures_of_rfc_8032_hold_and_no_flipped_bit_of_one_does(
    public: str, message: str, signature: str
) -> None:
    key, text, seal = (bytes.fromhex(part) for part in (public, message, signature))
    assert verifier._signed(key, text, seal)
    assert not verifier._signed(key, text + b"x", seal)
    for bit in range(0, 512, 37):
        flipped = bytearray(seal)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        assert not verifier._signed(key, text, bytes(flipped)), bit


def test_signature_with_a_scalar_beyond_the_group_is_refused() -> None:
    """Adding the order gives a second signature of the same text unless s < L is demanded."""
    key, text, seal = (bytes.fromhex(part) for part in RFC_8032[1])
    beyond = int.from_bytes(seal[32:], "little") + verifier.L
    assert not verifier._signed(key, text, seal[:32] + beyond.to_bytes(32, "little"))
    assert not verifier._signed(key, text, seal + b"\x00")


def test_signatures_of_random_keys_agree_between_the_library_and_the_verifier() -> None:
    dice = random.Random(8032)
    for _ in range(12):
        private, text = Ed25519PrivateKey.from_private_bytes(dice.randbytes(32)), dice.randbytes(99)
        raw = private.public_key().public_bytes_raw()
        assert verifier._signed(raw, text, private.sign(text))
        assert not verifier._signed(raw, text[1:], private.sign(text))


def test_note_is_three_lines_a_blank_one_and_a_signature_with_the_keys_number() -> None:
    note = SIGNER.sign(7, bytes(32))
    body, seal = note.split("\n\n")
    assert body == "example.com/log\n7\n" + base64.b64encode(bytes(32)).decode()
    dash, name, encoded = seal.rstrip("\n").split(" ")
    assert (dash, name) == ("\u2014", "example.com/log")
    raw = base64.b64decode(encoded)
    assert (raw[:4], len(raw)) == (SIGNER.public.number, 68)
    (point,) = parse(note, SIGNER.public, "note")
    assert (point.origin, point.size, point.root) == ("example.com/log", 7, bytes(32))


def points(text: str) -> bool:
    checks = verifier.verify(LOG, None, KEY, text)
    return next(check.passed for check in checks if check.name == "checkpoints")


def parses(text: str) -> bool:
    try:
        return bool(parse(text, SIGNER.public, "text"))
    except InputError:
        return False


OTHER = Signer("example.com/log", Ed25519PrivateKey.from_private_bytes(bytes(32)))
NOTE = signed(FRAMES)
SEAL = NOTE.strip().splitlines()[-1]
BROKEN: dict[str, Callable[[], str]] = {
    "nothing signed": lambda: NOTE.split("\u2014")[0],
    "no text": lambda: "hello\n",
    "another key": lambda: OTHER.sign(20, bytes(32)),
    "another size": lambda: NOTE.replace("\n20\n", "\n19\n"),
    "leading zero": lambda: NOTE.replace("\n20\n", "\n020\n"),
    "another origin": lambda: NOTE.replace("example.com/log\n20", "example.com/b\n20"),
    "another root": lambda: NOTE.replace("\n20\n", "\n20\nA", 1),
    "more in front": lambda: "x\n" + NOTE,
    "more behind": lambda: NOTE + "x\n",
    "second one forged": lambda: NOTE + NOTE.replace("\n20\n", "\n21\n"),
    "signed twice, once wrongly": lambda: NOTE.rstrip("\n") + "\n" + SEAL[:-8] + "AAAAAAA=\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_text_that_the_key_did_not_sign_is_refused_by_both(name: str) -> None:
    text = BROKEN[name]()
    assert text != NOTE
    assert not points(text)
    assert not parses(text)


def test_notes_with_signatures_of_others_and_several_in_a_text_are_taken_by_both() -> None:
    cosigned = NOTE.rstrip("\n") + "\n\u2014 witness.example " + SEAL.split(" ")[2] + "\n"
    for text in (NOTE, cosigned, NOTE.rstrip("\n") + "\n", signed(FRAMES, 3, 7, 20)):
        assert points(text)
        assert parses(text)


def test_key_file_is_private_and_gives_the_printed_public_key_back(tmp_path: Path) -> None:
    path = tmp_path / "key"
    public = make_key(path, "example.com/book")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_key(str(public)) == public == read_key(str(path)).public
    descriptor = os.open(path, os.O_RDONLY)
    assert read_key(f"fd:{descriptor}").public == public
    with pytest.raises(InputError, match="new file"):
        make_key(path, "example.com/book")


def test_key_from_a_pipe_is_taken(tmp_path: Path) -> None:
    make_key(tmp_path / "key", "a")
    reader, writer = os.pipe()
    os.write(writer, (tmp_path / "key").read_bytes())
    os.close(writer)
    assert read_key(f"fd:{reader}").public.name == "a"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_key_file_that_others_may_open_is_refused_and_not_quoted(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    make_key(path, "example.com/book")
    secret = path.read_text().split("+")[-1].strip()
    path.chmod(mode)
    with pytest.raises(InputError, match="0600") as caught:
        read_key(str(path))
    assert secret not in str(caught.value)


@pytest.mark.parametrize("damage", ["", "x", "PRIVATE+KEY+a+00000000+AAAA", "short"])
def test_damaged_key_is_refused_without_a_word_of_it(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "key"
    make_key(path, "a")
    whole = path.read_text()
    path.write_text(whole[:-9] if damage == "short" else damage)
    with pytest.raises(InputError, match="private key") as caught:
        read_key(str(path))
    assert whole.split("+")[-1][:12] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_signer_shows_no_secret(tmp_path: Path) -> None:
    make_key(tmp_path / "key", "a")
    signer = read_key(str(tmp_path / "key"))
    assert repr(signer) == "Signer('a')"
    assert not hasattr(signer, "__dict__")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "\u2003"])
def test_origin_that_no_note_can_bear_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="without spaces"):
        make_key(tmp_path / "key", name)
    assert not (tmp_path / "key").exists()


def test_roots_of_a_live_journal_are_those_of_its_whole_frames(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "j", {}, durable=True)
    journal.append("fill", {"n": 1})
    live = partial_path(tmp_path / "j")
    size, roots = roots_at(live, (1,))
    assert (size, set(roots)) == (2, {1, 2})
    with live.open("ab") as file:
        file.write(b"\x60\x00\x00")
    assert roots_at(live, (1,)) == (2, roots)
    journal.close()
