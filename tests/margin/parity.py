# SPDX-License-Identifier: Apache-2.0
"""Reads venues' published cases by kind; a kind that the folder lacks skips its tests by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Kind:
    """Files of one layout, and how the cases of one decoded file are listed."""

    pattern: str
    cases: Callable[[Any], list[Any]]


def one(decoded: Any) -> list[Any]:
    return [decoded]


def listed(decoded: Any) -> list[Any]:
    return list(decoded)


def named(decoded: Any) -> list[Any]:
    return [{"name": name, **case} for name, case in decoded.items()]


def under_cases(decoded: Any) -> list[Any]:
    return list(decoded["cases"])


KINDS = {
    "derive-pm2": Kind("derive-pm2/*.json", one),
    "derive-srm/cases": Kind("derive-srm/cases*.json", named),
    "derive-srm/portfolios": Kind("derive-srm/portfolios*.json", named),
    "dydx/margin_requirements": Kind("dydx/margin_requirements*.json", under_cases),
    "deribit/portfolio-margin": Kind("deribit/portfolio-margin*.json", listed),
    "deribit/standard-linear": Kind("deribit/standard-linear*.json", under_cases),
    "deribit/standard-options": Kind("deribit/standard-options*.json", under_cases),
    "other/hyperliquid-tiers": Kind("other/hyperliquid-tiers*.json", one),
    "other/hyperliquid-funding": Kind("other/hyperliquid-funding*.json", listed),
    "other/binance-usdm-brackets": Kind("other/binance-usdm-brackets*.json", one),
    "other/okx-pm-examples": Kind("other/okx-pm-examples*.json", listed),
    "other/span-covered-write": Kind("other/span-covered-write*.json", one),
}


def found(root: Path, kind: str, *, exact: bool = False) -> list[Any]:
    """Every case of a kind, with each number as it is written where `exact`."""
    how: dict[str, Any] = {"parse_float": Decimal} if exact else {}
    cases: list[Any] = []
    for path in sorted(root.glob(KINDS[kind].pattern)):
        cases += KINDS[kind].cases(json.loads(path.read_text(encoding="utf-8"), **how))
    return cases


def read(root: Path, kind: str, *, exact: bool = False) -> list[Any]:
    """Every case of a kind, or a skip that names it where there is none."""
    cases = found(root, kind, exact=exact)
    if not cases:
        pytest.skip(f"no case of the kind {kind} under {root}")
    print(f"{kind}: {len(cases)} cases")
    return cases


def counted(root: Path) -> dict[str, int]:
    """How many cases of each kind there are; none at all is a failure."""
    counts = {kind: len(found(root, kind)) for kind in KINDS}
    assert sum(counts.values()) > 0, f"no case of any kind under {root}"
    return counts
