# SPDX-License-Identifier: Apache-2.0
"""Certificates of accounts in ticks: tiers, dYdX, and Deribit's standard margin with options."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.margin.option_books import (
    COIN_PERP,
    COIN_RULE,
    DOLLAR_PERP,
    DOLLAR_RULE,
    EXPIRY,
    FORWARD,
    bought,
)
from tests.margin.option_books import account as deribit_account
from tests.margin.oracle_black import black
from tests.margin.test_dydx import BOTH
from tests.margin.test_dydx import MARKS as DYDX_MARKS
from tests.margin.test_dydx import venue as dydx
from tests.risk import desk
from tidegate.margin.deribit_options import DeribitOptions
from tidegate.margin.market_values import MarketValues, Seen, forward_of, index_of, vol_of
from tidegate.margin.rule import MarginRule
from tidegate.model.account import Account, Position
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, InstrumentId
from tidegate.model.times import DAY_MS
from tidegate.model.units import MICRO, unit_quanta
from tidegate.risk.certificate import (
    Box,
    DeribitAccount,
    Effort,
    LinearAccount,
    Verdict,
    certify,
    verify,
)
from tidegate.risk.certificate_box import CoinBox
from tidegate.risk.certificate_linear import envelope

RANGE = CoinBox((0.7, 1.3), (0.97, 1.03), (0.5, 2.0))
BOX = Box({"BTC": RANGE, "ETH": RANGE, "SOL": RANGE})
RATIOS = np.linspace(0.7 * 0.97, 1.3 * 1.03, 101)


@dataclass(frozen=True)
class Venue:
    """A rule, what it margins, and marks."""

    rule: MarginRule
    instruments: dict[InstrumentId, Instrument]
    marks: dict[InstrumentId, int]


def venues() -> dict[str, Venue]:
    found = {}
    for name in ("alpha", "beta"):
        own = {n: i for n, i in desk.INSTRUMENTS.items() if i.venue == name}
        found[name] = Venue(desk.RULES[name], own, desk.MARKS)
    return {**found, "dydx": Venue(dydx(), BOTH, DYDX_MARKS)}


def drawn(venue: Venue, rng: np.random.Generator, wallet_usd: float) -> Account:
    """Random positions of up to three million dollars each."""
    positions = {}
    for name, each in venue.instruments.items():
        one = each.notional(1, venue.marks[name]) / MICRO
        lots = int(rng.normal() * 1.5e6 / one)
        entry = round(venue.marks[name] * float(rng.uniform(0.9, 1.1)))
        positions[name] = Position(lots, each.entry_cost(lots, entry))
    return Account("x", {venue.rule.collateral: int(wallet_usd * MICRO)}, positions)


def least_on_the_grid(venue: Venue, account: Account) -> float:
    """Each coin at its own worst of the grid: coins move by themselves and health is a sum."""
    equity, required = venue.rule.health_at(account, venue.marks)
    now = equity - required
    total = float(now)
    for name in venue.instruments:
        ticks = sorted({round(venue.marks[name] * ratio) for ratio in RATIOS})
        healths = [
            np.subtract(*venue.rule.health_at(account, {**venue.marks, name: at})) for at in ticks
        ]
        total += min(healths) - now
    return total / MICRO


def tick_usd(venue: Venue, account: Account) -> float:
    """What one tick of every mark is worth: marks of the box are at the nearest."""
    return sum(
        abs(position.lots) * float(venue.instruments[name].lot * venue.instruments[name].tick)
        for name, position in account.positions.items()
    )


@pytest.mark.parametrize("name", ["alpha", "beta", "dydx"])
@pytest.mark.parametrize("seed", range(6))
def test_grid_of_ticks_contradicts_no_certificate_of_tiers_and_bounds_meet(
    name: str, seed: int
) -> None:
    venue, rng = venues()[name], np.random.default_rng(seed)
    account = drawn(venue, rng, 0.0)
    needs = -least_on_the_grid(venue, account)
    gap = 50.0 + 3.0 * tick_usd(venue, account)
    for more, verdict in ((2.0 * gap, Verdict.PROVED), (-2.0 * gap, Verdict.COUNTER_EXAMPLE)):
        account = replace_wallet(account, venue.rule.collateral, int((needs + more) * MICRO))
        asked = LinearAccount(venue.rule, account, venue.instruments, venue.marks)
        found = certify(asked, BOX, Effort(gap_usd=gap), keep_leaves=True)
        assert found.verdict is verdict
        assert least_on_the_grid(venue, account) >= found.lower_usd
        assert found.upper_usd - found.lower_usd <= gap
        if found.proved:
            verify(found, asked, BOX)


def replace_wallet(account: Account, asset: str, quanta: int) -> Account:
    return Account(account.venue, {asset: quanta}, account.positions)


def test_account_of_tiers_without_spread_is_decided_in_one_cell_a_coin() -> None:
    """Health is concave in the price, so its least is at an end of the range."""
    venue = venues()["alpha"]
    account = drawn(venue, np.random.default_rng(3), 5e6)
    box = Box({"BTC": CoinBox((0.7, 1.3)), "ETH": CoinBox((0.7, 1.3))})
    asked = LinearAccount(venue.rule, account, venue.instruments, venue.marks)
    found = certify(asked, box, Effort(gap_usd=30.0))
    assert found.proved
    assert found.cells == 2


def test_account_in_ticks_without_a_mark_or_with_what_it_may_not_hold_is_refused() -> None:
    venue = venues()["alpha"]
    account = drawn(venue, np.random.default_rng(3), 5e6)
    marks = {n: t for n, t in venue.marks.items() if n != desk.ALPHA_BTC}
    with pytest.raises(InputError, match="alpha:BTCUSDT"):
        LinearAccount(venue.rule, account, venue.instruments, marks)
    coins = Account("x", {"USDT": 1, "BTC": 1}, {})
    with pytest.raises(InputError, match="BTC"):
        LinearAccount(venue.rule, coins, venue.instruments, venue.marks)
    asked = LinearAccount(venue.rule, account, venue.instruments, venue.marks)
    with pytest.raises(InputError, match="ETH: expected ranges"):
        certify(asked, Box({"BTC": RANGE}))
    with pytest.raises(InputError, match="horizon"):
        certify(asked, Box(BOX.coins, horizon_ms=1))


def test_envelope_is_the_largest_of_its_lines_at_every_amount() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        rates, offsets = rng.choice([0.01, 0.02, 0.05, 0.1], 5), rng.integers(0, 5, 5) * 1e9
        lines = (*zip(rates.tolist(), offsets.tolist(), strict=True), (0.005, 0.0))
        pieces = envelope(lines)
        for n in np.linspace(0.0, 1e6, 40):
            most = max(rate * n - cut / MICRO for rate, cut in lines)
            assert max(rate * n - cut for rate, cut in pieces) == pytest.approx(most)
        assert [p[0] for p in pieces] == sorted({p[0] for p in pieces})


NOW_MS = EXPIRY - 30 * DAY_MS
PRICE = 60_000.0


def deribit_market(rule: DeribitOptions) -> MarketValues:
    values = {index_of("BTC"): PRICE, forward_of("BTC", EXPIRY): PRICE * 1.01}
    values |= {vol_of(name): 0.5 for name in rule.options}
    return MarketValues(NOW_MS, {k: Seen(v, NOW_MS) for k, v in values.items()}, 1_000)


def deribit_marks(
    rule: DeribitOptions, beyond: float, moved: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> dict[str, int]:
    """Marks at Black's formula and a share of the price beyond it, at the nearest ticks."""
    price, spread, vol = moved
    forward, at = PRICE * 1.01 * price * spread, {FORWARD.id: round(2 * PRICE * price)}
    for name, each in rule.options.items():
        value = black(forward, float(each.strike), each.is_call, 0.5 * vol * (30 / 365) ** 0.5)
        of_coin = beyond if each.coin_settled else beyond * PRICE
        mark = (value / forward if each.coin_settled else value) + of_coin
        at[name] = round(max(0.0, mark) / float(each.tick))
    at |= {name: round(2 * PRICE * price * spread) for name in rule.contracts.instruments}
    return at


