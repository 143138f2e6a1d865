# SPDX-License-Identifier: Apache-2.0
"""OKX portfolio margin: risk units by coin, stressed nine ways, over discounted collateral.

    maintenance  sum_units MMR + MR8 of what is borrowed
    initial      factor x sum_units MMR + MR8              factor 1.3
    equity       sum_a discounted_a(balance_a + unrealised profit_a + option marks_a)

Spot is in a unit as far as it hedges the unit's delta, and counts in equity all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from tidegate.margin.coin_books import CoinBook, balances_with_profit, coin_books
from tidegate.margin.collateral import CollateralTable, owed_usd
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import MarketValues
from tidegate.margin.okx_scenarios import OkxGiven, OkxMoves, RiskUnit, unit_maintenance
from tidegate.margin.open_orders import with_orders
from tidegate.margin.prices import Prices
from tidegate.margin.rule_card import RuleCard
from tidegate.margin.statement import Statement
from tidegate.margin.tiered_account import LoanRates
from tidegate.model.errors import InputError

WHERE = "okx_portfolio"
# Stated by okx.com help, multi-currency against portfolio margin (as of 9 July 2025, read in a
# copy); the venue's own margin document was not found, so the caller may set another.
INITIAL_FACTOR = 1.3

CARD = RuleCard(
    name=WHERE,
    subject="OKX portfolio margin with merged risk units, in USD",
    answers="okx_portfolio.OkxPortfolio",
    source=(
        "okx.com announcements of 25 November 2024 (risk units, MR9) and 2 January 2025 (sizes of"
        " MR1, MR4, MR6, MR7)",
        "okx.com help, multi-currency against portfolio margin (13 April 2023, as of 9 July 2025):"
        " what adds up, and initial margin",
        "okx.com support 4417291853837 (December 2021): marginal multipliers of MR7",
    ),
    not_pinned=(
        "initial_factor 1.3: read in a copy of a comparison page, not in the margin document",
        "what may be withdrawn: None is answered",
        "MR1's vol shifts by expiry, beyond 30 points at 0 days",
        "MR2: a day passing at unchanged prices",
        "MR3 and MR5: twists of vol and rate by expiry, as the user states them",
        "MR4: on offsetting dollars alone, at the larger of a floor and the annualised share; this"
        " form gives the example of 31 May 2024 exactly",
        "MR6: the part of the loss that counts, and that vol stands still",
        "MR7: the charges before multipliers; multipliers of other coins than BTC and ETH",
        "MR9: the order of currency pairs; one table on all that offsets",
        "what may be withdrawn: None is answered",
    ),
    user_gives=("`OkxGiven` by coin", "discount rates", "loan rates by asset"),
    closes_first="delta is hedged first (dynamic delta hedging), then positions; not pinned",
    convex_form="stresses are convex at a given market; MR7's multipliers rise, so they are too",
)


@dataclass(frozen=True, slots=True)
class OkxPortfolio:
    """The rule: announced and given sizes by coin, collateral, loans (MR8) by asset."""

    units: Mapping[str, tuple[OkxMoves, OkxGiven]]
    collateral: CollateralTable
    loans: Mapping[str, LoanRates]
    initial_factor: float = INITIAL_FACTOR
    least_confidence: float = 1.0

    def __post_init__(self) -> None:
        if self.initial_factor < 1:
            raise InputError(WHERE, "initial_factor", "expected at least 1")

    @property
    def name(self) -> str:
        """As in the registry."""
        return CARD.name

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """Requirements in USD, working orders in both; `parts` names each stress by its unit."""
        prices = Prices(market, self.least_confidence)
        return with_orders(self._plain, holdings, prices, in_maintenance=True)

    def _plain(self, holdings: Holdings, prices: Prices) -> Statement:
        parts: dict[str, float] = {}
        required: dict[str, float] = {}
        for coin, book in coin_books(holdings, prices).items():
            unit = self._unit(book, holdings, prices)
            stresses, minimum = unit.stresses(), Fraction(unit.minimum())
            exact = {name: Fraction(usd) for name, usd in stresses.items()}
            mmr, adjusted = unit_maintenance(exact, minimum, unit.given.minimum_tiers)
            required[coin] = float(mmr)
            parts |= {f"{coin} {name}": usd for name, usd in stresses.items()}
            parts[f"{coin} MR7"] = float(adjusted)
        balances = balances_with_profit(holdings, prices)
        owed = owed_usd(balances, prices)
        rates = {asset: self._loan(asset) for asset in owed}
        total = sum(required.values())
        kept = sum(usd * float(rates[asset].maintenance) for asset, usd in owed.items())
        opening = sum(usd * float(rates[asset].initial) for asset, usd in owed.items())
        return Statement(
            rule=self.name,
            unit="USD",
            equity=sum(self.collateral.counted_usd(balances, prices).values()),
            initial=self.initial_factor * total + opening,
            maintenance=total + kept,
            withdrawable=None,
            binding=max(required, key=lambda coin: (required[coin], coin), default="MR8"),
            parts={**parts, "MR8": kept},
        )

    def _unit(self, book: CoinBook, holdings: Holdings, prices: Prices) -> RiskUnit:
        if book.coin not in self.units:
            raise InputError(WHERE, book.coin, "expected the sizes of its risk unit")
        moves, given = self.units[book.coin]
        balance = holdings.collateral.get(book.coin, 0.0)
        spot = balance * prices.usd(book.coin) if balance else 0.0
        delta = book.contracts_usd + sum(each.usd for each in book.option_exposures())
        used = 0.0
        if spot * delta < 0:
            used = min(abs(spot), abs(delta)) * (1.0 if spot > 0 else -1.0)
        return RiskUnit(book, used, moves, given)

    def _loan(self, asset: str) -> LoanRates:
        if asset not in self.loans:
            raise InputError(WHERE, asset, "expected loan rates for what is borrowed")
        return self.loans[asset]
