# SPDX-License-Identifier: Apache-2.0
"""The scenario core: formulas by hand, kernels against twins, batches against single books."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.margin.account_books import CASH, NOW_MS, RULES, TERMS, UNSKEWED, Book, at, drawn_book
from tidegate.margin.derive_parameters import MAINNET_2026, DiscountTerms
from tidegate.margin.derive_portfolio import DerivePortfolio
from tidegate.margin.derive_standard_convex import standard_book_form
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import index_of, mark_of, vol_of
from tidegate.margin.scenario.charges import (
    Charge,
    Growth,
    Side,
    stacked_charges,
    stacked_together,
)
from tidegate.margin.scenario.convex import book_form
from tidegate.margin.scenario.shocks import (
    Scenario,
    SkewCap,
    SkewShock,
    VolMove,
    VolShock,
    grid,
    least_vols,
    vol_multipliers,
)
from tidegate.margin.scenario.table import Group, Pool, ScenarioTable
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option

SEEDS = st.integers(0, 2**32 - 1)
KINDS = st.sampled_from(sorted(RULES))
SCENARIO_KINDS = st.sampled_from(sorted(set(RULES) - {"derive-standard"}))
CLOSE = 1e-9


def prepared_of(book: Book) -> Any:
    rule: Any = book.rule
    return rule.prepare(book.instruments, book.market, sorted(book.holdings.collateral))


def sizes_of(book: Book, prepared: Any) -> np.ndarray:
    """The book as sizes, cash less what positions have cost."""
    rule: Any = book.rule
    if hasattr(rule, "amounts"):
        return np.asarray(prepared.sizes(rule.amounts(book.holdings)))
    amounts = dict(book.holdings.collateral)
    for each in book.holdings.positions:
        amounts[each.instrument.id] = each.size
        cost = 0.0 if isinstance(each.instrument, Option) else each.size * each.entry
        amounts[CASH] = amounts.get(CASH, 0.0) + each.funding - cost
    return np.asarray(prepared.sizes(amounts))


def moved_sizes(book: Book, prepared: Any, seed: int, count: int) -> np.ndarray:
    """Random books about this one, some columns empty; assets stay at or above zero."""
    rng = np.random.default_rng(seed)
    base = sizes_of(book, prepared)
    books = base * rng.normal(size=(count, len(base))) * (rng.random((count, len(base))) < 0.8)
    names = {each.id for each in book.instruments}
    assets = [place for place, name in enumerate(prepared.columns) if name not in names]
    books[:, assets] = np.abs(base[assets])
    return books


def test_vol_shock_grows_as_expiry_nears_with_its_power_on_either_side_of_thirty_days() -> None:
    shock = VolShock(0.5, 0.25, 0.3, 0.13, 1.0, 0.4)
    days = np.array([0.25, 1.0, 7.5, 30.0, 60.0])
    up, down = shock.multipliers(days / 365.0)
    term = [30.0**0.3, 30.0**0.3, 4.0**0.3, 1.0, 0.5**0.13]
    assert up == pytest.approx([1.0 + 0.5 * each for each in term])
    assert down == pytest.approx([max(0.0, 1.0 - 0.25 * each) for each in term])


def test_vols_never_fall_below_zero_and_the_floor_holds_for_the_shock_up_alone() -> None:
    shock = VolShock(0.5, 3.0, 0.3, 0.13, 1.0, 0.4)
    by = vol_multipliers(shock, None, np.zeros(1), np.full(1, 0.1))
    vols = np.maximum(by * 0.1, least_vols(shock))
    assert vols[VolMove.DOWN, 0] == 0.0
    assert vols[VolMove.UP, 0] == 0.4
    assert vols[VolMove.NONE, 0] == vols[VolMove.LINEAR_SKEW, 0] == 0.1


def test_skew_tilts_by_the_cap_on_the_side_of_the_strike() -> None:
    shock = SkewShock(SkewCap(0.25, -0.1), SkewCap(0.5, 0.0), 0.01, 4.0, 0.6, -0.1)
    years = np.full(3, 0.25)
    width = 0.5 * 4.0 * (0.6 - 0.05)
    cap = 0.25 - 0.05
    linear, absolute = shock.multipliers(np.array([-9.0, 0.11, 9.0]), years)
    assert linear == pytest.approx([1.0 - cap, 1.0 + 0.11 * cap / width, 1.0 + cap])
    assert absolute == pytest.approx([1.5, 1.0 + 0.11 * 0.5 / width, 1.5])


def test_skew_with_a_negative_cap_is_held_on_the_side_of_the_strike() -> None:
    shock = SkewShock(SkewCap(-0.2, 0.0), SkewCap(-5.0, 0.0), 1.0, 0.0, 0.0, 0.0)
    linear, absolute = shock.multipliers(np.array([-2.0, -0.5, 0.5, 2.0]), np.ones(4))
    # k cap / width is 0.4, 0.1, -0.1, -0.4; at most the cap above, at least its opposite below.
    assert linear == pytest.approx([1.4, 1.2, 0.8, 0.6])
    assert absolute == pytest.approx([0.0, 0.0, 0.0, 0.0])


def test_skew_of_no_width_puts_every_strike_but_the_forward_at_its_cap() -> None:
    shock = SkewShock(SkewCap(0.2, 0.0), SkewCap(0.2, 0.0), 0.0, 0.0, 0.0, 0.0)
    linear, absolute = shock.multipliers(np.array([-1e-3, 0.0, 1e-3]), np.ones(3))
    assert linear == pytest.approx([0.8, 1.0, 1.2])
    assert absolute == pytest.approx([1.2, 1.0, 1.2])


def test_grid_has_every_move_inside_and_one_at_its_edges() -> None:
    made = grid((1.1, 1.0, 0.9), (VolMove.DOWN, VolMove.UP), (VolMove.UP,))
    assert [(one.ratio, one.vol) for one in made] == [
        (1.1, VolMove.UP),
        (1.0, VolMove.DOWN),
        (1.0, VolMove.UP),
        (0.9, VolMove.UP),
    ]
    assert len(MAINNET_2026.scenarios) == 33


@pytest.mark.parametrize(
    ("ratio", "weight"), [(-0.1, 1.0), (np.inf, 1.0), (1.0, -1.0), (np.nan, 1)]
)
def test_scenario_that_is_none_is_refused(ratio: float, weight: float) -> None:
    with pytest.raises(InputError, match="expected a"):
        Scenario("x", ratio, VolMove.NONE, weight)


def one_row(values: list[list[float]], **changes: Any) -> ScenarioTable:
    """One scenario over one column a group: rows scenario, basis up, basis down, now."""
    count = len(values[0])
    settings_: dict[str, Any] = {
        "names": ("s",),
        "skews": np.array([False]),
        "values": np.array(values, dtype=float),
        "starts": np.arange(count + 1),
        "groups": tuple(Group(str(g)) for g in range(count)),
        "pools": (Pool("all"),),
        "weights": np.ones((count, 1)),
        "shrink_usd": np.zeros((1, 1)),
        "scale": np.ones(1),
    }
    return ScenarioTable(**{**settings_, **changes})


def worst(table: ScenarioTable, sizes: list[float]) -> tuple[float, str]:
    loss, index = table.worst(table.sums(np.array([sizes])))
    return float(loss[0]), table.binding_names[int(index[0])]


def test_group_is_counted_by_its_factor_of_its_own_sign() -> None:
    table = one_row([[80.0], [100.0], [100.0], [100.0]], groups=(Group("g", 0, 0.5, 2.0),))
    assert worst(table, [1.0]) == (60.0, "s")
    assert worst(table, [-1.0]) == (60.0, "s")


def test_weight_scales_a_groups_gain_and_z_the_answer() -> None:
    table = one_row([[80.0], [100.0], [100.0], [100.0]], weights=np.full((1, 1), 0.25))
    assert worst(table, [1.0]) == (5.0, "s")
    assert worst(replace(table, scale=np.array([10.0])), [1.0]) == (0.5, "s")


def test_smile_counts_each_groups_change_as_a_loss_where_only_the_smile_moves() -> None:
    rows = [[80.0, 130.0], [100.0, 100.0], [100.0, 100.0], [100.0, 100.0]]
    smiling = (Group("a", smiles=True), Group("b", smiles=True))
    table = one_row(rows, groups=smiling, skews=np.array([True]))
    assert worst(table, [1.0, 1.0]) == (50.0, "s")
    assert worst(replace(table, groups=(Group("a"), Group("b"))), [1.0, 1.0]) == (
        0.0,
        "nothing at risk",
    )


def test_gains_of_a_pool_cover_others_in_part_up_to_a_cap_and_losses_in_full() -> None:
    rows = [[50.0, 180.0], [100.0, 100.0], [100.0, 100.0], [100.0, 100.0]]
    groups = (Group("a", 0), Group("b", 1))
    kept = {"groups": groups, "shrink_usd": np.zeros((2, 1))}
    table = one_row(rows, pools=(Pool("a", 0.0), Pool("b", 0.5)), **kept)
    assert worst(table, [1.0, 1.0]) == (10.0, "s")
    capped = replace(table, pools=(Pool("a", 0.0), Pool("b", 0.5, 25.0)))
    assert worst(capped, [1.0, 1.0]) == (25.0, "s")
    assert worst(capped, [1.0, -1.0]) == (130.0, "s")


def test_shrinking_brings_a_pool_nearer_to_zero_and_never_past_it() -> None:
    rows = [[50.0], [100.0], [100.0], [100.0]]
    table = one_row(rows, shrink_usd=np.full((1, 1), 20.0))
    assert worst(table, [1.0]) == (30.0, "s")
    assert worst(table, [0.3]) == (0.0, "nothing at risk")


def test_basis_takes_the_worse_of_both_moves_of_each_expiry_and_never_gains() -> None:
    rows = [[100.0, 100.0], [90.0, 130.0], [120.0, 95.0], [100.0, 100.0]]
    groups = (Group("a", basis_factor=2.0), Group("b", basis_factor=1.0))
    table = one_row(rows, groups=groups)
    assert worst(table, [1.0, 1.0]) == (25.0, "basis contingency")
    assert worst(table, [1.0, -1.0]) == (50.0, "basis contingency")


def test_charge_asks_each_side_its_rate_and_grows_beyond_its_threshold_up_to_the_ceiling() -> None:
    growth = Growth(Side(1.0, 0.5), 0.01, 10.0, 0.1)
    row = Charge("r", {"a": 1.0, "b": 2.0}, Side(0.1, 0.05), Side(0.2, 0.0), growth)
    charges = stacked_charges([row, Charge("empty", {})], ("a", "b", "c"))
    assert charges.labels == ("r",)
    cases = [
        ((1.0, 2.0), 0.5, 0.25),
        ((-1.0, -2.0), 1.0, 0.0),
        ((15.0, 0.0), 1.5 + 15.0 * 0.05, 0.75 + 15.0 * 0.025),
        ((-100.0, 0.0), 20.0 + 10.0, 5.0),
    ]
    for (a, b), initial, maintenance in cases:
        asked = charges.asked(charges.nets(np.array([[a, b, 9.0]])))
        assert asked[0][0, 0] == pytest.approx(initial)
        assert asked[1][0, 0] == pytest.approx(maintenance)


def test_charges_stacked_together_ask_what_each_asks() -> None:
    names = ("a", "b", "c")
    first = stacked_charges([Charge("x", {"a": 1.0}, Side(1.0, 2.0))], names)
    second = stacked_charges(
        [Charge("y", {"b": 1.0, "c": -1.0}, Side(3.0)), Charge("z", {"c": 1.0}, Side(5.0))], names
    )
    both = stacked_together(first, second)
    book = np.array([[2.0, 7.0, 4.0]])
    assert both.asked(both.nets(book))[0].tolist() == [[2.0, 9.0, 20.0]]
    assert both.asked(both.nets(book))[1].tolist() == [[4.0, 0.0, 0.0]]


@given(SEEDS, KINDS)
def test_books_in_one_batch_have_what_the_rule_states_of_each(seed: int, kind: str) -> None:
    book = drawn_book(seed, kind)
    prepared = prepared_of(book)
    alone = book.rule.statement(book.holdings, book.market)
    many = prepared.statements(np.tile(sizes_of(book, prepared), (3, 1)))
    for name in ("equity", "initial", "maintenance"):
        assert getattr(many, name) == pytest.approx(
            [getattr(alone, name)] * 3, rel=CLOSE, abs=CLOSE
        )
    assert {prepared.binding_names[place] for place in many.binding} == {alone.binding}


@settings(max_examples=30)
@given(SEEDS, SCENARIO_KINDS)
def test_compiled_books_equal_their_numpy_twins(seed: int, kind: str) -> None:
    book = drawn_book(seed, kind)
    prepared = prepared_of(book)
    books = moved_sizes(book, prepared, seed, 300)
    compiled, twin = prepared.statements(books), prepared.statements_twin(books)
    for name in ("equity", "initial", "maintenance", "loss"):
        ours, theirs = getattr(compiled, name), getattr(twin, name)
        assert ours == pytest.approx(theirs, rel=1e-11, abs=1e-7)


@settings(max_examples=30)
@given(SEEDS, SCENARIO_KINDS)
def test_what_if_of_an_order_is_the_statement_of_the_book_with_it(seed: int, kind: str) -> None:
    book = drawn_book(seed, kind)
    prepared = prepared_of(book)
    rng = np.random.default_rng(seed)
    held = moved_sizes(book, prepared, seed, 1)[0]
    ready = prepared.what_if(held)
    for column, name in enumerate(prepared.columns):
        for size in (0.0, float(rng.normal() * 10.0), -held[column]):
            after = held.copy()
            after[column] += size
            ours, theirs = ready.order(name, size, 5.0), prepared.statements_twin(after)
            scale = 1.0 + float(theirs.initial[0])
            assert ours.equity == pytest.approx(theirs.equity[0] - 5.0, rel=CLOSE, abs=CLOSE)
            assert abs(ours.initial - theirs.initial[0]) <= CLOSE * scale
            assert abs(ours.maintenance - theirs.maintenance[0]) <= CLOSE * scale
            assert ours.health == ours.equity - ours.maintenance


def test_what_if_of_an_unknown_instrument_is_refused() -> None:
    book = drawn_book(1, "paradex")
    prepared = prepared_of(book)
    with pytest.raises(InputError, match="nothing"):
        prepared.what_if(sizes_of(book, prepared)).order("nothing", 1.0)


@pytest.mark.parametrize("sizes", [[[1.0]], [[[1.0]]], [[np.nan] * 3]])
def test_sizes_of_another_shape_or_not_finite_are_refused(sizes: list[Any]) -> None:
    book = drawn_book(1, "paradex", 1)
    prepared = prepared_of(book)
    with pytest.raises(InputError, match="sizes"):
        prepared.statements(sizes)


def test_perpetual_of_low_confidence_counts_for_options_only_where_it_is_held() -> None:
    book = drawn_book(1, "derive-portfolio")
    perp = book.instruments[-1]
    values = dict(book.market.values)
    values[mark_of(perp.id)] = replace(values[mark_of(perp.id)], confidence=0.1)
    book = replace(book, market=replace(book.market, values=values))
    prepared = prepared_of(book)
    held = sizes_of(book, prepared)
    flat = held.copy()
    flat[prepared.place[perp.id]] = 0.0
    for books in (np.stack([held, flat]), flat[None, :]):
        compiled = prepared.statements(books)
        assert compiled.initial == pytest.approx(prepared.statements_twin(books).initial)
    without = replace(book.holdings, positions=book.holdings.positions[:-1])
    alone = book.rule.statement(without, book.market)
    both = prepared.statements(np.stack([held, flat]))
    assert both.initial[1] == pytest.approx(alone.initial)
    assert both.initial[0] > both.initial[1]
    closing = prepared.what_if(held).order(perp.id, -held[prepared.place[perp.id]])
    assert closing.initial == pytest.approx(alone.initial)


def reach(prepared: Any, books: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(books).max(axis=0) * 1.01 + 1e-6)


@settings(max_examples=30)
@given(SEEDS, KINDS)
def test_convex_form_is_nowhere_below_the_rule_inside_its_span(seed: int, kind: str) -> None:
    book = drawn_book(seed, kind)
    prepared = prepared_of(book)
    books = moved_sizes(book, prepared, seed, 200)
    make: Any = standard_book_form if kind == "derive-standard" else book_form
    form = make(prepared, reach(prepared, books), books[0])
    exact = prepared.statements(books)
    for bound, rule in zip(
        form.requirements(books), (exact.initial, exact.maintenance), strict=True
    ):
        assert (bound >= rule - 1e-9 * (1.0 + np.abs(rule))).all()
    with pytest.raises(InputError, match="span"):
        form.requirements(books * 1e6 + 1e9)


@settings(max_examples=30)
@given(SEEDS, KINDS, st.floats(0.0, 1.0))
def test_convex_form_is_convex(seed: int, kind: str, share: float) -> None:
    book = drawn_book(seed, kind)
    prepared = prepared_of(book)
    books = moved_sizes(book, prepared, seed, 50)
    make: Any = standard_book_form if kind == "derive-standard" else book_form
    form = make(prepared, reach(prepared, books), books[0])
    left, right = books[:25], books[25:]
    ends = [form.requirements(each) for each in (left, right)]
    between = form.requirements(share * left + (1.0 - share) * right)
    for kind_of in (0, 1):
        chord = share * ends[0][kind_of] + (1.0 - share) * ends[1][kind_of]
        assert (between[kind_of] <= chord + 1e-9 * (1.0 + np.abs(chord))).all()


@settings(max_examples=30)
@given(SEEDS)
def test_convex_form_is_exact_for_every_book_where_the_rule_is_convex(seed: int) -> None:
    for kind in ("paradex", "derive-portfolio"):
        book = drawn_book(seed, kind)
        if kind == "derive-portfolio":
            book = replace(book, rule=UNSKEWED)
        prepared = prepared_of(book)
        books = moved_sizes(book, prepared, seed, 50)
        form = book_form(prepared, reach(prepared, books), books[0])
        exact = prepared.statements(books)
        for bound, rule in zip(
            form.requirements(books), (exact.initial, exact.maintenance), strict=True
        ):
            assert bound == pytest.approx(rule, rel=1e-10, abs=1e-6)


@settings(max_examples=30)
@given(SEEDS)
def test_convex_form_of_derive_is_tight_at_its_reference_smiles_and_all(seed: int) -> None:
    book = drawn_book(seed, "derive-portfolio")
    prepared = prepared_of(book)
    held = sizes_of(book, prepared)
    form = book_form(prepared, reach(prepared, held[None, :]), held)
    exact = prepared.statements(held)
    assert form.requirements(held)[1] == pytest.approx(exact.maintenance, rel=1e-10, abs=1e-6)


@settings(max_examples=30)
@given(SEEDS)
def test_convex_form_bounds_discounts_that_are_not_convex(seed: int) -> None:
    swapped = replace(
        MAINNET_2026,
        long_discount=DiscountTerms(1.05, 1.0, -0.16),
        short_discount=DiscountTerms(0.95, 1.0, -0.16),
    )
    book = replace(
        drawn_book(seed, "derive-portfolio"), rule=DerivePortfolio("BTC", TERMS, swapped)
    )
    prepared = prepared_of(book)
    books = moved_sizes(book, prepared, seed, 100)
    form = book_form(prepared, reach(prepared, books), books[0])
    exact = prepared.statements(books)
    assert (form.requirements(books)[1] >= exact.maintenance * (1.0 - 1e-9) - 1e-9).all()
    assert form.requirements(books[:1])[1] == pytest.approx(exact.maintenance[:1], rel=1e-9)


def test_convex_form_bounds_a_charge_whose_rate_is_capped() -> None:
    book = drawn_book(2, "deribit-btc", 1)
    prepared = prepared_of(book)
    rng = np.random.default_rng(0)
    books = sizes_of(book, prepared) * rng.lognormal(5.0, 2.0, size=(500, 1))
    form = book_form(prepared, reach(prepared, books), books[0])
    exact = prepared.statements(books)
    row = prepared.charges.labels.index("delta shock")
    nets = np.abs(prepared.charges.nets(books)[:, row])
    # Some nets lie below the threshold, some on the slope, some beyond the cap.
    rates = prepared.charges.rates[row]
    assert (nets < rates[7]).any()
    assert (nets > rates[7] + rates[8] / rates[6]).any()
    assert (form.requirements(books)[0] >= exact.initial * (1.0 - 1e-12)).all()


@pytest.mark.parametrize("span", [0.0, -1.0, np.inf, np.nan])
def test_span_that_is_not_above_zero_is_refused(span: float) -> None:
    book = drawn_book(1, "paradex")
    prepared = prepared_of(book)
    with pytest.raises(InputError, match="span"):
        book_form(prepared, np.full(len(prepared.columns), span), sizes_of(book, prepared))


def test_linear_position_earns_in_the_far_moves_what_it_earns_at_the_edge() -> None:
    book = drawn_book(2, "deribit-btc", 1)
    prepared = prepared_of(book)
    table = replace(prepared.table, shrink_usd=np.zeros_like(prepared.table.shrink_usd))
    name = next(n for n in prepared.columns if n.endswith("PERP"))
    sizes = prepared.sizes({name: 1e5})[None, :]
    results = table.results(table.sums(sizes))[0]
    coins = 1e5 / book.market.value(mark_of(name))
    for place, move in ((0, -0.16), (26, 0.16), (27, -0.16), (28, -0.16), (29, 0.16), (34, 0.16)):
        expected = coins * (1.0 - 1.0 / (1.0 + move))
        # A currency's gains cover nothing of others' losses here.
        assert results[place] == pytest.approx(min(expected, 0.0), abs=1e-12)


def test_short_call_of_deribit_loses_what_black_says_at_the_worst_bucket() -> None:
    call = next(
        one
        for seed in range(50)
        for one in drawn_book(seed, "deribit-btc", 1).instruments
        if isinstance(one, Option) and one.is_call
    )
    index = index_of("BTC")
    values = {
        index: 1e5,
        ("forward", "BTC", _when(call)): 1e5,
        vol_of(call.id): 0.6,
        mark_of(call.id): 0.02,
    }
    market = at(values)
    stated = RULES["deribit-btc"].statement(
        Holdings((Holding(call, -1.0, 0.0),), {"BTC": 1.0}), market
    )
    years = (call.expiry_ms - NOW_MS) / 86_400_000 / 365.0
    strike = float(call.strike)

    def coins(move: float, vol: float) -> float:
        forward, deviation = 1e5 * (1.0 + move), vol * math.sqrt(years)
        d1 = math.log(forward / strike) / deviation + deviation / 2.0
        phi = [0.5 * math.erfc(-d / math.sqrt(2.0)) for d in (d1, d1 - deviation)]
        return (forward * phi[0] - strike * phi[1]) / forward

    days = years * 365.0
    term = (30.0 / days) ** (0.3 if days <= 30.0 else 0.13)
    up = max(0.6 * (1.0 + 0.5 * term), 0.5)
    lost = coins(0.16, up) - coins(0.0, 0.6)
    assert stated.parts["initial: worst loss"] >= lost - 1e-12
    assert stated.binding in {
        "price +4/4 of range, vol up",
        *(f"price {m:+.0%}, vol up" for m in (0.5, 1, 2, 3, 4, 5)),
    }


def _when(option: Option) -> str:
    from tidegate.model.times import format_time

    return format_time(option.expiry_ms)
