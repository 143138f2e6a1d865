# SPDX-License-Identifier: Apache-2.0
"""What lifts a latch, field by field; what a kill leaves on disk, step by step."""

from __future__ import annotations

import hashlib
import os
import stat
from itertools import combinations, permutations
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.execution.test_latch import KEYS, NOW, resume, with_operators
from tidegate.execution import latch as latch_room
from tidegate.execution.latch import WORDS_MAX, Confirmation, Latch, VenueQuiet
from tidegate.execution.operators import (
    CONSENT_LIFE_MS,
    check_name,
    enough,
    is_valid,
    public_key,
    read_operators,
    sign,
)
from tidegate.model.errors import InputError
from tidegate.model.times import HOUR_MS

KILL, OTHER = "a" * 64, "b" * 64
OPERATORS = {name: public_key(key) for name, key in KEYS.items()}


@pytest.fixture
def latch(tmp_path: Path) -> Latch:
    return with_operators(tmp_path / "latch")


@pytest.mark.parametrize(
    "change",
    [{"who": "bert"}, {"who": "dora"}, {"kill": OTHER}, {"ts_ms": NOW + 1}, {"signature": "zz"},
     {"signature": ""}, {"signature": "00" * 64}],
)  # fmt: skip
def test_consent_is_valid_for_what_was_signed_and_for_nothing_else(
    change: dict[str, object],
) -> None:
    consent = sign("anna", KEYS["anna"], KILL, NOW)
    assert is_valid(consent, OPERATORS)
    assert not is_valid(msgspec.structs.replace(consent, **change), OPERATORS)


@settings(max_examples=30)
@given(st.lists(st.sampled_from([0, 1, HOUR_MS, HOUR_MS + 1, 3 * HOUR_MS, 5 * HOUR_MS]),
                min_size=3, max_size=3))  # fmt: skip
def test_two_consents_to_one_kill_within_an_hour_are_enough_whoever_else_said_what_when(
    ages: list[int],
) -> None:
    given_to = [sign(n, KEYS[n], KILL, NOW + t) for n, t in zip(KEYS, ages, strict=True)]
    near = any(abs(a - b) <= HOUR_MS for a, b in combinations(ages, 2))
    for order in permutations(given_to):
        assert enough(order, KILL, OPERATORS) == near
    assert not enough(given_to, OTHER, OPERATORS)
    again = sign("anna", KEYS["anna"], KILL, NOW + ages[0] + 1)
    assert not enough([given_to[0], again], KILL, OPERATORS)


@pytest.mark.parametrize(
    ("name", "good"),
    [("a" * 40, True), ("a-b_9", True), ("a" * 41, False), ("", False), ("é", False),
     ("a/b", False), ("..", False), ("a b", False)],
)  # fmt: skip
def test_name_is_one_that_a_file_can_bear(name: str, good: bool, tmp_path: Path) -> None:
    file = tmp_path / "operators.toml"
    file.write_text(f'[operators]\n"{name}" = "{OPERATORS["anna"].hex()}"\n')
    if good:
        assert (check_name(name, "latch"), list(read_operators(file))) == (name, [name])
        return
    for ask in (lambda: check_name(name, "latch"), lambda: read_operators(file)):
        with pytest.raises(InputError, match="name: expected 1 to 40 of a-z"):
            ask()


@pytest.mark.parametrize("key", ['"' + "ab" * 31 + '"', '"' + "ab" * 33 + '"', '"zz"', "5"])
def test_public_key_that_is_none_is_refused_by_its_operator(key: str, tmp_path: Path) -> None:
    file = tmp_path / "operators.toml"
    file.write_text(f"[operators]\nanna = {key}\n")
    with pytest.raises(InputError, match=r"operators\.anna: expected 64 hexadecimal digits"):
        read_operators(file)


@pytest.mark.parametrize("sooner", [True, False])
@pytest.mark.parametrize(("apart_ms", "counts"), [(HOUR_MS, True), (HOUR_MS + 1, False)])
def test_consent_counts_beside_one_that_was_given_up_to_an_hour_before_or_after(
    latch: Latch, sooner: bool, apart_ms: int, counts: bool
) -> None:
    assert CONSENT_LIFE_MS == HOUR_MS
    latch.set("anna", "drill", NOW)
    resume(latch, "anna", ts_ms=NOW - apart_ms if sooner else NOW + apart_ms)
    assert resume(latch, "bert") == (("anna", "bert") if counts else ("bert",))
    assert latch.is_set() != counts


def test_lifting_leaves_no_consent_behind(latch: Latch) -> None:
    latch.set("anna", "drill", NOW)
    resume(latch, "anna")
    (latch.folder / "consent-x.json").write_bytes(b"\xff")
    (latch.folder / "consent-y.json").write_bytes(b"{}")
    assert resume(latch, "bert") == ("anna", "bert")
    assert not latch.is_set()
    assert list(latch.folder.glob("consent-*")) == []


