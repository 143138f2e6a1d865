# SPDX-License-Identifier: Apache-2.0
"""The convex form in moved markets is never below the rule there, and equal where it is convex."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.margin.account_books import CROSS_TERMS, RULES, UNSKEWED, Book, drawn_book
from tests.margin.agreement import ruled
from tests.margin.random_books import deribit_book, derive_portfolio_book, derive_standard_book
from tests.margin.test_moving_markets import market_at, price_keys
from tidegate.margin.deribit_parameters import TERMS_2026
from tidegate.margin.deribit_paths import deribit_path_form
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.derive_paths import derive_path_form
from tidegate.margin.derive_portfolio import DerivePortfolio
from tidegate.margin.derive_standard import DeriveStandard
from tidegate.margin.derive_standard_paths import derive_standard_path_form
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import Key, index_of, mark_of, vol_of
from tidegate.margin.scenario.path_form import KNOTS, Knots, PathForm, Scope, chords
from tidegate.margin.scenario.quotes import option_columns
from tidegate.margin.scenario.revaluation import Moves, option_values
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option

FloatArray = NDArray[np.float64]
FORMS: dict[type, Any] = {
    DeribitPortfolio: deribit_path_form,
    DerivePortfolio: derive_path_form,
    DeriveStandard: derive_standard_path_form,
}
KINDS = st.sampled_from(sorted(set(RULES) - {"paradex"}))


@dataclass(frozen=True)
class Case:
    """A form, books within its span, and the rule's health of each in every market."""

    form: PathForm
    sizes: FloatArray
    money: FloatArray
    exact: FloatArray
    scale: float


def without_dampener(rule: Any) -> Any:
    """Deribit's rule as far as it is convex: no dampener, no growth of the delta shock."""
    terms = CROSS_TERMS if rule.cross else TERMS_2026
    calm = {
        name: replace(one, extended_dampener_usd=0.0, haircut=0.0)
        for name, one in terms.currencies.items()
    }
    pairs = {name: replace(one, m_inc=0.0) for name, one in terms.pairs.items()}
    plain = replace(terms, currencies=calm, pairs=pairs)
    return DeribitPortfolio(rule.currency, plain, cross=rule.cross)


def account(book: Book, form: PathForm, sizes: FloatArray, money: FloatArray) -> Holdings:
    """Sizes entered at the marks of now, and in the wallet what is left of the money."""
    amounts = dict(zip(form.assets, money.tolist(), strict=True))
    held = []
    for each, size, now in zip(book.instruments, sizes.tolist(), now_of(book), strict=True):
        mark = book.market.values[mark_of(each.id)].value
        held.append(Holding(each, size, mark))
        if isinstance(each, Option):
            amounts[each.settle] -= size * now
    return Holdings(tuple(held), amounts)


def now_of(book: Book) -> list[float]:
    """What a form takes one unit to be worth now."""
    rule: Any = book.rule
    if isinstance(rule, DeribitPortfolio):
        return [book.market.values[mark_of(each.id)].value for each in book.instruments]
    return option_values_now(book)


def option_values_now(book: Book) -> list[float]:
    if isinstance(book.rule, DerivePortfolio):
        prepared = book.rule.prepare(book.instruments, book.market)
        return [
            float(prepared.equity_per_unit[prepared.place[each.id]]) for each in book.instruments
        ]
    options = [each for each in book.instruments if isinstance(each, Option)]
    columns = option_columns(options, book.market.doubted())
    still = Moves(np.ones(1), np.zeros(1, dtype=np.int64))
    worth = option_values(columns.rows(), columns.vol[None, :], still)[0]
    by = {each.id: float(value) for each, value in zip(options, worth, strict=True)}
    return [by.get(each.id, 0.0) for each in book.instruments]


