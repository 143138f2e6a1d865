# SPDX-License-Identifier: Apache-2.0
"""Which options a policy may trade at a step, the same for all: a strangle and its wings."""

from __future__ import annotations

import numpy as np

from tidegate.backtest.option_study import terms
from tidegate.backtest.option_study.books import Held, Look
from tidegate.backtest.option_study.market import COINS, Contract, years_to
from tidegate.model.times import DAY_MS
from tidegate.pricing.black76 import greeks

DAYS, TENOR = (21.0, 45.0), 32.0
BODY, WING = 0.25, 0.07
ROLL_DAYS = 10.0
NEAR = (0.10, 0.45)


def strangle(look: Look, coin: str) -> tuple[Contract, ...]:
    """Put and call of 25 delta, then those of 7, of the expiry nearest to a month; none where a
    side has no quotes."""
    expiry = _expiry(look, coin)
    if expiry is None:
        return ()
    found = []
    for target in (BODY, WING):
        for is_call in (False, True):
            each = _nearest(look, coin, expiry, (is_call, target))
            if each is None:
                return ()
            found.append(each)
    return tuple(dict.fromkeys(found))


def _expiry(look: Look, coin: str) -> int | None:
    chain = look.market.chains[look.step][coin]
    days = {expiry: (expiry - look.ts_ms) / DAY_MS for expiry in chain.forwards}
    fit = [expiry for expiry, left in days.items() if DAYS[0] <= left <= DAYS[1]]
    return min(fit, key=lambda expiry: abs(days[expiry] - TENOR), default=None)


def _nearest(look: Look, coin: str, expiry: int, side: tuple[bool, float]) -> Contract | None:
    is_call, target = side
    of = look.market.chains[look.step][coin].of
    quoted = np.isfinite(of.bid) & np.isfinite(of.ask)
    rows = np.flatnonzero((of.expiry_ms == expiry) & (of.is_call == is_call) & quoted)
    if not rows.size:
        return None
    years = years_to(expiry, look.ts_ms)
    terms_ = (of.forward_usd[rows], of.strike_usd[rows], years, of.vol_annual[rows])
    delta = np.abs(np.asarray(greeks(*terms_, is_call).delta))
    row = int(rows[np.argmin(np.abs(delta - target))])
    return Contract(coin, expiry, float(of.strike_usd[row]), is_call)


def worth_selling(look: Look, coin: str) -> bool:
    """Whether the premium of the strangle's body is at least `MINIMUM_T` standard errors."""
    body = strangle(look, coin)[:2]
    edges = [look.edge(each) for each in body]
    known = [edge for edge in edges if edge is not None]
    if len(known) < 2:
        return False
    carry = -sum(edge[0] for edge in known)
    # Both legs' errors are of one forecast.
    error = sum(edge[1] for edge in known)
    return carry > 0.0 and carry >= terms.MINIMUM_T * error


def offered(held: Held, look: Look) -> tuple[Contract, ...]:
    """What may be traded beside what is held: a new strangle of a coin of which nothing is held,
    or of which every option sold is near its expiry or has gone far from where it was sold."""
    found: list[Contract] = []
    for coin in COINS:
        mine = [each for each, size in held.options.items() if each.coin == coin and size < 0.0]
        fresh = [
            each
            for each in mine
            if each.expiry_ms - look.ts_ms >= ROLL_DAYS * DAY_MS
            and NEAR[0] <= abs(look.quoted(each).delta) <= NEAR[1]
        ]
        if len({each.is_call for each in fresh}) < 2:
            found += strangle(look, coin)
    return tuple(found)
