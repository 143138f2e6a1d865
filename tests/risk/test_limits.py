# SPDX-License-Identifier: Apache-2.0
"""Every check of the gate is needed: each alone refuses a plan, and a twin of that plan passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.risk import desk
from tests.risk.desk import (
    ALPHA_BTC,
    ALPHA_ETH,
    BETA_BTC,
    BETA_ETH,
    VAULT_BTC,
    base_lots,
    held,
    order,
    plan,
    send,
)
from tidegate.costs.financing import passage
from tidegate.model.account import Position, Shipment, Unsettled
from tidegate.model.actions import Order
from tidegate.model.times import read_window
from tidegate.model.units import MICRO
from tidegate.risk import limits
from tidegate.risk.gate import Gate
from tidegate.risk.limits import Breach, breaches
from tidegate.risk.plan import Plan, Situation, Terms

RICH = {"alpha": 500_000.0, "beta": 500_000.0}
Judged = tuple[Terms, Situation, Plan]


@dataclass(frozen=True)
class Case:
    """A plan that one check alone refuses, and its twin that passes."""

    name: str
    check: Callable[..., list[Breach]]
    rule: str
    refused: Judged
    passes: Judged


def judged(
    what: Plan,
    situation: Situation | None = None,
    terms: Terms | None = None,
) -> Judged:
    return terms or desk.terms(), situation or desk.situation(desk.portfolio(RICH)), what


def small(raises: bool = True, usd: float = 20_000) -> Plan:
    """One hedged step within the naked limit."""
    return plan(hedged_step(ALPHA_BTC, BETA_BTC, usd), raises=raises)


def hedged_step(long: str, short: str, usd: float, part: str = "0") -> tuple[Order, Order]:
    """Both legs of the same size in coins; a negative amount takes such a pair off."""
    lots = base_lots(long, usd)
    ratio = desk.INSTRUMENTS[long].lot / desk.INSTRUMENTS[short].lot
    return order(long, lots, key=part), order(short, -int(lots * ratio), key=part)


def legs(long_usd: float, short_usd: float) -> dict[str, Position]:
    """Bitcoin long at alpha and short at beta, of a size each; hedged where they are the same."""
    long, short = base_lots(ALPHA_BTC, long_usd), 100 * base_lots(ALPHA_BTC, short_usd)
    found = {ALPHA_BTC: held(ALPHA_BTC, long), BETA_BTC: held(BETA_BTC, -short)}
    return {name: position for name, position in found.items() if position.lots}


def holding(long_usd: float, short_usd: float) -> Situation:
    return desk.situation(desk.portfolio(RICH, legs(long_usd, short_usd)))


def aged(hours: float, name: str = ALPHA_BTC, **positions: Position) -> Situation:
    old = msgspec.structs.replace(desk.quote(name), as_of_ms=desk.NOW_MS - int(hours * 3_600_000))
    return desk.situation(desk.portfolio(RICH, positions), quotes={name: old})


def quoted(**fields: Any) -> Situation:
    """The market with another quote of bitcoin at alpha."""
    other = msgspec.structs.replace(desk.quote(ALPHA_BTC), **fields)
    return desk.situation(desk.portfolio(RICH), quotes={ALPHA_BTC: other})


def lopsided(usd: float) -> Situation:
    """Long bitcoin at alpha that nothing hedges."""
    position = held(ALPHA_BTC, base_lots(ALPHA_BTC, usd))
    return desk.situation(desk.portfolio(RICH, {ALPHA_BTC: position}))


def ether(hours: float) -> Situation:
    """A hedged pair in ether is held, one of its quotes is old; plans trade bitcoin."""
    lots = base_lots(ALPHA_ETH, 20_000)
    pair = {ALPHA_ETH: held(ALPHA_ETH, lots), BETA_ETH: held(BETA_ETH, -100 * lots)}
    return aged(hours, BETA_ETH, **pair)


def observing(level: str) -> Terms:
    authority = msgspec.structs.replace(desk.MANDATE.authority, level=level)
    return desk.terms(msgspec.structs.replace(desk.MANDATE, authority=authority))


def thin(volume_usd: float) -> Situation:
    shallow = msgspec.structs.replace(desk.quote(ALPHA_BTC), volume_day_usd=volume_usd)
    return desk.situation(desk.portfolio(RICH), quotes={ALPHA_BTC: shallow})


def after_peak(peak_usd: float) -> Situation:
    return msgspec.structs.replace(desk.situation(desk.portfolio(RICH)), peak_usd=peak_usd)


def in_profit() -> Situation:
    """At alpha 50k of the 150k are profit of a small position, which cannot leave unrealised."""
    position = held(ALPHA_BTC, base_lots(ALPHA_BTC, 60_000), entry=1 / 6)
    return desk.situation(
        desk.portfolio({"alpha": 100_000, "beta": 100_000}, {ALPHA_BTC: position})
    )


def under_way(usd: float) -> Situation:
    parcel = Shipment("s", "alpha", "beta", "USDT", int(usd * MICRO), desk.NOW_MS - 60_000)
    book = desk.portfolio({"alpha": 300_000, "beta": 300_000}, shipments=(parcel,))
    return desk.situation(book)


def frozen(venue: str) -> Situation:
    return desk.situation(desk.portfolio(RICH), frozen=(venue,))


def pair(count: int, usd: float = 40_000) -> Plan:
    lots = base_lots(ALPHA_BTC, usd / count)
    step = (order(ALPHA_BTC, lots), order(BETA_BTC, -100 * lots))
    return plan(*[step] * count, raises=True)


def spread_out(usd: float) -> Plan:
    """A hedged book in slices that the naked limit allows."""
    return pair(round(usd / 20_000), usd)


def one_by_one(usd: float) -> Plan:
    """One leg after the other, each alone in its step."""
    long, short = hedged_step(ALPHA_BTC, BETA_BTC, usd)
    return plan((long,), (short,), raises=True)


def closing(*names: str, usd: float = 20_000) -> Plan:
    """Take dollars off the pair's legs that are named."""
    step = hedged_step(ALPHA_BTC, BETA_BTC, -usd)
    return plan(tuple(o for o in step if o.instrument in names), raises=False)


