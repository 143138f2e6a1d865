# SPDX-License-Identifier: Apache-2.0
"""From a question to changes that stand: solve, whole lots, exact rules, proof; else the ladder.

An answer that lots, exact rules or the certificate refuse is asked for again with what was short
kept in hand, a few times. Then, in this order: the present book, if it is proved; a plan that only
reduces; no plan, and why. The solver is not trusted anywhere: what is emitted has passed the exact
rules of every account it changes, and each of those has a certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil

from tidegate.allocation.joint.compiled import Compiled
from tidegate.allocation.joint.diagnosis import Diagnosis
from tidegate.allocation.joint.question import Answer, Question
from tidegate.allocation.solve import SolveError
from tidegate.engine.plan.after import Changes, account_after, changes, nothing_done, transfer
from tidegate.engine.plan.asking import Asked, ask
from tidegate.engine.plan.book import PlanAccount, PlanBook
from tidegate.engine.plan.collateral_levels import needed
from tidegate.engine.plan.history_paths import Scenarios
from tidegate.engine.plan.last_plan import LastPlan
from tidegate.engine.plan.leaving_out import LeftOut, left_out
from tidegate.engine.plan.lots import broken_limits, rounded
from tidegate.engine.plan.proving import Breach, Proof, breaches, proof
from tidegate.engine.plan.relaxing import conflicts, reducing, without_volume
from tidegate.engine.plan.requirement import may_change
from tidegate.engine.plan.watching import Seen, watched
from tidegate.model.plan_terms import PlanTerms

Solver = Callable[[Question], Answer]
ATTEMPTS = 5
MONEY_FIRST = "plan that waits for money"
SLOW = "{name}: cutting {usd:,.0f} USD takes {days} days at the share of a day's volume"
# What is kept beyond what was short, a share of that and of equity.
MORE, LEAST_MORE = 0.1, 1e-4
# A transfer may lose this share more than its programme counted.
FEE_NOISE = 1e-3


class Outcome(StrEnum):
    """What a decision is."""

    PLAN = "plan"
    UNTRIGGERED = "hold"
    NOTHING = "nothing to do"
    HOLD = "hold the present book"
    REDUCE = "reduce only"
    NONE = "no plan"


@dataclass(frozen=True, slots=True, eq=False)
class Refusal:
    """Why a step of the ladder was not taken."""

    step: str
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What to do, and how it was found. `answer` is the programme's, None where it had none;
    `proofs` are of accounts after the changes, `before` of those held now; `seen` is what triggers,
    where a last plan was given."""

    outcome: Outcome
    asked: Asked
    answer: Answer | None
    changed: Changes
    left_out: tuple[LeftOut, ...]
    proofs: Mapping[str, Proof]
    before: Mapping[str, Proof]
    diagnosis: Diagnosis | None
    refusals: tuple[Refusal, ...]
    broken: Mapping[str, float]
    seen: Seen | None = None

    @property
    def negative(self) -> bool:
        """Whether the answer is a negative one: no plan, or a book that is not proved to stand."""
        if self.outcome is Outcome.NONE:
            return True
        return self.outcome is Outcome.HOLD and bool(self.diagnosis or self.broken)


def fast(question: Question) -> Answer:
    """The programme by cutting planes, proved by its own dual bound."""
    return Compiled(question).solve()


def decide(
    book: PlanBook,
    terms: PlanTerms,
    solve: Solver = fast,
    last: LastPlan | None = None,
    scenarios: Scenarios | None = None,
) -> Decision:
    """What to do with a book under a mandate, over `scenarios` in place of its own history's;
    raises as `ask` does. With a last plan nothing is solved unless something triggers."""
    asked = ask(book, terms, scenarios=scenarios)
    before = {each.venue: proof(each, terms) for each in asked.accounts}
    seen = None if last is None else watched(asked, before, last)
    if seen is not None and not seen.triggers:
        nothing = nothing_done(asked)
        held = Decision(Outcome.UNTRIGGERED, asked, None, nothing, (), before, before, None, (), {})
        return replace(held, seen=seen)
    decided = _looked(asked, solve, before)
    return replace(decided, seen=seen)


def _looked(asked: Asked, solve: Solver, before: Mapping[str, Proof]) -> Decision:
    refusals = list[Refusal]()
    found: Diagnosis | None = None
    sent = _money_first(asked, solve, before)
    if isinstance(sent, Decision):
        return sent
    refusals += [] if sent is None else [sent]
    try:
        tried = _tried(asked, solve, _plain, before)
    except SolveError as error:
        found = conflicts(asked.question)
        refusals.append(Refusal("plan", _infeasible(found, str(error))))
        tried = None
    if isinstance(tried, Decision):
        return tried
    if tried is not None:
        refusals.append(tried)
    return _ladder(asked, solve, before, found, refusals)


