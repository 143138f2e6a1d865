# SPDX-License-Identifier: Apache-2.0
"""Golden runs of plans that take their time, are overtaken, or meet trouble with money."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from tests.regressions.golden_scripts import BOLD, FAST, QUEUES, STORM, WALLET
from tests.regressions.golden_stage import TURNED, Planned, Setup, Stage, mandate
from tests.regressions.golden_troubles import DAY_S, WIDE, deposit
from tests.risk import desk
from tidegate.allocation.deleveraging import relieve
from tidegate.allocation.programme import allocate
from tidegate.allocation.question import Answer
from tidegate.engine.cycle import Tools
from tidegate.model.actions import Transfer
from tidegate.model.events import TransferLanded, TransferReturned
from tidegate.model.mandate import Mandate
from tidegate.model.times import SECOND_MS
from tidegate.model.units import MICRO
from tidegate.simulation.faults.menu import Fault as F
from tidegate.simulation.tape import Deleveraging

SLOWLY = [1.0] * 6 + [1 + 0.012 * k for k in range(1, 30)]
# Prices creep against one side: money is sent, profits are realised for it, then positions go.
DRIFT = Setup(
    "drift",
    seconds=2_160,
    passages=FAST,
    mandate=BOLD,
    prices={"BTC": SLOWLY, "ETH": SLOWLY},
)
DRIFT_TURNED = replace(
    DRIFT,
    name="drift-turned",
    pairs=lambda _: TURNED,
    mandate=mandate(BOLD, edge={"payback_days": 60.0}),
    prices={coin: [2 - m for m in SLOWLY] for coin in ("BTC", "ETH")},
)


def closing(setup: Setup, second: int, name: str, side: int) -> Deleveraging:
    return Deleveraging(setup.begin_ms + second * SECOND_MS, name, side, 0.0)


PACED_OUT = mandate(
    BOLD,
    limits={"naked_usd": 20_000.0, "replan_move": 0.5, "naked_s": 300.0},
    execution={"horizon_s": 600.0, "interval_s": 30.0},
)
OVERTAKEN = Setup(
    "overtaken",
    seconds=1_300,
    passages=FAST,
    mandate=PACED_OUT,
    prices={"BTC": [1.0] * 11 + [1.14] * 4 + [1.0], "ETH": [1.0] * 11 + [1.17] * 4 + [1.0]},
)
STRUCK = replace(
    OVERTAKEN,
    name="struck",
    seconds=700,
    pairs=lambda _: TURNED,
    prices={"BTC": [1.0, 1.0, 1.0, 1.0, 0.99]},
)
STRUCK = replace(
    STRUCK,
    tape={
        "queues": QUEUES,
        "deleveragings": (
            closing(STRUCK, 300, desk.ALPHA_BTC, -1),
            closing(STRUCK, 500, desk.BETA_ETH, 1),
        ),
    },
)
# Orders that fill over a minute, so that the approval of the next step expires.
SLOW = Setup(
    "slow",
    seed=11,
    seconds=1_500,
    passages=FAST,
    mandate=mandate(limits={"naked_usd": 30_000.0, "naked_s": 400.0, "gross_leverage": 3.0}),
    chances={F.PARTIAL_FILL: 1.0, F.REPORT_LOST: 0.6, F.REPORT_LATE: 0.3},
    script={
        900: lambda stage: stage.server.fated.update({F.FILL_LAST: ":"}),
        1_000: lambda stage: stage.wire.planned.append(
            Planned("sends", "beta:BTC", F.REPLY_DELAYED, 2)
        ),
    },
    spells=((F.FEED_STALE, "beta", 600, 700, -1.0),),
)


def by_hand(stage: Stage) -> None:
    """A person sends money without the engine; it is back, and another lands."""
    for name, dollars in (("hand.1", 3_000), ("hand.2", 4_000)):
        sent = Transfer(name, "alpha", "beta", "USDT", dollars * MICRO, "by hand")
        stage.server.write(*stage.server.exchange.send(sent))
    stage.server.exchange.hold("hand.1", stage.server.exchange.end_ms)


def send_more(stage: Stage) -> None:
    sent = Transfer("hand.3", "alpha", "vault", "USDT", 5_000 * MICRO, "by hand")
    stage.server.write(*stage.server.exchange.send(sent))
    stage.server.exchange.hold("hand.3", stage.server.exchange.end_ms)


def land_short(stage: Stage) -> None:
    """A carrier takes seven dollars that nobody knew of."""
    left, arrived = 4_999 * MICRO, 4_992 * MICRO
    stage.server.exchange.deposit("vault", "USDT", arrived)
    stage.server.write(
        TransferLanded(stage.now_ms, "hand.3", "vault", "USDT", left, "USDT", arrived, 0)
    )


def hand_back(stage: Stage) -> None:
    stage.server.write(*stage.server.exchange.give_back("hand.1"))


def send_last(stage: Stage) -> None:
    sent = Transfer("hand.4", "alpha", "vault", "USDT", 6_000 * MICRO, "by hand")
    stage.server.write(*stage.server.exchange.send(sent))
    stage.server.exchange.hold("hand.4", stage.server.exchange.end_ms)


def land_wrong(stage: Stage) -> None:
    """Another amount than left, and money of a shipment that nobody sent: neither can be booked."""
    stage.server.write(
        TransferLanded(stage.now_ms, "hand.4", "vault", "USDT", 5 * MICRO, "USDT", 5 * MICRO, 0),
        TransferReturned(stage.now_ms, "nobody", "beta", "USDC", 5),
    )


def take_out(stage: Stage) -> None:
    """The owner takes all capital."""
    for venue in stage.server.venues:
        asset = desk.COLLATERAL[venue]
        held = stage.server.exchange.account(venue).balances.get(asset, 0)
        if held:
            stage.server.deposit(venue, asset, -held)


def plan_fault(kind: str, about: str, fault: F, times: int = 1):  # type: ignore[no-untyped-def]
    return lambda stage: stage.wire.planned.append(Planned(kind, about, fault, times))


def refuse_money(stage: Stage) -> None:
    """The venue refuses after its review, without the money having left."""
    stage.server.fated |= {F.REVIEW: "transfer", F.REVIEW_REFUSED: "transfer"}


def refuse_none(stage: Stage) -> None:
    stage.server.fated.clear()


def lands_after_all(stage: Stage) -> None:
    """A deposit looks like the shipment's money, which then lands all the same."""
    for record in stage.desk.books.open_transfers:
        sent = record.transfer
        stage.server.deposit(sent.source, sent.asset, sent.quanta - MICRO)
        return


