# SPDX-License-Identifier: Apache-2.0
"""The cheapest fix: what the joint plan reduces and sends so that every account stands the target.

The plan's own programme, reducing only, under a mandate that has no limit but solvency and to leave
no more delta unhedged than there is: each coin's target by its beta, in every combination, with the
plan's default stress of vols and spread. Edges count nothing, so the cheapest way is sought. What
is offered has passed the exact rules, and a certificate proves each account that it changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from msgspec import structs

from tidegate.allocation.joint.question import Question
from tidegate.allocation.solve import SolveError
from tidegate.engine.plan.after import nothing_done
from tidegate.engine.plan.asking import Asked, NoEquity, ask
from tidegate.engine.plan.book import WORST_RATE, PlanAccount, PlanBook
from tidegate.engine.plan.book_file import require_judged
from tidegate.engine.plan.deciding import (
    Decision,
    checked,
    fast,
    reduced,
)
from tidegate.engine.plan.lots import broken_limits
from tidegate.engine.plan.proving import breaches, proof
from tidegate.engine.plan.relaxing import reducing, without_targets
from tidegate.engine.survival.defaults import Deltas
from tidegate.engine.survival.document import Cut, Fix, Wire
from tidegate.engine.survival.terms import RiskTerms
from tidegate.model.errors import InputError
from tidegate.model.mandate import Assumption, EdgeTerms, Limits, Mandate, Purpose, Stress, Venue
from tidegate.model.plan_sections import OptionTerms
from tidegate.model.plan_terms import PlanTerms, plan_terms

# No limit of its own but solvency: turnover without bound, gross leverage as it is.
UNBOUND, SLACK = 1e6, 1e-3
LEAST_NAKED_SHARE = 0.01
DEEPEST = 0.95


def fix(book: PlanBook, terms: RiskTerms) -> Fix:
    """What to cut and send; where none is computed, why."""
    usable, left = _usable(book)
    betas = terms.betas_of(usable.coins)
    if betas is None:
        return Fix(True, False, why="no fix is computed: betas of its coins are not all given")
    if not usable.accounts:
        return Fix(True, False, why=f"no fix is computed: {left}")
    try:
        asked = ask(usable, _plan_terms(usable, terms, betas))
        found = _found(asked)
    except NoEquity as nothing:
        return Fix(True, False, why=f"no fix is computed: {nothing}")
    except (InputError, SolveError) as error:
        return Fix(True, False, why=f"no fix is computed: {error}")
    if not left:
        return found
    why = "; ".join(part for part in (found.why, f"not looked at: {left}") if part)
    return structs.replace(found, needed=True, why=why)


def _usable(book: PlanBook) -> tuple[PlanBook, str]:
    """The accounts that can be judged and that money moves in by one asset; the others in words.
    Edges are left out, so that nothing is traded for gain."""
    kept, left = dict[str, PlanAccount](), list[str]()
    for name, account in book.accounts.items():
        try:
            require_judged(account)
        except InputError as error:
            left.append(f"{name} ({error.field}: {error.expected})")
            continue
        if account.asset:
            kept[name] = account
        else:
            left.append(f"{name} (collateral: what money is moved in is not said)")
    ways = tuple(w for w in book.ways if w.source in kept and w.destination in kept)
    usable = replace(book, accounts=kept, ways=ways, edges={}, yields={})
    return usable, ", ".join(left)


def _plan_terms(book: PlanBook, terms: RiskTerms, betas: Mapping[str, float]) -> PlanTerms:
    moves = {coin: min(DEEPEST, beta * terms.target) for coin, beta in betas.items()}
    venues = {
        name: Venue(rule=each.book.card.name, collateral=each.asset, volume_share=1.0)
        for name, each in book.accounts.items()
    }
    none = Assumption("0", "", "no gain is sought")
    equity = _equity_usd(book)
    limits = Limits(
        gross_leverage=_gross_usd(book) / equity * (1.0 + SLACK) + SLACK,
        loss_from_peak=1.0,
        naked_usd=max(abs(_net_usd(book)), LEAST_NAKED_SHARE * equity),
        minimum_trade_usd=0.0,
        minimum_transfer_usd=1.0,
        turnover_per_day=UNBOUND,
    )
    mandate = Mandate(
        mandate=Purpose("observe", "1", none),
        stress=Stress(outer=moves, inner={c: m / 2.0 for c, m in moves.items()}),
        venue=venues,
        stable={},
        limits=limits,
        edge=EdgeTerms(minimum_t=0.0),
        option=OptionTerms(unwind_before_expiry_s=0.0),
    )
    return plan_terms(mandate)


def _equity_usd(book: PlanBook) -> float:
    """Of all accounts; raises `NoEquity` where there is none."""
    stated = [(each, each.statement()) for each in book.accounts.values()]
    equity = sum(said.equity * each.price(said.unit) for each, said in stated)
    if not equity > 0.0:
        raise NoEquity(equity)
    return equity


def _gross_usd(book: PlanBook) -> float:
    """Notional held of everything that is dealt in."""
    return sum(abs(a.held(each.id)) * a.notional_per_size(each) for a, each in book.dealt())


def _net_usd(book: PlanBook) -> float:
    """Delta of the book as it stands."""
    deltas = Deltas.of(list(book.accounts.values()))
    return sum(sum(own.values()) for own in deltas.by_venue.values())


def _found(asked: Asked) -> Fix:
    before = {each.venue: proof(each, asked.terms) for each in asked.accounts}
    nothing = nothing_done(asked)
    short, _ = checked(asked, nothing, before)
    present = [b for account in asked.accounts for b in breaches(asked, account, nothing)]
    if not short and not present and not broken_limits(asked, nothing.lots.target):
        return Fix(False, False, why="every account stands the target as it is")
    stuck = {each.venue for each in (*short, *present)} & asked.fixed
    made = reduced(asked, fast, before, _only_less)
    if not isinstance(made, Decision):
        made = reduced(asked, fast, before, _reducing)
    if isinstance(made, Decision) and not made.changed.empty:
        return _said(made)
    names = ", ".join(sorted(stuck))
    why = f"no certificate covers {names} as it is" if names else "nothing reduced or sent helps"
    if not isinstance(made, Decision):
        why = f"{why}: {made.why}"
    return Fix(True, False, why=f"no fix is computed: {why}")


def _only_less(question: Question) -> Question:
    """Positions move only toward nought, and every limit holds; no delta is aimed at."""
    return replace(question, reduce_only=True, boxes=without_targets(question.boxes))


def _reducing(question: Question) -> Question:
    """The plan's own last resort, no delta being aimed at."""
    return reducing(replace(question, boxes=without_targets(question.boxes)))


