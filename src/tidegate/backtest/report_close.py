# SPDX-License-Identifier: Apache-2.0
"""When an account was near its end, and why it lived: what would have been had nothing been done.

An approach is judged as the exchange judged it, at the adverse extremes of its step and by the
exact rule. The account of a day before is put in its place, once as it was and once with the money
that came and went since; what lies between the three is what the transfers and the cuts were worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.measures import NEAR_RATIO, SAFE_RATIO, quanta_usd
from tidegate.backtest.report_summary import dollars, minute
from tidegate.backtest.run import Outcome
from tidegate.engine.page import Columns, table
from tidegate.ledger.book import Ledger
from tidegate.model.account import Account
from tidegate.model.events import Event, LiquidationStarted, TransferLanded, TransferSent
from tidegate.model.times import DAY_MS
from tidegate.simulation.books import Extreme
from tidegate.simulation.tape import Tape

LISTED = 5


@dataclass(frozen=True, slots=True)
class Approach:
    """One account at its lowest: health is equity over maintenance, and `before` its highest in the
    day before (None: nothing was margined). `idle` is the health had nothing been done for a day,
    or since the account was first margined within it; `moved` had only the money moved; None where
    nothing was margined before. Amounts are what landed, left and was cut since, in USD."""

    ts_ms: int
    venue: str
    equity_usd: float
    maintenance_usd: float
    before: float | None
    idle: float | None
    moved: float | None
    landed_usd: float
    left_usd: float
    cut_usd: float
    died: bool

    @property
    def health(self) -> float:
        """Equity over maintenance."""
        return self.equity_usd / self.maintenance_usd

    @property
    def near(self) -> bool:
        """Whether it counts as a near-liquidation."""
        return self.health < NEAR_RATIO

    def why(self) -> str:
        """Why the account lived, by rule."""
        above = dollars(self.equity_usd - self.maintenance_usd)
        if self.died:
            return "it did not: the venue took it over"
        if self.idle is None:
            return f"buffer: {above} above maintenance; nothing was margined before"
        if self.idle >= 1.0:
            return f"buffer: {above} above maintenance; it would have lived with nothing done"
        if self.moved is not None and self.moved >= 1.0:
            return "the money that landed: without it the venue would have taken the account over"
        if self.cut_usd > 0.0:
            with_money = " and the money together" if self.landed_usd > self.left_usd else ""
            return f"the cuts{with_money}: without them the venue would have taken it over"
        return "what was traded in the day before; neither money nor cuts alone"


def lowest(extremes: Sequence[Extreme]) -> tuple[Extreme, ...]:
    """The lowest point of every near-liquidation, as `near_liquidations` counts them, and beside
    them the lowest others up to `LISTED` in all, a day apart in one account; in time order."""
    margined = [e for e in extremes if e.maintenance > 0]
    found = list(_near(margined))
    for extreme in sorted(margined, key=_ratio):
        if len(found) >= LISTED:
            break
        if _apart(extreme, found):
            found.append(extreme)
    return tuple(sorted(found, key=lambda e: (e.ts_ms, e.venue)))


def _ratio(extreme: Extreme) -> float:
    return extreme.equity / extreme.maintenance


def _near(margined: Sequence[Extreme]) -> Iterator[Extreme]:
    falls: dict[str, Extreme] = {}
    for extreme in margined:
        ratio = _ratio(extreme)
        if ratio > SAFE_RATIO:
            if extreme.venue in falls:
                yield falls.pop(extreme.venue)
        elif extreme.venue in falls:
            falls[extreme.venue] = min(falls[extreme.venue], extreme, key=_ratio)
        elif ratio < NEAR_RATIO:
            falls[extreme.venue] = extreme
    yield from falls.values()


def approaches(outcome: Outcome, arrangement: Arrangement, tape: Tape) -> tuple[Approach, ...]:
    """The approaches of a run, in time order."""
    judge = _Judge(arrangement, tape, outcome)
    chosen = {*lowest(outcome.extremes), *rescued(judge, outcome, arrangement, tape)}
    ordered = sorted(chosen, key=lambda e: (e.ts_ms, e.venue))
    points = [(point, _since(outcome.extremes, point)) for point in ordered]
    wanted = {(ts, p.venue) for p, since in points for ts in (p.ts_ms, since)}
    accounts = _accounts(outcome.events, arrangement, sorted(wanted))
    return tuple(judge.approach(p, since, accounts) for p, since in points)


def rescued(
    judge: _Judge, outcome: Outcome, arrangement: Arrangement, tape: Tape
) -> tuple[Extreme, ...]:
    """Where an account would have been taken over had nothing been done for a day: of the steps in
    which a price was at its highest or lowest of the day, those worst for the account of a day
    before, a day apart in one account and up to `LISTED`."""
    turns = _turns(tape)
    tested = [e for e in outcome.extremes if e.maintenance > 0 and e.ts_ms in turns]
    wanted = sorted({(e.ts_ms - DAY_MS, e.venue) for e in tested})
    past = _accounts(outcome.events, arrangement, wanted)
    idle = [(judge.health(past[e.ts_ms - DAY_MS, e.venue], e.ts_ms), e) for e in tested]
    dead = [(health, e) for health, e in idle if health is not None and health < 1.0]
    found: list[Extreme] = []
    for _, extreme in sorted(dead, key=lambda pair: (pair[0], pair[1].ts_ms)):
        if len(found) < LISTED and _apart(extreme, found):
            found.append(extreme)
    return tuple(found)


def _turns(tape: Tape) -> set[int]:
    """When the steps begin in which a mark was at its highest or lowest of a day."""
    per_day = DAY_MS // tape.step_ms
    found = set()
    for track in tape.tracks.values():
        for first in range(0, tape.steps, per_day):
            steps = range(first, min(first + per_day, tape.steps))
            found |= {
                min(steps, key=track.mark_low.__getitem__),
                max(steps, key=track.mark_high.__getitem__),
            }
    return {tape.start_ms + step * tape.step_ms for step in found}


def _apart(extreme: Extreme, found: Sequence[Extreme]) -> bool:
    return all(abs(f.ts_ms - extreme.ts_ms) >= DAY_MS for f in found if f.venue == extreme.venue)


def _since(extremes: Sequence[Extreme], point: Extreme) -> int:
    """A day before a point, or when its account was first margined within that day."""
    day = point.ts_ms - DAY_MS
    own = [e for e in extremes if e.venue == point.venue and e.maintenance > 0]
    if any(e.ts_ms <= day for e in own):
        return day
    return min(e.ts_ms for e in own)


Accounts = Mapping[tuple[int, str], Account]


def _accounts(
    events: Sequence[Event], arrangement: Arrangement, wanted: Sequence[tuple[int, str]]
) -> Accounts:
    """Accounts after all events up to each time, out of one fold."""
    terms = arrangement.terms
    ledger = Ledger(terms.instruments, arrangement.stable_price_micro, arrangement.coin_marks)
    found, index = {}, 0
    for ts_ms, venue in wanted:
        while index < len(events) and events[index].ts_ms <= ts_ms:
            ledger.post(events[index])
            index += 1
        found[ts_ms, venue] = ledger.account(venue)
    return found


class _Judge:
    """Judges accounts of one run as its exchange did."""

    def __init__(self, arrangement: Arrangement, tape: Tape, outcome: Outcome) -> None:
        self._arrangement, self._tape, self._outcome = arrangement, tape, outcome

    def approach(self, point: Extreme, since: int, accounts: Accounts) -> Approach:
        """What was at a lowest point, and what would have been by the account of before."""
        at, venue = point.ts_ms, point.venue
        asset = self._arrangement.mandate.venue[venue].collateral
        now, past = accounts[at, venue], accounts[since, venue]
        landed, left = self._moved(venue, asset, since, at)
        balance = past.balances.get(asset, 0) + landed - left
        before = [
            _ratio(e)
            for e in self._outcome.extremes
            if e.venue == venue and e.maintenance > 0 and since <= e.ts_ms < at
        ]
        died = any(
            isinstance(e, LiquidationStarted) and (e.venue, e.ts_ms) == (venue, at)
            for e in self._outcome.events
        )

        def usd(quanta: int) -> float:
            return quanta_usd(quanta, asset, self._arrangement)

        return Approach(
            ts_ms=at,
            venue=venue,
            equity_usd=usd(point.equity),
            maintenance_usd=usd(point.maintenance),
            before=max(before, default=None),
            idle=self.health(past, at),
            moved=self.health(
                Account(venue, {**past.balances, asset: balance}, past.positions), at
            ),
            landed_usd=usd(landed),
            left_usd=usd(left),
            cut_usd=usd(self._cut(past, now, at)),
            died=died,
        )

    def health(self, account: Account, at: int) -> float | None:
        """Health in the step that begins at a time, each position at its own extreme and indices
        at their highest; None where nothing is margined."""
        step, tracks = self._tape.step_at(at), self._tape.tracks
        marks = {
            name: track.mark_close[step - 1] if step else track.open[0]
            for name, track in tracks.items()
        }
        for name in tracks.keys() - self._arrangement.terms.instruments.keys():
            marks[name] = tracks[name].mark_high[step]
        for name, position in account.positions.items():
            track = tracks[name]
            marks[name] = (track.mark_low if position.lots > 0 else track.mark_high)[step]
        rule = self._arrangement.terms.rule(account.venue, at)
        equity, maintenance = rule.health_at(account, marks)
        return equity / maintenance if maintenance > 0 else None

    def _moved(self, venue: str, asset: str, since: int, at: int) -> tuple[int, int]:
        """Quanta of collateral that landed at a venue and left it between two times."""
        landed = left = 0
        for event in self._outcome.events:
            if not since < event.ts_ms <= at:
                continue
            match event:
                case TransferLanded() if (event.destination, event.asset) == (venue, asset):
                    landed += event.quanta
                case TransferSent() if (event.source, event.asset) == (venue, asset):
                    left += event.quanta
        return landed, left

    def _cut(self, past: Account, now: Account, at: int) -> int:
        """Notional, in quanta, by which positions are smaller than before."""
        step, total = self._tape.step_at(at), 0
        for name, position in past.positions.items():
            left = now.positions[name].lots if name in now.positions else 0
            same = left if (left > 0) == (position.lots > 0) else 0
            lots = max(0, abs(position.lots) - abs(same))
            if lots:
                instrument = self._arrangement.terms.instruments[name]
                total += instrument.notional(lots, self._tape.tracks[name].open[step])
        return total


COLUMNS = Columns(
    (
        *("time UTC", "account", "health", "a day's highest", "landed, USD", "left, USD"),
        *("cut, USD", "health, nothing done", "money alone", "why it lived"),
    ),
    numeric=range(2, 9),
    short=(1,),
)


def close_section(found: Sequence[Approach] | None, label: str) -> str:
    """The approaches as a section of the report; None where prices are not at hand."""
    title = '<h2 id="close">When it was close to dying, and why it did not</h2>\n'
    if found is None:
        return title + "<p>Not computed: the study holds no prices.</p>"
    if not found:
        return title + "<p>No account was ever margined.</p>"
    near, died = sum(a.near for a in found), sum(a.died for a in found)
    least = min(found, key=lambda a: a.health)
    count = f"{near or 'No'} near-liquidation{'' if near <= 1 else 's'}"
    ended = f", {died} of them to the end" if died else ""
    saved = sum(a.idle is not None and a.idle < 1.0 and not a.died for a in found)
    said = (
        f"<p>{count}{ended}. The nearest was {least.health:.2f} times maintenance at "
        f"{escape(least.venue)}, {minute(least.ts_ms)}: {escape(least.why())}. In {saved} of the "
        f"{len(found)} points below the account of a day before would have been taken over had "
        "nothing been done.</p>\n"
    )
    caption = (
        f"{label}: every fall of an account's equity below {NEAR_RATIO:g} times maintenance "
        f"(counted again only after {SAFE_RATIO:g}), and the lowest points beside them up to "
        f"{LISTED} in all; then the points, up to {LISTED}, at which it would have been taken over "
        "had nothing been done for a day, by days' highest and lowest prices. Judged at adverse "
        "extremes inside the bar. 'Nothing done' puts the account of a day before there (or of "
        "when it was first margined within it), 'money alone' the same with what landed and left "
        "since; funding and yield of that day are in neither. At 1 the venue takes over."
    )
    return title + said + table(COLUMNS, [_row(a) for a in found], caption)


def _row(a: Approach) -> list[str]:
    def ratio(value: float | None) -> str:
        return "none" if value is None else f"{value:,.2f}"

    return [
        minute(a.ts_ms),
        a.venue,
        f"{a.health:,.2f}",
        ratio(a.before),
        f"{round(a.landed_usd):,}",
        f"{round(a.left_usd):,}",
        f"{round(a.cut_usd):,}",
        ratio(a.idle),
        ratio(a.moved),
        a.why(),
    ]
