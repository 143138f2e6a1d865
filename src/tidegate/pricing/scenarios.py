# SPDX-License-Identifier: Apache-2.0
"""Revaluation of a book of options over a grid or over paths of its market.

Every scenario multiplies forwards, shifts vols and lets time pass; the book is priced anew by
Black-76, not by its Greeks, since margin is decided where Greeks no longer hold. The whole book is
on one underlying; books of several underlyings are added up scenario by scenario.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError
from tidegate.pricing.arrays import (
    AMOUNT_LEAST,
    AMOUNT_MOST,
    ArrayLike,
    FloatArray,
    Rebuilt,
    as_floats,
    as_kind,
)

if TYPE_CHECKING:
    from tidegate.pricing._scenarios import Scenarios

IndexArray = npt.NDArray[np.int64]
VolShock = Literal["additive", "relative"]


@dataclass(frozen=True, slots=True, eq=False)
class OptionBook(Rebuilt):
    """Options of one underlying; every field is a number for all, or one for each of n options.

    After construction every field is a read-only float64[n].

    Attributes:
        forward: forward of the option's own expiry, USD.
        strike: USD.
        expiry_years: years to expiry, not negative.
        vol_annual: vol at which the option is marked, 1.0 being 100 % a year.
        is_call: true for a call, false for a put.
        quantity: units of the underlying, long +.
        inverse: true where premium and payoff are in the coin.
        discount: USD today of one USD at expiry. For an inverse option it is index over forward,
            which is what turns its coins into USD.

    Raises: `InputError` for what is not numbers, is missing, out of range or unlike in length: a
    book with an unknown in it has no value.
    """

    forward: ArrayLike
    strike: ArrayLike
    expiry_years: ArrayLike
    vol_annual: ArrayLike
    is_call: ArrayLike
    quantity: ArrayLike
    inverse: ArrayLike = False
    discount: ArrayLike = 1.0
    # What the kernel takes, by vol shock, kept since a book is revalued many times.
    _matrices: dict[str, FloatArray] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        names = [each.name for each in fields(self) if each.init]
        given = {name: as_floats(name, getattr(self, name)) for name in names}
        lengths = {values.shape for values in given.values() if values.ndim}
        if len(lengths) > 1 or any(len(shape) > 1 for shape in lengths):
            raise InputError("option book", "shapes", f"expected one length, got {sorted(lengths)}")
        shape = lengths.pop() if lengths else (1,)
        for name, values in given.items():
            column = np.array(np.broadcast_to(values, shape))
            _require_known(name, column)
            column.flags.writeable = False
            object.__setattr__(self, name, column)
        if ((self.expiry_years == 0.0) & (self.discount != 1.0)).any():
            raise InputError("option book", "discount", "expected 1 for an option at its expiry")

    def __len__(self) -> int:
        return len(self.strike)


def _require_known(name: str, column: FloatArray) -> None:
    within, expected = _range_of(name, column)
    if not within.all():
        place = int(np.argmin(within))
        got = f"{expected}, got {column[place]} for option {place}"
        raise InputError("option book", name, f"expected {got}")


def _range_of(name: str, column: FloatArray) -> tuple[npt.NDArray[np.bool_], str]:
    """Which values of a field are in its range, and what the range is."""
    if name in {"forward", "strike", "discount"}:
        return _is_amount(column), "a positive number"
    if name in {"expiry_years", "vol_annual"}:
        return (column >= 0.0) & (column <= AMOUNT_MOST), "a number not negative"
    if name == "quantity":
        return np.isfinite(column), "a finite number"
    return (column == 0.0) | (column == 1.0), "true or false"


def _is_amount(values: FloatArray) -> npt.NDArray[np.bool_]:
    return (values >= AMOUNT_LEAST) & (values <= AMOUNT_MOST)


@dataclass(frozen=True, slots=True, eq=False)
class BookRevaluation:
    """Profit and loss of a book in every scenario, against its value now.

    Attributes:
        pnl_usd: USD, long +. A grid's has the shape [ratios, shifts], that of paths [paths]. NaN
            where the scenario is none: a ratio not positive or a number missing.
        pnl_coin: coins, of the inverse options alone; their USD is in `pnl_usd` already.
        value_usd, value_coin: the book's value now, and the coins in it.
        option_pnl_usd, option_pnl_coin: the same by option, in one axis more, where asked for.
    """

    pnl_usd: FloatArray
    pnl_coin: FloatArray
    value_usd: float
    value_coin: float
    option_pnl_usd: FloatArray | None = None
    option_pnl_coin: FloatArray | None = None

    def _as_grid(self, shape: tuple[int, int]) -> BookRevaluation:
        """A walk in the order [shifts, ratios] as arrays [ratios, shifts]."""
        options = (self.option_pnl_usd, self.option_pnl_coin)
        return replace(
            self,
            pnl_usd=self.pnl_usd.reshape(shape).T,
            pnl_coin=self.pnl_coin.reshape(shape).T,
            option_pnl_usd=_grid_of_options(options[0], shape),
            option_pnl_coin=_grid_of_options(options[1], shape),
        )


def _grid_of_options(rows: FloatArray | None, shape: tuple[int, int]) -> FloatArray | None:
    return None if rows is None else rows.reshape(*shape, rows.shape[1]).transpose(1, 0, 2)


def revalue_grid(
    book: OptionBook,
    forward_ratios: ArrayLike,
    vol_shifts: ArrayLike,
    elapsed_years: float = 0.0,
    vol_shock: VolShock = "additive",
    by_option: bool = False,
) -> BookRevaluation:
    """P&L of a book on the grid of every forward ratio with every vol shift.

    P&L of option i is q_i (D_i' B(F_i r, K_i, T_i', sigma_i') - D_i B(F_i, K_i, T_i, sigma_i)) with
    Black's undiscounted B, T' = max(T - elapsed, 0), D' = D**(T' / T), and sigma' = sigma + shift,
    or sigma (1 + shift) where the shock is relative, never below 0. In coin it is
    q_i (B' / (F_i r) - B / F_i). What has expired is worth what it pays at the shifted forward.

    Args:
        book: n options of one underlying.
        forward_ratios: r, forward then over forward now, [R], or [R, n] with each option its own.
        vol_shifts: [V], or [V, n] with each option its own, e.g. by tenor; 0.1 is ten vol points,
            or a tenth of the vol where the shock is relative.
        elapsed_years: time that passes, not negative.
        vol_shock: `additive` or `relative`.
        by_option: also the P&L of every option, R V n numbers.

    Returns: `BookRevaluation` with the shapes [R, V] and [R, V, n].
    Raises: `InputError` for what is not numbers or does not fit the book.
    Source: full revaluation on a grid of price and vol, as venues' portfolio margin does it; the
    pricing is Black's (1976).
    """
    as_kind("book", book, OptionBook, "scenarios")
    ratios = _rows("forward_ratios", forward_ratios, len(book))
    shifts = _rows("vol_shifts", vol_shifts, len(book))
    elapsed = as_floats("elapsed_years", elapsed_years)
    if elapsed.ndim:
        raise InputError("scenarios", "elapsed_years", "expected one number for the whole grid")
    shape = (len(shifts), len(ratios))
    shift_rows, ratio_rows = (rows.reshape(-1) for rows in np.indices(shape))
    walk = _Walk(ratios, shifts, ratio_rows, shift_rows, np.full(ratio_rows.shape, elapsed))
    return _revalue(book, walk, vol_shock, by_option)._as_grid(shape)


def revalue_paths(
    book: OptionBook,
    forward_ratios: ArrayLike,
    vol_shifts: ArrayLike = 0.0,
    elapsed_years: ArrayLike = 0.0,
    vol_shock: VolShock = "additive",
    by_option: bool = False,
) -> BookRevaluation:
    """P&L of a book on paths, each with a forward ratio, a vol shift and a time of its own.

    The formula is that of `revalue_grid`.

    Args:
        book: n options of one underlying.
        forward_ratios: forward then over forward now, [P], or [P, n] with each option its own.
        vol_shifts: one number, [P], or [P, n].
        elapsed_years: one number or [P]; it is quickest where neighbours are equal.
        vol_shock, by_option: as for the grid.

    Returns: `BookRevaluation` with the shapes [P] and [P, n].
    Raises: `InputError` for what is not numbers, does not fit the book, or differs in length.
    Source: as `revalue_grid`.
    """
    as_kind("book", book, OptionBook, "scenarios")
    ratios = _rows("forward_ratios", forward_ratios, len(book))
    shifts = _rows("vol_shifts", vol_shifts, len(book))
    elapsed = as_floats("elapsed_years", elapsed_years)
    paths = len(ratios)
    if len(shifts) not in {1, paths}:
        raise InputError("scenarios", "vol_shifts", f"expected one or {paths}, got {len(shifts)}")
    if elapsed.shape not in {(), (paths,)}:
        raise InputError("scenarios", "elapsed_years", f"expected one number or {paths}")
    rows = np.arange(paths)
    shift_rows = rows if len(shifts) == paths else np.zeros_like(rows)
    walk = _Walk(ratios, shifts, rows, shift_rows, np.full(paths, elapsed))
    return _revalue(book, walk, vol_shock, by_option)


class _Walk(NamedTuple):
    """Rows of ratios and shifts, and which of them each scenario takes, in the order of a walk."""

    ratios: FloatArray
    shifts: FloatArray
    ratio_rows: IndexArray
    shift_rows: IndexArray
    elapsed_years: FloatArray

    def known(self) -> npt.NDArray[np.bool_]:
        """Whether a scenario is one: ratios positive, shifts finite, time not running back."""
        ratios = np.logical_and.reduce(_is_amount(self.ratios), axis=1)
        shifts = np.logical_and.reduce(np.isfinite(self.shifts), axis=1)
        lasting = (self.elapsed_years >= 0.0) & np.isfinite(self.elapsed_years)
        return np.asarray(ratios[self.ratio_rows] & shifts[self.shift_rows] & lasting)

    def scenarios(self) -> Scenarios:
        """The walk as the kernel takes it, with a harmless number for each that is none."""
        from tidegate.pricing._scenarios import Scenarios

        ratios = np.where(_is_amount(self.ratios), self.ratios, 1.0)
        return Scenarios(
            ratios,
            np.log(ratios),
            np.where(np.isfinite(self.shifts), self.shifts, 0.0),
            self.ratio_rows,
            self.shift_rows,
            np.where(np.isfinite(self.elapsed_years), self.elapsed_years, 0.0),
        )


def _rows(label: str, shocks: ArrayLike, options: int) -> FloatArray:
    """Shocks as rows: [S, 1] where a row is one number, [S, n] where it has one for each option."""
    values = as_floats(label, shocks)
    if values.ndim == 2 and values.shape[1] == options:
        return np.ascontiguousarray(values)
    if values.ndim > 1:
        expected = f"expected one number for each of {options} options in a row"
        raise InputError("scenarios", label, f"{expected}, got the shape {values.shape}")
    return values.reshape(-1, 1).copy()


def _revalue(
    book: OptionBook, walk: _Walk, vol_shock: VolShock, by_option: bool
) -> BookRevaluation:
    if not (isinstance(vol_shock, str) and vol_shock in {"additive", "relative"}):
        expected = f"expected additive or relative, not {vol_shock}"
        raise InputError("scenarios", "vol_shock", expected)
    if not isinstance(by_option, bool | np.bool_):
        raise InputError("scenarios", "by_option", "expected True or False")
    if vol_shock not in book._matrices:
        book._matrices[vol_shock] = _with_base(_matrix(book, vol_shock))
    matrix = book._matrices[vol_shock]
    pnl, options = _run(matrix, walk, by_option)
    value = matrix[-2:].sum(axis=1).tolist()
    return BookRevaluation(*pnl, *value, *(options if by_option else (None, None)))


def _with_base(matrix: FloatArray) -> FloatArray:
    """The book with what each option is worth now in its last two rows, in USD and coin."""
    first = np.zeros(1, dtype=np.int64)
    now = _Walk(np.ones((1, 1)), np.zeros((1, 1)), first, first, np.zeros(1))
    matrix[-2:] = _run(matrix, now, True)[1][:, 0, :]
    return matrix


def _run(matrix: FloatArray, walk: _Walk, by_option: bool) -> tuple[FloatArray, FloatArray]:
    """P&L in USD and coin: of the book [2, P], and by option [2, P, n]."""
    from tidegate.pricing import _scenarios as kernels

    size, count = matrix.shape[1], len(walk.elapsed_years)
    totals = np.zeros((2, count))
    rows = kernels.aligned(2 * count if by_option else 0, size)
    rows[:] = 0.0
    options = rows.reshape(2, len(rows) // 2, rows.shape[1])
    kernels.revalue(matrix, walk.scenarios(), totals, *options)
    poison = np.where(walk.known(), 0.0, np.nan)
    options = options[:, :, :size]
    if by_option:
        options += poison[:, None]
    return totals + poison, options


def _matrix(book: OptionBook, vol_shock: VolShock) -> FloatArray:
    """The book as the kernel takes it, row by row, with nothing yet for what it is worth now."""
    from tidegate.pricing import _scenarios as kernels

    lasts = book.expiry_years > 0.0
    rate = np.divide(
        -np.log(book.discount), book.expiry_years, where=lasts, out=np.zeros(len(book))
    )
    rows = {
        kernels.LOG_MONEYNESS: kernels.log_ratio_(book.forward, book.strike),
        kernels.FORWARD: book.forward,
        kernels.STRIKE: book.strike,
        kernels.EXPIRY: book.expiry_years,
        kernels.VOL: book.vol_annual,
        kernels.SIGN: np.where(book.is_call == 1.0, 1.0, -1.0),
        kernels.RATE: rate,
        kernels.VOL_UNIT: 1.0 if vol_shock == "additive" else book.vol_annual,
        kernels.QUANTITY: book.quantity,
        kernels.COIN_QUANTITY: book.inverse * book.quantity / book.forward,
    }
    matrix = np.zeros((kernels.BOOK_ROWS, len(book)))
    for row, values in rows.items():
        matrix[row] = values
    return matrix