def coins(*parts_usd: float) -> Plan:
    """Bitcoin bought (sold where negative) with dollars step by step, each step hedged at beta."""
    steps = [hedged_step(VAULT_BTC, BETA_BTC, usd, str(i)) for i, usd in enumerate(parts_usd)]
    return plan(*steps, raises=True)


def vault(usd: float = 50_000, coins_usd: float = 0) -> Situation:
    """Dollars and coins held outright, the coins hedged at beta."""
    lots = base_lots(VAULT_BTC, coins_usd)
    positions = {BETA_BTC: held(BETA_BTC, -lots)} if lots else {}
    owned = {"BTC": desk.INSTRUMENTS[VAULT_BTC].base_quanta(lots)}  # type: ignore[union-attr]
    return desk.situation(desk.portfolio({**RICH, "vault": usd}, positions, coins=owned))


def with_way_out() -> Terms:
    """The desk's terms, and a route on which dollars leave the vault."""
    there = next(r for r in desk.MANDATE.transfer if r.destination == "vault")
    back = msgspec.structs.replace(there, source="vault", destination="alpha")
    way = passage(back, "USDT", "USDT")
    terms = desk.terms()
    return msgspec.structs.replace(terms, passages={**terms.passages, ("vault", "alpha"): way})


def moving(usd: float, asset: str = "USDT") -> Plan:
    sent = msgspec.structs.replace(send("alpha", "beta", usd), asset=asset)
    return plan((sent,), raises=False)


def demanding() -> Terms:
    """Alpha wants a fifth of the notional to open, more than the outer stress takes."""
    alpha = replace(desk.RULES["alpha"], leverage=5)  # type: ignore[type-var]
    return desk.terms(with_rules={**desk.RULES, "alpha": alpha})


def short_of_margin(alpha_usd: float) -> Situation:
    return desk.situation(desk.portfolio({"alpha": alpha_usd, "beta": 900_000}))


