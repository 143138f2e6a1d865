# SPDX-License-Identifier: Apache-2.0
"""Aave v3: collateral and debts of one account, its health factor, and what liquidators may take.

    HF = sum_a collateral_a p_a LT_a / sum_a debt_a p_a          liquidatable below 1
    borrowing room   sum_a collateral_a p_a LTV_a - debt

In the statement equity is the numerator and maintenance the debt, so that health is 0 at HF = 1.
In an e-mode the assets of its category take its LTV, threshold and bonus. Half the debt at most is
repaid in one call where HF is above 0.95 and both sides are worth 2,000 USD or more, else all of
it; the liquidator takes collateral worth (1 + bonus) of what is repaid. Of debt or collateral
either nothing or 1,000 USD must be left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from tidegate.margin.holding_values import settled
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import MarketValues
from tidegate.margin.prices import Prices
from tidegate.margin.rule_card import RuleCard
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError

WHERE = "aave"
CLOSE_FACTOR = 0.5
WHOLE_CLOSE_BELOW_HF = 0.95
WHOLE_CLOSE_BELOW_USD = 2_000.0
LEFT_AT_LEAST_USD = 1_000.0

CARD = RuleCard(
    name="aave_v3",
    subject="Aave v3, one account's collateral and debts, in USD",
    answers="aave.AaveAccount",
    source=(
        "aave-v3-origin, liquidation logic of version 3.3 (pull request 87, read in November 2026)",
        "aave.com, liquidations (read in November 2026): the health factor and its example",
    ),
    not_pinned=(
        "oracle prices are the caller's marks; the chain's rounding in rays is not played",
        "supply and debt in one asset are netted, as holdings have one balance of each: the venue"
        " keeps both, counts the supply at its threshold and the whole debt, so that its health"
        " factor is nearer to 1 and an account with both may be liquidated before the answer here"
        " says so",
        "equity is collateral at its thresholds: what may leave is in dollars and may be more",
        "isolation mode, siloed borrowing, and the liquidation protocol fee are left out",
    ),
    user_gives=("LTV, threshold and bonus by reserve, and of the e-mode, dated",),
    closes_first="what the liquidator chooses: half or all of a debt against one collateral, with"
    " its bonus",
    convex_form="linear in balances at given prices: debt p - collateral p LT",
)


@dataclass(frozen=True, slots=True)
class ReserveTerms:
    """LTV, liquidation threshold and bonus of one asset, shares; dated."""

    loan_to_value: Fraction
    threshold: Fraction
    bonus: Fraction
    as_of: str
    source: str

    def __post_init__(self) -> None:
        if not 0 <= self.loan_to_value <= self.threshold <= 1 or self.bonus < 0:
            raise InputError(
                self.source, "reserve", "expected 0 <= LTV <= threshold <= 1, bonus >= 0"
            )


@dataclass(frozen=True, slots=True)
class EfficiencyMode:
    """An e-mode: the assets of its category and the terms that they take as collateral."""

    assets: frozenset[str]
    terms: ReserveTerms


@dataclass(frozen=True, slots=True)
class Seizure:
    """What one liquidation call may repay and takes: USD of debt, of collateral, of the bonus."""

    repaid_usd: float
    seized_usd: float
    bonus_usd: float


@dataclass(frozen=True, slots=True)
class AaveAccount:
    """The rule: reserves by asset, the e-mode entered, and which balances are no collateral."""

    reserves: Mapping[str, ReserveTerms]
    efficiency_mode: EfficiencyMode | None = None
    not_collateral: frozenset[str] = frozenset()
    least_confidence: float = 1.0

    @property
    def name(self) -> str:
        """As in the registry."""
        return CARD.name

    def terms(self, asset: str) -> ReserveTerms:
        """Terms of an asset as collateral; raises `InputError` for an unknown one."""
        if asset not in self.reserves:
            raise InputError(WHERE, asset, "expected its reserve")
        mode = self.efficiency_mode
        return mode.terms if mode and asset in mode.assets else self.reserves[asset]

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """Requirements in USD; balances below zero are debts; positions or orders raise
        `InputError`. Withdrawable is the most that may leave at HF >= 1."""
        if holdings.positions or holdings.orders:
            raise InputError(WHERE, "positions", "expected collateral and debts alone")
        usd = self._usd(holdings, market)
        owned = self._owned(usd)
        debts = {asset: -value for asset, value in usd.items() if value < 0}
        equity = sum(value * float(self.terms(a).threshold) for a, value in owned.items())
        room = sum(value * float(self.terms(a).loan_to_value) for a, value in owned.items())
        debt = sum(debts.values())
        return Statement(
            rule=self.name,
            unit="USD",
            equity=equity,
            initial=debt + (equity - room),
            maintenance=debt,
            withdrawable=self._leaving(usd, equity - debt),
            binding=max(debts, key=lambda asset: (debts[asset], asset), default="none"),
            parts=debts,
        )

    def health_factor(self, holdings: Holdings, market: MarketValues) -> float:
        """HF; infinite without debt."""
        now = self.statement(holdings, market)
        return now.equity / now.maintenance if now.maintenance > 0 else float("inf")

    def withdrawable_usd(self, holdings: Holdings, market: MarketValues, asset: str) -> float:
        """USD of one asset that may leave so that HF stays at or above 1."""
        usd = self._usd(holdings, market)
        health = self.statement(holdings, market).health
        return self._leaving({asset: usd.get(asset, 0.0)}, health)

    def _usd(self, holdings: Holdings, market: MarketValues) -> dict[str, float]:
        prices = Prices(market, self.least_confidence)
        balances = settled(holdings).items()
        return {asset: balance * prices.usd(asset) for asset, balance in balances if balance != 0}

    def _owned(self, usd: Mapping[str, float]) -> dict[str, float]:
        return {a: v for a, v in usd.items() if v > 0 and a not in self.not_collateral}

    def _leaving(self, usd: Mapping[str, float], health: float) -> float:
        """Most that may leave: what carries no debt at all, then the assets of the least threshold,
        as each dollar of them costs least health."""
        free = sum(v for a, v in usd.items() if v > 0 and a in self.not_collateral)
        for asset, value in sorted(
            self._owned(usd).items(), key=lambda item: self.terms(item[0]).threshold
        ):
            share = float(self.terms(asset).threshold)
            part = min(value, max(0.0, health) / share) if share > 0 else value
            free, health = free + part, health - part * share
        return free

    def seizure(
        self, holdings: Holdings, market: MarketValues, collateral: str, debt: str
    ) -> Seizure | None:
        """The most that one call may repay of a debt against a collateral; None at HF >= 1.

        The whole debt of small accounts and at HF <= 0.95, else half of all debts at most; where
        the collateral does not cover debt and bonus, what it covers. A remainder that is neither
        nothing nor 1,000 USD is the caller's to avoid: see `leaves_dust`.
        """
        factor = self.health_factor(holdings, market)
        if factor >= 1.0:
            return None
        usd = self._usd(holdings, market)
        owned, owed = self._owned(usd).get(collateral, 0.0), -usd.get(debt, 0.0)
        if owned <= 0 or owed <= 0:
            raise InputError(WHERE, f"{collateral}, {debt}", "expected a collateral and a debt")
        most = owed
        if factor > WHOLE_CLOSE_BELOW_HF and min(owned, owed) >= WHOLE_CLOSE_BELOW_USD:
            most = min(owed, CLOSE_FACTOR * sum(-value for value in usd.values() if value < 0))
        bonus = float(self.terms(collateral).bonus)
        repaid = min(most, owned / (1.0 + bonus))
        return Seizure(repaid, repaid * (1.0 + bonus), repaid * bonus)


def leaves_dust(left_collateral_usd: float, left_debt_usd: float) -> bool:
    """Whether a liquidation that leaves this much is refused: either side between nothing and
    1,000 USD while the other is not cleared."""
    if left_collateral_usd <= 0 or left_debt_usd <= 0:
        return False
    return min(left_collateral_usd, left_debt_usd) < LEFT_AT_LEAST_USD
