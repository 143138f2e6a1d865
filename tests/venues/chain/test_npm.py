# SPDX-License-Identifier: Apache-2.0
"""Packages are pinned, checked and fetched once; what goes wrong is one line."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from tidegate.model.errors import InputError
from tidegate.venues.chain import npm
from tidegate.venues.chain.npm import Package, anvil_package, fetch

FAKE_NPM = """#!/bin/sh
echo "$@" >> "{calls}"
cp "{archive}" ./x-1.0.0.tgz
"""


def archive(path: Path, name: str) -> Path:
    with tarfile.open(path, "w:gz") as content:
        entry = tarfile.TarInfo(name)
        entry.size = 2
        content.addfile(entry, io.BytesIO(b"{}"))
    return path


def sha512(path: Path) -> str:
    return base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def put_npm(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An npm of the test's own, alone before the system's programmes."""
    folder.mkdir()
    (folder / "npm").write_text(text)
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_package_is_fetched_once_checked_and_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, calls = archive(tmp_path / "x.tgz", "package/package.json"), tmp_path / "calls"
    put_npm(tmp_path / "bin", FAKE_NPM.format(calls=calls, archive=packed), monkeypatch)
    package = Package("@x/y", "1.0.0", sha512(packed))
    for _ in range(2):
        place = fetch(package, tmp_path / "packages")
        assert (place / "package.json").read_text() == "{}"
    assert calls.read_text().splitlines() == ["pack --loglevel=error --ignore-scripts @x/y@1.0.0"]
    assert [path.name for path in (tmp_path / "packages").iterdir()] == ["@x__y@1.0.0"]


def test_package_with_another_content_than_pinned_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = archive(tmp_path / "x.tgz", "package/package.json")
    put_npm(tmp_path / "bin", FAKE_NPM.format(calls=tmp_path / "c", archive=packed), monkeypatch)
    with pytest.raises(InputError, match=r"^npm: @x/y@1\.0\.0: expected SHA-512 other, got"):
        fetch(Package("@x/y", "1.0.0", "other"), tmp_path / "packages")
    assert not list((tmp_path / "packages").iterdir())


def test_package_that_writes_outside_of_its_folder_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = archive(tmp_path / "x.tgz", "../../../outside.json")
    put_npm(tmp_path / "bin", FAKE_NPM.format(calls=tmp_path / "c", archive=packed), monkeypatch)
    with pytest.raises(tarfile.OutsideDestinationError):
        fetch(Package("@x/y", "1.0.0", sha512(packed)), tmp_path / "packages")
    assert not (tmp_path / "outside.json").exists()


def test_registry_that_does_not_give_it_is_one_line_with_npms_own_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n"
    put_npm(tmp_path / "bin", said, monkeypatch)
    with pytest.raises(InputError, match=r"^npm: @x/y@1: npm could not pack it \(ENOTFOUND\)$"):
        fetch(Package("@x/y", "1", ""), tmp_path / "packages")


def test_machine_without_npm_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert npm.main([str(tmp_path / "packages")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("found no npm; install Node.js 20 or newer with npm 10 or newer")


def test_each_platform_has_its_anvil_and_an_unknown_one_is_one_line() -> None:
    assert anvil_package("Linux", "x86_64").label == "@foundry-rs/anvil-linux-amd64@1.7.1"
    assert anvil_package("Darwin", "arm64").label == "@foundry-rs/anvil-darwin-arm64@1.7.1"
    with pytest.raises(InputError, match=r"anvil: platform: expected one of .*, got plan9-mips"):
        anvil_package("Plan9", "mips")
