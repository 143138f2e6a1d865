# SPDX-License-Identifier: Apache-2.0
"""What collateral counts for: haircuts, discounts by tranche, marks of dollar coins, debts.

Of an asset with price p and balance c, tranches with rates r_j in coins or in USD:

    c >= 0    p sum_j r_j (part of c in tranche j)     nothing beyond the last cap
    c < 0     p c w                                     w >= 1, the weight of a debt

A dollar coin is worth its mark: at 0.9 it counts nine tenths of a dollar before its haircut.

Sources: Binance, portfolio margin ratio (FAQ 4868b2f1, 6 February 2025): min(c p r, c p), so the
rate applies to what is owned alone; Binance, multi-assets mode (rules page, read in November 2026):
debts at the ask side of an index buffer; Bybit, tiered collateral ratios (help centre, 18 September
2025); OKX, discount rates (announcements, 18 July 2024 to 13 October 2025). Current rates are the
user's to give: no table of them is kept here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import isfinite
from typing import Literal

from tidegate.margin.convex_form import ConvexForm, convex_form
from tidegate.margin.prices import Prices
from tidegate.margin.tranches import Tranche, Tranches
from tidegate.model.errors import InputError

WHERE = "collateral"


@dataclass(frozen=True, slots=True)
class CollateralTerms:
    """How one asset counts: discount rates of 0 to 1 by tranche, in coins or USD, and the weight
    of a debt in it, at least 1."""

    discount: Tranches
    unit: Literal["coins", "usd"] = "coins"
    debt_weight: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if any(row.rate > 1 for row in self.discount.rows) or self.debt_weight < 1:
            raise InputError(
                self.discount.source, "rates", "expected discounts up to 1, debt weights from 1"
            )

    def counted_usd(self, balance: float, price_usd: float) -> float:
        """USD that a balance counts for, negative where it is owed."""
        if balance < 0:
            return float(Fraction(balance) * Fraction(price_usd) * self.debt_weight)
        if self.unit == "usd":
            return float(self.discount.total(Fraction(balance) * Fraction(price_usd)))
        return float(self.discount.total(Fraction(balance)) * Fraction(price_usd))

    def haircut_form(self, span: float) -> ConvexForm:
        """What the haircut takes of a balance, at most, in the unit of the tranches, for every
        balance up to the span, debts included; exact where rates do not rise with the balance,
        and other tables, which are not convex, raise `InputError`."""
        rates = [row.rate for row in self.discount.rows]
        if any(a < b for a, b in pairwise(rates)):
            raise InputError(self.discount.source, "rates", "expected rates that do not rise")
        owned = [(1 - rate, offset) for rate, offset in self.discount.pieces()]
        return convex_form([(1 - self.debt_weight, Fraction(0)), *owned], span)


@dataclass(frozen=True, slots=True)
class CollateralTable:
    """Terms by asset, dated. A balance in an asset that the table does not name raises
    `InputError`: what a venue does not take as collateral is named with a rate of 0."""

    terms: Mapping[str, CollateralTerms]
    as_of: str
    source: str

    def counted_usd(self, balances: Mapping[str, float], prices: Prices) -> dict[str, float]:
        """USD that each balance counts for; an asset without balance needs no price."""
        counted = {}
        for asset, balance in balances.items():
            if balance == 0.0:
                continue
            if not isfinite(balance):
                raise InputError(WHERE, asset, f"expected a finite balance, got {balance}")
            if asset not in self.terms:
                raise InputError(self.source, asset, "expected its collateral terms")
            counted[asset] = self.terms[asset].counted_usd(balance, prices.usd(asset))
        return counted


def flat(
    rate: str, as_of: str = "", source: str = WHERE, debt_weight: str = "1"
) -> CollateralTerms:
    """Terms of one rate on any balance, in decimal text."""
    whole = Tranches((Tranche(None, Fraction(rate)),), as_of, source)
    return CollateralTerms(whole, debt_weight=Fraction(debt_weight))


def merged(balances: Mapping[str, float], changes: Mapping[str, float]) -> dict[str, float]:
    """Balances with unrealised profit added asset by asset, as venues net them before haircuts."""
    return {
        asset: balances.get(asset, 0.0) + changes.get(asset, 0.0)
        for asset in (*balances, *(name for name in changes if name not in balances))
    }


def owed_usd(balances: Mapping[str, float], prices: Prices) -> dict[str, float]:
    """USD owed in each asset that is borrowed, positive and without any weight."""
    return {
        asset: -balance * prices.usd(asset) for asset, balance in balances.items() if balance < 0
    }
