# SPDX-License-Identifier: Apache-2.0
"""The page around a report's content: style for light and dark, tables, and the script that draws
charts. It forbids itself every connection."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from plotly.offline import get_plotlyjs

Row = Sequence[str]

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--ink:#1c2530;--soft:#5b6673;--rule:#d9dee5;--card:#f5f7f9;
--bad:#b3302f;--good:#1d7a59}
@media(prefers-color-scheme:dark){:root{--bg:#14181d;--ink:#e4e8ed;--soft:#9aa5b1;--rule:#323a44;
--card:#1c2229;--bad:#f08a86;--good:#5cc79c}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1240px;margin:0 auto;padding:20px 24px 60px}
h1{font-size:22px;margin:0}h2{font-size:18px;margin:38px 0 6px}
p{margin:6px 0;max-width:90ch}figure{margin:0}figure+figure{margin-top:16px}
.soft,figcaption{color:var(--soft);font-size:13px}
.headline{font-size:17px;max-width:100ch;margin:10px 0 14px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));gap:12px;
margin:0 0 16px}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:6px;padding:10px 14px}
.tile b{display:block;font-size:23px;font-weight:600}.tile span{font-size:13px;color:var(--soft)}
.scroll{overflow:auto;max-height:520px;border:1px solid var(--rule);border-radius:6px}
table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
figcaption{max-width:110ch;margin:0 0 6px}
th,td{padding:5px 8px;text-align:left;border-bottom:1px solid var(--rule);vertical-align:top}
th{font-weight:600;position:sticky;top:0;background:var(--card)}
th[scope=row]{position:static;background:none;white-space:nowrap}
.n{text-align:right;white-space:nowrap}.bad{color:var(--bad)}.good{color:var(--good)}
tr.subject{background:var(--card)}tr.subject th,tr.subject td{font-weight:600}
tbody tr:last-child>*{border-bottom:0}
td{overflow-wrap:break-word}.k{white-space:nowrap}.whole{max-height:none}
pre{overflow:auto;background:var(--card);padding:12px;border-radius:6px;font-size:12.5px}
summary{cursor:pointer;margin:10px 0}
.chart{min-height:200px}li{max-width:90ch;margin:3px 0}
@media(max-width:700px){main{padding:16px 14px 48px}td:not(.n):not(.k){min-width:26ch}}
@media print{.scroll{max-height:none;overflow:visible}}
"""

SCRIPT = """
(function () {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = window.matchMedia("(max-width: 700px)");
  function template() {
    const css = getComputedStyle(document.documentElement);
    const tone = (name) => css.getPropertyValue(name).trim();
    const axis = {gridcolor: tone("--rule"), linecolor: tone("--rule"), zeroline: false,
                  automargin: true, title: {font: {size: narrow.matches ? 10 : 14}}};
    const size = narrow.matches ? 10 : 12.5;
    return {layout: {paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: {color: tone("--ink"), family: "system-ui, sans-serif", size: size},
      xaxis: axis, yaxis: axis,
      modebar: {bgcolor: "rgba(0,0,0,0)", color: tone("--soft"), activecolor: tone("--ink")},
      hoverlabel: {bgcolor: tone("--card"), font: {color: tone("--ink")}}}};
  }
  function draw() {
    for (const [id, figure] of Object.entries(figures)) {
      const layout = Object.assign({}, figure.layout, {template: template()});
      Plotly.react(id, figure.data, layout, {responsive: true, displaylogo: false,
        modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]]});
    }
  }
  draw();
  dark.addEventListener("change", draw);
  narrow.addEventListener("change", draw);
})();
"""

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)


def page(title: str, body: str, figures: Mapping[str, object]) -> str:
    """A whole HTML document that needs nothing from outside; `figures` by their places' ids."""
    # In JSON a "<" may stand as an escape, so no text in it can end the script element.
    data = json.dumps(figures, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<main>\n{body}\n</main>\n"
        f'<script type="application/json" id="figures">{data}</script>\n'
        f"<script>{get_plotlyjs()}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def chart(name: str, title: str, described: str, in_tables: bool = True) -> str:
    """A heading, what the chart shows, and the place where it is drawn; `in_tables` where tables of
    the page hold the same numbers."""
    instead = "; the tables hold its numbers" if in_tables else ""
    return (
        f'<h2 id="{name}-title">{escape(title)}</h2>\n<p class="soft">{escape(described)}</p>\n'
        f'<div class="chart" id="{name}" role="img" aria-labelledby="{name}-title"></div>\n'
        f"<noscript><p>This chart needs scripts{instead}.</p></noscript>\n"
    )


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of a table's columns; those in `numeric` stand to the right, those in `short` stay on
    one line."""

    names: Row
    numeric: Sequence[int] = ()
    short: Sequence[int] = ()

    def css(self, index: int) -> str:
        """The class attribute of a column's cells."""
        if index in self.numeric:
            return ' class="n"'
        return ' class="k"' if index in self.short else ""


def table(columns: Columns, rows: Sequence[Row], caption: str) -> str:
    """A table of texts that scrolls when it is long."""
    return _table(columns, [_row(columns, list(map(escape, row))) for row in rows], caption)


def marked_table(columns: Columns, rows: Sequence[tuple[str, Row]], caption: str) -> str:
    """A table that is shown whole, of cells that are HTML already; a row has a class or ""."""
    lines = [_row(columns, cells, css) for css, cells in rows]
    return _table(columns, lines, caption, " whole")


def _row(columns: Columns, cells: Row, css: str = "") -> str:
    rest = "".join(f"<td{columns.css(i)}>{cell}</td>" for i, cell in enumerate(cells[1:], 1))
    mark = f' class="{css}"' if css else ""
    return f'<tr{mark}><th scope="row">{cells[0]}</th>{rest}</tr>'


def _table(columns: Columns, lines: Sequence[str], caption: str, css: str = "") -> str:
    heads = "".join(
        f'<th scope="col"{columns.css(index)}>{escape(name)}</th>'
        for index, name in enumerate(columns.names)
    )
    body = "\n".join(lines)
    return (
        f"<figure><figcaption>{escape(caption)}</figcaption>\n"
        f'<div class="scroll{css}" tabindex="0"><table>\n<thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div></figure>\n"
    )
