# SPDX-License-Identifier: Apache-2.0
"""What `tidegate surface` prints: each expiry of a fitted chain, what was left out, arbitrage."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tidegate.engine.page_file import ensure_writable, patience, write_page
from tidegate.history.chain_file import Snapshot, read_chain, snapshots
from tidegate.history.surface_document import document
from tidegate.history.surface_page import content, parity_words
from tidegate.history.surface_study import ExpiryStudy, SurfaceStudy, study_chain
from tidegate.model.errors import InputError
from tidegate.model.times import HOUR_MS, format_date, format_time, parse_time_ms
from tidegate.pricing.parity import ExpiryParity

# Title, body and figures to a whole document.
PageMaker = Callable[[str, str, Mapping[str, object]], str]

WIDTH = 100
BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Request:
    """The words of the command: file, time, coin and page, each but the file perhaps absent."""

    chain: Path
    at: str | None = None
    currency: str | None = None
    html: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One snapshot and its study, or why there is none."""

    snapshot: Snapshot
    study: SurfaceStudy | None
    refusal: str = ""

    @property
    def clean(self) -> bool:
        """Whether there is a surface, and no arbitrage in it."""
        return self.study is not None and self.study.clean


def show_surfaces(request: Request, page: PageMaker, *, as_json: bool) -> bool:
    """Print the surface of each coin, and write the page if one is asked for.

    Returns: False if a surface cannot be fitted, or arbitrage is found in one.
    Raises: `InputError` for words and files that cannot be used.
    """
    at_ms = None if request.at is None else parse_time_ms(request.at, "--at", "time")
    if request.html is not None:
        ensure_writable(request.html)
    with patience("fitting"):
        answers = _answers(request, at_ms)
    studies = [answer.study for answer in answers if answer.study is not None]
    if request.html is not None and studies:
        write_page(request.html, page(*content(studies)))
        print(f"page: {request.html}", file=sys.stderr)
    if as_json:
        print(json.dumps(_document(request.chain, answers), allow_nan=False))
    else:
        console = Console(highlight=False)
        show(answers, console if console.is_terminal else Console(width=WIDTH, highlight=False))
    for answer in answers:
        if answer.study is None:
            print(f"tidegate: no surface: {answer.refusal}", file=sys.stderr)
    return all(answer.clean for answer in answers)


def _answers(request: Request, at_ms: int | None) -> list[Answer]:
    found = []
    for snapshot in snapshots(request.chain, at_ms, request.currency):
        chain = read_chain(request.chain, snapshot)
        try:
            found.append(Answer(snapshot, study_chain(chain)))
        except InputError as error:
            found.append(Answer(snapshot, None, str(error)))
    return found


def show(answers: Sequence[Answer], console: Console) -> None:
    """Every study in words and a table."""
    for answer in answers:
        study = answer.study
        if study is None:
            continue
        console.print(f"[bold]{escape(_title(answer))}[/]")
        console.print(_table(study, with_smiles=console.width >= WIDTH))
        for line in (*_quote_lines(study), *_arbitrage_lines(study)):
            console.print(line, soft_wrap=True)


def _title(answer: Answer) -> str:
    snapshot = answer.snapshot
    title = f"{snapshot.currency} options at {format_time(snapshot.ts_ms)}"
    if snapshot.asked_ms is None:
        return f"{title}, the last snapshot of the file"
    age = (snapshot.asked_ms - snapshot.ts_ms) / HOUR_MS
    return f"{title}, {age:.1f} h before the time asked for"


def _table(study: SurfaceStudy, *, with_smiles: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    heads = "days,forward,ATM,25Δ RR,25Δ BF,used,drop,inside,error".split(",")
    table.add_column("expiry", no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    if with_smiles:
        table.add_column("5Δ put … 5Δ call", no_wrap=True)
    for expiry in study.expiries:
        table.add_row(*_cells(expiry), *([_smile(expiry)] if with_smiles else []))
    return table


def _cells(expiry: ExpiryStudy) -> tuple[str, ...]:
    smile, quality = expiry.smile, expiry.quality
    return (
        format_date(expiry.expiry_ms),
        f"{expiry.days:.1f}",
        f"{expiry.forward_usd:,.{0 if expiry.forward_usd >= 10_000 else 2}f}",
        f"{100 * smile.atm_vol_annual:.1f}",
        f"{100 * smile.risk_reversal:+.1f}",
        f"{100 * smile.butterfly:+.1f}",
        f"{quality.quotes}",
        f"{expiry.dropped}",
        f"{quality.inside_share:.0%}",
        f"{quality.median_error_vol_points:.2f}",
    )


def _smile(expiry: ExpiryStudy) -> str:
    """The smile as bars between the volatilities of its ends."""
    vols = expiry.deltas_vol_annual
    ends = [f"{100 * vol:.0f}" if np.isfinite(vol) else "–" for vol in (vols[0], vols[-1])]
    return f"{ends[0]:>3} {spark(vols)} {ends[1]}"


def spark(values: Sequence[float]) -> str:
    """A line of bars from the least value to the greatest; a blank where there is none."""
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return " " * len(values)
    least, span = min(known), max(known) - min(known)
    step = (len(BARS) - 1) / span if span > 0.0 else 0.0
    return "".join(BARS[round((v - least) * step)] if np.isfinite(v) else " " for v in values)


def _quote_lines(study: SurfaceStudy) -> list[str]:
    quality = study.quality
    lines = [
        "Volatilities, spreads and the median error are in vol points; deltas are N(d1).",
        f"Fit: {quality.inside_share:.0%} of quotes inside bid-ask, median error "
        f"{quality.median_error_vol_points:.2f} vol points"
        + ("" if quality.converged else "; [bold red]the fit has NOT converged[/]"),
        f"Quotes: {study.every.exclusion.size} listed = {quality.quotes} used "
        f"+ {study.in_the_money} in the money + {study.dropped} dropped",
    ]
    reasons = [f"{count} {why}" for why, count in quality.excluded.items() if why != "in the money"]
    if reasons:
        lines.append(f"  dropped: {escape('; '.join(reasons))}")
    for expiry_ms, why in quality.dropped_expiries.items():
        lines.append(f"  [bold]no slice[/] at {format_time(expiry_ms)}: {escape(why)}")
    return lines


def _arbitrage_lines(study: SurfaceStudy) -> list[str]:
    found, surface = study.arbitrage, study.surface
    proof = "proved at all strikes" if surface.arbitrage_free else "[bold red]NOT proved[/]"
    lines = [
        f"Arbitrage in the surface: {found.butterflies} butterfly, {found.calendars} calendar "
        f"on {found.points:,} points at {found.expiries} expiries; {proof}",
        f"Arbitrage in the quotes, before fees: {parity_words(study.parity)}",
    ]
    rows = [row for row in study.parity if row.parity_violations or row.box_violations]
    return lines + [f"  {_violation(row)}" for row in rows]


def _violation(row: ExpiryParity) -> str:
    return (
        f"{format_date(row.expiry_ms)}: {row.parity_violations} parity, worst "
        f"{1e4 * row.worst_parity:.2f} bp of the forward; {row.box_violations} box, worst "
        f"{1e4 * row.worst_box:.2f} bp"
    )


def _document(path: Path, answers: Sequence[Answer]) -> dict[str, Any]:
    surfaces = [document(answer.study) for answer in answers if answer.study is not None]
    refused = [
        {"currency": a.snapshot.currency, "ts": format_time(a.snapshot.ts_ms), "reason": a.refusal}
        for a in answers
        if a.study is None
    ]
    return {"chain": str(path), "surfaces": surfaces, "not_fitted": refused}
