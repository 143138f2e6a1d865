# SPDX-License-Identifier: Apache-2.0
"""What the demo says in sentences, each built from the numbers of its runs."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.backtest.report_summary import dollars, share
from tidegate.backtest.trial.demo import Demo, Result
from tidegate.backtest.trial.demo_charts import fixed_line
from tidegate.backtest.trial.fresh_seeds import FreshSeeds
from tidegate.backtest.trial.nearest_death import LEADER, marks_at
from tidegate.backtest.trial.score import CARRY, Score
from tidegate.model.times import HOUR_MS, format_time

CALM = "A calm week without a crisis."


def fate(result: Result) -> str:
    """Whether a policy lived, else when a venue first took over."""
    death = result.measures.death_ms
    if death is not None:
        return f"died {format_time(death)[:16].replace('T', ' ')}"
    return "could not open" if result.score.refused else "alive"


def left_text(score: Score) -> str:
    """Positions at the end, as a share of those that the crisis met."""
    return "none held" if score.left is None else f"{score.left:.0%}"


def headline(demo: Demo) -> list[str]:
    """What happened, what became of Tidegate, and of everybody else."""
    subject = demo.subject
    rivals = [r for r in demo.results if r is not subject]
    sentences = [_happened(demo)]
    if subject is not None:
        sentences.append(_subject(demo, subject))
    sentences.append(_struck(demo))
    told = (("Also alive are", _alive(rivals)), ("Liquidated were", _dead(rivals)))
    sentences += [_rivals(demo, how, results) for how, results in told]
    return [sentence for sentence in sentences if sentence]


def _happened(demo: Demo) -> str:
    contest = demo.contest
    start, tape = contest.crisis_start_ms, contest.experiment.tape
    if start is None:
        return CALM
    told = [f"{LEADER} moved by {share(_worst_move(demo, start))} at its worst"]
    for span, what in (
        *((f, "let no money in or out") for f in tape.freezes),
        *((o, "did not trade") for o in tape.outages),
    ):
        if span.end_ms > start:
            told.append(f"{span.venue} {what} for {(span.end_ms - span.start_ms) / HOUR_MS:.1f} h")
    return f"After a calm week came the crisis: {'; '.join(told)}."


def _worst_move(demo: Demo, start_ms: int) -> float:
    """The largest relative move of the leading coin's marks after the crisis began."""
    experiment = demo.contest.experiment
    name = experiment.market.reference[LEADER]
    tape, before = experiment.tape, marks_at(demo.contest, start_ms)[name]
    later = tape.tracks[name].mark_close[(start_ms - tape.start_ms) // tape.step_ms :]
    return max((mark / before - 1 for mark in later), key=abs)


def _subject(demo: Demo, result: Result) -> str:
    s = result.score
    ended = "went through it without a liquidation" if not s.liquidated else "was liquidated"
    after = ""
    if demo.contest.crisis_start_ms is not None:
        after = (
            f" It {_changed(s)} in the crisis and held {left_text(s)} of its positions after it."
        )
    return (
        f"{result.measures.label.capitalize()} {ended} at {s.calm_leverage:.1f} times leverage; "
        f"{CARRY}, was {share(s.calm_carry)} of capital, and opening cost "
        f"{share(s.opening_cost)}.{after}"
    )


def _struck(demo: Demo) -> str:
    """Who had legs where the crisis struck; without any there a policy was not put to the test."""
    told = [
        f"{r.measures.label} {dollars(r.struck_usd) if r.struck_usd else 'none'}"
        for r in demo.results
        if r.struck_usd is not None
    ]
    venue = demo.contest.crisis_venue
    return f"Legs at {venue}, which was struck, when it began: {', '.join(told)}." if told else ""


def coin_words(demo: Demo) -> str:
    """Which coin Tidegate chose most of, which is not its insurance."""
    subject = demo.subject
    if subject is None or subject.largest is None:
        return ""
    coin, part = subject.largest
    when = "at the end" if demo.contest.crisis_start_ms is None else "when the crisis began"
    return (
        f"{subject.measures.label.capitalize()} had {part:.0%} of its notional in {coin} {when}; "
        "fixed holds every coin in equal parts. Part of Tidegate's carry is this choice of coin."
    )


def fresh_words(demo: Demo, fresh: FreshSeeds) -> str:
    """How this contest was chosen, or that it was not."""
    last = fresh.first_seed + fresh.seeds - 1
    chosen = (
        f"Of {fresh.seeds} fresh seeds, {fresh.first_seed} to {last}, {fresh.struck} struck every "
        f"policy of the default demo, which had legs at the struck venue when the crisis began; of "
        f"those, seed {fresh.shown} is nearest to the mean of all and is the default."
    )
    if demo.contest.seed == fresh.shown:
        return chosen
    return f"{chosen} This is seed {demo.contest.seed}."


def _changed(score: Score) -> str:
    value = score.crisis_return
    return f"{'lost' if value < 0 else 'gained'} {share(abs(value))}"


def _alive(results: Sequence[Result]) -> list[Result]:
    return [r for r in results if r.measures.death_ms is None and not r.score.refused]


def _dead(results: Sequence[Result]) -> list[Result]:
    return [r for r in results if r.measures.death_ms is not None]


def _rivals(demo: Demo, how: str, results: Sequence[Result]) -> str:
    if not results:
        return ""
    calm = demo.contest.crisis_start_ms is None
    told = ", ".join(
        f"{r.measures.label} (carry {share(r.score.calm_carry)} from the second day, opening cost "
        f"{share(r.score.opening_cost)} apart{'' if calm else ', ' + _changed(r.score)})"
        for r in results
    )
    return f"{how}: {told}."


def place_words(demo: Demo) -> str:
    """What the frontier shows, and which of its books are not on it."""
    refused = [s for s in demo.frontier if s.policy == "fixed" and s.refused]
    absent = ", ".join(f"{s.leverage:.3g}x" for s in refused)
    missing = f" Fixed could not open at {absent}, and is not drawn there." if refused else ""
    return (
        f"Upward is {CARRY}. "
        "The dotted line is fixed at collateral of 10 to 60 % of notional: the more leverage, the "
        "more carry, and the more may be lost. Better is up and to the left. A cross was "
        f"liquidated; one that did not lose had luck with the legs that were left.{missing}"
    )


def insured_against(demo: Demo, score: Score) -> float | None:
    """Carry that `fixed` kept more at the same leverage, as a share of capital; None outside the
    leverages that it was run at."""
    line = [(s.calm_leverage, s.calm_carry) for s in fixed_line(demo) if not s.calm_liquidated]
    for (low, less), (high, more) in zip(sorted(line), sorted(line)[1:], strict=False):
        if low <= score.calm_leverage <= high and low < high:
            share_of = (score.calm_leverage - low) / (high - low)
            return less + share_of * (more - less) - score.calm_carry
    return None


def last_words(demo: Demo) -> list[str]:
    """Of every policy, the smallest sudden move that would have killed just before the crisis, or
    at the end where there was none."""
    start, took = demo.contest.crisis_start_ms, ""
    if start is not None:
        moved = share(_worst_move(demo, start))
        took = f" The crisis itself moved {LEADER} by {moved}, but not at once."
    method = (
        f"The figure is that of {LEADER}; all coins move at once, in the proportions of the "
        "mandate's outer moves, and nobody can send or cut before it is over. Found by bisection "
        f"on every account's exact rule.{took}"
    )
    when = "at the end of the week" if start is None else "just before the crisis"
    return [*(_killer(r, when) for r in demo.results), method]


def _killer(result: Result, when: str) -> str:
    nearest, label = result.nearest, result.measures.label.capitalize()
    if nearest.move is None or nearest.venue is None:
        return f"{label}: no sudden move of all coins together would have liquidated an account."
    return (
        f"{label}: {when} a sudden move of {share(nearest.move)}, before its next look, would have "
        f"liquidated its account at {nearest.venue}."
    )
