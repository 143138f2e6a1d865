# SPDX-License-Identifier: Apache-2.0
"""Documents say what is true of the tree: targets, links, rooms and words."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from tests.house.test_imports import ROOMS
from tests.house.tidy import PURE_ROOMS

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
MAKE = re.compile(r"(?:`|^)make ([a-z]+)", re.MULTILINE)
FIRST_CELL = re.compile(r"^\| ([^|]+) \|", re.MULTILINE)


def dead_links(document: Path, text: str) -> list[str]:
    return [link for link in LINK.findall(text) if not (document.parent / link).exists()]


def targets(makefile: str) -> set[str]:
    return set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def words(text: str) -> list[str]:
    """The words that tables define, each synonym by itself."""
    cells = FIRST_CELL.findall(text)
    return [word.strip(" `") for cell in cells for word in cell.split(",") if cell != "word"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_of_a_document_lead_to_files_that_exist(document: Path) -> None:
    assert not dead_links(document, document.read_text(encoding="utf-8"))


def test_link_to_a_file_that_is_gone_is_found(tmp_path: Path) -> None:
    text = "[here](.) [gone](docs/gone.md) [out](https://example.org/x)"
    assert dead_links(tmp_path / "README.md", text) == ["docs/gone.md"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_that_a_document_names_exist(document: Path) -> None:
    known = targets((REPOSITORY / "Makefile").read_text(encoding="utf-8"))
    assert set(MAKE.findall(document.read_text(encoding="utf-8"))) <= known


def test_make_target_is_found_in_a_block_and_between_quotes() -> None:
    assert MAKE.findall("```sh\nmake demo   # x\n```\nand `make test`; to make sense") == [
        "demo",
        "test",
    ]


def test_table_of_rooms_names_every_room_in_order_and_whether_it_is_pure() -> None:
    text = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (yes|no) \|", text, re.MULTILINE)
    assert [room for room, _ in rows] == ROOMS
    assert {room for room, pure in rows if pure == "yes"} == PURE_ROOMS


def test_words_of_the_terminology_are_defined_once() -> None:
    text = (REPOSITORY / "docs" / "terminology.md").read_text(encoding="utf-8")
    counts = Counter(words(text))
    assert "health ratio" in counts
    assert [word for word, count in counts.items() if count > 1] == []


def test_readme_fits_on_one_screen() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60


def test_every_dependency_carries_its_licence_and_reason() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    for dependency in (*project["dependencies"], *project["optional-dependencies"]["dev"]):
        assert re.search(rf'"{re.escape(dependency)}", +# [\w.-]+: \w', text), dependency


def test_lock_pins_every_dependency_by_hash_and_names_no_address() -> None:
    text = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    pinned = re.findall(r"^([a-z0-9-]+)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", text, re.M)
    given = (*project["dependencies"], *project["optional-dependencies"]["dev"])
    assert {re.split(r"[<>=]", dependency)[0] for dependency in given} <= set(pinned)
    assert len(pinned) == len(re.findall(r"^[a-z0-9-]+==", text, re.M))
    assert "://" not in text