def test_leave_is_gone_and_forced_to_disk_before_a_kill_is_written(
    latch: Latch, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, real = list[tuple[bool, bool, int]](), os.fsync

    def fsync(descriptor: int) -> None:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        seen.append((folder, (latch.folder / "leave.json").exists(), latch.number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    latch.set("anna", "drill", NOW)
    assert seen[0] == (True, False, 0)
    assert seen[-1] == (True, False, 1)
    assert [folder for folder, _, _ in seen].count(True) == 3


def test_leave_that_an_operator_writes_while_a_kill_is_written_does_not_stay(
    latch: Latch, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, real = (latch.folder / "leave.json").read_bytes(), latch_room.put_new

    def slowly(path: Path, text: bytes) -> bool:
        (latch.folder / "leave.json").write_bytes(kept)
        return real(path, text)

    monkeypatch.setattr(latch_room, "put_new", slowly)
    latch.set("anna", "drill", NOW)
    assert not (latch.folder / "leave.json").exists()
    assert latch.is_set()


def test_kill_that_comes_while_a_leave_is_written_takes_it_away(
    latch: Latch, monkeypatch: pytest.MonkeyPatch
) -> None:
    latch.set("anna", "first", NOW)
    resume(latch, "anna")
    real = latch_room.put

    def slowly(path: Path, text: bytes) -> None:
        if path.name == "leave.json":
            Latch(latch.folder).set("carl", "second", NOW + 1)
        real(path, text)

    monkeypatch.setattr(latch_room, "put", slowly)
    resume(latch, "bert")
    assert latch.is_set()
    assert not (latch.folder / "leave.json").exists()


@pytest.mark.parametrize("name", ["made", "leave.json", "kill-000001.json"])
def test_any_trace_of_a_latch_shows_that_one_was_made(name: str, tmp_path: Path) -> None:
    assert not Latch(tmp_path).exists()
    (tmp_path / name).touch()
    assert Latch(tmp_path).exists()


def test_newest_kill_is_known_by_its_number_and_content_though_older_ones_are_gone(
    latch: Latch,
) -> None:
    latch.set("anna", "first", NOW)
    latch.set("bert", "x" * 2_000, NOW + 1)
    (latch.folder / "kill-000001.json").unlink()
    said, newest = latch.kill(), latch.folder / "kill-000002.json"
    assert said is not None
    assert (latch.number, said.who, said.why) == (2, "bert", "x" * WORDS_MAX)
    assert (WORDS_MAX, latch.kill_id) == (1_000, hashlib.sha256(newest.read_bytes()).hexdigest())


def test_leave_is_looked_at_again_when_it_was_replaced_by_one_of_its_size_and_time(
    latch: Latch,
) -> None:
    leave = latch.folder / "leave.json"
    before = leave.stat()
    assert not latch.is_set()
    (latch.folder / "forged").write_bytes(b"x" * before.st_size)
    (latch.folder / "forged").replace(leave)
    os.utime(leave, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert latch.is_set()


def test_leave_does_not_hold_where_its_operators_cannot_be_read(latch: Latch) -> None:
    latch.set("anna", "drill", NOW)
    resume(latch, "anna")
    resume(latch, "bert")
    assert not Latch(latch.folder).is_set()
    for text in (b"\xff", b"[operators]\nanna = 5\n", b"[operators]\n"):
        (latch.folder / "operators.toml").write_bytes(text)
        assert Latch(latch.folder).is_set()


def test_leave_without_a_kill_needs_no_consent_and_one_that_names_some_needs_enough(
    latch: Latch,
) -> None:
    consent = msgspec.json.encode(sign("anna", KEYS["anna"], "", NOW))
    (latch.folder / "leave.json").write_bytes(b'{"kill":"","consents":[%s]}' % consent)
    assert Latch(latch.folder).is_set()


def test_words_of_a_kill_are_of_one_line_whoever_says_them(latch: Latch) -> None:
    latch.set(" an\nna\x1b[0m", "\tdrill\r", NOW)
    said = latch.kill()
    assert said is not None
    assert (said.who, said.why) == ("an na [0m", "drill")


def test_word_on_no_kill_or_on_a_part_of_its_name_is_none_on_a_kill(latch: Latch) -> None:
    latch.confirm(Confirmation("", NOW, NOW, {}))
    assert latch.confirmation() == Confirmation("", NOW, NOW, {})
    latch.set("anna", "drill", NOW)
    assert latch.confirmation() is None
    latch.confirm(Confirmation(latch.kill_id[:8], NOW, NOW, {}))
    assert latch.confirmation() is None


def test_folder_that_cannot_be_looked_into_holds_no_latch_and_none_is_made_there(
    tmp_path: Path,
) -> None:
    nowhere = tmp_path / ("x" * 300)
    assert not Latch(nowhere).exists()
    assert Latch(nowhere).is_set()
    with pytest.raises(InputError, match="expected a latch folder that can be read and written"):
        Latch.create(nowhere)


def test_venue_that_does_not_say_what_works_is_not_quiet() -> None:
    for left, quiet in ((0, True), (1, False), (None, False)):
        venues = {"alpha": VenueQuiet(0, 0, NOW), "beta": VenueQuiet(2, left, NOW)}
        assert Confirmation(KILL, NOW, NOW, venues).quiet == quiet


def test_consents_of_which_one_is_forged_write_no_leave_and_stay(latch: Latch) -> None:
    latch.set("anna", "drill", NOW)
    forged = sign("bert", KEYS["anna"], latch.kill_id, NOW)
    (latch.folder / "consent-bert.json").write_bytes(msgspec.json.encode(forged))
    assert resume(latch, "anna") == ("anna",)
    assert sorted(path.name for path in latch.folder.glob("*.json")) == [
        "consent-anna.json",
        "consent-bert.json",
        "kill-000001.json",
    ]
