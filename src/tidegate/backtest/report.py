# SPDX-License-Identifier: Apache-2.0
"""The report of a backtest: one HTML file that needs no network and opens on a summary.

The same study gives the same bytes: nothing in it depends on when or where it is written.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.measures import Measures
from tidegate.backtest.provenance import Provenance
from tidegate.backtest.report_against import against_section
from tidegate.backtest.report_charts import (
    Figure,
    equity_figure,
    frontier_figure,
    margin_figure,
    waterfall_figure,
    waterfall_groups,
)
from tidegate.backtest.report_close import approaches, close_section
from tidegate.backtest.report_exposures import exposures_section, leader_of
from tidegate.backtest.report_luck import luck_section
from tidegate.backtest.report_moves import Move, Note, moves
from tidegate.backtest.report_periods import crises, crises_table, losses_table, parts_table
from tidegate.backtest.report_stress import (
    Stressed,
    capacity_figure,
    capacity_section,
    delay_section,
    stress_section,
)
from tidegate.backtest.report_summary import (
    dollars,
    headline,
    insurance_usd,
    limitations,
    minute,
    share,
    subject_index,
    tiles,
    times,
)
from tidegate.backtest.run import Outcome
from tidegate.backtest.trials import Seen
from tidegate.engine.page import Columns, chart, marked_table, page, table
from tidegate.history.window import Window
from tidegate.model.errors import InputError, ensure
from tidegate.model.mandate import assumptions
from tidegate.model.times import YEAR_MS, format_date, format_time
from tidegate.simulation.tape import Freeze, Tape

MOVES_SHOWN_MAX = 3_000
BESIDE = 5


@dataclass(frozen=True, slots=True)
class Study:
    """One mandate over one window under several policies, with all that the report states.

    `notes` are the reasons in Tidegate's journal (`journal_notes`), `facts` name and value of what
    a reader may want to know of the run, `trials` how many policy runs this window has seen.
    `tape` holds the window's prices (without it what needs them is left out and said), `stressed`
    the runs at harder terms, `seen` what the ledger of trials knows of the window.
    """

    arrangement: Arrangement
    mandate_text: str
    window: Window
    seed: int
    freezes: tuple[Freeze, ...]
    data_digest: str
    results: tuple[tuple[Outcome, Measures], ...]
    trials: int
    notes: tuple[Note, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    tape: Tape | None = None
    stressed: tuple[Stressed, ...] = ()
    seen: Seen | None = None

    def __post_init__(self) -> None:
        ensure(len(self.results) > 0, "a study needs a result")
        ensure(self.trials >= len(self.results), "a study has at least the trials that it shows")

    @property
    def name(self) -> str:
        """The mandate's name."""
        return self.arrangement.mandate.mandate.name

    @property
    def subject(self) -> tuple[Outcome, Measures]:
        """The result that the report is about."""
        return self.results[subject_index([measures for _, measures in self.results])]

    @property
    def rivals(self) -> tuple[tuple[Outcome, Measures], ...]:
        """The other results."""
        subject = self.subject
        return tuple(result for result in self.results if result is not subject)

    @property
    def hurdle_annual(self) -> float:
        """What cash earns a year."""
        return float(self.arrangement.mandate.mandate.hurdle_rate_annual.value)

    @property
    def hurdle(self) -> float:
        """What cash earns in the window."""
        return self.hurdle_annual * (self.window.end_ms - self.window.start_ms) / YEAR_MS


def write_report(path: Path, study: Study) -> None:
    """Write the report to a file, whole or not at all; `InputError` where that cannot be."""
    text = render(study)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        reason = error.strerror or "unwritable"
        raise InputError(str(path), "report", f"expected a writable file ({reason})") from None


def render(study: Study) -> str:
    """The report as HTML text."""
    outcome, measures = study.subject
    told = moves(outcome.events, study.arrangement, study.notes)
    figures: dict[str, Figure] = {
        "equity": equity_figure(study.results),
        "margin": margin_figure(outcome, study.arrangement, study.freezes, told),
        "waterfall": waterfall_figure(outcome),
        "frontier": frontier_figure(study.results),
        "capacity": capacity_figure(measures, study.stressed, study.hurdle),
    }
    rivals = [m for _, m in study.rivals]
    sections = (
        _summary(study, told),
        _close(study),
        against_section(measures, rivals),
        _charts(study, measures),
        _waterfall_table(outcome, measures),
        _losses(study),
        luck_section(
            study.results, measures, study.hurdle_annual, (study.trials, study.seen), study.seed
        ),
        exposures_section(study.results, study.arrangement, study.tape),
        capacity_section(measures, study.hurdle),
        stress_section(measures, [m for _, m in study.results], study.stressed),
        delay_section(outcome, study.arrangement, study.tape),
        _moves(told, measures),
        _provenance(study),
        _limits(study),
        _run(study),
    )
    return page(f"Tidegate backtest: {study.name}", "\n".join(sections), figures)


