# SPDX-License-Identifier: Apache-2.0
"""What the audit commands say of what was not checked, and what they do with half a note."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audit.made_logs import SIGNER, chained, entries
from tidegate.audit import verifier, verify
from tidegate.audit.anchor import add_checkpoint, mend, publish, read_anchor
from tidegate.audit.checkpoint import make_key, parse, torn_at
from tidegate.cli import main

FRAMES = chained(entries(32))
KEY = SIGNER.public
Told = tuple[int, str, str]


@pytest.fixture
def tidegate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Told]:
    """Runs one command in this process: its exit status, and what it printed."""

    def run(*words: object) -> Told:
        monkeypatch.setattr("sys.argv", ["tidegate", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "book").write_bytes(b"".join(FRAMES))
    return tmp_path / "book"


def test_key_without_a_checkpoint_checks_nothing_and_fails_and_says_so(
    book: Path,
    tidegate: Callable[..., Told],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = [c for c in verify(str(book), None, str(KEY)) if not c.passed]
    assert [c.name for c in failed if c.name == "checkpoints"] == ["checkpoints"]
    status, out, _ = tidegate("verify", book, "--public-key", KEY)
    assert status == 1
    assert f"FAIL {book}: checkpoints: the journal: none is given, so that nothing" in out
    monkeypatch.setattr("sys.argv", ["verifier", "--public-key", str(KEY), str(book)])
    assert verifier.main() == 1
    assert "nothing was checked with the key" in capsys.readouterr().out


def test_verify_without_an_anchor_says_what_it_does_not_prove(
    book: Path, tmp_path: Path, tidegate: Callable[..., Told]
) -> None:
    _, out, _ = tidegate("verify", book)
    assert "checkpoints: none: it may be forged whole" in out
    assert "not proved without an anchor: that this is the only journal" in out
    anchor = tmp_path / "points"
    add_checkpoint(book, SIGNER, [str(anchor)])
    _, out, _ = tidegate("verify", book, "--public-key", KEY, "--anchor", anchor)
    assert "not proved without an anchor" not in out
    assert "checkpoints: 1 texts" in out


def whole_note(size: int) -> str:
    return SIGNER.sign(size, bytes(32)) + "\n"


def test_note_that_is_torn_at_any_byte_is_cut_and_the_next_one_stands(tmp_path: Path) -> None:
    """The last byte is a blank line between notes, without which they read as well."""
    anchor, first, second = tmp_path / "points", whole_note(1), whole_note(2).encode()
    for length in range(1, len(second) - 1):
        anchor.write_bytes(first.encode() + second[:length])
        assert mend(str(anchor)) == length
        assert anchor.read_text() == first
    anchor.write_bytes(first.encode() + second[:-1])
    assert mend(str(anchor)) == 0
    publish(str(anchor), whole_note(3)[:-1], 3)
    assert [p.size for p in parse(read_anchor(str(anchor)), KEY, "a")] == [1, 2, 3]


@pytest.mark.parametrize(
    "tail",
    [
        whole_note(2).replace("example.com", "another.com"),
        whole_note(2) + whole_note(3)[:40],
        "",
    ],
)
def test_whole_notes_are_never_cut_whoever_signed_them(tail: str) -> None:
    text = whole_note(1) + tail
    at = torn_at(text)
    assert at is None or text[at:] == whole_note(3)[:40]


def test_checkpoint_after_half_a_note_says_what_it_cut_and_is_published(
    book: Path, tmp_path: Path, tidegate: Callable[..., Told]
) -> None:
    key, anchor = tmp_path / "key", tmp_path / "points"
    public = make_key(key, "example.com/log")
    words = ("audit", "checkpoint", book, "--key", key, "--anchor", anchor)
    assert tidegate(*words)[0] == 0
    whole = anchor.read_bytes()
    anchor.write_bytes(whole + b"example.com/log\n33\nAAAA")
    status, _, err = tidegate(*words)
    assert (status, "cut 23 bytes of a note that was never finished" in err) == (0, True)
    assert anchor.read_bytes() == whole
    assert tidegate("verify", book, "--public-key", public, "--anchor", anchor)[0] == 0


@pytest.mark.parametrize("number", ["9999", "9" * 20, "9" * 5_000, "-1", ""])
def test_descriptor_that_is_none_is_refused_in_one_line(
    book: Path, tidegate: Callable[..., Told], number: str
) -> None:
    status, out, err = tidegate("audit", "checkpoint", book, "--key", f"fd:{number}")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"tidegate: fd:{number}: key: expected ")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("faults", "--seeds", "many"), "Invalid value for '--seeds'"),
        (("faults", "--bogus"), "No such option: --bogus"),
        (("bogus",), "No such command 'bogus'"),
        (("kill", "--wait", "-1"), "Invalid value for '--wait'"),
        (("audit", "checkpoint"), "Missing argument"),
    ],
)
def test_words_that_no_command_takes_are_refused_in_one_line(
    words: tuple[str, ...], complaint: str, tidegate: Callable[..., Told]
) -> None:
    status, out, err = tidegate(*words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("tidegate: ")
    assert complaint in err