def drawn_paths(book: Book, seed: int, markets: int) -> dict[Key, FloatArray]:
    """Every price moves by its own path, near its coin's, and so does every vol."""
    rng = np.random.default_rng(seed)
    coins = {coin: 0.2 * rng.normal(size=markets) for coin in ("BTC", "ETH")}
    paths, keys = {}, price_keys(book)
    if not isinstance(book.rule, DeribitPortfolio) or book.rule.cross:
        keys += [index_of(name) for name in book.holdings.collateral if name in coins]
    for key in dict.fromkeys(keys):
        coin = "ETH" if any("ETH" in part for part in key) else "BTC"
        moves = coins[coin] + 0.01 * rng.normal(size=markets)
        paths[key] = book.market.values[key].value * np.exp(moves)
    for each in book.instruments:
        if isinstance(each, Option):
            vol = book.market.values[vol_of(each.id)].value
            paths[vol_of(each.id)] = vol * np.exp(0.3 * rng.normal(size=markets))
    return paths


def drawn_case(book: Book, seed: int, scope: dict[str, Any], markets: int = 9) -> Case:
    rng, books = np.random.default_rng(seed), 3
    held = np.array([each.size for each in book.holdings.positions])
    span = 2.0 * np.abs(held) + 1.0
    paths = drawn_paths(book, seed, markets)
    cash = getattr(book.rule, "cash", "USDC")
    assets = [name for name in book.holdings.collateral if name != cash]
    build = FORMS[type(book.rule)]
    terms = Scope(span, held, **scope)
    form = build(book.rule, book.instruments, book.market, paths, terms, assets)
    sizes = np.stack([held, *(span * rng.uniform(-1.0, 1.0, (books, len(held))))])
    big = {"BTC": 400.0, "ETH": 5_000.0}
    money = np.stack(
        [[big.get(name, 4e7) * rng.uniform() for name in form.assets] for _ in range(len(sizes))]
    )
    exact = [
        [
            health(book, account(book, form, one, amount), market_at(book, paths, place), scope)
            for place in range(len(form.constant))
        ]
        for one, amount in zip(sizes, money, strict=True)
    ]
    return Case(form, sizes, money, np.array(exact), 1.0 + float(np.abs(exact).max()))


def health(book: Book, holdings: Holdings, market: Any, scope: dict[str, Any]) -> float:
    stated = book.rule.statement(holdings, market)
    asked = stated.initial if scope.get("initial") else stated.maintenance
    return stated.equity - asked


def found(case: Case) -> FloatArray:
    rows = zip(case.sizes, case.money, strict=True)
    return np.concatenate([case.form.health(one, amount) for one, amount in rows])


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), KINDS, st.booleans(), st.sampled_from([1, 4, 64]))
def test_form_in_moved_markets_is_never_above_the_rule_s_health(
    seed: int, kind: str, initial: bool, combinations: int
) -> None:
    scope = {"initial": initial, "combinations": combinations}
    case = drawn_case(drawn_book(seed, kind, 5), seed, scope)
    assert (found(case) <= case.exact + 1e-9 * case.scale).all()


@settings(max_examples=12)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["deribit-btc", "deribit-usdc", "deribit-cross"]),
    st.booleans(),
)
def test_deribit_form_is_equal_at_the_knots_where_the_rule_is_convex(
    seed: int, kind: str, initial: bool
) -> None:
    book = drawn_book(seed, kind, 4)
    book = replace(book, rule=without_dampener(book.rule))
    case = drawn_case(book, seed, {"initial": initial, "combinations": 512}, KNOTS)
    np.testing.assert_allclose(found(case), case.exact, rtol=0.0, atol=1e-9 * case.scale)


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_pm2_form_is_equal_without_skew_scenarios(seed: int, initial: bool) -> None:
    book = replace(drawn_book(seed, "derive-portfolio", 4), rule=UNSKEWED)
    case = drawn_case(book, seed, {"initial": initial, "combinations": 4096}, 4)
    np.testing.assert_allclose(found(case), case.exact, rtol=0.0, atol=1e-9 * case.scale)


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_derive_standard_form_is_equal_for_shorts_that_nothing_offsets(
    seed: int, initial: bool
) -> None:
    book = drawn_book(seed, "derive-standard", 4)
    short = tuple(
        replace(each, size=-abs(each.size)) if isinstance(each.instrument, Option) else each
        for each in book.holdings.positions
    )
    book = replace(book, holdings=replace(book.holdings, positions=short))
    case = drawn_case(book, seed, {"initial": initial})
    spreads = found(case)[0] - case.exact[0]
    np.testing.assert_allclose(spreads, 0.0, rtol=0.0, atol=1e-9 * case.scale)


