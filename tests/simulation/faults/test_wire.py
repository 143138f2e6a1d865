# SPDX-License-Identifier: Apache-2.0
"""The wire: whatever it does, a sound client ends with what the venues have, and it repeats."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from hashlib import sha256

import pytest

from tests.conftest import REPOSITORY
from tests.simulation.faults.plain_client import Bench, PlainClient, approve
from tidegate.model.actions import Order
from tidegate.model.replies import NotTaken, OrderStatus, Unclear
from tidegate.simulation.faults.menu import (
    FOLLOWING,
    PER_ACTION,
    PER_ANSWER,
    PER_REPORT,
    PER_REQUEST,
    SPELLS,
    Fault,
    Swarm,
    draw,
)
from tidegate.simulation.faults.small_book import COLLATERAL
from tidegate.simulation.faults.small_market import start_ms

TICKS, CALM_TICKS, LONGEST_REVIEW = 600, 200, 1_200
SEEDS = range(1, 41)


def played(seed: int, ticks: int = TICKS) -> tuple[Bench, PlainClient]:
    """A client through a storm and the calm after it."""
    begin = start_ms(ticks)
    swarm = draw(seed, COLLATERAL, begin, begin + ticks * 1000)
    bench = Bench(swarm, ticks)
    client = PlainClient(bench, seed)
    for tick in range(ticks):
        now = bench.tick()
        if tick % 5 == 0:
            client.trade(now)
        if tick % 3 == 0:
            client.listen()
    bench.wire.calm()
    for _ in range(CALM_TICKS):
        bench.tick()
        client.listen()
    return bench, client


def transcript(seed: int) -> str:
    """A hash of all that was said and known."""
    bench, client = played(seed, 300)
    logs = [bench.server.entries(venue, 0) for venue in COLLATERAL]
    counts = sorted((f.value, s, n) for (f, s), n in bench.coverage.counts.items())
    said = repr((logs, client.orders, client.transfers, counts, bench.wire.traffic))
    return sha256(said.encode()).hexdigest()


@pytest.fixture(scope="module")
def storms() -> list[tuple[int, Bench, PlainClient]]:
    return [(seed, *played(seed)) for seed in SEEDS]


def test_client_after_any_storm_knows_the_end_of_every_order(
    storms: list[tuple[int, Bench, PlainClient]],
) -> None:
    for seed, bench, client in storms:
        open_orders = [name for name, record in client.orders.items() if record.is_open]
        assert not open_orders, f"seed {seed}: {open_orders}"
        assert not bench.wire.in_flight, f"seed {seed}"


def test_client_after_any_storm_has_what_the_venues_have_and_sent_nothing_twice(
    storms: list[tuple[int, Bench, PlainClient]],
) -> None:
    ambiguous = 0
    for seed, bench, client in storms:
        for venue in COLLATERAL:
            assert client.agrees(bench.server.statement(venue)), f"seed {seed}: {venue}"
        assert not bench.server.seen.repeated, f"seed {seed}"
        assert set(bench.server.seen.acted.values()) <= {1}, f"seed {seed}"
        ambiguous += bench.wire.traffic.ambiguous
    assert ambiguous > 4_000


def test_storms_reach_every_fault_of_the_wire_and_the_venues(
    storms: list[tuple[int, Bench, PlainClient]],
) -> None:
    reached: Counter[Fault] = Counter()
    for _, bench, _ in storms:
        for (fault, _), count in bench.coverage.counts.items():
            reached[fault] += count
    spells = (Fault.REPORTS_STOP, Fault.REQUESTS_STOP, Fault.CLOCK_STEP, Fault.SILENT_RESET)
    wanted = (*PER_REQUEST, *PER_ANSWER, *PER_REPORT, *PER_ACTION, *FOLLOWING, *spells)
    assert not [fault.value for fault in wanted if not reached[fault]]


def test_same_seed_says_the_same_whatever_the_hash_seed_and_another_does_not() -> None:
    code = "from tests.simulation.faults.test_wire import transcript; print(transcript(3))"
    path = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])
    environment = {**os.environ, "PYTHONHASHSEED": "4242", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == transcript(3) != transcript(4)


@pytest.mark.parametrize(
    ("fault", "kind", "done"),
    [
        (Fault.REQUEST_LOST, Unclear, False),
        (Fault.REQUEST_DELAYED, Unclear, False),
        (Fault.REPLY_LOST, Unclear, True),
        (Fault.REPLY_DELAYED, Unclear, True),
        (Fault.ERROR_UNDONE, Unclear, False),
        (Fault.ERROR_DONE, Unclear, True),
        (Fault.RATE_LIMIT, NotTaken, False),
        (Fault.SIGNER_REFUSAL, NotTaken, False),
    ],
)
def test_reply_to_a_request_under_each_fault_tells_no_more_than_is_known(
    fault: Fault, kind: type, done: bool
) -> None:
    bench = Bench(Swarm(1, {fault: 1.0}), 120)
    now = bench.tick()
    approval = approve(bench.gate, Order("o", "beta:BTC", 3, False, "test"), 1, now + 60_000)
    assert isinstance(bench.wire.place(approval), kind)
    assert (bench.server.order("beta", "o").state == "filled") is done
    for _ in range(60):
        bench.tick()
    arrived = done or fault is Fault.REQUEST_DELAYED
    assert (bench.server.order("beta", "o").state == "filled") is arrived
    words = [r for r in bench.wire.pushed() if isinstance(r, OrderStatus)]
    assert bool(words) is arrived


def test_every_seed_leaves_a_part_of_the_menu_out_and_no_fault_is_left_out_by_all() -> None:
    begin = start_ms(5_000)
    swarms = [draw(seed, COLLATERAL, begin, begin + 5_000_000) for seed in range(100)]
    on = [{*s.chances, *(spell.fault for spell in s.spells)} for s in swarms]
    menu = set(Fault) - set(FOLLOWING)
    assert set().union(*on) == menu
    assert all(len(faults) < 0.8 * len(menu) for faults in on)
    assert all(spell.end_ms <= begin + 5_000_000 for s in swarms for spell in s.spells)
    assert {spell.fault for s in swarms for spell in s.spells} == set(SPELLS)
