# SPDX-License-Identifier: Apache-2.0
"""Golden runs without an exchange: ways of money, send or cut, dead-man's switches, the files of
operators, and what is seen of a book that stands in a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from math import inf
from typing import Any

import msgspec

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH, base_lots, held
from tidegate.execution.brake import (
    BrakeState,
    Weight,
    allows,
    begun,
    messaged,
    moved,
    planned,
    rolled,
)
from tidegate.execution.dead_man import Arming, armed, to_arm, unguarded
from tidegate.execution.distress import Pressure, send_or_cut
from tidegate.execution.routes import Need, Roads, best_route, landed_by, landing_law, roads, ways
from tidegate.execution.schedule import Hazard, Leg, Pace, schedule
from tidegate.execution.trajectory import Tradeoff, optimal_shares
from tidegate.execution.transit import in_transit, lost
from tidegate.model.account import Shipment
from tidegate.model.errors import InputError
from tidegate.model.replies import Armed, Device, Unclear
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, DayWindow
from tidegate.model.units import MICRO
from tidegate.risk.plan import Situation

Told = list[tuple[str, object]]
VOLS = {"BTC": 1.0, "ETH": 1.5}
BLOCKED = {"BTC": 0.066, "ETH": 0.12}
LOTS = base_lots(ALPHA_BTC, 1_000_000)


def digits(value: Any) -> Any:
    """A value as plain JSON with nine digits of every float, and twelve behind the point at most,
    which all processors agree on."""
    plain = (
        value
        if isinstance(value, float)
        else msgspec.to_builtins(value, str_keys=True, enc_hook=str)
    )
    if isinstance(plain, float):
        return float(f"{round(plain, 12):.9g}")
    if isinstance(plain, dict):
        return {key: digits(part) for key, part in plain.items()}
    return [digits(part) for part in plain] if isinstance(plain, list) else plain


def attempt(told: Told, what: str, run: Callable[[], object], folder: str = "HOME") -> None:
    """What comes of a call, or the line with which it refuses."""
    try:
        told.append((what, {"is": digits(run())}))
    except InputError as error:
        told.append((what, {"refused": str(error).replace(folder, "HOME")}))


def book(beta_usd: float, side: int = 1, alpha_usd: float = 500_000.0) -> Situation:
    """A million at each of two venues, long at alpha where the side is +1."""
    positions = {
        ALPHA_BTC: held(ALPHA_BTC, side * LOTS),
        BETA_BTC: held(BETA_BTC, -side * 100 * LOTS),
        BETA_ETH: held(BETA_ETH, -side * 100 * LOTS // 7),
    }
    return desk.situation(desk.portfolio({"alpha": alpha_usd, "beta": beta_usd}, positions))


def slower(here: Roads, factor: float, **terms: Any) -> Roads:
    edges = []
    for edge in here.edges:
        times = edge.passage.latency_median_s * factor, edge.passage.latency_p95_s * factor
        moved = replace(edge.passage, latency_median_s=times[0], latency_p95_s=times[1], **terms)
        edges.append(msgspec.structs.replace(edge, passage=moved))
    return msgspec.structs.replace(here, edges=tuple(edges))


def brake(told: Told) -> None:
    """The runaway brake alone, over a day and the next, on both sides."""
    limits = desk.with_limits(
        messages_per_s=2, repeats=3, repeats_in_s=60.0, loss_per_day=0.05, turnover_per_day=2.0
    ).limits
    day_ms = desk.NOW_MS // DAY_MS * DAY_MS
    state = begun(None)
    state = moved(state, 50.0)
    state = planned(state, [desk.order(BETA_BTC, k) for k in (500, -300, 400, 900)])
    for second, lots, equity, reduces in (
        (0, 400, None, False),
        (1, 100, None, True),
        (2, 400, 1_000.0, False),
        (2, 300, 1_000.0, False),
        (2, 300, 1_000.0, False),
        (3, 900, 990.0, False),
        (4, -100, 960.0, False),
        (5, -100, 940.0, False),
        (6, -100, 990.0, True),
        (6, -100, 990.0, False),
        (30, 300, 990.0, True),
        (63, 300, 990.0, True),
        (64, 9, inf, False),
        (DAY_MS // 1_000, 9, 940.0, False),
        (-5, 9, 800.0, False),
    ):
        now_ms = day_ms + second * SECOND_MS
        order = desk.order(BETA_BTC, lots, reduces)
        weight = Weight("beta", abs(lots) * 1.5, equity)
        state, held_back = allows(state, order, now_ms, weight, limits)
        told.append(("order", digits({"held": held_back, "state": _shown(state)})))
        state, held_back = messaged(state, "beta", now_ms, limits)
        told.append(("message", digits({"held": held_back, "day": state.day})))
    state = moved(planned(state, [desk.order(BETA_BTC, 900)]), 5_000.0)
    state = rolled(rolled(state, None, day_ms, limits), 5_900.0, day_ms + DAY_MS + 9, limits)
    now_ms = day_ms + DAY_MS + 200 * SECOND_MS
    for equity in (5_900.0, 5_500.0, 5_930.0):
        weight = Weight("beta", 9_000.0, equity)
        state, held_back = allows(state, desk.order(BETA_BTC, 9), now_ms, weight, limits)
        told.append(("order", digits({"held": held_back, "state": _shown(state)})))
        now_ms += 5 * SECOND_MS
    told.append(("begun", digits(_shown(begun(state.day)))))


def _shown(state: BrakeState) -> dict[str, object]:
    trades = {f"{name} {side}": times for (name, side), times in state.trades.items()}
    return {
        "messages": state.messages,
        "planned": state.planned,
        "trades": trades,
        "day": state.day,
    }


def distress(told: Told) -> None:
    """Send or cut, on both sides, with money in time, late, or on no road."""
    terms = desk.terms()
    for side in (1, -1):
        for beta_usd in (45_000.0, 60_000.0, 110_000.0, 500_000.0):
            situation = book(beta_usd, side)
            here = roads(terms, situation)
            for factor in (1.0, 4.0, 30.0):
                pressure = Pressure("beta", 50_000 * MICRO, VOLS, BLOCKED)
                road = slower(here, factor)
                told.append(("verdict", digits(send_or_cut(terms, situation, road, pressure))))
            nowhere = msgspec.structs.replace(here, edges=())
            none = Pressure("beta", 10_000 * MICRO, VOLS, BLOCKED, 0.05)
            told.append(("blocked", digits(send_or_cut(terms, situation, nowhere, none))))
    here = roads(terms, book(60_000.0))
    for bad in (
        Pressure("beta", 0, VOLS, BLOCKED),
        Pressure("beta", 5, VOLS, BLOCKED, 1.5),
        Pressure("beta", 5, {"BTC": 1.0}, BLOCKED),
        Pressure("beta", 5, {"BTC": 0.0, "ETH": 1.0}, BLOCKED),
    ):
        attempt(told, "pressure", lambda bad=bad: send_or_cut(terms, book(60_000.0), here, bad))


def ways_of_money(told: Told) -> None:
    """Ways over one and two edges, in hours, under caps, and what is on its way."""
    terms, now = desk.terms(), desk.NOW_MS
    for limits in ({}, {"cap_usd_day": 20_000.0}, {"window": DayWindow(0, HOUR_MS)}):
        routed = desk.routed(**limits) if limits else terms
        situation = book(60_000.0)
        here = msgspec.structs.replace(
            onward(roads(routed, situation)), through=frozenset(("alpha", "vault"))
        )
        for destination, usd in (("beta", 5_000), ("beta", 90_000), ("vault", 30_000)):
            for way in ways(here, destination, usd * MICRO):
                law = landing_law(way, now)
                times = [float(law.seconds[k]) for k in (0, 160, 320)]
                told.append(("way", {"way": digits(way), "times": digits(times)}))
                for minutes in (5, 20, 600):
                    share = landed_by(way, now + minutes * MINUTE_MS)
                    told.append(("landed", {"minutes": minutes, "share": digits(float(share))}))
            for minutes, sure in ((20, 0.5), (60, 0.99), (5, 0.9), (60, 1.0)):
                need = Need(destination, usd * MICRO, now + minutes * MINUTE_MS, sure)
                attempt(told, "route", lambda need=need, here=here: best_route(here, need))
    attempt(told, "route", lambda: best_route(here, Need("beta", 0, now + HOUR_MS, 0.5)))
    shipments = (
        Shipment("a", "alpha", "beta", "USDT", 10 * MICRO, now - 300 * SECOND_MS),
        Shipment("b", "alpha", "beta", "USDT", 20 * MICRO, now - HOUR_MS - 5),
        Shipment("c", "beta", "vault", "USDC", 30 * MICRO, now - 5),
        Shipment("d", "beta", "alpha", "USDC", 40 * MICRO, now - 2 * DAY_MS),
    )
    portfolio = desk.portfolio({}, {}, shipments)
    told.append(("transit", digits(in_transit(portfolio, terms.passages, now))))
    told.append(
        (
            "lost",
            sorted(lost(portfolio, terms.passages, now))
            and {"ids": sorted(lost(portfolio, terms.passages, now))},
        )
    )


def onward(here: Roads) -> Roads:
    """With an edge more, from the wallet, whose latency is fixed, and one that leads nowhere."""
    first = here.edges[0]
    more = {"source": "vault", "destination": "beta", "asset_sent": "USDT"}
    fixed = replace(first.passage, **more, latency_median_s=60.0, latency_p95_s=60.0)
    dead = replace(first.passage, source="beta", received_share=0 * first.parity)
    added = [msgspec.structs.replace(first, passage=edge) for edge in (fixed, dead)]
    free = {**here.available_quanta, "vault": 40_000 * MICRO}
    return msgspec.structs.replace(here, edges=(*here.edges, *added), available_quanta=free)


def slices(told: Told) -> None:
    """Schedules of one pair under several paces, both ways round."""
    for side in (1, -1):
        for interval_s, horizon_s, naked, aversion in (
            (30, 0, 25_000.0, 0.0),
            (30, 300, 25_000.0, 0.0),
            (30, 300, 9_000.0, 1e-5),
            (10, 600, 2_000.0, 1e-3),
            (10, 60, 10.0, 0.0),
        ):
            lots = {ALPHA_BTC: side * 1_500, BETA_BTC: -side * 150_000}
            legs = {
                n: Leg(desk.INSTRUMENTS[n], k, desk.COSTS[n], desk.quote(n))
                for n, k in lots.items()
            }
            pace = Pace(interval_s * SECOND_MS, horizon_s * SECOND_MS, naked, aversion)
            for urgent in (False, True):
                attempt(
                    told,
                    "schedule",
                    lambda legs=legs, pace=pace, urgent=urgent: schedule(
                        legs, Hazard(0.02, 0.6), pace, urgent=urgent
                    ),
                )
    refusals(told)


def refusals(told: Told) -> None:
    """Schedules that cannot be, and the shares of some that can."""
    one = {BETA_BTC: Leg(desk.INSTRUMENTS[BETA_BTC], 3, desk.COSTS[BETA_BTC], desk.quote(BETA_BTC))}
    both = one | {
        ALPHA_ETH: Leg(
            desk.INSTRUMENTS[ALPHA_ETH], -2, desk.COSTS[ALPHA_ETH], desk.quote(ALPHA_ETH)
        )
    }
    pace = Pace(30_000, 60_000, 25_000.0)
    coin = replace(desk.INSTRUMENTS[BETA_BTC], inverse_face_usd=Decimal(10))
    for leg in (
        Leg(desk.INSTRUMENTS[BETA_BTC], 0, desk.COSTS[BETA_BTC], desk.quote(BETA_BTC)),
        Leg(coin, 5, desk.COSTS[BETA_BTC], desk.quote(BETA_BTC)),
        Leg(
            desk.INSTRUMENTS[BETA_BTC],
            5,
            desk.COSTS[BETA_BTC],
            msgspec.structs.replace(desk.quote(BETA_BTC), volume_day_usd=0.0),
        ),
    ):
        attempt(told, "schedule", lambda leg=leg: schedule({BETA_BTC: leg}, Hazard(0, 0), pace))
    for bad in (Pace(30_000, 60_000, 1.0, 2.0), Pace(1, 10**9, 1.0), Pace(1, 60_000, 0.7)):
        many = Leg(desk.INSTRUMENTS[BETA_BTC], 10**7, desk.COSTS[BETA_BTC], desk.quote(BETA_BTC))
        attempt(
            told,
            "schedule",
            lambda bad=bad, many=many: schedule({BETA_BTC: many}, Hazard(0.0, 0.5), bad),
        )
    for problem in (
        Tradeoff(1.0, 0.5, 2.0, 8),
        Tradeoff(0.0, 1.0, 0.0, 5, 0.3),
        Tradeoff(1.0, 0.0, 50.0, 6, 0.4),
    ):
        shares = optimal_shares(problem)
        told.append(("shares", digits({"of": shares, "value": problem.value(shares)})))
    for legs, hazard in (
        (one, Hazard(0.0, 0.0)),
        (both, Hazard(0.1, 0.5)),
        ({}, Hazard(0.1, 0.5)),
        (one, Hazard(inf, 0.5)),
        (one, Hazard(0.1, -0.5)),
    ):
        attempt(told, "schedule", lambda legs=legs, hazard=hazard: schedule(legs, hazard, pace))


def switches(told: Told) -> None:
    """A device that is armed, rearmed, lost a request, and lapses."""
    devices = {"alpha": Device("alpha", 5, 300, True), "beta": Device("beta", 60, 120, False)}
    arming = Arming()
    for second in range(0, 120, 10):
        now = second * SECOND_MS
        resting = ("alpha", "omega", "beta", "alpha") if second < 90 else ()
        due = to_arm(arming, devices, resting, now, 30)
        for venue, seconds in due:
            reply = Unclear("lost") if second in (30, 60) else Armed(venue, now + 1, now)
            arming = armed(arming, venue, seconds, reply, now)
        without = unguarded(arming, devices, resting, now + 9_000)
        told.append(("armed", {"due": due, "until": arming.until_ms, "unguarded": without}))
    arming = armed(arming, "alpha", 0, Armed("alpha", None, 0), 0)
    told.append(("disarmed", {"until": arming.until_ms}))


OFFLINE: dict[str, Callable[[Told], None]] = {
    run.__name__: run for run in (brake, distress, ways_of_money, slices, switches)
}
