# SPDX-License-Identifier: Apache-2.0
"""Hyperliquid portfolio margin: spot balances carry cross perpetuals and what is borrowed.

    threshold_c  0.5 + 0.5 LTV_c
    ratio        (20 USDC + cross maintenance + borrowed) / liquidation value,  liquidated > 0.95
    liquidation value  dollars + min(borrow cap, sum_c min(balance_c, supply cap_c) p_c threshold_c)
    borrowing room     dollars + min(borrow cap, sum_c min(balance_c, supply cap_c) p_c LTV_c)

`dollars` is the balance of the borrowable coin with the profit of its perpetuals, where above
zero; below zero it is what is borrowed. With several borrowable coins the worst ratio of those in
use counts, and the 20 USDC are required of those alone. In the statement equity is 0.95 times the
liquidation value and maintenance the numerator, so that health is 0 at the ratio of 0.95; initial
margin leaves over what may still be borrowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from tidegate.margin.holding_values import contract, profit, settled
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import MarketValues
from tidegate.margin.open_orders import with_orders
from tidegate.margin.prices import Prices
from tidegate.margin.rule_card import RuleCard
from tidegate.margin.statement import Statement
from tidegate.margin.tiered_account import PositionTerms
from tidegate.model.errors import InputError
from tidegate.model.instruments import InstrumentId

WHERE = "hyperliquid_portfolio"

CARD = RuleCard(
    name=WHERE,
    subject="Hyperliquid, portfolio margin (alpha): spot and cross perpetuals as one",
    answers="hyperliquid_portfolio.HyperliquidPortfolio",
    source=(
        "hyperliquid.gitbook.io, portfolio margin, and its FAQ (stored copies read in November"
        " 2026; alpha)",
    ),
    not_pinned=(
        "how profit of perpetuals nets with a borrowed balance: it is taken as one balance",
        "the caps are global and per user, and vary by date: the user gives what is left of them",
        "what may be withdrawn: None is answered",
    ),
    user_gives=("margin tiers, leverage", "LTV and supply cap by coin", "borrow cap by dollar"),
    closes_first="perpetuals and spot as the venue chooses; not pinned",
    convex_form="perpetuals by their tiers; collateral is concave in each balance",
)


@dataclass(frozen=True, slots=True)
class PortfolioCollateral:
    """One coin as collateral: LTV of 0 to 1 and the coins that the venue still counts."""

    loan_to_value: Fraction
    supply_cap_coins: float

    def __post_init__(self) -> None:
        if not (0 <= self.loan_to_value <= 1 and self.supply_cap_coins >= 0):
            raise InputError(
                WHERE, "collateral", "expected an LTV of 0 to 1 and a cap of at least 0"
            )

    @property
    def threshold(self) -> Fraction:
        """Share of its value that counts against liquidation."""
        return Fraction(1, 2) + self.loan_to_value / 2


@dataclass(frozen=True, slots=True)
class HyperliquidPortfolio:
    """Perpetuals by instrument, collateral by coin, `borrow_cap_usd` by borrowable dollar coin."""

    positions: Mapping[InstrumentId, PositionTerms]
    collateral: Mapping[str, PortfolioCollateral]
    borrow_cap_usd: Mapping[str, float]
    borrow_offset_usd: float = 20.0
    ratio_max: float = 0.95
    least_confidence: float = 1.0

    @property
    def name(self) -> str:
        """As in the registry."""
        return CARD.name

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """Requirements in USD, working orders in initial margin; see `AccountRule`."""
        return with_orders(self._plain, holdings, Prices(market, self.least_confidence))

    def ratio(self, holdings: Holdings, market: MarketValues) -> float:
        """The portfolio margin ratio, the worst over dollars in use; infinite where something is
        required of nothing."""
        prices = Prices(market, self.least_confidence)
        self._check(holdings)
        return max(
            self._ratio(self._of_dollar(each, holdings, prices)) for each in self.borrow_cap_usd
        )

    def _ratio(self, of_dollar: Statement) -> float:
        if of_dollar.maintenance == 0.0:
            return 0.0
        if of_dollar.equity <= 0.0:
            return float("inf")
        return self.ratio_max * of_dollar.maintenance / of_dollar.equity

    def _plain(self, holdings: Holdings, prices: Prices) -> Statement:
        """The dollar with the least health, and the least room to open of any; where none is in
        use, the one that counts most."""
        self._check(holdings)
        each = [self._of_dollar(dollar, holdings, prices) for dollar in self.borrow_cap_usd]
        used = [state for state in each if state.maintenance > 0.0]
        if not used:
            return max(each, key=lambda state: state.equity)
        worst = min(used, key=lambda state: state.health)
        room = min(state.equity - state.initial for state in used)
        return replace(worst, initial=max(worst.maintenance, worst.equity - room))

    def _check(self, holdings: Holdings) -> None:
        if not self.borrow_cap_usd:
            raise InputError(WHERE, "borrow_cap_usd", "expected at least one borrowable dollar")
        known = {*self.collateral, *self.borrow_cap_usd}
        for asset, balance in settled(holdings).items():
            borrowed = balance < 0 and asset not in self.borrow_cap_usd
            if balance != 0 and (asset not in known or borrowed):
                raise InputError(WHERE, asset, "expected terms of this collateral or borrowing")
        for holding in holdings.positions:
            name = contract(holding).instrument.id
            if name not in self.positions or holding.instrument.settle not in self.borrow_cap_usd:
                raise InputError(
                    WHERE, name, "expected terms, and a borrowable dollar to settle in"
                )

    def _of_dollar(self, dollar: str, holdings: Holdings, prices: Prices) -> Statement:
        price = prices.usd(dollar)
        gained = initial = maintenance = 0.0
        for holding in holdings.positions:
            if holding.instrument.settle == dollar:
                mark = prices.mark(holding.instrument.id)
                first, last = self._required(holding, mark)
                gained += profit(holding, mark) * price
                initial, maintenance = initial + first * price, maintenance + last * price
        own = holdings.collateral.get(dollar, 0.0) * price + gained
        borrowed = max(0.0, -own)
        offset = self.borrow_offset_usd if borrowed or maintenance else 0.0
        cap = self.borrow_cap_usd[dollar]
        value = max(0.0, own) + min(cap, self._counted(holdings, prices, threshold=True))
        room = max(0.0, own) + min(cap, self._counted(holdings, prices, threshold=False))
        parts = {
            "borrow_offset": offset,
            "cross_maintenance": maintenance,
            "borrowed": borrowed,
        }
        equity = self.ratio_max * value
        opening = offset + initial + borrowed + max(0.0, equity - room)
        return Statement(
            rule=self.name,
            unit="USD",
            equity=equity,
            initial=max(opening, sum(parts.values())),
            maintenance=sum(parts.values()),
            withdrawable=None,
            binding=dollar,
            parts=parts,
        )

    def _required(self, holding: Holding, mark: float) -> tuple[float, float]:
        return self.positions[holding.instrument.id].required(holding, mark)

    def _counted(self, holdings: Holdings, prices: Prices, threshold: bool) -> float:
        total = 0.0
        for coin, terms in self.collateral.items():
            balance = min(holdings.collateral.get(coin, 0.0), terms.supply_cap_coins)
            if balance > 0:
                share = terms.threshold if threshold else terms.loan_to_value
                total += balance * prices.usd(coin) * float(share)
        return total
