# SPDX-License-Identifier: Apache-2.0
"""What a mandate says of breach, held against fresh paths of a law that no scenario came from.

Three mandates of tail probabilities 5, 1 and 0.2 % in eight hours, whose named moves are so small
that scenarios bind. The plan is made on filtered windows of one law and judged on paths of another
(`fresh_paths`), every account by its venue's rule at every point; a path on which any account is
below maintenance is a breach.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta

from tests.engine.plan import fresh_paths, scenario_law
from tests.engine.plan.fresh_paths import Paths
from tests.engine.plan.plain_books import BOOK, book_values, liquid, mandate_text, read
from tests.engine.plan.scenario_tails import scenario_tails
from tests.engine.plan.synthetic_history import SPOT
from tidegate.engine.margin_book.exact_account import ExactAccount
from tidegate.engine.plan.after import account_after
from tidegate.engine.plan.asking import Asked, ask
from tidegate.engine.plan.book import PlanAccount
from tidegate.engine.plan.deciding import Decision, Outcome, Solver, decide, fast
from tidegate.margin.batch import health, stacked_lines
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.market_values import Key, forward_of, index_of, mark_of, vol_of
from tidegate.model.instruments import Option
from tidegate.model.times import DAY_MS, HOUR_MS, format_time, parse_time_ms

FloatArray = NDArray[np.float64]
CHUNK = 50_000
# Of an account with options every fourth point is judged: an hour.
OPTION_STEP = 4


@dataclass(frozen=True)
class Claim:
    """A mandate: its probability of breach in eight hours, named moves, and whether options."""

    name: str
    probability: float
    moves: tuple[float, float]
    options: bool


CLAIMS = (
    Claim("loose, contracts", 0.05, (0.015, 0.02), False),
    Claim("middle, contracts", 0.01, (0.02, 0.03), False),
    Claim("strict, options", 0.002, (0.03, 0.04), True),
)
STRESS = "outer = { BTC = 0.15, ETH = 0.20 }\ninner = { BTC = 0.08, ETH = 0.12 }"
VOLS = "vol = { up = 0.5, down = 0.3 }\nvenue_spread = 0.005"
CAPS = "gross_leverage = 6"
SLEEVE = "gross_leverage = 2\nloss_share = 0.1"
WINGS = 'vega_usd = { "30d" = 300, "90d" = 1_000, beyond = 500 }\ngamma_usd = { BTC = 20_000 }'


def _paid_for_options(book: dict[str, Any]) -> None:
    """Little money at the options' venue, and so much for selling them that its margin binds."""
    book["accounts"][2]["balances"]["BTC"] = "2.5"
    book["accounts"][2]["positions"][0]["size"] = "-150000"
    for name in ("deribit:BTC-25DEC26-70000-C", "deribit:BTC-25DEC26-50000-P"):
        book["edges"][name]["carry_annual"] = "-0.6"


def _history(folder: Path, seed: int) -> str:
    """Five years of hourly bars of the first law as a file beside the book, at its prices now."""
    bars = scenario_law.history(seed)
    first = parse_time_ms(BOOK["as_of"], "", "") - len(bars.close) * HOUR_MS
    times = [format_time(first + bar * HOUR_MS) for bar in range(len(bars.close))]
    lines = ["time,coin,high,low,close"]
    for c, coin in enumerate(scenario_law.VOL_DAILY):
        scale = SPOT[coin] / float(bars.close[-1, c])
        rows = np.stack([bars.high[:, c], bars.low[:, c], bars.close[:, c]], axis=1) * scale
        lines += [
            f"{time},{coin},{high:.6f},{low:.6f},{close:.6f}"
            for time, (high, low, close) in zip(times, rows.tolist(), strict=True)
        ]
    (folder / "bars.csv").write_text("\n".join(lines) + "\n")
    return "bars.csv"


def _from_history(claim: Claim, folder: Path) -> tuple[Decision, list[str]]:
    """The decision that a user gets who gives the history and says the probability as the tail of
    each account; windows are the same eight hours."""
    changes = (liquid, _paid_for_options) if claim.options else (liquid,)
    values = book_values(*changes, options=claim.options)
    values["history"] = _history(folder, seed=7)
    tail = f"gross_leverage = 40\nturnover_per_day = 80\nsolvency_tail = {claim.probability}"
    text = _mandate(claim, tail).replace("outage_hours = 2", "outage_hours = 6")
    decision = decide(*read(folder, values, text))
    assert decision.asked.scenarios is not None
    assert decision.asked.scenarios.window_s == 8 * 3600.0
    return decision, _binding(decision)


