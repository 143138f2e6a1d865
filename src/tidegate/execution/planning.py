# SPDX-License-Identifier: Apache-2.0
"""From targets to a plan: reductions, then rolls, then transfers, then increases, leg by leg.

Steps are hedged slices no larger than the mandate's naked limit, so that a fill that stays alone
exposes at most that much, and money leaves only after what frees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from math import ceil

import msgspec

from tidegate.execution.rounding import hedged_lots, slices
from tidegate.execution.schedule import Hazard, Leg, Pace, Slice, schedule
from tidegate.model.actions import Order, Transfer
from tidegate.model.instruments import InstrumentId, Spot
from tidegate.model.times import SECOND_MS
from tidegate.model.units import MICRO
from tidegate.risk.plan import (
    Plan,
    Situation,
    Step,
    Terms,
    account_after,
    certain_lots,
    held_lots,
    is_unsettled,
    net_coins,
    route_room_usd,
    situation_after,
)

# The venue may mark the account a little differently by the time that the request arrives.
LEAVING_SHARE = 0.99
DAYS = 365


class Targets(msgspec.Struct, frozen=True):
    """What allocation wants: base-coin amounts per instrument, dollars per route, dollars of
    profit to realise per venue; `urgent` where an account must be cut, however little it holds."""

    base_amounts: Mapping[InstrumentId, float]
    transfers_usd: Mapping[tuple[str, str], float]
    realise_usd: Mapping[str, float]
    reason: str
    urgent: bool = False


def plan_targets(terms: Terms, situation: Situation, targets: Targets, decision: str) -> Plan:
    """The plan toward targets; increases wait for another cycle while money must move or other
    positions must shrink first, since they may stand on what those free.

    Order and transfer ids derive from the decision, which names its run and its number, and from
    the place in the plan.
    """
    lots = _target_lots(terms, targets)
    least_usd = 0.0 if targets.urgent else terms.mandate.limits.minimum_trade_usd
    changes = _worthwhile(terms, situation, _sure(terms, situation, lots, targets), least_usd)
    reducing, raising = _split(terms, situation, changes)
    steps = _order_steps(terms, situation, reducing, f"{decision}.reduce", targets.reason)
    reduced = situation_after(terms, situation, Plan(tuple(steps), raises=False).actions)
    steps += _rolls(terms, reduced, targets, decision)
    transfers = _transfers(terms, situation, targets, steps, decision)
    steps += [Step((transfer,)) for transfer in transfers]
    waits = bool(transfers) or bool(reducing)
    if not waits:
        steps += _order_steps(terms, situation, raising, f"{decision}.raise", targets.reason)
    return Plan(tuple(steps), raises=bool(raising) and not waits)


def _target_lots(terms: Terms, targets: Targets) -> dict[InstrumentId, int]:
    by_coin: dict[str, dict[InstrumentId, float]] = {}
    for name, amount in targets.base_amounts.items():
        by_coin.setdefault(terms.instruments[name].base, {})[name] = amount
    lots: dict[InstrumentId, int] = {}
    for amounts in by_coin.values():
        contracts = {name: terms.instruments[name] for name in amounts}
        lots.update(hedged_lots(contracts, amounts))
    return lots


def _sure(
    terms: Terms, situation: Situation, lots: Mapping[InstrumentId, int], targets: Targets
) -> dict[InstrumentId, int]:
    """Targets without what is not settled: a coin in doubt stays as it is, since what is held may
    not be what the change starts from. Where accounts must be cut it is cut all the same, and of
    what is in doubt as much as is held for sure."""
    doubtful = {i.base for n, i in terms.instruments.items() if is_unsettled(terms, situation, n)}
    sure = {}
    for name, target in lots.items():
        instrument = terms.instruments[name]
        held = held_lots(situation.portfolio.accounts[instrument.venue], instrument)
        if instrument.base not in doubtful:
            sure[name] = target
        elif targets.urgent:
            most = abs(certain_lots(terms, situation, name))
            cut = max(0, min(abs(held) - max(0, target if held > 0 else -target), most))
            sure[name] = held - cut if held > 0 else held + cut
    return sure


def _worthwhile(
    terms: Terms, situation: Situation, lots: Mapping[InstrumentId, int], least_usd: float
) -> dict[str, dict[InstrumentId, int]]:
    """Changes per coin, leaving out coins whose largest change is below the least trade."""
    changes: dict[str, dict[InstrumentId, int]] = {}
    for name, target in lots.items():
        instrument = terms.instruments[name]
        account = situation.portfolio.accounts[instrument.venue]
        change = target - held_lots(account, instrument)
        if change:
            changes.setdefault(instrument.base, {})[name] = change
    return {
        coin: legs
        for coin, legs in changes.items()
        if max(_size_usd(terms, situation, n, k) for n, k in legs.items()) >= least_usd
    }


def _size_usd(terms: Terms, situation: Situation, name: InstrumentId, lots: int) -> float:
    return terms.instruments[name].notional(lots, situation.marks[name]) / MICRO


def _split(
    terms: Terms, situation: Situation, changes: Mapping[str, Mapping[InstrumentId, int]]
) -> tuple[list[dict[InstrumentId, int]], list[dict[InstrumentId, int]]]:
    """Per coin, a hedged part that only takes positions toward zero, and all the rest: what grows,
    and what moves a leg from one venue to another, which closes and opens in the same slices."""
    reducing, raising = [], []
    for legs in changes.values():
        down = _hedged_reduction(terms, situation, legs)
        reducing.append({name: lots for name, lots in down.items() if lots})
        raising.append({n: lots - down.get(n, 0) for n, lots in legs.items()})
    rest = [{n: lots for n, lots in legs.items() if lots} for legs in raising]
    return [legs for legs in reducing if legs], [legs for legs in rest if legs]


def _hedged_reduction(
    terms: Terms, situation: Situation, legs: Mapping[InstrumentId, int]
) -> dict[InstrumentId, int]:
    """Of a coin's changes the largest part that only reduces and leaves what is hedged hedged: as
    much of the longs as of the shorts, unless the whole change reduces."""
    toward = {}
    for name, change in legs.items():
        instrument = terms.instruments[name]
        held = held_lots(situation.portfolio.accounts[instrument.venue], instrument)
        size = min(abs(change), abs(held)) if held * change < 0 else 0
        toward[name] = size if change > 0 else -size
    if toward == legs:
        return toward
    coins = {n: float(k * terms.instruments[n].lot) for n, k in toward.items()}
    sides = [sum(max(0.0, side * c) for c in coins.values()) for side in (1, -1)]
    common = min(sides)
    shares = [common / side if side else 0.0 for side in sides]
    wanted = {n: c * shares[0 if c > 0 else 1] for n, c in coins.items() if c}
    return hedged_lots({n: terms.instruments[n] for n in wanted}, wanted) if wanted else {}


def _order_steps(
    terms: Terms,
    situation: Situation,
    coins: list[dict[InstrumentId, int]],
    prefix: str,
    reason: str,
) -> list[Step]:
    """Slices of every coin, those of all coins together in order of time."""
    steps = []
    reduce_only = prefix.endswith("reduce")
    for legs in coins:
        cut = _at_once(terms, situation, legs)
        if reduce_only and (orphan := _orphan_part(terms, situation, legs)):
            cut = _orphan_first(terms, situation, legs, orphan)
        if not reduce_only and terms.mandate.execution.horizon_s > 0:
            cut = _over_time(terms, situation, legs) or cut
        for index, part in enumerate(cut):
            orders = tuple(
                Order(f"{prefix}.{name}.{index}", name, lots, reduce_only, reason)
                for name, lots in sorted(
                    part.lots.items(), key=lambda leg: _spot_first(terms, leg[0])
                )
            )
            steps.append(Step(orders, part.offset_ms))
    return sorted(steps, key=lambda step: step.offset_ms)


def _orphan_part(
    terms: Terms, situation: Situation, legs: Mapping[InstrumentId, int]
) -> dict[InstrumentId, int]:
    """Of a coin's cuts what has no partner among them, where so much of the coin is naked already
    that no hedged slice may leave one of its sides behind; else nothing."""
    coin, limits = terms.instruments[next(iter(legs))].base, terms.mandate.limits
    name = next(iter(legs))
    price = terms.instruments[name].price(situation.marks[name])
    net = net_coins(terms, situation)[coin]
    if abs(float(net)) * price <= limits.naked_usd - _least_slice_usd(terms):
        return {}
    coins = {n: k * terms.instruments[n].lot for n, k in legs.items()}
    total = sum(coins.values(), Decimal(0))
    own = sum((c for c in coins.values() if c * total > 0), Decimal(0))
    if total * net >= 0 or own == total:
        return {}
    share = min(abs(total), abs(net)) / abs(own)
    return {n: int(k * share) for n, k in legs.items() if coins[n] * total > 0}


def _orphan_first(
    terms: Terms,
    situation: Situation,
    legs: Mapping[InstrumentId, int],
    orphan: Mapping[InstrumentId, int],
) -> tuple[Slice, ...]:
    """The orphan's slices, then those of the rest from the book that they leave."""
    alone = tuple(Slice(0, part) for part in slices(orphan, _slice_count(terms, situation, orphan)))
    orders = [Order("orphan", n, k, True, "orphan") for n, k in orphan.items() if k]
    after = situation_after(terms, situation, orders)
    rest = {n: k - orphan.get(n, 0) for n, k in legs.items() if k != orphan.get(n, 0)}
    return (*alone, *(_at_once(terms, after, rest) if rest else ()))


