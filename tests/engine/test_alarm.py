# SPDX-License-Identifier: Apache-2.0
"""Two stress levels, and which money counts for which."""

from __future__ import annotations

import msgspec
import pytest

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH, VAULT_BTC, base_lots, held
from tidegate.engine.alarm import (
    Alarm,
    Level,
    assess,
    blocked_venues,
    cutting_moves,
    naked_coins,
    with_landings,
)
from tidegate.model.account import Shipment
from tidegate.model.times import read_window
from tidegate.model.units import MICRO
from tidegate.risk.plan import Situation, Terms
from tidegate.risk.stress import scaled, stressed_health

LOTS = base_lots(ALPHA_BTC, 1_000_000)


def short_at_beta(
    beta_usd: float,
    under_way_usd: float = 0.0,
    frozen: tuple[str, ...] = (),
    alpha_usd: float = 500_000,
) -> Situation:
    """A million long at a rich alpha and short at beta, with money under way to beta."""
    positions = {ALPHA_BTC: held(ALPHA_BTC, LOTS), BETA_BTC: held(BETA_BTC, -100 * LOTS)}
    parcels: tuple[Shipment, ...] = ()
    if under_way_usd:
        quanta = int(under_way_usd * MICRO)
        parcels = (Shipment("s", "alpha", "beta", "USDT", quanta, desk.NOW_MS - 1),)
    book = desk.portfolio({"alpha": alpha_usd, "beta": beta_usd}, positions, parcels)
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


BLOCKED = needed_usd(0.79 * 0.11)


@pytest.mark.parametrize(
    ("frozen", "spare_usd", "level"),
    [
        ((), 100_000, Level.TRANSFER),
        (("beta",), 100_000, Level.REDUCE),
        (("alpha",), 100_000, Level.REDUCE),
        ((), 1_000, Level.REDUCE),
        ((), 1_500, Level.TRANSFER),
    ],
)
def test_account_to_which_not_enough_can_come_is_cut_at_a_share_of_the_outer_level(
    frozen: tuple[str, ...], spare_usd: float, level: Level
) -> None:
    """Beta lacks some 1,200 dollars. It is cut where it is frozen itself, where alpha is, and where
    alpha needs what it has, and is sent money where it can be."""
    terms = desk.terms(desk.with_stress(blocked_share=0.79))
    rich = short_at_beta(BLOCKED - 100)
    alpha, moves = rich.portfolio.accounts["alpha"], scaled(rich.outer, 0.8)
    free = stressed_health(terms.rules["alpha"], alpha, rich.marks, terms.instruments, moves)
    alpha_usd = 500_000 - free / MICRO + spare_usd
    situation = short_at_beta(BLOCKED - 100, frozen=frozen, alpha_usd=alpha_usd)
    assert assess(terms, situation) == Alarm(level, "beta")


def test_account_above_the_level_of_the_blocked_waits_for_money_that_cannot_come() -> None:
    terms = desk.terms(desk.with_stress(blocked_share=0.79))
    situation = short_at_beta(BLOCKED + 100, frozen=("beta",))
    assert assess(terms, situation) == Alarm(Level.TRANSFER, "beta")


def test_level_of_a_blocked_account_is_never_below_the_inner_one() -> None:
    terms = desk.terms(desk.with_stress(blocked_share=0.1))
    situation = short_at_beta(INNER - 500, frozen=("beta",))
    assert cutting_moves(terms, situation, blocked=True) == situation.inner
    assert assess(terms, situation).level is Level.REDUCE


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
    gone = frozenset(shipment.id for shipment in situation.portfolio.shipments)
    doubtful = msgspec.structs.replace(situation, void=gone)
    assert with_landings(desk.terms(), doubtful, account) == account


def test_stress_is_taken_against_each_position_and_an_unknown_coin_is_an_error() -> None:
    situation = short_at_beta(INNER)
    account = situation.portfolio.accounts["beta"]
    rule = desk.RULES["beta"]
    moves = {"BTC": 0.08}
    found = stressed_health(rule, account, situation.marks, desk.INSTRUMENTS, moves)
    assert found == pytest.approx(0, abs=1e3 * MICRO)
    with pytest.raises(KeyError):
        stressed_health(rule, account, situation.marks, desk.INSTRUMENTS, {"ETH": 0.1})


