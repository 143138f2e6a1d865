# SPDX-License-Identifier: Apache-2.0
"""Every check of the gate is needed: each alone refuses a plan, and a twin of that plan passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, BETA_BTC, VAULT_BTC, base_lots, held, order, plan, send
from tidegate.model.account import Shipment
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
    return plan((order(ALPHA_BTC, base_lots(ALPHA_BTC, usd)),), raises=raises)


def aged(hours: float) -> Situation:
    old = msgspec.structs.replace(
        desk.quote(ALPHA_BTC), as_of_ms=desk.NOW_MS - int(hours * 3_600_000)
    )
    return desk.situation(desk.portfolio(RICH), quotes={ALPHA_BTC: old})


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
    lots = base_lots(ALPHA_BTC, usd)
    return plan((order(ALPHA_BTC, lots),), (order(BETA_BTC, -100 * lots),), raises=True)


def coins(usd: float) -> Plan:
    return plan((order(VAULT_BTC, base_lots(VAULT_BTC, usd)),), raises=True)


def vault() -> Situation:
    return desk.situation(desk.portfolio({**RICH, "vault": 50_000}))


def moving(usd: float, destination: str = "beta") -> Plan:
    return plan((send("alpha", destination, usd),), raises=False)


CASES = (
    Case("stale", limits.quotes_are_fresh, "fresh quotes",
         judged(small(), aged(2.1)), judged(small(), aged(1.9))),
    Case("observe", limits.authority_allows, "authority",
         judged(small(), terms=observing("observe")), judged(small(), terms=observing("act"))),
    Case("propose", limits.authority_allows, "authority",
         judged(small(), terms=observing("propose")), judged(small(), terms=observing("act"))),
    Case("enlarges", limits.reductions_reduce, "reduce only",
         judged(small(raises=False)), judged(small(raises=True))),
    Case("unrealised", limits.money_can_leave, "withdrawable",
         judged(moving(120_000), in_profit()), judged(moving(95_000), in_profit())),
    Case("frozen source", limits.money_can_leave, "open route",
         judged(moving(10_000), frozen("alpha")), judged(moving(10_000), frozen("vault"))),
    Case("frozen destination", limits.money_can_leave, "open route",
         judged(moving(10_000), frozen("beta")), judged(moving(10_000))),
    Case("no route", limits.money_can_leave, "open route",
         judged(plan((send("beta", "vault", 10_000),), raises=False)),
         judged(plan((send("alpha", "vault", 10_000),), raises=False))),
    Case("dies", limits.accounts_survive, "survives stress",
         judged(spread_out(900_000), desk.situation(
             desk.portfolio({"alpha": 100_000, "beta": 900_000}))),
         judged(spread_out(900_000))),
    Case("overspends", limits.accounts_survive, "balance",
         judged(coins(60_000), vault()), judged(coins(40_000), vault())),
    Case("naked", limits.legs_stay_together, "naked leg", judged(pair(1)), judged(pair(2))),
    Case("gross", limits.book_stays_small, "gross leverage",
         judged(spread_out(1_010_000)), judged(spread_out(990_000))),
    Case("drawdown", limits.book_stays_small, "loss from peak",
         judged(small(), after_peak(1_300_000)), judged(small(), after_peak(1_200_000))),
    Case("claim", limits.claims_stay_capped, "claim cap",
         judged(moving(410_000)), judged(moving(390_000))),
    Case("claim with money under way", limits.claims_stay_capped, "claim cap",
         judged(moving(225_000), under_way(300_000)), judged(moving(225_000), under_way(100_000))),
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


def test_order_without_a_quote_is_refused_and_not_an_error() -> None:
    situation = desk.situation(desk.portfolio(RICH))
    quotes = {n: q for n, q in situation.snapshot.quotes.items() if n != ALPHA_BTC}
    snapshot = msgspec.structs.replace(situation.snapshot, quotes=quotes)
    blind = msgspec.structs.replace(situation, snapshot=snapshot)
    assert "fresh quotes" in {b.rule for b in breaches(desk.terms(), blind, small())}


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
