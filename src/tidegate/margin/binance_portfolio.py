# SPDX-License-Identifier: Apache-2.0
"""Binance portfolio margin: one ratio, uniMMR, over futures of both kinds and margin loans.

    equity    sum_a min(net_a p_a rate_a, net_a p_a)      net_a = assets - loans + futures profit
    uniMMR    (equity - open loss) / (futures maintenance + sum loans x rate)

Above 1.5 everything is free, above 1.2 a reminder comes, above 1.05 one may only reduce, and at
1.05 the account is liquidated. In the statement maintenance is 1.05 and initial 1.2 times the
unified maintenance, so that health and room to open are 0 where the venue acts; what may leave is
equity - 1.2 maintenance, and no more of a coin than its wallet holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import MarketValues
from tidegate.margin.open_orders import executed
from tidegate.margin.prices import Prices
from tidegate.margin.rule_card import RuleCard
from tidegate.margin.statement import Statement
from tidegate.margin.tiered_account import CrossTerms
from tidegate.model.errors import InputError

FREE_ABOVE = 1.5
REDUCE_ONLY_UP_TO = 1.2
LIQUIDATION_UP_TO = 1.05
LOAN_RATE = {3: Fraction(10, 100), 5: Fraction(8, 100), 10: Fraction(5, 100)}

CARD = RuleCard(
    name="binance_portfolio",
    subject="Binance portfolio margin: USD-M, COIN-M and cross margin by uniMMR, in USD",
    answers="binance_portfolio.BinancePortfolio",
    source=(
        "binance.com, uniMMR (FAQ 4868b2f1, 6 February 2025) and portfolio margin pro (FAQ"
        " 5e33af8e): formula, loan rates by leverage, levels",
        "binance.com, portfolio margin FAQ 446ce2c3 (18 April 2022): most that may be withdrawn",
    ),
    not_pinned=(
        "a balance below zero is a margin loan, also where it is futures debt: more is required",
        "assets and loans in one coin are netted, since holdings are: loans beside assets require"
        " margin at the venue, so give the net after repaying",
        "open loss of working orders: as the worse side executing, at limit or mark",
        "at a ratio of exactly 1.05 the venue liquidates where health is 0",
    ),
    user_gives=("brackets", "leverage", "collateral rates", "loan rates by asset"),
    closes_first="as the venue chooses at 1.05; not pinned",
    convex_form="brackets times 1.05; haircuts by `CollateralTerms.haircut_form`",
)


@dataclass(frozen=True, slots=True)
class BinancePortfolio:
    """The rule; its `terms` must hold loan rates, see `LOAN_RATE` by chosen leverage."""

    terms: CrossTerms
    least_confidence: float = 1.0

    def __post_init__(self) -> None:
        if self.terms.loans is None:
            raise InputError(CARD.name, "loans", "expected loan rates, by asset")

    @property
    def name(self) -> str:
        """As in the registry."""
        return CARD.name

    def uni_mmr(self, holdings: Holdings, market: MarketValues) -> float:
        """Adjusted equity over unified maintenance; infinite where nothing is required."""
        now = self.statement(holdings, market)
        if now.maintenance == 0:
            return float("inf")
        return LIQUIDATION_UP_TO * now.equity / now.maintenance

    def state(self, holdings: Holdings, market: MarketValues) -> str:
        """The venue's level: see `uni_mmr_state`."""
        return uni_mmr_state(self.uni_mmr(holdings, market))

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """Requirements in USD, working orders as open loss; see `AccountRule`."""
        prices = Prices(market, self.least_confidence)
        sums = self.terms.sums(holdings, prices)
        unified, open_loss = sums.requirement()[1], self._open_loss(holdings, prices, sums.equity)
        equity = sums.equity - open_loss
        own = sum(max(0.0, usd) for usd in sums.wallet.values())
        return Statement(
            rule=self.name,
            unit="USD",
            equity=equity,
            initial=REDUCE_ONLY_UP_TO * unified,
            maintenance=LIQUIDATION_UP_TO * unified,
            withdrawable=max(0.0, min(own, equity - REDUCE_ONLY_UP_TO * unified)),
            binding=sums.binding,
            parts={
                "futures_maintenance": sum(sums.maintenance.values()),
                "loans": sum(sums.loans_maintenance.values()),
                "open_loss": open_loss,
                "liquidation_level": (LIQUIDATION_UP_TO - 1.0) * unified,
            },
        )

    def _open_loss(self, holdings: Holdings, prices: Prices, equity: float) -> float:
        if not holdings.orders:
            return 0.0
        after = (
            self.terms.sums(executed(holdings, side, prices), prices).equity
            for side in ("bids", "asks")
        )
        return max(0.0, equity - min(after))


def uni_mmr_state(uni_mmr: float) -> str:
    """ "free" above 1.5, "reminder" above 1.2, "reduce_only" above 1.05, else "liquidation"."""
    if uni_mmr > FREE_ABOVE:
        return "free"
    if uni_mmr > REDUCE_ONLY_UP_TO:
        return "reminder"
    return "reduce_only" if uni_mmr > LIQUIDATION_UP_TO else "liquidation"
