# SPDX-License-Identifier: Apache-2.0
"""Golden runs in which something goes wrong: wire, venues' words, money on its way, disk."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from tests.regressions.golden_scripts import FAST, freeze
from tests.regressions.golden_stage import BEGIN_MS, PAIRS, TURNED, Planned, Setup, Stage, mandate
from tests.risk import desk
from tidegate.execution.transfers import Leg
from tidegate.model.events import Deposited, Filled, TransferLanded
from tidegate.model.replies import Entry
from tidegate.model.times import HOUR_MS, SECOND_MS, DayWindow
from tidegate.model.units import MICRO
from tidegate.simulation.faults.menu import Fault as F

DAY_S = 86_400
WIDE = {"naked_usd": 40_000.0}


def first(stage: Stage, name: str) -> str:
    """The id of a run's action by the end of its name."""
    books = stage.desk.books
    ids = [record.order.id for record in books.all_orders()]
    ids += [record.transfer.id for record in books.open_transfers]
    return next(found for found in ids if found.endswith(name))


def deposit(venue: str, dollars: float):  # type: ignore[no-untyped-def]
    asset = desk.COLLATERAL[venue]
    return lambda stage: stage.server.deposit(venue, asset, round(dollars * MICRO))


WIRE = Setup(
    "wire",
    volume_usd=1.5e6,
    seed=3,
    seconds=1800,
    passages=FAST,
    mandate=mandate(limits=WIDE),
    prices={"BTC": [1.0] * 10 + [1.004, 0.998] * 3},
    script={600: deposit("alpha", 40_000.0)},
    chances={
        F.REQUEST_LOST: 0.04, F.REQUEST_DELAYED: 0.04, F.REPLY_LOST: 0.04, F.REPLY_DELAYED: 0.04,
        F.RATE_LIMIT: 0.03, F.ERROR_UNDONE: 0.02, F.ERROR_DONE: 0.02, F.SIGNER_REFUSAL: 0.02,
        F.REPORT_LOST: 0.3, F.REPORT_LATE: 0.3, F.REPORT_TWICE: 0.3, F.PARTIAL_FILL: 0.5,
        F.FILL_LAST: 0.5, F.WRONG_TEXT: 0.3,
    },
    spells=(
        (F.REPORTS_STOP, "alpha", 300, 420), (F.REQUESTS_STOP, "beta", 500, 640),
        (F.CLOCK_STEP, "alpha", 700, 760, 1.0), (F.CLOCK_STEP, "beta", 800, 860, -1.0),
        (F.SILENT_RESET, "alpha", 900, 901), (F.SILENT_RESET, "beta", 910, 911),
    ),
)  # fmt: skip


def lost_partner(stage: Stage) -> None:
    """The second leg's request never comes; while its absence is not proved, the log is deaf."""
    stage.wire.planned += [
        Planned("sends", "1.raise.beta:BTC.0$", F.REQUEST_LOST),
        Planned("asks", "1.raise.beta:BTC.0$", F.RATE_LIMIT),
    ]


def deaf_log(stage: Stage) -> None:
    stage.wire.planned += [Planned("asks", "^beta$", F.REQUEST_LOST, 40)]


UNKNOWN = Setup(
    "unknown",
    volume_usd=3e6,
    seconds=900,
    mandate=mandate(limits={**WIDE, "naked_s": 20.0}),
    passages=FAST,
    script={
        179: lost_partner,
        236: deaf_log,
        252: lambda stage: stage.server.fated.update({F.PARTIAL_FILL: "raise.alpha:ETHUSDT.0$"}),
        253: lambda stage: stage.wire.planned.extend((
            Planned("sends", "raise.beta:BTC.0$", F.REPLY_LOST),
            Planned("sends", "raise.alpha:ETHUSDT.0$", F.REQUEST_DELAYED),
            Planned("sends", "raise.alpha:BTCUSDT.1$", F.SIGNER_REFUSAL),
            Planned("cancels", ":", F.REPLY_LOST, 2),
        )),
        300: lambda stage: stage.server.fated.update({F.FILL_LAST: "alpha:ETHUSDT"}),
    },
)  # fmt: skip


def by_hand(stage: Stage) -> None:
    stage.trade(desk.ALPHA_BTC, 20)


def mend_by_hand(stage: Stage) -> None:
    stage.trade(desk.ALPHA_BTC, -20)
    stage.desk.settle(desk.ALPHA_BTC, "unfounded", "ada", stage.now_ms)


def overfill(stage: Stage) -> None:
    """A venue reports lots of an order that was filled before."""
    name = first(stage, "raise.beta:BTC.0")
    ticks = desk.MARKS[desk.BETA_BTC]
    stage.server.write(
        Filled(stage.now_ms, desk.BETA_BTC, -700, ticks, ticks, 0, 0, 0, name, "order")
    )


