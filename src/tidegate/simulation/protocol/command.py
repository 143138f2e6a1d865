# SPDX-License-Identifier: Apache-2.0
"""What `tidegate crisis contagion` shows: a table, one JSON document, a page."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tidegate.model.errors import InputError
from tidegate.simulation.protocol.footprint import (
    Contagion,
    Footprint,
    Outcome,
    Question,
    run_contagion,
)
from tidegate.simulation.protocol.picture import contagion_page

PAGE, DOCUMENT = "contagion.html", "contagion.json"


def show_contagion(question: Question, out: Path | None, *, as_json: bool) -> Contagion:
    """Play, show and write; raises `InputError` where the folder exists or cannot be made."""
    if out is not None:
        _expect_new(out)
    with Progress(console=Console(stderr=True), transient=True, disable=as_json) as bar:
        task = bar.add_task("cascades", total=None)
        found = run_contagion(
            question, lambda done, total: bar.update(task, completed=done, total=total)
        )
    if out is not None:
        _write(found, out)
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        Console(width=120).print(*words(found), footprint_table(found), sep="\n")
    return found


def _expect_new(out: Path) -> None:
    """Before anything is played, so that no work is lost for want of a place."""
    if out.exists():
        raise InputError(str(out), "--out", "expected a folder that does not exist yet")
    above = next(parent for parent in out.absolute().parents if parent.exists())
    if not (above.is_dir() and os.access(above, os.W_OK)):
        raise InputError(str(out), "--out", "expected a folder that can be made")


def _write(found: Contagion, out: Path) -> None:
    try:
        out.mkdir(parents=True)
        (out / PAGE).write_text(contagion_page(found), encoding="utf-8")
        (out / DOCUMENT).write_bytes(msgspec.json.encode(found))
    except OSError as error:
        expected = f"expected a folder that can be written ({error.strerror})"
        raise InputError(str(out), "--out", expected) from None


def words(found: Contagion) -> list[str]:
    """The cascade without us, and up to which size we are harmless."""
    runs, crowd = found.without_us, found.crowd
    mean = {
        name: sum(getattr(run, name) for run in runs) / len(runs)
        for name, kind in Outcome.__annotations__.items()
        if kind != "bool"
    }
    harmless = found.harmless_share
    limit = "no size that was tried" if harmless is None else f"{harmless:.2%} of open interest"
    liquidated = mean["market_usd"] + mean["taken_over_usd"]
    return [
        f"Outside {found.shock.move:+.1%} in {found.shock.move_s / 60:.0f} minutes; "
        f"{crowd.accounts:,} accounts, {crowd.interest_usd / 1e6:,.0f} million of open interest, "
        f"a fund of {runs[0].fund_usd / 1e6:,.1f} million; means of {len(runs)} crowds.",
        f"Without us the mark goes to {mean['worst']:+.1%}, {mean['beyond']:.1%} beyond the "
        f"outside; {mean['closed']:,.0f} accounts with {liquidated / 1e6:,.0f} million are closed, "
        f"{mean['adl_accounts']:,.0f} winners with {mean['adl_usd'] / 1e6:,.0f} million are "
        f"deleveraged, the fund pays {mean['fund_used_usd'] / 1e6:,.1f} million, and "
        f"{mean['socialised_usd'] / 1e6:,.1f} million are socialised.",
        f"A {'long' if found.side > 0 else 'short'} of ours at {found.leverage:g} times is harmless"
        f" up to {limit}.",
    ]


def footprint_table(found: Contagion) -> Table:
    """The mean footprint per size, and the worst in price."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    heads = ("our size", "USD million", "price further", "worst seed", "accounts", "fund", "ADL")
    for head in (*heads, "socialised", "ours lost", "our ADL", "harmless"):
        shown.add_column(head, justify="right")
    for share in sorted({each.share for each in found.footprints}):
        shown.add_row(*_cells([each for each in found.footprints if each.share == share]))
    return shown


def _cells(rows: list[Footprint]) -> tuple[str, ...]:
    count = len(rows)
    return (
        f"{rows[0].share:.2%}",
        f"{rows[0].size_usd / 1e6:,.1f}",
        f"{sum(r.price for r in rows) / count:+.2%}",
        f"{max(r.price for r in rows):+.2%}",
        f"{sum(r.closed for r in rows) / count:+,.0f}",
        f"{sum(r.fund_usd for r in rows) / count / 1e6:+,.2f}",
        f"{sum(r.adl_usd for r in rows) / count / 1e6:+,.1f}",
        f"{sum(r.socialised_usd for r in rows) / count / 1e6:+,.1f}",
        f"{sum(r.with_us.ours_lost for r in rows) / count:.0%}",
        f"{sum(r.with_us.ours_adl_share for r in rows) / count:.0%}",
        f"{sum(r.harmless for r in rows)} of {count}",
    )
