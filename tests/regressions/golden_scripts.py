# SPDX-License-Identifier: Apache-2.0
"""What the golden runs are about."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np

from tests.regressions.golden_stage import BEGIN_MS, PAIRS, TURNED, Setup, mandate
from tests.risk import desk
from tidegate.allocation.deleveraging import Threat, relieve
from tidegate.allocation.question import Answer, Question
from tidegate.allocation.solve import SolveError
from tidegate.costs.options import DeliveryFee
from tidegate.engine.cycle import Tools
from tidegate.margin.linear import BinanceUsdm
from tidegate.model.instruments import Future, Index
from tidegate.model.times import SECOND_MS
from tidegate.model.units import MICRO
from tidegate.simulation.faults.menu import Fault
from tidegate.simulation.tape import Deleveraging, DeliveryPrice, Freeze, FundingStamp, Queue

F = Fault
FAST = {
    ends: replace(way, latency_median_s=120, latency_p95_s=240)
    for ends, way in desk.PASSAGES.items()
}
# Large for its money, of a carry that is soon earned again.
BOLD = mandate(limits={"gross_leverage": 5.0, "naked_usd": 60_000.0}, edge={"payback_days": 20.0})


def _all(*setups: Setup) -> dict[str, Setup]:
    return {setup.name: setup for setup in setups}


def freeze(venue: str, start_s: int, end_s: int, begin_ms: int = BEGIN_MS) -> Freeze:
    return Freeze(venue, begin_ms + start_s * SECOND_MS, begin_ms + end_s * SECOND_MS)


def stamps(every_s: int, rates: dict[str, int], count: int) -> tuple[FundingStamp, ...]:
    times = (BEGIN_MS + k * every_s * SECOND_MS for k in range(1, count + 1))
    return tuple(sorted(FundingStamp(t, n, rate) for t in times for n, rate in rates.items()))


GROWTH = Setup(
    "growth",
    seconds=2100,
    begin_ms=BEGIN_MS - 1200 * SECOND_MS,
    passages=FAST,
    mandate=mandate(limits={"gross_leverage": 3.0}),
    funds={"alpha": 90_000.0, "beta": 30_000.0},
    pairs=lambda second: PAIRS if second < 1200 else TURNED,
)
RISES = [1.0] * 5 + [1.04, 1.10, 1.14, 1.15, 1.16, 1.17] + [1.05] * 12 + [0.97, 0.86, 0.84, 0.84]
STORM = Setup(
    "storm",
    seconds=2400,
    mandate=BOLD,
    passages=FAST,
    prices={"BTC": RISES, "ETH": [1.0] * 5 + [1.02, 1.05, 1.12]},
    tape={
        "freezes": (freeze("alpha", 480, 600),),
        "outages": (freeze("beta", 540, 600),),
        "funding": stamps(600, {desk.ALPHA_BTC: 2 * 10**8, desk.BETA_BTC: -(10**8)}, 3),
    },
)
STORM_TURNED = replace(
    STORM,
    name="storm-turned",
    pairs=lambda _: TURNED,
    prices={"BTC": [2 - m for m in RISES], "ETH": [1.0] * 8 + [0.95, 0.88]},
    tape={"freezes": (freeze("beta", 600, 900),), "outages": (freeze("alpha", 538, 544),)},
)


def failing(*_: object) -> Answer:
    raise SolveError("planted")


def enlarging(question: Question, threat: Threat) -> Answer:
    answer = relieve(question, threat)
    return replace(answer, target=1.5 * question.legs.held, transfer=0.0 * answer.transfer)


# No answer in distress, then one that the gate refuses: a share off everything, both times.
LADDER = replace(STORM, name="ladder", seconds=900, tools=Tools(relieve=failing), tape={})
REFUSED = replace(
    STORM_TURNED, name="refused", seconds=900, tools=Tools(relieve=enlarging), tape={}
)
UNSOLVED = Setup("unsolved", seconds=600, tools=Tools(allocate=failing, reduces=False))

CLEAR = tuple(
    Deleveraging(BEGIN_MS + 400_000, name, side, 0.0)
    for name in (desk.ALPHA_BTC, desk.BETA_ETH)
    for side in (-1, 1)
)
SCORES = np.linspace(0.0, 50.0, 11)[None, None, :] * np.ones((1, 2, 1))
QUEUES = {name: Queue("profit_leverage", SCORES) for name in desk.INSTRUMENTS}
FORCED = Setup(
    "forced",
    seconds=1800,
    passages=FAST,
    mandate=mandate(BOLD, limits={"naked_usd": 90_000.0}),
    prices={
        desk.BETA_BTC: [1.0] * 12 + [1.9] + [1.0] * 8,
        "BTC": [1.0] * 5 + [1.004] * 7 + [1.01] + [1.0] * 8 + [1.08, 1.11, 1.12],
    },
    rules={
        venue: ((0, desk.RULES[venue]), (BEGIN_MS + 1_080_000, desk.rules("0.02", "0.05")[venue]))
        for venue in desk.RULES
    },
    tape={
        "deleveragings": tuple(sorted(CLEAR)),
        "queues": QUEUES,
        "funding": stamps(300, dict.fromkeys((desk.BETA_BTC, desk.ALPHA_ETH), 3 * 10**8), 4),
    },
)
FORCED_TURNED = replace(
    FORCED,
    name="forced-turned",
    pairs=lambda _: TURNED,
    prices={
        desk.BETA_BTC: [1.0] * 12 + [0.3] + [1.0] * 8,
        "BTC": [1.0] * 5 + [0.996] * 7 + [0.99] + [1.0] * 8 + [0.93, 0.89, 0.88],
    },
)
PACED = Setup(
    "paced",
    seconds=1500,
    passages=FAST,
    mandate=mandate(
        limits={"gross_leverage": 3.0, "naked_usd": 15_000.0},
        execution={"horizon_s": 150.0, "interval_s": 25.0, "aversion_per_usd": 1e-6},
        authority={"delay_before_raising_s": 300.0},
    ),
    volume_usd=4e7,
    prices={
        "BTC": [1.0] * 4 + [1.012] * 4 + [0.98] * 4 + [0.98, 0.87, 0.85, 0.85, 0.84],
        "ETH": [1.0] * 10 + [1.015],
    },
)
WALLET = Setup(
    "wallet",
    seconds=1500,
    passages=FAST,
    funds={"alpha": 70_000.0, "beta": 50_000.0},
    mandate=mandate(limits={"minimum_transfer_usd": 2_000.0}, execution={"horizon_s": 60.0}),
    pairs=lambda second: ((desk.VAULT_BTC, desk.BETA_BTC), PAIRS[1]),
    prices={"BTC": [1.0] * 14 + [1.06, 1.1, 1.13], desk.VAULT_BTC: [1.0] * 8 + [1.004]},
)
# A future at alpha is delivered while the engine holds it; its partner at beta is then alone.
EXPIRY_MS = BEGIN_MS + 2_400 * SECOND_MS
INDEX = Index("alpha", "btc_usd", Decimal("0.1"))
DATED = Future(
    *("alpha", "BTC-DATED", "BTC", "USDT", Decimal("0.1"), Decimal("0.001")),
    expiry_ms=EXPIRY_MS,
    index=INDEX,
)
WITH_DATED = {**desk.INSTRUMENTS, DATED.id: DATED}
ALPHA_CONTRACTS = {n: i for n, i in WITH_DATED.items() if i.venue == "alpha"}
DATED_RULE = BinanceUsdm(
    "USDT",
    ALPHA_CONTRACTS,
    dict.fromkeys(ALPHA_CONTRACTS, desk.tiers()),
    20,
    dict.fromkeys(ALPHA_CONTRACTS, 10_000),
)
DELIVERY = Setup(
    "delivery",
    braked=False,
    seconds=2_900,
    passages=FAST,
    mandate=mandate(limits={"naked_usd": 60_000.0}),
    instruments=WITH_DATED,
    rules={**{v: ((0, r),) for v, r in desk.RULES.items()}, "alpha": ((0, DATED_RULE),)},
    exchange={"delivery_fees": {DATED.id: DeliveryFee(250, MICRO)}},
    tape={"deliveries": (DeliveryPrice(EXPIRY_MS, INDEX.id, 601_000),)},
    pairs=lambda _: ((DATED.id, desk.BETA_BTC),),
)
STORMS = _all(
    GROWTH,
    STORM,
    STORM_TURNED,
    LADDER,
    REFUSED,
    UNSOLVED,
    FORCED,
    FORCED_TURNED,
    PACED,
    WALLET,
    DELIVERY,
)
