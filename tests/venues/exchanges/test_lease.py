# SPDX-License-Identifier: Apache-2.0
"""A session serves one engine at a time, whoever crashes, comes back, or is taken over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.drill import NOW, TRADE, WATCH
from tests.venues.exchanges.test_exchange_house import Place, fasts
from tidegate.model.errors import InputError
from tidegate.model.replies import Leased, NotTaken, OrderStatus, Statement
from tidegate.venues.lease import LEASE_S, Lease, NotHeld
from tidegate.venues.paper_server import Access, PaperServer
from tidegate.venues.remote import RemoteGateway

HOLDERS = st.sampled_from(("a", "b", "c"))
STEPS = st.one_of(
    st.tuples(st.just("hold"), HOLDERS, st.booleans()),
    st.tuples(st.just("use"), HOLDERS, st.just(False)),
    st.tuples(st.just("wait"), st.sampled_from((1.0, LEASE_S)), st.just(False)),
    st.tuples(st.just("restart"), st.just(""), st.just(False)),
)


@given(st.lists(STEPS, max_size=40))
def test_only_the_last_number_is_good_and_no_other_is_handed_out_while_it_is_used(
    steps: list[tuple[str, str | float, bool]],
) -> None:
    now_s, used_s = [0.0], 0.0
    written: list[Leased] = []
    lease = Lease(None, written.append, lambda: now_s[0])
    numbers: dict[str, int] = {}
    for what, who, takes in steps:
        last = written[-1] if written else None
        if what == "wait":
            now_s[0] += float(who)
        elif what == "restart":
            lease, used_s = Lease(last, written.append, lambda: now_s[0]), now_s[0]
        elif what == "hold":
            free = last is None or last.holder == who or takes or now_s[0] - used_s >= LEASE_S
            if free:
                numbers[str(who)] = lease.hold(str(who), takes).number
                used_s = now_s[0]
            else:
                with pytest.raises(NotHeld, match=r"for .* s more"):
                    lease.hold(str(who), takes)
        elif last is not None and numbers.get(str(who)) == last.number:
            lease.use(numbers[str(who)])
            used_s = now_s[0]
        else:
            with pytest.raises(NotHeld):
                lease.use(numbers.get(str(who), 0))
    assert [one.number for one in written] == list(range(1, len(written) + 1))


@contextmanager
def served(place: Place) -> Iterator[int]:
    """The port of a session's server, on a clock that stands still."""
    access = Access(TRADE, WATCH, lease=place.house.lease(lambda: 0.0))
    with PaperServer(place.house, access, lambda: NOW) as server:
        yield server.port


def engine(port: int, token: bytes = TRADE) -> RemoteGateway:
    return RemoteGateway(port, token, ("beta",), 2.0)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.log.close()


def test_second_engine_is_refused_in_one_line_and_the_first_trades_on(place: Place) -> None:
    with served(place) as port:
        first, second = engine(port), engine(port)
        first.hold("one")
        with pytest.raises(InputError, match="journal one has it for 60 s more"):
            second.hold("two")
        approvals = fasts(2)
        assert isinstance(second.place(approvals[0]), NotTaken)
        assert isinstance(first.place(approvals[1]), OrderStatus)
    assert place.session.asked_to_place == [approvals[1].action.id]


def test_lease_outlives_the_session_and_the_same_journal_takes_it_at_once(place: Place) -> None:
    with served(place) as port:
        killed = engine(port)
        killed.hold("one")
    place.restart()
    with served(place) as port:
        again, another, late = engine(port), engine(port), engine(port)
        late._lease = killed._lease
        assert late.pushed() is not None
        with pytest.raises(InputError, match="journal one"):
            another.hold("two")
        again.hold("one")
        assert again.pushed() == ()
        with pytest.raises(InputError, match="journal one has it since"):
            late.pushed()


def test_engine_that_is_taken_over_by_its_operator_sends_nothing_more(place: Place) -> None:
    with served(place) as port:
        first, second = engine(port), engine(port)
        first.hold("one")
        second.hold("two", takes=True)
        with pytest.raises(InputError, match=r"session: lease: .*journal two has it since"):
            first.place(fasts(1)[0])
        assert isinstance(first.statement("beta"), Statement)
    assert place.session.asked_to_place == []


def test_token_that_only_watches_takes_no_lease(place: Place) -> None:
    with served(place) as port:
        with pytest.raises(InputError, match="this token may look and cancel"):
            engine(port, WATCH).hold("one")
        with pytest.raises(InputError, match="expected a token"):
            engine(port, b"x" * 32).hold("one")
        engine(port).hold("two")


def test_engine_without_a_lease_only_looks(place: Place) -> None:
    with served(place) as port:
        assert isinstance(engine(port).place(fasts(1)[0]), NotTaken)
        assert isinstance(engine(port).arm("beta", 9), NotTaken)
        assert engine(port).pushed() == ()
        assert engine(port).now_ms() == NOW
    assert place.session.asked_to_place == []
