# SPDX-License-Identifier: Apache-2.0
"""Certificates hold at every market of a grid that they have never seen, or find where not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.margin.account_books import CASH, SPOT, Book, option, perpetual
from tests.risk.certificate_books import (
    BOX,
    KINDS,
    at_model,
    book_of,
    drawn,
    grid,
    health_there,
    option_book,
    scattered,
    subject,
    with_cash,
)
from tidegate.margin.holdings import WorkingOrder
from tidegate.margin.market_values import forward_of, index_of, mark_of, vol_of
from tidegate.margin.scenario.shocks import SkewCap
from tidegate.model.errors import InputError, InvariantError
from tidegate.model.instruments import Instrument
from tidegate.model.times import DAY_MS
from tidegate.risk.certificate import Box, Certificate, Effort, Verdict, certify, verify
from tidegate.risk.certificate_box import CoinBox

ONE = Box({"BTC": CoinBox((0.8, 1.2), vol=(0.8, 1.5))})
NARROW = Box({"BTC": CoinBox((0.84, 1.16), vol=(0.8, 1.5))})
TIGHT = 1e-9


def slack(book: Book) -> float:
    """Rounding of the rule's own statement."""
    gross = sum(
        abs(p.size) * (1.0 if p.instrument.inverse else SPOT[p.instrument.base])
        for p in book.holdings.positions
    )
    return TIGHT * (1.0 + gross)


def coins_of(book: Book) -> list[str]:
    held = {each.base for each in book.instruments}
    return sorted(held | ({"BTC"} & set(book.holdings.collateral)))


def contradicts_nothing(seed: int, kind: str, steps: int) -> Certificate:
    """A random account made to sit near zero, against a grid, random points and the corners."""
    book = drawn(seed, kind)
    loose = certify(subject(book), BOX, Effort(cells=400, gap_usd=1e4))
    rng = np.random.default_rng(seed)
    book = with_cash(book, -loose.lower_usd + float(rng.uniform(-3e4, 3e4)))
    found = certify(subject(book), BOX, Effort(cells=4_000, gap_usd=500.0))
    points = [*grid(BOX, steps, coins_of(book)), *scattered(BOX, 20, seed)]
    least = min(health_there(book, point) for point in points)
    assert least >= found.lower_usd - slack(book)
    exact = health_there(book, found.worst.worst)
    assert exact == pytest.approx(found.upper_usd, abs=slack(book))
    assert found.lower_usd <= found.upper_usd + slack(book)
    if found.verdict is Verdict.PROVED:
        assert least > 0.0
        assert found.lower_usd > 0.0
    if found.verdict is Verdict.COUNTER_EXAMPLE:
        assert exact < 0.0
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_dense_grid_of_the_rules_own_statements_contradicts_no_certificate(
    kind: str, seed: int
) -> None:
    contradicts_nothing(seed, kind, 9 if kind in {"deribit-btc", "derive-portfolio"} else 3)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_denser_grids_contradict_none_of_hundreds_of_certificates(kind: str) -> None:
    alone = kind in {"deribit-btc", "derive-portfolio"}
    found = [contradicts_nothing(s, kind, 25 if alone else 4) for s in range(1_000, 1_060)]
    assert {each.verdict for each in found} >= {Verdict.PROVED, Verdict.COUNTER_EXAMPLE}


@pytest.mark.parametrize("kind", ["deribit-btc", "deribit-usdc", "derive-portfolio"])
def test_gap_of_a_book_of_options_is_below_a_fifth_of_a_percent_of_collateral(kind: str) -> None:
    """27 options and a perpetual, +/- 20 % by vols of 0.8 to 1.5: 51 cells in the prototype of
    November 2026 (pure numpy, another book); three times as many are allowed for."""
    book = option_book(2, kind, 27)
    need = -certify(subject(book), ONE, Effort(cells=200, gap_usd=1e3)).upper_usd
    collateral = 1.3 * abs(need)
    book = with_cash(book, collateral)
    found = certify(subject(book), ONE, Effort(gap_usd=0.002 * collateral))
    assert found.proved
    assert found.upper_usd - found.lower_usd <= 0.002 * collateral
    assert found.cells <= 153


