# SPDX-License-Identifier: Apache-2.0
"""What a book says of how markets move together, in its field `observe`; and what stands in where
it says nothing, each named as an assumption. A coin's volatility and betas are never assumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from math import sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidegate.engine.book_fields import TARGET, Reader
from tidegate.engine.plan.book import USD, PlanBook

DAYS_YEAR = 365.0
KINDS = ("price", "vol", "spread", "stable")


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class SaidObserve(_Strict, frozen=True):
    """The field `observe` of a book of whole accounts; entries are read one by one."""

    betas: dict[str, object] = {}
    vol_annual: dict[str, object] = {}
    target_distance: Decimal = TARGET
    vol_level_daily: Decimal | None = None
    spread_daily: Decimal | None = None
    stable_daily: Decimal | None = None
    funding_daily: Decimal | None = None
    correlations: dict[str, object] = {}
    quotes: dict[str, str] = {}


class Term(msgspec.Struct, frozen=True):
    """A figure behind a likelihood: said in the book, or assumed, and from where."""

    name: str
    value: float
    assumed: bool
    source: str


# Daily standard deviations; of vols that of the log of their level.
ASSUMED = {
    "vol_level_daily": (
        0.05,
        "Deribit's BTC DVOL moved by 4.8 % a day (standard deviation of its log) from 2022-11-06"
        " to 2025-06-30",
    ),
    "spread_daily": (0.002, "a round figure: a venue's marks apart from all others' by 0.2 %"),
    "stable_daily": (0.005, "a round figure: a fall of 5 % is ten standard deviations"),
    "funding_daily": (0.003, "a round figure: ten times 0.01 % each eight hours, on every leg"),
}
CORRELATIONS = {
    "price-price": (0.8, "a round figure: coins fall together"),
    "price-vol": (-0.3, "a round figure: vols rise when prices fall"),
    "price-spread": (0.0, "none is assumed"),
    "price-stable": (0.0, "none is assumed"),
    "vol-spread": (0.0, "none is assumed"),
    "vol-stable": (0.0, "none is assumed"),
    "spread-stable": (0.0, "none is assumed"),
    "stable-stable": (0.5, "a round figure: dollar coins fall together"),
}


@dataclass(frozen=True, slots=True)
class RiskTerms:
    """All of it; `vol_daily` lacks the coins whose volatility is UNKNOWN, `quotes` by instrument
    what its price is in where that is not what settles it."""

    betas: Mapping[str, float]
    vol_daily: Mapping[str, Term]
    target: float
    figures: Mapping[str, Term]
    correlations: Mapping[str, Term]
    quotes: Mapping[str, str]

    def figure(self, name: str) -> float:
        """A daily figure of `ASSUMED`."""
        return self.figures[name].value

    def betas_of(self, coins: Sequence[str]) -> dict[str, float] | None:
        """Betas of these coins; None where one was not given."""
        if any(coin not in self.betas for coin in coins):
            return None
        return {coin: self.betas[coin] for coin in coins}

    def correlation(self, kinds: Sequence[str]) -> NDArray[np.float64]:
        """Correlations of factors of these kinds, [n, n]."""
        made = np.eye(len(kinds))
        for i, j in product(range(len(kinds)), repeat=2):
            if i != j:
                made[i, j] = self.correlations[_pair(kinds[i], kinds[j])].value
        return made

    def lines(self) -> tuple[Term, ...]:
        """Every figure, for printing."""
        return (*self.vol_daily.values(), *self.figures.values(), *self.correlations.values())


def _pair(one: str, other: str) -> str:
    first, second = sorted((one, other), key=KINDS.index)
    return f"{first}-{second}"


def risk_terms(reader: Reader, raw: Mapping[str, object], book: PlanBook) -> RiskTerms:
    """The field `observe`, with what is assumed; raises `InputError`."""
    said = reader.shape(raw, SaidObserve, "observe")
    if not 0 < said.target_distance < 1:
        raise reader.refuse("observe.target_distance", "expected more than 0 and less than 1")
    terms = RiskTerms(
        betas=_numbers(reader, said.betas, "observe.betas"),
        vol_daily=dict(_vols(reader, said, book)),
        target=float(said.target_distance),
        figures={name: _figure(reader, said, name) for name in ASSUMED},
        correlations=_correlations(reader, said),
        quotes=_quotes(reader, said, book),
    )
    _require_together(reader, terms, book)
    return terms


def _numbers(reader: Reader, raw: Mapping[str, object], field: str) -> dict[str, float]:
    found = {}
    for name, value in raw.items():
        number = reader.decimal(value, f"{field}.{name}")
        reader.positive(number, f"{field}.{name}")
        found[name] = float(number)
    return found


def _vols(reader: Reader, said: SaidObserve, book: PlanBook) -> Iterator[tuple[str, Term]]:
    """A coin's own, else the largest that the costs of its instruments say."""
    annual = _numbers(reader, said.vol_annual, "observe.vol_annual")
    for coin in book.coins:
        name = f"vol of {coin}, a day"
        if coin in annual:
            value = annual[coin] / sqrt(DAYS_YEAR)
            yield coin, Term(name, value, False, f"observe.vol_annual.{coin}")
            continue
        dealt = [each.id for _, each in book.dealt() if each.base == coin]
        known = {each: book.costs[each].vol_daily for each in dealt if each in book.costs}
        if known:
            largest = max(known, key=lambda each: known[each])
            yield coin, Term(name, known[largest], False, f"costs.{largest}.vol_daily")


def _figure(reader: Reader, said: SaidObserve, name: str) -> Term:
    value, field = getattr(said, name), f"observe.{name}"
    if value is None:
        return Term(name, ASSUMED[name][0], True, ASSUMED[name][1])
    reader.positive(value, field)
    return Term(name, float(value), False, field)


def _correlations(reader: Reader, said: SaidObserve) -> dict[str, Term]:
    made = {name: Term(name, value, True, why) for name, (value, why) in CORRELATIONS.items()}
    for name, value in said.correlations.items():
        field = f"observe.correlations.{name}"
        if name not in made:
            raise reader.refuse(field, f"expected one of: {', '.join(CORRELATIONS)}")
        number = reader.decimal(value, field)
        if not -1 < number < 1:
            raise reader.refuse(field, f"expected more than -1 and less than 1, got {number}")
        made[name] = Term(name, float(number), False, field)
    return made


def _quotes(reader: Reader, said: SaidObserve, book: PlanBook) -> dict[str, str]:
    known = {each.id: each for _, each in book.dealt()}
    for name, asset in said.quotes.items():
        field = f"observe.quotes.{name}"
        if name not in known or known[name].inverse:
            raise reader.refuse(field, "expected venue:SYMBOL of a linear contract or option")
        if asset not in next(iter(book.accounts.values())).usd:
            raise reader.refuse(field, f"expected {USD} or a coin of stable, got {asset!r}")
    return dict(said.quotes)


def _require_together(reader: Reader, terms: RiskTerms, book: PlanBook) -> None:
    """Refuse correlations that no market can have, with one more factor than any account."""
    stables = len(next(iter(book.accounts.values())).usd)
    kinds = ["price"] * max(1, len(book.coins)) + ["vol", "spread"] + ["stable"] * stables
    try:
        np.linalg.cholesky(terms.correlation(kinds))
    except np.linalg.LinAlgError:
        expected = "expected correlations that can hold together (a positive definite matrix)"
        raise reader.refuse("observe.correlations", expected) from None
