# SPDX-License-Identifier: Apache-2.0
"""Books revalued: as Black-76 option by option, nothing for no move, and each scenario alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.model.errors import InputError
from tidegate.pricing import _scenarios, black76, scenarios
from tidegate.pricing.scenarios import OptionBook, revalue_grid, revalue_paths

RATIOS = np.array([0.34, 0.8, 0.97, 1.0, 1.1, 6.0])
SHIFTS = np.array([-0.9, -0.1, 0.0, 0.5])


def fields_of(size: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    expiry = np.exp(rng.uniform(np.log(1e-3), 1, size))
    forward = 60_000 * np.exp(0.05 * expiry)
    return {
        "forward": forward,
        "strike": forward * np.exp(rng.normal(size=size) * 0.4),
        "expiry_years": expiry,
        "vol_annual": rng.uniform(0.3, 1.5, size),
        "is_call": rng.random(size) < 0.5,
        "quantity": rng.normal(size=size),
        "inverse": rng.random(size) < 0.5,
        "discount": np.exp(-0.05 * expiry),
    }


def book_of(size: int, seed: int = 1) -> OptionBook:
    return OptionBook(**fields_of(size, seed))


def option_pnl(book: OptionBook, ratio: Any, shift: Any, elapsed: float, relative: bool) -> Any:
    """P&L of each option by the pricing of one option, in USD and in coin."""
    left = np.maximum(book.expiry_years - elapsed, 0.0)
    vol = np.maximum(book.vol_annual * (1 + shift) if relative else book.vol_annual + shift, 0.0)
    forward = book.forward * ratio
    now = black76.price(book.forward, book.strike, book.expiry_years, book.vol_annual, book.is_call)
    then = black76.price(forward, book.strike, left, vol, book.is_call)
    discount = book.discount ** (left / book.expiry_years)
    usd = book.quantity * (discount * then - book.discount * now)
    return usd, book.inverse * book.quantity * (then / forward - now / book.forward)


@pytest.mark.parametrize("vol_shock", ["additive", "relative"])
@pytest.mark.parametrize("elapsed", [0.0, 0.02])
def test_grid_is_each_option_priced_by_black_76_at_each_point(
    vol_shock: Any, elapsed: float
) -> None:
    book = book_of(300)
    found = revalue_grid(book, RATIOS, SHIFTS, elapsed, vol_shock, by_option=True)
    for row, ratio in enumerate(RATIOS):
        for column, shift in enumerate(SHIFTS):
            usd, coin = option_pnl(book, ratio, shift, elapsed, vol_shock == "relative")
            at = (row, column)
            np.testing.assert_allclose(found.option_pnl_usd[at], usd, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(found.option_pnl_coin[at], coin, rtol=1e-9, atol=1e-14)
            assert found.pnl_usd[at] == pytest.approx(usd.sum(), abs=1e-8)
            assert found.pnl_coin[at] == pytest.approx(coin.sum(), abs=1e-12)


def test_value_of_a_book_is_the_sum_of_its_options() -> None:
    book = book_of(77)
    found = revalue_grid(book, [1.0], [0.0])
    prices = black76.price(
        book.forward, book.strike, book.expiry_years, book.vol_annual, book.is_call
    )
    assert found.value_usd == pytest.approx((book.quantity * book.discount * prices).sum())
    coins = book.inverse * book.quantity * prices / book.forward
    assert found.value_coin == pytest.approx(coins.sum())


@pytest.mark.parametrize("size", [1, 7, 256, 257, 1_000])
@pytest.mark.parametrize("vol_shock", ["additive", "relative"])
def test_book_in_an_unmoved_market_makes_exactly_nothing(size: int, vol_shock: Any) -> None:
    book = book_of(size)
    for found in (
        revalue_grid(book, [0.5, 1.0], [0.0, 0.1], 0.0, vol_shock, by_option=True),
        revalue_paths(book, [1.0, 1.1, 1.0], [0.0, 0.1, 0.0], 0.0, vol_shock, by_option=True),
    ):
        unmoved = (1, 0) if found.pnl_usd.ndim == 2 else (2,)
        for pnl in (found.option_pnl_usd, found.option_pnl_coin):
            assert pnl is not None
            assert not pnl[unmoved].any()
        assert (found.pnl_usd[unmoved], found.pnl_coin[unmoved]) == (0.0, 0.0)


def test_paths_are_the_grid_walked_in_any_order() -> None:
    book = book_of(333)
    rng = np.random.default_rng(2)
    rows, columns = rng.integers(0, 6, 50), rng.integers(0, 4, 50)
    grid = revalue_grid(book, RATIOS, SHIFTS, 0.01)
    paths = revalue_paths(book, RATIOS[rows], SHIFTS[columns], 0.01)
    np.testing.assert_allclose(paths.pnl_usd, grid.pnl_usd[rows, columns], rtol=1e-13)
    np.testing.assert_allclose(paths.pnl_coin, grid.pnl_coin[rows, columns], rtol=1e-13)


def test_time_that_passes_differs_from_path_to_path() -> None:
    book = book_of(40)
    elapsed = np.array([0.0, 0.5, 0.5, 0.0, 0.02])
    found = revalue_paths(book, 1.05, 0.1, 0.0, by_option=True)
    paths = revalue_paths(book, np.full(5, 1.05), 0.1, elapsed, by_option=True)
    np.testing.assert_array_equal(paths.option_pnl_usd[0], found.option_pnl_usd[0])
    np.testing.assert_array_equal(paths.option_pnl_usd[3], found.option_pnl_usd[0])
    for path, years in enumerate(elapsed):
        usd, _ = option_pnl(book, 1.05, 0.1, years, False)
        np.testing.assert_allclose(paths.option_pnl_usd[path], usd, rtol=1e-9, atol=1e-9)


def test_expired_option_is_worth_what_it_pays_at_the_forward_of_then() -> None:
    book = OptionBook(
        100.0, [90, 110, 90, 110], 0.1, 0.8, [True, True, False, False], [1, 1, 1, -2]
    )
    found = revalue_grid(book, [0.8, 1.2], [-0.1, 0.0, 3.0], 0.1, by_option=True)
    value = found.option_pnl_usd + revalue_grid(book, [1.0], [0.0]).value_usd * 0
    now = black76.price(100.0, book.strike, 0.1, 0.8, book.is_call) * book.quantity
    pays = np.array([[0, 0, 10, -60], [30, 10, 0, 0]])
    np.testing.assert_allclose(value + now, pays[:, None, :] * np.ones((2, 3, 1)), atol=1e-12)
    assert (revalue_paths(book, [0.8], 0.0, 7.0).pnl_usd == found.pnl_usd[0, 0]).all()


def test_inverse_option_at_its_forward_earns_in_usd_what_its_coins_are_worth() -> None:
    fields = fields_of(60, 3) | {"inverse": True, "discount": 1.0}
    book = OptionBook(**fields)
    found = revalue_grid(book, RATIOS, SHIFTS, 0.0, by_option=True)
    coins_now = fields["quantity"] * black76.price(
        book.forward, book.strike, book.expiry_years, book.vol_annual, book.is_call
    )
    coins_now /= book.forward
    then = (found.option_pnl_coin + coins_now) * book.forward * RATIOS[:, None, None]
    earned = then - coins_now * book.forward
    np.testing.assert_allclose(found.option_pnl_usd, earned, rtol=1e-9, atol=1e-8)


def test_linear_options_have_no_coins() -> None:
    book = OptionBook(**(fields_of(30, 3) | {"inverse": False}))
    found = revalue_grid(book, RATIOS, SHIFTS, by_option=True)
    assert not found.pnl_coin.any()
    assert not found.option_pnl_coin.any()
    assert found.value_coin == 0.0


@given(st.integers(1, 20), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_pnl_of_two_books_together_is_the_sum_of_theirs(size: int, seed: int) -> None:
    both = fields_of(2 * size, seed)
    parts = [
        revalue_grid(
            OptionBook(**{name: values[part] for name, values in both.items()}), RATIOS, SHIFTS
        )
        for part in (slice(0, size), slice(size, None))
    ]
    whole = revalue_grid(OptionBook(**both), RATIOS, SHIFTS)
    scale = 1e-10 * (1 + np.abs(both["quantity"]).sum()) * 6e5
    assert np.abs(whole.pnl_usd - parts[0].pnl_usd - parts[1].pnl_usd).max() < scale
    assert np.abs(whole.pnl_coin - parts[0].pnl_coin - parts[1].pnl_coin).max() < scale


def test_shocks_of_each_option_are_applied_to_it_alone() -> None:
    book = book_of(290)
    rng = np.random.default_rng(5)
    ratios, shifts = rng.uniform(0.5, 2, (3, 290)), rng.uniform(-0.2, 0.5, (2, 290))
    found = revalue_grid(book, ratios, shifts, 0.0, by_option=True)
    for row, column in np.ndindex(3, 2):
        usd, coin = option_pnl(book, ratios[row], shifts[column], 0.0, False)
        at = (row, column)
        np.testing.assert_allclose(found.option_pnl_usd[at], usd, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.option_pnl_coin[at], coin, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf, None])
def test_scenario_that_is_none_gives_nan_for_itself_alone(bad: Any) -> None:
    book = book_of(300)
    good = revalue_paths(book, [0.9, 1.0, 1.2], [0.1, 0.0, 0.1], [0.0, 0.01, 0.02], by_option=True)
    found = revalue_paths(book, [0.9, bad, 1.2], [0.1, 0.0, 0.1], [0.0, 0.01, 0.02], by_option=True)
    for name in ("pnl_usd", "pnl_coin", "option_pnl_usd", "option_pnl_coin"):
        mine, others = getattr(found, name), getattr(good, name)
        assert np.isnan(mine[1]).all()
        np.testing.assert_array_equal(mine[[0, 2]], others[[0, 2]])


def test_scenario_with_an_unknown_vol_or_a_time_that_runs_back_gives_nan() -> None:
    book = book_of(10)
    assert np.isnan(revalue_paths(book, [1.0, 1.0], [0.0, np.nan]).pnl_usd).tolist() == [
        False,
        True,
    ]
    back = revalue_paths(book, [1.0, 1.0, 1.0], 0.0, [0.0, -0.1, np.nan])
    assert np.isnan(back.pnl_usd).tolist() == [False, True, True]
    assert np.isnan(revalue_grid(book, [1.0, 2.0], [0.0], -1.0).pnl_usd).all()
    shifts = np.zeros((2, 10))
    shifts[1, 7] = np.nan
    assert np.isnan(revalue_grid(book, [1.0], shifts).pnl_usd).tolist() == [[False, True]]
    ratios = np.ones((2, 10))
    ratios[0, 3] = -1.0
    assert np.isnan(revalue_grid(book, ratios, [0.0]).pnl_usd).tolist() == [[True], [False]]


def test_kernel_and_numpy_twin_agree_to_rounding() -> None:
    book = book_of(300)
    matrix = scenarios._with_base(scenarios._matrix(book, "additive"))
    rng = np.random.default_rng(7)
    walk = scenarios._Walk(
        rng.uniform(0.3, 3, (40, 1)),
        rng.uniform(-0.5, 1, (40, 1)),
        rng.integers(0, 40, 60),
        rng.integers(0, 40, 60),
        rng.choice([0.0, 0.01, 0.5], 60),
    )
    totals, options = scenarios._run(matrix, walk, True)
    twin = _scenarios.revalue_twin(matrix, walk.scenarios())
    np.testing.assert_allclose(options, twin, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(totals, twin.sum(axis=2), rtol=1e-11, atol=1e-7)
    np.testing.assert_allclose(totals[1], twin[1].sum(axis=1), rtol=1e-11, atol=1e-12)


def test_book_larger_than_the_caches_is_revalued_option_by_option() -> None:
    book = book_of(33_001)
    found = revalue_grid(book, [0.8], [0.1], by_option=True)
    usd, coin = option_pnl(book, 0.8, 0.1, 0.0, False)
    np.testing.assert_allclose(found.option_pnl_usd[0, 0], usd, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.option_pnl_coin[0, 0], coin, rtol=1e-9, atol=1e-14)
    assert found.pnl_usd[0, 0] == pytest.approx(usd.sum(), rel=1e-10)


def test_book_without_options_makes_nothing() -> None:
    book = OptionBook([], [], [], [], [], [])
    found = revalue_grid(book, RATIOS, SHIFTS, by_option=True)
    assert found.pnl_usd.shape == (6, 4)
    assert not found.pnl_usd.any()
    assert found.option_pnl_usd.shape == (6, 4, 0)


def test_book_takes_series_and_single_numbers_and_cannot_be_changed() -> None:
    book = OptionBook(100.0, pd.Series([90.0, 110.0]), 0.5, 0.6, True, [1, -1])
    assert len(book) == 2
    assert book.vol_annual.tolist() == [0.6, 0.6]
    with pytest.raises(ValueError, match="read-only"):
        book.strike[0] = 1.0


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("forward", 0.0, "expected a positive number, got 0.0 for option 0"),
        ("strike", [100.0, -1.0], "expected a positive number, got -1.0 for option 1"),
        ("strike", [100.0, None], "expected a positive number, got nan for option 1"),
        ("expiry_years", -0.1, "expected a number not negative"),
        ("vol_annual", np.inf, "expected a number not negative"),
        ("is_call", 2, "expected true or false"),
        ("inverse", np.nan, "expected true or false"),
        ("quantity", np.nan, "expected a finite number"),
        ("discount", 0.0, "expected a positive number"),
        ("strike", "100", "strike: expected a number, a list"),
        ("strike", [100.0, 110.0, 120.0], "expected one length"),
        ("strike", [[100.0], [110.0]], "expected one length"),
    ],
)
def test_book_with_an_unknown_in_it_is_refused_and_the_option_named(
    name: str, value: Any, expected: str
) -> None:
    good = {"forward": 100.0, "strike": 100.0, "expiry_years": 0.5, "vol_annual": 0.6}
    good |= {"is_call": [True, False], "quantity": 1.0}
    with pytest.raises(InputError, match=expected):
        OptionBook(**(good | {name: value}))


def test_discount_other_than_one_at_expiry_is_refused() -> None:
    with pytest.raises(InputError, match="expected 1 for an option at its expiry"):
        OptionBook(100, 100, 0.0, 0.5, True, 1, discount=0.9)


def test_scenarios_that_do_not_fit_are_refused_by_name() -> None:
    book = book_of(5)
    with pytest.raises(InputError, match=r"forward_ratios: .* each of 5 options"):
        revalue_grid(book, np.ones((2, 4)), [0.0])
    with pytest.raises(InputError, match="vol_shifts: expected one or 3, got 2"):
        revalue_paths(book, np.ones(3), [0.0, 0.1])
    with pytest.raises(InputError, match="elapsed_years: expected one number or 3"):
        revalue_paths(book, np.ones(3), 0.0, [0.0, 0.1])
    with pytest.raises(InputError, match="elapsed_years: expected one number for the whole grid"):
        revalue_grid(book, np.ones(3), [0.0], np.zeros(3))
    with pytest.raises(InputError, match="vol_shock: expected additive or relative, not absolute"):
        revalue_grid(book, [1.0], [0.0], 0.0, "absolute")
