# SPDX-License-Identifier: Apache-2.0
"""The measurements as JSON, and as tables in Markdown, which are those of docs/performance.md."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.side_by_side.aims import Aim
from benchmarks.side_by_side.comparing import Comparison, Row, Settings


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was measured, and with what."""

    machine: Mapping[str, Any]
    peers: list[dict[str, str]]
    settings: Settings
    targets: Mapping[str, str]
    topics: Mapping[str, Comparison]
    start: Mapping[str, Mapping[str, Any]]
    aims: list[Aim]


def to_json(report: Report) -> str:
    """The whole report; what is not a number is null."""
    content = {
        "machine": report.machine,
        "peers": report.peers,
        "settings": asdict(report.settings),
        "targets": report.targets,
        "topics": [comparison.as_json() for comparison in report.topics.values()],
        "start": report.start,
        "aims": [asdict(aim) for aim in report.aims],
    }
    return json.dumps(_without_nan(content), indent=2, ensure_ascii=False)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_text(report: Report) -> str:
    """The report as Markdown."""
    parts = [
        *_machine(report),
        *(line for comparison in report.topics.values() for line in _comparison(comparison)),
        *_start(report.start),
        *_aims(report.aims),
    ]
    return "\n".join(parts)


def table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Lines of a Markdown table."""
    names = list(heading)
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "/") for cell in row) + " |"


def _machine(report: Report) -> Iterator[str]:
    m = report.machine
    flags, family = " ".join(m["flags"]), "/".join(m["family_model"])
    yield "## Machine and versions"
    yield ""
    yield (
        f"{m['processor']} (family/model/stepping {family}), {m['cores']} cores, {m['cache']} "
        f"cache, {flags or 'no wide vectors'}; {m['system']} {m['architecture']}; one thread on "
        f"core {m['pinned_to_core']}; load average before {m['load_average'][0]:.1f}, after "
        f"{m['load_average_after'][0]:.1f}. Python {m['python']}, {_versions(m['versions'])}."
    )
    yield ""
    for name, target in report.targets.items():
        yield f"numba's target, {name}: {target}."
    yield f"Subnormal numbers after all imports: {'kept' if m['subnormals_kept'] else 'LOST'}."
    s = report.settings
    yield (
        f"{s.rounds} interleaved rounds of runs of at least {s.least_s:g} s each"
        f"{', quick mode: the cases are small' if s.quick else ''}."
    )
    yield ""
    rows = [
        (peer["name"], peer["version"], peer["licence"], peer["absent"] or "measured")
        for peer in report.peers
    ]
    yield from table(("peer", "version", "licence", ""), rows)


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number or 'not installed'}" for name, number in versions.items())


def _comparison(comparison: Comparison) -> Iterator[str]:
    topic = comparison.topic
    yield ""
    yield f"## {topic.title}"
    yield ""
    yield topic.asked
    yield ""
    heading = (
        "",
        f"{topic.things} a second",
        "time of ours",
        "spread",
        *topic.shown,
        "less or more",
    )
    yield from table(heading, (_cells(row, comparison) for row in comparison.rows))
    for name, reason in comparison.left_out.items():
        yield ""
        yield f"Not measured: {name} ({reason})."


def _cells(row: Row, comparison: Comparison) -> tuple[str, ...]:
    shown = (text(row.errors) for text in comparison.topic.shown.values())
    return (
        row.name,
        speed(row),
        f"{row.times_slower:.3g}",
        f"{row.timing.spread:.2f}",
        *shown,
        row.differs,
    )


def speed(row: Row) -> str:
    """Things a second, and the time of one where that is long."""
    rate = row.per_second
    if rate < 1e4:
        return f"{rate:.3g} ({1e3 / rate:.3g} ms)"
    return f"{rate / 1e6:.3g} M"


def _start(start: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    if start:
        yield ""
        yield "## Start"
        yield ""
        yield "Fresh processes; from the first statement on, with all imports."
        yield ""
        rows = (
            (name, f"{found['wall_s']:.3f}", f"{found['cpu_s']:.3f}", str(found["runs"]))
            for name, found in start.items()
        )
        yield from table(("", "s on the wall", "s of processor", "runs"), rows)


def _aims(aims: list[Aim]) -> Iterator[str]:
    if aims:
        yield ""
        yield "## Aims"
        yield ""
        rows = ((aim.aim, aim.reached, "yes" if aim.met else "no") for aim in aims)
        yield from table(("aim", "reached", "met"), rows)
