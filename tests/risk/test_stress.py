# SPDX-License-Identifier: Apache-2.0
"""Stressed marks by hand: each position at its own bad side, rounded against us."""

from __future__ import annotations

import pytest

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH, VAULT_BTC, held
from tidegate.model.account import Account
from tidegate.risk.stress import adverse_marks, scaled, stressed_health

MARKS = {ALPHA_BTC: 10_001, ALPHA_ETH: 10_001, BETA_BTC: 7, BETA_ETH: 7, VAULT_BTC: 10_001}


def stressed(account: Account, move: float, **others: float) -> dict[str, int]:
    moves = {"BTC": move, "ETH": 0.5} | others
    return adverse_marks(account, MARKS, desk.INSTRUMENTS, moves)


def test_long_goes_down_and_short_goes_up_each_rounded_against_us_and_others_stand_still() -> None:
    """10,001 less 10 % is 9,000.9 and more 50 % is 15,001.5."""
    account = Account("alpha", {}, {ALPHA_BTC: held(ALPHA_BTC, 5), ALPHA_ETH: held(ALPHA_ETH, -5)})
    found = stressed(account, 0.1)
    assert found == {**MARKS, ALPHA_BTC: 9_000, ALPHA_ETH: 15_002}


def test_part_of_a_millionth_of_a_move_counts_as_a_whole_one() -> None:
    account = Account("alpha", {}, {ALPHA_BTC: held(ALPHA_BTC, 5)})
    marks = {**MARKS, ALPHA_BTC: 10**6}
    found = adverse_marks(account, marks, desk.INSTRUMENTS, {"BTC": 0.1000001})
    assert found[ALPHA_BTC] == 899_999


@pytest.mark.parametrize(("quanta", "ticks"), [(1, 9_000), (0, 10_001), (-1, 10_001)])
def test_coin_held_outright_goes_down_at_its_own_venue_alone(quanta: int, ticks: int) -> None:
    found = stressed(Account("vault", {"BTC": quanta}, {}), 0.1)
    assert found == {**MARKS, VAULT_BTC: ticks}
    assert stressed(Account("gamma", {"BTC": quanta}, {}), 0.1) == MARKS


@pytest.mark.parametrize("lots", [5, -5])
def test_position_moves_against_itself_though_its_coin_lies_in_the_account_too(lots: int) -> None:
    """One satoshi at the venue of a short must not let the short gain by its own stress."""
    account = Account("alpha", {"BTC": 1}, {ALPHA_BTC: held(ALPHA_BTC, lots)})
    assert stressed(account, 0.1) == {**MARKS, ALPHA_BTC: 9_000 if lots > 0 else 11_002}


@pytest.mark.parametrize("move", [1.0, 1.5])
def test_price_never_falls_below_a_millionth_nor_below_one_tick(move: float) -> None:
    account = Account("beta", {}, {BETA_BTC: held(BETA_BTC, 5)})
    assert stressed(account, move)[BETA_BTC] == 1
    marks = {**MARKS, BETA_BTC: 3 * 10**6}
    assert adverse_marks(account, marks, desk.INSTRUMENTS, {"BTC": move})[BETA_BTC] == 3


def test_coin_without_a_move_is_an_error_and_not_a_still_price() -> None:
    account = Account("alpha", {}, {ALPHA_BTC: held(ALPHA_BTC, 5)})
    with pytest.raises(KeyError, match="BTC"):
        adverse_marks(account, MARKS, desk.INSTRUMENTS, {"ETH": 0.1})


def test_stressed_health_is_equity_less_maintenance_at_the_stressed_marks() -> None:
    """1 BTC long at 60,000 with 10,000: 10 % down leaves 4,000, of which 1 % of 54,000 is kept."""
    account = Account("alpha", {"USDT": 10_000 * 10**6}, {ALPHA_BTC: held(ALPHA_BTC, 1_000)})
    rule = desk.RULES["alpha"]
    found = stressed_health(rule, account, desk.MARKS, desk.INSTRUMENTS, {"BTC": 0.1})
    assert found == (4_000 - 540) * 10**6


def test_scaled_moves_are_multiples_per_coin() -> None:
    assert scaled({"BTC": 0.25, "ETH": 0.5}, 1.5) == {"BTC": 0.375, "ETH": 0.75}
