# SPDX-License-Identifier: Apache-2.0
"""The market of a fault run: minutes of calm, trends and jumps, and what venues do to positions.

Made straight from a seed, because a fault run needs a market that moves, not one that is real.
"""

from __future__ import annotations

from fractions import Fraction
from math import exp
from random import Random

import numpy as np

from tidegate.model.instruments import InstrumentId
from tidegate.model.times import MINUTE_MS
from tidegate.simulation.faults.menu import Fault, Spell, Swarm
from tidegate.simulation.faults.small_book import COLLATERAL, INSTRUMENTS, PRICE
from tidegate.simulation.tape import (
    Deleveraging,
    Freeze,
    FundingStamp,
    Queue,
    Tape,
    Track,
)

STEP_MS = MINUTE_MS
MIDNIGHT_MS = 1_700_006_400_000
FUNDING_EVERY_MS = 10 * MINUTE_MS
JUMP_MAX = 0.30
# A mark's spike at one venue for a moment: large enough to kill a small short, or a large long.
WICK_UP, WICK_DOWN = 6.0, 0.95
VOLUME_DAY_USD, DEPTH_LEFT = 1e8, 0.02
VOL_DAILY = 0.03
SPIKE_E12 = 5_000_000_000


def start_ms(ticks: int) -> int:
    """When a run of so many seconds begins, so that midnight falls into its middle."""
    return MIDNIGHT_MS - ticks // 2 // 60 * MINUTE_MS


def make_tape(swarm: Swarm, begin_ms: int, steps: int) -> Tape:
    """All tracks, funding and what venues do, as the seed and its spells say."""
    end_ms = begin_ms + steps * STEP_MS
    paths = {coin: _path(swarm, coin, begin_ms, steps) for coin in PRICE}
    tracks = {
        name: _track(swarm, name, paths[INSTRUMENTS[name].base], begin_ms) for name in INSTRUMENTS
    }
    freezes, outages = (
        tuple(Freeze(s.venue, s.start_ms, s.end_ms) for s in swarm.of(fault))
        for fault in (Fault.MONEY_FROZEN, Fault.MAINTENANCE)
    )
    scores = np.linspace(0.0, 50.0, 11)[None, None, :] * np.ones((1, 2, 1))
    queues = {name: Queue("profit_leverage", scores) for name in INSTRUMENTS}
    return Tape(
        begin_ms,
        STEP_MS,
        steps,
        tracks,
        _funding(swarm, begin_ms, end_ms),
        freezes,
        outages,
        _deleveragings(swarm),
        queues,
    )


def rule_changes(swarm: Swarm) -> tuple[tuple[int, str, Fraction], ...]:
    """When which venue asks how much: one to four hundredths in the first tier."""
    changes = swarm.of(Fault.RULE_CHANGE)
    return tuple((s.start_ms, s.venue, Fraction(round(25 + 15 * s.size), 1000)) for s in changes)


def market_faults(swarm: Swarm) -> tuple[Spell, ...]:
    """Spells that are made into the tape, which the run counts when their time comes."""
    return swarm.of(
        Fault.PRICE_JUMP,
        Fault.DEPTH_COLLAPSE,
        Fault.FUNDING_SPIKE,
        Fault.MAINTENANCE,
        Fault.MONEY_FROZEN,
        Fault.DELEVERAGING,
        Fault.LIQUIDATION,
        Fault.RULE_CHANGE,
    )


def _path(swarm: Swarm, coin: str, begin_ms: int, steps: int) -> list[float]:
    """A coin's price at the end of every step, from its first price on."""
    rng = Random(f"{swarm.seed}:path:{coin}")
    vol, drift = 0.0004 + 0.0012 * rng.random(), rng.uniform(-0.0004, 0.0004)
    jumps = _by_step(swarm, Fault.PRICE_JUMP, begin_ms)
    log_price, path = 0.0, list[float]()
    for step in range(steps):
        if step % 30 == 0:
            drift = rng.uniform(-0.0004, 0.0004)
        log_price += rng.gauss(drift, vol)
        for spell in jumps.get(step, ()):
            log_price += np.log1p(JUMP_MAX * spell.size)
        path.append(PRICE[coin] * exp(log_price))
    return path


