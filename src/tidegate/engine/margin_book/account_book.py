# SPDX-License-Identifier: Apache-2.0
"""One account as it was read: its rule, what it holds, and the market that values it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tidegate.engine.margin_book import session
from tidegate.engine.observed_book import Unknown
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import MarketValues
from tidegate.margin.rule_card import RuleCard
from tidegate.margin.statement import AccountRule, Statement
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument


@dataclass(frozen=True, slots=True)
class AccountBook:
    """An account of `venue` under the rule of `card`; `instruments` by symbol hold what may be
    traded, held or not; `unknown` is what the file does not say."""

    where: str
    venue: str
    card: RuleCard
    rule: AccountRule
    holdings: Holdings
    market: MarketValues
    instruments: Mapping[str, Instrument]
    unknown: tuple[Unknown, ...]

    def statement(self) -> Statement:
        """The account now; raises `InputError` naming the file and what it lacks."""
        holdings = self.holdings
        if self.settles_daily:
            holdings = session.with_losses_paid(holdings)
        with named(self.where):
            return self.rule.statement(holdings, self.market)

    @property
    def settles_daily(self) -> bool:
        """Whether profit waits for a settlement before it is cash."""
        return self.card.name in session.RULES

    def symbol(self, name: str) -> str:
        """An instrument's symbol for its id; any other name as it is."""
        return name.removeprefix(f"{self.venue}:")


@contextmanager
def named(where: str) -> Iterator[None]:
    """Has every refusal name the file first."""
    try:
        yield
    except InputError as error:
        if error.where == where:
            raise
        raise InputError(where, f"{error.where} {error.field}", error.expected) from None
    except (ArithmeticError, ValueError) as error:
        # Figures of ordinary size can still be so far apart that a float cannot hold a sum of them.
        raise InputError(
            where, "figures", f"expected figures that can be summed ({error})"
        ) from None
