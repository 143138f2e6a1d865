# SPDX-License-Identifier: Apache-2.0
"""Edges without error, and a mandate that takes nothing off for error, are planned for as said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.engine.plan.plain_books import book_values, decided, liquid, mandate_text
from tidegate.engine.plan.deciding import Outcome


@pytest.mark.parametrize(("minimum_t", "error"), [("0.0", "0.02"), ("0.5", "0"), ("0.0", "0")])
def test_plan_of_edges_without_error_is_proved_by_its_own_bound(
    minimum_t: str, error: str, tmp_path: Path
) -> None:
    values = book_values(liquid, options=False)
    for edge in values["edges"].values():
        edge["error_annual"] = error
    text = mandate_text(("minimum_t = 0.5", f"minimum_t = {minimum_t}"), options=False)
    found = decided(tmp_path, values, text)
    assert found.outcome is Outcome.PLAN
    assert found.asked.question.shrinkage == float(minimum_t)
    assert found.answer is not None
    assert abs(found.answer.bound - found.answer.objective) <= 1e-6
    assert np.abs(found.changed.lots.target).sum() > 0
