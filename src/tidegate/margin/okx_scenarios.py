# SPDX-License-Identifier: Apache-2.0
"""The stresses MR1 to MR7 and MR9 of one OKX risk unit, and what they add up to.

    MMR = max( max(MR1, MR2, MR6) + MR3 + MR4 + MR5 + MR9,  MR7 after its multipliers )

The sum is as okx.com help, multi-currency against portfolio margin, states it (13 April 2023, as of
9 July 2025). Sizes of MR1, MR4 and MR6: announcement of 2 January 2025. Multipliers of MR7 are
marginal: support article 4417291853837. A risk unit joins a coin's contracts in USD, USDT and USDC
with the spot that hedges them: announcement of 25 November 2024.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tidegate.margin.coin_books import CoinBook, Exposure
from tidegate.margin.tranches import Tranches, tranches
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, YEAR_MS
from tidegate.pricing import black76
from tidegate.pricing.arrays import FloatArray

DAY_YEARS = DAY_MS / YEAR_MS
DAYS_A_YEAR = YEAR_MS / DAY_MS


@dataclass(frozen=True, slots=True)
class DayCurve:
    """A shift by days to expiry: straight between its points, level beyond them."""

    days: tuple[float, ...]
    shifts: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.days, self.days[1:], strict=False))
        if not self.days or len(self.days) != len(self.shifts) or not rising:
            raise InputError("okx_portfolio", "curve", "expected rising days, a shift for each")

    def at(self, days: FloatArray) -> FloatArray:
        """Shifts at the days of n options, float[n]."""
        return np.interp(days, self.days, self.shifts)


@dataclass(frozen=True, slots=True)
class OkxMoves:
    """The announced sizes of one class of coins: MR1's moves (without sign), MR6's, MR4's
    annualised share; dated."""

    price_moves: tuple[float, ...]
    extreme_move: float
    basis_annual: float
    as_of: str
    source: str


@dataclass(frozen=True, slots=True)
class OkxGiven:
    """What no document that was found gives, and so the caller must.

    Attributes:
        vol_points, vol_relative: MR1's vol shifts by days to expiry, in points (30 at 0 days is all
            that could be read) and relative.
        term_twists: MR3's shifts of vol by days to expiry, in points, each a scenario.
        rate_shifts: MR5's shifts of the annual rate by days to expiry, each a scenario.
        basis_floor: least share of MR4; 0.006 for BTC and ETH in July 2023.
        extreme_share: the part of MR6's loss that counts; 1 is the most it can be.
        contract_charge, option_charge: MR7 before multipliers, shares of what is worth in contracts
            and of the coins under short options.
        minimum_tiers, depeg_tiers: multipliers of MR7 and rates of MR9, by tranche in USD.
    """

    vol_points: DayCurve
    vol_relative: DayCurve
    term_twists: tuple[DayCurve, ...]
    rate_shifts: tuple[DayCurve, ...]
    basis_floor: float
    extreme_share: float
    contract_charge: float
    option_charge: float
    minimum_tiers: Tranches
    depeg_tiers: Tranches


_ANNOUNCED = "okx.com, portfolio margin parameters, 2 January 2025"
LARGE = OkxMoves((0.0, 0.04, 0.08, 0.12), 0.24, 0.05, "2025-01-06", _ANNOUNCED)
MIDDLE = OkxMoves((0.0, 0.06, 0.12, 0.18), 0.36, 0.15, "2025-01-06", _ANNOUNCED)
OTHER = OkxMoves((0.0, 0.08, 0.16, 0.25), 0.50, 0.30, "2025-01-06", _ANNOUNCED)
LARGE_COINS = frozenset({"BTC", "ETH"})
# Of MR6 and MR4 in January 2025; by December 2025 MR1 had the same list.
MIDDLE_COINS = frozenset(
    {"SOL", "DOGE", "PEPE", "XRP", "BNB", "SHIB", "LTC", "ORDI", "WLD", "BCH", "ADA"}
)
LARGE_MINIMUM_TIERS = tranches(
    (
        ("250000", "1"),
        ("500000", "2"),
        ("1000000", "4"),
        ("2000000", "6"),
        ("3000000", "8"),
        ("4000000", "10"),
        (None, "12"),
    ),
    "2025-01-15",
    "third-party copy of okx.com, portfolio margin parameters, 2 January 2025",
)


def announced(coin: str) -> OkxMoves:
    """The announced sizes for a coin."""
    if coin in LARGE_COINS:
        return LARGE
    return MIDDLE if coin in MIDDLE_COINS else OTHER


def unit_maintenance(
    stresses: Mapping[str, Fraction], minimum: Fraction, tiers: Tranches
) -> tuple[Fraction, Fraction]:
    """MMR of a risk unit and MR7 after its multipliers, exact: see the module's formula.

    Args: `stresses` by name MR1..MR6 and MR9, those not named being 0; `minimum` is MR7 before
    multipliers, USD. Raises `InputError` for a stress that is negative or has another name.
    """
    names = ("MR1", "MR2", "MR3", "MR4", "MR5", "MR6", "MR9")
    for name, stress in stresses.items():
        if name not in names or stress < 0:
            raise InputError("okx_portfolio", name, "expected MR1 to MR6 or MR9, of at least 0")
    of = {name: stresses.get(name, Fraction(0)) for name in names}
    scanned = max(of["MR1"], of["MR2"], of["MR6"])
    total = scanned + of["MR3"] + of["MR4"] + of["MR5"] + of["MR9"]
    adjusted = tiers.charge(minimum)
    return max(total, adjusted), adjusted


@dataclass(frozen=True, slots=True, eq=False)
class RiskUnit:
    """One coin's positions with the spot that hedges them (USD per relative move, long +)."""

    book: CoinBook
    spot_usd: float
    moves: OkxMoves
    given: OkxGiven

    def stresses(self) -> dict[str, float]:
        """MR1 to MR6 and MR9, USD, each at least 0."""
        options = self.book.options is not None
        return {
            "MR1": self._spot_and_vol(),
            "MR2": self._theta() if options else 0.0,
            "MR3": self._term() if options else 0.0,
            "MR4": self._basis(),
            "MR5": self._rate() if options else 0.0,
            "MR6": self._extreme(),
            "MR9": self._depeg(),
        }

    def minimum(self) -> float:
        """MR7 before multipliers, USD."""
        charge = self.given.contract_charge * sum(abs(each.usd) for each in self.book.contracts)
        if self.book.options is None:
            return charge
        short = np.maximum(0.0, -np.asarray(self.book.options.quantity))
        return charge + self.given.option_charge * float((short * self.book.options.forward).sum())

    def _spot_and_vol(self) -> float:
        signed = np.array([s * move for move in self.moves.price_moves for s in (1.0, -1.0)])
        least = float((self.book.pnl_usd(signed) + self.spot_usd * signed).min())
        if self.book.options is None:
            return _loss(least)
        days = self.book.option_days
        for curve, relative in ((self.given.vol_points, False), (self.given.vol_relative, True)):
            for sign in (1.0, -1.0):
                shifts = np.tile(sign * curve.at(days), (len(signed), 1))
                gained = self.book.pnl_usd(signed, shifts, "relative" if relative else "additive")
                least = min(least, float((gained + self.spot_usd * signed).min()))
        return _loss(least)

    def _theta(self) -> float:
        return _loss(float(self.book.pnl_usd(0.0, elapsed_years=DAY_YEARS).min()))

    def _term(self) -> float:
        days = self.book.option_days
        twists = [curve.at(days).reshape(1, -1) for curve in self.given.term_twists]
        return max([0.0, *(_loss(float(self.book.pnl_usd(0.0, t).min())) for t in twists)])

    def _rate(self) -> float:
        return max([0.0, *(_loss(self._rate_profit(curve)) for curve in self.given.rate_shifts)])

    def _rate_profit(self, curve: DayCurve) -> float:
        """USD that options gain where forwards grow by the rate and discounts shrink by it."""
        options = self.book.options
        if options is None:
            return 0.0
        growth = np.exp(curve.at(self.book.option_days) * options.expiry_years)
        terms = (options.strike, options.expiry_years, options.vol_annual, options.is_call)
        before = black76.price(options.forward, *terms, options.discount)
        after = black76.price(options.forward * growth, *terms, options.discount / growth)
        return float(((after - before) * options.quantity).sum())

    def _extreme(self) -> float:
        signed = np.array([self.moves.extreme_move, -self.moves.extreme_move])
        gained = self.book.pnl_usd(signed) + self.spot_usd * signed
        return self.given.extreme_share * _loss(float(gained.min()))

    def _exposures(self) -> tuple[Exposure, ...]:
        return (*self.book.contracts, *self.book.option_exposures())

    def _basis(self) -> float:
        """What hedged dollars lose when expiries, perpetual and spot move apart: of the longs and
        of the shorts that offset each other, each at the share of its days."""
        legs: dict[tuple[str, float], float] = {("spot", 0.0): self.spot_usd}
        for each in self._exposures():
            key = ("contract", each.days)
            legs[key] = legs.get(key, 0.0) + each.usd
        return hedged_charge(
            list(legs.values()),
            [
                max(self.given.basis_floor, self.moves.basis_annual * days / DAYS_A_YEAR)
                for _, days in legs
            ],
        )

    def _depeg(self) -> float:
        """MR9 on the dollars that are long in one currency and short in another."""
        net: dict[str, float] = {}
        for each in self._exposures():
            net[each.currency] = net.get(each.currency, 0.0) + each.usd
        longs = sum(usd for usd in net.values() if usd > 0)
        hedged = min(longs, longs - sum(net.values()))
        return float(self.given.depeg_tiers.charge(Fraction(hedged)))


def hedged_charge(dollars: Sequence[float], shares: Sequence[float]) -> float:
    """sum_i |n_i| share_i h / side_i, with side the sum of longs or of shorts, h the lesser of the
    two: only what offsets is charged, and a book on one side nothing."""
    longs = sum(max(0.0, usd) for usd in dollars)
    shorts = sum(max(0.0, -usd) for usd in dollars)
    hedged = min(longs, shorts)
    if hedged == 0.0:
        return 0.0
    return sum(
        abs(usd) * share * hedged / (longs if usd > 0 else shorts)
        for usd, share in zip(dollars, shares, strict=True)
        if usd != 0.0
    )


def _loss(profit: float) -> float:
    return max(0.0, -profit)
