# SPDX-License-Identifier: Apache-2.0
"""Whether accounts stand after a plan: by each venue's exact rule, and by proof over a box.

The exact rule is asked now (maintenance, and initial margin, of which a plan may leave no more open
than there was) and at every named move with the venue's prices against each position. The
certificate holds over the whole box of the mandate's stress: price by coin x the venue's spread x
vols, past the expiries of the next day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tidegate.engine.margin_book.exact_account import ExactAccount, WalletAccount
from tidegate.engine.plan.after import Changes, account_after
from tidegate.engine.plan.asking import Asked
from tidegate.engine.plan.book import PlanAccount
from tidegate.engine.plan.history_proving import history_tail_of
from tidegate.engine.plan.levels import inner_moves, worst_move
from tidegate.margin.prices import Prices
from tidegate.model.account import Account
from tidegate.model.errors import InputError
from tidegate.model.plan_terms import PlanTerms
from tidegate.model.times import DAY_MS, SECOND_MS
from tidegate.risk.certificate import Certificate, LinearAccount, Subject, certify
from tidegate.risk.certificate_bounds import Effort
from tidegate.risk.certificate_box import Box, CoinBox

CELLS = 20_000
OVER_HISTORY = "solvency over history: {insolvent} scenarios not stood, the tail holds {mass:.1f}"
NOTHING_OWED = "nothing is required: no move makes it insolvent"


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit of a venue that an account would break, and by how much, USD."""

    venue: str
    what: str
    short_usd: float


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of one account over the box: proved, a counter-example, undecided, or not
    covered, where `certificate` is None and `why` says it."""

    venue: str
    certificate: Certificate | None
    why: str

    @property
    def holds(self) -> bool:
        """Whether solvency is proved."""
        return self.why == NOTHING_OWED or (
            self.certificate is not None and self.certificate.proved
        )

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.certificate is None:
            return "proved" if self.holds else "not covered"
        return str(self.certificate.verdict)

    @property
    def lower_usd(self) -> float | None:
        """Never above the least health over the box."""
        return None if self.certificate is None else self.certificate.lower_usd

    @property
    def short_usd(self) -> float:
        """What the account lacks at least: at a counter-example its own health, since the search
        ends there and leaves the lower bound far below; elsewhere what the lower bound is short."""
        found = self.certificate
        if found is None:
            return 0.0
        return max(0.0, -found.upper_usd if found.upper_usd < 0.0 else -found.lower_usd)

    @property
    def worst(self) -> str:
        """The market of least health that was found, in words."""
        if self.certificate is None:
            return self.why
        words = []
        for coin, (price, spread, vol) in self.certificate.worst.worst.items():
            parts = [f"{coin} {price - 1.0:+.1%}"]
            parts += [f"spread {spread - 1.0:+.2%}"] if spread != 1.0 else []
            parts += [f"vols {vol - 1.0:+.0%}"] if vol != 1.0 else []
            words.append(" ".join(parts))
        return ", ".join(words) or "any"


def stress_box(terms: PlanTerms, account: PlanAccount, *, inner: bool = False) -> Box:
    """The mandate's outer stress, or the inner one, as a box, past the expiries of a day or of
    what must be unwound."""
    spread = (1.0 - terms.venue_spread, 1.0 + terms.venue_spread)
    vols = (1.0 - terms.vol.down, 1.0 + terms.vol.up)
    moves = inner_moves(terms) if inner else terms.mandate.stress.outer
    coins = {}
    for coin in account.coins:
        coins[coin] = CoinBox((1.0 - moves[coin], 1.0 + moves[coin]), spread, vols)
    horizon = max(DAY_MS, int(terms.option.unwind_before_expiry_s * SECOND_MS))
    return Box(coins, horizon)


def proof(account: PlanAccount, terms: PlanTerms, *, inner: bool = False) -> Proof:
    """The certificate of one account over the outer level, or the inner one; working orders are
    taken as cancelled."""
    book = account.book
    rule = book.rule
    holdings = replace(book.holdings, orders=())
    if _owes_nothing(account):
        return Proof(account.venue, None, NOTHING_OWED)
    box = stress_box(terms, account, inner=inner)
    try:
        subject: Subject | LinearAccount
        if isinstance(rule, ExactAccount):
            subject, box = _linear(account, rule), replace(box, horizon_ms=0)
        else:
            subject = Subject(rule, holdings, book.market)
        found = certify(subject, box, Effort(cells=CELLS))
    except InputError as error:
        return Proof(account.venue, None, str(error))
    return Proof(account.venue, found, "")


def _owes_nothing(account: PlanAccount) -> bool:
    """Whether it is cash or coins without a position or a debt, under a rule that asks for none."""
    holdings, rule = account.book.holdings, account.book.rule
    held = any(each.size for each in holdings.positions)
    owed = any(amount < 0.0 for amount in holdings.collateral.values())
    return isinstance(rule, WalletAccount | ExactAccount) and not (held or owed)


def _linear(account: PlanAccount, rule: ExactAccount) -> LinearAccount:
    """The account in lots and ticks, as the venue's rule of integers holds it; marks only of what
    is held, as the rule rounds them against it."""
    holdings = replace(account.book.holdings, orders=())
    held = rule.account(holdings)
    marks = rule.marks(holdings, Prices(account.book.market, rule.least_confidence))
    balances = {rule.unit: held.balances.get(rule.unit, 0)}
    counted = Account(held.venue, balances, held.positions)
    return LinearAccount(rule.rule, counted, rule.instruments, marks)


def breaches(asked: Asked, account: PlanAccount, changed: Changes) -> list[Breach]:
    """What the exact rule refuses of an account, before and after money that is sent has landed. Of
    one without equity that money is sent to, once it has landed alone, and the inner moves."""
    found = list[Breach]()
    drowned = account.venue in asked.drowned
    waits = account.venue in asked.waiting
    for landed in (True,) if drowned else (False, True):
        after = account_after(asked, account, changed, landed=landed)
        found += _present(account, after)
        inner = drowned or (waits and not landed)
        outer = asked.terms.mandate.stress.outer
        found += _stressed(asked.terms, after, inner_moves(asked.terms) if inner else outer)
        if not changed.transfers and not waits:
            break
    seen = None if drowned else history_tail_of(asked, account, changed)
    if seen is not None and seen.shortfall_usd > 0.0:
        what = OVER_HISTORY.format(insolvent=seen.insolvent, mass=seen.mass)
        found.append(Breach(account.venue, what, seen.shortfall_usd))
    return found


def _present(account: PlanAccount, after: PlanAccount) -> Iterator[Breach]:
    before, stated = account.statement(), after.statement()
    price = account.price(stated.unit)
    if stated.health < 0.0:
        yield Breach(account.venue, "maintenance margin now", -stated.health * price)
    gap, was = stated.initial - stated.equity, before.initial - before.equity
    if gap > max(0.0, was):
        yield Breach(account.venue, "initial margin now", (gap - max(0.0, was)) * price)


def _stressed(terms: PlanTerms, after: PlanAccount, moves: Mapping[str, float]) -> Iterator[Breach]:
    """The worst named move that the account does not stand."""
    worst, name = worst_move(terms, after, moves)
    if name:
        yield Breach(after.venue, f"stress: {name}", -worst)
