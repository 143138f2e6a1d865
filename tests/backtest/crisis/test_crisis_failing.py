# SPDX-License-Identifier: Apache-2.0
"""A crisis whose venue fails: when, what the ledger lost, and who had to close the orphan."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import msgspec
import pytest

from tidegate.backtest.crisis.definitions import Figure, crises, one_crisis
from tidegate.backtest.crisis.failing import with_failure
from tidegate.backtest.crisis.markets import world_of
from tidegate.backtest.crisis.rows import row_of
from tidegate.backtest.experiment import CLAIMS, Spec, run
from tidegate.backtest.run import Outcome
from tidegate.backtest.trial.contest import Contest, book, make_contest
from tidegate.model.events import Filled, VenueFailed
from tidegate.model.instruments import InstrumentId
from tidegate.model.times import HOUR_MS
from tidegate.model.units import MICRO

FIXED = Spec("fixed", 2.5)
FAILING = tuple(name for name, crisis in crises().items() if crisis.loses_money)
OTHERS = (Spec("tidegate", 2.5), Spec(CLAIMS, 4.0), Spec("per-venue", 4.0), Spec("desk"))
LAST_MS = 2 * HOUR_MS
CALM_DAYS = 2


@pytest.fixture(scope="module")
def contest() -> Contest:
    """The insolvency of a venue where plain books have a leg."""
    crisis = one_crisis("insolvency")
    maker, day = world_of("insolvency", crisis, "second")
    return with_failure(make_contest(maker, book(), day, 9, CALM_DAYS), crisis)


@pytest.fixture(scope="module")
def ended(contest: Contest) -> Outcome:
    return run(contest.experiment, FIXED, None)


def without_failure(contest: Contest) -> Contest:
    tape = replace(contest.experiment.tape, failures=())
    return replace(contest, experiment=replace(contest.experiment, tape=tape))


def held(outcome: Outcome, until_ms: int) -> dict[InstrumentId, int]:
    """Lots of fills until a time, of venues that had not failed by then."""
    gone = {e.venue for e in outcome.events if isinstance(e, VenueFailed) and e.ts_ms <= until_ms}
    lots: dict[InstrumentId, int] = {}
    for event in outcome.events:
        if isinstance(event, Filled) and event.ts_ms <= until_ms:
            lots[event.instrument] = lots.get(event.instrument, 0) + event.lots
    return {name: n for name, n in lots.items() if name.split(":")[0] not in gone}


def naked_usd(contest: Contest, outcome: Outcome, until_ms: int) -> float:
    """The largest net notional of a coin over all venues, at the marks of that time."""
    experiment = contest.experiment
    instruments, tape = experiment.arrangement.terms.instruments, experiment.tape
    step = tape.step_at(until_ms)
    net: dict[str, Fraction] = {}
    price: dict[str, float] = {}
    for name, lots in held(outcome, until_ms).items():
        coin = instruments[name].base
        net[coin] = net.get(coin, Fraction(0)) + lots * Fraction(instruments[name].lot)
        price[coin] = instruments[name].price(tape.tracks[name].mark_close[step])
    return max((abs(float(n)) * price[coin] for coin, n in net.items()), default=0.0)


def test_crises_that_lose_a_venue_are_those_that_say_when_it_fails() -> None:
    assert FAILING == ("2022-11", "drained", "insolvency")


@pytest.mark.parametrize("name", FAILING)
def test_venue_fails_inside_the_step_at_the_hours_stated_or_two_before_the_end(
    contest: Contest, name: str
) -> None:
    plain, crisis = without_failure(contest), one_crisis(name)
    tape = plain.experiment.tape
    start_ms, last_ms = plain.crisis_start_ms or 0, tape.end_ms - LAST_MS
    for hours in (crisis.fails_hours.value, 1.0, 99.0):
        said = msgspec.structs.replace(crisis, fails_hours=Figure(hours, "assumed: here"))
        failing = with_failure(plain, said).experiment
        (failure,) = failing.tape.failures
        assert failure.venue == plain.crisis_venue
        begun = min(start_ms + round(hours * HOUR_MS), last_ms)
        assert failure.ts_ms == begun + tape.step_ms // 2
        assert failing.origin["failure"] == f"{failure.venue} {failure.ts_ms}"


def test_crisis_whose_venue_pays_again_has_no_failure(contest: Contest) -> None:
    plain = without_failure(contest)
    for name, crisis in crises().items():
        if name not in FAILING:
            assert with_failure(plain, crisis) is plain


def test_what_is_stranded_is_what_the_ledger_lost_and_no_more_comes_back(
    contest: Contest, ended: Outcome
) -> None:
    (failed,) = [e for e in ended.events if isinstance(e, VenueFailed)]
    found = row_of("insolvency", contest, ended, FIXED)
    assert failed.venue == contest.crisis_venue
    worth = contest.experiment.tape.stable_micro_at(failed.ts_ms)
    lost = sum(quanta * worth[asset] // MICRO for asset, quanta in failed.lost.items())
    assert found.stranded == pytest.approx(lost / ended.start_micro, rel=2e-3)
    assert found.stranded == -ended.ledger.waterfall["venue failed"] / ended.start_micro > 0.2
    account = ended.ledger.account(failed.venue)
    assert not account.positions
    assert not any(account.balances.values())


def test_orphan_is_what_the_venue_held_net_when_it_failed(contest: Contest, ended: Outcome) -> None:
    """The same book on the tape without the failure, at the end of the step in which it comes."""
    (failure,) = contest.experiment.tape.failures
    experiment = without_failure(contest).experiment
    before = run(replace(experiment, tape=experiment.tape.until(failure.ts_ms)), FIXED, None)
    instruments, tape = experiment.arrangement.terms.instruments, experiment.tape
    marks = {n: t.mark_close[tape.step_at(failure.ts_ms)] for n, t in tape.tracks.items()}
    net: dict[str, int] = {}
    for name, position in before.ledger.account(failure.venue).positions.items():
        coin = instruments[name].base
        net[coin] = net.get(coin, 0) + instruments[name].value(position.lots, marks[name])
    legs = sum(map(abs, net.values())) / MICRO
    found = row_of("insolvency", contest, ended, FIXED)
    assert legs > 10_000
    assert found.orphaned * ended.start_micro / MICRO == pytest.approx(legs, rel=0.03)
    assert 0.0 < abs(found.aftermath) < 0.1


@pytest.mark.parametrize("spec", [FIXED, *OTHERS], ids=lambda spec: spec.label)
def test_every_policy_learns_of_the_failure_and_ends_the_orphan_at_its_next_looks(
    contest: Contest, ended: Outcome, spec: Spec
) -> None:
    """Naked at the failure, and within two steps by less than the least trade."""
    outcome = ended if spec == FIXED else run(contest.experiment, spec, None)
    (failure,) = contest.experiment.tape.failures
    limits = contest.experiment.arrangement.mandate.limits
    step_ms = contest.experiment.tape.step_ms
    assert naked_usd(contest, outcome, failure.ts_ms) > limits.minimum_trade_usd
    after = naked_usd(contest, outcome, failure.ts_ms + 2 * step_ms)
    assert after <= 1.01 * limits.minimum_trade_usd