def _window_text(window: Window) -> str:
    first, last = format_date(window.start_ms), format_date(window.end_ms - 1)
    return first if first == last else f"{first} to {last}"


def _summary(study: Study, told: tuple[Move, ...]) -> str:
    _, subject = study.subject
    rivals = [measures for _, measures in study.results if measures is not subject]
    window = _window_text(study.window)
    fate, *rest = headline(subject, rivals, window, insurance_usd(told))
    boxes = "".join(
        f'<div class="tile"><span>{escape(name)}</span><b>{escape(value)}</b>'
        f"<span>{escape(line)}</span></div>"
        for name, value, line in tiles(subject, told)
    )
    freezes = "; ".join(
        f"{f.venue} frozen {format_time(f.start_ms)} to {format_time(f.end_ms)}"
        for f in study.freezes
    )
    stated = f"{window}, {dollars(subject.waterfall_usd['capital'])}, {freezes or 'no freezes'}"
    return (
        f'<h1>Tidegate backtest: {escape(study.name)}</h1>\n<p class="soft">{escape(stated)}</p>\n'
        f'<p class="headline"><strong>{escape(fate)}</strong> {escape(" ".join(rest))}</p>\n'
        f'<div class="tiles">{boxes}</div>\n{_policies(study)}'
    )


_POLICY_COLUMNS = Columns(
    (
        "policy",
        "outcome",
        "leverage",
        "carry kept",
        "return",
        "drawdown",
        "worst health",
        "near",
        "turnover",
        "transfers",
        "funding",
        "fees",
    ),
    numeric=range(2, 12),
    short=(1,),
)


def _policies(study: Study) -> str:
    measured = [measures for _, measures in study.results]
    subject = measured.pop(subject_index(measured))
    rows = [("subject", _policy_row(subject)), *(("", _policy_row(m)) for m in measured)]
    caption = (
        "All policies on the same prices, costs and venues. Leverage is the average until death; "
        "carry kept and return are shares of capital over the window, after all costs; worst "
        "health is equity over maintenance at the adverse extremes inside bars, near counts its "
        "falls below 1.5; turnover is a year's over equity; funding and fees are in USD."
    )
    return marked_table(_POLICY_COLUMNS, rows, caption)


def _policy_row(measures: Measures) -> list[str]:
    if measures.death_ms is None:
        fate = '<span class="good">survived</span>'
    else:
        count = f" ({measures.liquidations}x)" if measures.liquidations > 1 else ""
        fate = f'<span class="bad">✕ died {minute(measures.death_ms)}{count}</span>'
    health, turned = measures.worst_health_ratio, measures.turnover
    return [
        escape(measures.label),
        fate,
        times(measures.avg_leverage),
        share(measures.carry_kept),
        share(measures.return_on_capital),
        share(measures.max_drawdown),
        "none" if health is None else f"{health:.2f}",
        f"{measures.near_liquidations}",
        "none" if turned is None else f"{turned:.1f}",
        f"{measures.transfers:,}",
        f"{round(measures.funding_usd):,}",
        f"{round(measures.fees_usd):,}",
    ]


def _charts(study: Study, subject: Measures) -> str:
    name = subject.label
    return (
        chart(
            "frontier",
            "Leverage and carry kept",
            "Each policy's average leverage and the carry it kept; a cross was liquidated. What a "
            "broken hedge then lost by price is in its return, not in its carry.",
        )
        + chart("equity", "Equity", "Equity of all policies; a cross marks the first liquidation.")
        + chart(
            "margin",
            f"Collateral, health and moves of {name}",
            "Above, each venue's equity; in the middle its worst equity over maintenance, on a log "
            "scale and drawn from 0.1 to 100, where the dashed line at 1 is liquidation; below, "
            "when positions and money were moved. Freezes are shaded.",
        )
        + chart(
            "waterfall",
            f"Where the money of {name} came from",
            "The change of equity by cause, in USD.",
        )
    )


