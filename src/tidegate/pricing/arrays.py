# SPDX-License-Identifier: Apache-2.0
"""The natural thing in, the natural thing out: numbers, lists, numpy, pandas and polars.

Every public function of this room takes its inputs through a `Batch`: float64 arrays broadcast by
numpy's rules, and a way back to the kind that the caller brought. Neither pandas nor polars is
imported; a series is known by the module that made it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError
from tidegate.pricing._limits import AMOUNT_LEAST as AMOUNT_LEAST
from tidegate.pricing._limits import AMOUNT_MOST as AMOUNT_MOST

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# What a public function accepts: a number, a list of numbers, an array, or a series.
ArrayLike = Any

_Kind = TypeVar("_Kind")

# Times beyond the year 3900, or as long before 1970, are of another unit.
TIME_MAX_MS = 6.1e13

_WHOLE_MAX = 2**31
_NUMERIC_KINDS = "biufO"
_EXPECTED = "expected a number, a list of numbers, a numpy array, or a pandas or polars Series"


@dataclass(frozen=True, slots=True, eq=False)
class _Likeness:
    """What an answer shall look like; `example` is a series whose index an answer takes."""

    kind: Literal["scalar", "array", "pandas", "polars"]
    example: Any = None
    name: Any = None

    def wrap(self, values: npt.NDArray[Any]) -> Any:
        if self.kind == "scalar":
            return values.item()
        if self.kind == "pandas":
            return type(self.example)(values, index=self.example.index, name=self.name)
        if self.kind == "polars":
            return type(self.example)(self.name, values)
        return values


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Inputs of one call as arrays broadcast to one shape, and the way back to what came in.

    `given` are flat, contiguous and read-only (they may be the caller's own memory), float64 or
    bool as they came, with length 1 where the input was one number; `columns` are the same as
    float64; `arrays` are those spread to one length. `shape` is the shape of an answer.
    """

    given: tuple[FloatArray | BoolArray, ...]
    shape: tuple[int, ...]
    likeness: _Likeness

    @classmethod
    def of(cls, *inputs: ArrayLike, **named: ArrayLike) -> Batch:
        """The inputs broadcast against each other, in the order given, named ones last.

        Args: each a number, list, array or Series of numbers or booleans; a value that is missing
        (None, NA, null, masked) becomes NaN. Named inputs are named in errors.
        Raises: `InputError` for what is not numbers, for shapes that do not broadcast, for series
        of unlike index or length, and for pandas beside polars.
        """
        labels = [f"argument {place}" for place in range(1, len(inputs) + 1)]
        given = dict(zip([*labels, *named], [*inputs, *named.values()], strict=True))
        values = {label: _numbers(label, value) for label, value in given.items()}
        shape = _broadcast_shape(values)
        return cls(
            tuple(_column(array, shape) for array in values.values()),
            shape,
            _likeness(given, shape),
        )

    @property
    def size(self) -> int:
        """How many values an answer has."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def columns(self) -> tuple[FloatArray, ...]:
        """Each input flat and contiguous, of the length `size`, or 1 where it is one number."""
        return tuple(_read_only(np.asarray(column, dtype=np.float64)) for column in self.given)

    @property
    def arrays(self) -> tuple[FloatArray, ...]:
        """Each input flat, contiguous and of the length `size`."""
        size = self.size
        return tuple(
            column if len(column) == size else _read_only(np.full(size, column[0]))
            for column in self.columns
        )

    def wrap(self, flat: npt.NDArray[Any]) -> Any:
        """An answer of length `size` as the kind that came in: a number, an array of `shape`,
        or a Series with the index of the series that came in."""
        return self.likeness.wrap(flat.reshape(self.shape))


def prepared(*inputs: ArrayLike) -> tuple[FloatArray, ...]:
    """The inputs as flat float64 arrays of one length; `Batch.of(...)` also leads back."""
    return Batch.of(*inputs).arrays


def as_floats(label: str, value: ArrayLike, where: str = "pricing") -> FloatArray:
    """One input as a float64 array of its own shape, a missing value as NaN.

    Raises: `InputError`, which names the input by its label, for what is not numbers.
    """
    return np.asarray(_numbers(label, value, where), dtype=np.float64)


def as_number(label: str, value: ArrayLike, where: str = "pricing") -> float:
    """One input as a plain float, so that none of lower precision lowers that of others.

    Raises: `InputError`, which names the input, for what is not one finite number.
    """
    return _one(label, value, where, "a finite number")


def as_positive(label: str, value: ArrayLike, where: str = "pricing") -> float:
    """One input as a plain float above zero; otherwise as `as_number`."""
    number = _one(label, value, where, "a positive number")
    if number <= 0.0:
        raise InputError(where, label, f"expected a positive number, got {number}")
    return number


def _one(label: str, value: ArrayLike, where: str, expected: str) -> float:
    try:
        number = as_floats(label, value, where)
    except InputError:
        number = np.full((), np.nan)
    if number.ndim or not np.isfinite(number):
        raise InputError(where, label, f"expected {expected}, got {value!r:.40}")
    return float(number)


def as_whole(label: str, value: ArrayLike, least: int, where: str = "pricing") -> int:
    """One input as a plain integer from the least to 2**31; otherwise as `as_number`."""
    expected = f"a whole number from {least}"
    number = _one(label, value, where, expected)
    if number != np.rint(number) or not least <= number <= _WHOLE_MAX:
        raise InputError(where, label, f"expected {expected}, got {number}")
    return int(number)


def as_moment(label: str, ts_ms: ArrayLike, where: str) -> int:
    """A time as whole milliseconds since 1970; `InputError`, which names it, if it is none."""
    moment = as_number(label, ts_ms, where)
    if moment != np.rint(moment) or abs(moment) > TIME_MAX_MS:
        raise InputError(where, label, "expected whole milliseconds since 1970")
    return int(moment)


def as_row(label: str, value: ArrayLike, where: str = "pricing") -> FloatArray:
    """One input as float64[n]; `InputError` for any other number of axes, or no numbers."""
    row = as_floats(label, value, where)
    if row.ndim != 1:
        raise InputError(where, label, f"expected one axis of numbers, got the shape {row.shape}")
    return row


def as_kind(label: str, value: _Kind, kind: type[Any], where: str = "pricing") -> _Kind:
    """The value, if it is of a kind; else `InputError`, which names the argument."""
    if not isinstance(value, kind):
        got = type(value).__name__
        raise InputError(where, label, f"expected a value of type {kind.__name__}, got {got}")
    return value


def bearable(values: FloatArray) -> FloatArray:
    """The numbers that float64 can square, and NaN for the others."""
    return np.where(np.abs(values) <= AMOUNT_MOST, values, np.nan)


def own(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy that shares no memory and cannot be written to, for a value to keep."""
    copy = np.array(values)
    copy.flags.writeable = False
    return copy


