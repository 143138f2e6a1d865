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

import msgspec

from tidegate.audit.verifier import Check
from tidegate.audit.verifier import verify as verify_journal
from tidegate.journal.reader import read_frames
from tidegate.model.errors import InputError
from tidegate.model.times import format_time
from tidegate.model.units import MICRO

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
    policies = document["policies"]
    claimed = policies[name] if isinstance(policies, dict) else None
    if not isinstance(claimed, dict):
        return [Check(f"journal of {name}", False, "expected a table of measures")]
    head = claimed.get("journal_head")
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
    asked = {**document, "policy": name}
    expected = {key: (asked.get(key), value) for key, value in said.items()}
    expected |= {key: (claimed.get(key), value) for key, value in figures.items()}
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


class _Header(msgspec.Struct, frozen=True):
    policy: str
    mandate: str
    seed: int
    data: str
    start_ms: int
    end_ms: int
    freezes: list[tuple[str, int, int]]


class _Typed(msgspec.Struct, frozen=True):
    type: str


class _Events(msgspec.Struct, frozen=True):
    events: list[_Typed]


class _Result(msgspec.Struct, frozen=True):
    equity_start_micro: int
    equity_end_micro: int
    waterfall: dict[str, int]
    decisions: int
    solves: int
    refusals: int


def _told(path: Path) -> tuple[dict[str, object], dict[str, object]]:
    """What a journal's header says of the study, and what its frames say of the run."""
    counts: Counter[str] = Counter()
    study: dict[str, object] = {}
    run: dict[str, object] = {}
    for frame in read_frames(path):
        if frame.kind == "header":
            study = _study(msgspec.json.decode(frame.payload, type=_Header))
        elif frame.kind == "events":
            happened = msgspec.json.decode(frame.payload, type=_Events).events
            counts.update(event.type for event in happened)
        elif frame.kind == "result":
            run = _run(msgspec.json.decode(frame.payload, type=_Result), counts)
    return study, run


def _study(header: _Header) -> dict[str, object]:
    return {
        "policy": header.policy,
        "mandate_version": header.mandate,
        "seed": header.seed,
        "data_sha256": header.data,
        "from": format_time(header.start_ms),
        "to": format_time(header.end_ms),
        "freezes": [
            {"venue": venue, "from": format_time(start), "to": format_time(end)}
            for venue, start, end in header.freezes
        ],
    }


def _run(result: _Result, counts: Counter[str]) -> dict[str, object]:
    waterfall = result.waterfall
    funding = sum(v for cause, v in waterfall.items() if cause.startswith("funding:"))
    return {
        "return_on_capital": result.equity_end_micro / result.equity_start_micro - 1,
        "waterfall_usd": {cause: value / MICRO for cause, value in waterfall.items()},
        "fees_usd": -waterfall.get("fees", 0) / MICRO,
        "funding_usd": funding / MICRO,
        "liquidations": counts["LiquidationStarted"],
        "transfers": counts["TransferSent"],
        "decisions": result.decisions,
        "solves": result.solves,
        "refusals": result.refusals,
    }