ERRANDS = Setup(
    "errands",
    seconds=2_900,
    passages=FAST,
    mandate=mandate(limits={**WIDE, "minimum_transfer_usd": 2_000.0, "naked_s": 90.0}),
    funds={"alpha": 120_000.0, "beta": 20_000.0},
    script={
        170: plan_fault("sends", "transfer", F.REQUEST_LOST),
        172: plan_fault("asks", "transfer", F.RATE_LIMIT),
        350: plan_fault("sends", "transfer", F.SIGNER_REFUSAL),
        530: plan_fault("sends", "transfer", F.REPLY_LOST),
        700: refuse_money,
        710: deposit("alpha", 60_000.0),
        890: plan_fault("asks", "transfer", F.REQUEST_LOST, 3),
        1_250: refuse_none,
        1_260: plan_fault("sends", "transfer", F.REQUEST_DELAYED),
        1_750: deposit("alpha", 80_000.0),
        1_790: plan_fault("sends", "transfer", F.KILL),
        1_560: deposit("alpha", 70_000.0),
        2_530: lands_after_all,
        1_900: by_hand,
        1_950: hand_back,
        1_960: send_more,
        2_050: land_short,
        2_300: deposit("alpha", 90_000.0),
        2_510: plan_fault("sends", "transfer", F.TORN_WRITE),
        2_640: send_last,
        2_700: land_wrong,
        2_760: lambda stage: stage.die(),
    },
)
EMPTY = Setup("empty", seconds=700, script={300: take_out, 500: deposit("alpha", 9_000.0)})
TURNOVER = Setup(
    "turnover",
    seconds=1_300,
    begin_ms=desk.NOW_MS // (DAY_S * 1_000) * DAY_S * 1_000 - 700 * SECOND_MS,
    passages=FAST,
    mandate=mandate(limits={"turnover_per_day": 1.5, "loss_per_day": 0.02, "naked_usd": 30_000.0}),
    prices={desk.BETA_BTC: [1.0] * 7 + [1.05] + [1.0] * 2 + [1.06] + [1.0], "BTC": [1.0]},
    script={250: deposit("alpha", 30_000.0), 251: lambda stage: stage.die()},
)
# Prices fall by more than a plan stands; the partner of the last order never comes.
FALLING = Setup(
    "falling",
    seconds=1_300,
    passages=FAST,
    pairs=lambda _: TURNED,
    mandate=mandate(
        limits={"gross_leverage": 3.0, "naked_usd": 12_000.0},
        execution={"horizon_s": 150.0, "interval_s": 25.0},
    ),
    prices={"BTC": [1.0] * 4 + [0.985] * 9 + [0.97], "ETH": [1.0] * 7 + [0.988]},
    script={
        1_075: lambda stage: stage.server.fated.update({F.PARTIAL_FILL: "beta"}),
    },
)


