# SPDX-License-Identifier: Apache-2.0
"""The named crises are all there, and no figure stands without its source."""

from __future__ import annotations

import pytest

from tidegate.backtest.crisis.definitions import crises, one_crisis, read_definitions
from tidegate.backtest.crisis.history import REPLAYS
from tidegate.model.errors import InputError

NAMES = (
    *("2020-03-12", "2021-05-19", "2022-05", "2022-11", "2024-08-05", "2025-02-03"),
    *("2025-10-10", "2026-02-05", "drained", "stuck-oracle", "insolvency"),
)
# What sets each of these apart from a mere fall.
OWN = {
    "2022-05": ("depeg",),
    "2022-11": ("insolvent", "freeze_hours"),
    "2025-10-10": ("adl_share", "collateral_depeg", "collateral_depeg_minutes"),
    "drained": ("rush_hours", "drain_hours", "insolvent"),
    "stuck-oracle": ("stuck_mark_minutes",),
}
WHOLE = """
[one]
title = "one"
markets = ["first"]
move = { value = -0.1, source = "a paper" }
minutes = { value = 60, source = "a paper" }
depth = { value = 0.1, source = "assumed: yes" }
premium_8h = { value = 0.001, source = "assumed: yes" }
basis_kick = { value = 0.001, source = "assumed: yes" }
rebound = { value = 0.5, source = "assumed: yes" }
"""


def test_every_named_crisis_is_there_and_history_is_played_where_there_is_a_replay() -> None:
    known = crises()
    assert tuple(known) == NAMES
    assert {name for name, crisis in known.items() if "history" in crisis.markets} == set(REPLAYS)
    assert all("first" in crisis.markets for crisis in known.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_of_a_crisis_has_a_source(name: str) -> None:
    figures = dict(one_crisis(name).figures())
    assert {"move", "minutes", "depth", "premium_8h", "basis_kick", "rebound"} <= set(figures)
    assert set(OWN.get(name, ())) <= set(figures)
    for figure in figures.values():
        assert len(figure.source) > len("assumed: ")


def test_acceptance_case_has_the_figures_that_were_asked_for() -> None:
    case = one_crisis("insolvency")
    figures = (case.move, case.minutes, case.depth, case.freeze_hours, case.adl_share)
    assert [figure.value for figure in figures] == [-0.15, 30, 0.05, 24, 0.5]
    assert case.loses_money


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (', source = "a paper" }', " }", "source"),
        ('source = "a paper"', 'source = " "', "a finite value and a source"),
        ("value = -0.1", "value = nan", "a finite value and a source"),
        ("value = -0.1", "value = -1.0", "one.falls.BTC"),
        ("value = -0.1", "value = 0.0", "one.move"),
        ("value = 60", "value = 0", "one.move"),
        ('["first"]', "[]", "one.markets"),
        ('["first"]', '["third"]', "third"),
        ('title = "one"', 'title = "one"\nfreeze = 3', "freeze"),
        ('title = "one"', 'title = "one"\nfalls.ETH = {value = 0.1, source = "x"}', "falls.ETH"),
    ],
)
def test_figure_that_is_amiss_is_refused_in_one_line(old: str, new: str, told: str) -> None:
    assert old in WHOLE
    assert tuple(read_definitions(WHOLE)) == ("one",)
    with pytest.raises(InputError, match=told):
        read_definitions(WHOLE.replace(old, new, 1))


def test_unknown_crisis_is_refused_and_the_known_ones_named() -> None:
    with pytest.raises(InputError, match=r"2020-03-12, .*, or all"):
        one_crisis("2019-01-01")
