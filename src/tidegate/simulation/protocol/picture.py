# SPDX-License-Identifier: Apache-2.0
"""The page of a contagion: paths of the price, and the footprint by size."""

from __future__ import annotations

from html import escape

from tidegate.engine.page import Columns, chart, page, table
from tidegate.simulation.protocol.footprint import Contagion

TITLE = "Contagion at one venue"


def contagion_page(found: Contagion) -> str:
    """One self-contained HTML document."""
    body = f"<h1>{TITLE}</h1>\n"
    body += f'<p class="headline">{escape(_headline(found))}</p>\n'
    body += chart("paths", "The mark", "First crowd: outside price, mark, mark with us at the most")
    body += chart("sizes", "What our size adds", "Each dot one crowd, price moved further by us")
    return page(TITLE, body + _table(found), {"paths": _paths(found), "sizes": _sizes(found)})


def _headline(found: Contagion) -> str:
    share = found.harmless_share
    side = "long" if found.side > 0 else "short"
    limit = "at no size that was tried" if share is None else f"up to {share:.2%} of open interest"
    return f"A {side} at {found.leverage:g} times is harmless {limit}."


def _paths(found: Contagion) -> dict[str, object]:
    minutes = [step * found.shock.step_s / 60 for step in range(len(found.outside))]
    lines = (
        ("outside", found.outside),
        ("mark without us", found.marks),
        ("mark with us", found.marks_with_us),
    )
    data = [
        {"x": minutes, "y": [round(y, 6) for y in path], "mode": "lines", "name": name}
        for name, path in lines
    ]
    axes = {"xaxis": {"title": {"text": "minutes"}}, "yaxis": {"title": {"text": "of the first"}}}
    return {"data": data, "layout": {"height": 420, **axes}}


def _sizes(found: Contagion) -> dict[str, object]:
    data = [
        {
            "x": [each.share for each in found.footprints],
            "y": [each.price for each in found.footprints],
            "mode": "markers",
            "type": "scatter",
        }
    ]
    axes = {
        "xaxis": {"type": "log", "title": {"text": "our share of open interest"}},
        "yaxis": {"title": {"text": "price moved further"}, "tickformat": ".1%"},
    }
    return {"data": data, "layout": {"height": 380, **axes}}


def _table(found: Contagion) -> str:
    heads = ("size", "seed", "price further", "accounts", "fund USD", "ADL USD", "harmless")
    rows = [
        (
            f"{each.share:.2%}",
            str(each.seed),
            f"{each.price:+.3%}",
            f"{each.closed:+,}",
            f"{each.fund_usd:+,.0f}",
            f"{each.adl_usd:+,.0f}",
            "yes" if each.harmless else "no",
        )
        for each in found.footprints
    ]
    caption = "Every crowd and size: what others bear more because of us."
    return table(Columns(heads, numeric=(1, 2, 3, 4, 5)), rows, caption)
