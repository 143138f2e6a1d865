# SPDX-License-Identifier: Apache-2.0
"""Proof that an account stays solvent over a box of markets, or a market in which it does not.

    f(x) = equity(x) - maintenance requirement(x)          proved where min over the box of f > 0

A grid of points proves nothing between them. Here cells that cover the box each have a lower bound
of f from exact ranges of every option's delta, vega and gamma after the rule's own shocks
(`_option_bounds`, `enclosure`), and cells are halved, worst first, until all bounds are above
nothing or a point is below it by the rule's own statement (branch and bound: Land and Doig 1960;
mean-value and slope forms: Neumaier 1990). From every bound 1e-9 of the gross amounts at the far
end of the box, six times over for the far moves, is taken off for what floats have rounded.

Covered: Deribit portfolio margin (segregated and cross) and standard margin with options, Derive's
PM2 and standard, dollar accounts of linear contracts under any rule of integers that has `lines`
(Binance USD-M, Hyperliquid cross, dYdX). Accounts in ticks are judged now, not past an expiry.
Any other rule raises `InputError`: what is not covered is not proved. A budget that is spent leaves
the account undecided, which is never taken as proved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.derive_portfolio import DerivePortfolio
from tidegate.margin.derive_standard import DeriveStandard
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import MarketValues
from tidegate.margin.statement import AccountRule
from tidegate.model.errors import InputError, ensure
from tidegate.risk.certificate_bounds import (
    CoinTree,
    Effort,
    Found,
    HealthForm,
    Leaves,
    least_health,
)
from tidegate.risk.certificate_box import Box, Point, Then, times_of
from tidegate.risk.certificate_deribit import DeribitHealth
from tidegate.risk.certificate_deribit_standard import DeribitAccount, DeribitStandardHealth
from tidegate.risk.certificate_derive import DerivePortfolioHealth, DeriveStandardHealth
from tidegate.risk.certificate_linear import LinearAccount, LinearHealth
from tidegate.risk.enclosure import VARIABLES

FloatArray = NDArray[np.float64]

WHERE = "certificate"
VERSION = 1


class Verdict(StrEnum):
    """What a certificate says."""

    PROVED = "proved"
    COUNTER_EXAMPLE = "counter-example"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Subject:
    """An account under its venue's rule of floats, and the market that values it now."""

    rule: AccountRule
    holdings: Holdings
    market: MarketValues


Question = Subject | LinearAccount | DeribitAccount


@dataclass(frozen=True, slots=True)
class Bounds:
    """At one time: the least health over the box is within [lower, upper], USD; at `worst` the rule
    itself states the upper. `leaves` cover the box, where they were asked for."""

    at_ms: int
    lower_usd: float
    upper_usd: float
    worst: Mapping[str, tuple[float, float, float]]
    binding: str
    cells: int
    leaves: tuple[Leaves, ...] = ()


@dataclass(frozen=True, slots=True)
class Certificate:
    """The verdict over all times, with the ids of what it is about (SHA-256 of canonical JSON)."""

    verdict: Verdict
    rule: str
    rule_id: str
    account_id: str
    market_id: str
    box_id: str
    version: int
    bounds: tuple[Bounds, ...]

    @property
    def proved(self) -> bool:
        """Whether the account is solvent all over the box, at every time looked at."""
        return self.verdict is Verdict.PROVED

    @property
    def lower_usd(self) -> float:
        """Never above the least health."""
        return min(each.lower_usd for each in self.bounds)

    @property
    def upper_usd(self) -> float:
        """Never below the least health: the rule's own at the worst point."""
        return min(each.upper_usd for each in self.bounds)

    @property
    def cells(self) -> int:
        """Cells looked at."""
        return sum(each.cells for each in self.bounds)

    @property
    def worst(self) -> Bounds:
        """The time and point at which health is least of all that were stated."""
        return min(self.bounds, key=lambda each: each.upper_usd)


def certify(
    subject: Question,
    box: Box,
    effort: Effort | None = None,
    *,
    keep_leaves: bool = False,
) -> Certificate:
    """Proves the account solvent over the box or finds a market where it is not.

    Raises: `InputError` for a figure that is missing, stale or not finite, a coin that the box does
    not know, working orders, and a rule that is not covered.
    """
    spent, bounds = effort or Effort(), list[Bounds]()
    for at_ms, form in forms(subject, box):
        left = spent.cells - sum(each.cells for each in bounds)
        found = least_health(form, box, Effort(max(left, 1), spent.gap_usd, spent.stop))
        bounds.append(_bounds(at_ms, found, keep_leaves))
        if found.upper_usd < 0.0:
            break
    names = _names(subject)
    return Certificate(_verdict(bounds), *names, _id(box), VERSION, tuple(bounds))


def _bounds(at_ms: int, found: Found, keep_leaves: bool) -> Bounds:
    return Bounds(
        at_ms,
        found.lower_usd,
        found.upper_usd,
        found.worst,
        found.binding,
        found.cells,
        found.leaves if keep_leaves else (),
    )


