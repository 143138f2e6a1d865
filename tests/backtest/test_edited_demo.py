# SPDX-License-Identifier: Apache-2.0
"""A demo's folder of which one published figure was edited: verify fails and names it."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.backtest.played_demo import short
from tidegate.backtest.claims import NOT_RECOMPUTED, folder_checks
from tidegate.backtest.demo import Words, run_demo
from tidegate.backtest.manifest import MANIFEST, write_manifest
from tidegate.backtest.measures import Measures
from tidegate.backtest.trial.score import Kept, Score
from tidegate.cli import main

LABEL = "fixed 5"
RESULTS, SUMMARY = "results.json", "summary.json"
MEASURES = Measures.__struct_fields__
AVERAGES = {
    "near_liquidations", "avg_leverage", "avg_collateral_usd", "max_drawdown",
    "worst_health_ratio", "turnover",
}  # fmt: skip
IN_RESULTS = (
    "mandate", "mandate_version", "from", "to", "freezes", "outages", "seed", "data_sha256",
    "provenance",
)  # fmt: skip
IN_SUMMARY = (
    "world", "world_parameters", "crisis", "crisis_from", "crisis_venue", "frontier",
    "nearest_death", "struck_usd",
)  # fmt: skip
SAID_BY_THE_RUN = {
    *Kept.__struct_fields__, "world", "seed", "crisis", "policy", "leverage"
}  # fmt: skip
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    with short(), contextlib.redirect_stdout(io.StringIO()):
        run_demo(Words("freeze", "6", "fixed=5,cash"), out, 1, as_json=True)
    return out


def failures(whole: Path, folder: Path, name: str, edit: Edit, rewrite: bool = False) -> list[str]:
    """What fails, as name and detail, after an edit of a document of a copy."""
    copy = folder / "copy"
    shutil.copytree(whole, copy)
    document = json.loads((copy / name).read_text())
    edit(document)
    (copy / name).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    if rewrite:
        write_manifest(copy)
    return [f"{c.name}: {c.detail}" for _, c in folder_checks(copy) if not c.passed]


def other(value: object) -> object:
    """Something of the same kind and not the same."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return "0" + value[:-1] if value else "0"
    if isinstance(value, list):
        return [*value, *value] or ["new"]
    if isinstance(value, dict):
        key = next(iter(value))
        return {**value, key: other(value[key])}
    return 1


def measure_edit(field: str) -> Edit:
    def edit(document: dict[str, Any]) -> None:
        own = document["policies"][LABEL]
        own[field] = other(own[field])

    return edit


def field_edit(field: str) -> Edit:
    def edit(document: dict[str, Any]) -> None:
        document[field] = other(document[field])

    return edit


def test_whole_folder_passes_every_check_and_says_what_was_not_recomputed(
    whole: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(check.passed for _, check in folder_checks(whole))
    monkeypatch.setattr(sys, "argv", ["tidegate", "verify", str(whole)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    *_, not_recomputed, not_proved = capsys.readouterr().out.splitlines()
    assert not_recomputed.endswith(NOT_RECOMPUTED)
    assert not_proved.startswith("not proved without an anchor")


@pytest.mark.parametrize("field", MEASURES)
def test_edited_measure_fails_and_is_named(whole: Path, tmp_path: Path, field: str) -> None:
    failed = failures(whole, tmp_path, RESULTS, measure_edit(field))
    assert any(f"policies.{LABEL}.{field}" in text for text in failed)


@pytest.mark.parametrize("field", [f for f in MEASURES if f not in AVERAGES])
def test_edited_measure_that_the_journal_determines_fails_under_a_new_manifest(
    whole: Path, tmp_path: Path, field: str
) -> None:
    failed = failures(whole, tmp_path, RESULTS, measure_edit(field), rewrite=True)
    of_run = [text for text in failed if text.startswith(("claims of", "journal of"))]
    assert any(field in text or field == "journal_head" for text in of_run)


@pytest.mark.parametrize("field", sorted(AVERAGES))
def test_measure_that_is_not_recomputed_is_named_as_such(field: str) -> None:
    assert field in NOT_RECOMPUTED


@pytest.mark.parametrize("field", IN_RESULTS)
def test_edited_field_of_the_results_fails_and_is_named(
    whole: Path, tmp_path: Path, field: str
) -> None:
    failed = failures(whole, tmp_path, RESULTS, field_edit(field))
    assert any(text.startswith("manifest") and field in text for text in failed)
    assert any(text.startswith("summary") and field in text for text in failed)
    if field not in ("mandate", "outages"):
        assert any(text.startswith(f"claims of {LABEL}: {field}") for text in failed)


@pytest.mark.parametrize("field", IN_SUMMARY)
def test_edited_field_of_the_summary_fails_and_is_named(
    whole: Path, tmp_path: Path, field: str
) -> None:
    failed = failures(whole, tmp_path, SUMMARY, field_edit(field))
    assert any(text.startswith("manifest") and f"{SUMMARY} {field}" in text for text in failed)


@pytest.mark.parametrize("field", Score.__struct_fields__)
def test_edited_score_fails_and_is_named(whole: Path, tmp_path: Path, field: str) -> None:
    def edit(document: dict[str, Any]) -> None:
        own = document["scores"][LABEL]
        own[field] = other(own[field])

    failed = failures(whole, tmp_path, SUMMARY, edit)
    assert any(f"scores.{LABEL}.{field}" in text for text in failed)
    said = any(text.startswith(f"scores of {LABEL}: {field}") for text in failed)
    assert said == (field in SAID_BY_THE_RUN)


def test_documents_hold_every_field_that_is_tried_here(whole: Path) -> None:
    results = json.loads((whole / RESULTS).read_text())
    summary = json.loads((whole / SUMMARY).read_text())
    assert set(results) == {*IN_RESULTS, "policies"}
    assert set(summary) == {*results, *IN_SUMMARY, "scores"}
    assert summary["policies"][LABEL]["death_ms"] is not None


@pytest.mark.parametrize("name", ["report.html", "demo.svg", SUMMARY])
def test_byte_added_to_a_file_fails_and_names_it(whole: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    (copy / name).write_bytes((copy / name).read_bytes() + b" ")
    failed = [check for _, check in folder_checks(copy) if not check.passed]
    assert [check.name for check in failed] == ["manifest"]
    assert name in failed[0].detail


@pytest.mark.parametrize("name", [MANIFEST, "report.html", SUMMARY])
def test_file_that_is_gone_fails(whole: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    (copy / name).unlink()
    failed = [check for _, check in folder_checks(copy) if not check.passed]
    assert any(name in check.detail for check in failed)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 1}', "\x00"])
def test_unreadable_manifest_or_document_fails_without_a_traceback(
    whole: Path, tmp_path: Path, text: str
) -> None:
    for name in (MANIFEST, SUMMARY, RESULTS):
        copy = tmp_path / name
        shutil.copytree(whole, copy)
        (copy / name).write_text(text)
        assert not all(check.passed for _, check in folder_checks(copy))


def test_manifest_is_json_with_its_format(whole: Path) -> None:
    stated = msgspec.json.decode((whole / MANIFEST).read_bytes())
    assert stated["format"] == "tidegate-manifest/1"
    assert "journals/fixed-5.journal" in stated["files"]
