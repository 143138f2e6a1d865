# SPDX-License-Identifier: Apache-2.0
"""The joint plan as the cycle's programme: what it is asked, what it answers, and its replay."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audit.replayable import BOLD, finished, replayed, stormy
from tests.backtest.generated import CARRY
from tests.engine.room import FUNDS, FixedOutlook, room
from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH
from tidegate.allocation.question import Answer, Question
from tidegate.allocation.solve import SolveError
from tidegate.audit import verify
from tidegate.backtest.less import Kept, decide_with
from tidegate.backtest.variants import jointly, variant
from tidegate.engine import joint
from tidegate.engine.cycle import Tools
from tidegate.engine.inquiry import ask, targets
from tidegate.engine.joint import Grounds, Join, answered, book_of, join, scenarios_of, terms_of
from tidegate.engine.plan.deciding import Outcome
from tidegate.model.account import Account, Position
from tidegate.model.errors import InputError
from tidegate.model.mandate import Mandate, check_joint, read_mandate
from tidegate.model.units import MICRO
from tidegate.risk.plan import Situation
from tidegate.risk.stress import stressed_health

OUTLOOK = FixedOutlook(("BTC", "ETH")).at(desk.NOW_MS)
LARGE = jointly(desk.with_limits(gross_leverage=8.0))
STRONG = jointly(BOLD)


def positions_of(lots: dict[str, int], entry: float = 1.0) -> dict[str, Position]:
    return {name: desk.held(name, count, entry) for name, count in lots.items() if count}


def grounds(situation: Situation, mandate: Mandate = LARGE) -> tuple[Question, Grounds]:
    terms = desk.terms(mandate)
    question = ask(terms, situation, OUTLOOK, may_grow=True)
    return question, Grounds(terms, situation, OUTLOOK)


def after(question: Question, seen: Grounds, answer: Answer, venue: str) -> Account:
    """An account once the answer's book is held and its money has left."""
    wanted = targets(seen.terms, seen.situation, question, answer, "review")
    account = seen.situation.portfolio.accounts[venue]
    positions = dict(account.positions)
    for name, amount in wanted.base_amounts.items():
        instrument = seen.terms.instruments[name]
        if instrument.venue == venue and name != desk.VAULT_BTC:
            lots = round(amount / float(instrument.lot))
            positions[name] = desk.held(name, lots)
    sent = sum(usd for ends, usd in wanted.transfers_usd.items() if ends[0] == venue)
    asset = desk.COLLATERAL[venue]
    balances = {**account.balances, asset: account.balances[asset] - round(sent * MICRO)}
    return Account(venue, balances, {n: p for n, p in positions.items() if p.lots})


def test_equity_and_margin_of_the_plans_book_are_the_ledgers() -> None:
    lots = {ALPHA_BTC: 5_000, BETA_BTC: -500_000, BETA_ETH: 12_000}
    situation = desk.situation(desk.portfolio(FUNDS, positions_of(lots, 0.97)))
    _, seen = grounds(situation)
    book = book_of(seen)
    for venue in ("alpha", "beta"):
        stated = book.accounts[venue].statement()
        account = situation.portfolio.accounts[venue]
        state = seen.terms.rules[venue].state(account, situation.marks)
        for name in ("equity", "initial", "maintenance", "withdrawable"):
            assert getattr(stated, name) == pytest.approx(getattr(state, name) / MICRO, abs=1e-4)


@settings(max_examples=10, deadline=None)
@given(
    alpha=st.integers(200_000, 900_000),
    beta=st.integers(200_000, 900_000),
    btc=st.integers(0, 6_000),
    eth=st.integers(0, 10_000),
)
def test_joint_book_is_hedged_and_stands_the_outer_stress_before_money_lands(
    alpha: int, beta: int, btc: int, eth: int
) -> None:
    """By the exact rules and the gate's own stress, which know nothing of the plan."""
    held = {ALPHA_BTC: btc, BETA_BTC: -100 * btc, ALPHA_ETH: eth, BETA_ETH: -100 * eth}
    funds = {"alpha": float(alpha), "beta": float(beta)}
    situation = desk.situation(desk.portfolio(funds, positions_of(held)))
    question, seen = grounds(situation)
    answer = join(question, seen)
    for venue in ("alpha", "beta"):
        account = after(question, seen, answer, venue)
        rule = seen.terms.rules[venue]
        health = stressed_health(
            rule, account, situation.marks, seen.terms.instruments, situation.outer
        )
        assert health >= 0
    for coin in (0, 1):
        assert abs(answer.target[question.legs.coin == coin].sum()) <= 1e-3
    assert answer.objective == pytest.approx(answer.bound, abs=1e-6)


