# SPDX-License-Identifier: Apache-2.0
"""Keys come from where they are kept, and are said nowhere."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from tidegate.model.errors import InputError
from tidegate.venues.exchanges.credentials import Credentials, read_credentials

CANARY = "canary-5b1c9e"
TEXT = f'{{"apiKey": "{CANARY}", "secret": "{CANARY}"}}'
FIELD = "venue.x.credentials"


def file_of(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "key.json"
    path.write_text(text)
    path.chmod(mode)
    return "file:key.json"


def test_key_in_a_file_of_ours_is_read(tmp_path: Path) -> None:
    found = read_credentials(file_of(tmp_path, TEXT), FIELD, tmp_path)
    assert dict(found) == {"apiKey": CANARY, "secret": CANARY}


def test_key_in_the_environment_is_read_and_taken_out_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIDEGATE_TEST_KEY", TEXT)
    assert read_credentials("env:TIDEGATE_TEST_KEY", FIELD)["secret"] == CANARY
    assert "TIDEGATE_TEST_KEY" not in os.environ


def test_key_is_read_from_an_open_descriptor() -> None:
    out, into = os.pipe()
    os.write(into, TEXT.encode())
    os.close(into)
    assert read_credentials(f"fd:{out}", FIELD)["apiKey"] == CANARY


def test_key_shows_its_fields_names_alone_and_is_not_copied_out() -> None:
    key = Credentials({"apiKey": CANARY, "secret": CANARY})
    assert CANARY not in f"{key} {key!r} {[key]} {vars(type(key))}"
    with pytest.raises(TypeError):
        pickle.dumps(key)


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (TEXT, 0o644, "mode 0600"),
        (CANARY, 0o600, "one JSON object"),
        (f'["{CANARY}"]', 0o600, "one JSON object"),
        (f'{{"{CANARY}": "x"}}', 0o600, "expected fields"),
        (f'{{"apiKey": {{"x": "{CANARY}"}}}}', 0o600, "one JSON object"),
        ("{}", 0o600, "expected fields"),
        ("\udcff", 0o600, "one JSON object"),
    ],
)
def test_what_is_no_key_is_refused_and_not_quoted(
    tmp_path: Path, text: str, mode: int, words: str
) -> None:
    path = tmp_path / "key.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    path.chmod(mode)
    with pytest.raises(InputError, match=words) as caught:
        read_credentials("file:key.json", FIELD, tmp_path)
    assert CANARY not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__!r}"


@pytest.mark.parametrize(
    "reference",
    ["", "file", "file:", "file:absent", CANARY, "env:", "env:TIDEGATE_NONE", "fd:x", "fd:999"],
)
def test_reference_that_leads_nowhere_is_refused(reference: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_credentials(reference, FIELD, tmp_path)


def test_key_behind_a_link_is_not_followed(tmp_path: Path) -> None:
    file_of(tmp_path, TEXT)
    (tmp_path / "link.json").symlink_to(tmp_path / "key.json")
    with pytest.raises(InputError):
        read_credentials("file:link.json", FIELD, tmp_path)