def _said(made: Decision) -> Fix:
    changed = made.changed
    changed_venues = {cut.venue for cut in _cuts(made)} | {w.source for w in _wires(made)}
    proved = [n for n, p in made.proofs.items() if p.holds and n in changed_venues]
    unknown = sorted({f"{c.venue}:{c.symbol}" for c in _cuts(made)} - made.asked.book.costs.keys())
    why = (
        f"costs of {', '.join(unknown)} are not given: {WORST_RATE:.0%} counted" if unknown else ""
    )
    cuts, wires = tuple(_cuts(made)), tuple(_wires(made))
    return Fix(True, True, changed.cost_usd, cuts, wires, tuple(proved), why=why)


def _cuts(made: Decision) -> Iterator[Cut]:
    lots = made.changed.lots
    for place, bound in enumerate(made.asked.bounds):
        if lots.traded[place]:
            size = float(lots.traded[place]) * bound.lot_usd / bound.per_size
            cost = float(made.changed.costs_usd[place])
            yield Cut(bound.account.venue, bound.instrument.symbol, size, cost)


def _wires(made: Decision) -> Iterator[Wire]:
    for each in made.changed.transfers:
        way, asset = each.way, made.asked.book.accounts[each.way.source].asset
        ends = (way.source, way.destination, asset)
        yield Wire(*ends, each.sent, each.lost_usd, way.latency_p95_s)