class Rebuilt:
    """A dataclass whose copies and pickles come from its constructor: checked, and read-only."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        names = [each.name for each in fields(self) if each.init]  # type: ignore[arg-type]
        return type(self), tuple(getattr(self, name) for name in names)


def _column(array: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Flat, of full length or of length 1; an input that is broadcast along an axis is spread."""
    if array.size == 1 and 0 not in shape:
        return _read_only(array.reshape(1))
    spread = array if array.shape == shape else np.broadcast_to(array, shape)
    return _read_only(np.ascontiguousarray(spread).reshape(-1))


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A view that no kernel writes to; one kind of array also means one compilation."""
    view = array.view()
    view.flags.writeable = False
    return view


def _broadcast_shape(values: dict[str, npt.NDArray[Any]]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*(array.shape for array in values.values()))
    except ValueError:
        shapes = ", ".join(f"{label} {array.shape}" for label, array in values.items())
        raise InputError(
            "pricing", "shapes", f"expected shapes that broadcast, got {shapes}"
        ) from None


def _numbers(label: str, value: ArrayLike, where: str = "pricing") -> FloatArray | BoolArray:
    """One input as a float64 array, a missing value as NaN; booleans stay what they are."""
    try:
        kind = _kind(value)
        if kind == "pandas":
            value = value.to_numpy(dtype=_dtype_of_pandas(value), na_value=np.nan)
        elif kind == "polars":
            value = value.to_numpy()
        return _number_array(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(where, label, _EXPECTED) from None


def _dtype_of_pandas(series: Any) -> Any:
    """float64 for numbers; anything else goes on as what it is, to be looked at."""
    kind = getattr(series.dtype, "kind", "O")
    if kind == "b" and not series.hasnans:
        return np.bool_
    return np.float64 if kind in "biuf" else object


def _number_array(value: Any) -> FloatArray | BoolArray:
    missing = np.ma.getmaskarray(value) if isinstance(value, np.ma.MaskedArray) else None
    array = np.asarray(value)
    if array.dtype.kind not in _NUMERIC_KINDS and array.size:
        raise TypeError
    if array.dtype.kind == "O" and any(isinstance(item, str | bytes) for item in array.flat):
        raise TypeError  # numpy would read "1.5" as a number
    if array.dtype.kind == "b" and missing is None:
        return array
    floats = np.asarray(array, dtype=np.float64)
    return floats if missing is None else np.where(missing, np.nan, floats)


def _kind(value: ArrayLike) -> str:
    kind = type(value)
    library = kind.__module__.partition(".")[0]
    if library in {"pandas", "polars"} and kind.__name__ == "Series":
        return library
    if library in {"pandas", "polars"} and kind.__name__ in {"DataFrame", "LazyFrame"}:
        raise TypeError  # a table has no one answer
    return "scalar" if np.ndim(value) == 0 else "array"


def _likeness(given: dict[str, ArrayLike], shape: tuple[int, ...]) -> _Likeness:
    kinds = {label: _kind(value) for label, value in given.items()}
    libraries = set(kinds.values()) & {"pandas", "polars"}
    if len(libraries) > 1:
        raise InputError("pricing", "series", "expected all of pandas or all of polars, got both")
    if not libraries:
        return _Likeness("array" if "array" in kinds.values() else "scalar")
    library: Literal["pandas", "polars"] = "pandas" if "pandas" in libraries else "polars"
    series = {label: given[label] for label, kind in kinds.items() if kind == library}
    first, *others = series.values()
    if shape != (len(first),):
        raise InputError("pricing", "shapes", f"expected {shape} of a Series of {len(first)}")
    if library == "pandas":
        _require_one_index(series)
    common = all(other.name == first.name for other in others)
    return _Likeness(library, first, first.name if common else _no_name(library))


def _no_name(library: str) -> str | None:
    return None if library == "pandas" else ""


def _require_one_index(series: dict[str, Any]) -> None:
    """Series of one index: aligning by label would silently price other rows than were meant."""
    (first_label, first), *others = series.items()
    for label, other in others:
        if not other.index.equals(first.index):
            raise InputError("pricing", label, f"expected the index of {first_label}")
