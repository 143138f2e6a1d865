# SPDX-License-Identifier: Apache-2.0
"""A house of real venues sends nothing twice, numbers its logs once, and holds to its policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.risk import desk
from tests.venues.drill import GATE, KEY, NOW, pairs, transfer
from tests.venues.exchanges.fake_session import BTC, CAPITAL, PRICE, FakeSession
from tidegate.model.account import Position
from tidegate.model.errors import InputError
from tidegate.model.events import Deposited, Filled
from tidegate.model.replies import OrderStatus, Statement, Unclear
from tidegate.model.times import HOUR_MS
from tidegate.risk.gate import Approval, Gate
from tidegate.venues.exchanges.house import APART_MS, ExchangeHouse
from tidegate.venues.exchanges.policy import Address, Officer, Policy
from tidegate.venues.exchanges.session import OffTheGrid, whole
from tidegate.venues.exchanges.session_log import SessionLog

POLICY = Policy(("order", "transfer"), (BTC.id,), 1_000_000.0)
LOTS = 2_000


@dataclass
class Place:
    """One venue, and the processes that come and go before it."""

    folder: Path
    policy: Policy = POLICY
    since_ms: dict[str, int] = field(default_factory=dict)
    gate: Gate = GATE

    def __post_init__(self) -> None:
        self.session = FakeSession(NOW)
        self.house = self._start()

    def restart(self) -> None:
        self.log.close()
        self.house = self._start()

    def _start(self) -> ExchangeHouse:
        self.log = SessionLog(self.folder / "session.log", {BTC.id: BTC}, "of the test")
        officer = Officer(self.policy, self.since_ms)
        house = ExchangeHouse(
            {"beta": self.session}, self.gate, officer, self.log, lambda: NOW
        )  # fmt: skip
        house.open()
        return house


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.log.close()


@pytest.fixture
def under(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """Places under a policy of the test's, closed after it."""
    made: list[Place] = []

    def place_under(*terms: object) -> Place:
        made.append(Place(tmp_path, *terms))  # type: ignore[arg-type]
        return made[-1]

    yield place_under
    for one in made:
        one.log.close()


def fasts(count: int, sequence: int = 1) -> tuple[Approval, ...]:
    """Approvals of orders of -2,000 lots at beta."""
    return pairs(count, sequence)[1::2]


def test_order_is_filled_and_stands_in_the_log_under_our_id(place: Place) -> None:
    (approval,) = fasts(1)
    reply = place.house.place(approval)
    assert reply == OrderStatus(approval.action.id, "filled", -LOTS, NOW)
    opening, filled = place.house.entries("beta", 0)
    assert opening.event == Deposited(NOW, "beta", "USDC", CAPITAL)
    assert isinstance(filled.event, Filled)
    assert (filled.number, filled.event.order, filled.event.lots) == (2, reply.id, -LOTS)
    assert place.house.pushed() == (opening, reply, filled)
    assert place.house.pushed() == ()


def test_statement_is_the_account_that_the_ledger_would_have(place: Place) -> None:
    for approval in fasts(3):
        place.house.place(approval)
    said = place.house.statement("beta")
    assert isinstance(said, Statement)
    cost = 3 * BTC.entry_cost(-LOTS, PRICE)
    assert said.account.positions == {BTC.id: Position(-3 * LOTS, cost)}
    assert (said.account.balances, said.number) == ({"USDC": CAPITAL}, 4)


@given(
    st.lists(
        st.sampled_from(("place", "lose", "again", "restart", "hide", "show", "look")), max_size=25
    )
)
def test_whatever_is_lost_nothing_is_sent_twice_and_lines_keep_their_numbers(
    steps: list[str],
) -> None:
    with TemporaryDirectory() as folder:
        place = Place(Path(folder))
        approvals, told = iter(fasts(25)), {}
        sent: list[Approval] = []
        for step in steps:
            place.session.lose_reply = step == "lose"
            if step in ("place", "lose"):
                sent.append(next(approvals))
                place.house.place(sent[-1])
            elif step == "again" and sent:
                place.house.place(sent[0])
            elif step == "restart":
                place.restart()
            elif step in ("hide", "show"):
                place.session.hidden = min(1, len(sent)) if step == "hide" else 0
            else:
                entries = place.house.entries("beta", 0)
                assert isinstance(entries, tuple)
                for entry in entries:
                    assert told.setdefault(entry.number, entry) == entry
        place.session.hidden = 0
        wanted = [approval.action.id for approval in sent]
        assert place.session.asked_to_place == wanted
        entries = place.house.entries("beta", 0)
        assert isinstance(entries, tuple)
        assert [entry.number for entry in entries] == list(range(1, len(sent) + 2))
        assert [entry.event.order for entry in entries[1:]] == wanted
        place.log.close()


