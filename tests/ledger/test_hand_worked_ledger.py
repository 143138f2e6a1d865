# SPDX-License-Identifier: Apache-2.0
"""One day of a small book, worked out on paper, against the exchange and the ledger.

Three accounts: a linear contract paid in USDT (valued at exactly 1 USD), one paid in USDC (valued
at 0.999 USD) and an inverse one paid in bitcoin. Every expected integer below was computed by
hand from the terms, with the arithmetic beside it; no number was read off the code. Source of
the conventions: terminology (long +, cost +, rounding against us) and average-cost accounting.
What we own of an asset, over all accounts, is valued in one product and rounded down to the
micro-dollar; an amount's value is the change that it makes to that.

One lot is worth, in quanta: linear A, 100 a tick (0.1 x 0.001 x 1e6); linear B, 10 a tick
(1 x 0.00001 x 1e6); inverse C, minus 2e9 / ticks (1 x 10 USD / 0.5 x 1e8).
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.ledger.hand_worked_day import VENUES, A, B, C, Desk, at, played_day
from tidegate.model.account import Position, Shipment
from tidegate.model.events import (
    DeficitCovered,
    Event,
    Filled,
    FundingPaid,
    LiquidationStarted,
    OrderRefused,
    PenaltyCharged,
    TransferLanded,
    TransferRefused,
    TransferSent,
    YieldAccrued,
)


@pytest.fixture(scope="module")
def desk() -> Desk:
    return played_day()


FLAT = Position(0, 0)
SHIPPED = Shipment("t1", "binance", "hyperliquid", "USDT", 29_999_000_000, at(10))

# Wallets and unrealised profit in (USDT, USDC, 1e-8 BTC) quanta, then equity in micro-dollars.
WALLETS = {
    "deposits": (50_000_000_000, 20_000_000_000, 100_000_000),
    # C: 1,001 x 2e9 / 100,060 = 20,007,995.2; fee 0.05 % of 20,007,996 = 10,003.998 up.
    "inverse bought": (50_000_000_000, 20_000_000_000, 99_989_996),
    # A: fee 450 ppm x 2,001 x 500,054 x 100 = 45,027,362.43 up.
    "second before the stamp": (49_954_972_637, 20_000_000_000, 99_989_996),
    # A: funding 0.003 x 2,001 x 502,001 x 100 = 301,351,200.3 up.
    "stamp at the cap": (49_653_621_436, 20_000_000_000, 99_989_996),
    # A: fee 450 ppm x 999 x 502,040 x 100 = 22,569,208.2 up, and no funding on these 999.
    # B: fee 350 ppm x 300,001 x 50,199 x 10 = 52,709,125.7 up, and no funding.
    # C: funding 0.000123 x 1,001 x 2e9 / 104,001 (19,249,815 up) = 2,367.7 up.
    "second after the stamp": (49_631_052_227, 19_947_290_874, 99_987_628),
    # A: 30,000 USDT leave; 1 of them is the route's fee.
    "sent": (19_631_052_227, 19_947_290_874, 99_987_628),
    # B: a fifth of the short is bought back at 55,601: 60,001 x (50,199 - 55,601) x 10
    # = -3,241,254,020, and the fee is 350 ppm x 33,361,156,010 = 11,676,404.6 up.
    "frozen": (19_631_052_227, 16_694_360_449, 99_987_628),
    # B: 29,999,000,000 x 0.9985005 = 29,954,016,499.5 down.
    "landed": (19_631_052_227, 46_648_376_948, 99_987_628),
    # A: receives 0.000123456789 x 3,000 x 520,011 x 100 = 19,259,666.49 down.
    "second stamp": (19_650_311_893, 46_648_376_948, 99_987_628),
    # A: 1,001 x 519,958 x 100 = 52,047,795,800 less cost 150,214,601,400 x 1,001 / 3,000
    # = 50,121,605,333.8 up: profit 1,926,190,466; fee 450 ppm = 23,421,508.1 up.
    # C: cost of 600: 20,007,995 x 600 / 1,001 = 11,992,804.2 down, less 600 x 2e9 / 109,990
    # = 10,910,082.7 up: profit 1,082,721; fee 0.05 % of 10,910,083 = 5,455.04 up.
    "reduced": (21_553_080_850, 46_648_376_948, 101_064_893),
    # A: funding 0.0001 x 1,999 x 490,003 x 100 = 9,795,159.97 up; closing 1,999 at 489,916
    # brings 97,934,208,400 - 100,092,996,066 = -2,158,787,666; fee on all 5,500: 450 ppm x
    # 269,453,800,000 = 121,254,210.
    "flipped": (19_263_243_814, 46_648_376_948, 101_064_893),
    # A: the short pays 50,000,001e-12 x 3,501 x 495,000 x 100 = 8,664,975.2 up, leaving
    # 19,254,578,838, whose yield of one day at 3.65 % is a ten-thousandth, 1,925,457.9 down.
    # B: the short receives 12,345,678e-12 x 240,000 x 49,500 x 10 = 1,466,666.5 down.
    "day ends": (19_256_504_295, 46_649_843_614, 101_064_893),
    # A: 734 bought back at 542,040: 734 x (489,916 - 542,040) x 100 = -3,825,901,600; fee
    # 450 ppm x 39,785,736,000 = 17,903,581.2 up; clearance 0.2 % x 734 x 542,000 x 100
    # = 79,565,600.
    "end": (15_333_133_513, 46_649_843_614, 101_064_893),
}
UNREALISED = {
    "deposits": (0, 0, 0),
    # C: 20,007,995 - 1,001 x 2e9 / 100,000 = 20,007,995 - 20,020,000.
    "inverse bought": (0, 0, -12_005),
    # A: 2,001 x (500,000 - 500,054) x 100.
    "second before the stamp": (-10_805_400, 0, -12_005),
    "stamp at the cap": (-10_805_400, 0, -12_005),
    # A: 3,000 x 502,000 x 100 = 150,600,000,000 less 100,060,805,400 + 50,153,796,000.
    # B: -300,001 x (50,200 - 50,199) x 10. C: 20,007,995 - 19,249,815.
    "second after the stamp": (385_398_600, -3_000_010, 758_180),
    "sent": (385_398_600, -3_000_010, 758_180),
    # B: -240,000 x (55,600 - 50,199) x 10, at the mark of the liquidation.
    "frozen": (385_398_600, -12_962_400_000, 758_180),
    "landed": (385_398_600, -12_962_400_000, 758_180),
    # A: 3,000 x 520,011 x 100 - 150,214,601,400. B: -240,000 x (52,000 - 50,199) x 10.
    # C: 20,007,995 - 1,001 x 2e9 / 110,000 = 20,007,995 - 18,200,000.
    "second stamp": (5_788_698_600, -4_322_400_000, 1_807_995),
    # A: 1,999 x 520,000 x 100 = 103,948,000,000 less 100,092,996,066.
    # C: 8,015,191 - 401 x 2e9 / 110,000 (7,290,909.1 up).
    "reduced": (3_855_003_934, -4_322_400_000, 724_281),
    # A: -3,501 x (490,000 - 489,916) x 100.
    "flipped": (-29_408_400, -4_322_400_000, 724_281),
    "day ends": (-29_408_400, -4_322_400_000, 724_281),
    # A: -2,767 x (525,000 - 489,916) x 100. B: -240,000 x (52,500 - 50,199) x 10.
    # C: 8,015,191 - 401 x 2e9 / 105,001 (7,638,022.1 up).
    "end": (-9_707_742_800, -5_522_400_000, 377_168),
}
# Cost is signed like the value: an inverse long is worth minus the coins that it owes.
BOUGHT_C = Position(1_001, -20_007_995)  # 1,001 x 2e9 / 100,060 = 20,007,995.2, a claim: down
LEFT_C = Position(401, -8_015_191)  # 20,007,995 - 11,992,804
FIRST_A = Position(2_001, 100_060_805_400)  # 2,001 x 500,054 x 100
BOTH_A = Position(3_000, 150_214_601_400)  # and 999 x 502,040 x 100 = 50,153,796,000
SHORT_B = Position(-300_001, -150_597_501_990)  # 300,001 x 50,199 x 10
CUT_B = Position(-240_000, -120_477_600_000)  # 240,000 x 50,199 x 10
POSITIONS = {
    "deposits": (FLAT, FLAT, FLAT),
    "inverse bought": (FLAT, FLAT, BOUGHT_C),
    "second before the stamp": (FIRST_A, FLAT, BOUGHT_C),
    "stamp at the cap": (FIRST_A, FLAT, BOUGHT_C),
    "second after the stamp": (BOTH_A, SHORT_B, BOUGHT_C),
    "sent": (BOTH_A, SHORT_B, BOUGHT_C),
    "frozen": (BOTH_A, CUT_B, BOUGHT_C),
    "landed": (BOTH_A, CUT_B, BOUGHT_C),
    "second stamp": (BOTH_A, CUT_B, BOUGHT_C),
    # 150,214,601,400 - 50,121,605,334
    "reduced": (Position(1_999, 100_092_996_066), CUT_B, LEFT_C),
    # 3,501 x 489,916 x 100
    "flipped": (Position(-3_501, -171_519_591_600), CUT_B, LEFT_C),
    "day ends": (Position(-3_501, -171_519_591_600), CUT_B, LEFT_C),
    # 2,767 x 489,916 x 100; 2,767 lots of 54.2 USD are the most in 150,000 USD.
    "end": (Position(-2_767, -135_559_757_200), CUT_B, LEFT_C),
}
EQUITY = {
    # 50,000 x 1 + 20,000 x 0.999 + 1 x 50,000 USD.
    "deposits": 119_980_000_000,
    # 8,000 + 4,004 + 1 + 10,004 = 22,009 of 1e-8 BTC, 500 micro-dollars each.
    "inverse bought": 119_968_995_500,
    # 1,000,500 spread + 9,804,900 impact + 45,027,363 fee.
    "second before the stamp": 119_913_162_737,
    "stamp at the cap": 119_611_811_536,
    # C: 99,977,991 x 500 = 49,988,995,500 become 100,745,808 x 520.005 = 52,388,323,889.04:
    # +2,399,328,389. A: 2,001 x 2,000 x 100 = +400,200,000; spread 499,500, impact 3,496,500,
    # fee 22,569,209. B: 20,000,000,000 - 3,000,010 - 52,709,126 = 19,944,290,864, x 0.999
    # = 19,924,346,573.1: -55,653,427.
    "second after the stamp": 122_329_121_289,
    "sent": 122_328_121_289,
    # B: 19,944,290,864 - 300,001 x 5,400 x 10 - 600,010 - 11,676,405 = 3,731,960,449, x 0.999
    # = 3,728,228,488.6: -16,196,118,085.
    "frozen": 106_132_003_204,
    # B: 33,685,976,948 x 0.999 = 33,652,290,971.05: +29,924,062,483 against 29,999,000,000.
    "landed": 106_057_065_687,
    # A: +19,259,666 and 3,000 x 18,011 x 100 = +5,403,300,000. B: 240,000 x 3,600 x 10 x 0.999
    # = +8,631,360,000. C: 101,795,623 x 550 = 55,987,592,650: +3,599,268,761.
    "second stamp": 123_710_254_114,
    # A: -3,000 x 11 x 100 - 500,500 - 3,703,700 - 23,421,509. C: -(991 + 2 + 5,456) x 550.
    "reduced": 123_675_781_455,
    # A: -9,795,160 - 1,999 x 30,000 x 100 - 2,750,000 - 43,450,000 - 121,254,210.
    "flipped": 117_501_532_085,
    # A: -8,664,976 + 1,925,457. B: 42,327,443,614 x 0.999 = 42,285,116,170.4: +1,465,199.
    "day ends": 117_496_257_765,
    # USDT 15,333,133,513 - 9,707,742,800 = 5,625,390,713. USDC 46,649,843,614 - 5,522,400,000
    # = 41,127,443,614, x 0.999 = 41,086,316,170.4. BTC 101,064,893 + 377,168 = 101,442,061,
    # x 525.005 = 53,257,589,235.3.
    "end": 99_969_296_118,
}
WATERFALL = {
    "capital": 119_980_000_000,
    # A 45,027,363 + 22,569,209 + 23,421,509 + 121,254,210 + 17,903,582 = 230,175,873;
    # B 52,656,417 + 11,664,729; C 10,004 x 500 + 5,456 x 550 = 8,002,800.
    "fees": -302_499_819,
    # A 5 ticks on 2,001 + 999 + 1,001 + 5,500 lots and 6 on 734, x 100 = 5,190,900 (half spreads
    # of 4.75, 4.77, 4.94, 4.66 and 5.15 ticks, each up); B 2,997,010 + 599,410 (half spreads of
    # 0.50 and 0.56 ticks up to 1); C 8,000 x 500 + 991 x 550 = 4,545,050.
    "spread": -13_332_370,
    # A 0.485 x 0.02 x sqrt(notional / 1e9) of the price: 48.5, 34.5, 36.4, 78.03 and 33.2 ticks,
    # each up: 49 x 2,001 + 35 x 999 + 37 x 1,001 + 79 x 5,500 + 34 x 734 = 629,507 x 100;
    # C 4,004 x 500 = 2,002,000.
    "impact": -64_952_700,
    # C: booked losses of 12,005 and 993 against stated distances of 12,004 and 991.
    "rounding": -1_600,
    # A -301,351,201 + 19,259,666 - 9,795,160 - 8,664,976 = -300,551,671; B +1,465,199;
    # C 52,389,555,260 (100,748,176 x 520.005 = ...260.9) to 52,388,323,889: -1,231,371.
    "funding:BTC": -300_317_843,
    "transfer fees": -1_000_000,
    # 29,924,062,483 - 29,999,000,000
    "conversion": -74_937_517,
    "yield": 1_925_457,
    "clearance fee": -79_565_600,
    # A 100 x (2,001 x 2,000 + 3,000 x 18,000 - 1,999 x 30,000 - 3,501 x 52,000 + 2,767 x 17,000)
    # = -13,698,100,000; B 10 x (-300,001 x 5,400 + 240,000 x 3,100) x 0.999 = -8,751,293,946;
    # C 2,400,559,760 (..260 less 49,988,995,500) + 3,599,268,761 - 2,726,456,465 (55,984,045,700
    # to 53,257,589,235) = 3,273,372,056.
    "price:BTC": -19_176_021_890,
}


@pytest.mark.parametrize("moment", EQUITY)
def test_ledger_at_each_moment_equals_the_page_worked_by_hand(desk: Desk, moment: str) -> None:
    page = desk.pages[moment]
    assert tuple(page.wallets[venue] for venue in VENUES) == WALLETS[moment]
    assert tuple(page.positions[name] for name in (A, B, C)) == POSITIONS[moment]
    assert tuple(page.unrealised[venue] for venue in VENUES) == UNREALISED[moment]
    assert page.in_flight == ((SHIPPED,) if moment in ("sent", "frozen") else ())
    assert page.equity_micro == EQUITY[moment]
    assert page.statements_agree


def test_every_page_is_worked_by_hand_and_none_is_left_out(desk: Desk) -> None:
    tables = (desk.pages, WALLETS, POSITIONS, UNREALISED, EQUITY)
    assert len({tuple(table) for table in tables}) == 1


def test_waterfall_at_the_end_equals_the_causes_worked_by_hand(desk: Desk) -> None:
    """Money that changes pocket (realised profit, transfer) leaves no trace in value."""
    waterfall = dict(desk.ledger.waterfall)
    assert waterfall.pop("realised") == 0
    assert waterfall.pop("transfer") == 0
    assert waterfall == WATERFALL
    assert sum(WATERFALL.values()) == EQUITY["end"] == desk.ledger.equity_micro
    assert "other" not in waterfall


def test_waterfall_is_the_fold_of_the_postings_to_our_own_accounts(desk: Desk) -> None:
    fold = Counter[str]()
    for _, rows in desk.postings:
        fold.update({row.cause: 0 for row in rows})
        for row in rows:
            fold[row.cause] += row.value_micro if row.account.startswith("own/") else 0
    moved = {cause: value for cause, value in fold.items() if value}
    assert moved == {cause: value for cause, value in desk.ledger.waterfall.items() if value}


def test_postings_of_every_event_sum_to_zero_per_asset_and_in_value(desk: Desk) -> None:
    silent = (LiquidationStarted,)
    for number, (event, rows) in enumerate(desk.postings):
        assert rows or isinstance(event, silent) or number == 0, event
        quanta, value = Counter[str](), 0
        for row in rows:
            quanta[row.asset] += row.quanta
            value += row.value_micro
        assert value == 0, event
        assert not any(quanta.values()), event


def of(desk: Desk, *kinds: type) -> list[Event]:
    return [event for event in desk.events if isinstance(event, kinds)]


def test_funding_is_paid_by_who_held_at_the_stamp_and_rounded_against_us(desk: Desk) -> None:
    """The 2,001 lots bought a second before pay, the 999 bought a second after do not."""
    assert of(desk, FundingPaid) == [
        FundingPaid(at(8), A, 2_001, 502_001, 3_000_000_000, 301_351_201),
        FundingPaid(at(8), C, 1_001, 104_001, 123_000_000, 2_368),
        FundingPaid(at(16), A, 3_000, 520_011, -123_456_789, -19_259_666),
        FundingPaid(at(20), A, 1_999, 490_003, 100_000_000, 9_795_160),
        FundingPaid(at(24), A, -3_501, 495_000, -50_000_001, 8_664_976),
        FundingPaid(at(24), B, -240_000, 49_500, 12_345_678, -1_466_666),
    ]


def test_shipment_into_a_freeze_lands_at_its_end_less_fee_and_conversion(desk: Desk) -> None:
    """Two hours of latency would have ended at 12:00, inside the freeze from 11:00 to 14:00."""
    route = ("t1", "binance", "hyperliquid")
    landed = (29_999_000_000, "USDC", 29_954_016_499, 44_983_501)
    assert of(desk, TransferSent, TransferLanded) == [
        TransferSent(at(10), *route, "USDT", 30_000_000_000, 1_000_000),
        TransferLanded(at(14), "t1", "hyperliquid", "USDT", *landed),
    ]


def test_liquidations_cut_a_fifth_there_and_to_the_tier_below_here(desk: Desk) -> None:
    """Each restores its account, so that one cut is all, and only one charges a clearance fee."""
    started = [
        # 19,947,290,874 - 300,001 x 5,401 x 10; 2.5 % x 300,001 x 55,600 x 10.
        LiquidationStarted(at(12), "hyperliquid", 3_744_236_864, 4_170_013_900),
        # 19,256,504,295 - 3,501 x 52,084 x 100; 1 % x 189,754,200,000 - 800,000,000.
        LiquidationStarted(at(24), "binance", 1_021_895_895, 1_097_542_000),
    ]
    assert of(desk, LiquidationStarted) == started
    fills = [e for e in desk.events if isinstance(e, Filled) and e.reason == "liquidation"]
    assert [(e.ts_ms, e.lots, e.ticks, e.fee_quanta) for e in fills] == [
        (at(12), 60_001, 55_601, 11_676_405),
        (at(24), 734, 542_040, 17_903_582),
    ]
    fee = PenaltyCharged(at(24), "binance", "USDT", 79_565_600, "clearance fee")
    assert of(desk, PenaltyCharged) == [fee]


def test_yield_is_one_day_of_the_balance_at_its_end_rounded_down(desk: Desk) -> None:
    assert of(desk, YieldAccrued) == [YieldAccrued(at(24), "binance", "USDT", 1_925_457)]


def test_nothing_in_the_story_is_refused_or_paid_by_the_insurance_fund(desk: Desk) -> None:
    assert of(desk, OrderRefused, TransferRefused, DeficitCovered) == []
    # 4 marks, 3 deposits, 9 fills, 6 fundings, 2 ends of a transfer, 1 yield, 2 + 1 of liquidation
    assert len(desk.events) == 28
