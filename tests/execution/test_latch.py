# SPDX-License-Identifier: Apache-2.0
"""The latch: set unless it is certain that it is not, and lifted by two people only."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.execution.latch import Confirmation, Kill, Latch, VenueQuiet
from tidegate.execution.operators import (
    CONSENT_LIFE_MS,
    new_key,
    public_key,
    read_operators,
    sign,
)
from tidegate.execution.secret_file import read_secret, write_secret
from tidegate.model.errors import InputError

NOW = 1_700_000_000_000
KEYS = {name: new_key() for name in ("anna", "bert", "carl")}


def with_operators(folder: Path) -> Latch:
    """A latch that is not set, with three operators."""
    made = Latch.create(folder)
    lines = [f'{name} = "{public_key(key).hex()}"' for name, key in KEYS.items()]
    (folder / "operators.toml").write_text("[operators]\n" + "\n".join(lines))
    return made


@pytest.fixture
def latch(tmp_path: Path) -> Latch:
    return with_operators(tmp_path / "latch")


def resume(latch: Latch, who: str, key: str = "", ts_ms: int = NOW) -> tuple[str, ...]:
    return latch.consent(who, KEYS[key or who], ts_ms)


def test_latch_is_set_by_a_kill_that_says_who_when_and_why_and_stays_set(latch: Latch) -> None:
    assert not latch.is_set()
    latch.set("anna", "prices\nare\x1b[31m wrong", NOW)
    for seen in (latch, Latch(latch.folder)):
        assert seen.is_set()
        assert seen.kill() == Kill("anna", NOW, "prices are [31m wrong")


def test_latch_that_somebody_else_sets_is_seen_by_who_has_asked_before(latch: Latch) -> None:
    assert not latch.is_set()
    Latch(latch.folder).set("bert", "", NOW)
    assert latch.is_set()


def test_latch_is_set_where_its_folder_or_leave_is_gone(latch: Latch, tmp_path: Path) -> None:
    assert Latch(tmp_path / "nowhere").is_set()
    (latch.folder / "leave.json").rename(latch.folder / "moved.json")
    assert latch.is_set()


@pytest.fixture(scope="module")
def lifted(tmp_path_factory: pytest.TempPathFactory) -> Latch:
    """A latch that was set and lifted."""
    made = with_operators(tmp_path_factory.mktemp("lifted") / "latch")
    made.set("anna", "drill", NOW)
    resume(made, "anna")
    resume(made, "bert")
    return made


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7), cut=st.booleans())
def test_leave_that_is_damaged_counts_as_none(
    lifted: Latch, place: int, bit: int, cut: bool
) -> None:
    leave = lifted.folder / "leave.json"
    whole = leave.read_bytes()
    place %= len(whole) - 1  # The last byte ends the line.
    flipped = bytearray(whole)
    flipped[place] ^= 1 << bit
    leave.write_bytes(whole[:place] if cut else bytes(flipped))
    # Another case of a hexadecimal digit is the same signature.
    assert Latch(lifted.folder).is_set() or flipped.lower() == whole
    leave.write_bytes(whole)
    assert not lifted.is_set()


@pytest.mark.parametrize("content", [b"", b"{}", b'{"kill":"","consents":[]}', b"x" * 100_000])
def test_leave_that_somebody_writes_by_hand_lifts_no_kill(latch: Latch, content: bytes) -> None:
    latch.set("anna", "drill", NOW)
    (latch.folder / "leave.json").write_bytes(content)
    assert latch.is_set()


def test_latch_is_lifted_by_two_operators_and_not_by_one_twice(latch: Latch) -> None:
    latch.set("anna", "drill", NOW)
    assert resume(latch, "anna") == ("anna",)
    assert resume(latch, "anna", ts_ms=NOW + 1) == ("anna",)
    assert latch.is_set()
    assert resume(latch, "bert") == ("anna", "bert")
    assert not latch.is_set()
    assert not Latch(latch.folder).is_set()


def test_consent_needs_the_key_of_its_name(latch: Latch) -> None:
    latch.set("anna", "drill", NOW)
    resume(latch, "anna")
    with pytest.raises(InputError, match="expected the key of the operator 'bert'"):
        resume(latch, "bert", key="anna")
    with pytest.raises(InputError, match="expected the key of the operator 'dora'"):
        resume(latch, "dora", key="carl")
    assert latch.is_set()


def test_consent_to_an_earlier_kill_lifts_no_later_one(latch: Latch) -> None:
    latch.set("anna", "first", NOW)
    resume(latch, "anna")
    latch.set("carl", "second", NOW + 1)
    assert resume(latch, "bert") == ("bert",)
    assert latch.is_set()


def test_leave_of_an_earlier_kill_put_back_lifts_no_later_one(latch: Latch) -> None:
    latch.set("anna", "first", NOW)
    resume(latch, "anna")
    resume(latch, "bert")
    kept = (latch.folder / "leave.json").read_bytes()
    latch.set("carl", "second", NOW + 1)
    (latch.folder / "leave.json").write_bytes(kept)
    assert latch.is_set()


def test_consents_more_than_an_hour_apart_do_not_count_together(latch: Latch) -> None:
    latch.set("anna", "drill", NOW)
    resume(latch, "anna")
    assert resume(latch, "bert", ts_ms=NOW + CONSENT_LIFE_MS + 1) == ("bert",)
    assert latch.is_set()
    resume(latch, "carl", ts_ms=NOW + 2 * CONSENT_LIFE_MS)
    assert not latch.is_set()


def test_consent_with_a_forged_name_is_not_counted(latch: Latch) -> None:
    latch.set("anna", "drill", NOW)
    forged = sign("bert", KEYS["anna"], latch.kill_id, NOW)
    (latch.folder / "consent-bert.json").write_bytes(
        b'{"who":"bert","kill":"%s","ts_ms":%d,"signature":"%s"}'
        % (forged.kill.encode(), NOW, forged.signature.encode())
    )
    assert resume(latch, "anna") == ("anna",)
    assert latch.is_set()


def test_operators_who_share_a_key_are_refused(tmp_path: Path) -> None:
    key = public_key(KEYS["anna"]).hex()
    file = tmp_path / "operators.toml"
    file.write_text(f'[operators]\nanna = "{key}"\nbert = "{key}"\n')
    with pytest.raises(InputError, match="a key of their own"):
        read_operators(file)


def test_kills_at_the_same_time_are_all_written(latch: Latch) -> None:
    names = [f"operator{n}" for n in range(8)]
    threads = [threading.Thread(target=latch.set, args=(name, "now", NOW)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert latch.is_set()
    written = {path.read_text()[8:17] for path in latch.folder.glob("kill-*.json")}
    assert written == set(names)
    assert latch.number == len(names)


def test_kill_on_a_disk_without_room_stops_all_the_same(latch: Latch) -> None:
    program = f"""
