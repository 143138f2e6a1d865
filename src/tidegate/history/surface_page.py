# SPDX-License-Identifier: Apache-2.0
"""The page of fitted surfaces: tiles, the table of expiries, charts, what was left out, arbitrage.

The page around it is made by the caller's page maker, which draws each figure in the element of
its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tidegate.history.surface_figures import (
    Figure,
    skew_figure,
    smiles_figure,
    surface_figure,
    term_figure,
)
from tidegate.history.surface_study import ExpiryStudy, SurfaceStudy, summary_at
from tidegate.model.times import format_date, format_time
from tidegate.pricing.parity import ExpiryParity

TILE_DAYS, DAYS_A_YEAR = 30.0, 365.0
CHARTS = (
    (
        "smiles",
        "Smiles",
        "Bars go from the bid's to the ask's implied volatility; red where the fit lies outside. "
        "Crosses are the venue's mark volatilities, which its liquidation uses and the fit does "
        "not read. On the delta axis 25P is a put of delta -0.25 and 25C a call of 0.25.",
        smiles_figure,
    ),
    (
        "surface",
        "Surface",
        "Volatility over delta and days to expiry; dark lines are the quoted expiries. Drag turns "
        "it.",
        surface_figure,
    ),
    (
        "term",
        "Term structure at the money",
        "At K = F. A step is the volatility between two expiries that both of them together say.",
        term_figure,
    ),
    (
        "skew",
        "Skew and butterfly",
        "Risk reversal: vol of the 25-delta call less that of the put. Butterfly: their mean less "
        "at the money.",
        skew_figure,
    ),
)


def content(studies: Sequence[SurfaceStudy]) -> tuple[str, str, dict[str, object]]:
    """Title, body and figures of a page about surfaces, each coin in turn."""
    figures: dict[str, object] = {}
    body = ""
    for study in studies:
        body += _section(study)
        for name, _, _, figure in CHARTS:
            drawn: Figure = figure(study)
            figures[f"{name}-{_slug(study)}"] = drawn
    coins = ", ".join(study.chain.currency for study in studies)
    return f"{coins} volatility surface", body, figures


def parity_words(rows: Sequence[ExpiryParity]) -> str:
    """How many strikes violate parity, and how many pairs of strikes are violated as boxes."""
    strikes, parities = sum(r.strikes for r in rows), sum(r.parity_violations for r in rows)
    boxes, broken = sum(r.boxes for r in rows), sum(r.box_violations for r in rows)
    return f"{parities} parity in {strikes:,} strikes, {broken} box in {boxes:,} pairs"


def _slug(study: SurfaceStudy) -> str:
    """An element's name may hold no space."""
    return "".join(c if c.isalnum() else "-" for c in study.chain.currency)


def _section(study: SurfaceStudy) -> str:
    coin, time = escape(study.chain.currency), format_time(study.chain.ts_ms)
    parts = [f"<h1>{coin} volatility surface</h1>\n", f'<p class="headline">{time}</p>\n']
    parts += [_tiles(study), _expiry_table(study)]
    parts += [_chart(f"{name}-{_slug(study)}", title, text) for name, title, text, _ in CHARTS]
    parts += [_quote_part(study), _arbitrage_part(study)]
    return "".join(parts)


def _chart(name: str, title: str, described: str) -> str:
    return (
        f'<h2 id="{name}-title">{escape(title)}</h2>\n<p class="soft">{escape(described)}</p>\n'
        f'<div class="chart" id="{name}" role="img" aria-labelledby="{name}-title"></div>\n'
        "<noscript><p>This chart needs scripts; the table holds its numbers.</p></noscript>\n"
    )


def _tiles(study: SurfaceStudy) -> str:
    month = summary_at(study.surface, TILE_DAYS / DAYS_A_YEAR)
    found = study.arbitrage
    tiles = (
        (f"{100 * month.atm_vol_annual:.1f} %", f"at the money, {TILE_DAYS:.0f} days"),
        (f"{100 * month.risk_reversal:+.1f}", f"25Δ risk reversal, {TILE_DAYS:.0f} days"),
        (f"{100 * month.butterfly:+.1f}", f"25Δ butterfly, {TILE_DAYS:.0f} days"),
        (f"{study.quality.inside_share:.0%}", f"of {study.quality.quotes} quotes inside bid-ask"),
        (f"{found.butterflies} / {found.calendars}", "butterfly / calendar arbitrages"),
    )
    cells = "".join(f'<div class="tile"><b>{a}</b><span>{b}</span></div>\n' for a, b in tiles)
    return f'<div class="tiles">\n{cells}</div>\n'


