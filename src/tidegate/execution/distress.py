# SPDX-License-Identifier: Apache-2.0
"""An account in distress: whether money sent now lands before it dies, or it must be cut instead.

All its coins are taken to move against it together, each by the same number z of its own annual
deviations. The account dies at the z* at which its exact rule leaves no health, so it dies before
landing with the probability that a unit diffusion hits z* in the latency's law
(`settlement.hit_probability`). Prices gap: volatilities are to be those of the stress.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, expm1, inf
from typing import Literal

import msgspec

from tidegate.execution.routes import Roads, Way, landing_law, ways
from tidegate.model.account import Account
from tidegate.model.actions import Order
from tidegate.model.errors import InputError
from tidegate.model.instruments import InstrumentId
from tidegate.risk.plan import Situation, Terms, account_after, held_lots
from tidegate.risk.settlement import DiscreteLatency, LogMotion, buffer_for, hit_probability
from tidegate.risk.stress import Moves, stressed_health

UNIT = LogMotion(1.0)
# Log moves beyond this (a price 20 times as high) are no distance that anything is judged at.
_FARTHEST_LOG = 3.0
_HALVINGS = 40
_CUT_STEPS = 1_000


class Pressure(msgspec.Struct, frozen=True):
    """What an account lacks, in quanta of its collateral; annual volatilities of its coins under
    stress; the moves it must stand where no money comes in time; and the probability of dying
    before landing that is still allowed."""

    venue: str
    quanta: int
    vol_annual: Mapping[str, float]
    blocked_moves: Moves
    tolerance: float = 0.01


class Verdict(msgspec.Struct, frozen=True):
    """Send `way`; or reduce by `cut` (signed lots per instrument, of each the same share), and send
    `way` beside where there is one; or hold, where no money can come and what is held stands
    without. `dies_before` is the probability that the account as it stands dies before `way` has
    landed (None without a way)."""

    action: Literal["send", "cut", "hold"]
    way: Way | None
    dies_before: float | None
    cut: Mapping[InstrumentId, int] = {}


def send_or_cut(terms: Terms, situation: Situation, here: Roads, pressure: Pressure) -> Verdict:
    """The cheapest way whose money lands in time, else the least cut that makes up for it.

    A cut leaves an account that stands `blocked_moves`, and where the soonest way is merely too
    late, one that lives until it has landed. What a cut costs is paid in it. Where nothing is
    enough, all is closed.

    Raises: `InputError` for a need of nothing, a tolerance outside (0, 1), or a coin without a
    volatility above zero.
    """
    _check(terms, situation, pressure)
    account = situation.portfolio.accounts[pressure.venue]
    distance = _distance(terms, situation, account, pressure)
    soonest: tuple[float, Way, DiscreteLatency] | None = None
    for way in ways(here, pressure.venue, pressure.quanta):
        law = landing_law(way, here.now_ms)
        risk = dies_before(distance, law)
        if risk <= pressure.tolerance:
            return Verdict("send", way, risk)
        soonest = (risk, way, law) if soonest is None or risk < soonest[0] else soonest
    moves = [pressure.blocked_moves]
    if soonest is None:
        cut = _least_cut(terms, situation, account, moves)
        return Verdict("cut" if cut else "hold", None, None, cut)
    risk, way, law = soonest
    moves.append(_moves(pressure.vol_annual, buffer_for(pressure.tolerance, UNIT, law)))
    return Verdict("cut", way, risk, _least_cut(terms, situation, account, moves))


def dies_before(distance: float, law: DiscreteLatency) -> float:
    """Probability that a unit diffusion goes `distance` (annual deviations) before landing."""
    return 0.0 if distance == inf else hit_probability(distance, UNIT, law)


def _distance(terms: Terms, situation: Situation, account: Account, pressure: Pressure) -> float:
    """The most deviations that the account stands, rounded down; infinite beyond a log move of 3,
    which no buffer is."""
    low, high = 0.0, _FARTHEST_LOG / max(pressure.vol_annual.values(), default=1.0)

    def stands(deviations: float) -> bool:
        return _stands(terms, situation, account, _moves(pressure.vol_annual, deviations))

    if stands(high):
        return inf
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if stands(middle) else (low, middle)
    return low


def _moves(vol_annual: Mapping[str, float], deviations: float) -> dict[str, float]:
    """Relative moves of so many deviations: of a rise, which is the larger of both sides."""
    return {coin: expm1(vol * deviations) for coin, vol in vol_annual.items()}


def _stands(terms: Terms, situation: Situation, account: Account, moves: Moves) -> bool:
    rule, marks = terms.rules[account.venue], situation.marks
    return stressed_health(rule, account, marks, terms.instruments, moves) >= 0


def _least_cut(
    terms: Terms, situation: Situation, account: Account, moves: list[Moves]
) -> dict[InstrumentId, int]:
    """The least share of every position, in thousandths, that leaves an account which stands all
    the moves; everything where none does. A larger cut is taken to be no worse."""
    low, high = -1, _CUT_STEPS
    while high - low > 1:
        middle = (low + high) // 2
        after = _after(terms, situation, account, _cut(account, middle))
        enough = all(_stands(terms, situation, after, move) for move in moves)
        low, high = (low, middle) if enough else (middle, high)
    return _cut(account, high)


def _cut(account: Account, thousandths: int) -> dict[InstrumentId, int]:
    """Signed lots that take a share off every position, rounded up."""
    sizes = {
        name: ceil(abs(position.lots) * thousandths / _CUT_STEPS)
        for name, position in account.positions.items()
    }
    return {
        name: -size if account.positions[name].lots > 0 else size
        for name, size in sizes.items()
        if size
    }


def _after(
    terms: Terms, situation: Situation, account: Account, cut: Mapping[InstrumentId, int]
) -> Account:
    orders = [Order(name, name, lots, True, "cut") for name, lots in cut.items()]
    return account_after(terms, situation, account.venue, orders)


def _check(terms: Terms, situation: Situation, pressure: Pressure) -> None:
    if pressure.quanta < 1:
        raise InputError("distress", "quanta", f"expected at least 1, got {pressure.quanta}")
    if not 0.0 < pressure.tolerance < 1.0:
        expected = f"expected between 0 and 1, got {pressure.tolerance}"
        raise InputError("distress", "tolerance", expected)
    account = situation.portfolio.accounts[pressure.venue]
    for instrument in terms.instruments.values():
        if instrument.venue == pressure.venue and held_lots(account, instrument):
            coin = instrument.base
            if not 0.0 < pressure.vol_annual.get(coin, 0.0) < inf:
                raise InputError("distress", "vol_annual", f"expected one above zero for {coin}")
