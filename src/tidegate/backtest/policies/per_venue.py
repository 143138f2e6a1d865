# SPDX-License-Identifier: Apache-2.0
"""Every venue run by its own optimiser, without the join: what Tidegate would be if it saw one
account at a time."""

from __future__ import annotations

from tidegate.backtest.policies.pairs import Pairs
from tidegate.backtest.policies.rolling import free_profit
from tidegate.backtest.policies.sight import Sight
from tidegate.backtest.policies.sizing import equities_usd, grow, needs, shifts, spare_usd
from tidegate.backtest.policies.threshold import BOOK_BAND
from tidegate.backtest.policies.trading import Trader
from tidegate.backtest.run import Session
from tidegate.model.account import Account
from tidegate.model.instruments import InstrumentId
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.risk.stress import Moves, scaled

WEEK_MS = 7 * DAY_MS
# After a cut nothing grows back for so long, or each swing of a price would be paid for twice.
QUIET_MS = 6 * HOUR_MS
# A cut goes a little beyond the inner level, so that the next look does not cut again at once.
SPARE = 0.1
_PARTS = 128


class PerVenuePolicy:
    """The same pairs and size as the fixed rule, but each account keeps by itself only the share
    that survives its own stress, by its exact rule: it grows to what survives the mandate's outer
    moves (hourly, when nothing was cut for six hours) and cuts when the inner ones no longer hold
    (every step). The partner legs are matched down in the same step. Money stays where it is but
    for a weekly even-out. After a liquidation orphans are closed and the rest carries on."""

    def __init__(self, session: Session, pairs: Pairs, leverage: float) -> None:
        self._session, self._pairs, self._leverage = session, pairs, leverage
        self._trader = Trader(session)
        self._needs = needs(self._trader.instruments, pairs) if pairs else {}
        self._outer = session.arrangement.mandate.stress.outer
        self._inner = session.arrangement.mandate.stress.inner
        self._start_ms = session.exchange.now_ms
        self._cut_ms = -DAY_MS
        self._legs = {name for pair in pairs for name in pair}
        self.decisions = 0

    @property
    def refused(self) -> bool:
        """Whether some opening order was refused."""
        return self._trader.refused

    def act(self, ts_ms: int) -> None:
        """Cut what no longer survives, match partners; then even out weekly and grow hourly."""
        self.decisions += 1
        self._match()
        cuts = [self._cut(venue) for venue in Sight.of(self._session).exposed()]
        if any(cuts):
            self._cut_ms = ts_ms
        self._match()
        since_ms = ts_ms - self._start_ms
        if since_ms % WEEK_MS == 0 and self._pairs:
            self._even_out()
        quiet = ts_ms - self._cut_ms >= QUIET_MS
        if since_ms % HOUR_MS == 0 and self._pairs:
            self._size(quiet)
            self._match()

    def _match(self) -> None:
        for pair in self._pairs:
            self._trader.match(pair)

    def _cut(self, venue: str) -> bool:
        """Keep the largest share of all legs that survives the inner moves and a little more;
        whether anything had to go."""
        sight = Sight.of(self._session)
        account = sight.accounts[venue]
        if venue in sight.out or sight.survives(account, self._inner):
            return False
        legs = {name: lots for name, lots in sight.held(account).items() if name in self._legs}
        share = largest_share(sight, account, legs, scaled(self._inner, 1.0 + SPARE))
        for name, lots in legs.items():
            self._trader.order(name, int(lots * share) - lots)
        return True

    def _size(self, quiet: bool) -> None:
        """Trim what equity no longer stands behind; when quiet, grow every pair to the smaller of
        what its two venues would take."""
        gross_usd = self._leverage * max(0.0, self._trader.equity_usd())
        leg_usd = self._trader.leg_usd(gross_usd, self._pairs)
        for pair in self._pairs:
            held_usd = max(self._trader.size_usd(name) for name in pair)
            if held_usd > BOOK_BAND * leg_usd:
                self._trader.keep(pair, leg_usd / held_usd)
        shares = self._shares(leg_usd) if quiet else {}
        for pair in self._pairs if quiet else ():
            share = min(shares[self._trader.instruments[name].venue] for name in pair)
            grow(self._trader, pair, share * leg_usd, self._outer)

    def _shares(self, leg_usd: float) -> dict[str, float]:
        """Per venue, the largest share of its target legs that survives the outer moves alone."""
        sight = Sight.of(self._session)
        targets: dict[str, dict[InstrumentId, int]] = {venue: {} for venue in sight.accounts}
        for pair in self._pairs:
            for name, lots in self._trader.leg_lots(pair, leg_usd).items():
                targets[self._trader.instruments[name].venue][name] = lots
        return {
            venue: largest_share(sight, sight.accounts[venue], legs, self._outer)
            for venue, legs in targets.items()
        }

    def _even_out(self) -> None:
        """Bring money to where legs stand, each account giving only what it can spare."""
        sight = Sight.of(self._session)
        have = equities_usd(sight)
        wanted = {venue: share * sum(have.values()) for venue, share in self._needs.items()}
        for source, destination, amount_usd in shifts(have, wanted):
            if {source, destination} & sight.frozen:
                continue
            sendable = min(amount_usd, spare_usd(sight, source, self._outer))
            free_profit(self._trader, source, sendable)
            self._trader.transfer(source, destination, sendable)


def largest_share(
    sight: Sight, account: Account, legs: dict[InstrumentId, int], moves: Moves
) -> float:
    """Largest share of target legs (signed lots) that an account survives adverse moves with, in
    place of what it holds of them now; 0 where no share is small enough."""
    held = sight.held(account)

    def survives(parts: int) -> bool:
        trades = {n: int(lots * parts / _PARTS) - held.get(n, 0) for n, lots in legs.items()}
        return sight.survives(sight.after(account, trades), moves)

    if survives(_PARTS):
        return 1.0
    low, high = 0, _PARTS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if survives(middle) else (low, middle)
    return low / _PARTS