BOOKS = [derive_portfolio_book, derive_standard_book, deribit_book]


def of_shape(seed: int, draw: Any) -> Book | None:
    """A random book with the rule of its own random parameters, where it holds a position."""
    rule, holdings, market = ruled(draw(seed))
    held = tuple(each for each in holdings.positions if each.size != 0.0)
    if not held:
        return None
    collateral = {name: amount for name, amount in holdings.collateral.items() if amount > 0.0}
    if isinstance(rule, DerivePortfolio):
        collateral = {n: a for n, a in collateral.items() if n in (*rule.collateral, rule.cash)}
    if isinstance(rule, DeriveStandard):
        collateral = {n: a for n, a in collateral.items() if n in (*rule.factors, rule.cash)}
    return Book(rule, Holdings(held, collateral), market)


def assert_never_above(draw: Any, seeds: range) -> int:
    checked = 0
    for seed in seeds:
        book = of_shape(seed, draw)
        if book is not None:
            scope = {"initial": bool(seed % 2), "combinations": (1, 4, 64)[seed % 3]}
            case = drawn_case(book, seed, scope, 7)
            assert (found(case) <= case.exact + 1e-9 * case.scale).all(), seed
            checked += 1
    return checked


@pytest.mark.parametrize("draw", BOOKS, ids=("pm2", "srm", "deribit"))
def test_form_of_books_of_every_shape_and_parameter_is_never_above_the_rule(draw: Any) -> None:
    assert assert_never_above(draw, range(40)) > 20


@pytest.mark.soak(promise="R16")
@pytest.mark.parametrize("draw", BOOKS, ids=("pm2", "srm", "deribit"))
def test_form_of_two_thousand_books_is_never_above_the_rule(draw: Any) -> None:
    assert assert_never_above(draw, range(2_000)) > 1_000


def test_chords_make_every_ratio_of_the_knots_beside_it() -> None:
    knots = np.array([0.5, 0.9, 1.0, 1.4])
    ratios = np.linspace(0.5, 1.4, 91)
    weights = chords(ratios, knots)
    assert (weights >= 0.0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    np.testing.assert_allclose(weights @ knots, ratios)
    assert ((weights > 0.0).sum(axis=1) <= 2).all()


def test_knots_of_equal_ratios_are_one_market() -> None:
    knots = Knots.of(np.ones(7))
    assert len(knots.markets) == 1
    np.testing.assert_array_equal(knots.weights, np.ones((7, 1)))


def test_size_beyond_the_span_and_negative_collateral_are_refused() -> None:
    case = drawn_case(drawn_book(3, "deribit-usdc", 2), 3, {})
    with pytest.raises(InputError, match="span"):
        case.form.health(3.0 * case.form.span, case.money[0])
    with pytest.raises(InputError, match="at least 0"):
        case.form.health(case.sizes[0], -case.money[0])
    drawn = drawn_book(3, "deribit-usdc", 2)
    zero, paths = np.zeros(len(drawn.instruments)), drawn_paths(drawn, 3, 2)
    rule: Any = drawn.rule
    with pytest.raises(InputError, match="above 0"):
        deribit_path_form(rule, drawn.instruments, drawn.market, paths, Scope(zero, zero))
