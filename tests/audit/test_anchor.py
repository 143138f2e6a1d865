# SPDX-License-Identifier: Apache-2.0
"""Anchors: published checkpoints are held against the journal, by its owner and by others."""

from __future__ import annotations

import json
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from tests.audit.made_logs import SIGNER, chained, entries
from tidegate.audit import verify
from tidegate.audit.anchor import add_checkpoint, follow, publish, read_anchor
from tidegate.audit.commands import check_journal, checkpoint, keep_up, new_key
from tidegate.journal.merkle import MerkleTree
from tidegate.model.errors import InputError

ENTRIES = entries(32)
FRAMES = chained(ENTRIES)
KEY = SIGNER.public


def written(folder: Path, frames: list[bytes]) -> Path:
    path = folder / "book"
    path.write_bytes(b"".join(frames))
    return path


def forged(place: int) -> list[bytes]:
    kind, payload = ENTRIES[place]
    return chained([*ENTRIES[:place], (kind, payload | {"x": 1}), *ENTRIES[place + 1 :]])


def repository(folder: Path, *options: str) -> Path:
    subprocess.run(["git", "init", "-q", *options, str(folder)], check=True, timeout=60)
    return folder


def test_checkpoints_of_a_growing_journal_are_added_to_file_and_repository(tmp_path: Path) -> None:
    anchors = [str(tmp_path / "points"), f"git:{repository(tmp_path / 'repo')}"]
    for size in (10, 20, 20, 32):
        point, note, against = add_checkpoint(written(tmp_path, FRAMES[:size]), SIGNER, anchors)
        assert (point.size, against) == (size, [])
        assert note
    for anchor in anchors:
        assert read_anchor(anchor).count("example.com/log\n") == 3
    log = ["git", "-C", str(tmp_path / "repo"), "log", "--format=%s"]
    said = subprocess.run(log, capture_output=True, text=True, check=True, timeout=60).stdout
    assert said.splitlines() == [f"Checkpoint of {n} entries" for n in (32, 20, 10)]


def test_checkpoint_is_pushed_and_read_from_where_it_was_pushed_to(tmp_path: Path) -> None:
    bare = repository(tmp_path / "bare", "--bare", "-b", "main")
    work = repository(tmp_path / "work", "-b", "main")
    for setting in (
        ("remote.up.url", str(bare)),
        ("remote.up.fetch", "+refs/heads/*:refs/remotes/up/*"),
        ("branch.main.remote", "up"),
        ("branch.main.merge", "refs/heads/main"),
        ("push.default", "upstream"),
    ):
        subprocess.run(["git", "-C", str(work), "config", *setting], check=True, timeout=60)
    publish(f"git+push:{work}", SIGNER.sign(1, bytes(32)), 1)
    assert "\n1\n" in read_anchor(f"git+push:{work}") == read_anchor(f"git:{bare}")


@pytest.mark.parametrize("kind", ["file", "git"])
def test_cut_or_forked_journal_is_named_and_not_signed(tmp_path: Path, kind: str) -> None:
    anchor = str(tmp_path / "points")
    if kind == "git":
        anchor = f"git:{repository(tmp_path / 'repo')}"
    assert add_checkpoint(written(tmp_path, FRAMES), SIGNER, [anchor])[2] == []
    before = read_anchor(anchor)
    for frames, word in ((FRAMES[:20], "cut"), (forged(3), "fork"), (forged(30), "fork")):
        _, note, against = add_checkpoint(written(tmp_path, frames), SIGNER, [anchor])
        assert note == ""
        assert [reason.split(":")[0] for reason in against] == [word]
    assert read_anchor(anchor) == before