ONE_COIN = 10**8
NAKED_USD = desk.MANDATE.limits.naked_usd


def holding(
    lots: dict[str, int], coins: int = 0, marks: dict[str, float] | None = None
) -> Situation:
    """A rich book of these lots, with coins in the vault, at multiples of the usual prices."""
    rich = dict.fromkeys(("alpha", "beta", "vault"), 5_000_000.0)
    book = desk.portfolio(rich, {n: held(n, k) for n, k in lots.items()}, coins={"BTC": coins})
    quotes = {n: desk.quote(n, round(desk.MARKS[n] * m)) for n, m in (marks or {}).items()}
    return desk.situation(book, quotes=quotes)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("beyond", "naked"), [(-1, False), (1, True)])
def test_coin_is_naked_once_its_net_is_worth_more_than_the_limit(
    side: int, beyond: int, naked: bool
) -> None:
    """A lot at beta is worth 60 cents; the hedged rest of the position does not count."""
    terms, worth = desk.terms(desk.with_limits(naked_usd=24_000)), 40_000 + beyond
    lots = {ALPHA_BTC: side * LOTS, BETA_BTC: -side * (100 * LOTS + worth)}
    found = naked_coins(terms, holding(lots))
    assert found == ({"BTC"} if naked else frozenset())


def test_orphan_calls_for_cutting_though_every_account_is_rich_and_no_venue_is_named() -> None:
    situation = holding({ALPHA_BTC: base_lots(ALPHA_BTC, 2 * NAKED_USD)})
    assert assess(desk.terms(), situation) == Alarm(Level.REDUCE, None)
    assert assess(desk.terms(), holding({ALPHA_BTC: LOTS, BETA_BTC: -100 * LOTS})).level is (
        Level.CALM
    )


def test_coins_do_not_hedge_each_other_and_each_is_named() -> None:
    long = base_lots(ALPHA_BTC, 4 * NAKED_USD)
    short = base_lots(BETA_ETH, 4 * NAKED_USD)
    situation = holding({ALPHA_BTC: long, BETA_ETH: -short})
    assert naked_coins(desk.terms(), situation) == {"BTC", "ETH"}
    small = base_lots(ALPHA_ETH, NAKED_USD / 2)
    assert naked_coins(desk.terms(), holding({ALPHA_BTC: long, ALPHA_ETH: small})) == {"BTC"}


def test_coins_held_outright_hedge_a_short_and_alone_are_naked() -> None:
    short = {BETA_BTC: -100_000}
    assert naked_coins(desk.terms(), holding(short)) == {"BTC"}
    assert naked_coins(desk.terms(), holding(short, ONE_COIN)) == frozenset()
    assert naked_coins(desk.terms(), holding({}, ONE_COIN)) == {"BTC"}


def test_hedge_is_measured_at_each_venues_own_price() -> None:
    """A million against a million at a price three percent apart differ by 30,000."""
    lots = {ALPHA_BTC: LOTS, BETA_BTC: -100 * LOTS}
    assert naked_coins(desk.terms(), holding(lots, marks={BETA_BTC: 1.02})) == frozenset()
    assert naked_coins(desk.terms(), holding(lots, marks={BETA_BTC: 1.03})) == {"BTC"}
    everywhere = dict.fromkeys((ALPHA_BTC, BETA_BTC, VAULT_BTC), 1.03)
    assert naked_coins(desk.terms(), holding(lots, marks=everywhere)) == frozenset()


@pytest.mark.parametrize(
    ("terms", "sent_usd", "blocked"),
    [
        (desk.terms(), None, False),
        (desk.routed(window=read_window("08:00-22:00", "test", "window")), {}, True),
        (desk.routed(window=read_window("22:00-23:00", "test", "window")), {}, False),
        (desk.routed(100_000), None, True),
        (desk.routed(100_000), {}, False),
        (desk.routed(100_000), {("alpha", "beta"): 99_000.0}, True),
    ],
)
def test_account_that_no_route_can_reach_now_is_blocked(
    terms: Terms, sent_usd: dict[tuple[str, str], float] | None, blocked: bool
) -> None:
    situation = short_at_beta(OUTER - 5_000, alpha_usd=1_000_000)
    situation = msgspec.structs.replace(situation, sent_day_usd=sent_usd)
    assert (blocked_venues(terms, situation) == {"beta"}) == blocked