def _at_once(
    terms: Terms, situation: Situation, legs: Mapping[InstrumentId, int]
) -> tuple[Slice, ...]:
    return tuple(Slice(0, part) for part in slices(legs, _slice_count(terms, situation, legs)))


def _over_time(
    terms: Terms, situation: Situation, legs: Mapping[InstrumentId, int]
) -> tuple[Slice, ...] | None:
    """Slices spread over the mandate's horizon; None for a coin held outright, which has no market
    that the schedule knows."""
    contracts = [terms.instruments[name] for name in legs]
    if any(isinstance(contract, Spot) or contract.inverse for contract in contracts):
        return None
    pacing, quotes = terms.mandate.execution, situation.snapshot.quotes
    market = {
        contract.id: Leg(contract, legs[contract.id], terms.costs[contract.id], quotes[contract.id])
        for contract in contracts
    }
    coin_vol_annual = max(quotes[name].vol_daily for name in legs) * DAYS**0.5
    pace = Pace(
        round(pacing.interval_s * SECOND_MS),
        round(pacing.horizon_s * SECOND_MS),
        _naked_room_usd(terms, situation, legs),
        pacing.aversion_per_usd,
    )
    return schedule(market, Hazard(pacing.basis_vol_annual, coin_vol_annual), pace).slices