def test_client_trusts_what_extends_the_last_and_refuses_the_rest(tmp_path: Path) -> None:
    anchor, trusted = str(tmp_path / "points"), tmp_path / "trusted"
    for size in (10, 25):
        add_checkpoint(written(tmp_path, FRAMES[:size]), SIGNER, [anchor])
        point, against = follow(written(tmp_path, FRAMES), KEY, [anchor], trusted)
        assert point is not None
        assert (point.size, against) == (size, [])
    held = trusted.read_text()
    assert held.count("\u2014") == 1
    for frames, word in ((forged(5), "fork"), (FRAMES[:24], "cut")):
        # Whoever rewrote the journal rewrote the anchor too; the client remembers.
        (tmp_path / "points").write_text("")
        _, against = follow(written(tmp_path, frames), KEY, [anchor], trusted)
        assert [reason.split(":")[0] for reason in against] == [word]
        assert trusted.read_text() == held


def test_anchor_that_was_changed_is_refused_in_one_line(tmp_path: Path) -> None:
    anchor = tmp_path / "points"
    add_checkpoint(written(tmp_path, FRAMES), SIGNER, [str(anchor)])
    anchor.write_text(anchor.read_text().replace("\n32\n", "\n31\n"))
    with pytest.raises(InputError, match="checkpoint 1: expected") as caught:
        add_checkpoint(written(tmp_path, FRAMES), SIGNER, [str(anchor)])
    assert "\n" not in str(caught.value)


def test_repository_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected git") as caught:
        read_anchor(f"git:{tmp_path / 'none'}")
    assert "\n" not in str(caught.value)


def test_commands_make_a_key_publish_follow_and_verify(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, anchor = str(tmp_path / "key"), str(tmp_path / "points")
    assert new_key(tmp_path / "key", "example.com/book", as_json=True)
    public = json.loads(capsys.readouterr().out)["public_key"]
    book = written(tmp_path, FRAMES)
    assert checkpoint(book, key, [anchor], as_json=True)
    assert json.loads(capsys.readouterr().out)["size"] == 32
    assert keep_up(book, public, [anchor], tmp_path / "trusted", as_json=False)
    assert check_journal(book, None, public, [anchor], as_json=False)
    told = capsys.readouterr().out
    assert "extends every checkpoint" in told
    assert "proved by `tidegate replay` alone" in told
    written(tmp_path, forged(2))
    assert not checkpoint(book, key, [anchor], as_json=False)
    assert not keep_up(book, public, [anchor], tmp_path / "trusted", as_json=False)
    assert not check_journal(book, None, public, [anchor], as_json=True)
    assert "FAIL" in capsys.readouterr().out


def test_client_that_knows_no_checkpoint_is_told_that_nothing_was_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = written(tmp_path, FRAMES)
    assert not keep_up(book, str(KEY), [], tmp_path / "trusted", as_json=False)
    assert "nothing can be compared" in capsys.readouterr().out
    with pytest.raises(InputError, match="at least one"):
        check_journal(book, None, str(KEY), [str(tmp_path / "none")], as_json=False)


def test_checkpoint_that_one_anchor_has_is_still_published_in_another(tmp_path: Path) -> None:
    """As after a push that failed."""
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    book = written(tmp_path, FRAMES[:10])
    _, note, _ = add_checkpoint(book, SIGNER, [first])
    add_checkpoint(book, SIGNER, [first, second])
    assert read_anchor(first).strip() == read_anchor(second).strip() == note.strip()


def test_two_pasts_signed_for_one_size_are_a_fork_whichever_the_journal_extends() -> None:
    notes = []
    for frames in (FRAMES[:20], forged(5)[:20]):
        tree = MerkleTree()
        for frame in frames:
            tree.append(sha256(frame[4:12] + frame[16:]).digest())
        notes.append(SIGNER.sign(20, tree.root()))
    for frames in (FRAMES, forged(5)):
        checks = verify(b"".join(frames), None, str(SIGNER.public), *notes)
        (points,) = [check for check in checks if check.name == "checkpoints"]
        assert not points.passed
        assert "fork" in points.detail