import resource, signal
from pathlib import Path
from tidegate.execution.latch import Latch
from tidegate.model.errors import InputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
latch = Latch(Path({str(latch.folder)!r}))
try:
    latch.set("anna", "disk full", {NOW})
except InputError as error:
    print(error, latch.is_set())
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    assert said.endswith("(File too large) True\n")
    assert latch.is_set()
    assert latch.number == 0


@pytest.mark.parametrize("taken", ["", "leave.json", "made", "leave.json kill-000001.json"])
def test_latch_is_made_only_where_there_was_none_whatever_was_taken_from_it(
    latch: Latch, taken: str
) -> None:
    if "kill" in taken:
        latch.set("anna", "drill", NOW)
    for name in taken.split():
        (latch.folder / name).unlink(missing_ok=True)
    was = latch.is_set()
    with pytest.raises(InputError, match="expected a new folder"):
        Latch.create(latch.folder)
    assert latch.is_set() == was


def test_latch_is_made_where_its_operators_stand_already(tmp_path: Path) -> None:
    (tmp_path / "operators.toml").touch()
    assert not Latch.create(tmp_path).is_set()


def test_latch_whose_leave_was_taken_away_by_hand_is_lifted_by_two_operators(latch: Latch) -> None:
    (latch.folder / "leave.json").unlink()
    resume(latch, "anna")
    assert latch.is_set()
    resume(latch, "bert")
    assert not latch.is_set()


def test_kill_without_a_folder_says_so_and_nothing_may_be_sent(tmp_path: Path) -> None:
    nowhere = Latch(tmp_path / "nowhere")
    with pytest.raises(InputError, match="expected a latch folder"):
        nowhere.set("anna", "drill", NOW)
    assert nowhere.is_set()


def test_confirmation_is_of_the_newest_kill_only(latch: Latch) -> None:
    latch.set("anna", "drill", NOW)
    word = Confirmation(latch.kill_id, NOW, NOW + 1, {"alpha": VenueQuiet(2, 0, NOW + 2)})
    latch.confirm(word)
    assert latch.confirmation() == word
    assert word.quiet
    latch.set("bert", "again", NOW + 3)
    assert latch.confirmation() is None


def test_secret_is_read_from_a_file_that_its_owner_alone_can_read(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_secret(path, KEYS["anna"])
    assert read_secret(path) == KEYS["anna"]
    with pytest.raises(InputError, match="expected a new file"):
        write_secret(path, KEYS["bert"])
    path.chmod(0o640)
    with pytest.raises(InputError, match="expected mode 0600, got 0640"):
        read_secret(path)


@pytest.mark.parametrize("content", ["", "zz" * 32, "ab" * 31, "ab" * 33, "é"])
def test_secret_that_is_none_is_refused_and_not_quoted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(InputError, match="expected 64 hexadecimal digits") as refused:
        read_secret(path)
    assert not content or content not in str(refused.value)


def test_secret_behind_a_link_or_in_no_plain_file_is_refused(tmp_path: Path) -> None:
    write_secret(tmp_path / "key", KEYS["anna"])
    (tmp_path / "link").symlink_to(tmp_path / "key")
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "pipe", "absent", "."):
        with pytest.raises(InputError, match="secret: expected"):
            read_secret(tmp_path / name)
