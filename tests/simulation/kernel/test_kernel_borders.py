# SPDX-License-Identifier: Apache-2.0
"""What the kernel does not play, or cannot count, is refused by name; it never wraps around."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.simulation.kernel.event_worlds import HOUR, PRICE, START
from tests.simulation.kernel.test_kernel_twin import all_alike
from tests.simulation.small_market import (
    BIN,
    COIN,
    DEAR,
    FREE,
    HYPER,
    PASSAGES,
    STEPS,
    rules,
    terms,
)
from tests.simulation.small_market import tape as steps
from tidegate.model.actions import Order
from tidegate.model.errors import InputError, InvariantError
from tidegate.model.units import MICRO
from tidegate.simulation.kernel import _layout as at
from tidegate.simulation.kernel import compiled
from tidegate.simulation.kernel.compiled import CompiledExchange
from tidegate.simulation.kernel.requests import Cancel, LimitOrder, Wake
from tidegate.simulation.kernel.tape import EventTape, from_steps, merged
from tidegate.simulation.terms import ExchangeTerms

ROWS = [
    (START, 0, at.DEPTH, 0, 0, 0),
    (START, 0, at.CLOSE, 0, PRICE, 0),
    (START, 0, at.QUOTE, 0, PRICE, 0),
    (START + HOUR, 0, at.MARK, 0, PRICE, 0),
    (START + 2 * HOUR, 0, at.TRADE, 0, PRICE - 10, -5),
    (START + 3 * HOUR, 0, at.MARK, 0, PRICE // 2, 0),
]
DEPTH = np.array([[2e9, 0.03, np.nan]])


def tape(rows: list[tuple[int, ...]] = ROWS, depth: np.ndarray = DEPTH) -> EventTape:  # type: ignore[type-arg]
    return EventTape((HYPER.id,), START, 60_000, *merged(rows), depth)


def venue_terms(venue: str = "hyper", **changed: object) -> ExchangeTerms:
    said = terms(DEAR)
    return replace(said, rules={venue: rules()[venue]}, passages={}, **changed)


def exchange(dollars: int = 1_000_000) -> CompiledExchange:
    made = CompiledExchange(tape(), venue_terms(), 1)
    made.deposit("hyper", "USDC", dollars * MICRO)
    return made


def order(name: str, lots: int) -> Order:
    return Order(name, HYPER.id, lots, False, "test")


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ((START - 1, 0, at.MARK, 0, PRICE, 0), "ts_ms"),
        ((START + HOUR, 0, 9, 0, PRICE, 0), "kind"),
        ((START + HOUR, 0, at.MARK, 1, PRICE, 0), "who"),
        ((START + HOUR, 0, at.MARK, 0, 0, 0), " a"),
        ((START + HOUR, 0, at.MARK, 0, 2**41, 0), " a"),
        ((START + HOUR, 0, at.RANGE, 0, PRICE, PRICE - 1), " b"),
        ((START + HOUR, 0, at.TRADE, 0, PRICE, 0), " b"),
        ((START + HOUR, 0, at.FUNDING, 0, 2 * 10**12, 0), " a"),
        ((START + HOUR, 0, at.DEPTH, 0, 1, 0), " a"),
        ((START + HOUR, 0, at.ACCRUE, 0, 0, 0), "accrue"),
        ((START, -1, at.QUOTE, 0, PRICE, 0), HYPER.id),
    ],
)
def test_tape_with_one_bad_event_is_refused_with_its_column(
    row: tuple[int, ...], field: str
) -> None:
    with pytest.raises(InputError, match=field):
        tape([*ROWS, row])


@pytest.mark.parametrize("row", [(0.0, 0.03, 0.0), (1e9, -0.1, 0.0), (1e9, 0.03, 1.0)])
def test_depth_that_prices_nothing_is_refused(row: tuple[float, float, float]) -> None:
    with pytest.raises(InputError, match="depth"):
        tape(depth=np.array([row]))


def test_terms_beyond_the_subset_are_refused_by_name() -> None:
    dated = rules()["hyper"] * 2
    said = terms()
    for wrong, message in (
        (said, "wallet: plays the cross margin"),
        (replace(said, rules={"hyper": dated}), "hyper: plays one rule"),
        (venue_terms("bin"), "hyper:BTC: expected a rule of its venue"),
        (venue_terms(instruments={}), "hyper:BTC: plays linear perpetuals"),
        (venue_terms(costs={}), "hyper:BTC: expected the cost terms"),
        (
            venue_terms(idle_yield_annual={"hyper": Fraction(10**12 + 1, 10**13 + 3)}),
            "hyper: expected a share of fewer digits",
        ),
    ):
        with pytest.raises(InputError, match=message):
            CompiledExchange(tape(), wrong, 1)
    ways = replace(venue_terms(), passages={("hyper", "bin"): PASSAGES["hyper", "bin"]})
    with pytest.raises(InputError, match="hyper to bin: expected a passage between venues"):
        CompiledExchange(tape(), ways, 1)


def test_venue_with_more_instruments_than_sums_have_room_for_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiled.tables, "POSITIONS_MAX", 0)
    with pytest.raises(InputError, match="hyper: expected at most 0 instruments"):
        exchange()


def test_tape_of_steps_with_what_the_kernel_does_not_play_is_refused() -> None:
    told = replace(steps(), stable_micro={"USDC": [MICRO] * (STEPS + 1)})
    with pytest.raises(InputError, match="plays no deleveraging"):
        from_steps(told)


def test_request_beyond_what_is_counted_or_unknown_is_refused_and_named() -> None:
    made = exchange()
    for request, message in (
        (order("a", 2**31), "a: expected at most"),
        (LimitOrder("b", HYPER.id, 1, 2**50, 0), "b: expected 1 to"),
        (LimitOrder("c", HYPER.id, 1, PRICE, -1), "c: expected 1 to"),
        (Order("d", BIN.id, 1, False, ""), "d: expected an instrument of the tape"),
        (Cancel("e", COIN.id, "a"), "e: expected an instrument of the tape"),
    ):
        with pytest.raises(InputError, match=message):
            made.ask([(START, request)])
    with pytest.raises(InputError, match="f: expected a time that is not past"):
        made.ask([(START - 1, order("f", 1))])
    with pytest.raises(InputError, match="g: expected a name that was not used before"):
        made.ask([(START, order("g", 1)), (START, order("g", 1))])


def test_position_that_would_leave_the_range_stops_the_run_and_does_not_wrap() -> None:
    most = int(exchange()._world.instruments[0, at.LOTS_MAX])
    dear = CompiledExchange(tape(depth=np.array([[1e3, 0.03, np.nan]])), venue_terms(), 1)
    dear.deposit("hyper", "USDC", 10**17)
    dear.ask([(START, order("a", most))])
    with pytest.raises(InvariantError, match="beyond the range"):
        dear.run()
    free = CompiledExchange(tape(), replace(venue_terms(), costs={HYPER.id: FREE}), 1)
    free.deposit("hyper", "USDC", 10**17)
    free.ask([(START, order("a", most)), (START, order("b", most))])
    with pytest.raises(InvariantError, match="beyond the range"):
        free.run()


def test_play_stops_at_what_is_waited_for_and_at_nothing_else() -> None:
    made = exchange(4_000)
    made.ask([(START, order("a", 1_000)), (START, LimitOrder("b", HYPER.id, 5, PRICE - 10, 0))])
    assert made.run(wake=Wake.LIQUIDATION).ts_ms == START + 3 * HOUR
    other = exchange(4_000)
    other.ask([(START, order("a", 1_000)), (START, LimitOrder("b", HYPER.id, 5, PRICE - 10, 0))])
    other.watch("hyper", 10**12)
    stops = [other.run(wake=Wake.FILL | Wake.HEALTH) for _ in range(3)]
    assert [stop.ts_ms for stop in stops] == [START, START + HOUR, START + 2 * HOUR]
    assert [stop.why for stop in stops] == [Wake.FILL, Wake.HEALTH, Wake.FILL]


def test_one_part_per_million_too_much_in_the_kernel_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = compiled.tables.tabulate

    def wrong(*arguments: object) -> at.World:
        world = right(*arguments)  # type: ignore[arg-type]
        world.instruments[:, at.TAKER] += 1
        return world

    monkeypatch.setattr(compiled.tables, "tabulate", wrong)
    with pytest.raises(AssertionError, match="seed"):
        all_alike(range(20))
