# SPDX-License-Identifier: Apache-2.0
"""What a folder of results claims, held against what its journals say.

The verifier shows that a journal is whole; here every figure that the journal's header, events and
result frame determine is computed from them again and compared. The others (`NOT_RECOMPUTED`) need
prices that journals do not hold: the manifest fixes them, and a rerun of the same request, which
must give the same journal heads, gives them again.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from tidegate.audit.verifier import Check
from tidegate.audit.verifier import verify as verify_journal
from tidegate.backtest.manifest import MANIFEST, manifest_check
from tidegate.backtest.measures import (
    FUNDING,
    carry_kept_micro,
    death_ms,
    policy_of,
    return_annual,
)
from tidegate.backtest.provenance import Provenance
from tidegate.journal.reader import read_frames
from tidegate.model.errors import InputError, InvariantError
from tidegate.model.events import Event, LiquidationStarted, TransferSent
from tidegate.model.times import format_time, parse_time_ms
from tidegate.model.units import usd

RESULTS, SUMMARY = "results.json", "summary.json"
JOURNALS = "journals"
# Beyond the rounding of a power, which differs between machines.
TOLERANCE = 1e-12
NOT_RECOMPUTED = (
    "near_liquidations, avg_leverage, avg_collateral_usd, max_drawdown, worst_health_ratio and "
    "turnover of each policy; name of the mandate; outages; the report, the picture and, of a "
    "demo, crisis_from, crisis_venue, frontier, nearest_death, struck_usd and what scores say "
    "beyond their run"
)


def folder_checks(folder: Path) -> list[tuple[str, Check]]:
    """Every check of a folder of results, or of one journal, with the file it is about."""
    if folder.is_file():
        return [(folder.name, check) for check in verify_journal(str(folder))]
    paths = sorted((folder / JOURNALS).glob("*.journal"))
    if not paths:
        raise InputError(str(folder), JOURNALS, "expected a folder that backtest wrote, or a file")
    checks = [(path.name, check) for path in paths for check in _journal_checks(path)]
    checks += [(RESULTS, check) for check in _results_checks(folder, paths)]
    if (folder / SUMMARY).exists():
        checks += [(SUMMARY, check) for check in _summary_checks(folder, paths)]
    checks.append((MANIFEST, manifest_check(folder)))
    return checks


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
    wrong = _readable(partial(_differences, document, claimed, name, path))
    return [Check(label, True, f"head {head}"), _claims(f"claims of {name}", wrong)]


def _claims(name: str, wrong: Sequence[str]) -> Check:
    return Check(name, not wrong, "; ".join(wrong)[:240] if wrong else "as in the journal")


def _readable(ask: Callable[[], list[str]]) -> list[str]:
    """An answer, or why there is none: whole journals and documents may still say nonsense."""
    try:
        return ask()
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        return [f"unreadable: {error!r}"]
    except (msgspec.MsgspecError, InputError, InvariantError) as error:
        return [f"unreadable: {error}"]


def _summary_checks(folder: Path, paths: Sequence[Path]) -> list[Check]:
    """What a demo's summary repeats of the results, and its scores as far as events determine
    them."""
    try:
        summary = dict(json.loads((folder / SUMMARY).read_text(encoding="utf-8")))
        results = dict(json.loads((folder / RESULTS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return [Check("summary", False, f"expected a readable {SUMMARY} beside {RESULTS}")]
    wrong = [
        f"{key} is not that of {RESULTS}" for key in results if summary.get(key) != results[key]
    ]
    checks = [Check("summary", not wrong, "; ".join(wrong)[:240] or f"repeats {RESULTS}")]
    found = {path.name.removesuffix(".journal"): path for path in paths}
    for name in sorted(results.get("policies", ())):
        path = found.get(name.replace(" ", "-"))
        if path is not None:
            wrong = _readable(partial(_score_differences, summary, name, path))
            checks.append(_claims(f"scores of {name}", wrong))
    return checks


def _score_differences(summary: Mapping[str, Any], name: str, path: Path) -> list[str]:
    from tidegate.backtest.trial.score import kept

    header, events, result = _opened(path)
    since = summary["crisis_from"]
    crisis = header.end_ms if since is None else parse_time_ms(since, SUMMARY, "crisis_from")
    equity = (result.equity_start_micro, result.equity_end_micro)
    policy, leverage = policy_of(header.policy)
    origin = {"world": header.world, "crisis": header.crisis, "seed": header.seed}
    run = {"policy": policy, "leverage": leverage}
    said = msgspec.to_builtins(kept(events, (header.start_ms, crisis), equity))
    wrong = _unlike(summary, {**origin, "world_parameters": header.world_parameters})
    return wrong + _unlike(summary["scores"][name], {**origin, **run, **said})


def _unlike(claimed: Mapping[str, object], said: Mapping[str, object]) -> list[str]:
    return [
        f"{key} is {claimed.get(key)!r}, the journal says {value!r}"
        for key, value in sorted(said.items())
        if not _same(claimed.get(key), value)
    ]


def _journal_checks_at(path: Path, head: str) -> list[Check]:
    try:
        return verify_journal(str(path), head)
    except OSError:
        return [Check("structure", False, "unreadable")]


def _differences(
    document: Mapping[str, object], claimed: Mapping[str, object], name: str, path: Path
) -> list[str]:
    """Fields whose claim is not what the journal says."""
    header, events, result = _opened(path)
    stated = msgspec.convert(document.get("provenance"), tuple[Provenance, ...])
    asked = {**document, "policy": name, "provenance": sha256(repr(stated).encode()).hexdigest()}
    return _unlike(asked, _study(header)) + _unlike(claimed, _run(header, events, result))


def _same(claim: object, value: object) -> bool:
    if isinstance(claim, bool) or isinstance(value, bool):
        return claim is value
    if isinstance(value, float) and isinstance(claim, int | float):
        return math.isclose(claim, value, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(value, dict) and isinstance(claim, dict):
        keys = claim.keys() | value.keys()
        return all(_same(claim.get(key), value.get(key)) for key in keys)
    return claim == value


class _Header(msgspec.Struct, frozen=True):
    policy: str
    mandate: str
    seed: int
    data: str
    provenance: str
    start_ms: int
    end_ms: int
    freezes: list[tuple[str, int, int]]
    world: str | None = None
    world_parameters: str | None = None
    crisis: str | None = None


class _Events(msgspec.Struct, frozen=True):
    events: list[Event]


_EVENTS = msgspec.json.Decoder(_Events)


class _Result(msgspec.Struct, frozen=True):
    equity_start_micro: int
    equity_end_micro: int
    waterfall: dict[str, int]
    decisions: int
    solves: int
    refusals: int


def _opened(path: Path) -> tuple[_Header, list[Event], _Result]:
    """What a journal's header, events and result say."""
    header, result, events = None, None, list[Event]()
    for frame in read_frames(path):
        if frame.kind == "header":
            header = msgspec.json.decode(frame.payload, type=_Header)
        elif frame.kind == "events":
            events += _EVENTS.decode(frame.payload).events
        elif frame.kind == "result":
            result = msgspec.json.decode(frame.payload, type=_Result)
    if header is None or result is None:
        raise InputError(str(path), "result", "expected a journal of a finished run")
    return header, events, result


