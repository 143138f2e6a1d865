# SPDX-License-Identifier: Apache-2.0
"""Small files: on disk before they have their names, whole or not there, and secret or refused."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tidegate.execution.durable_file import LARGEST_BYTES, content, put, put_new
from tidegate.execution.heartbeat import Heartbeat, Pulse
from tidegate.execution.secret_file import read_secret, write_secret
from tidegate.model.errors import InputError

SECRET = bytes(range(32))
Forced = list[tuple[str, list[str]]]


@pytest.fixture
def forced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Forced:
    """What is forced to disk, file or folder, and the names that can be seen then."""
    told, real = Forced(), os.fsync

    def fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        names = [name for name in os.listdir(tmp_path) if not name.startswith(".")]
        told.append((kind, names))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return told


@pytest.mark.parametrize("write", [put, put_new])
def test_content_is_on_disk_before_its_name_and_the_name_before_the_return(
    write: Callable[[Path, bytes], object], tmp_path: Path, forced: Forced
) -> None:
    assert write(tmp_path / "name", b"text") is not False
    assert forced == [("file", []), ("folder", ["name"])]
    assert content(tmp_path / "name") == b"text"
    assert os.listdir(tmp_path) == ["name"]


def test_name_that_is_taken_keeps_its_content_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "name"
    path.write_bytes(b"first")
    for other in (b"second", b"first"):
        assert put_new(path, other) is False
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"first", ["name"])
    put(path, b"third")
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"third", ["name"])


@pytest.mark.parametrize("write", [put, put_new])
def test_disk_that_fails_leaves_what_stood_there_and_nothing_else(
    write: Callable[[Path, bytes], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "name"
    path.write_bytes(b"first")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no room"):
        write(path, b"second")
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"first", ["name"])


def test_threads_that_write_one_file_at_once_do_not_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, both, failed = tmp_path / "name", threading.Barrier(2, timeout=10), list[OSError]()
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            both.wait()

    def write(text: bytes) -> None:
        try:
            put(path, text)
        except OSError as error:
            failed.append(error)

    monkeypatch.setattr(os, "fsync", fsync)
    threads = [threading.Thread(target=write, args=(text,)) for text in (b"one", b"other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failed, os.listdir(tmp_path)) == ([], ["name"])
    assert path.read_bytes() in (b"one", b"other")


def test_file_of_the_largest_size_is_read_and_a_larger_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "name"
    path.write_bytes(b"x" * LARGEST_BYTES)
    assert len(content(path)) == LARGEST_BYTES == 65_536
    path.write_bytes(b"x" * (LARGEST_BYTES + 1))
    with pytest.raises(OSError, match="larger than"):
        content(path)


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601])
def test_secret_that_anybody_else_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    write_secret(path, SECRET)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o400)
    assert read_secret(path) == SECRET
    path.chmod(mode)
    with pytest.raises(InputError, match=f"expected mode 0600, got {mode:04o}"):
        read_secret(path)


def test_secret_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_secret(tmp_path / "key", SECRET)
    us = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: us + 1)
    with pytest.raises(InputError, match="a plain file of the user who runs this"):
        read_secret(tmp_path / "key")


def test_secret_is_on_disk_when_it_is_written_and_none_is_left_by_a_disk_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forced: Forced
) -> None:
    write_secret(tmp_path / "key", SECRET)
    assert [kind for kind, _ in forced] == ["file"]

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="expected a file that can be written"):
        write_secret(tmp_path / "other", SECRET)
    assert os.listdir(tmp_path) == ["key"]


@pytest.mark.parametrize("tail", ["\n", "\n\n", " \n"])
def test_secret_may_end_with_its_line_and_with_nothing_more(tmp_path: Path, tail: str) -> None:
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_text(SECRET.hex() + tail)
    assert read_secret(path) == SECRET
    path.write_text(SECRET.hex() + tail + "0")
    with pytest.raises(InputError, match="expected 64 hexadecimal digits"):
        read_secret(path)


def test_beats_are_told_apart_by_a_nanosecond_and_by_the_file_itself(tmp_path: Path) -> None:
    file = tmp_path / "beat"
    heart = Heartbeat(file)
    heart.beat(5_000_000_000)
    pulse = Pulse(file, 1_000)
    assert pulse.silence_ms(1_200) == 200
    heart.beat(5_000_000_001)
    assert pulse.silence_ms(1_300) == 0
    (tmp_path / "new").touch()
    (tmp_path / "new").replace(file)
    Heartbeat(file).beat(5_000_000_001)
    assert pulse.silence_ms(1_500) == 0
    assert pulse.silence_ms(1_600) == 100


def test_file_that_is_read_by_others_has_not_beaten(tmp_path: Path) -> None:
    file = tmp_path / "beat"
    Heartbeat(file).beat(5_000_000_000)
    pulse = Pulse(file, 0)
    os.utime(file, ns=(9_000_000_000, 5_000_000_000))
    assert pulse.silence_ms(700) == 700
