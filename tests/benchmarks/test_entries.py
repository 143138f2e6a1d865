# SPDX-License-Identifier: Apache-2.0
"""Every row says what it does less or more; every peer is measured, pinned, or listed as absent."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from benchmarks.side_by_side import greeks, implied_vols, scenarios, single_quotes, surfaces
from benchmarks.side_by_side.entries import OURS, PEERS, Entry, Peer, Topic, absences

REPOSITORY = Path(__file__).resolve().parents[2]
TOPICS = (
    implied_vols.TOPIC,
    single_quotes.TOPIC,
    greeks.TOPIC,
    surfaces.TOPIC,
    *scenarios.TOPICS,
)
ROWS = [(topic, entry) for topic in TOPICS for entry in topic.entries]
LIBRARIES = {"iv-engine", "pyvolr", "lbriv", "fast-vollib", "QuantLib", "vollib"}
MUST_MEET = {
    "implied-vol": LIBRARIES,
    "greeks": LIBRARIES,
    "surface": {"QuantLib", "scipy"},
    "scenario-grid": {"QuantLib", "numpy"},
    "scenario-paths": {"QuantLib", "numpy"},
}
SAYS = re.compile(r"(Less|More|All 8 outputs|The same|As (with|before)|From)\b.{8,}")


def row_name(value: object) -> str:
    name = value.key if isinstance(value, Topic) else getattr(value, "name", "")
    return str(name).replace(" ", "_")


@pytest.mark.parametrize(("topic", "entry"), ROWS, ids=row_name)
def test_row_says_what_it_does_less_or_more(topic: Topic, entry: Entry) -> None:
    assert SAYS.match(entry.differs), f"{topic.key}: {entry.name}: {entry.differs!r}"
    assert entry.differs.endswith(".")


def test_row_that_says_nothing_is_found() -> None:
    assert not SAYS.match("")
    assert not SAYS.match("A fast library.")


@pytest.mark.parametrize("key", MUST_MEET)
def test_topic_meets_the_peers_that_it_must(key: str) -> None:
    topic = next(topic for topic in TOPICS if topic.key == key)
    assert MUST_MEET[key] <= {peer for entry in topic.entries for peer in entry.peers}


@pytest.mark.parametrize("topic", TOPICS, ids=row_name)
def test_topic_begins_with_ours_and_its_names_differ(topic: Topic) -> None:
    assert topic.entries[0].ours
    assert len({entry.name for entry in topic.entries}) == len(topic.entries)


@pytest.mark.parametrize(("topic", "entry"), ROWS, ids=row_name)
def test_row_needs_only_ours_or_listed_peers(topic: Topic, entry: Entry) -> None:
    assert entry.ours or set(entry.peers) <= {peer.distribution for peer in PEERS}


def test_peer_that_cannot_be_imported_is_absent_with_its_reason() -> None:
    gone = Peer("gone", "no_such_module_at_all", "MIT")
    found = absences((gone, Peer("numpy", "numpy", "BSD-3-Clause")))
    assert set(found) == {"gone"}
    assert "no_such_module_at_all" in found["gone"]


def test_peer_whose_import_raises_anything_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "built_for_another.py").write_text("raise OSError('undefined symbol: PyErr_x')")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = absences((Peer("other", "built_for_another", "MIT"),))
    assert found == {"other": "OSError: undefined symbol: PyErr_x"}


def test_entry_whose_peer_is_absent_says_which_and_why() -> None:
    entry = Entry("x", ("a", "b"), "Less.", lambda given: given)
    assert entry.missing({}) == ""
    assert entry.missing({"b": "ImportError: no"}) == "b: ImportError: no"
    assert not entry.ours
    assert Entry("y", (OURS,), "All.", lambda given: given).ours


def project() -> dict[str, list[str]]:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    given = tomllib.loads(text)["project"]
    return {"run": given["dependencies"], **given["optional-dependencies"]}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=]", requirement)[0] for requirement in requirements}


def test_peers_are_in_the_bench_extra_or_among_what_the_package_needs() -> None:
    given = project()
    assert {peer.distribution for peer in PEERS} <= names(given["bench"]) | names(given["run"])


def test_no_peer_is_needed_to_run_or_to_develop() -> None:
    given = project()
    needed = names(given["run"]) | names(given["dev"])
    assert names(given["bench"]) & needed == {"mpmath"}


def test_every_peer_carries_its_licence_and_reason_in_the_project() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    for requirement in project()["bench"]:
        assert re.search(rf'"{re.escape(requirement)}", +# [\w.-]+: \w', text), requirement


def pins(name: str) -> dict[str, str]:
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\\n    --hash=sha256:[0-9a-f]{64}", text, re.M))


def test_lock_of_the_peers_pins_each_by_hash_and_names_no_address() -> None:
    text = (REPOSITORY / "requirements-bench.lock").read_text(encoding="utf-8")
    pinned = pins("requirements-bench.lock")
    assert {name.lower() for name in names(project()["bench"])} <= set(pinned)
    assert len(pinned) == len(re.findall(r"^[a-z0-9-]+==", text, re.M))
    assert "://" not in text


def test_lock_of_the_peers_changes_no_version_of_the_other_lock() -> None:
    ours, peers = pins("requirements.lock"), pins("requirements-bench.lock")
    assert {name for name in ours if name in peers and ours[name] != peers[name]} == set()