def deribit_asked(rule: DeribitOptions, seed: int, wallet: int) -> DeribitAccount:
    rng = np.random.default_rng(seed)
    named = {**rule.options, **rule.contracts.instruments}
    at = deribit_marks(rule, 0.0)
    positions = {}
    for name, each in named.items():
        scale = 100 if name in rule.options else 20_000
        scale *= 10 if each.settle != "BTC" and name in rule.options else 1
        lots = int(rng.normal() * scale) or 1
        positions[name] = bought(each, lots, at[name])
    account = deribit_account(rule, wallet, positions)
    return DeribitAccount(rule, account, at, deribit_market(rule))


@pytest.mark.parametrize("rule", [COIN_RULE, DOLLAR_RULE], ids=["coin", "dollar"])
@pytest.mark.parametrize("seed", range(4))
def test_grid_of_statements_contradicts_no_certificate_of_deribits_standard_margin(
    rule: DeribitOptions, seed: int
) -> None:
    unit = unit_quanta(rule.collateral)
    asked = deribit_asked(rule, seed, 0)
    box = Box({"BTC": CoinBox((0.8, 1.25), (0.99, 1.01), (0.7, 1.5))})
    loose = certify(asked, box, Effort(gap_usd=1e3, cells=600))
    in_coin = rule.collateral == "BTC"
    wallet = int((-loose.upper_usd + 3_000.0) * unit / (PRICE * 0.8 if in_coin else 1.0))
    asked = replace(asked, account=replace_wallet(asked.account, rule.collateral, wallet))
    found = certify(asked, box, Effort(gap_usd=1e3, cells=4_000))
    least = np.inf
    for price in np.linspace(0.8, 1.25, 19):
        for spread in (0.99, 1.0, 1.01):
            for vol in (0.7, 1.0, 1.5):
                at = deribit_marks(rule, 0.0, (price, spread, vol))
                health = np.subtract(*rule.health_at(asked.account, at)) / unit
                least = min(least, health * (PRICE * price if in_coin else 1.0))
    # Marks of the grid are rounded from the model, those of the box from the present tick.
    ticks = sum(
        abs(p.lots * float(rule.options[n].lot)) * float(rule.options[n].tick)
        for n, p in asked.account.positions.items()
        if n in rule.options
    ) * (PRICE * 1.25 if in_coin else 1.0)
    assert least >= found.lower_usd - ticks
    assert found.proved == (found.lower_usd > 0.0)
    assert found.upper_usd - found.lower_usd <= 1e3 + 3.0 * ticks