def _slice_count(terms: Terms, situation: Situation, legs: Mapping[InstrumentId, int]) -> int:
    """The fewest slices of which none exceeds the naked limit, in whole lots."""
    limit = _naked_room_usd(terms, situation, legs)
    return max(
        ceil(abs(lots) / max(1, int(limit / _size_usd(terms, situation, name, 1))))
        for name, lots in legs.items()
    )


def _naked_room_usd(terms: Terms, situation: Situation, legs: Mapping[InstrumentId, int]) -> float:
    """The naked limit, from which what a coin may be off its hedge already takes its part, down to
    the smallest trade. An order that nobody answered for may have filled, or not."""
    limits = terms.mandate.limits
    limit = limits.naked_usd
    name = next(iter(legs))
    off = float(_off_hedge(terms, situation, terms.instruments[name].base))
    off_usd = off * terms.instruments[name].price(situation.marks[name])
    if off_usd > limits.minimum_trade_usd:
        limit = max(limit - off_usd, _least_slice_usd(terms))
    return limit


def _least_slice_usd(terms: Terms) -> float:
    limits = terms.mandate.limits
    return max(limits.minimum_trade_usd, 0.1 * limits.naked_usd)


def _off_hedge(terms: Terms, situation: Situation, coin: str) -> Decimal:
    """The most coins that may stand unhedged, whichever of what is unsettled has filled."""
    least = most = net_coins(terms, situation)[coin]
    for name, (low, high) in situation.unsettled.lots.items():
        instrument = terms.instruments[name]
        if instrument.base == coin:
            least, most = least + low * instrument.lot, most + high * instrument.lot
    return max(abs(least), abs(most))


