# SPDX-License-Identifier: Apache-2.0
"""A venue fails in a crisis: what it takes, against what the mandate allowed it to hold.

The crisis is the one of that name (-15 % in 30 minutes, a twentieth of the depth, a freeze of 24
hours, half of the winners closed); then the venue is gone. With E the equity after the last
decision before that, by its marks, what must hold is

    claim                 <= cap x E
    orphan loss           <= stated orphan loss
    claim + orphan loss   <= cap x E + stated orphan loss

where claim is all that the venue owes then, money on the way to it and from it included; the orphan
loss is E - claim less what is left at the first look at which every coin is hedged again, so that
it has the price of the partners, every cost and what the venue's last minutes changed; and the
stated one is `risk.claims.failure_loss` after the same decision, at the inner moves: those that may
come before the next look. The first and the third must hold; the second is counted apart, since no
move is the largest that can come within a look. No account at another venue is liquidated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import numpy as np

from tidegate.backtest.experiment import Experiment, Spec, run, terms_at
from tidegate.backtest.run import Outcome, Session
from tidegate.backtest.trial.contest import Contest, book, make_contest
from tidegate.backtest.trial.worlds import WORLDS
from tidegate.model.errors import ensure
from tidegate.model.events import LiquidationStarted
from tidegate.model.mandate import Mandate
from tidegate.model.times import HOUR_MS, MINUTE_MS
from tidegate.model.units import MICRO, usd
from tidegate.risk.claims import failure_loss
from tidegate.risk.limits import gross_after_usd
from tidegate.risk.plan import Plan, Situation, Terms, net_coins
from tidegate.simulation.tape import Failure

CALM_DAYS = 1
CLAIM_CAP, CLAIMS_COUNTED = 0.4, 1.0
# With the demo's own limit of 5 and its inner moves a few accounts die of the crash itself, before
# any venue has failed (seeds 116 and 158); a mandate that stands it leaves the failure alone.
LEVERAGE, INNER_MULTIPLE = 2.5, 1.75
# Half of the failures fall into the move, half into the freeze after it.
IN_THE_MOVE_MS, IN_THE_FREEZE_MS = 45 * MINUTE_MS, 12 * HOUR_MS
LEFT_MS = 2 * HOUR_MS
# A withdrawal that was asked for this long ago is out: half of a median transfer is the venue's.
HOLDS_MS = 5 * MINUTE_MS


class Verdict(msgspec.Struct, frozen=True):
    """One failure; shares are of the equity after the last decision before it. `hedged_s` is how
    long after it every coin was hedged again (None: not by the end), `largest_claim` the largest
    that any venue owed at a look, over its cap, `liquidated` other venues that took over."""

    world: str
    seed: int
    policy: str
    venue: str
    frozen_for_s: float
    equity_usd: float
    cap: float
    claim: float
    orphan: float
    stated: float
    orphan_loss: float
    gross: float
    hedged_s: float | None
    largest_claim: float
    liquidated: tuple[str, ...]

    @property
    def margin(self) -> float:
        """What is left of cap and stated loss."""
        return self.cap + self.stated - self.claim - self.orphan_loss

    @property
    def holds(self) -> bool:
        """Whether the claim and its sum with the orphan loss are within their bounds, the book is
        hedged again, and no other account died."""
        within = self.claim <= self.cap and self.margin >= 0
        return within and self.hedged_s is not None and not self.liquidated


def mandate_with_caps(cap: float = CLAIM_CAP, claims: float = CLAIMS_COUNTED) -> Mandate:
    """The demo's book with a claim cap that binds at each of its venues, and wider inner moves."""
    said = book()
    venues = {n: msgspec.structs.replace(v, claim_cap=cap) for n, v in said.venue.items()}
    inner = {coin: INNER_MULTIPLE * move for coin, move in said.stress.inner.items()}
    stress = msgspec.structs.replace(said.stress, claims=claims, inner=inner)
    return msgspec.structs.replace(said, venue=venues, stress=stress)


def failing(contest: Contest, seed: int) -> tuple[Contest, Failure]:
    """The contest with a venue's failure: of even seeds the one that the crisis strikes, of odd
    ones the one where the most pairs have a leg."""
    start, struck = contest.crisis_start_ms, contest.crisis_venue
    ensure(start is not None and struck is not None, "a contest with a failure has a crisis")
    experiment = contest.experiment
    rng = np.random.default_rng([seed, 0x1F])
    first, last = (0, IN_THE_MOVE_MS) if seed // 2 % 2 else (IN_THE_MOVE_MS, IN_THE_FREEZE_MS)
    latest = experiment.tape.end_ms - LEFT_MS
    at_ms = min((start or 0) + int(rng.integers(first, last)), latest)
    places = experiment.placement or {}
    venue = max(places, key=lambda name: (places[name], name)) if seed % 2 else str(struck)
    failure = Failure(at_ms, venue, HOLDS_MS)
    tape = replace(experiment.tape.until(at_ms + LEFT_MS), failures=(failure,))
    return replace(contest, experiment=replace(experiment, tape=tape)), failure