@pytest.mark.parametrize("rule", [COIN_RULE, DOLLAR_RULE], ids=["coin", "dollar"])
def test_option_of_deribits_standard_margin_without_a_vol_is_named(rule: DeribitOptions) -> None:
    asked = deribit_asked(rule, 1, 10**12)
    name = next(iter(rule.options))
    values = {k: v for k, v in asked.market.values.items() if k != vol_of(name)}
    broken = replace(asked, market=replace(asked.market, values=values))
    with pytest.raises(InputError, match="vol"):
        certify(broken, BOX)


def test_account_of_contracts_alone_is_one_without_options() -> None:
    for rule, perp in ((COIN_RULE, COIN_PERP), (DOLLAR_RULE, DOLLAR_PERP)):
        plain = DeribitOptions(rule.contracts, {}, {}, {})
        held = {perp.id: bought(perp, -2_000, 120_000)}
        unit = unit_quanta(rule.collateral)
        account = deribit_account(plain, 3 * unit if rule is COIN_RULE else 60_000 * unit, held)
        asked = DeribitAccount(plain, account, {perp.id: 120_000}, deribit_market(plain))
        found = certify(asked, Box({"BTC": CoinBox((0.9, 1.1))}), Effort(gap_usd=1.0))
        ends = []
        for ratio in (0.9, 1.1):
            health = np.subtract(*plain.health_at(account, {perp.id: round(120_000 * ratio)}))
            ends.append(health / unit * (PRICE * ratio if rule is COIN_RULE else 1.0))
        assert min(ends) == pytest.approx(found.upper_usd, abs=2.0)