def _spot_first(terms: Terms, name: InstrumentId) -> tuple[bool, str]:
    """A coin must be paid for in full, so its order is the likelier to be refused: it goes first,
    and its partner is not sent when it fails."""
    return not isinstance(terms.instruments[name], Spot), name


def _transfers(
    terms: Terms, situation: Situation, targets: Targets, before: list[Step], decision: str
) -> list[Transfer]:
    """Transfers worth sending, each within what can leave once the steps before have filled and
    what its route can take now."""
    transfers: list[Transfer] = []
    doubtful = _doubtful_venues(terms, situation)
    orders = Plan(tuple(before), raises=False).actions
    for (source, destination), amount_usd in targets.transfers_usd.items():
        if source in doubtful:
            continue
        passage = terms.passages[source, destination]
        account = account_after(terms, situation, source, (*orders, *transfers))
        free = terms.rules[source].state(account, situation.marks).withdrawable
        wanted_usd = min(amount_usd, route_room_usd(passage, situation))
        quanta = min(int(wanted_usd * MICRO), int(free * LEAVING_SHARE))
        smallest = max(
            passage.minimum_quanta, int(terms.mandate.limits.minimum_transfer_usd * MICRO)
        )
        if quanta >= smallest:
            name = f"{decision}.transfer.{source}.{destination}"
            transfers.append(
                Transfer(name, source, destination, passage.asset_sent, quanta, targets.reason)
            )
    return transfers


def _doubtful_venues(terms: Terms, situation: Situation) -> frozenset[str]:
    return situation.unsettled.venues({n: i.venue for n, i in terms.instruments.items()})


def _rolls(terms: Terms, situation: Situation, targets: Targets, decision: str) -> list[Step]:
    """Close and reopen enough of the most profitable positions to free the wanted profit; none at
    a venue in doubt, where nothing may be reopened and from which no money leaves."""
    steps = []
    doubtful = _doubtful_venues(terms, situation)
    for venue, wanted_usd in targets.realise_usd.items():
        wanted = 0.0 if venue in doubtful else wanted_usd
        for name, profit, held in _profits(terms, situation, venue):
            if wanted < terms.mandate.limits.minimum_transfer_usd:
                break
            part = -int(held * min(1.0, wanted / profit))
            if part:
                steps += _roll_steps(terms, situation, name, part, decision)
            wanted -= profit
    return steps


def _roll_steps(
    terms: Terms, situation: Situation, name: InstrumentId, close: int, decision: str
) -> list[Step]:
    """Slices of closing and reopening; the reopening waits, so that it never enlarges."""
    count = _slice_count(terms, situation, {name: close})
    steps = []
    for index, part in enumerate(slices({name: close}, count)):
        label = f"{decision}.roll.{name}.{index}"
        closing = Order(f"{label}.close", name, part[name], True, "realise profit")
        reopening = Order(f"{label}.reopen", name, -part[name], False, "realise profit")
        steps += [Step((closing,)), Step((reopening,))]
    return steps


def _profits(
    terms: Terms, situation: Situation, venue: str
) -> list[tuple[InstrumentId, float, int]]:
    """Profitable positions at a venue with profit in dollars and lots, most profit per dollar of
    notional first."""
    found = []
    for name, position in situation.portfolio.accounts[venue].positions.items():
        value = terms.instruments[name].value(position.lots, situation.marks[name])
        profit = value - position.cost
        if profit > 0:
            found.append((profit / abs(value), name, profit / MICRO, position.lots))
    return [(name, profit, lots) for _, name, profit, lots in sorted(found, reverse=True)]