def _track(swarm: Swarm, name: InstrumentId, path: list[float], begin_ms: int) -> Track:
    """A venue's own track around a coin's path, with its wicks and the depth that is left."""
    rng, tick = Random(f"{swarm.seed}:track:{name}"), float(INSTRUMENTS[name].tick)
    closes = [max(1, round(p * (1 + rng.gauss(0.0, 0.0001)) / tick)) for p in path]
    opens = [max(1, round(PRICE[INSTRUMENTS[name].base] / tick)), *closes[:-1]]
    ends = list(zip(opens, closes, strict=True))
    highs = [round(max(pair) * (1 + abs(rng.gauss(0.0, 0.0002)))) for pair in ends]
    lows = [max(1, round(min(pair) * (1 - abs(rng.gauss(0.0, 0.0002))))) for pair in ends]
    venue = INSTRUMENTS[name].venue
    for step, spells in _by_step(swarm, Fault.LIQUIDATION, begin_ms).items():
        for spell in (s for s in spells if s.venue == venue and step < len(path)):
            if spell.size > 0:
                highs[step] = round(highs[step] * (1 + WICK_UP))
            else:
                lows[step] = max(1, round(lows[step] * (1 - WICK_DOWN)))
    volumes = [VOLUME_DAY_USD] * len(path)
    for spell in (s for s in swarm.of(Fault.DEPTH_COLLAPSE) if s.venue == venue):
        first, last = ((t - begin_ms) // STEP_MS for t in (spell.start_ms, spell.end_ms))
        for step in range(first, min(last + 1, len(path))):
            volumes[step] = VOLUME_DAY_USD * DEPTH_LEFT
    return Track(opens, highs, lows, closes, volumes, [VOL_DAILY] * len(path))


def _by_step(swarm: Swarm, fault: Fault, begin_ms: int) -> dict[int, list[Spell]]:
    found: dict[int, list[Spell]] = {}
    for spell in swarm.of(fault):
        found.setdefault((spell.start_ms - begin_ms) // STEP_MS, []).append(spell)
    return found


def _funding(swarm: Swarm, begin_ms: int, end_ms: int) -> tuple[FundingStamp, ...]:
    rng, stamps = Random(f"{swarm.seed}:funding"), list[FundingStamp]()
    for ts_ms in range(begin_ms + FUNDING_EVERY_MS, end_ms, FUNDING_EVERY_MS):
        stamps += [FundingStamp(ts_ms, n, round(rng.gauss(1e7, 3e7))) for n in INSTRUMENTS]
    for spell in swarm.of(Fault.FUNDING_SPIKE):
        names = [n for n, i in INSTRUMENTS.items() if i.venue == spell.venue]
        rate = round(SPIKE_E12 * spell.size)
        stamps += [FundingStamp(spell.start_ms, name, rate) for name in names]
    return tuple(sorted(stamps))


def _deleveragings(swarm: Swarm) -> tuple[Deleveraging, ...]:
    """Winners of one side are closed, whatever their place in the queue."""
    found = []
    for spell in swarm.of(Fault.DELEVERAGING):
        names = [n for n, i in INSTRUMENTS.items() if i.venue == spell.venue]
        side = 1 if spell.size > 0 else -1
        found += [Deleveraging(spell.start_ms, name, side, 0.0) for name in names]
    return tuple(sorted(found))


def funds_usd(swarm: Swarm) -> dict[str, int]:
    """Where the capital begins: split unevenly, so that money must move."""
    share = Random(f"{swarm.seed}:funds").uniform(0.3, 0.7)
    first, second = COLLATERAL
    alpha = round(1_000_000 * share)
    return {first: alpha, second: 1_000_000 - alpha}
