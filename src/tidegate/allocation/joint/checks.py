# SPDX-License-Identifier: Apache-2.0
"""What a question must be before it is solved: known numbers, and limits that are convex."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from tidegate.allocation.joint.question import FloatArray, Question
from tidegate.model.errors import InputError

# Infinite where there is no limit; everything else is finite.
OPEN = frozenset({"lower", "upper", "penalty", "cap", "withdrawable", "turnover"})
# Names that prices of the programme's own rows have.
RESERVED = frozenset("trades spends turnover balances withdrawals bounds factors errors".split())
NOT_NEGATIVE = frozenset({"cost_rate", "impact", "penalty", "cap", "step_years", "shrinkage"})
WHERE = "joint programme"


def check(question: Question) -> None:
    """Raises `InputError`, naming the part and the field, for what cannot be solved."""
    parts: list[Any] = [question, question.positions, question.functions, question.nodes]
    parts += [question.edges, question.boxes]
    parts += question.tails
    parts += question.gross
    for part in parts:
        kind = type(part).__name__.lower()
        for each in fields(part):
            _check_field(f"{WHERE}, {kind}", each.name, getattr(part, each.name))
    for limit in question.gross:
        if (limit.weights < 0.0).any():
            raise InputError(WHERE, limit.name, "expected weights of sizes >= 0")
    names = [tail.name for tail in question.tails] + [limit.name for limit in question.gross]
    names += question.boxes.names
    if len(set(names)) < len(names) or RESERVED & set(names):
        raise InputError(WHERE, "names", "expected a name of its own for every limit")


def _check_field(where: str, name: str, value: object) -> None:
    if not isinstance(value, float | np.ndarray) or isinstance(value, bool):
        return
    numbers = np.asarray(value)
    if numbers.dtype.kind != "f":
        return
    known = ~np.isnan(numbers) if name in OPEN else np.isfinite(numbers)
    if not known.all():
        raise InputError(where, name, "expected known numbers, got one that is missing")
    if name in NOT_NEGATIVE and (numbers < 0.0).any() and where != f"{WHERE}, gross":
        raise InputError(where, name, "expected numbers not negative")


def check_known(name: str, values: FloatArray, like: FloatArray) -> None:
    """Raises `InputError` unless `values` are numbers in the shape of `like`."""
    if values.shape != like.shape:
        raise InputError(WHERE, name, f"expected shape {like.shape}, got {values.shape}")
    known = ~np.isnan(values) if name in OPEN else np.isfinite(values)
    if not known.all():
        raise InputError(WHERE, name, "expected known numbers, got one that is missing")