@dataclass(slots=True)
class Witness:
    """Looks at the engine's book after each of its steps."""

    experiment: Experiment
    failure: Failure
    before: tuple[Situation, float, float] | None = None
    stated: float = 0.0
    orphan: float = 0.0
    hedged_ms: int | None = None
    left_usd: float = 0.0
    largest: float = 0.0

    def __call__(self, session: Session, ts_ms: int) -> None:
        """One look."""
        situation = self._situation(session, ts_ms)
        terms = terms_at(session.arrangement, ts_ms)
        if ts_ms < self.failure.ts_ms:
            for venue, said in terms.mandate.venue.items():
                loss = failure_loss(terms, situation, venue, situation.inner)
                share = loss.claim_usd / situation.equity_usd / said.claim_cap
                self.largest = max(self.largest, share)
                if venue == self.failure.venue:
                    leaving = self._leaving_usd(situation)
                    self.before = (situation, loss.claim_usd + leaving, _gross(terms, situation))
                    self.orphan, self.stated = loss.orphan_usd, loss.orphan_loss_usd
        elif self.hedged_ms is None and _is_hedged(terms, situation):
            self.hedged_ms, self.left_usd = ts_ms, situation.equity_usd

    def _situation(self, session: Session, ts_ms: int) -> Situation:
        """The book and the market as the engine's next look would find them."""
        ledger, exchange = session.record.ledger, session.exchange
        seen = self.experiment.feed.snapshot(ts_ms, exchange.frozen_venues())
        known = [o for (_, at_ms), o in self.experiment.outlooks.items() if at_ms <= ts_ms]
        outlook = max(known, key=lambda each: each.ts_ms)
        equity_usd = usd(ledger.equity_at(exchange.marks()))
        portfolio = ledger.portfolio(tuple(session.arrangement.mandate.venue))
        return Situation(portfolio, seen, outlook.outer, outlook.inner, equity_usd, equity_usd)

    def _leaving_usd(self, situation: Situation) -> float:
        """Money on its way from the venue: it may still be there."""
        shipments = situation.portfolio.shipments
        return sum(s.quanta for s in shipments if s.source == self.failure.venue) / MICRO


def _gross(terms: Terms, situation: Situation) -> float:
    return gross_after_usd(terms, situation, Plan((), raises=False)) / situation.equity_usd


def _is_hedged(terms: Terms, situation: Situation) -> bool:
    """Whether what is naked of each coin is no more than the least trade."""
    least_usd = 1.001 * terms.mandate.limits.minimum_trade_usd
    prices = {i.base: i.price(situation.marks[n]) for n, i in terms.instruments.items()}
    net = net_coins(terms, situation)
    return all(abs(float(coins)) * prices[coin] <= least_usd for coin, coins in net.items())


def play_failure(
    world: str, seed: int, mandate: Mandate | None = None, leverage: float = LEVERAGE
) -> Verdict:
    """Play the engine through one failure at a limit of gross leverage, and judge it."""
    said = mandate or mandate_with_caps()
    contest = make_contest(WORLDS[world](), said, "insolvency", seed, CALM_DAYS)
    contest, failure = failing(contest, seed)
    witness = Witness(contest.experiment, failure)
    spec = Spec("tidegate", leverage)
    outcome = run(contest.experiment, spec, None, witness=witness)
    return _verdict(contest, witness, outcome, spec.label)


def _verdict(contest: Contest, witness: Witness, outcome: Outcome, policy: str) -> Verdict:
    failure, found = witness.failure, witness.before
    ensure(found is not None, "a failure comes after the first look")
    assert found is not None
    situation, claim_usd, gross = found
    equity = situation.equity_usd
    hedged_ms = witness.hedged_ms
    lost = [e.venue for e in outcome.events if isinstance(e, LiquidationStarted)]
    return Verdict(
        world=contest.world,
        seed=contest.seed,
        policy=policy,
        venue=failure.venue,
        frozen_for_s=(failure.ts_ms - (contest.crisis_start_ms or 0)) / 1_000,
        equity_usd=equity,
        cap=contest.experiment.arrangement.mandate.venue[failure.venue].claim_cap,
        claim=claim_usd / equity,
        orphan=witness.orphan / equity,
        stated=witness.stated / equity,
        orphan_loss=(equity - claim_usd - witness.left_usd) / equity,
        gross=gross,
        hedged_s=None if hedged_ms is None else (hedged_ms - failure.ts_ms) / 1_000,
        largest_claim=witness.largest,
        liquidated=tuple(sorted(set(lost))),
    )
