# SPDX-License-Identifier: Apache-2.0
"""Reads venues' published cases by kind; a kind that the folder lacks skips its tests by name.

Every `test_parity_*` takes its cases from `read`, which prints how many there are and which rules
of the registry answer for them; a file is decoded once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Kind:
    """Files of one layout, how the cases of one decoded file are listed, and the rules that read
    them, by their names in the registry; none where the exchange does and no rule."""

    pattern: str
    cases: Callable[[Any], list[Any]]
    rules: tuple[str, ...]


def one(decoded: Any) -> list[Any]:
    return [decoded]


def listed(decoded: Any) -> list[Any]:
    """A file that holds one case or a list of them."""
    return list(decoded) if isinstance(decoded, list) else [decoded]


def named(decoded: Any) -> list[Any]:
    return [{"name": name, **case} for name, case in decoded.items()]


def under_cases(decoded: Any) -> list[Any]:
    return list(decoded["cases"])


KINDS = {
    "derive-pm2": Kind("derive-pm2/*.json", one, ("derive_portfolio",)),
    "derive-srm/cases": Kind("derive-srm/cases*.json", named, ("derive_standard",)),
    "derive-srm/portfolios": Kind("derive-srm/portfolios*.json", named, ("derive_standard",)),
    "dydx/margin_requirements": Kind(
        "dydx/margin_requirements*.json", under_cases, ("dydx_cross",)
    ),
    "deribit/portfolio-margin": Kind(
        "deribit/portfolio-margin*.json", listed, ("deribit_portfolio",)
    ),
    "deribit/standard-linear": Kind(
        "deribit/standard-linear*.json", under_cases, ("deribit_standard",)
    ),
    "deribit/standard-options": Kind(
        "deribit/standard-options*.json", under_cases, ("deribit_standard",)
    ),
    "other/hyperliquid-tiers": Kind(
        "other/hyperliquid-tiers*.json", listed, ("hyperliquid_cross", "hyperliquid_portfolio")
    ),
    "other/hyperliquid-funding": Kind("other/hyperliquid-funding*.json", listed, ()),
    "other/binance-usdm-brackets": Kind(
        "other/binance-usdm-brackets*.json", listed, ("binance_usdm", "binance_multi_assets")
    ),
    "other/okx-pm-examples": Kind("other/okx-pm-examples*.json", listed, ("okx_portfolio",)),
    "other/span-covered-write": Kind("other/span-*.json", listed, ("span_16",)),
}


def found(root: Path, kind: str, *, exact: bool = False) -> list[Any]:
    """Every case of a kind, with each number as it is written where `exact`."""
    cases: list[Any] = []
    for path in sorted(root.glob(KINDS[kind].pattern)):
        cases += KINDS[kind].cases(deepcopy(decoded(path, exact)))
    return cases


@cache
def decoded(path: Path, exact: bool) -> Any:
    how: dict[str, Any] = {"parse_float": Decimal} if exact else {}
    return json.loads(path.read_text(encoding="utf-8"), **how)


def read(root: Path, kind: str, *, exact: bool = False) -> list[Any]:
    """Every case of a kind, or a skip that names it where there is none."""
    cases = found(root, kind, exact=exact)
    if not cases:
        pytest.skip(f"no case of the kind {kind} under {root}")
    print(told(kind, len(cases)))
    return cases


def told(kind: str, count: int) -> str:
    """How many cases of a kind were read, and by what."""
    return f"{kind}: {count} cases by {', '.join(KINDS[kind].rules) or 'the exchange'}"


def counted(root: Path) -> dict[str, int]:
    """How many cases of each kind there are; none at all is a failure."""
    counts = {kind: len(found(root, kind)) for kind in KINDS}
    assert sum(counts.values()) > 0, f"no case of any kind under {root}"
    return counts