def from_nowhere(stage: Stage) -> None:
    """A line of a venue that nobody knows, and one that cannot be booked."""
    entry = Entry("omega", 1, Deposited(stage.now_ms, "omega", "USDT", 5))
    stage.server._news += [("omega", entry), ("omega", entry)]
    landed = TransferLanded(stage.now_ms, "nobody", "beta", "USDT", 9, "USDC", 9, 0)
    stage.server.write(landed)


def settle_wrong(stage: Stage) -> None:
    """What a person mistypes is refused and said."""
    for name, finding in ((desk.ALPHA_ETH, "unfounded"), ("nothing", "lost"), ("x", "found")):
        try:
            stage.desk.settle(name, finding, "ada", stage.now_ms)  # type: ignore[arg-type]
        except Exception as error:
            stage.say("refused", {"why": f"{type(error).__name__}: {error}"})


DOUBTS = Setup(
    "doubts",
    volume_usd=1.5e6,
    seconds=1900,
    passages=FAST,
    mandate=mandate(limits=WIDE),
    prices={"BTC": [1.0] * 21 + [1.05, 1.09, 1.1]},
    spells=(
        (F.POSITION_WRONG, "beta", 50, 70, 1.0),
        (F.POSITION_WRONG, "beta", 350, 410, -1.0), (F.BALANCE_WRONG, "alpha", 530, 600, -0.9),
        (F.BALANCE_WRONG, "beta", 530, 600, 0.9), (F.STATEMENT_OLD, "alpha", 640, 700),
        (F.POSITION_WRONG, "alpha", 1310, 1330, 1.0),
    ),
    script={
        182: lambda stage: stage.say("standing", msgspec.to_builtins(
            stage.desk.standing(stage.now_ms).unsettled)),
        650: by_hand,
        800: settle_wrong,
        850: mend_by_hand,
        930: lambda stage: stage.trade(desk.BETA_ETH, 4_000, "dust"),
        1000: lambda stage: stage.die(),
        1050: lambda stage: stage.desk.settle(desk.BETA_ETH, "unfounded", "ada", stage.now_ms),
        1200: overfill,
        1410: lambda stage: stage.desk.settle(desk.BETA_BTC, "unfounded", "bob", stage.now_ms),
        1500: from_nowhere,
        1560: lambda stage: stage.die(torn=True),
    },
)  # fmt: skip


def two_by_hand(stage: Stage) -> None:
    stage.trade(desk.ALPHA_BTC, 20)
    stage.trade(desk.ALPHA_ETH, 300, "another")


BY_HAND = Setup(
    "by-hand",
    seconds=900,
    passages=FAST,
    mandate=mandate(limits=WIDE),
    script={
        400: two_by_hand,
        430: lambda stage: stage.desk.settle(desk.ALPHA_BTC, "unfounded", "ada", stage.now_ms),
        600: lambda stage: stage.die(),
    },
)


def returned_as_deposit(stage: Stage) -> None:
    """A shipment comes back where it left, less its fee, and the venue calls it a deposit."""
    for record in stage.desk.books.open_transfers:
        if record.leg is Leg.UNDER_WAY:
            sent = record.transfer
            stage.server.exchange.hold(sent.id, stage.server.exchange.end_ms + 1)
            stage.server.deposit(sent.source, sent.asset, sent.quanta - 1_500_000)
            return


def settled(finding: str):  # type: ignore[no-untyped-def]
    def act(stage: Stage) -> None:
        names = sorted(stage.desk.returned) or [
            r.transfer.id for r in stage.desk.books.open_transfers if r.leg is Leg.UNDER_WAY
        ]
        for name in names[:1]:
            stage.desk.settle(name, finding, "bob", stage.now_ms)  # type: ignore[arg-type]

    return act


def give_back(stage: Stage) -> None:
    for record in stage.desk.books.open_transfers:
        if record.leg is Leg.UNDER_WAY:
            stage.server.write(*stage.server.exchange.give_back(record.transfer.id))


def hold_all(stage: Stage) -> None:
    for record in stage.desk.books.open_transfers:
        if record.leg is Leg.UNDER_WAY:
            stage.server.exchange.hold(record.transfer.id, stage.server.exchange.end_ms + 1)