def test_book_solvent_on_the_grid_of_sixteen_percent_and_not_at_twenty_is_found() -> None:
    """Short calls far out: the venue's own table ends where the loss begins."""
    legs: list[tuple[Instrument, float]] = [
        (option("BTC", CASH, 30, 118_000.0, True), -20.0),
        (perpetual("BTC", CASH), 4.0),
    ]
    bare = book_of("deribit-usdc", legs, 0.0)
    at_sixteen = min(health_there(bare, p) for p in grid(NARROW, 9, ["BTC"]))
    book = with_cash(bare, -at_sixteen + 1_000.0)
    assert min(health_there(book, p) for p in grid(NARROW, 17, ["BTC"])) > 0.0
    assert certify(subject(book), NARROW).proved
    found = certify(subject(book), ONE)
    assert found.verdict is Verdict.COUNTER_EXAMPLE
    assert health_there(book, found.worst.worst) == pytest.approx(found.upper_usd)
    assert found.upper_usd < 0.0
    price = found.worst.worst["BTC"][0]
    assert abs(price - 1.0) > 0.16


def test_loss_between_the_points_of_a_grid_is_found() -> None:
    """Calls sold between two points of a coarse grid, at both of which the account is solvent."""
    strikes = ((100_000.0, -10.0), (110_000.0, 20.0), (120_000.0, -10.0))
    legs = [(option("BTC", CASH, 1, strike, True), size) for strike, size in strikes]
    bare = book_of("derive-portfolio", [*legs], 0.0)
    box = Box({"BTC": CoinBox((1.0, 1.2), vol=(0.3, 0.3))})
    healths = [health_there(bare, {"BTC": (p, 1.0, 0.3)}) for p in (1.0, 1.1, 1.2)]
    assert healths[1] < min(healths[0], healths[2]) - 20_000.0
    book = with_cash(bare, -healths[1] - 10_000.0)
    assert all(health_there(book, {"BTC": (p, 1.0, 0.3)}) > 0.0 for p in (1.0, 1.2))
    found = certify(subject(book), box)
    assert found.verdict is Verdict.COUNTER_EXAMPLE
    assert 1.0 < found.worst.worst["BTC"][0] < 1.2


@pytest.mark.parametrize("kind", ["deribit-btc", "deribit-usdc", "derive-portfolio"])
def test_book_whose_hedge_expires_is_proved_today_and_not_past_the_expiry(kind: str) -> None:
    settle = "BTC" if kind == "deribit-btc" else CASH
    hedge = option("BTC", settle, 1, 100_000.0, True)
    short = option("BTC", settle, 30, 105_000.0, True)
    book = book_of(kind, [(hedge, 20.0), (short, -10.0)], 80_000.0)
    up = {"BTC": CoinBox((0.95, 1.02), vol=(1.0, 1.0))}
    assert certify(subject(book), Box(up)).proved
    past = certify(subject(book), Box(up, horizon_ms=2 * DAY_MS))
    assert past.verdict is Verdict.COUNTER_EXAMPLE
    assert past.worst.at_ms == hedge.expiry_ms + 1
    assert [each.at_ms for each in past.bounds] == [book.market.now_ms, hedge.expiry_ms + 1]


def test_budget_that_is_spent_leaves_the_account_undecided() -> None:
    book = option_book(3, "derive-portfolio", 27)
    least = certify(subject(book), ONE, Effort(gap_usd=100.0, cells=400))
    book = with_cash(book, -least.upper_usd + 2_000.0)
    for effort in (Effort(cells=1), Effort(stop=lambda: True)):
        found = certify(subject(book), ONE, effort)
        assert found.verdict is Verdict.UNDECIDED
        assert not found.proved
        assert found.lower_usd <= 0.0 < found.upper_usd
    assert certify(subject(book), ONE).proved


@pytest.mark.parametrize("kind", ["deribit-btc", "derive-portfolio", "derive-standard"])
def test_figure_that_is_missing_stale_or_no_number_is_named_and_nothing_is_proved(
    kind: str,
) -> None:
    book = with_cash(at_model(option_book(4, kind, 4)), 1e8)
    assert certify(subject(book), ONE).proved
    each = book.instruments[0]
    keys = [vol_of(each.id), index_of("BTC"), forward_of("BTC", each.expiry_ms)]  # type: ignore[union-attr]
    keys.append(mark_of(book.instruments[-1].id))
    for key in keys:
        seen = book.market.values[key]
        for bad in (
            None,
            replace(seen, as_of_ms=seen.as_of_ms - 10_000),
            replace(seen, value=float("nan")),
            replace(seen, value=-1.0),
        ):
            values = {k: v for k, v in book.market.values.items() if k != key}
            values |= {key: bad} if bad is not None else {}
            broken = replace(book, market=replace(book.market, values=values))
            with pytest.raises(InputError, match=key[0]):
                certify(subject(broken), ONE)


