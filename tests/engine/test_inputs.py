# SPDX-License-Identifier: Apache-2.0
"""What decisions are made of is journalled when it changes, whichever part of it that is."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.room import FixedOutlook, room
from tests.engine.scripted_cycle import toward
from tests.risk import desk
from tidegate.costs.trading import TradingCosts
from tidegate.engine.inputs import (
    RELIEVE,
    Columns,
    Inputs,
    Observed,
    Setting,
    Solved,
    columns_of,
    observed,
    quotes_of,
    snapshot_of,
)
from tidegate.engine.inquiry import ask
from tidegate.engine.written_values import written
from tidegate.execution.desk import Standing
from tidegate.model.account import Unsettled
from tidegate.model.market import MarketSnapshot, Quote
from tidegate.risk.plan import Terms

CHANGES: dict[str, Callable[[], Terms]] = {
    "margin rules": lambda: desk.terms(with_rules=desk.rules(high="0.03")),
    "mandate": lambda: desk.terms(desk.with_limits(naked_s=31.0)),
    "routes": lambda: desk.routed(1_000.0),
    "costs": lambda: msgspec.structs.replace(
        desk.terms(), costs=dict.fromkeys(desk.INSTRUMENTS, TradingCosts(501, 0.0001, 1.0))
    ),
}


@pytest.mark.parametrize("part", CHANGES)
def test_terms_are_journalled_again_when_any_part_of_them_changes_and_only_then(part: str) -> None:
    built = room()
    inputs = Inputs(built.record, built.exchange.now_ms, reduces=True)
    sight = (
        desk.situation(desk.portfolio({"alpha": 1e6, "beta": 1e6})),
        Standing(False, False, Unsettled(), frozenset()),
    )
    outlook = FixedOutlook().at(built.exchange.now_ms)
    for terms in (desk.terms(), desk.terms(), CHANGES[part](), CHANGES[part]()):
        inputs.note(terms, outlook, sight, 0)
    kinds = [kind for kind, _ in built.frames() if kind in ("terms", "observed")]
    assert kinds == ["terms", "observed", "observed", "terms", "observed", "observed"]


quoted = st.builds(
    Quote,
    st.integers(1, 9),
    st.integers(0, 2),
    st.booleans(),
    st.sampled_from([1.0, 2.0]),
    st.sampled_from([0.1, 0.2]),
    st.sampled_from([None, 0.0, 0.5]),
)
markets = st.builds(
    MarketSnapshot,
    st.just(7),
    st.fixed_dictionaries(dict.fromkeys("abc", quoted)),
    st.sampled_from([(), ("alpha",)]),
    st.sampled_from([(), ("beta",)]),
    st.sampled_from([{}, {"USDT": 9}]),
)
names = st.frozensets(st.sampled_from("xyz"))
standings = st.builds(
    Standing,
    st.booleans(),
    st.booleans(),
    st.sampled_from([Unsettled(), Unsettled(lots={"a": (-1, 2)}, missing={"alpha": {"USDT": 3}})]),
    names,
    st.none(),
    st.booleans(),
    names,
)


def again(seen: Observed) -> Observed:
    """As a journal gives it back."""
    return msgspec.json.decode(msgspec.json.encode(seen), type=Observed)


@given(st.lists(st.tuples(markets, standings, names), min_size=1, max_size=4))
def test_sight_of_a_decision_comes_back_whole_from_what_is_new_in_each_frame(
    looks: list[tuple[MarketSnapshot, Standing, frozenset[str]]],
) -> None:
    book, before, known = desk.situation(desk.portfolio({})), Columns(), Columns()
    for market, standing, void in looks:
        ranks = {"a": 0.0, "b": 0.5}
        situation = msgspec.structs.replace(book, snapshot=market, void=void, adl_ranks=ranks)
        columns = columns_of(market.quotes)
        seen = again(observed(situation, standing, 5, columns.since(before)))
        before, known = columns, seen.columns.over(known)
        assert known == columns
        quotes = quotes_of(seen, known)
        assert (quotes, snapshot_of(seen, quotes)) == (dict(market.quotes), market)
        assert seen.standing == standing
        assert (frozenset(seen.void), seen.adl_ranks, seen.peak_micro) == (void, ranks, 5)
        assert (seen.snapshot, seen.ts_ms) == (market.id, 7)


def test_column_is_written_again_where_it_changed_and_only_then() -> None:
    built = room()
    inputs = Inputs(built.record, 3, reduces=False)
    standing = Standing(False, False, Unsettled(), frozenset())
    outlooks = [FixedOutlook().at(desk.NOW_MS) for _ in range(2)]
    volumes = (1e9, 1e9, 2e9, 2e9)
    for place, volume in enumerate(volumes):
        quotes = {
            name: msgspec.structs.replace(desk.quote(name), volume_day_usd=volume)
            for name in desk.INSTRUMENTS
        }
        situation = desk.situation(desk.portfolio({"alpha": 1e6}), quotes=quotes)
        inputs.note(desk.terms(), outlooks[place // 3], (situation, standing), 0)
    frames = built.frames()
    said = [f["columns"].get("volume_day_usd") for k, f in frames if k == "observed"]  # type: ignore[attr-defined]
    assert [bool(column) for column in said] == [
        not place or now != earlier
        for place, (earlier, now) in enumerate(pairwise((0.0, *volumes)))
    ]
    (setting,) = (msgspec.convert(f, Setting) for k, f in frames if k == "terms")
    assert (setting.start_ms, setting.reduces, setting.ts_ms) == (3, False, desk.NOW_MS)
    assert [kind for kind, _ in frames].count("outlook") == 2


@pytest.mark.parametrize("failure", [None, "no answer"])
@pytest.mark.parametrize("answered", [True, False])
def test_solve_has_an_answer_or_a_reason_why_not_and_never_both_or_neither(
    failure: str | None, answered: bool
) -> None:
    answer = toward({})(ask(desk.terms(), desk.situation(desk.portfolio({"alpha": 1e6})),
                            FixedOutlook().at(desk.NOW_MS), may_grow=False))  # fmt: skip
    solved = Solved(1, RELIEVE, written(answer) if answered else None, failure)
    if answered == (failure is None):
        assert (solved.value() is None) == (failure is not None)
    else:
        with pytest.raises(ValueError, match="expected an answer"):
            solved.value()
