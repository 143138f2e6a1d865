# SPDX-License-Identifier: Apache-2.0
"""Studies made by hand for the report: a run that lived, one that died, and names that attack."""

from __future__ import annotations

from collections.abc import Sequence

from tests.backtest.made_outcomes import (
    LEFT,
    MANDATE,
    START_MS,
    USD,
    arrangement,
    deposit,
    fill,
    outcome,
    taken_over,
)
from tidegate.backtest.measures import measure
from tidegate.backtest.report import Study, render
from tidegate.backtest.report_moves import Note
from tidegate.backtest.run import Outcome
from tidegate.history.window import Window
from tidegate.model.times import HOUR_MS
from tidegate.simulation.books import Extreme
from tidegate.simulation.tape import Freeze

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&"
STRIKING = '</script><script>window.struck=1</script><img/src=x/onerror=window.struck=2>"&<b>'


def lived(name: str = "tidegate", gross_usd: int = 2_000) -> Outcome:
    extremes = [Extreme(START_MS + h * HOUR_MS, "left", 7 * USD, 2 * USD) for h in range(4)]
    return outcome([deposit(), fill(0, LEFT, 10)], 4, name, gross_usd, extremes)


def died(name: str = "fixed 8") -> Outcome:
    return outcome([deposit(), fill(0, LEFT, 30), taken_over(2)], 4, name, 8_000)


def made_study(outcomes: Sequence[Outcome], hostile: str = "") -> Study:
    made = arrangement(name=f"made {hostile}".replace("'", ""), source=f"assumed: {hostile}")
    return Study(
        made,
        MANDATE + hostile,
        Window(START_MS, START_MS + 4 * HOUR_MS),
        7,
        (Freeze("left", START_MS + HOUR_MS, START_MS + 2 * HOUR_MS),),
        "ef" * 32,
        tuple((out, measure(out, made)) for out in outcomes),
        23,
        (Note(START_MS, f"why {hostile}"), Note(START_MS + HOUR_MS, hostile, refused=True)),
        (("machine", f"two cores {hostile}"),),
    )


def hostile_report() -> str:
    """A report in which every name that others choose would run a script if it could."""
    return render(made_study([lived(f"tidegate{STRIKING}"), died(f"fixed{STRIKING} 8")], STRIKING))