def _verdict(bounds: Sequence[Bounds]) -> Verdict:
    if any(each.upper_usd < 0.0 for each in bounds):
        return Verdict.COUNTER_EXAMPLE
    proved = all(each.lower_usd > 0.0 for each in bounds)
    return Verdict.PROVED if proved else Verdict.UNDECIDED


def forms(subject: Question, box: Box) -> list[tuple[int, HealthForm]]:
    """The account's health as sums of enclosures, at each time that the box asks for."""
    if not isinstance(subject, Subject):
        if box.horizon_ms:
            raise InputError(WHERE, "horizon_ms", "expected 0 for an account in ticks")
        if isinstance(subject, DeribitAccount):
            return [(subject.market.now_ms, DeribitStandardHealth(subject, box))]
        return [(0, LinearHealth(subject, box))]
    times = times_of(subject.holdings, subject.market, box)
    return [(then.at_ms, _form(subject.rule, then)) for then in times]


def _form(rule: AccountRule, then: Then) -> HealthForm:
    if isinstance(rule, DeribitPortfolio):
        return DeribitHealth(rule, then)
    if isinstance(rule, DerivePortfolio):
        return DerivePortfolioHealth(rule, then)
    if isinstance(rule, DeriveStandard):
        return DeriveStandardHealth(rule, then)
    raise InputError(WHERE, rule.name, "expected a rule that certificates cover")


def verify(certificate: Certificate, subject: Question, box: Box) -> None:
    """Checks a proof by its leaves alone: that they cover the box, and that each is solvent.

    Raises: `InvariantError` naming what does not hold; `InputError` as `certify` does.
    """
    ids = (*_names(subject), _id(box))
    stated = (certificate.rule, certificate.rule_id, certificate.account_id)
    ensure(
        ids == (*stated, certificate.market_id, certificate.box_id),
        "the certificate is about another account, market, rule or box",
    )
    ensure(certificate.proved, "the certificate proves nothing")
    at = forms(subject, box)
    ensure([t for t, _ in at] == [b.at_ms for b in certificate.bounds], "times are missing")
    for (_, form), bounds in zip(at, certificate.bounds, strict=True):
        total = np.full(len(form.names), form.constant_usd)
        leaves = {each.coin: each for each in bounds.leaves}
        ensure(set(leaves) == set(form.coins), "leaves of a coin are missing")
        for coin in form.coins:
            total = total + _least_of(form, coin, box, leaves[coin])
        ensure(float(total.min()) > 0.0, "a leaf is not solvent")


def _least_of(form: HealthForm, coin: str, box: Box, leaves: Leaves) -> FloatArray:
    """Lower bounds by scenario over leaves that cover the coin's ranges."""
    low = np.array(leaves.low, dtype=float).reshape(-1, VARIABLES)
    high = np.array(leaves.high, dtype=float).reshape(-1, VARIABLES)
    ends = box.of(coin).ends
    ensure(covers(low, high, ends[0], ends[1]), f"leaves do not cover the ranges of {coin}")
    tree = CoinTree(form, coin, box)
    return np.asarray(tree.bounded(low, high).lower.min(axis=0) - tree.allowance)


def covers(low: FloatArray, high: FloatArray, box_low: FloatArray, box_high: FloatArray) -> bool:
    """Whether cells made by halving cover a box: one is all of it, or a halving parts them."""
    if ((low <= box_low) & (high >= box_high)).all(axis=1).any():
        return True
    for number in np.flatnonzero(box_low < box_high):
        middle = 0.5 * (box_low[number] + box_high[number])
        left, right = high[:, number] <= middle, low[:, number] >= middle
        if (left | right).all() and left.any() and right.any():
            first_high, second_low = box_high.copy(), box_low.copy()
            first_high[number], second_low[number] = middle, middle
            return covers(low[left], high[left], box_low, first_high) and covers(
                low[right & ~left], high[right & ~left], second_low, box_high
            )
    return False


def _names(subject: Question) -> tuple[str, str, str, str]:
    """The rule's name, and ids of the rule with its parameters, of the account and the market."""
    if isinstance(subject, Subject):
        held = _id(subject.holdings)
        return subject.rule.name, _id(subject.rule), held, _id(_figures(subject.market))
    rule: object = subject.rule
    at: list[object] = [subject.marks]
    at.append(
        subject.instruments if isinstance(subject, LinearAccount) else _figures(subject.market)
    )
    return type(rule).__name__, _id(rule), _id(subject.account), _id(at)


def _figures(market: MarketValues) -> list[object]:
    """The market with keys as text, which JSON asks for."""
    seen = {" ".join(key): figure for key, figure in market.values.items()}
    return [market.now_ms, market.stale_after_ms, market.least_confidence, seen]


def _id(value: object) -> str:
    """SHA-256 of canonical JSON, first 16 hex digits; what JSON does not know as its text."""
    text = msgspec.json.encode(value, order="deterministic", enc_hook=repr)
    return hashlib.sha256(text).hexdigest()[:16]


__all__ = [
    "Bounds",
    "Box",
    "Certificate",
    "DeribitAccount",
    "Effort",
    "LinearAccount",
    "Point",
    "Subject",
    "Verdict",
    "certify",
    "covers",
    "verify",
]
