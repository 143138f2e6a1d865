# SPDX-License-Identifier: Apache-2.0
"""The demo's report: one HTML file that needs no network, for who decides and for who checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import Path

import msgspec

from tidegate.backtest.report_moves import Move, journal_notes, moves
from tidegate.backtest.report_summary import dollars, share
from tidegate.backtest.trial.demo import Demo, Result
from tidegate.backtest.trial.demo_charts import equity_figure, frontier_figure, health_figure
from tidegate.backtest.trial.demo_words import (
    coin_words,
    fate,
    fresh_words,
    headline,
    insured_against,
    last_words,
    left_text,
    place_words,
)
from tidegate.backtest.trial.fresh_seeds import fresh_seeds_of
from tidegate.backtest.trial.score import CARRY
from tidegate.engine.cycle import Decision
from tidegate.engine.page import Columns, chart, marked_table, page, table
from tidegate.journal.reader import read_frames
from tidegate.model.times import format_time
from tidegate.model.units import usd

# Carry given up is told to this many decimals of a share; less is rounding.
SEEN = 6
CALM_ACTIONS = ("hold", "nothing")


def render_demo(demo: Demo, journal: Path | None) -> str:
    """The report as HTML text; `journal` is Tidegate's, where it ran."""
    figures = {
        "frontier": frontier_figure(demo),
        "health": health_figure(demo),
        "equity": equity_figure(demo),
    }
    subject = demo.subject
    sections = [_summary(demo), _charts(demo)]
    if subject is not None and journal is not None:
        sections.append(_acts(demo, subject, journal))
    sections += [_insurance(demo), _deaths(demo), _fresh(demo), _limits(), _run(demo)]
    return page(f"Tidegate demo: {demo.contest.crisis}", "\n".join(sections), figures)


def _summary(demo: Demo) -> str:
    contest = demo.contest
    first, *rest = headline(demo)
    tape = contest.experiment.tape
    capital = dollars(float(contest.experiment.arrangement.mandate.capital_usd))
    stated = (
        f"generated market, crisis {contest.crisis}, seed {contest.seed}, {capital}, "
        f"{_minute(tape.start_ms)} to {_minute(tape.end_ms)}"
    )
    return (
        f'<h1>Tidegate demo: {escape(contest.crisis)}</h1>\n<p class="soft">{escape(stated)}</p>\n'
        f'<p class="headline"><strong>{escape(first)}</strong> {escape(" ".join(rest))}</p>\n'
        f"{_policies(demo)}"
    )


_POLICY_COLUMNS = Columns(
    (
        "policy",
        "outcome",
        "leverage",
        "carry",
        "opening cost",
        "in the crisis",
        "lost",
        "positions left",
        "worst health",
        "transfers",
    ),
    numeric=range(2, 10),
    short=(1,),
)


def _policies(demo: Demo) -> str:
    rows = []
    for result in demo.results:
        css = "subject" if result.measures.policy == "tidegate" else ""
        rows.append((css, _policy_row(result)))
    caption = (
        "All policies on the same prices, costs and venues. Leverage is that of the calm part; "
        f"carry is {CARRY}: funding and yield less all other costs; lost is what is lost from the "
        "opening to the end, of what the opening left, 0 for a gain; "
        "positions left is gross notional at the end over that when the crisis began: who was "
        "liquidated is alive as a bank account and not as a book."
    )
    return marked_table(_POLICY_COLUMNS, rows, caption)


def _policy_row(result: Result) -> list[str]:
    s, died = result.score, result.measures.death_ms is not None
    health = s.worst_health
    return [
        escape(result.measures.label),
        f'<span class="{"bad" if died else "good"}">{escape(fate(result))}</span>',
        f"{s.calm_leverage:.2f}x",
        share(s.calm_carry),
        share(s.opening_cost),
        share(s.crisis_return),
        share(s.loss),
        left_text(s),
        "none" if health is None else f"{health:.2f}",
        f"{s.transfers}",
    ]


def _charts(demo: Demo) -> str:
    return (
        chart("frontier", "Carry kept against loss", place_words(demo))
        + chart(
            "health",
            "How near each account came to its end",
            "Equity over maintenance of each account, a row for each policy, on a log scale drawn "
            "from 0.1 to 100 at the adverse extremes inside bars; the dashed line at 1 is "
            "liquidation. Freezes of money are grey, outages of trading red.",
        )
        + chart("equity", "Equity", "Equity by the hour; a cross marks the first liquidation.")
    )


def _acts(demo: Demo, subject: Result, journal: Path) -> str:
    arrangement = demo.contest.experiment.arrangement
    told = moves(subject.outcome.events, arrangement, journal_notes(journal))
    start = demo.contest.crisis_start_ms or demo.contest.experiment.tape.end_ms
    decided = acts(journal)
    caption = (
        f"{subject.measures.label}: {len(decided)} of its {subject.outcome.decisions:,} decisions "
        "moved something, as its journal says. An alarm names the account that would not survive "
        "a stress level; amounts are notional of all legs, or money sent."
    )
    during = [_act_row(d, told) for d in decided if d.ts_ms >= start]
    before = [_act_row(d, told) for d in decided if d.ts_ms < start]
    names = ("time UTC", "trigger", "alarm", "venue", "action", "what moved")
    columns = Columns(names, short=(1, 2, 3))
    return (
        '<h2 id="acts">When Tidegate acted, and why</h2>\n'
        f"{table(columns, during, f'In the crisis. {caption}')}"
        f"{table(columns, before, 'Before it.')}"
    )