def test_frozen_venue_is_sent_nothing_and_its_money_never_lands_in_a_scenario() -> None:
    book = desk.portfolio({"alpha": 900_000.0, "beta": 100_000.0})
    question, seen = grounds(desk.situation(book))
    assert join(question, seen).transfer.sum() > 0.1
    assert scenarios_of(seen, book_of(seen)).paths.landed.any()
    question, seen = grounds(desk.situation(book, frozen=("beta",)))
    closed = ["beta" in ends for ends in seen.terms.passages]
    assert not join(question, seen).transfer[closed].any()
    assert not scenarios_of(seen, book_of(seen)).paths.landed[:, :, closed].any()


def test_cycle_under_a_joint_mandate_builds_a_hedged_book_and_its_journal_verifies_and_replays(
    tmp_path: Path,
) -> None:
    """Grown by joint plans, cut off the grid and sent money by the programme of distress."""
    built = stormy(mandate=STRONG)
    content = finished(built)
    path = tmp_path / "journal"
    path.write_bytes(content)
    assert [check for check in verify(str(path)) if not check.passed] == []
    again = replayed(tmp_path, content)
    assert again.difference is None
    assert set(again.resolved) <= {"identical", "failed again"}
    assert again.resolved["identical"] >= 1
    assert built.cycle.tally.refusals == 0
    assert 100 * built.lots(ALPHA_BTC) == -built.lots(BETA_BTC) != 0


def timid(question: Question, seen: Grounds) -> Answer:
    answer = join(question, seen)
    return replace(answer, target=answer.target * 2 / 3)


def failing(question: Question, seen: Grounds) -> Answer:
    raise SolveError("planted")


@pytest.mark.parametrize(("tool", "field"), [(timid, "answer.target"), (failing, "failure")])
def test_joint_answer_that_was_another_replays_and_is_found_by_planning_again(
    tool: Join, field: str, tmp_path: Path
) -> None:
    content = finished(stormy(Tools(join=tool), STRONG, steps=3))
    assert replayed(tmp_path, content, resolves=False).difference is None
    found = replayed(tmp_path, content).difference
    assert found is not None
    assert (found.kind, found.field) == ("solved", field)


def test_joint_plan_out_of_time_leaves_the_book_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(joint, "TIME_LIMIT_S", 0.0)
    built = room(mandate=LARGE)
    built.play(5)
    assert built.lots(ALPHA_BTC) == 0
    tally = built.cycle.tally
    assert tally.failures == tally.solves > 0
    content = finished(built)
    monkeypatch.undo()
    again = replayed(tmp_path, content)
    assert again.difference is None
    assert again.resolved == {"timed out": tally.solves}


def test_rule_that_no_certificate_covers_is_refused_with_the_joint_programme() -> None:
    text = CARRY.read_text(encoding="utf-8") + '\n[allocation]\nprogramme = "joint"\n'
    assert read_mandate(text, "carry.toml").is_joint
    with pytest.raises(InputError, match=r"venue\.binance\.rule.*deribit_standard"):
        read_mandate(text.replace('"binance_usdm"', '"deribit_standard"'), "carry.toml")
    said = read_mandate(CARRY.read_text(encoding="utf-8"), "carry.toml")
    assert not said.is_joint
    check_joint(said, "carry.toml")


def test_part_of_the_joint_plan_cannot_be_taken_from_another_programme() -> None:
    with pytest.raises(InputError, match="bands"):
        variant(desk.MANDATE, None, ("bands",))
    assert variant(LARGE, None, ("bands",)) == LARGE


def test_plan_with_less_differs_by_what_was_taken_away() -> None:
    """Without the venues' margin no stress binds, without latency money has always landed, and
    without bands what is not worth moving is moved."""
    question, seen = grounds(desk.situation(desk.portfolio(FUNDS)))
    assert "stress alpha" in dict(join(question, seen).binding)
    flat = partial(decide_with, Kept(flat_venues=frozenset(("alpha", "beta"))))
    prices = dict(answered(question, seen, flat).binding)
    assert "flat margin alpha" in prices
    assert not any(name.startswith("stress") for name in prices)
    given_ = (book_of(seen), terms_of(seen), scenarios_of(seen, book_of(seen)))
    at_once = decide_with(Kept(latency=False), *given_).asked
    assert at_once.scenarios is not None
    assert at_once.scenarios.paths.landed.all()
    assert at_once.terms.outage_s == 0.0
    small = msgspec.structs.replace(seen.terms.mandate.limits, minimum_trade_usd=10_000_000.0)
    said = replace(given_[1], mandate=msgspec.structs.replace(given_[1].mandate, limits=small))
    assert not decide_with(Kept(), given_[0], said, given_[2]).changed.lots.traded.any()
    assert decide_with(Kept(bands=False), given_[0], said, given_[2]).changed.lots.traded.any()
    assert decide_with(Kept(certificate=False), *given_).outcome is Outcome.PLAN
