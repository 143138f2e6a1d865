# SPDX-License-Identifier: Apache-2.0
"""dYdX v4 margin: the chain's own vectors to the integer, open-interest scaling, liquidation."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.margin.parity import read
from tidegate.margin.dydx import DydxCross, LiquidityTier
from tidegate.margin.liquidation import liquidation_prices
from tidegate.model.account import Account, Position, fill_position
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Perpetual, Spot
from tidegate.model.units import MICRO, ceil_div

BTC = Perpetual("dydx", "BTC-USD", "BTC", "USDC", Decimal("1"), Decimal("0.0001"))
SOL = Perpetual("dydx", "SOL-USD", "SOL", "USDC", Decimal("0.01"), Decimal("0.1"))
BOTH: dict[str, Instrument] = {BTC.id: BTC, SOL.id: SOL}
# Genesis of the chain's code, December 2024: Large-Cap, and Mid-Cap with caps of 40 and 100 M.
LARGE = LiquidityTier(20_000, 600_000, 0, 0, "2024-12-12", "test")
MID = LiquidityTier(50_000, 600_000, 40 * 10**12, 100 * 10**12, "2024-12-12", "test")
TIERS = {BTC.id: LARGE, SOL.id: MID}
MARKS = {BTC.id: 60_000, SOL.id: 20_000}


def venue(open_sol: int = 0, leverage: int = 50) -> DydxCross:
    return DydxCross("USDC", BOTH, TIERS, {SOL.id: open_sol}, leverage)


def bought(instrument: Instrument, lots: int, ticks: int) -> Position:
    return Position(lots, instrument.entry_cost(lots, ticks))


def account(wallet: int, positions: dict[str, Position]) -> Account:
    return Account("dydx", {"USDC": wallet}, positions)


def test_parity_dydx_to_the_integer_on_either_side(cases_root: Path) -> None:
    for case in read(cases_root, "dydx/margin_requirements"):
        contract = Perpetual(
            "dydx",
            "CASE",
            "BASE",
            "USDC",
            Decimal(1).scaleb(case["exponent"]),
            Decimal(1).scaleb(case["baseCurrencyAtomicResolution"]),
        )
        tier = LiquidityTier(
            case["initialMarginPpm"],
            case["maintenanceFractionPpm"],
            case.get("openInterestLowerCap", 0),
            case.get("openInterestUpperCap", 0),
            "",
            case["name"],
        )
        opened = {contract.id: case.get("openInterest", 0)}
        rule = DydxCross("USDC", {contract.id: contract}, {contract.id: tier}, opened, MICRO)
        for lots in (case["bigBaseQuantums"], -case["bigBaseQuantums"]):
            held = account(0, {contract.id: Position(lots, 0)})
            state = rule.state(held, {contract.id: case["price"]})
            assert state.initial == case["bigExpectedInitialMargin"], case["name"]
            assert state.maintenance == case["bigExpectedMaintenanceMargin"], case["name"]


@pytest.mark.parametrize(
    ("open_notional", "expected"),
    [
        (0, 50_000),
        (40 * 10**12, 50_000),
        (40 * 10**12 + 1, 50_000),
        # One part per million of the rise is 60e12 / 950,000 = 63,157,894.7 quanta.
        (40 * 10**12 + 63_157_894, 50_000),
        (40 * 10**12 + 63_157_895, 50_001),
        (70 * 10**12, 525_000),
        (100 * 10**12 - 1, 999_999),
        (100 * 10**12, MICRO),
        (10**18, MICRO),
    ],
)
def test_initial_fraction_rises_from_its_value_to_one_between_the_caps(
    open_notional: int, expected: int
) -> None:
    assert MID.scaled_initial_ppm(open_notional) == expected


def test_tier_without_an_upper_cap_is_never_scaled_and_one_step_of_caps_goes_to_one() -> None:
    assert LARGE.scaled_initial_ppm(10**30) == 20_000
    step = LiquidityTier(50_000, 600_000, 10, 10, "2024-12-12", "test")
    assert [step.scaled_initial_ppm(n) for n in (9, 10, 11)] == [50_000, MICRO, MICRO]


@given(
    st.integers(1, MICRO),
    st.integers(0, 10**14),
    st.integers(1, 10**14),
    st.integers(0, 3 * 10**14),
)
def test_scaled_fraction_is_the_exact_line_rounded_down_and_within_its_bounds(
    initial: int, lower: int, width: int, open_notional: int
) -> None:
    tier = LiquidityTier(initial, 500_000, lower, lower + width, "2024-12-12", "test")
    share = min(Fraction(1), max(Fraction(0), Fraction(open_notional - lower, width)))
    exact = initial + share * (MICRO - initial)
    assert tier.scaled_initial_ppm(open_notional) == exact.numerator // exact.denominator


def test_open_interest_scales_initial_margin_alone_and_moves_with_the_mark() -> None:
    # 3.5 million lots of 0.1 SOL at 200 are 70 million dollars, half way between the caps.
    held = account(0, {SOL.id: bought(SOL, 1_000, 20_000)})
    state = venue(3_500_000).state(held, MARKS)
    assert state.initial == 20_000 * MICRO * 525_000 // MICRO
    assert state.maintenance == 600 * MICRO
    assert venue(3_500_000).initial_ppm(SOL.id, {SOL.id: 40_000}) == MICRO


@pytest.mark.parametrize(
    ("leverage", "expected"),
    [(1, MICRO), (3, 333_334), (20, 50_000), (50, 50_000), (1_000, 50_000)],
)
def test_chosen_leverage_can_only_raise_the_initial_fraction(leverage: int, expected: int) -> None:
    assert venue(0, leverage).initial_ppm(SOL.id, MARKS) == expected


@pytest.mark.parametrize(("chosen", "expected"), [(1, 50_000), (200_000, 200_000)])
def test_fraction_chosen_for_one_market_can_only_raise_that_market(
    chosen: int, expected: int
) -> None:
    rule = DydxCross("USDC", BOTH, TIERS, {SOL.id: 0}, 50, {SOL.id: chosen})
    assert rule.initial_ppm(SOL.id, MARKS) == expected
    assert rule.initial_ppm(BTC.id, MARKS) == 20_000
    held = account(0, {SOL.id: bought(SOL, 1_000, 20_000)})
    assert rule.health_at(held, MARKS) == venue().health_at(held, MARKS)


@pytest.mark.parametrize("chosen", [{"dydx:BTC-USD": 0}, {"dydx:BTC-USD": MICRO + 1}, {"x": 1}])
def test_fraction_chosen_that_is_none_is_refused(chosen: dict[str, int]) -> None:
    with pytest.raises(InputError, match="share of 1000000"):
        DydxCross("USDC", BOTH, TIERS, {SOL.id: 0}, 50, chosen)


def test_notional_is_truncated_before_the_fractions_and_both_roundings_are_up() -> None:
    # 1e-10 BTC at 12,345 is 1.2345 quanta: 1; 2 % of it is 1, and 60 % of that is 1.
    dust = Perpetual("dydx", "DUST", "BTC", "USDC", Decimal(1), Decimal("1e-10"))
    rule = DydxCross("USDC", {dust.id: dust}, {dust.id: LARGE}, {}, 50)
    for lots, equity in ((1, 1), (-1, -1)):
        state = rule.state(account(0, {dust.id: Position(lots, 0)}), {dust.id: 12_345})
        assert (state.equity, state.initial, state.maintenance) == (equity, 1, 1)


@st.composite
def held_books(draw: st.DrawFn) -> tuple[Account, dict[str, int]]:
    marks = {BTC.id: draw(st.integers(1_000, 200_000)), SOL.id: draw(st.integers(100, 100_000))}
    positions = {}
    for instrument in (BTC, SOL):
        lots = draw(st.integers(-(10**6), 10**6))
        if lots:
            positions[instrument.id] = bought(instrument, lots, draw(st.integers(100, 200_000)))
    return account(draw(st.integers(-(10**12), 10**13)), positions), marks


@given(held_books(), st.integers(0, 10**7), st.integers(1, 100))
def test_all_that_is_withdrawable_may_leave_and_not_a_quantum_more(
    book: tuple[Account, dict[str, int]], open_sol: int, leverage: int
) -> None:
    held, marks = book
    rule = venue(open_sol, leverage)
    state = rule.state(held, marks)
    assert state.initial >= state.maintenance
    assert rule.health_at(held, marks) == (state.equity, state.maintenance)
    quanta = state.withdrawable
    assert quanta >= 0
    left = rule.state(account(held.balances["USDC"] - quanta, dict(held.positions)), marks)
    assert left.withdrawable == 0
    assert quanta == 0 or left.equity == left.initial


def test_profit_may_leave_although_the_wallet_is_empty() -> None:
    # 1 BTC from 60,000 to 80,000: 20,000 of profit less 2 % of 80,000.
    held = account(0, {BTC.id: bought(BTC, 10_000, 60_000)})
    assert venue().state(held, {BTC.id: 80_000}).withdrawable == 18_400 * MICRO


def test_long_and_short_die_at_the_prices_computed_by_hand() -> None:
    # 6,000 of wallet at 1.2 %: 54,000 / 0.988 = 54,655.9 and 66,000 / 1.012 = 65,217.4.
    for lots, below, above in ((10_000, 54_655, None), (-10_000, None, 65_218)):
        held = account(6_000 * MICRO, {BTC.id: bought(BTC, lots, 60_000)})
        found = liquidation_prices(venue(), held, {BTC.id: 60_000}, BTC.id)
        assert (found.below_ticks, found.above_ticks) == (below, above)


@given(st.integers(0, 10**15))
def test_line_covers_maintenance_to_its_two_roundings(notional: int) -> None:
    ((rate, deduction),) = venue().lines(SOL.id, 1, 1.0)
    assert (rate, deduction) == (0.03, 0.0)
    exact = Fraction(notional * 3, 100)
    assert exact <= MID.maintenance(notional) < exact + 2


def fraction_tier(**changes: int) -> LiquidityTier:
    terms: dict[str, int] = {
        "initial_ppm": 50_000,
        "maintenance_fraction_ppm": 600_000,
        "open_notional_lower": 1,
        "open_notional_upper": 2,
    }
    return LiquidityTier(**{**terms, **changes}, as_of="2024-12-12", source="tiers.json")


@pytest.mark.parametrize(
    ("field", "amount"),
    [
        ("initial_ppm", 0),
        ("initial_ppm", MICRO + 1),
        ("maintenance_fraction_ppm", 0),
        ("maintenance_fraction_ppm", MICRO + 1),
        ("open_notional_lower", -1),
        ("open_notional_lower", 3),
    ],
)
def test_tier_outside_its_range_is_refused_and_the_field_named(field: str, amount: int) -> None:
    with pytest.raises(InputError, match=rf"tiers\.json: {field}: expected"):
        fraction_tier(**{field: amount})


def test_capped_tier_without_open_interest_is_refused_and_an_uncapped_one_is_not() -> None:
    with pytest.raises(InputError, match=r"dydx:SOL-USD: expected its open interest"):
        DydxCross("USDC", BOTH, TIERS, {}, 10)
    with pytest.raises(InputError, match=r"dydx:SOL-USD: expected its open interest"):
        venue(-1)
    assert DydxCross("USDC", {BTC.id: BTC}, TIERS, {}, 10).initial_ppm(BTC.id, MARKS) == 100_000


INVERSE = Perpetual(
    "dydx", "INV", "BTC", "BTC", Decimal(1), Decimal(1), inverse_face_usd=Decimal(1)
)
COIN = Spot("dydx", "BTC-SPOT", "BTC", "USDC", Decimal(1), Decimal(1))
OTHER = Perpetual("dydx", "BTC-USDT", "BTC", "USDT", Decimal(1), Decimal(1))


@pytest.mark.parametrize("instrument", [INVERSE, COIN, OTHER])
def test_contract_that_is_no_linear_perpetual_in_the_collateral_is_refused(
    instrument: Instrument,
) -> None:
    with pytest.raises(InputError, match="expected a linear perpetual in USDC"):
        DydxCross("USDC", {instrument.id: instrument}, {instrument.id: LARGE}, {}, 10)


def test_coin_collateral_no_leverage_and_a_missing_tier_are_refused() -> None:
    with pytest.raises(InputError, match="collateral: expected USDC, got BTC"):
        DydxCross("BTC", {}, {}, {}, 10)
    with pytest.raises(InputError, match="leverage: expected at least 1, got 0"):
        venue(0, 0)
    with pytest.raises(InputError, match=r"dydx:BTC-USD: expected its liquidity tier"):
        DydxCross("USDC", BOTH, {}, {}, 10)


def with_equity(positions: dict[str, Position], share: Fraction) -> Account:
    """The account whose equity is a share of its maintenance at the marks."""
    equity, maintenance = venue().health_at(account(0, positions), MARKS)
    return account(int(share * maintenance) - equity, positions)


def test_liquidation_starts_below_maintenance_and_not_at_it() -> None:
    held = {BTC.id: bought(BTC, 10_000, 60_000)}
    assert venue().liquidation_step(account(720 * MICRO, held), MARKS, 0) is None
    assert venue().liquidation_step(account(720 * MICRO - 1, held), MARKS, 0) is not None
    assert venue().liquidation_step(account(-1, {}), MARKS, 0) is None


@pytest.mark.parametrize(
    ("lots", "closed"),
    [
        (10_000, -1_000),  # a tenth of 60,000 dollars
        (-1_000, 166),  # 1,000 of 6,000 dollars
        (166, -166),  # 996 dollars
        (-1_000_000, 16_666),  # a tenth of 6 million is over the account's 100,000 a block
    ],
)
def test_a_block_closes_a_tenth_or_1k_and_at_most_100k(lots: int, closed: int) -> None:
    held = with_equity({BTC.id: bought(BTC, lots, 60_000)}, Fraction(1, 2))
    step = venue().liquidation_step(held, MARKS, 0)
    assert step is not None
    assert step.closes == ((BTC.id, closed),)
    # Half of maintenance of 1.2 % is left, which is below the fee's ceiling of 1.5 %.
    assert step.clearance_ppm[BTC.id] == pytest.approx(6_000, abs=1)


def test_fee_is_capped_at_one_and_a_half_percent() -> None:
    held = with_equity({SOL.id: bought(SOL, 1_000, 20_000)}, Fraction(9, 10))
    step = venue().liquidation_step(held, MARKS, 0)
    assert step is not None
    assert step.clearance_ppm == {SOL.id: 15_000}


def test_positions_share_the_room_of_a_block_in_order_of_name() -> None:
    positions = {SOL.id: bought(SOL, -40_000, 20_000), BTC.id: bought(BTC, 100_000, 60_000)}
    step = venue().liquidation_step(with_equity(positions, Fraction(1, 2)), MARKS, 0)
    assert step is not None
    # 60,000 of BTC leave 40,000 of the 80,000 dollars that a tenth of SOL would be.
    assert step.closes == ((BTC.id, -10_000), (SOL.id, 2_000))


def test_account_without_equity_is_taken_over() -> None:
    held = account(0, {BTC.id: bought(BTC, 10_000, 60_000)})
    step = venue().liquidation_step(held, MARKS, 0)
    assert step is not None
    assert step.takeover
    assert not step.closes


def closed_at_mark(held: Account, step_closes: Any, fees: Any) -> Account:
    """The account after fills at the marks, and the venue's fees on them."""
    wallet, positions = held.balances["USDC"], dict(held.positions)
    for name, lots in step_closes:
        instrument, ticks = BOTH[name], MARKS[name]
        outcome = fill_position(positions.pop(name), lots, instrument.entry_cost(lots, ticks))
        wallet += outcome.realised_quanta
        wallet -= ceil_div(instrument.notional(lots, ticks) * fees.get(name, 0), MICRO)
        if outcome.position.lots:
            positions[name] = outcome.position
    return account(wallet, positions)


