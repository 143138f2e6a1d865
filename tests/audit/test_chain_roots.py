# SPDX-License-Identifier: Apache-2.0
"""A journal held against the roots that a contract has: each forgery is found by its check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from Crypto.Hash import keccak

from tidegate.audit.chain_roots import CHAIN, ROOTS, chain_checks, read_roots
from tidegate.journal import Journal
from tidegate.model.errors import InputError


def _heads(roots: list[bytes]) -> list[dict[str, Any]]:
    """As `AuditAnchor.vy`: keccak256(abi_encode(head, root, count))."""
    head, rows = bytes(32), []
    for count, root in enumerate(roots, start=1):
        content = head + root + count.to_bytes(32, "big")
        head = keccak.new(digest_bits=256, data=content).digest()
        rows.append({"count": count, "root": "0x" + root.hex(), "head": "0x" + head.hex()})
    return rows


def _written(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "roots.json"
    path.write_text(json.dumps({"publisher": "0xvault", "roots": rows}), encoding="utf-8")
    return path


@pytest.fixture
def journal(tmp_path: Path) -> tuple[Path, list[bytes]]:
    """A sealed journal of six frames, and its root after each."""
    made, roots = Journal.create(tmp_path / "a.journal", {}, durable=False), []
    for number in range(5):
        made.append("note", {"number": number})
        roots.append(made.root)
    made.seal()
    return tmp_path / "a.journal", [*roots, made.root]


def verdicts(journal: Path, path: Path) -> dict[str, bool]:
    return {check.name: check.passed for check in chain_checks(journal, read_roots(path))}


def test_roots_of_beginnings_in_their_order_hold(
    journal: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    path, roots = journal
    checks = chain_checks(path, read_roots(_written(tmp_path, _heads([roots[1], roots[5]]))))
    assert [check.passed for check in checks] == [True, True]
    assert checks[1].detail == "of its first 3, 7 frames"


def test_root_of_another_journal_or_out_of_order_is_found(
    journal: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    path, roots = journal
    for wrong in ([roots[1], bytes(31) + b"\x07"], [roots[3], roots[1]], [roots[1], roots[1]]):
        found = verdicts(path, _written(tmp_path, _heads(wrong)))
        assert found == {CHAIN: True, ROOTS: False}


def test_chain_that_was_cut_changed_or_is_empty_is_found(
    journal: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    path, roots = journal
    rows = _heads(roots[:3])
    changed = [rows[0], {**rows[1], "root": "0x" + roots[2].hex()}, rows[2]]
    for wrong in (rows[1:], changed, [rows[0], rows[2]]):
        assert not verdicts(path, _written(tmp_path, wrong))[CHAIN]
    assert not verdicts(path, _written(tmp_path, []))[CHAIN]


@pytest.mark.parametrize("text", ["", "[]", '{"publisher": "0x", "roots": [{"count": 1}]}'])
def test_file_that_is_no_chain_of_roots_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "roots.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"roots: expected a chain of roots"):
        read_roots(path)
    with pytest.raises(InputError, match=r"expected a readable file"):
        read_roots(tmp_path / "none.json")


def test_root_that_is_no_hash_is_refused(journal: tuple[Path, list[bytes]], tmp_path: Path) -> None:
    rows = [{"count": 1, "root": "0x12", "head": "0x34"}]
    with pytest.raises(InputError, match=r"root 1: expected 32 bytes"):
        verdicts(journal[0], _written(tmp_path, rows))