def test_lost_reply_is_answered_by_the_order_under_the_same_id(place: Place) -> None:
    (approval,) = fasts(1)
    place.session.lose_reply = True
    assert place.house.place(approval) == Unclear("lost")
    assert place.house.order("beta", approval.action.id).state == "filled"
    assert place.house.place(approval).state == "filled"
    assert len(place.session.asked_to_place) == 1


def test_id_that_was_never_sent_is_absent_without_asking_the_venue(place: Place) -> None:
    assert place.house.order("beta", "nobody").state == "absent"
    assert place.house.cancel("beta", "nobody").state == "absent"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seal": "0" * 64}, "not made by this gate"),
        ({"expires_ms": NOW - 1}, "not made by this gate"),
        ({"id": "9.9"}, "not made by this gate"),
    ],
)
def test_changed_approval_is_refused_and_nothing_is_sent(
    place: Place, change: dict[str, object], words: str
) -> None:
    approval = msgspec.structs.replace(fasts(1)[0], **change)
    reply = place.house.place(approval)
    assert isinstance(reply, OrderStatus)
    assert (reply.state, words in reply.reason) == ("refused", True)
    assert place.session.asked_to_place == []


def test_approval_that_has_expired_by_the_venues_time_is_refused(place: Place) -> None:
    (approval,) = fasts(1)
    place.session.time_ms = approval.expires_ms + 1
    assert "expired" in place.house.place(approval).reason
    assert place.session.asked_to_place == []


def test_orders_have_a_worst_price_by_the_policys_slippage(place: Place) -> None:
    place.house.place(fasts(1)[0])
    assert place.session.limits == [Decimal(PRICE) * (1 - Decimal("0.005"))]


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (Policy(("transfer",), (BTC.id,), 1e6), "signs no order"),
        (Policy(("order",), (), 1e6), "not among the instruments"),
        (Policy(("order",), (BTC.id,), None), "no notional a minute"),
        (Policy(("order",), (BTC.id,), 1_199.0), "1199 USD a minute"),
        (Policy(), "signs no order"),
    ],
)
def test_order_beyond_the_policy_is_refused_and_not_sent(
    under: Callable[..., Place], policy: Policy, words: str
) -> None:
    place = under(policy)
    reply = place.house.place(fasts(1)[0])
    assert (reply.state, words in reply.reason) == ("refused", True)
    assert place.session.asked_to_place == []
    assert place.log.sent == {}


def test_notional_is_counted_over_a_minute_and_not_over_orders_refused(
    under: Callable[..., Place],
) -> None:
    place = under(Policy(("order",), (BTC.id,), 2_500.0))
    states = [place.house.place(approval).state for approval in fasts(3)]
    assert states == ["filled", "filled", "refused"]
    place.session.time_ms += 60_000
    assert place.house.place(fasts(1, 2)[0]).state == "filled"


def test_venue_that_is_silent_is_out_and_nothing_is_told_of_it(place: Place) -> None:
    place.session.silent = True
    assert place.house.entries("beta", 0) == Unclear("silent")
    assert place.house.statement("beta") == Unclear("silent")
    assert place.house.out_venues() == ("beta",)
    assert place.house.place(fasts(1)[0]).state == "refused"
    place.session.silent = False
    assert isinstance(place.house.statement("beta"), Statement)
    assert place.house.out_venues() == ()


def test_fill_that_is_told_late_is_no_disagreement_for_some_seconds(place: Place) -> None:
    place.session.hidden = 1
    place.house.place(fasts(1)[0])
    assert isinstance(place.house.statement("beta"), Unclear)
    place.session.time_ms += APART_MS
    said = place.house.statement("beta")
    assert isinstance(said, Statement)
    assert said.account.positions[BTC.id].lots == -LOTS
    place.session.hidden = 0
    assert isinstance(place.house.statement("beta"), Statement)