@given(
    st.integers(-(10**6), 10**6).filter(bool),
    st.integers(-(10**6), 10**6),
    st.fractions(Fraction(1, 50), Fraction(99, 100), max_denominator=1_000),
)
def test_liquidation_never_bankrupts_at_the_mark_and_ends_within_64_blocks(
    btc: int, sol: int, share: Fraction
) -> None:
    positions = {BTC.id: bought(BTC, btc, 60_000)}
    if sol:
        positions[SOL.id] = bought(SOL, sol, 20_000)
    held = with_equity(positions, share)
    for attempt in range(64):
        step = venue().liquidation_step(held, MARKS, attempt)
        if step is None or step.takeover:
            break
        for name, lots in step.closes:
            assert lots * held.positions[name].lots < 0
            assert abs(lots) <= abs(held.positions[name].lots)
        if attempt < 48:
            total = sum(BOTH[name].notional(lots, MARKS[name]) for name, lots in step.closes)
            assert total <= 100_000 * MICRO
        held = closed_at_mark(held, step.closes, step.clearance_ppm)
        # Each fill and fee may round against us by a quantum.
        assert held.balances["USDC"] > -(10**3) or held.positions
    state = venue().state(held, MARKS)
    assert state.health >= 0 or not held.positions or state.equity <= 0
    assert state.equity >= -6 * 64
