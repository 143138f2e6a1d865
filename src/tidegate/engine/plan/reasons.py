# SPDX-License-Identifier: Apache-2.0
"""Why: each move with what binds it, when it pays back, and what it does to each account.

Prices of limits are the programme's dual prices. Its carry counts for a time H (`Asked`), so a
price per unit is divided by H to be a year's; a box's row was scaled, which is undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from tidegate.allocation.joint.diagnosis import Easing
from tidegate.engine.plan.after import account_after, nothing_done
from tidegate.engine.plan.asking import DAYS_YEAR, Asked, NoEquity
from tidegate.engine.plan.book import PlanAccount, PlanBook
from tidegate.engine.plan.bounds import Bound
from tidegate.engine.plan.deciding import Decision, Outcome, changes_account
from tidegate.engine.plan.document import (
    SCHEMA,
    AccountLine,
    ConflictLine,
    CureLine,
    DistanceLine,
    EasingLine,
    GreekLine,
    LeftOutLine,
    LimitLine,
    MoveLine,
    PlanDocument,
    PositionLine,
    RefusalLine,
    ShortfallLine,
    StandingLine,
    TransferLine,
)
from tidegate.engine.plan.history_words import history_line, judged_by, proved, sampled
from tidegate.engine.plan.leaving_out import economics
from tidegate.engine.plan.lots import notional_usd
from tidegate.engine.plan.proving import Breach, Proof, breaches, proof
from tidegate.engine.plan.trigger_lines import assumptions, outcome, routes, when
from tidegate.margin.liquidation_distance import liquidation_ratios
from tidegate.model.errors import InputError
from tidegate.model.plan_terms import PlanTerms
from tidegate.model.times import format_time

# A price below this is the solver's noise.
NO_PRICE = 1e-7
NO_SHORTFALL = 1e-7
NOISE_USD = 1.0


def document(decision: Decision, mandate: str) -> PlanDocument:
    """The decision with every reason; `mandate` names its file."""
    asked, changed = decision.asked, decision.changed
    rows = np.flatnonzero(changed.lots.traded).tolist()
    whole = economics(asked, changed, rows)
    answer = decision.answer
    gain = whole.gain_usd_annual + _yields_gained(decision)
    days = changed.cost_usd / gain * DAYS_YEAR if gain > 0.0 else None
    gap = None
    if answer is not None:
        gap = abs(answer.bound - answer.objective) / max(1.0, abs(answer.bound))
    acts = when(decision)
    return PlanDocument(
        schema=SCHEMA,
        outcome=outcome(decision, acts.triggers),
        negative=decision.negative,
        book=asked.book.where,
        mandate=mandate,
        mandate_version=asked.terms.mandate.version,
        as_of=format_time(asked.book.ts_ms),
        equity_usd=asked.equity_usd,
        cost_usd=changed.cost_usd,
        gain_usd_annual=gain,
        payback_days=days,
        optimality_gap=gap,
        judged_by=judged_by(asked.scenarios),
        proved=proved(asked.terms),
        sampled=sampled(asked),
        triggers=acts.triggers,
        watches=acts.watches,
        levels=acts.levels,
        history=history_line(decision),
        positions=tuple(_positions(decision)),
        transfers=tuple(_transfers(decision)),
        moves=tuple(_moves(decision)),
        accounts=tuple(_accounts(decision)),
        greeks=tuple(_greeks(decision)),
        limits=tuple(_limits(decision)),
        shortfalls=tuple(_shortfalls(decision)),
        left_out=tuple(LeftOutLine(o.coin, o.names, o.why) for o in decision.left_out),
        conflicts=tuple(_conflicts(decision)),
        least_violation=tuple(_least(decision)),
        cures=tuple(_cures(decision)),
        refusals=tuple(RefusalLine(r.step, r.why) for r in decision.refusals),
        routes=tuple(routes(asked)),
        assumptions=tuple(assumptions(asked)),
        unknown=(*asked.book.unknown, *acts.unknown),
    )


def _yields_gained(decision: Decision) -> float:
    """What money that is sent earns more a year where it arrives, USD."""
    yields, gained = decision.asked.book.yields, 0.0
    for each in decision.changed.transfers:
        arrives = each.sent_usd - each.lost_usd
        gained += arrives * yields.get(each.way.destination, 0.0)
        gained -= each.sent_usd * yields.get(each.way.source, 0.0)
    return gained


def _positions(decision: Decision) -> Iterator[PositionLine]:
    asked, lots = decision.asked, decision.changed.lots
    later = None if decision.answer is None else decision.answer.size[-1] * asked.equity_usd
    for i, bound in enumerate(asked.bounds):
        edge = asked.book.edges.get(bound.instrument.id)
        held, target = int(lots.held[i]), int(lots.target[i])
        per_lot = bound.lot_usd / bound.per_size
        yield PositionLine(
            venue=bound.account.venue,
            symbol=bound.instrument.symbol,
            coin=bound.instrument.base,
            lots_held=held,
            lots_target=target,
            size_held=_tidy(held * per_lot),
            size_target=_tidy(target * per_lot),
            notional_held_usd=held * bound.lot_usd,
            notional_target_usd=target * bound.lot_usd,
            notional_later_usd=None if later is None else float(later[i]),
            cost_usd=float(decision.changed.costs_usd[i]),
            carry_annual=None if edge is None else edge.carry_annual,
            only_reduced=bound.why,
            days=_days(bound, target * bound.lot_usd, None if later is None else float(later[i])),
        )


def _days(bound: Bound, target_usd: float, later_usd: float | None) -> float | None:
    """Days that a trade, and what is meant later, take at the venue's share of a day's volume."""
    if not bound.day_usd:
        return None
    aims = [target_usd] if later_usd is None else [target_usd, later_usd]
    most = max(abs(aim - bound.held_usd) for aim in aims)
    # A trade of nothing takes no time, whatever is dealt.
    return most / bound.day_usd if most > NOISE_USD else 0.0


def _tidy(number: float) -> float:
    return float(f"{number:.12g}")


def _transfers(decision: Decision) -> Iterator[TransferLine]:
    accounts = decision.asked.book.accounts
    for each in decision.changed.transfers:
        way = each.way
        yield TransferLine(
            source=way.source,
            destination=way.destination,
            asset_sent=accounts[way.source].asset,
            sent=each.sent,
            asset_received=accounts[way.destination].asset,
            received=each.received,
            lost_usd=each.lost_usd,
            latency_median_s=way.latency_median_s,
            latency_p95_s=way.latency_p95_s,
            value_at_source_annual=_dollar_value(decision, way.source),
            value_at_destination_annual=_dollar_value(decision, way.destination),
            binding=tuple(_money_limits(decision, {way.source, way.destination})),
        )


def _dollar_value(decision: Decision, venue: str) -> float | None:
    """USD a year for one more dollar at a venue; None where the programme did not say, or a claim
    on it is given up for now: the price is a penalty then, which nobody pays."""
    answer, asked = decision.answer, decision.asked
    if answer is None or not answer.dollar_value.size:
        return None
    place = [each.venue for each in asked.accounts].index(venue)
    given_up = _given_up(decision)
    if any(each.claim[place] and each.name in given_up for each in asked.question.gross):
        return None
    return float(answer.dollar_value[place]) / asked.horizon_years


def _money_limits(decision: Decision, venues: set[str]) -> Iterator[str]:
    """Limits with a price that look at money at these venues: claims, dollar coins, solvency."""
    asked, answer = decision.asked, decision.answer
    prices = {} if answer is None else answer.prices
    nodes = [i for i, each in enumerate(asked.accounts) if each.venue in venues]
    for gross in asked.question.gross:
        if gross.claim[nodes].any() and prices.get(gross.name, 0.0) > NO_PRICE:
            yield gross.name
    for tail in asked.question.tails:
        if np.isin(tail.nodes, nodes).any() and prices.get(tail.name, 0.0) > NO_PRICE:
            yield tail.name


def _moves(decision: Decision) -> Iterator[MoveLine]:
    asked = decision.asked
    traded = np.flatnonzero(decision.changed.lots.traded).tolist()
    for coin in asked.book.coins:
        rows = [i for i in traded if asked.bounds[i].instrument.base == coin]
        if not rows:
            continue
        of = economics(asked, decision.changed, rows)
        names = tuple(asked.bounds[i].instrument.id for i in rows)
        lives = [asked.book.edges[n].half_life_days for n in names if n in asked.book.edges]
        limit = asked.horizon_years * DAYS_YEAR
        days = of.payback_days
        yield MoveLine(
            coin=coin,
            symbols=names,
            traded_usd=of.traded_usd,
            cost_usd=of.cost_usd,
            gain_usd_annual=of.gain_usd_annual,
            payback_days=days,
            half_life_days=max(lives, default=asked.terms.mandate.edge.half_life_days),
            forced=days is None or days > limit,
            binding=tuple(_binding(decision, rows)),
        )


def _binding(decision: Decision, rows: list[int]) -> Iterator[str]:
    """Limits with a price that look at any of these positions, and bounds that they stand at."""
    asked, answer = decision.asked, decision.answer
    if answer is None:
        return
    question, places = asked.question, np.array(rows)
    prices = answer.prices
    for name, row in zip(question.boxes.names, question.boxes.rows, strict=True):
        if prices.get(name, 0.0) > NO_PRICE and row[places].any():
            yield name
    for gross in question.gross:
        if prices.get(gross.name, 0.0) > NO_PRICE and gross.weights[places].any():
            yield gross.name
    for tail in question.tails:
        if prices.get(tail.name, 0.0) > NO_PRICE and np.isin(tail.columns, places).any():
            yield tail.name
    size, p = answer.size[0], question.positions
    for i in rows:
        near = 1e-6 * (1.0 + abs(size[i]))
        if size[i] >= p.upper[i] - near or size[i] <= p.lower[i] + near:
            why = asked.bounds[i].why
            yield f"{p.names[i]}: " + (why or "the share of a day's volume, or its range")


def _accounts(decision: Decision) -> Iterator[AccountLine]:
    asked = decision.asked
    for account in asked.accounts:
        changed = changes_account(asked, decision.changed, account)
        before = _standing(account, decision.before[account.venue])
        after = before
        if changed:
            waits = account.venue in asked.waiting
            then = account_after(asked, account, decision.changed, landed=waits)
            after = _standing(then, decision.proofs[account.venue])
        worth = _dollar_value(decision, account.venue)
        rule = account.book.card.name
        waits = account.venue in asked.waiting
        yield AccountLine(account.venue, rule, changed, before, after, worth, waits)


def _standing(account: PlanAccount, proof: Proof) -> StandingLine:
    stated = account.statement()
    price = account.price(stated.unit)
    return StandingLine(
        equity_usd=stated.equity * price,
        initial_usd=stated.initial * price,
        maintenance_usd=stated.maintenance * price,
        health_usd=stated.health * price,
        distances=tuple(_distances(account)),
        certificate=proof.verdict,
        proved_health_usd=proof.lower_usd,
        worst_market=proof.worst,
    )


def _distances(account: PlanAccount) -> Iterator[DistanceLine]:
    book = account.book
    for coin in account.coins:
        try:
            found = liquidation_ratios(book.rule, book.holdings, book.market, coin)
        except InputError:
            continue
        below = None if found.below is None else found.below - 1.0
        above = None if found.above is None else found.above - 1.0
        yield DistanceLine(coin, below, above)


def _greeks(decision: Decision) -> Iterator[GreekLine]:
    asked, lots = decision.asked, decision.changed.lots
    held, target = notional_usd(asked, lots.held), notional_usd(asked, lots.target)
    beside = asked.greeks.coin_usd
    for box in asked.boxes:
        shift = 0.0
        name = box.name.removeprefix("target ")
        if name.startswith("delta "):
            shift = beside.get(name.removeprefix("delta "), sum(beside.values()))
        ends = [end + shift if np.isfinite(end) else None for end in (box.lower, box.upper)]
        values = (float(box.row @ held) + shift, float(box.row @ target) + shift)
        yield GreekLine(box.name, *values, ends[0], ends[1])


def _limits(decision: Decision) -> Iterator[LimitLine]:
    asked, answer = decision.asked, decision.answer
    if answer is None:
        return
    steep = _steep(asked)
    named = {*steep, *(g.name for g in asked.question.gross)}
    named |= {tail.name for tail in asked.question.tails} | {"turnover"}
    named -= set(_given_up(decision))
    lines = [
        LimitLine(name, price / steep.get(name, 1.0) / asked.horizon_years)
        for name, price in answer.prices.items()
        if name in named and price > NO_PRICE
    ]
    yield from sorted(lines, key=lambda line: -line.usd_annual)


def _given_up(decision: Decision) -> dict[str, float]:
    """Limits that the programme gives up for now, and by how much, units of equity."""
    answer = decision.answer
    found = {} if answer is None else answer.shortfall
    return {name: by for name, by in found.items() if by > NO_SHORTFALL}


def _shortfalls(decision: Decision) -> Iterator[ShortfallLine]:
    """What of the mandate is given up for now, USD: no money can come so fast, or nothing that may
    be dealt now reaches a target. Of all steps the first counts, which is the one that is done."""
    asked, answer, given_up = decision.asked, decision.answer, _given_up(decision)
    if answer is None:
        return
    size, money = answer.size[0], answer.collateral[0]
    over = {box.name: box.outside(size * asked.equity_usd) for box in asked.boxes}
    for each in asked.question.gross:
        used = float(each.weights @ np.abs(size) + each.claim @ money) + each.constant
        over[each.name] = (used - each.cap) * asked.equity_usd
    for name in given_up:
        if over.get(name, 0.0) > NOISE_USD:
            yield ShortfallLine(name, over[name])


def _steep(asked: Asked) -> dict[str, float]:
    """By how much the row of each linear limit was scaled."""
    return {box.name: float(np.abs(box.row).max()) for box in asked.boxes}


def _conflicts(decision: Decision) -> Iterator[ConflictLine]:
    for each in decision.diagnosis.conflicts if decision.diagnosis else ():
        yield ConflictLine(each.limits, tuple(_easings(decision.asked, each.cures)))


def _least(decision: Decision) -> Iterator[EasingLine]:
    """What cures all conflicts together."""
    if decision.diagnosis is not None:
        yield from _easings(decision.asked, decision.diagnosis.least)


def _easings(asked: Asked, eased: Iterable[Easing]) -> Iterator[EasingLine]:
    steep = _steep(asked)
    for each in eased:
        unit = "coins" if each.name.startswith("short ") else "USD"
        by = each.amount * asked.equity_usd * steep.get(each.name, 1.0)
        yield EasingLine(each.name, by, unit)


def _cures(decision: Decision) -> Iterator[CureLine]:
    """Where nothing else helps, or the present book does not stand: the money that does."""
    asked = decision.asked
    for account in asked.accounts:
        found = breaches(asked, account, nothing_done(asked))
        before = decision.before[account.venue]
        if before.certificate is not None and not before.holds:
            what = f"proof over the stress box, {before.worst}"
            found.append(Breach(account.venue, what, before.short_usd))
        for each in found:
            yield CureLine(each.venue, each.short_usd, each.what)


def document_without_equity(
    book: PlanBook, terms: PlanTerms, mandate: str, found: NoEquity
) -> PlanDocument:
    """No plan, as all accounts together are worth nothing, and what each lacks for maintenance."""
    cures, lines = list[CureLine](), list[AccountLine]()
    for account in book.accounts.values():
        before = _standing(account, proof(account, terms))
        lines.append(
            AccountLine(account.venue, account.book.card.name, False, before, before, None)
        )
        if before.health_usd < 0.0:
            cures.append(CureLine(account.venue, -before.health_usd, "maintenance margin now"))
    return PlanDocument(
        schema=SCHEMA,
        outcome=str(Outcome.NONE),
        negative=True,
        book=book.where,
        mandate=mandate,
        mandate_version=terms.mandate.version,
        as_of=format_time(book.ts_ms),
        equity_usd=found.equity_usd,
        cost_usd=0.0,
        gain_usd_annual=0.0,
        payback_days=None,
        optimality_gap=None,
        judged_by=judged_by(None),
        accounts=tuple(lines),
        cures=tuple(cures),
        refusals=(RefusalLine("plan", str(found)),),
        unknown=book.unknown,
    )