def test_account_with_positions_does_not_begin_a_log(place: Place) -> None:
    place.house.place(fasts(1)[0])
    log = SessionLog(place.folder / "another.log", {BTC.id: BTC}, "of the test")
    house = ExchangeHouse({"beta": place.session}, GATE, Officer(POLICY, {}), log, lambda: NOW)
    with pytest.raises(InputError, match="no positions"):
        house.open()
    log.close()


def test_log_of_other_settings_is_not_gone_on_with(place: Place) -> None:
    place.log.close()
    with pytest.raises(InputError, match="log of these venues"):
        SessionLog(place.folder / "session.log", {BTC.id: BTC}, "of others")


ADDRESS = Address("alpha", "beta", "USDT", "0xours", 1_000.0, 24.0)


@pytest.mark.parametrize(
    ("addresses", "since_ms", "words"),
    [
        ((), {}, "0 addresses"),
        ((ADDRESS, ADDRESS), {ADDRESS.id: 0}, "2 addresses"),
        ((ADDRESS,), {}, "stands for 0.0 h of 24"),
        ((ADDRESS,), {ADDRESS.id: NOW - 23 * HOUR_MS}, "stands for 23.0 h of 24"),
        ((ADDRESS,), {ADDRESS.id: NOW - 24 * HOUR_MS}, "at most 1000"),
    ],
)
def test_transfer_beyond_the_policy_is_refused(
    tmp_path: Path, addresses: tuple[Address, ...], since_ms: dict[str, int], words: str
) -> None:
    policy = msgspec.structs.replace(POLICY, withdrawals=addresses)
    officer = Officer(policy, since_ms)
    sent = transfer(5_000).action
    with pytest.raises(Exception, match=words):
        officer.let_transfer(sent, Decimal(5_000), NOW)


def test_transfer_goes_once_to_the_address_that_has_stood_long_enough(
    under: Callable[..., Place],
) -> None:
    address = Address("beta", "alpha", "USDC", "0xours", 10_000.0, 24.0)
    policy = msgspec.structs.replace(POLICY, withdrawals=(address,))
    place = under(policy, {address.id: NOW - 24 * HOUR_MS})
    approval = _back(5_000)
    assert place.house.send(approval).state == "accepted"
    place.house.send(approval)
    place.restart()
    place.house.send(approval)
    assert place.session.withdrawn == [(approval.action.id, "0xours")]


def test_address_that_is_changed_begins_its_delay_anew() -> None:
    later = msgspec.structs.replace(ADDRESS, most_day=2_000.0)
    assert later.id != ADDRESS.id


def _back(dollars: int) -> Approval:
    """An approval of money from beta to alpha, sealed as the gate would."""
    said = transfer(dollars)
    action = msgspec.structs.replace(said.action, source="beta", destination="alpha", asset="USDC")
    draft = msgspec.structs.replace(said, action=action)
    return msgspec.structs.replace(draft, seal=Gate(KEY)._seal(draft))


def test_dead_mans_switch_is_the_venues(place: Place) -> None:
    assert place.house.device("beta") == place.session.device()
    assert place.house.arm("beta", 30).until_ms == NOW + 30_000
    assert place.house.arm("beta", 0).until_ms is None
    assert desk.COLLATERAL["beta"] == place.session.venue.collateral


def test_what_was_let_through_counts_after_a_restart(under: Callable[..., Place]) -> None:
    place = under(Policy(("order",), (BTC.id,), 2_500.0))
    first, second, third = fasts(3)
    assert [place.house.place(a).state for a in (first, second)] == ["filled", "filled"]
    place.restart()
    assert place.house.place(third).state == "refused"


def test_venues_clock_that_runs_ahead_shortens_no_delay(under: Callable[..., Place]) -> None:
    address = Address("beta", "alpha", "USDC", "0xours", 10_000.0, 24.0)
    policy = msgspec.structs.replace(POLICY, withdrawals=(address,))
    place = under(policy, {address.id: NOW})
    approval = _back(5_000)
    place.session.time_ms = approval.expires_ms
    assert "stands for 0.0 h" in place.house.send(approval).reason
    assert place.session.withdrawn == []


@pytest.mark.parametrize(("value", "step"), [("59999.95", "0.1"), ("0.000005", "0.00001")])
def test_figure_off_the_settings_steps_is_refused_and_not_cut(value: str, step: str) -> None:
    with pytest.raises(OffTheGrid, match="no whole number"):
        whole(Decimal(value), Decimal(step))
    assert whole(Decimal("60000.1"), Decimal("0.1")) == 600_001
