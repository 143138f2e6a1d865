# SPDX-License-Identifier: Apache-2.0
"""What a desk sees at one time: its accounts as the venues state them, and what venues announce.

Questions of "what if" are answered on these statements by each venue's own exact rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.backtest.run import Session
from tidegate.margin.rule import MarginRule
from tidegate.model.account import FLAT, Account, fill_position
from tidegate.model.instruments import Instrument, InstrumentId, Spot
from tidegate.risk.stress import Moves, stressed_health

# Beyond a doubling or a fall to nothing no desk asks how far it is.
FARTHEST_MOVE = 1.0
# What a purchase of coins keeps ready for fees and the price to move.
SPOT_RESERVE = 0.02
_BISECTIONS = 12


@dataclass(frozen=True, slots=True)
class Sight:
    """Accounts, rules in force, marks in ticks, venues that are out or frozen, all of one time."""

    ts_ms: int
    instruments: Mapping[InstrumentId, Instrument]
    marks: Mapping[InstrumentId, int]
    accounts: Mapping[str, Account]
    rules: Mapping[str, MarginRule]
    out: frozenset[str]
    frozen: frozenset[str]

    @classmethod
    def of(cls, session: Session) -> Sight:
        """What is to be seen now."""
        exchange, terms = session.exchange, session.arrangement.terms
        venues = session.arrangement.mandate.venue
        return cls(
            exchange.now_ms,
            terms.instruments,
            exchange.marks(),
            {venue: exchange.account(venue) for venue in venues},
            {venue: terms.rule(venue, exchange.now_ms) for venue in venues},
            frozenset(exchange.out_venues()),
            frozenset(exchange.frozen_venues()),
        )

    def equal(self, move: float) -> dict[str, float]:
        """The same relative move of every coin."""
        return {instrument.base: move for instrument in self.instruments.values()}

    def health(self, account: Account, moves: Moves) -> int:
        """Equity less maintenance, collateral quanta, once every position moved against us."""
        rule = self.rules[account.venue]
        return stressed_health(rule, account, self.marks, self.instruments, moves)

    def survives(self, account: Account, moves: Moves) -> bool:
        """Whether an account is solvent after adverse moves."""
        return self.health(account, moves) >= 0

    def distance(self, account: Account) -> float:
        """Largest equal relative move against all positions at once that leaves the account
        solvent, at most 1; 0 for one that is insolvent now."""
        if self.survives(account, self.equal(FARTHEST_MOVE)):
            return FARTHEST_MOVE
        good, bad = 0.0, FARTHEST_MOVE
        for _ in range(_BISECTIONS):
            middle = (good + bad) / 2
            if self.survives(account, self.equal(middle)):
                good = middle
            else:
                bad = middle
        return good

    def carries(self, account: Account, moves: Moves) -> bool:
        """Whether an account may be held: it survives the moves, its venue's initial margin would
        admit it, and coins in it are paid for with a little left for fees."""
        state = self.rules[account.venue].state(account, self.marks)
        cash = account.balances.get(self.cash(account.venue), 0)
        paid = bool(account.positions) or cash >= SPOT_RESERVE * state.equity
        return paid and state.equity >= state.initial and self.survives(account, moves)

    def cash(self, venue: str) -> str:
        """The asset in which a venue margins."""
        return self.rules[venue].collateral

    def with_money(self, account: Account, quanta: int) -> Account:
        """The account with more collateral."""
        asset = self.cash(account.venue)
        balances = {**account.balances, asset: account.balances.get(asset, 0) + quanta}
        return Account(account.venue, balances, account.positions)

    def after(self, account: Account, trades: Mapping[InstrumentId, int]) -> Account:
        """The account once signed lots have traded at the marks, costs left out."""
        balances, positions = dict(account.balances), dict(account.positions)
        for name, lots in trades.items():
            if not lots:
                continue
            instrument = self.instruments[name]
            cost, settle = instrument.entry_cost(lots, self.marks[name]), instrument.settle
            if isinstance(instrument, Spot):
                coins = balances.get(instrument.base, 0) + instrument.base_quanta(lots)
                balances |= {instrument.base: coins, settle: balances.get(settle, 0) - cost}
                continue
            filled = fill_position(positions.get(name, FLAT), lots, cost)
            positions[name] = filled.position
            balances[settle] = balances.get(settle, 0) + filled.realised_quanta
        return Account(account.venue, balances, {n: p for n, p in positions.items() if p.lots})

    def held(self, account: Account) -> dict[InstrumentId, int]:
        """Signed lots of every position and coin of an account."""
        lots = {name: position.lots for name, position in account.positions.items()}
        for name, instrument in self.instruments.items():
            if instrument.venue == account.venue and isinstance(instrument, Spot):
                coins = account.balances.get(instrument.base, 0)
                lots[name] = coins // instrument.base_quanta(1)
        return {name: count for name, count in lots.items() if count}

    def exposed(self) -> list[str]:
        """Venues where something could be liquidated."""
        return [venue for venue, account in self.accounts.items() if account.positions]