def acts(journal: Path) -> list[Decision]:
    """The decisions in a sealed journal that moved something, in order."""
    frames = (f.value() for f in read_frames(journal) if f.kind == "decision")
    decided = (msgspec.convert(value, Decision) for value in frames)
    return [d for d in decided if not d.action.startswith(CALM_ACTIONS)]


def _act_row(decided: Decision, told: Sequence[Move]) -> list[str]:
    own = [move for move in told if move.ts_ms == decided.ts_ms and move.kind != "liquidated"]
    return [
        _minute(decided.ts_ms),
        decided.trigger,
        decided.alarm,
        decided.venue or "",
        decided.action,
        "; ".join(map(_move_text, own)) or "nothing",
    ]


def _move_text(move: Move) -> str:
    if move.kind == "refused":
        return f"refused: {move.what}, {move.reason}"
    amount = "" if move.amount_usd is None else f", {dollars(move.amount_usd)}"
    return f"{move.kind} {move.what}{amount}"


def _insurance(demo: Demo) -> str:
    arrangement = demo.contest.experiment.arrangement
    start = demo.contest.crisis_start_ms or demo.contest.experiment.tape.end_ms
    rows = []
    for result in demo.results:
        told = [m for m in moves(result.outcome.events, arrangement) if m.ts_ms >= start]
        sent = sum(m.cost_usd or 0.0 for m in told if m.kind == "sent")
        traded = sum(m.cost_usd or 0.0 for m in told if m.kind != "sent")
        given = insured_against(demo, result.score)
        capital = usd(result.outcome.start_micro)
        rows.append(
            [
                result.measures.label,
                _given(given, share),
                _given(given, partial(_in_dollars, capital)),
                f"{round(result.score.opening_cost * capital):,}",
                f"{round(traded):,}",
                f"{round(sent):,}",
                left_text(result.score),
            ]
        )
    caption = (
        "Carry given up is what fixed, which holds all coins, kept more at the same average "
        f"leverage, as {CARRY}, read off its line between the points that were run, as a share of "
        "capital. 'Not seen': fixed kept less; what another choice of coins earned then hides what "
        "the insurance cost, and does not show that insurance pays. Costs are in USD: of the "
        "opening day, and of trading (liquidation losses included) and sending money from the "
        "crisis' begin on."
    )
    names = (
        "policy",
        "carry given up",
        "in USD",
        "opening cost",
        "trading in the crisis",
        "sending in the crisis",
        "positions left",
    )
    words = escape(f"Flat is not survival. {coin_words(demo)}")
    title = f'<h2 id="insurance">What the insurance costs</h2>\n<p>{words}</p>\n'
    return title + table(Columns(names, numeric=range(1, 7)), rows, caption)


def _given(value: float | None, told: Callable[[float], str]) -> str:
    """Carry given up, as a share; a gain is never shown as a price."""
    if value is None:
        return "not known"
    return told(max(0.0, value)) if round(value, SEEN) >= 0 else "not seen"


def _in_dollars(capital: float, part: float) -> str:
    return f"{round(part * capital):,}"


FRESH_COLUMNS = ("policy", "leverage", "liquidated", "carry", "opening cost", "lost", "struck")


def _fresh(demo: Demo) -> str:
    """The same contest on many seeds, so that nobody takes one for all."""
    fresh = fresh_seeds_of(demo.contest)
    if fresh is None:
        return ""
    rows = [
        [
            line.label,
            f"{line.calm_leverage:.2f}x",
            f"{line.liquidated} of {fresh.seeds}",
            share(line.calm_carry),
            share(line.opening_cost),
            share(line.loss),
            f"{line.struck}",
        ]
        for line in (*fresh.lines, *fresh.equal)
    ]
    caption = (
        "Means over all these seeds, of the default policies and then of plain rules given as much "
        "leverage as makes their average Tidegate's; 'best' holds the two coins that paid best. "
        "Leverage, carry, opening cost and lost are as above; struck counts the seeds in which it "
        "had legs at the struck venue. Printed by benchmarks/demo_seed.py."
    )
    columns = Columns(FRESH_COLUMNS, numeric=range(1, 7))
    words = f"<p>{escape(fresh_words(demo, fresh))}</p>"
    return f'<h2 id="seeds">Not one seed</h2>\n{words}\n{table(columns, rows, caption)}'


def _deaths(demo: Demo) -> str:
    words = "\n".join(f"<p>{escape(text)}</p>" for text in last_words(demo))
    return f'<h2 id="deaths">What would have ended each book</h2>\n{words}'


def _limits() -> str:
    said = (
        "One contest on a generated market: nothing here says how often such a day comes. The "
        "study over many seeds does, and there Tidegate dies in some.",
        "The market's parameters are assumed and nothing was fitted to a venue's own books; orders "
        "fill at once, and others do not react to ours.",
        "Margin is judged at the adverse extremes of five-minute bars; equity is sampled hourly.",
    )
    items = "\n".join(f"<li>{escape(text)}</li>" for text in said)
    return f'<h2 id="limits">What this does not show</h2>\n<ul>\n{items}\n</ul>'


def _run(demo: Demo) -> str:
    contest = demo.contest
    rows = [
        ["world", contest.world],
        ["world parameters", contest.experiment.origin["world_parameters"]],
        ["data digest", contest.experiment.market.digest],
        ["mandate version", contest.experiment.arrangement.mandate.version],
        *([f"journal of {r.measures.label}", r.measures.journal_head] for r in demo.results),
    ]
    caption = "A journal's head fixes its whole run; tidegate verify checks this folder."
    return f'<h2 id="run">The run</h2>\n{table(Columns(("fact", "value")), rows, caption)}'


def _minute(ts_ms: int) -> str:
    return format_time(ts_ms)[:16].replace("T", " ")
