# SPDX-License-Identifier: Apache-2.0
"""Deribit standard margin of an account that holds options beside perpetuals and futures.

A short option needs, with W what its underlying coins are worth in the settlement asset (a number
of coins, or of dollars), P its mark premium, and `out` how far it is out of the money,

    initial      call  max(a - out / U, b) W + P      put  the same, or maintenance if larger
    maintenance  call  m W + P                        put  m max(W, P) + P

and a long one nothing, because its premium is paid. In integers, rounded up once a position.

The account's `equity` is the venue's margin balance: the wallet less premiums paid, plus premiums
received, plus unrealised profit of contracts. The marks of options are not in it, neither as
collateral when long nor as a debt when short, where the requirement holds P instead.

Source: margin balance, equity and funds for withdrawal as docs.deribit.com, get_account_summary,
defines them (stored copy read in November 2026; its example is a test). Shares as doc.tslab.pro
reproduces the official page (third party, undated). Long options lend no margin and their premium
leaves the cash balance at once: support.deribit.com, 25944777072669 and 25944688327069. Not
pinned, and so taken as follows: U is the underlying that the caller names for each option; W of
options settled in dollars is at U as well; open orders reserve nothing; what a round of
liquidation closes, and that it turns to long options last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm

from tidegate.margin.deribit import LIQUIDATION_ROUNDS, DeribitStandard, closed_lots
from tidegate.margin.rule import Lines, LiquidationStep, MarginState, Marks
from tidegate.model.account import Account
from tidegate.model.errors import InputError
from tidegate.model.instruments import Index, InstrumentId, Option
from tidegate.model.units import MICRO, ceil_div, unit_quanta

WHERE = "deribit option margin"


@dataclass(frozen=True, slots=True)
class OptionRates:
    """What one coin's short options need, as shares of the underlying: `initial` (a) falls with
    the distance out of the money down to `initial_floor` (b); `maintenance` is m. Dated, sourced.
    `clearance_ppm` is the liquidation fee on the worth of the underlying coins."""

    initial: Fraction
    initial_floor: Fraction
    maintenance: Fraction
    clearance_ppm: int
    as_of: str
    source: str

    def __post_init__(self) -> None:
        if not 0 < self.maintenance <= self.initial_floor <= self.initial <= 1:
            raise InputError(
                self.source, "maintenance, initial_floor, initial", "expected 0 < m <= b <= a <= 1"
            )
        if not 0 <= self.clearance_ppm <= MICRO:
            raise InputError(self.source, "clearance_ppm", "expected 0 to 1000000 ppm")


@dataclass(frozen=True, slots=True)
class ShortOption:
    """The requirement on short lots of one option, prepared in integers.

    The strike is `strike` / `moneyness_unit` ticks of the underlying, the shares are over `unit`,
    and W is lots x (ticks of the underlying unless settled in coin) x `worth` / `worth_unit`.
    """

    option: Option
    strike: int
    moneyness_unit: int
    initial: int
    initial_floor: int
    maintenance: int
    unit: int
    worth: int
    worth_unit: int

    def initial_margin(self, lots: int, ticks: int, underlying_ticks: int) -> int:
        """Initial requirement on short `lots` (> 0) at a mark and an underlying, in quanta."""
        price = underlying_ticks * self.moneyness_unit
        out = max(0, self.strike - price if self.option.is_call else price - self.strike)
        share = max(self.initial * price - self.unit * out, self.initial_floor * price)
        worth, worth_unit = self._worth(lots, underlying_ticks)
        needed = self._with_premium(worth * share, worth_unit * self.unit * price, lots * ticks)
        if self.option.is_call:
            return needed
        return max(needed, self.maintenance_margin(lots, ticks, underlying_ticks))

    def maintenance_margin(self, lots: int, ticks: int, underlying_ticks: int) -> int:
        """Maintenance requirement on short `lots` (> 0), in quanta."""
        larger, larger_unit = self._worth(lots, underlying_ticks)
        premium = lots * ticks * self.option.unit_numerator
        premium_unit = self.option.unit_denominator
        if not self.option.is_call and premium * larger_unit > larger * premium_unit:
            larger, larger_unit = premium, premium_unit
        share = self.maintenance * larger
        return self._with_premium(share, self.unit * larger_unit, lots * ticks)

    def _worth(self, lots: int, underlying_ticks: int) -> tuple[int, int]:
        """W as numerator and denominator."""
        size = lots if self.option.coin_settled else lots * underlying_ticks
        return size * self.worth, self.worth_unit

    def _with_premium(self, share: int, share_unit: int, lots_ticks: int) -> int:
        premium, unit = lots_ticks * self.option.unit_numerator, self.option.unit_denominator
        return ceil_div(share * unit + premium * share_unit, share_unit * unit)


def short_option(option: Option, underlying: Index, rates: OptionRates) -> ShortOption:
    """An option's requirement when short, under its coin's rates, prepared in integers."""
    shares = (rates.initial, rates.initial_floor, rates.maintenance)
    unit = lcm(*(share.denominator for share in shares))
    initial, initial_floor, maintenance = (int(share * unit) for share in shares)
    strike = Fraction(option.strike) / Fraction(underlying.tick)
    worth = Fraction(option.lot) * unit_quanta(option.settle)
    if not option.coin_settled:
        worth *= Fraction(underlying.tick)
    return ShortOption(
        option=option,
        strike=strike.numerator,
        moneyness_unit=strike.denominator,
        initial=initial,
        initial_floor=initial_floor,
        maintenance=maintenance,
        unit=unit,
        worth=worth.numerator,
        worth_unit=worth.denominator,
    )


@dataclass(frozen=True, slots=True)
class DeribitOptions:
    """Standard margin of one settlement asset's account with options (segregated model).

    `contracts` is the rule of its perpetuals and futures, `underlyings` names the index whose mark
    is each option's U, and `rates` are by coin. Marks must hold every position and every
    underlying of a position: a missing one raises `InputError`. `withdrawable` is what the venue
    says of it, min(cash, margin balance) - initial, so that a session's profit stays; as in
    `DeribitStandard`, profit realised since the last settlement is counted as cash too early.
    """

    contracts: DeribitStandard
    options: Mapping[InstrumentId, Option]
    underlyings: Mapping[InstrumentId, Index]
    rates: Mapping[str, OptionRates]
    _shorts: Mapping[InstrumentId, ShortOption] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name, option in self.options.items():
            if option.settle != self.collateral:
                raise InputError(WHERE, name, f"expected an option settled in {self.collateral}")
            if not option.coin_settled and unit_quanta(option.settle) != MICRO:
                raise InputError(WHERE, name, "expected to be settled in its coin or in dollars")
            if name not in self.underlyings:
                raise InputError(WHERE, name, "expected its underlying's index")
            if option.base not in self.rates:
                raise InputError(WHERE, name, f"expected the option rates of {option.base}")
        shorts = {
            name: short_option(option, self.underlyings[name], self.rates[option.base])
            for name, option in self.options.items()
        }
        object.__setattr__(self, "_shorts", shorts)

    @property
    def collateral(self) -> str:
        """Asset in which the account is margined."""
        return self.contracts.collateral

    def health_at(self, account: Account, marks: Marks) -> tuple[int, int]:
        """Margin balance and maintenance requirement in collateral quanta."""
        balance, maintenance = self.contracts.health_at(self._plain(account, marks), marks)
        for name, position in account.positions.items():
            if name in self.options:
                balance -= position.cost
                maintenance += self.maintenance(name, position.lots, marks)
        return balance, maintenance

    def equity(self, account: Account, marks: Marks) -> int:
        """What the account is worth, the marks of its options included, in collateral quanta."""
        return self.health_at(account, marks)[0] + sum(
            option.value(account.positions[name].lots, _mark(marks, name, 0))
            for name, option in self.options.items()
            if name in account.positions
        )

    def state(self, account: Account, marks: Marks) -> MarginState:
        """Exact state of the account; see `MarginState` and, for its equity, the module."""
        balance, maintenance = self.health_at(account, marks)
        required = {n: self.initial(n, p.lots, marks) for n, p in account.positions.items()}
        initial = sum(required.values())
        premiums = sum(p.cost for n, p in account.positions.items() if n in self.options)
        cash = account.balances.get(self.collateral, 0) - premiums
        withdrawable = max(0, min(cash, balance) - initial)
        binding = max(required, key=lambda name: (required[name], name), default=None)
        return MarginState(balance, initial, maintenance, withdrawable, binding)

    def initial(self, name: InstrumentId, lots: int, marks: Marks) -> int:
        """Initial requirement of one position, in collateral quanta."""
        if name not in self.options:
            return self.contracts.initial(name, lots, marks)
        ticks, underlying = self._priced(name, marks)
        return self._shorts[name].initial_margin(-lots, ticks, underlying) if lots < 0 else 0

    def maintenance(self, name: InstrumentId, lots: int, marks: Marks) -> int:
        """Maintenance requirement of one position, in collateral quanta."""
        if name not in self.options:
            return self.contracts.maintenance(name, lots, marks)
        ticks, underlying = self._priced(name, marks)
        return self._shorts[name].maintenance_margin(-lots, ticks, underlying) if lots < 0 else 0

    def lines(self, name: InstrumentId, lowest_ticks: int, span_usd: float) -> Lines:
        """Convex maintenance of a contract; an option's is no function of its own notional, and
        raises `InputError`."""
        if name in self.options:
            raise InputError(WHERE, name, "expected a perpetual or future: options have no lines")
        return self.contracts.lines(name, lowest_ticks, span_usd)

    def liquidation_step(
        self, account: Account, marks: Marks, attempt: int
    ) -> LiquidationStep | None:
        """Below maintenance a part of the position that requires most is closed, round by round,
        as `DeribitStandard` does it; where nothing is required any more, of the long option that
        is worth most. From the 32nd round on all is closed at once, and so is an account that is
        worth nothing with its options, without a fee: the insurance fund bears it."""
        if not any(name in self.options for name in account.positions):
            return self.contracts.liquidation_step(account, marks, attempt)
        balance, maintenance = self.health_at(account, marks)
        if balance >= maintenance:
            return None
        ruined = self.equity(account, marks) <= 0
        if ruined or attempt + 1 >= LIQUIDATION_ROUNDS:
            closes = tuple((name, -p.lots) for name, p in account.positions.items())
            return LiquidationStep(closes, False, {} if ruined else self._clearance())
        name = max(account.positions, key=lambda n: self._rank(n, account, marks))
        lots = closed_lots(account.positions[name].lots, attempt)
        return LiquidationStep(((name, lots),), False, self._clearance())

    def _rank(self, name: InstrumentId, account: Account, marks: Marks) -> tuple[int, int, str]:
        lots = account.positions[name].lots
        option = self.options.get(name)
        value = 0 if option is None else option.value(lots, _mark(marks, name, 0))
        return self.maintenance(name, lots, marks), value, name

    def _clearance(self) -> dict[InstrumentId, int]:
        fees = {
            name: self.rates[option.base].clearance_ppm for name, option in self.options.items()
        }
        return {**self.contracts.clearance_ppm, **fees}

    def _plain(self, account: Account, marks: Marks) -> Account:
        """The account without its options; every position must be known and marked."""
        held = {}
        for name, position in account.positions.items():
            if name in self.options:
                _mark(marks, name, 0)
                continue
            if name not in self.contracts.instruments:
                raise InputError(WHERE, name, "expected an option or contract of this account")
            _mark(marks, name, 1)
            held[name] = position
        return Account(account.venue, account.balances, held)

    def _priced(self, name: InstrumentId, marks: Marks) -> tuple[int, int]:
        """Marks of an option, which may be worth nothing, and of its underlying, in ticks."""
        return _mark(marks, name, 0), _mark(marks, self.underlyings[name].id, 1)


def _mark(marks: Marks, name: str, least: int) -> int:
    """A mark in ticks; a missing one, or one below the least, raises `InputError`."""
    ticks = marks.get(name, least - 1)
    if ticks < least:
        raise InputError("marks", name, f"expected a mark of at least {least} ticks")
    return ticks