def _plan(claim: Claim, folder: Path, *, seen: bool = True) -> tuple[Decision, list[str]]:
    """A decision, with scenario tails if they are `seen`, and those that bind."""
    text = _mandate(claim, "gross_leverage = 40\nturnover_per_day = 80")
    changes = (liquid, _paid_for_options) if claim.options else (liquid,)
    book, terms = read(folder, book_values(*changes, options=claim.options), text)
    decision = decide(book, terms, _solver(ask(book, terms), claim) if seen else fast)
    return decision, _binding(decision)


def _binding(decision: Decision) -> list[str]:
    """The tails that bind in a plan."""
    assert decision.outcome is Outcome.PLAN, decision.refusals
    assert decision.answer is not None
    prices = decision.answer.prices
    return [name for name in prices if name.startswith("solvency") and prices[name] > 0]


def _mandate(claim: Claim, caps: str) -> str:
    """The mandate's text, with named moves so small that scenarios bind."""
    btc, eth = claim.moves
    inner = f"outer = {{ BTC = {btc}, ETH = {eth} }}\ninner = {{ BTC = 0.01, ETH = 0.01 }}"
    swaps = [(STRESS, inner), (CAPS, caps)]
    swaps.append((VOLS, "vol = { up = 0.05, down = 0.05 }\nvenue_spread = 0.001"))
    if claim.options:
        swaps += [(SLEEVE, "gross_leverage = 20"), ("BTC = 5 }", "BTC = 50 }")]
        swaps.append((WINGS, "vega_usd = { beyond = 50_000 }\ngamma_usd = { BTC = 400_000 }"))
    return mandate_text(*swaps, options=claim.options)


def _solver(asked: Asked, claim: Claim) -> Solver:
    """With tails whose probabilities add up to the mandate's over its accounts."""
    held = [each.venue for each in asked.accounts]
    found = scenario_law.markets(claim.probability / len(held), seed=7)
    return scenario_tails(asked, dict.fromkeys(held, found)).solving(fast)


def _accounts(decision: Decision) -> Iterator[PlanAccount]:
    asked: Asked = decision.asked
    for account in asked.accounts:
        yield account_after(asked, account, decision.changed, landed=False)


def _linear_health(account: PlanAccount, paths: Paths, rng: np.random.Generator) -> FloatArray:
    """Health of contracts by their tiers, (paths, steps), USD."""
    rule = account.book.rule
    assert isinstance(rule, ExactAccount)
    held = [h for h in account.book.holdings.positions if h.size]
    sizes = np.array([h.size for h in held])
    costs = np.array([h.size * h.entry - h.funding for h in held])
    marks = {h.instrument.id: account.book.market.positive(mark_of(h.instrument.id)) for h in held}
    ratios = np.stack([paths.ratios[h.instrument.base] for h in held], axis=-1)
    prices = ratios * np.array(list(marks.values()))
    prices = prices * fresh_paths.apart(rng, ratios.shape)
    lines = []
    for h in held:
        ticks = int(marks[h.instrument.id] / float(h.instrument.tick))
        most = 4.0 * abs(h.size) * marks[h.instrument.id]
        lines.append(rule.rule.lines(h.instrument.id, ticks, most))
    wallet = np.asarray(account.book.holdings.collateral[rule.unit])
    return health(stacked_lines(lines), wallet, sizes, costs, prices)


