# SPDX-License-Identifier: Apache-2.0
"""The digest of a run's data changes with any byte and any name, and with nothing else."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.history.digest import digest_files
from tidegate.model.errors import InputError

FILES = st.dictionaries(st.sampled_from(["a", "b", "c/d", "c/e"]), st.binary(max_size=40))


def digest_of(files: dict[str, bytes], names: list[str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        return digest_files(Path(folder), names)


@given(files=FILES, other=FILES)
@settings(max_examples=60)
def test_digests_are_equal_exactly_when_names_and_bytes_are(
    files: dict[str, bytes], other: dict[str, bytes]
) -> None:
    """Where the folder stands and in which order files are named does not matter."""
    first = digest_of(files, list(files))
    assert first == digest_of(files, list(reversed(files)))
    assert (first == digest_of(other, list(other))) == (files == other)


@pytest.mark.parametrize("name", ["/etc/hostname", "../outside", "absent", "."])
def test_a_name_outside_the_folder_or_of_no_file_is_refused(tmp_path: Path, name: str) -> None:
    """What was not read cannot be pinned."""
    with pytest.raises(InputError) as refusal:
        digest_files(tmp_path, [name])
    assert refusal.value.where == name
