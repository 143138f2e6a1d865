# SPDX-License-Identifier: Apache-2.0
"""Two stress levels, and which money counts for which."""

from __future__ import annotations

import pytest

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, BETA_BTC, base_lots, held
from tidegate.engine.alarm import Alarm, Level, assess, with_landings
from tidegate.model.account import Shipment
from tidegate.model.units import MICRO
from tidegate.risk.plan import Situation
from tidegate.risk.stress import stressed_health

LOTS = base_lots(ALPHA_BTC, 1_000_000)


def short_at_beta(
    beta_usd: float, under_way_usd: float = 0.0, frozen: tuple[str, ...] = ()
) -> Situation:
    """A million long at a rich alpha and short at beta, with money under way to beta."""
    positions = {ALPHA_BTC: held(ALPHA_BTC, LOTS), BETA_BTC: held(BETA_BTC, -100 * LOTS)}
    parcels: tuple[Shipment, ...] = ()
    if under_way_usd:
        quanta = int(under_way_usd * MICRO)
        parcels = (Shipment("s", "alpha", "beta", "USDT", quanta, desk.NOW_MS - 1),)
    book = desk.portfolio({"alpha": 500_000, "beta": beta_usd}, positions, parcels)
    return desk.situation(book, frozen=frozen)


def needed_usd(move: float) -> float:
    """What a million short needs to survive a rise, by the tiers of the desk."""
    notional = 1_000_000 * (1 + move)
    return 1_000_000 * move + 0.025 * notional - 15_000


INNER = needed_usd(0.08)
OUTER = needed_usd(0.8 * 0.11)


@pytest.mark.parametrize(
    ("beta_usd", "under_way_usd", "frozen", "level"),
    [
        (OUTER + 500, 0, (), Level.CALM),
        (OUTER - 500, 0, (), Level.TRANSFER),
        (INNER + 500, 0, (), Level.TRANSFER),
        (INNER - 500, 0, (), Level.REDUCE),
        (INNER + 500, 100_000, (), Level.CALM),
        (INNER + 500, 100_000, ("beta",), Level.TRANSFER),
        (INNER + 500, 100_000, ("alpha",), Level.CALM),
        (INNER - 500, 100_000, (), Level.REDUCE),
        (INNER + 500, 1_000, (), Level.TRANSFER),
    ],
)
def test_level_follows_from_stress_and_the_money_that_counts(
    beta_usd: float, under_way_usd: float, frozen: tuple[str, ...], level: Level
) -> None:
    """Money under way counts for the outer level only, and not where its venue is frozen."""
    alarm = assess(desk.terms(), short_at_beta(beta_usd, under_way_usd, frozen))
    assert alarm == Alarm(level, None if level is Level.CALM else "beta")


def test_reduction_at_one_venue_outranks_transfers_at_all_others() -> None:
    positions = {ALPHA_BTC: held(ALPHA_BTC, LOTS), BETA_BTC: held(BETA_BTC, -100 * LOTS)}
    for thin in ("alpha", "beta"):
        wallets = dict.fromkeys(("alpha", "beta"), INNER + 500) | {thin: INNER - 6_000}
        alarm = assess(desk.terms(), desk.situation(desk.portfolio(wallets, positions)))
        assert alarm == Alarm(Level.REDUCE, thin)


def test_landing_counts_after_conversion_and_never_twice() -> None:
    situation = short_at_beta(50_000, 10_000)
    account = situation.portfolio.accounts["beta"]
    landed = with_landings(desk.terms(), situation, account)
    assert landed.balances["USDC"] - account.balances["USDC"] == 9_999 * MICRO
    alpha = situation.portfolio.accounts["alpha"]
    assert with_landings(desk.terms(), situation, alpha) == alpha


def test_stress_is_taken_against_each_position_and_an_unknown_coin_is_an_error() -> None:
    situation = short_at_beta(INNER)
    account = situation.portfolio.accounts["beta"]
    rule = desk.RULES["beta"]
    moves = {"BTC": 0.08}
    found = stressed_health(rule, account, situation.marks, desk.INSTRUMENTS, moves)
    assert found == pytest.approx(0, abs=1e3 * MICRO)
    with pytest.raises(KeyError):
        stressed_health(rule, account, situation.marks, desk.INSTRUMENTS, {"ETH": 0.1})