MONEY = Setup(
    "money",
    seconds=DAY_S + 9_000,
    passages=FAST,
    mandate=mandate(limits=WIDE),
    funds={"alpha": 100_000.0, "beta": 20_000.0},
    script={
        170: lambda stage: stage.server.fated.update({F.REVIEW: "[0-9a-f]{12}(1|3).transfer"}),
        300: lambda stage: stage.server.fated.update({F.REVIEW_REFUSED: "3.transfer"}),
        900: deposit("beta", 50_000.0),
        2165: hold_all,
        2200: give_back,
        1500: deposit("alpha", 60_000.0),
        1622: hold_all,
        1700: returned_as_deposit,
        1705: lambda stage: stage.die(),
        1760: settled("returned"),
        1802: hold_all,
        1900: returned_as_deposit,
        2100: settled("unfounded"),
        2300: lambda stage: stage.server.fated.clear(),
        2343: hold_all,
        2520: lambda stage: stage.skip(DAY_S + 600),
        DAY_S + 3_500: settled("lost"),
        DAY_S + 3_600: lambda stage: stage.skip(4_800),
    },
)
CAPPED = {
    ends: replace(
        way,
        cap_usd_day=24_000.0,
        window=DayWindow(0, 23 * HOUR_MS) if ends[0] == "alpha" else way.window,
    )
    for ends, way in FAST.items()
}
CAPS = Setup(
    "caps",
    seconds=DAY_S + 600,
    begin_ms=BEGIN_MS - 2 * HOUR_MS,
    passages=CAPPED,
    mandate=mandate(limits={**WIDE, "minimum_transfer_usd": 2_000.0}),
    funds={"alpha": 100_000.0, "beta": 20_000.0},
    script={
        400: lambda stage: stage.skip(3_200),
        4_000: lambda stage: stage.skip(3_600),
        8_000: lambda stage: stage.skip(DAY_S - 8_600),
    },
)


def fill_disk(stage: Stage) -> None:
    stage.disk.full = True


def free_disk(stage: Stage) -> None:
    stage.disk.full = False


def fail_once(stage: Stage) -> None:
    stage.disk.fails_next = True


def new_mandate(stage: Stage) -> None:
    """A person changes the limits, and the process begins again under them."""
    limits = {**WIDE, "gross_leverage": 1.5, "loss_from_peak": 0.5, "quote_age_s": 120}
    stage.mandate, stage.changed_by = mandate(limits=limits), "ada"
    stage.die()


CRASHES = Setup(
    "crashes",
    volume_usd=3e6,
    seed=7,
    seconds=1800,
    passages=FAST,
    mandate=mandate(limits=WIDE),
    funds={"alpha": 100_000.0, "beta": 50_000.0},
    kills=frozenset((3, 60, 260, 700, 1_200, 1_700)),
    chances={F.PARTIAL_FILL: 0.4},
    script={
        355: lambda stage: stage.wire.planned.append(Planned("sends", "raise", F.TORN_WRITE)),
        535: lambda stage: stage.wire.planned.append(Planned("sends", "beta:BTC.0", F.KILL)),
        640: fill_disk,
        645: free_disk,
        700: deposit("alpha", 20_000.0),
        701: lambda stage: stage.die(),
        800: fail_once,
        1000: new_mandate,
        1255: lambda stage: stage.wire.planned.append(Planned("sends", ":", F.RULE_CHANGE)),
        1300: lambda stage: stage.die(torn=True),
    },
)
FEED = Setup(
    "feed",
    volume_usd=1.5e6,
    seconds=1800,
    mandate=mandate(limits={**WIDE, "venue_gap": 0.03}),
    passages=FAST,
    prices={"BTC": [1.0] * 16 + [1.002] * 2 + [0.999]},
    tape={"freezes": (freeze("beta", 200, 350),)},
    spells=(
        (F.QUOTE_GAP, "vault", 0, 170), (F.FEED_STALE, "beta", 170, 400, -1.0),
        (F.FEED_STALE, "alpha", 500, 600, 1.0), (F.QUOTE_CROSSED, "beta", 700, 760, 0.5),
        (F.BAD_PRINT, "alpha", 880, 930, 0.8), (F.QUOTE_FROZEN, "beta", 1000, 1200, 1.0),
        (F.QUOTE_GAP, "alpha", 1250, 1400, 1.0), (F.REQUESTS_STOP, "beta", 1450, 1700, 1.0),
    ),
    pairs=lambda second: PAIRS,
)  # fmt: skip
BRAKES = Setup(
    "brakes",
    seconds=1500,
    begin_ms=BEGIN_MS - 1_200 * SECOND_MS,
    passages=FAST,
    mandate=mandate(
        limits={
            "messages_per_s": 2, "repeats": 3, "repeats_in_s": 200.0, "loss_per_day": 0.002,
            "turnover_per_day": 2.5, "gross_leverage": 3.0,
        }
    ),
    prices={desk.BETA_BTC: [1.0] * 9 + [1.01] * 7 + [1.0], "BTC": [1.0]},
    pairs=lambda second: PAIRS if second < 1200 else TURNED,
)  # fmt: skip
TROUBLES = {
    setup.name: setup
    for setup in (WIRE, UNKNOWN, DOUBTS, BY_HAND, MONEY, CAPS, CRASHES, FEED, BRAKES)
}