def test_coin_without_a_range_orders_and_ends_that_are_no_range_are_refused() -> None:
    book = drawn(1, "deribit-usdc")
    with pytest.raises(InputError, match="ETH: expected ranges"):
        certify(subject(book), ONE)
    order = WorkingOrder(book.instruments[0], 1.0, 100.0)
    waiting = replace(book, holdings=replace(book.holdings, orders=(order,)))
    with pytest.raises(InputError, match="orders"):
        certify(subject(waiting), BOX)
    for cells, gap in ((0, 1.0), (1, 0.0), (1, -1.0), (1, float("nan"))):
        with pytest.raises(InputError, match="effort"):
            Effort(cells, gap)
    for ends in ((1.2, 0.8), (0.0, 1.0), (1.0, float("nan")), (1.0, float("inf"))):
        with pytest.raises(InputError, match="0 < low <= high"):
            CoinBox(ends)


def test_rule_that_is_not_covered_and_a_cap_below_zero_are_refused() -> None:
    with pytest.raises(InputError, match="paradex"):
        certify(subject(drawn(1, "paradex")), BOX)
    book = option_book(1, "derive-portfolio", 3)
    shock = replace(book.rule.parameters.skew_shock, linear=SkewCap(-0.1, 0.0))  # type: ignore[attr-defined]
    parameters = replace(book.rule.parameters, skew_shock=shock)  # type: ignore[attr-defined]
    odd = replace(book, rule=replace(book.rule, parameters=parameters))  # type: ignore[type-var]
    with pytest.raises(InputError, match="skew"):
        certify(subject(odd), ONE)


def proof() -> tuple[Book, Certificate]:
    book = option_book(5, "deribit-btc", 12)
    least = certify(subject(book), ONE, Effort(gap_usd=100.0, cells=400))
    book = with_cash(book, 1.3 * (-least.upper_usd) + 2e4)
    return book, certify(subject(book), ONE, keep_leaves=True)


def test_proof_is_verified_from_its_leaves_and_one_with_a_hole_is_refused() -> None:
    book, found = proof()
    assert found.proved
    verify(found, subject(book), ONE)
    bounds, leaves = found.bounds[0], found.bounds[0].leaves[0]
    assert len(leaves.low) > 1
    for place in range(len(leaves.low)):
        holed = replace(
            leaves,
            low=leaves.low[:place] + leaves.low[place + 1 :],
            high=leaves.high[:place] + leaves.high[place + 1 :],
        )
        broken = replace(found, bounds=(replace(bounds, leaves=(holed,)),))
        with pytest.raises(InvariantError, match="do not cover"):
            verify(broken, subject(book), ONE)


def test_proof_of_another_account_market_or_box_is_refused() -> None:
    book, found = proof()
    poorer = with_cash(book, -1.0)
    values = dict(book.market.values)
    values[index_of("BTC")] = replace(values[index_of("BTC")], value=SPOT["BTC"] + 1.0)
    elsewhere = replace(book, market=replace(book.market, values=values))
    cases = [(poorer, ONE), (elsewhere, ONE), (book, NARROW)]
    for other, box in cases:
        with pytest.raises(InvariantError, match="another"):
            verify(found, subject(other), box)


def test_leaves_that_cover_an_insolvent_account_prove_nothing() -> None:
    book, found = proof()
    least = found.upper_usd
    poorer = with_cash(book, -least - 1e4)
    other = certify(subject(poorer), ONE, keep_leaves=True)
    assert other.verdict is Verdict.COUNTER_EXAMPLE
    with pytest.raises(InvariantError, match="proves nothing"):
        verify(other, subject(poorer), ONE)
    forged = replace(other, verdict=Verdict.PROVED, bounds=found.bounds)
    with pytest.raises(InvariantError, match="not solvent"):
        verify(forged, subject(poorer), ONE)


def test_the_same_question_has_the_same_certificate_to_the_bit() -> None:
    book, found = proof()
    assert certify(subject(book), ONE, keep_leaves=True) == found
