# SPDX-License-Identifier: Apache-2.0
"""Solvency over a book's history: named where it binds, and true by the exact rules."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.plan.plain_books import book_values, decided, liquid, mandate_text
from tests.engine.plan.random_books import Drawn
from tests.engine.plan.synthetic_history import history
from tests.soak import Budget
from tidegate.allocation.joint.moved_markets import MovedMarkets
from tidegate.allocation.joint.question import Tail
from tidegate.engine.margin_book.exact_account import ExactAccount
from tidegate.engine.plan.after import Changes, account_after, nothing_done
from tidegate.engine.plan.asking import Asked, NoEquity, ask
from tidegate.engine.plan.book import PlanAccount
from tidegate.engine.plan.book_file import read_plan_book
from tidegate.engine.plan.deciding import Decision, Outcome, decide
from tidegate.engine.plan.history_markets import moved_values
from tidegate.engine.plan.history_tails import NAME
from tidegate.engine.plan.past import FloatArray
from tidegate.engine.plan.reasons import document
from tidegate.margin.market_values import mark_of
from tidegate.model.instruments import Option
from tidegate.model.mandate import read_plan_mandate
from tidegate.model.plan_terms import plan_terms

MILD = (
    ("gross_leverage = 6", "gross_leverage = 15"),
    ("outer = { BTC = 0.15, ETH = 0.20 }", "outer = { BTC = 0.03, ETH = 0.03 }"),
    ("inner = { BTC = 0.08, ETH = 0.12 }", "inner = { BTC = 0.02, ETH = 0.02 }"),
)
NOISE_USD = 1.0


def gross_usd(decision: Decision) -> float:
    lots = np.array([bound.lot_usd for bound in decision.asked.bounds])
    return float(np.abs(decision.changed.lots.target) @ lots)


def mild(folder: Path, past: dict[str, Any] | None) -> Decision:
    values = book_values(liquid, options=False)
    if past is not None:
        values["history"] = past
    return decided(folder, values, mandate_text(*MILD, options=False))


def drawn(seed: int, folder: Path, *, options: bool) -> Asked:
    """A random book with a random history; raises `NoEquity`."""
    of = Drawn(seed, options=options)
    rng = np.random.default_rng(seed + 1)
    gap, vol = float(rng.choice([0.0, rng.uniform(0.02, 0.15)])), float(rng.uniform(0.002, 0.01))
    values = of.book() | {"history": history(seed, bars=400, vol=vol, gap=gap)}
    values["history"]["spread"] = {"binance": rng.normal(scale=0.002, size=9).tolist()}
    values["history"]["stable"] = {"USDC": rng.uniform(0.99, 1.001, size=9).tolist()}
    values["history"]["funding"] = {"BTC": rng.normal(scale=0.0003, size=9).tolist()}
    path = folder / "book.json"
    path.write_text(json.dumps(values))
    mandate = plan_terms(read_plan_mandate(of.mandate(), "mandate.toml"))
    return ask(read_plan_book(path), mandate)


def exact_healths(asked: Asked, account: PlanAccount, changed: Changes) -> FloatArray:
    """Health in USD by the rule's own statements, market by market, [W, P]; what is sent has
    landed where the path says so."""
    assert asked.scenarios is not None
    paths = asked.scenarios.paths
    moved = MovedMarkets(paths, account.venue, account.book.market.doubted())
    there = paths.landed.reshape(moved.count, -1)
    health = np.zeros(moved.count)
    states = [account_after(asked, account, changed, landed=landed) for landed in (False, True)]
    all_in = np.ones(moved.count, dtype=bool)
    for e, way in enumerate(asked.book.ways):
        if way.destination == account.venue and any(t.way is way for t in changed.transfers):
            all_in &= there[:, e]
    for m in range(moved.count):
        health[m] = _one(states[int(all_in[m])], moved, m)
    return health.reshape(paths.count, paths.points)


def _one(account: PlanAccount, moved: MovedMarkets, m: int) -> float:
    book = account.book
    holdings = replace(book.holdings, orders=())
    values = dict(book.market.values)
    paid = 0.0
    for each in holdings.positions:
        i = each.instrument
        if not isinstance(i, Option):
            now = values[mark_of(i.id)]
            values[mark_of(i.id)] = replace(now, value=now.value * float(moved.marks(i)[m]))
            notional = each.size * account.notional_per_size(i)
            paid += notional * float(moved.funding(i.base)[m])
    held = tuple(each.instrument for each in holdings.positions)
    if not isinstance(book.rule, ExactAccount) and held:
        for key, path in moved_values(account, moved, held).items():
            values[key] = replace(values[key], value=float(path[m]))
    there = replace(book, holdings=holdings, market=replace(book.market, values=values))
    stated = there.statement()
    usd = account.price(stated.unit)
    usd *= float(moved.usd(stated.unit)[m]) if stated.unit != "USD" else 1.0
    return stated.health * usd - paid


def losses(tail: Tail, asked: Asked, x: FloatArray) -> FloatArray:
    """What the tail's maximum is taken of for positions x and money as it stands, [W, P]."""
    of = asked.question.functions
    nets = of.net @ x
    u = (of.slope * nets[:, None] - of.offset).max(axis=1)
    held = tail.constant - tail.slopes @ x[tail.columns]
    money = asked.question.nodes.amount[tail.nodes]
    return np.asarray(held + tail.weights @ u[tail.functions] - tail.worth @ money)