def _money_first(
    asked: Asked, solve: Solver, before: Mapping[str, Proof]
) -> Decision | Refusal | None:
    """Where accounts do not stand the outer stress, a plan that sends them money before it cuts
    more than the inner stress needs: to what they are filled to, else to what they must stand;
    None where all stand it."""
    needs = {
        account.venue: needed(asked, account)
        for account in asked.accounts
        if not before[account.venue].holds and may_change(account)
    }
    below = {venue: fills for venue, fills in needs.items() if fills}
    if not any(way.destination in below and not way.frozen for way in asked.book.ways):
        return None
    refused = Refusal(MONEY_FIRST, "")
    for place in range(max(len(fills) for fills in below.values())):
        filling = {v: fills[min(place, len(fills) - 1)] for v, fills in below.items()}
        waits = ask(asked.book, asked.terms, scenarios=asked.scenarios, filling=filling)
        try:
            tried = _tried(waits, solve, _plain, before, MONEY_FIRST)
        except SolveError as error:
            refused = Refusal(MONEY_FIRST, str(error))
            continue
        if isinstance(tried, Refusal):
            refused = tried
        elif any(each.way.destination in below for each in tried.changed.transfers):
            return tried
        else:
            return None
    return refused


def _infeasible(found: Diagnosis | None, said: str) -> str:
    if found is None or not found.conflicts:
        return said
    names = "; ".join(", ".join(each.limits) for each in found.conflicts)
    return f"these limits cannot hold together: {names}"


def _plain(question: Question) -> Question:
    return question


def _tried(
    asked: Asked,
    solve: Solver,
    shape: Callable[[Question], Question],
    before: Mapping[str, Proof],
    step: str = "plan",
) -> Decision | Refusal:
    """The answer made whole and checked, asked for again while something is short."""
    kept: dict[str, float] = {}
    for _ in range(ATTEMPTS):
        asked, answer = _with_fees(asked, solve, shape, kept)
        lots = rounded(asked, answer.size[0])
        flows = answer.flow[0] * asked.equity_usd
        reduces = shape is not _plain
        outs, changed = left_out(asked, changes(asked, lots, flows.tolist()), reduces=reduces)
        short, proofs = checked(asked, changed, before)
        broken = broken_limits(asked, changed.lots.target)
        if not short and (reduces or not broken):
            outcome = Outcome.REDUCE if reduces else Outcome.PLAN
            if changed.empty:
                outcome = Outcome.HOLD if reduces else Outcome.NOTHING
            return Decision(outcome, asked, answer, changed, outs, proofs, before, None, (), broken)
        if not short or all(each.venue in asked.fixed for each in short):
            break
        for each in short:
            more = (1.0 + MORE) * each.short_usd / asked.equity_usd + LEAST_MORE
            kept[each.venue] = kept.get(each.venue, 0.0) + more
        asked = ask(asked.book, asked.terms, kept, None, asked.scenarios, asked.filling)
    words = [f"{each.venue}: {each.what}, short of {each.short_usd:,.0f} USD" for each in short]
    words += [f"{name}: broken by {by:,.2f} USD" for name, by in broken.items()]
    return Refusal("reduce only" if shape is not _plain else step, "; ".join(words))


def _with_fees(
    asked: Asked, solve: Solver, shape: Callable[[Question], Question], kept: Mapping[str, float]
) -> tuple[Asked, Answer]:
    """The answer with fixed fees as shares of what is sent: a route that would lose more than was
    counted is asked for at that amount, and is not used where it still does."""
    sent_usd: dict[str, float] = {}
    while True:
        answer = solve(shape(asked.question))
        flows = (answer.flow[0] * asked.equity_usd).tolist()
        dear = _dear(asked, flows)
        if not dear:
            return asked, answer
        sent_usd |= {name: 0.0 if name in sent_usd else usd for name, usd in dear.items()}
        asked = ask(asked.book, asked.terms, kept, sent_usd, asked.scenarios, asked.filling)


def _dear(asked: Asked, flows_usd: Sequence[float]) -> dict[str, float]:
    """Transfers, USD by route, that lose more than the programme counted."""
    found = {}
    rates = asked.question.edges.cost_rate.tolist()
    ways = zip(asked.book.ways, flows_usd, rates, strict=True)
    least = asked.terms.mandate.limits.minimum_transfer_usd
    for way, usd, rate in ways:
        if usd > 0.0 and usd >= least:
            made = transfer(asked, way, usd)
            if made.lost_usd > (rate + FEE_NOISE) * made.sent_usd:
                found[way.name] = usd
    return found


