# SPDX-License-Identifier: Apache-2.0
"""What an isolated account is once orders have closed its one position."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.margin.holding_values import WHERE, settled
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import MarketValues
from tidegate.margin.statement import AccountRule, Statement
from tidegate.model.errors import InputError

ISOLATED = "_isolated"


@dataclass(frozen=True, slots=True)
class ClosedIsolated:
    """Margin in `unit` that carries nothing any more: all of it may leave."""

    name: str
    unit: str

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """No requirement; raises `InputError` for another asset, as the rule did before."""
        for asset, amount in settled(holdings).items():
            if asset != self.unit and amount:
                raise InputError(WHERE, asset, f"expected isolated margin in {self.unit} alone")
        margin = holdings.collateral.get(self.unit, 0.0)
        return Statement(
            rule=self.name,
            unit=self.unit,
            equity=margin,
            initial=0.0,
            maintenance=0.0,
            withdrawable=max(0.0, margin),
            binding="none",
            parts={},
        )


def rule_once_filled(rule: AccountRule, before: Holdings, then: Holdings) -> AccountRule:
    """The account's rule after fills: of an isolated position that is closed, no requirement; one
    on another instrument, whose tiers the rule does not have, raises `InputError`."""
    if not rule.name.endswith(ISOLATED):
        return rule
    (held,) = before.positions
    others = [each for each in then.positions if each.instrument.id != held.instrument.id]
    if others:
        symbol = others[0].instrument.symbol
        expected = f"expected orders on the isolated position, {held.instrument.symbol}"
        raise InputError(WHERE, symbol, expected)
    return rule if then.positions else ClosedIsolated(rule.name, held.instrument.settle)