def _study(header: _Header) -> dict[str, object]:
    return {
        "policy": header.policy,
        "mandate_version": header.mandate,
        "seed": header.seed,
        "data_sha256": header.data,
        "provenance": header.provenance,
        "from": format_time(header.start_ms),
        "to": format_time(header.end_ms),
        "freezes": [
            {"venue": venue, "from": format_time(start), "to": format_time(end)}
            for venue, start, end in header.freezes
        ],
    }


def _run(header: _Header, events: Sequence[Event], result: _Result) -> dict[str, object]:
    waterfall, counts = result.waterfall, Counter(type(event) for event in events)
    funding = sum(v for cause, v in waterfall.items() if cause.startswith(FUNDING))
    growth = result.equity_end_micro / result.equity_start_micro
    policy, leverage = policy_of(header.policy)
    carry = carry_kept_micro(waterfall)
    return {
        "policy": policy,
        "leverage": leverage,
        "return_on_capital": growth - 1,
        "return_annual": return_annual(growth, header.end_ms - header.start_ms),
        "carry_kept_usd": usd(carry),
        "carry_kept": carry / result.equity_start_micro,
        "waterfall_usd": {cause: usd(value) for cause, value in waterfall.items()},
        "fees_usd": usd(-waterfall.get("fees", 0)),
        "funding_usd": usd(funding),
        "liquidations": counts[LiquidationStarted],
        "transfers": counts[TransferSent],
        "death_ms": death_ms(events),
        "decisions": result.decisions,
        "solves": result.solves,
        "refusals": result.refusals,
    }