def checked(
    asked: Asked, changed: Changes, before: Mapping[str, Proof]
) -> tuple[list[Breach], dict[str, Proof]]:
    """What the exact rules or the proof of a changed account refuse, and all proofs after."""
    short, proofs = list[Breach](), dict(before)
    for account in asked.accounts:
        if not changes_account(asked, changed, account):
            short += _as_it_stands(asked, account, before[account.venue])
            continue
        found = breaches(asked, account, changed)
        short += found
        if found:
            continue
        waits = account.venue in asked.waiting
        after = account_after(asked, account, changed, landed=waits)
        drowned = account.venue in asked.drowned
        proofs[account.venue] = proof(after, asked.terms, inner=drowned)
        if waits and not drowned:
            until = account_after(asked, account, changed, landed=False)
            meanwhile = proof(until, asked.terms, inner=True)
            short += [] if meanwhile.holds else _unproved(meanwhile)
        if not proofs[account.venue].holds:
            short += _unproved(proofs[account.venue])
    return short, proofs


def _as_it_stands(asked: Asked, account: PlanAccount, found: Proof) -> list[Breach]:
    """What is wrong with an account that nothing changes: a proof that fails, or the exact rule
    where no proof covers it."""
    if found.holds:
        return []
    if found.certificate is not None:
        return _unproved(found)
    return breaches(asked, account, nothing_done(asked))


def _unproved(found: Proof) -> list[Breach]:
    return [Breach(found.venue, f"{found.verdict} at {found.worst}", found.short_usd)]


def changes_account(asked: Asked, changed: Changes, account: PlanAccount) -> bool:
    """Whether anything is traded in an account or sent out of it, or it waits for money."""
    traded = bool(changed.lots.traded[asked.members(account)].any())
    waits = account.venue in asked.waiting
    return traded or waits or any(each.way.source == account.venue for each in changed.transfers)


def _ladder(
    asked: Asked,
    solve: Solver,
    before: Mapping[str, Proof],
    found: Diagnosis | None,
    refusals: list[Refusal],
) -> Decision:
    """The present book if it is proved, else a plan that only reduces, else none."""
    nothing = nothing_done(asked)
    broken = broken_limits(asked, nothing.lots.target)
    short, _ = checked(asked, nothing, before)
    present = [b for account in asked.accounts for b in breaches(asked, account, nothing)]
    if not short and not present:
        parts = (nothing, (), before, before, found, tuple(refusals), broken)
        return Decision(Outcome.HOLD, asked, None, *parts)
    words = [f"{b.venue}: {b.what}, short of {b.short_usd:,.0f} USD" for b in (*present, *short)]
    refusals.append(Refusal("the present book", "; ".join(dict.fromkeys(words))))
    tried = reduced(asked, solve, before)
    if isinstance(tried, Decision):
        return replace(tried, diagnosis=found, refusals=tuple(refusals))
    parts = (nothing, (), before, before, found, (*refusals, tried), broken)
    return Decision(Outcome.NONE, asked, None, *parts)


def reduced(
    asked: Asked,
    solve: Solver,
    before: Mapping[str, Proof],
    shape: Callable[[Question], Question] = reducing,
) -> Decision | Refusal:
    """A plan that only reduces and sends money, or why there is none; with how many days reducing
    takes, where what may be traded in one is not enough."""
    try:
        tried = _tried(asked, solve, shape, before)
    except SolveError as error:
        tried = Refusal("reduce only", str(error))
    if isinstance(tried, Decision):
        return tried
    slow = _too_slow(asked, solve, shape)
    return replace(tried, why="; ".join(filter(None, (tried.why, slow))))


def _too_slow(asked: Asked, solve: Solver, shape: Callable[[Question], Question]) -> str:
    """Which positions the volume of a day is too small for, and what they would take."""
    try:
        answer = solve(without_volume(shape(asked.question)))
    except SolveError:
        return ""
    found = []
    for bound, size in zip(asked.bounds, answer.size[-1].tolist(), strict=True):
        cut = abs(size * asked.equity_usd - bound.held_usd)
        if bound.day_usd is not None and cut > bound.day_usd * (1.0 + FEE_NOISE):
            days = ceil(cut / bound.day_usd) if bound.day_usd else 0
            found.append(SLOW.format(name=bound.instrument.id, usd=cut, days=days or "no end of"))
    return "; ".join(found)
