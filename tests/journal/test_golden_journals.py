# SPDX-License-Identifier: Apache-2.0
"""Journals that earlier versions wrote stay readable and verifiable for ever.

Each is a short run of the engine in `tests/engine/room.py` through a storm, sealed; the files are
never written again. `format-1` is of the version before gates journalled what their checks found,
`format-1-checked` of the first that did; `format-2` is of the first whose checksums cover a frame's
kind.
"""

import json
from pathlib import Path

import pytest

from tests.audit.made_logs import chained
from tidegate.audit import verify
from tidegate.journal import read_frames

FOLDER = Path(__file__).parent / "golden"
GOLDEN = {
    "format-1": (93, "b16656c1d37c5a64d8dc7ca71f948c92d01a8c4abc6577d8ae8bf425e83b6c25"),
    "format-1-checked": (95, "70d6a487af20217b2d5e852f780db921e3d5e9ca685a5319445063dfc5cca637"),
    "format-2": (43, "89500d69accf0a8933f92f912bef46a331be3d892a9507331873b412f7bcde88"),
}
LIMITS = "limits held at every decision"


def test_every_golden_journal_is_small_and_listed_with_its_head() -> None:
    files = {path.stem: path.stat().st_size for path in FOLDER.iterdir()}
    assert files.keys() == GOLDEN.keys()
    assert max(files.values()) < 50_000


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_journal_is_read_to_its_head_and_passes_every_check(name: str) -> None:
    path, (size, head) = FOLDER / f"{name}.journal", GOLDEN[name]
    frames = list(read_frames(path))
    assert (len(frames), frames[-1].digest.hex()) == (size, head)
    assert [check for check in verify(str(path), head) if not check.passed] == []


def test_limits_are_demanded_of_the_golden_journal_that_pins_checks_and_of_it_alone() -> None:
    told = {}
    for name in GOLDEN:
        checks = verify(str(FOLDER / f"{name}.journal"))
        told[name] = next(check.detail for check in checks if check.name == LIMITS)
    assert told["format-1"] == "none pinned"
    assert "tidegate replay" in told["format-1-checked"]


def spoiled(kind: str, old: str, new: str) -> dict[str, str]:
    """The first frame of a kind changed, all chained anew: the failures of the verifier."""
    entries = [
        (f.kind, f.payload.decode()) for f in read_frames(FOLDER / "format-1-checked.journal")
    ]
    place = next(n for n, (k, text) in enumerate(entries) if k == kind and old in text)
    entries[place] = kind, entries[place][1].replace(old, new, 1)
    content = b"".join(chained([(kind, json.loads(text)) for kind, text in entries[:-1]]))
    return {check.name: check.detail for check in verify(content) if not check.passed}


def test_golden_journal_chained_anew_without_a_change_still_passes() -> None:
    assert spoiled("decision", "review", "review") == {}


SURVIVES = '["accounts_survive",true,[]]'


@pytest.mark.parametrize(
    ("kind", "old", "new", "check"),
    [
        ("checked", SURVIVES, SURVIVES.replace("[]", '[["a","b",1,0]]'), LIMITS),
        ("checked", SURVIVES + ",", "", LIMITS),
        ("approved", '"decision":3', '"decision":2', LIMITS),
        ("approved", '"lots":3', '"lots":2', "orders accounted for"),
        ("events", '"fee_quanta":1000000}', '"fee_quanta":0}', "transfers accounted for"),
    ],
)
def test_golden_journal_with_its_meaning_changed_and_chained_anew_fails_that_check(
    kind: str, old: str, new: str, check: str
) -> None:
    """An action that is not of its approval's content any more fails the approvals as well."""
    assert set(spoiled(kind, old, new)) - {"approvals precede actions"} == {check}
