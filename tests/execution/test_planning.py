# SPDX-License-Identifier: Apache-2.0
"""Plans: whatever part of an approved plan fills, every account survives the gate's stress."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH, INSTRUMENTS, MARKS, held
from tests.risk.floor import exchange
from tidegate.costs.trading import slippage
from tidegate.execution.planning import Targets, plan_targets
from tidegate.execution.rounding import NOISE_LOTS, common_lot, hedged_lots, slices
from tidegate.model.account import Account, Position, Unsettled, fill_position
from tidegate.model.actions import Action, Order, Transfer
from tidegate.model.engine_sections import Pacing
from tidegate.model.units import MICRO
from tidegate.risk.gate import Gate
from tidegate.risk.limits import breaches
from tidegate.risk.plan import Plan, Situation
from tidegate.risk.stress import stressed_health

PAIRS = ((ALPHA_BTC, BETA_BTC), (ALPHA_ETH, BETA_ETH))
TERMS = desk.terms()


@st.composite
def books(draw: st.DrawFn) -> Situation:
    """Hedged pairs of either sign, entered at other prices, with thin to ample wallets."""
    positions = {}
    for left, right in PAIRS:
        lots = draw(st.integers(-60, 60)) * desk.base_lots(left, 5_000)
        entry = draw(st.floats(0.8, 1.25))
        ratio = Fraction(INSTRUMENTS[left].lot) / Fraction(INSTRUMENTS[right].lot)
        if lots:
            positions[left] = held(left, lots, entry)
            positions[right] = held(right, -int(lots * ratio), entry)
    wallets = {v: draw(st.floats(80_000, 500_000)) for v in ("alpha", "beta")}
    return desk.situation(desk.portfolio(wallets, positions))


@st.composite
def wishes(draw: st.DrawFn) -> Targets:
    """Hedged targets of either sign, transfers and profit to realise."""
    amounts = {}
    for left, right in PAIRS:
        size = draw(st.one_of(st.just(0.0), st.floats(-300_000, 300_000)))
        size /= desk.PRICE[INSTRUMENTS[left].base]
        amounts |= {left: size, right: -size}
    usd = st.one_of(st.just(0.0), st.floats(1_000, 100_000))
    routes = {("alpha", "beta"): draw(usd), ("beta", "alpha"): 0.0}
    return Targets(amounts, routes, {"alpha": draw(usd), "beta": 0.0}, "wish")


def filled(situation: Situation, venue: str, done: Sequence[Action]) -> Account:
    """The account after actions really happened at the quoted prices, by hand."""
    account = situation.portfolio.accounts[venue]
    balances, positions = dict(account.balances), dict(account.positions)
    asset = desk.COLLATERAL[venue]
    before: dict[str, float] = {}
    for action in done:
        if isinstance(action, Transfer):
            balances[asset] -= action.quanta if action.source == venue else 0
            continue
        instrument = INSTRUMENTS[action.instrument]
        if instrument.venue != venue:
            continue
        quote, costs = situation.snapshot.quotes[instrument.id], desk.COSTS[instrument.id]
        earlier = before.get(instrument.id, 0.0)
        slip = slippage(instrument, costs, action.lots, quote, earlier)
        size = instrument.notional(action.lots, MARKS[instrument.id]) / MICRO
        before[instrument.id] = earlier + size
        outcome = fill_position(
            positions.get(instrument.id, Position(0, 0)),
            action.lots,
            instrument.entry_cost(action.lots, slip.ticks),
        )
        positions[instrument.id] = outcome.position
        fee = costs.fee_quanta(instrument.notional(action.lots, slip.ticks))
        balances[asset] += outcome.realised_quanta - fee
    return Account(venue, balances, positions)


def health(situation: Situation, account: Account, raises: bool) -> int:
    moves = situation.outer if raises else situation.inner
    return stressed_health(desk.RULES[account.venue], account, situation.marks, INSTRUMENTS, moves)


def survives(situation: Situation, plan: Plan, done: Sequence[Action]) -> None:
    """Solvent under the stress that the gate used; where a plan only reduces, or no worse."""
    for venue in ("alpha", "beta"):
        after = filled(situation, venue, done)
        found = health(situation, after, plan.raises)
        sends = any(isinstance(a, Transfer) and a.source == venue for a in plan.actions)
        touched = sends or any(
            isinstance(a, Order) and INSTRUMENTS[a.instrument].venue == venue for a in plan.actions
        )
        if not touched:
            continue
        if plan.raises or sends:
            assert found >= 0
        else:
            paid = sum(
                INSTRUMENTS[a.instrument].notional(a.lots, MARKS[a.instrument]) // 400
                for a in done
                if isinstance(a, Order)
            )
            before = health(situation, situation.portfolio.accounts[venue], raises=False)
            assert found >= min(0, before) - paid


def outcomes(plan: Plan, seed: int) -> list[list[Action]]:
    """Every prefix, and prefixes of whole steps with any part of the next step."""
    chance = random.Random(seed)
    actions = list(plan.actions)
    found = [actions[:count] for count in range(len(actions) + 1)]
    for place, step in enumerate(plan.steps):
        done = [a for earlier in plan.steps[:place] for a in earlier.actions]
        found.append(done + [a for a in step.actions if chance.random() < 0.5])
    return found


@settings(max_examples=150)
@given(situation=books(), wish=wishes(), seed=st.integers(0, 999))
def test_any_part_of_an_approved_plan_leaves_every_account_solvent(
    situation: Situation, wish: Targets, seed: int
) -> None:
    plan = plan_targets(TERMS, situation, wish, "1")
    if not isinstance(Gate(b"k").review(TERMS, situation, plan, 1), tuple):
        return
    for done in outcomes(plan, seed):
        survives(situation, plan, done)
    # Where no step stands on one before it, what fills may skip steps too.
    if not any(".roll." in a.id or isinstance(a, Transfer) for a in plan.actions):
        chance = random.Random(seed)
        for _ in range(5):
            survives(situation, plan, [a for a in plan.actions if chance.random() < 0.5])


@settings(max_examples=60)
@given(situation=books(), wish=wishes(), aversion=st.sampled_from([0.0, 1e-6, 1e-3]))
def test_plan_over_time_trades_the_same_within_the_horizon_and_is_approved_as_one_at_once(
    situation: Situation, wish: Targets, aversion: float
) -> None:
    pacing = Pacing(horizon_s=300.0, interval_s=30.0, aversion_per_usd=aversion)
    slow = desk.terms(msgspec.structs.replace(desk.MANDATE, execution=pacing))
    plan, at_once = (plan_targets(terms, situation, wish, "1") for terms in (slow, TERMS))
    sums = [Counter[str](), Counter[str]()]
    for total, made in zip(sums, (plan, at_once), strict=True):
        for action in made.actions:
            if isinstance(action, Order):
                total[action.instrument] += action.lots
    assert sums[0] == sums[1]
    offsets = [step.offset_ms for step in plan.steps]
    assert offsets == sorted(offsets)
    fewest = max((len(made.steps) for made in (at_once,)), default=0)
    assert max(offsets, default=0) <= max(300_000, 30_000 * fewest)
    assert plan.raises or not any(offsets)
    verdicts = [Gate(b"k").review(t, situation, p, 1) for t, p in ((slow, plan), (TERMS, at_once))]
    if isinstance(verdicts[1], tuple):
        assert isinstance(verdicts[0], tuple)
        ends = [a.expires_ms for a in verdicts[0]]
        lives = [desk.NOW_MS + s.offset_ms + 60_000 for s in plan.steps for _ in s.actions]
        assert ends == lives


def test_flip_of_a_side_is_judged_on_the_side_that_dies_first() -> None:
    """A short is margined at the higher price: a flip to fewer lots can still be the worse."""
    lots = desk.base_lots(ALPHA_BTC, 2_000_000)
    position = {ALPHA_BTC: held(ALPHA_BTC, lots)}
    steep = desk.rules("0.04", "0.2")
    flip = desk.plan((desk.order(ALPHA_BTC, -lots - lots * 97 // 100),), raises=True)
    verdicts = set()
    for wallet in range(450_000, 700_000, 10_000):
        book = desk.portfolio({"alpha": wallet, "beta": 5e6}, position)
        situation = desk.situation(book, with_rules=steep)
        rules = {b.rule for b in breaches(desk.terms(with_rules=steep), situation, flip)}
        after = filled(situation, "alpha", flip.actions)
        moves = situation.outer
        true = stressed_health(steep["alpha"], after, situation.marks, INSTRUMENTS, moves)
        verdicts.add(true >= 0)
        assert true >= 0 or "survives stress" in rules
    assert verdicts == {True, False}


@settings(max_examples=150)
@given(situation=books(), wish=wishes(), decision=st.integers(1, 10**6))
def test_plan_never_breaks_its_own_form(situation: Situation, wish: Targets, decision: int) -> None:
    plan = plan_targets(TERMS, situation, wish, str(decision))
    ids = [action.id for action in plan.actions]
    assert len(set(ids)) == len(ids)
    for action in plan.actions:
        number, kind, *place = action.id.split(".")
        assert number == str(decision)
        if isinstance(action, Order):
            assert kind in {"reduce", "raise", "roll"}
            assert action.instrument == place[0]
            assert place[1].isdigit()
            assert action.lots != 0
        else:
            assert kind == "transfer"
            assert place == [action.source, action.destination]
    broken = {b.rule for b in breaches(TERMS, situation, plan)}
    assert not broken & {"naked leg", "reduce only", "withdrawable", "open route"}


@settings(max_examples=60)
@given(price=st.integers(3_000_000, 900_000_000), usd=st.floats(20_000, 900_000))
def test_slices_of_coarse_lots_stay_within_the_naked_limit(price: int, usd: float) -> None:
    """Lots worth a sizeable part of the limit: rounding must go to more slices, not larger."""
    ticks = {ALPHA_BTC: price, BETA_BTC: price // 10}
    quotes = {name: desk.quote(name, t) for name, t in ticks.items()}
    wealth = {"alpha": 1e9, "beta": 1e9}
    situation = desk.situation(desk.portfolio(wealth), quotes=quotes)
    size = usd / (price / 10)
    wish = Targets({ALPHA_BTC: size, BETA_BTC: -size}, {}, {}, "wish")
    plan = plan_targets(TERMS, situation, wish, "1")
    one = INSTRUMENTS[ALPHA_BTC].notional(1, price) / MICRO
    for action in plan.actions:
        assert isinstance(action, Order)
        instrument = INSTRUMENTS[action.instrument]
        size_usd = instrument.notional(action.lots, ticks[instrument.id]) / MICRO
        assert size_usd <= max(TERMS.mandate.limits.naked_usd, one) * (1 + 1e-9)


def test_account_that_must_be_cut_is_cut_however_little_it_holds() -> None:
    """A position below the smallest trade would otherwise be held until it is liquidated."""
    lots = desk.base_lots(ALPHA_BTC, 1_000)
    positions = {ALPHA_BTC: held(ALPHA_BTC, lots), BETA_BTC: held(BETA_BTC, -100 * lots)}
    situation = desk.situation(desk.portfolio({"alpha": 50_000, "beta": 50_000}, positions))
    half = {ALPHA_BTC: 0.5 * lots * float(INSTRUMENTS[ALPHA_BTC].lot)}
    half[BETA_BTC] = -half[ALPHA_BTC]
    wish = Targets(half, {}, {}, "reduce")
    assert desk.MANDATE.limits.minimum_trade_usd > 500
    assert plan_targets(TERMS, situation, wish, "1").steps == ()
    cut = plan_targets(TERMS, situation, msgspec.structs.replace(wish, urgent=True), "1")
    done = {a.instrument: a.lots for a in cut.actions if isinstance(a, Order)}
    assert done == {ALPHA_BTC: -(lots - lots // 2), BETA_BTC: 100 * (lots - lots // 2)}


@pytest.mark.parametrize(("side", "ends"), [(1, (-60, 0)), (-1, (0, 60))])
def test_urgent_cut_of_a_position_in_doubt_takes_no_more_than_is_surely_held(
    side: int, ends: tuple[int, int]
) -> None:
    """Of 100 lots 60 may be gone already."""
    positions = {ALPHA_BTC: held(ALPHA_BTC, 100 * side)}
    book = desk.situation(desk.portfolio({"alpha": 50_000, "beta": 50_000}, positions))
    unsure = msgspec.structs.replace(book, unsettled=Unsettled(lots={ALPHA_BTC: ends}))
    wish = Targets({ALPHA_BTC: 0.0}, {}, {}, "reduce", urgent=True)
    cut = [a.lots for a in plan_targets(TERMS, unsure, wish, "1").actions if isinstance(a, Order)]
    assert sum(cut) == -40 * side


@given(coin=st.sampled_from(["BTC", "ETH"]), units=st.integers(-3_000, 3_000))
def test_position_seen_through_a_float_is_kept_to_the_lot(coin: str, units: int) -> None:
    contracts = {i.id: i for i in desk.CONTRACTS if i.base == coin}
    first, second = list(contracts)[:2]
    pair = {name: contracts[name] for name in (first, second)}
    amount = units * common_lot(pair.values())
    seen = {first: float(amount) * (1 - 1e-9), second: -float(amount) * (1 - 1e-9)}
    lots = hedged_lots(pair, seen)
    assert lots[first] * Fraction(pair[first].lot) == amount
    assert lots[second] * Fraction(pair[second].lot) == -amount


@given(
    amounts=st.lists(st.floats(-50, 50), min_size=2, max_size=3),
    coin=st.sampled_from(["BTC", "ETH"]),
)
def test_hedged_lots_sum_to_zero_exactly_and_round_up_by_no_more_than_float_noise(
    amounts: list[float], coin: str
) -> None:
    contracts = {i.id: i for i in desk.CONTRACTS if i.base == coin}
    wanted = dict(zip(contracts, amounts, strict=False))
    own = {name: contracts[name] for name in wanted}
    lots = hedged_lots(own, wanted)
    bases = {name: n * Fraction(own[name].lot) for name, n in lots.items()}
    assert sum(bases.values()) == 0
    noise = NOISE_LOTS * common_lot(own.values())
    for name, amount in wanted.items():
        assert abs(bases[name]) <= abs(Fraction(amount)) + noise
        assert bases[name] * Fraction(amount) >= 0
        assert bases[name] % common_lot(own.values()) == 0


@given(
    lots=st.dictionaries(st.sampled_from("abc"), st.integers(-(10**7), 10**7), min_size=1),
    count=st.integers(1, 40),
)
def test_slices_add_up_and_stay_in_proportion(lots: dict[str, int], count: int) -> None:
    parts = slices(lots, count)
    assert len(parts) <= count
    for name, total in lots.items():
        done = [part.get(name, 0) for part in parts]
        assert sum(done) == total
        assert all(n * total >= 0 for n in done)
        assert all(abs(n) <= -(-abs(total) // count) for n in done)


def profitable(venue: str = "alpha") -> Situation:
    """A large long in profit at alpha whose wallet is small, hedged at beta."""
    lots = desk.base_lots(ALPHA_BTC, 300_000)
    positions = {
        ALPHA_BTC: held(ALPHA_BTC, lots, 0.6),
        BETA_BTC: held(BETA_BTC, -100 * lots, 0.6),
    }
    return desk.situation(desk.portfolio({"alpha": 20_000, "beta": 250_000}, positions))


def test_roll_in_slices_frees_what_the_transfer_after_it_takes() -> None:
    """Reopened lots have no profit: each slice of a roll frees less than the one before."""
    situation = profitable()
    lots = situation.portfolio.accounts["alpha"].positions[ALPHA_BTC].lots
    size = lots * 0.001
    wish = Targets(
        {ALPHA_BTC: size, BETA_BTC: -size}, {("alpha", "beta"): 1e6}, {"alpha": 1e6}, "wish"
    )
    plan = plan_targets(TERMS, situation, wish, "1")
    rolls = [a for a in plan.actions if ".roll." in a.id]
    assert len(rolls) > 4
    market = exchange({"alpha": 20_000, "beta": 250_000})
    entry = situation.portfolio.accounts["alpha"].positions[ALPHA_BTC]
    market._books["alpha"].positions[ALPHA_BTC] = entry
    for action in plan.actions:
        events = market.trade(action) if isinstance(action, Order) else market.send(action)
        assert [type(e).__name__ for e in events] in (["Filled"], ["TransferSent"])
    assert isinstance(plan.actions[-1], Transfer)
    assert plan.actions[-1].quanta > 50_000 * MICRO


def test_roll_after_a_reduction_closes_no_more_than_is_left() -> None:
    situation = profitable()
    wish = Targets(
        {ALPHA_BTC: 1.0, BETA_BTC: -1.0}, {("alpha", "beta"): 1e6}, {"alpha": 1e6}, "wish"
    )
    lots = situation.portfolio.accounts["alpha"].positions[ALPHA_BTC].lots
    lowest = lots
    for action in plan_targets(TERMS, situation, wish, "1").actions:
        if isinstance(action, Order) and action.instrument == ALPHA_BTC:
            assert not action.reduce_only or abs(action.lots) <= lots
            lots += action.lots
            lowest = min(lowest, lots)
    assert lots == 1_000
    assert lowest >= 0


def test_increases_wait_while_money_moves() -> None:
    book = desk.portfolio({"alpha": 400_000, "beta": 100_000})
    size = 2.0
    wish = Targets({ALPHA_BTC: size, BETA_BTC: -size}, {("alpha", "beta"): 50_000}, {}, "wish")
    plan = plan_targets(TERMS, desk.situation(book), wish, "1")
    assert [type(action) for action in plan.actions] == [Transfer]
    assert not plan.raises
    without = msgspec.structs.replace(wish, transfers_usd={})
    assert plan_targets(TERMS, desk.situation(book), without, "2").raises


@pytest.mark.parametrize(("lots", "moves"), [(33, False), (34, True)])
def test_change_below_the_minimum_trade_is_left_alone(lots: int, moves: bool) -> None:
    """A lot of ETH at alpha is 30 dollars, the minimum trade 1,000."""
    size = (lots + 0.5) * 0.01
    wish = Targets({ALPHA_ETH: size, BETA_ETH: -size}, {}, {}, "wish")
    situation = desk.situation(desk.portfolio({"alpha": 1e5, "beta": 1e5}))
    assert bool(plan_targets(TERMS, situation, wish, "1").steps) == moves


def test_transfers_from_one_venue_share_what_can_leave() -> None:
    situation = desk.situation(desk.portfolio({"alpha": 500_000, "beta": 500_000}))
    routes = {("alpha", "beta"): 300_000.0, ("alpha", "vault"): 300_000.0}
    plan = plan_targets(TERMS, situation, Targets({}, routes, {}, "wish"), "1")
    sent = [action.quanta for action in plan.actions if isinstance(action, Transfer)]
    assert len(sent) == 2
    assert 490_000 * MICRO < sum(sent) <= 500_000 * MICRO
    assert breaches(TERMS, situation, plan) == []


def test_transfer_is_no_larger_than_its_route_takes_within_a_day() -> None:
    situation = desk.situation(desk.portfolio({"alpha": 500_000, "beta": 500_000}))
    wish = Targets({}, {("alpha", "beta"): 300_000.0}, {}, "wish")
    known = msgspec.structs.replace(situation, sent_day_usd={("alpha", "beta"): 30_000.0})
    terms = desk.routed(100_000)
    (sent,) = plan_targets(terms, known, wish, 1).actions
    assert isinstance(sent, Transfer)
    assert sent.quanta == 70_000 * MICRO
    assert breaches(terms, known, plan_targets(terms, known, wish, 1)) == []
    assert plan_targets(terms, situation, wish, 1).steps == ()