def _close(study: Study) -> str:
    outcome, measures = study.subject
    found = None if study.tape is None else approaches(outcome, study.arrangement, study.tape)
    return close_section(found, measures.label)


def _losses(study: Study) -> str:
    """Losses by stretch and part, and what crises left."""
    outcome, _ = study.subject
    tested = crises(study.tape, study.freezes, leader_of(study.arrangement))
    left = crises_table(study.results, study.subject, tested)
    beside = [r for r in study.rivals if r[1].death_ms is None][:BESIDE]
    return (
        f'<h2 id="losses">Worst days, weeks and months</h2>\n{losses_table(study.results)}'
        f'<h2 id="parts">Part by part</h2>\n{parts_table(outcome, beside)}'
        f'<h2 id="crises">What crises left</h2>\n{left}'
    )


def _waterfall_table(outcome: Outcome, measures: Measures) -> str:
    groups = waterfall_groups(outcome.ledger.waterfall)
    capital = outcome.start_micro
    change = outcome.ledger.equity_micro - capital
    rows = [
        [name, f"{round(micro / 1e6):,}", share(micro / capital)]
        for name, micro in (*groups.items(), ("change of equity", change))
    ]
    caption = (
        f"{measures.label}, in whole dollars; in the ledger the causes sum to the change of equity "
        "to the micro-dollar."
    )
    return table(Columns(("cause", "USD", "of capital"), numeric=(1, 2)), rows, caption)


def _moves(told: tuple[Move, ...], measures: Measures) -> str:
    rows = [
        [
            minute(move.ts_ms),
            move.kind,
            move.what,
            "" if move.amount_usd is None else f"{round(move.amount_usd):,}",
            "" if move.cost_usd is None else f"{move.cost_usd:,.0f}",
            move.reason,
        ]
        for move in told[:MOVES_SHOWN_MAX]
    ]
    shown = f"{len(told):,} moves" if len(told) == len(rows) else f"the first {len(rows):,} moves"
    caption = (
        f"{measures.label}: {shown}. Amounts are notional of all legs, or money sent; cost is fee, "
        "spread and impact, or what the transfer cost. The cost of staying solvent is that of "
        "what was sent, rolled and reduced; growing again is not in it."
    )
    names = ("time UTC", "kind", "what", "amount USD", "cost USD", "reason")
    columns = Columns(names, numeric=(3, 4), short=(1,))
    return f'<h2 id="moves">Moves</h2>\n{table(columns, rows, caption)}'


def _provenance(study: Study) -> str:
    rows = [
        [p.field, p.value, p.as_of, _kind(p.kind, p.source), p.source]
        for p in _stated(study.arrangement)
    ]
    caption = "Every number of the arrangement: from a dated venue table, or from the mandate."
    columns = Columns(("number", "value", "as of", "kind", "source"), short=(2, 3))
    return (
        f'<h2 id="assumptions">Assumptions and sources</h2>\n{table(columns, rows, caption)}'
        f"<details><summary>The mandate</summary><pre>{escape(study.mandate_text)}</pre></details>"
    )


def _stated(arrangement: Arrangement) -> list[Provenance]:
    """What was resolved, then what the mandate states beside it, each field once."""
    found = list(dict.fromkeys(arrangement.provenance))
    known = {p.field for p in found}
    return found + [
        Provenance(field, said.value, said.as_of, said.source, "mandate")
        for field, said in assumptions(arrangement.mandate)
        if field not in known
    ]


def _kind(kind: str, source: str) -> str:
    return "assumed" if source.startswith("assumed") else kind


def _limits(study: Study) -> str:
    said = limitations(study.arrangement, study.trials, study.seed)
    items = "\n".join(f"<li>{escape(text)}</li>" for text in said)
    return f'<h2 id="limits">What this does not show</h2>\n<ul>\n{items}\n</ul>'


def _run(study: Study) -> str:
    rows = [
        ["mandate version", study.arrangement.mandate.version],
        ["window", str(study.window)],
        ["seed", str(study.seed)],
        ["data digest", study.data_digest],
        ["policy runs on this window", str(study.trials)],
        *([name, value] for name, value in study.facts),
        *([f"journal of {m.label}", m.journal_head] for _, m in study.results),
    ]
    caption = "A journal's head fixes its whole run; tidegate verify checks a journal."
    return f'<h2 id="run">The run</h2>\n{table(Columns(("fact", "value")), rows, caption)}'