def _expiry_table(study: SurfaceStudy) -> str:
    heads = (
        "expiry,days,forward USD,ATM,25Δ put,25Δ call,25Δ RR,25Δ BF,venue ATM,used,dropped,"
        "inside bid-ask,median error"
    )
    rows = [_expiry_cells(expiry) for expiry in study.expiries]
    caption = "Volatilities in per cent, differences and errors in vol points."
    return table(heads.split(","), rows, caption)


def _expiry_cells(expiry: ExpiryStudy) -> Sequence[str]:
    smile, quality, mark = expiry.smile, expiry.quality, expiry.mark_atm_vol_annual
    return (
        format_date(expiry.expiry_ms),
        f"{expiry.days:.2f}",
        f"{expiry.forward_usd:,.2f}",
        *(f"{100 * v:.2f}" for v in (smile.atm_vol_annual, smile.put_vol_annual)),
        f"{100 * smile.call_vol_annual:.2f}",
        f"{100 * smile.risk_reversal:+.2f}",
        f"{100 * smile.butterfly:+.2f}",
        "–" if mark != mark else f"{100 * mark:.2f}",
        f"{quality.quotes}",
        f"{expiry.dropped}",
        f"{quality.inside_share:.0%}",
        f"{quality.median_error_vol_points:.2f}",
    )


def _quote_part(study: SurfaceStudy) -> str:
    quality = study.quality
    rows = [("used", f"{quality.quotes}")]
    rows += [(why, f"{count}") for why, count in quality.excluded.items()]
    rows += [("listed", f"{study.every.exclusion.size}")]
    text = (
        f"{quality.inside_share:.0%} of the quotes used lie inside bid-ask; the median error is "
        f"{quality.median_error_vol_points:.2f} vol points."
    )
    if not quality.converged:
        text += " The fit has NOT converged."
    slices = "".join(
        f'<li class="bad">{format_time(ms)} has no slice: {escape(why)}</li>\n'
        for ms, why in quality.dropped_expiries.items()
    )
    counts = table(("quotes", "count"), rows, "Each quote is left out for one reason, the first.")
    return f"<h2>Quotes</h2>\n<p>{text}</p>\n<ul>{slices}</ul>\n{counts}"


def _arbitrage_part(study: SurfaceStudy) -> str:
    found = study.arbitrage
    proof = "proved at all strikes" if study.surface.arbitrage_free else "NOT proved"
    css = "good" if found.clean and study.surface.arbitrage_free else "bad"
    heads = (
        "expiry,strikes,forward USD,parity's forward,± error,discount,± error,parity violated,"
        "worst bp,boxes,violated,worst bp"
    )
    rows = [_parity_cells(row) for row in study.parity]
    caption = (
        "Quotes against put-call parity at the venue's forward, before fees; bp of the forward. "
        "A discount is that of the settlement currency."
    )
    return (
        f'<h2>Arbitrage</h2>\n<p class="{css}">In the surface: {found.butterflies} butterfly, '
        f"{found.calendars} calendar on {found.points:,} points at {found.expiries} expiries; "
        f"{proof}.</p>\n<p>In the quotes: {parity_words(study.parity)}.</p>\n"
        + table(heads.split(","), rows, caption)
    )


def _parity_cells(row: ExpiryParity) -> Sequence[str]:
    implied = (row.forward_usd, row.forward_error_usd)
    discount = (row.discount, row.discount_error)
    return (
        format_date(row.expiry_ms),
        f"{row.strikes}",
        f"{row.reference_usd:,.2f}",
        *("–" if v != v else f"{v:,.2f}" for v in implied),
        *("–" if v != v else f"{v:.5f}" for v in discount),
        f"{row.parity_violations}",
        f"{1e4 * row.worst_parity:.2f}",
        f"{row.boxes:,}",
        f"{row.box_violations}",
        f"{1e4 * row.worst_box:.2f}",
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """The first column names the row, the others are numbers."""
    top = "".join(
        f'<th scope="col"{" class=n" if index else ""}>{escape(head)}</th>'
        for index, head in enumerate(heads)
    )
    body = "\n".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f'<td class="n">{escape(cell)}</td>' for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f"<figure><figcaption>{escape(caption)}</figcaption>\n"
        f'<div class="scroll whole" tabindex="0"><table>\n<thead><tr>{top}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div></figure>\n"
    )