def test_gap_in_the_history_holds_a_book_smaller_that_named_stresses_let_grow(
    tmp_path: Path,
) -> None:
    without, calm = mild(tmp_path, None), mild(tmp_path, history(1, vol=0.002))
    gapped = mild(tmp_path, history(1, vol=0.002, gap=0.12))
    assert {without.outcome, calm.outcome, gapped.outcome} == {Outcome.PLAN}
    assert gross_usd(gapped) < 0.8 * gross_usd(calm)
    assert gross_usd(calm) == pytest.approx(gross_usd(without), rel=0.01)
    said = document(gapped, "mandate.toml")
    assert any(line.name.startswith(NAME) for line in said.limits)
    assert any(name.startswith(NAME) for move in said.moves for name in move.binding)


def test_book_without_history_says_what_its_solvency_is_judged_by(tmp_path: Path) -> None:
    said = document(mild(tmp_path, None), "mandate.toml")
    assert said.judged_by == (
        "solvency is judged by named stresses and the certificate alone: the book has no history"
    )
    assert said.history is None


def test_document_counts_windows_scenarios_and_mass(tmp_path: Path) -> None:
    said = document(mild(tmp_path, history(1)), "mandate.toml").history
    assert said is not None
    # Of 600 bars 4 start no whole window, 20 have no vol yet, one is a hole, and in 4 windows.
    assert said.windows == 600 - 4 - 20 - 1 - 4
    assert said.mass == pytest.approx(0.01 * said.windows)
    assert {line.venue for line in said.accounts} == {"binance", "hyperliquid"}
    assert all(line.health_after_usd >= 0.0 for line in said.accounts)


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5, 7, 8, 10, 11, 13])
def test_random_book_fails_exact_rules_in_no_more_scenarios_than_its_tail(
    seed: int, tmp_path: Path
) -> None:
    _judged(seed, tmp_path, options=False)


@pytest.mark.parametrize("seed", [6, 9])
def test_random_book_with_options_fails_exact_rules_in_no_more_than_its_tail(
    seed: int, tmp_path: Path
) -> None:
    _judged(seed, tmp_path, options=True)


@pytest.mark.soak(weight=1)
def test_fresh_random_book_fails_exact_rules_in_no_more_scenarios_than_its_tail(
    budget: Budget, tmp_path: Path
) -> None:
    budget.each("book", lambda seed: _judged(seed, tmp_path, options=seed % 3 == 0), 200)


def _judged(seed: int, folder: Path, *, options: bool) -> None:
    try:
        asked = drawn(seed, folder, options=options)
    except NoEquity:
        return
    decision = decide(asked.book, asked.terms)
    if decision.outcome is Outcome.NONE:
        return
    assert asked.scenarios is not None
    mass = asked.scenarios.paths.mass
    for account in asked.accounts:
        worst = np.sort(-exact_healths(decision.asked, account, decision.changed).min(axis=1))
        tail = worst[-int(np.ceil(mass)) :]
        part = mass - (len(tail) - 1)
        assert (worst > NOISE_USD).sum() <= mass
        assert (part * tail[0] + tail[1:].sum()) / mass <= NOISE_USD


@pytest.mark.parametrize(("seed", "options"), [(1, False), (2, False), (9, True), (6, True)])
def test_tail_of_the_programme_is_never_below_the_exact_shortfall(
    seed: int, options: bool, tmp_path: Path
) -> None:
    asked = drawn(seed, tmp_path, options=options)
    found = 0
    for account in asked.accounts:
        for tail in asked.question.tails:
            if tail.name == f"{NAME} {account.venue}":
                found += 1
                rows = losses(tail, asked, asked.held)
                bound = rows.reshape(rows.shape[0], -1, asked_points(asked, rows)).max(axis=1)
                exact = -exact_healths(asked, account, nothing_done(asked)).min(axis=1)
                above = bound.max(axis=1) * asked.equity_usd - exact
                assert above.min() >= -NOISE_USD
                assert above.max() <= 0.02 * asked.equity_usd
    assert found >= 2


def asked_points(asked: Asked, rows: FloatArray) -> int:
    """Rows of one point."""
    assert asked.scenarios is not None
    return int(rows.shape[1]) // asked.scenarios.paths.points