def stopped_while(why: str):  # type: ignore[no-untyped-def]
    def act(stage: Stage) -> None:
        stage.halted = lambda: why or None

    return act


# A plan that cuts and then sends money is halted between the two, and once while it cuts.
HALTED = Setup(
    "halted",
    seed=2,
    seconds=640,
    passages=FAST,
    mandate=mandate(BOLD, limits={"naked_usd": 30_000.0, "naked_s": 120.0}),
    prices=dict(STORM.prices),
    script={
        415: lambda stage: stage.server.fated.update({F.PARTIAL_FILL: "reduce"}),
        460: stopped_while("somebody pulled the plug"),
        520: stopped_while(""),
        541: stopped_while("again"),
        580: stopped_while(""),
    },
)
# Two transfers, of which the first is under review when all is halted: the second must not go.
PAUSED = replace(
    WALLET,
    name="paused",
    seconds=500,
    script={
        178: lambda stage: stage.server.fated.update({F.REVIEW: "1.transfer.beta.alpha"}),
        182: stopped_while("by hand"),
        200: stopped_while(""),
    },
)
# The ghost of an order: its absence is told in the seconds between its expiry and the proof.
ABSENT = Setup(
    "absent",
    seconds=700,
    passages=FAST,
    mandate=mandate(limits={**WIDE, "naked_s": 20.0}),
    script={
        179: plan_fault("sends", "1.raise.beta:BTC.0$", F.REQUEST_LOST),
        360: plan_fault("sends", "raise.beta:BTC.0$", F.REQUEST_LOST),
        # Its venue's clock is ahead, and it is asked just after the expiry by that clock.
        200: plan_fault("cancels", "beta:BTC", F.RATE_LIMIT),
    },
    spells=((F.CLOCK_STEP, "beta", 232, 252, 1.0), (F.CLOCK_STEP, "beta", 415, 440, 1.0)),
)
# A fill whose line does not come: the venue said that it is done, and nothing more for minutes.
UNBOOKED = Setup(
    "unbooked",
    seconds=700,
    passages=FAST,
    mandate=mandate(limits={**WIDE, "naked_s": 20.0}),
    script={179: plan_fault("asks", "^beta$", F.REQUEST_LOST, 45)},
    spells=((F.REPORTS_STOP, "beta", 170, 420),),
)


def thrice(answer: Answer) -> Answer:
    return replace(answer, transfer=3.0 * answer.transfer)


def with_caps(of: Mandate, cap: float) -> Mandate:
    venues = {n: msgspec.structs.replace(v, claim_cap=cap) for n, v in of.venue.items()}
    return msgspec.structs.replace(of, venue=venues)


# Solvers that send three times what they should: the plan takes what is free, the gate refuses.
GREEDY = replace(
    DRIFT,
    name="greedy",
    seconds=1_300,
    mandate=with_caps(BOLD, 0.62),
    funds={"alpha": 50_000.0, "beta": 50_000.0, "vault": 30_000.0},
    passages={
        **FAST,
        ("vault", "beta"): replace(FAST["alpha", "beta"], source="vault"),
    },
    tools=Tools(relieve=lambda question, threat: thrice(relieve(question, threat))),
)
BOTH_WAYS = replace(
    WALLET,
    name="both-ways",
    seconds=1_100,
    funds={"alpha": 120_000.0},
    mandate=with_caps(WALLET.mandate, 1.0),
    tools=Tools(allocate=lambda question: thrice(allocate(question))),
)


def steal(stage: Stage) -> None:
    """Money is gone from an account, and no line of its log says so."""
    stage.server.exchange.deposit("beta", "USDC", -38_000 * MICRO)


# An account that holds less than the ledger says is judged by what it holds for sure.
VANISHED = Setup("vanished", seconds=700, mandate=BOLD, passages=FAST, script={300: steal})
PLANS = {
    setup.name: setup
    for setup in (
        *(DRIFT, DRIFT_TURNED, FALLING, HALTED, PAUSED, ABSENT),
        *(OVERTAKEN, STRUCK, SLOW, ERRANDS, EMPTY, TURNOVER, UNBOOKED, GREEDY, BOTH_WAYS, VANISHED),
    )
}  # fmt: skip