def doubtful(**unsettled: Any) -> Situation:
    situation = desk.situation(desk.portfolio(RICH))
    return msgspec.structs.replace(situation, unsettled=Unsettled(**unsettled))


def having_sent(usd: float | None) -> Situation:
    """What left alpha for beta within the last day; None where nobody knows."""
    sent = None if usd is None else {("alpha", "beta"): usd}
    return msgspec.structs.replace(desk.situation(desk.portfolio(RICH)), sent_day_usd=sent)


LATE, DAYTIME = (read_window(text, "test", "window") for text in ("22:00-06:00", "08:00-22:00"))

CASES = (
    Case("stale", limits.quotes_are_fresh, "fresh quotes",
         judged(small(), aged(2.1)), judged(small(), aged(1.9))),
    Case("stale though only held", limits.quotes_are_fresh, "fresh quotes",
         judged(small(), ether(2.1)), judged(small(), ether(1.9))),
    Case("crossed", limits.quotes_agree, "quotes agree",
         judged(small(), quoted(half_spread=-0.0001)), judged(small(), quoted(half_spread=0.0))),
    Case("venues apart", limits.quotes_agree, "quotes agree",
         judged(small(), quoted(ticks=desk.MARKS[ALPHA_BTC] * 89 // 100)),
         judged(small(), quoted(ticks=desk.MARKS[ALPHA_BTC] * 92 // 100))),
    Case("remainder", limits.remainders_count, "naked leg",
         judged(small(usd=20_000), lopsided(6_000)), judged(small(usd=20_000), lopsided(4_000))),
    Case("observe", limits.authority_allows, "authority",
         judged(small(), terms=observing("observe")), judged(small(), terms=observing("act"))),
    Case("propose", limits.authority_allows, "authority",
         judged(small(), terms=observing("propose")), judged(small(), terms=observing("act"))),
    Case("enlarges", limits.reductions_reduce, "reduce only",
         judged(small(raises=False)), judged(small(raises=True))),
    Case("unseen venue", limits.unsettled_only_shrinks, "unsettled",
         judged(small(), doubtful(unseen=frozenset({"alpha"}))),
         judged(small(), doubtful(unseen=frozenset({"vault"})))),
    Case("order in flight", limits.unsettled_only_shrinks, "unsettled",
         judged(small(), doubtful(lots={ALPHA_BTC: (0, 1)})),
         judged(small(), doubtful(lots={ALPHA_ETH: (0, 1)}))),
    Case("money of a doubtful account", limits.unsettled_only_shrinks, "unsettled",
         judged(moving(10_000), doubtful(missing={"alpha": {"USDT": 1}})),
         judged(moving(10_000), doubtful(missing={"beta": {"USDC": 1}}))),
    Case("unrealised", limits.money_can_leave, "withdrawable",
         judged(moving(120_000), in_profit()), judged(moving(95_000), in_profit())),
    Case("frozen source", limits.money_can_leave, "open route",
         judged(moving(10_000), frozen("alpha")), judged(moving(10_000), frozen("vault"))),
    Case("frozen destination", limits.money_can_leave, "open route",
         judged(moving(10_000), frozen("beta")), judged(moving(10_000))),
    Case("other asset", limits.money_can_leave, "open route",
         judged(moving(10_000, asset="BTC")), judged(moving(10_000))),
    Case("no route", limits.money_can_leave, "open route",
         judged(plan((send("beta", "vault", 10_000),), raises=False)),
         judged(plan((send("alpha", "vault", 10_000),), raises=False))),
    Case("after hours", limits.money_can_leave, "route hours",
         judged(moving(10_000), terms=desk.routed(window=DAYTIME)),
         judged(moving(10_000), terms=desk.routed(window=LATE))),
    Case("over the daily cap", limits.money_can_leave, "daily cap",
         judged(moving(10_000), having_sent(90_001), desk.routed(100_000)),
         judged(moving(10_000), having_sent(90_000), desk.routed(100_000))),
    Case("over the daily cap in parts", limits.money_can_leave, "daily cap",
         judged(plan(*[(send("alpha", "beta", 6_000),)] * 2, raises=False), having_sent(90_000),
                desk.routed(100_000)),
         judged(plan((send("alpha", "beta", 6_000),), (send("alpha", "vault", 6_000),),
                     raises=False), having_sent(90_000), desk.routed(100_000))),
    Case("unknown what was sent", limits.money_can_leave, "daily cap",
         judged(moving(10_000), having_sent(None), desk.routed(100_000)),
         judged(moving(10_000), having_sent(None), desk.routed(None))),
    Case("dies", limits.accounts_survive, "survives stress",
         judged(spread_out(900_000), desk.situation(
             desk.portfolio({"alpha": 100_000, "beta": 900_000}))),
         judged(spread_out(900_000))),
    Case("opens short of margin", limits.accounts_survive, "initial margin",
         judged(spread_out(900_000), short_of_margin(170_000), demanding()),
         judged(spread_out(900_000), short_of_margin(190_000), demanding())),
    Case("overspends", limits.wallets_hold, "balance",
         judged(coins(20_000, 20_000, 20_000), vault()), judged(coins(20_000, 20_000), vault())),
    Case("overspends before it earns", limits.wallets_hold, "balance",
         judged(coins(20_000, -20_000), vault(10_000, 50_000)),
         judged(coins(-20_000, 20_000), vault(10_000, 50_000))),
    Case("naked", limits.legs_stay_together, "naked leg", judged(pair(1)), judged(pair(2))),
    Case("naked between steps", limits.coins_stay_hedged, "hedged",
         judged(one_by_one(40_000)), judged(one_by_one(20_000))),
    Case("hedge broken", limits.coins_stay_hedged, "hedged",
         judged(closing(ALPHA_BTC), holding(40_000, 40_000)),
         judged(closing(ALPHA_BTC, BETA_BTC), holding(40_000, 40_000))),
    Case("unhedged further", limits.coins_stay_hedged, "hedged",
         judged(closing(BETA_BTC), holding(60_000, 30_000)),
         judged(closing(ALPHA_BTC), holding(60_000, 30_000))),
    Case("gross", limits.book_stays_small, "gross leverage",
         judged(spread_out(1_010_000)), judged(spread_out(990_000))),
    Case("drawdown", limits.book_stays_small, "loss from peak",
         judged(small(), after_peak(1_300_000)), judged(small(), after_peak(1_200_000))),
    Case("claim", limits.claims_stay_capped, "claim cap",
         judged(moving(410_000)), judged(moving(390_000))),
    Case("claim with money under way", limits.claims_stay_capped, "claim cap",
         judged(moving(225_000), under_way(300_000)), judged(moving(225_000), under_way(100_000))),
    Case("claim with money that may be under way", limits.claims_stay_capped, "claim cap",
         judged(moving(225_000), doubtful(arriving={"beta": 300_000 * MICRO})),
         judged(moving(225_000), doubtful(arriving={"beta": 100_000 * MICRO}))),
    Case("volume", limits.orders_fit_the_market, "volume share",
         judged(small(), thin(1_900_000)), judged(small(), thin(2_100_000))),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plan_that_breaks_one_rule_is_refused_by_it_alone_and_its_twin_passes(case: Case) -> None:
    assert {breach.rule for breach in breaches(*case.refused)} == {case.rule}
    assert breaches(*case.passes) == []
    assert isinstance(Gate(b"k").review(*case.refused, 1), list)
    assert isinstance(Gate(b"k").review(*case.passes, 1), tuple)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_gate_without_a_check_lets_its_plan_through(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CHECKS", tuple(c for c in limits.CHECKS if c is not case.check))
    assert isinstance(Gate(b"k").review(*case.refused, 1), tuple)


def test_checks_of_the_gate_each_have_a_case() -> None:
    assert {case.check for case in CASES} == set(limits.CHECKS)


@pytest.mark.parametrize("raises", [True, False])
def test_order_of_no_lots_is_refused_and_not_an_error(raises: bool) -> None:
    nothing = (order(ALPHA_BTC, 0), order(BETA_BTC, -100))
    verdict = Gate(b"k").review(*judged(plan(nothing, raises=raises)), 1)
    assert isinstance(verdict, list)
    assert [breach.rule for breach in verdict] == ["no lots"]


def blind_to(situation: Situation, name: str) -> Situation:
    quotes = {n: q for n, q in situation.snapshot.quotes.items() if n != name}
    snapshot = msgspec.structs.replace(situation.snapshot, quotes=quotes)
    return msgspec.structs.replace(situation, snapshot=snapshot)


def test_order_without_a_quote_is_refused_and_not_an_error() -> None:
    blind = blind_to(desk.situation(desk.portfolio(RICH)), ALPHA_BTC)
    assert "fresh quotes" in {b.rule for b in breaches(desk.terms(), blind, small())}


@pytest.mark.parametrize("raises", [True, False])
def test_plan_beside_a_held_instrument_without_a_quote_is_refused_and_not_an_error(
    raises: bool,
) -> None:
    """What is held cannot be judged without a price, so nothing of that book can."""
    found = breaches(desk.terms(), blind_to(ether(0), BETA_ETH), small(raises))
    assert found == [Breach("fresh quotes", BETA_ETH, "no quote")]


def test_missing_quote_of_what_is_neither_held_nor_traded_is_no_matter() -> None:
    blind = blind_to(desk.situation(desk.portfolio(RICH)), BETA_ETH)
    assert breaches(desk.terms(), blind, small()) == []


def test_old_quote_of_what_is_only_held_does_not_stop_a_reduction() -> None:
    book = ether(2.1).portfolio.accounts
    positions = {n: p for a in book.values() for n, p in a.positions.items()}
    situation = aged(2.1, BETA_ETH, **positions, **legs(40_000, 40_000))
    assert breaches(desk.terms(), situation, closing(ALPHA_BTC, BETA_BTC)) == []
    assert {b.rule for b in breaches(desk.terms(), situation, small())} == {"fresh quotes"}


def test_sale_of_coins_pays_for_the_transfer_after_it_and_not_for_the_one_before() -> None:
    sale = hedged_step(VAULT_BTC, BETA_BTC, -20_000)
    leaving = (send("vault", "alpha", 19_000),)
    situation, terms = vault(0, 50_000), with_way_out()
    assert breaches(terms, situation, plan(sale, leaving, raises=False)) == []
    found = breaches(terms, situation, plan(leaving, sale, raises=False))
    assert {b.rule for b in found} == {"withdrawable", "balance"}


@pytest.mark.parametrize("held_usd", [60_000, 600_000])
def test_unhedged_book_may_be_reduced_in_any_steps(held_usd: float) -> None:
    """Far from hedged as it is, each step brings it nearer."""
    alone = [closing(ALPHA_BTC, usd=20_000).steps[0].actions] * 3
    what = plan(*alone, raises=False)
    assert breaches(desk.terms(), holding(held_usd, 0), what) == []


def apart(basis: float, usd: float) -> Situation:
    """A book that is hedged to the coin while its two venues quote apart."""
    ticks = round(desk.MARKS[BETA_BTC] * (1 + basis))
    book = desk.portfolio({"alpha": 3e6, "beta": 3e6}, legs(usd, usd))
    return desk.situation(book, quotes={BETA_BTC: desk.quote(BETA_BTC, ticks)})


@pytest.mark.parametrize("basis", [-0.01, 0.01])
def test_venues_that_quote_apart_do_not_make_a_hedged_book_naked(basis: float) -> None:
    """Half a million hedged to the coin differs by 5,000 dollars: that is basis and no delta."""
    grown = spread_out(500_000)
    assert breaches(desk.terms(), apart(basis, 0), grown) == []
    lots = base_lots(ALPHA_BTC, 24_990)
    roll = (order(ALPHA_BTC, -lots, reduce_only=True),), (order(ALPHA_BTC, lots),)
    assert breaches(desk.terms(), apart(basis, 500_000), plan(*roll, raises=False)) == []


@given(
    long=st.integers(0, 400), short=st.integers(0, 400), cuts=st.lists(st.tuples(
        st.integers(-300, 300), st.integers(-300, 300)), min_size=1, max_size=4)
)  # fmt: skip
def test_plan_is_hedged_if_no_step_strays_beyond_its_limit_or_where_the_book_began(
    long: int, short: int, cuts: list[tuple[int, int]]
) -> None:
    """By hand, in thousandths of a coin of 60 dollars each."""
    begun, net, worst = long - short, long - short, []
    for index, (a, b) in enumerate(cuts):
        net += a + b
        limit = 1_000 if index == len(cuts) - 1 else 25_000
        worst.append(60 * abs(net) <= max(1.001 * limit, 60 * abs(begun)))
    steps = []
    for index, (a, b) in enumerate(cuts):
        both = order(ALPHA_BTC, a, key=str(index)), order(BETA_BTC, 100 * b, key=str(index))
        steps.append(tuple(o for o in both if o.lots))
    what = plan(*steps, raises=True)
    situation = holding(60 * long, 60 * short)
    found = limits.coins_stay_hedged(desk.terms(), situation, what)
    assert (found == []) == all(worst)


@given(
    lots=st.integers(-300, 300).filter(bool),
    changes=st.lists(st.integers(-400, 400).filter(bool), min_size=1, max_size=4),
)
def test_reducing_plan_that_enlarges_or_flips_at_any_prefix_is_refused(
    lots: int, changes: list[int]
) -> None:
    """The net of all orders says too little: what comes first may be all that fills."""
    book = desk.portfolio({"alpha": 5e7, "beta": 5e7}, {ALPHA_BTC: held(ALPHA_BTC, lots)})
    orders = [(order(ALPHA_BTC, k, key=str(i)),) for i, k in enumerate(changes)]
    reached = [lots + sum(changes[: n + 1]) for n in range(len(changes))]
    grows = any(after * lots < 0 or abs(after) > abs(lots) for after in reached)
    found = breaches(desk.terms(), desk.situation(book), plan(*orders, raises=False))
    assert ("reduce only" in {breach.rule for breach in found}) == grows


def test_money_leaves_hyperliquid_within_its_rule_though_the_plan_realises_profit() -> None:
    """Unrealised profit may leave there already; a roll must not make it count twice."""
    lots = base_lots(BETA_BTC, 100_000)
    book = desk.portfolio({"alpha": 3e4, "beta": 1e4}, {BETA_BTC: held(BETA_BTC, lots, entry=0.5)})
    situation = desk.situation(book)
    free = desk.RULES["beta"].state(book.accounts["beta"], situation.marks).withdrawable
    close = order(BETA_BTC, -lots // 10, reduce_only=True)
    reopen = order(BETA_BTC, lots // 10)

    def rules_broken(quanta: int) -> set[str]:
        leaving = msgspec.structs.replace(send("beta", "alpha", 0), quanta=quanta)
        what = plan((close,), (reopen,), (leaving,), raises=False)
        return {breach.rule for breach in breaches(desk.terms(), situation, what)}

    assert rules_broken(free - 100 * MICRO) == set()
    assert "withdrawable" in rules_broken(free + 2_000 * MICRO)


@pytest.mark.parametrize(("together", "found"), [(True, {"reduce only"}), (False, set())])
def test_reopening_beside_its_closing_may_fill_alone_and_after_it_may_not(
    together: bool, found: set[str]
) -> None:
    book = desk.portfolio(RICH, {ALPHA_BTC: held(ALPHA_BTC, 1_000)})
    roll = (order(ALPHA_BTC, -300, reduce_only=True), order(ALPHA_BTC, 300))
    steps = [roll] if together else [roll[:1], roll[1:]]
    what = plan(*steps, raises=False)
    assert {b.rule for b in breaches(desk.terms(), desk.situation(book), what)} - {
        "naked leg"
    } == found
