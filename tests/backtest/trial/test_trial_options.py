# SPDX-License-Identifier: Apache-2.0
"""A contest with options: a collar and a seller of puts are played through a crash and expiries."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.backtest.trial.contests import BOOK, CALM_DAYS, WARMUP_DAYS
from tidegate.audit.verifier import verify
from tidegate.backtest.experiment import Spec, run
from tidegate.backtest.run import Outcome, Session
from tidegate.backtest.trial import contest
from tidegate.backtest.trial.contest import make_contest
from tidegate.backtest.trial.options import Offer, OptionContest, make_option_contest, play_options
from tidegate.backtest.trial.worlds import WORLDS
from tidegate.cli import main
from tidegate.ledger.book import Ledger
from tidegate.margin.deribit_options import DeribitOptions
from tidegate.model.actions import Order
from tidegate.model.events import Delivered, Filled, LiquidationStarted, OrderRefused
from tidegate.model.instruments import Option
from tidegate.model.times import DAY_MS, HOUR_MS

Command = Callable[..., tuple[object, str, str]]
SEED, PERP = 6, "deribit:BTC"
OFFER = Offer(coins=("BTC",), longest_days=3.0, widest=0.12)


@pytest.fixture(scope="module", autouse=True)
def short_contests() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contest, "WARMUP_DAYS", WARMUP_DAYS)
        patch.setattr(contest, "CALM_DAYS", CALM_DAYS)
        yield


@cache
def held(world: str = "first") -> OptionContest:
    return make_option_contest(WORLDS[world](), BOOK, "crash", SEED, OFFER)


class Options:
    """A policy on one venue: once an hour after the first it may order through `send`."""

    def __init__(self, session: Session) -> None:
        self.session, self.count, self.begun = session, 0, session.exchange.now_ms
        self.opened = False

    def order(self, name: str, lots: int) -> bool:
        self.count += 1
        done = self.session.trade(Order(f"o{self.count}", name, lots, False, "test"))
        return isinstance(done[0], Filled)

    def nearest(self, is_call: bool, share: float, days: float) -> Option:
        """The live option nearest to a share of the index and a number of days."""
        exchange = self.session.exchange
        marks, now = exchange.marks(), exchange.now_ms
        known = [o for o, listed_ms in held().options.values() if listed_ms <= now < o.expiry_ms]
        index = marks["deribit:btc_usdc"] * 0.01
        return min(
            (o for o in known if o.is_call == is_call),
            key=lambda o: (
                abs(o.expiry_ms - now - days * DAY_MS),
                abs(float(o.strike) - share * index),
            ),
        )


class Collar(Options):
    """Long perpetuals; puts bought below and calls sold above, anew each day at nine."""

    def act(self, ts_ms: int) -> None:
        if not self.opened:
            self.opened = self.order(PERP, 2_000)
        if (ts_ms - self.begun) % DAY_MS in (0, 9 * HOUR_MS):
            self.order(self.nearest(False, 0.97, 1.0).id, 20)
            self.order(self.nearest(True, 1.03, 1.0).id, -20)


class PutSeller(Options):
    """As many puts sold as the initial margin allows, and never bought back."""

    def act(self, ts_ms: int) -> None:
        if not self.opened:
            self.opened = True
            while self.order(self.nearest(False, 0.97, 2.5).id, -10):
                """Until the venue refuses."""


@cache
def outcome(policy: type[Collar] | type[PutSeller]) -> Outcome:
    return play_options(held(), policy.__name__, policy)


def replayed(done: Outcome) -> Ledger:
    """A second ledger that hears the same events; every frame of postings sums to zero."""
    arrangement = held().experiment.arrangement
    ledger = Ledger(arrangement.terms.instruments, arrangement.stable_price_micro)
    for event in done.events:
        sums: Counter[str] = Counter()
        values = 0
        for posting in ledger.post(event):
            sums[posting.asset] += posting.quanta
            values += posting.value_micro
        assert not any(sums.values()), event
        assert values == 0, event
    return ledger


@pytest.mark.parametrize("policy", [Collar, PutSeller])
def test_ledger_sums_to_zero_and_the_waterfall_is_the_equity(
    policy: type[Collar] | type[PutSeller],
) -> None:
    done = outcome(policy)
    assert sum(done.ledger.waterfall.values()) == done.ledger.equity_micro
    expired = any(isinstance(event, Delivered) for event in done.events)
    assert ("delivery" in done.ledger.waterfall) == expired == (policy is Collar)
    again = replayed(done)
    assert again.waterfall == done.ledger.waterfall
    assert again.equity_micro == done.ledger.equity_micro


def test_collar_is_delivered_what_its_expired_options_are_worth() -> None:
    done = outcome(Collar)
    delivered = [e for e in done.events if isinstance(e, Delivered)]
    prices = {(d.ts_ms, d.index): d.ticks for d in held().experiment.tape.deliveries}
    assert len(delivered) >= 3
    assert {e.lots for e in delivered} >= {20, -20}
    for event in delivered:
        option, _ = held().options[event.instrument]
        assert event.ts_ms == option.expiry_ms
        assert event.ticks == prices[option.expiry_ms, option.index.id]
        assert event.quanta == option.payoff(event.lots, event.ticks)
    assert not any(isinstance(e, LiquidationStarted) for e in done.events)
    names = {e.instrument for e in delivered}
    assert not names & set(done.ledger.portfolio(("deribit",)).accounts["deribit"].positions)


def test_seller_of_puts_is_refused_more_than_its_margin_and_liquidated_in_the_crash() -> None:
    done = outcome(PutSeller)
    assert any(isinstance(e, OrderRefused) and e.reason == "initial margin" for e in done.events)
    called = [e for e in done.events if isinstance(e, LiquidationStarted)]
    start = held().contest.crisis_start_ms
    assert start is not None
    assert called
    assert all(start <= e.ts_ms for e in called)
    bought = [e for e in done.events if isinstance(e, Filled) and e.reason == "liquidation"]
    assert bought
    assert {e.instrument for e in bought} <= set(held().options)
    assert all(e.lots > 0 for e in bought)
    assert done.ledger.equity_micro < done.start_micro


def test_same_contest_gives_the_same_journal_and_the_verifier_passes_it(tmp_path: Path) -> None:
    path = tmp_path / "collar.journal"
    done = play_options(held(), "Collar", Collar, path)
    assert done.journal_head == outcome(Collar).journal_head
    assert [check.name for check in verify(str(path), done.journal_head) if not check.passed] == []


def test_perpetuals_of_a_contest_with_options_are_those_of_one_without() -> None:
    plain, made = make_contest(WORLDS["first"](), BOOK, "crash", SEED), held()
    assert plain.experiment.market.digest == made.contest.experiment.market.digest
    for name, track in plain.experiment.tape.tracks.items():
        assert made.experiment.tape.tracks[name] == track
    assert plain.experiment.tape.deliveries == made.contest.experiment.tape.deliveries == ()
    assert "options" not in plain.experiment.origin
    assert plain.experiment.origin["world_parameters"] == WORLDS["first"]().digest
    spec = Spec("fixed", 3.0)
    heads = [run(e, spec, None).events for e in (plain.experiment, made.contest.experiment)]
    assert heads[0] == heads[1]


def test_journal_states_the_parameters_of_both_when_options_are_on() -> None:
    origin, parameters = held().experiment.origin, OFFER.parameters
    assert origin["options"] == parameters.digest()
    assert origin["world_parameters"] == parameters.with_world(WORLDS["first"]().digest)


@pytest.mark.parametrize("world", sorted(WORLDS))
def test_tracks_rise_at_listing_end_at_expiry_and_keep_their_extremes(world: str) -> None:
    made = held(world)
    tape = made.experiment.tape
    late = 0
    for name, (option, listed_ms) in made.options.items():
        track = tape.tracks[name]
        first = (listed_ms - tape.start_ms) // tape.step_ms
        last = min(tape.steps, (option.expiry_ms - tape.start_ms) // tape.step_ms)
        late += first > 0
        assert not any(track.open[:first])
        assert all(ticks >= 1 for ticks in track.open[first:last])
        assert not any(track.open[last:])
        rows = zip(track.mark_low, track.mark_close, track.mark_high, strict=True)
        assert all(low <= close <= high for low, close, high in rows)
        assert {type(ticks) for ticks in track.mark_close} == {int}
    assert late > 20


def test_option_before_its_listing_does_not_trade() -> None:
    made, seen = held(), []
    later = next(o for o, at in made.options.values() if at > made.experiment.tape.start_ms)

    class Early(Options):
        def act(self, ts_ms: int) -> None:
            if not self.opened:
                self.opened = True
                events = self.session.trade(Order("early", later.id, 1, False, "test"))
                seen.extend(e for e in events if isinstance(e, OrderRefused))

    play_options(made, "early", Early)
    assert [event.reason for event in seen] == ["no price"]


def test_venue_is_margined_with_options_and_others_are_not() -> None:
    terms = held().experiment.arrangement.terms
    rules = {venue: schedule[0][1] for venue, schedule in terms.rules.items()}
    assert {v for v, rule in rules.items() if isinstance(rule, DeribitOptions)} == {"deribit"}
    fees = {n: terms.delivery_fees[n].ppm for n in held().options}
    assert fees == {
        # The first Friday was the second of January 1970.
        n: 0 if (o.expiry_ms // DAY_MS) % 7 != 1 else 150
        for n, (o, _) in held().options.items()
    }


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    def told(*words: object) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["tidegate", "world", "chain", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return told


def test_chain_command_writes_the_snapshots_it_names(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "chain.parquet"
    words = ("--crisis", "crash", "--at", -24, "--at", 1, "--coin", "ETH", "--out", out, "--json")
    status, said, _ = command(*words)
    assert status == 0
    document = json.loads(said)
    assert (document["file"], document["currency"]) == (str(out), "ETH")
    assert [s["options"] > 300 for s in document["snapshots"]] == [True, True]
    assert out.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--crisis", "flood"), "--crisis: flood: expected one of calm"),
        (("--coin", "SOL"), "options: SOL: expected a coin whose options settle in it"),
        (("--at", "500"), "--at: HOURS: expected -192.0 to 72.0"),
    ],
)
def test_chain_command_refuses_in_one_line(
    words: tuple[str, ...], complaint: str, command: Command, tmp_path: Path
) -> None:
    status, said, err = command(*words, "--out", tmp_path / "chain.parquet")
    assert (status, said) == (2, "")
    assert err.startswith(f"tidegate: {complaint}")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
