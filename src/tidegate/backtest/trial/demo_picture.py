# SPDX-License-Identifier: Apache-2.0
"""The demo in one picture, an SVG that needs nothing else: where each policy stands on the
frontier, and how near each came to its end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from tidegate.backtest.report_charts import ALARM
from tidegate.backtest.trial.demo import Demo, Result
from tidegate.backtest.trial.demo_charts import (
    colour,
    crisis_window,
    fixed_line,
    short_label,
    tightest,
)
from tidegate.backtest.trial.score import Score
from tidegate.model.times import HOUR_MS, MINUTE_MS

WIDTH, HEIGHT = 980, 400
BUCKET_MS = 15 * MINUTE_MS
RATIO_MIN, RATIO_MAX = 0.3, 100.0
# Room that a name needs.
NAME_PX, LINE_PX = 72, 13
STYLE = (
    "text{font:12.5px system-ui,sans-serif;fill:#1c2530}.t{font-size:15px;font-weight:600}"
    ".s{fill:#5b6673;font-size:11.5px}.r{stroke:#d9dee5}.a{fill:#8a8f98;fill-opacity:.22}"
    "@media(prefers-color-scheme:dark){text{fill:#e4e8ed}.s{fill:#9aa5b1}.r{stroke:#323a44}}"
)
Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the picture with its scales, from data to pixels."""

    left: float
    right: float
    top: float
    bottom: float
    x: Scale
    y: Scale

    def heading(self, title: str, below: str) -> str:
        """Title above the panel, and what its axis shows below it."""
        middle = (self.left + self.right) / 2
        return (
            _text(self.left, self.top - 24, title, "t")
            + _text(middle, self.bottom + 36, below, "s", "middle")
            + f'<path class="r" fill="none" d="M{self.left:.1f} {self.top:.1f}'
            f'V{self.bottom:.1f}H{self.right:.1f}"/>'
        )

    def level(self, value: float, name: str) -> str:
        """A grid line with its name."""
        y = self.y(value)
        line = f'<path class="r" d="M{self.left:.1f} {y:.1f}H{self.right:.1f}"/>'
        return line + _text(self.left - 6, y + 4, name, "s", "end")

    def tick(self, value: float, name: str) -> str:
        """A name under the axis."""
        return _text(self.x(value), self.bottom + 17, name, "s", "middle")


def picture(demo: Demo) -> str:
    """The picture as SVG text; the same for the same demo."""
    title = f"Crisis {demo.contest.crisis}, seed {demo.contest.seed}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">\n<style>{STYLE}</style>\n'
        f"{_frontier(demo)}{_health(demo)}</svg>\n"
    )


def _linear(low: float, high: float, start: float, end: float) -> Scale:
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _frontier(demo: Demo) -> str:
    line = fixed_line(demo)
    points = [r.score for r in demo.results if r.score.policy != "fixed"]
    scores = [*line, *points]
    most = _rounded_up(max([100 * s.loss for s in scores], default=0.0))
    high = _rounded_up(max([100 * s.calm_carry for s in scores], default=0.0))
    low = min([0.0, *(100 * s.calm_carry for s in scores)])
    left, right, top, bottom = 58.0, 400.0, 56.0, 346.0
    panel = Panel(
        left,
        right,
        top,
        bottom,
        _linear(0, most, left + NAME_PX, right),
        _linear(low, high, bottom, top),
    )
    at = [(panel.x(100 * s.loss), panel.y(100 * s.calm_carry)) for s in line]
    parts = [
        panel.heading(
            "Carry from the second day, opening cost apart", "lost to the end, % of capital"
        )
    ]
    levels = [high * k / 4 for k in range(math.ceil(4 * low / high), 5)]
    parts += [panel.level(level, f"{level:.2f} %") for level in levels]
    parts += [panel.tick(most * k / 4, f"{most * k / 4:g}") for k in range(5)]
    parts.append(_polyline(at, colour("fixed"), 1.5, "4 4"))
    parts += [_mark(panel, s, 6.0) for s in points] + [_mark(panel, s, 4.0) for s in line]
    parts += [*_names(panel, line, left=True), *_names(panel, points, left=False)]
    return "".join(parts) + "\n"