def _option_health(account: PlanAccount, paths: Paths, rng: np.random.Generator) -> FloatArray:
    """Health under portfolio margin, (paths, hours), coins."""
    rule, market = account.book.rule, account.book.market
    assert isinstance(rule, DeribitPortfolio)
    ratio = paths.ratios["BTC"][:, OPTION_STEP - 1 :: OPTION_STEP]
    apart = fresh_paths.apart(rng, ratio.shape)
    moved: dict[Key, FloatArray] = {}
    for held in account.book.holdings.positions:
        each = held.instrument
        keys = [index_of("BTC"), mark_of(each.id)]
        if isinstance(each, Option):
            days = (each.expiry_ms - market.now_ms) / DAY_MS
            vols = paths.vol_ratio(days)[:, OPTION_STEP - 1 :: OPTION_STEP]
            moved[vol_of(each.id)] = (vols * market.value(vol_of(each.id))).ravel()
            keys = [index_of("BTC"), forward_of("BTC", each.expiry_ms)]
        for key in keys:
            own = apart if key[0] == "mark" else 1.0
            moved[key] = (market.value(key) * ratio * own).ravel()
    found = rule.moving(account.book.holdings, market).statements(moved)
    return np.asarray(found.health.reshape(ratio.shape))


def _breaches(decision: Decision, count: int, seed: int) -> tuple[int, dict[str, int]]:
    """Paths on which any account is below maintenance, and by account."""
    rng = np.random.default_rng([seed, 5])
    accounts = [a for a in _accounts(decision) if any(h.size for h in a.book.holdings.positions)]
    by = {each.venue: 0 for each in accounts}
    total = 0
    for paths in fresh_paths.chunks(count, CHUNK, seed):
        any_of = np.zeros(len(paths.variance), dtype=bool)
        for each in accounts:
            linear = isinstance(each.book.rule, ExactAccount)
            of = _linear_health if linear else _option_health
            dead = (of(each, paths, rng) < 0.0).any(axis=1)
            by[each.venue] += int(dead.sum())
            any_of |= dead
        total += int(any_of.sum())
    return total, by


def upper_bound(breaches: int, count: int, confidence: float = 0.95) -> float:
    """One-sided upper bound of a frequency (Clopper and Pearson 1934)."""
    return float(beta.ppf(confidence, breaches + 1, count - breaches))


def _judge(
    claim: Claim, planned: tuple[Decision, list[str]], count: int
) -> tuple[float, Mapping[str, int]]:
    decision, binding = planned
    assert binding, decision.answer.prices if decision.answer else None
    total, by = _breaches(decision, count, seed=11)
    bound = upper_bound(total, count)
    print(f"{claim.name}: {total} of {count}, bound {bound:.5f}, by {by}, binding {binding}")
    return bound, by


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_breach_on_fresh_paths_of_another_law_is_at_most_twice_the_mandates(
    claim: Claim, tmp_path: Path
) -> None:
    bound, _ = _judge(claim, _plan(claim, tmp_path), 30_000 if claim.options else 100_000)
    assert bound <= 2.0 * claim.probability


@pytest.mark.soak
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_breach_on_a_million_fresh_paths_is_at_most_twice_the_mandates(
    claim: Claim, tmp_path: Path
) -> None:
    bound, _ = _judge(claim, _plan(claim, tmp_path), 1_000_000)
    assert bound <= 2.0 * claim.probability


@pytest.mark.soak
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_breach_of_a_plan_from_its_own_history_on_a_million_fresh_paths_of_another_law(
    claim: Claim, tmp_path: Path
) -> None:
    bound, _ = _judge(claim, _from_history(claim, tmp_path), 1_000_000)
    assert bound <= 2.0 * claim.probability


def test_breach_of_a_plan_from_its_own_history_is_at_most_twice_the_mandates(
    tmp_path: Path,
) -> None:
    claim = CLAIMS[1]
    bound, _ = _judge(claim, _from_history(claim, tmp_path), 100_000)
    assert bound <= 2.0 * claim.probability


def test_without_the_scenarios_the_same_mandate_breaks_its_claim(tmp_path: Path) -> None:
    """So the judge sees breaches, and it is the tails that keep the claim."""
    claim = CLAIMS[1]
    decision, _ = _plan(claim, tmp_path, seen=False)
    total, _ = _breaches(decision, 20_000, seed=11)
    assert total / 20_000 > 4.0 * claim.probability


def test_upper_bound_of_no_breach_is_the_rule_of_three() -> None:
    """No event in n: 1 - 0.05^(1/n), about 3 / n (Hanley and Lippman-Hand 1983)."""
    assert upper_bound(0, 1_000) == pytest.approx(1.0 - 0.05 ** (1.0 / 1_000), rel=1e-9)
