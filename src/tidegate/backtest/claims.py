# SPDX-License-Identifier: Apache-2.0
"""What a folder of results claims, held against what its journals say.

The verifier shows that a journal is whole; here every figure of results.json that the journal's
header, events and result frame determine is computed from them again and compared. Averages over
time (leverage, collateral, drawdown, health, turnover) need prices that journals do not hold: a
rerun of the same request gives them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tidegate.audit.verifier import Check
from tidegate.audit.verifier import verify as verify_journal
from tidegate.journal.reader import read_frames
from tidegate.model.errors import InputError
from tidegate.model.times import format_time

RESULTS = "results.json"
JOURNALS = "journals"
TOLERANCE_USD = 1e-6


def folder_checks(folder: Path) -> list[tuple[str, Check]]:
    """Every check of a folder of results, or of one journal, with the file it is about."""
    if folder.is_file():
        return [(folder.name, check) for check in verify_journal(str(folder))]
    paths = sorted((folder / JOURNALS).glob("*.journal"))
    if not paths:
        raise InputError(str(folder), JOURNALS, "expected a folder that backtest wrote, or a file")
    checks = [(path.name, check) for path in paths for check in _journal_checks(path)]
    return checks + [(RESULTS, check) for check in _results_checks(folder, paths)]


def _journal_checks(path: Path) -> list[Check]:
    try:
        return verify_journal(str(path))
    except OSError as error:
        return [Check("structure", False, f"expected a readable file: {error.strerror}")]


def _results_checks(folder: Path, paths: Sequence[Path]) -> list[Check]:
    try:
        document = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        policies = dict(document["policies"])
    except (OSError, ValueError, KeyError, TypeError):
        return [Check("results", False, f"expected a readable {RESULTS} with policies")]
    found = {path.name.removesuffix(".journal"): path for path in paths}
    named = {name.replace(" ", "-"): name for name in policies}
    checks = []
    for name in sorted(named.keys() | found.keys()):
        if name not in found or name not in named:
            where = "no journal" if name not in found else "not among the results"
            checks.append(Check(f"journal of {name}", False, where))
            continue
        checks += _policy_checks(document, named[name], found[name])
    return checks


def _policy_checks(document: Mapping[str, object], name: str, path: Path) -> list[Check]:
    """The head that is claimed, and every figure that the journal determines."""
    claimed = document["policies"][name]  # type: ignore[index]
    head = claimed.get("journal_head") if isinstance(claimed, dict) else None
    label = f"journal of {name.replace(' ', '-')}"
    whole = isinstance(head, str) and all(
        check.passed for check in (_journal_checks_at(path, head))
    )
    if not whole:
        return [Check(label, False, "its head is not the one claimed")]
    wrong = _differences(document, claimed, name, path)
    detail = f"claims of {name}"
    shown = "; ".join(wrong)[:240] if wrong else "as in the journal"
    return [Check(label, True, f"head {head}"), Check(detail, not wrong, shown)]


def _journal_checks_at(path: Path, head: str) -> list[Check]:
    try:
        return verify_journal(str(path), head)
    except OSError:
        return [Check("structure", False, "unreadable")]


def _differences(
    document: Mapping[str, object], claimed: Mapping[str, object], name: str, path: Path
) -> list[str]:
    """Fields whose claim is not what the journal says."""
    said, figures = _told(path)
    expected = {key: (document.get(key), value) for key, value in said.items()}
    expected |= {key: (claimed.get(key), value) for key, value in figures.items()}
    expected["policy"] = (name, said["policy"])
    del expected["mandate"]
    expected["mandate_version"] = (document.get("mandate_version"), said["mandate"])
    return [
        f"{key} is {claim!r}, the journal says {value!r}"
        for key, (claim, value) in sorted(expected.items())
        if not _same(claim, value)
    ]


def _same(claim: object, value: object) -> bool:
    if isinstance(value, float) and isinstance(claim, int | float):
        return abs(claim - value) <= TOLERANCE_USD
    if isinstance(value, dict) and isinstance(claim, dict):
        keys = claim.keys() | value.keys()
        return all(_same(claim.get(key, 0.0), value.get(key, 0.0)) for key in keys)
    return claim == value


def _told(path: Path) -> tuple[dict[str, object], dict[str, object]]:
    """What a journal's header says of the study, and what its frames say of the run."""
    counts: Counter[str] = Counter()
    header: dict[str, object] = {}
    result: dict[str, object] = {}
    for frame in read_frames(path):
        if frame.kind == "header":
            header = frame.value()
        elif frame.kind == "result":
            result = frame.value()
        elif frame.kind == "events":
            counts.update(event["type"] for event in frame.value()["events"])  # type: ignore[attr-defined]
    return _study(header), _run(result, counts)


def _study(header: Mapping[str, object]) -> dict[str, object]:
    freezes = [
        {"venue": venue, "from": format_time(start), "to": format_time(end)}
        for venue, start, end in header["freezes"]  # type: ignore[attr-defined]
    ]
    return {
        "policy": header["policy"],
        "mandate": header["mandate"],
        "seed": header["seed"],
        "data_sha256": header["data"],
        "from": format_time(int(str(header["start_ms"]))),
        "to": format_time(int(str(header["end_ms"]))),
        "freezes": freezes,
    }


def _run(result: Mapping[str, object], counts: Counter[str]) -> dict[str, object]:
    start = int(str(result["equity_start_micro"]))
    end = int(str(result["equity_end_micro"]))
    waterfall: dict[str, int] = dict(result["waterfall"])  # type: ignore[call-overload]
    funding = sum(v for cause, v in waterfall.items() if cause.startswith("funding:"))
    return {
        "return_on_capital": end / start - 1,
        "waterfall_usd": {cause: value / 1e6 for cause, value in waterfall.items()},
        "fees_usd": -waterfall.get("fees", 0) / 1e6,
        "funding_usd": funding / 1e6,
        "liquidations": counts["LiquidationStarted"],
        "transfers": counts["TransferSent"],
        "decisions": result["decisions"],
        "solves": result["solves"],
        "refusals": result["refusals"],
    }