def _rounded_up(value: float) -> float:
    """The next of 1, 2, 4, 8 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(k * power for k in (1, 2, 4, 8, 10) if value <= k * power)


def _place(panel: Panel, score: Score) -> tuple[float, float]:
    return panel.x(100 * score.loss), panel.y(100 * score.calm_carry)


def _mark(panel: Panel, score: Score, size: float) -> str:
    (x, y), tone = _place(panel, score), colour(score.policy)
    if score.liquidated:
        return _cross(x, y, size, tone)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:g}" fill="{tone}"/>'


def _names(panel: Panel, scores: Sequence[Score], *, left: bool) -> list[str]:
    """Names beside their marks, moved down where another stands already."""
    parts: list[str] = []
    taken: list[tuple[float, float]] = []
    for (x, y), name in sorted((_place(panel, s), short_label(s)) for s in scores):
        while any(abs(x - other) < NAME_PX and abs(y - above) < LINE_PX for other, above in taken):
            y += 1
        taken.append((x, y))
        parts.append(_text(x - 8, y + 4, name, "s", "end") if left else _text(x + 10, y + 4, name))
    return parts


def _cross(x: float, y: float, size: float, tone: str) -> str:
    path = (
        f"M{x - size:.1f} {y - size:.1f}L{x + size:.1f} {y + size:.1f}"
        f"M{x - size:.1f} {y + size:.1f}L{x + size:.1f} {y - size:.1f}"
    )
    return f'<path d="{path}" stroke="{tone}" stroke-width="2.5" fill="none"/>'


def _health(demo: Demo) -> str:
    first, last = crisis_window(demo.contest)
    left, right, top, bottom = 500.0, 860.0, 56.0, 346.0
    logs = _linear(math.log(RATIO_MIN), math.log(RATIO_MAX), bottom, top)
    panel = Panel(
        left, right, top, bottom, _linear(first, last, left, right), lambda v: logs(math.log(v))
    )
    start = demo.contest.crisis_start_ms
    zero = first if start is None else start
    hours = range(0, (last - zero) // HOUR_MS + 1, 6)
    parts = [_shades(demo, panel, first, last)]
    parts.append(
        panel.heading("Equity over maintenance, tightest account", "hours into the crisis")
    )
    parts += [panel.level(level, f"{level:g}") for level in (1, 10, 100)]
    parts += [panel.tick(zero + h * HOUR_MS, f"{h}") for h in hours]
    ruin = panel.y(1)
    parts.append(_polyline([(left, ruin), (right, ruin)], ALARM, 1.5, "5 4"))
    parts.append(_text(left + 4, ruin + 15, "liquidation", "s"))
    parts += _lines(demo.results, panel, first)
    return "".join(parts) + "\n"


def _shades(demo: Demo, panel: Panel, first: int, last: int) -> str:
    parts = []
    for freeze in demo.contest.experiment.tape.freezes:
        start, end = max(first, freeze.start_ms), min(last, freeze.end_ms)
        if start < end:
            x, wide = panel.x(start), panel.x(end) - panel.x(start)
            parts.append(
                f'<rect class="a" x="{x:.1f}" y="{panel.top:.1f}" width="{wide:.1f}" '
                f'height="{panel.bottom - panel.top:.1f}"/>'
                + _text(x + 4, panel.top - 6, f"{freeze.venue} frozen", "s")
            )
    return "".join(parts)


def _lines(results: Sequence[Result], panel: Panel, first: int) -> list[str]:
    """A line per policy to its first liquidation, where a cross stands, or to the end; its name
    stands on the right, moved apart from the others."""
    parts, names = [], []
    for result in results:
        death = result.measures.death_ms
        points = [(at, v) for at, v in tightest(result.outcome, first) if not death or at <= death]
        worst = _worst(points)
        if not worst:
            continue
        score, tone = result.score, colour(result.score.policy)
        at = [(panel.x(ts), panel.y(min(RATIO_MAX, max(RATIO_MIN, v)))) for ts, v in worst]
        parts.append(_polyline(at, tone, 2.6 if score.policy == "tidegate" else 1.6))
        if score.liquidated:
            parts.append(_cross(*at[-1], 6, tone))
        names.append((at[-1][1], score.label + (" †" if score.liquidated else ""), tone))
    last_y = 0.0
    for y, name, tone in sorted(names):
        last_y = max(last_y + 16, y + 4)
        parts.append(_text(panel.right + 8, last_y, name, "", "start", tone))
    return parts


def _worst(points: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    """The least value of each quarter of an hour, so that no dip is drawn away."""
    least: dict[int, tuple[int, float]] = {}
    for at, value in points:
        bucket = at // BUCKET_MS
        if bucket not in least or value <= least[bucket][1]:
            least[bucket] = (at, value)
    return list(least.values())


def _polyline(
    points: Sequence[tuple[float, float]], tone: str, width: float, dash: str = ""
) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{path}" fill="none" stroke="{tone}" stroke-width="{width}"{dashed}/>'


def _text(
    x: float, y: float, text: str, css: str = "", anchor: str = "start", tone: str = ""
) -> str:
    style = f' class="{css}"' if css else ""
    style += f' text-anchor="{anchor}"' if anchor != "start" else ""
    style += f' style="fill:{tone}"' if tone else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{style}>{escape(text)}</text>'
