# SPDX-License-Identifier: Apache-2.0
"""Leveraged holders, and the price moves that their forced closing makes.

Steps without a forced closing are passed over a block at a time; only the others are walked.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri

from tidegate.simulation.world.arrays import BoolArray, FloatArray, kept_share
from tidegate.simulation.world.parameters import Leverage, WorldParameters

SIDES = np.array([1.0, -1.0])  # longs, shorts
ROUNDS_MAX = 6
_SIGN = SIDES[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """What holders meet (coins, steps): log prices of the index, and depth (steps)."""

    low: FloatArray
    high: FloatArray
    close: FloatArray
    depth: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Holders after a step (coins, sides, holders): log entry, leverage, and who still holds.

    Holders' arrays are replaced and never written into, so a snapshot keeps them as they are."""

    log_entry: FloatArray
    leverage: FloatArray
    holding: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Cascade:
    """What forced closing did: log price offset (coins, steps); shares of a side's full open
    interest closed and still held (coins, sides, steps); and per step with forced closing, who
    was closed beyond bankruptcy: `losses` maps step to (log bankruptcy price, share) of those
    closed (coins, sides, holders). `snapshots` maps step to the holders after it."""

    offset: FloatArray
    closed: FloatArray
    held: FloatArray
    losses: dict[int, tuple[FloatArray, BoolArray]]
    snapshots: dict[int, Snapshot]


@dataclass(slots=True, eq=False)
class _Holders:
    """Holders of every coin and side; each holds 1 / holders of the side's open interest."""

    log_entry: FloatArray
    leverage: FloatArray
    trigger_shift: FloatArray
    bankrupt_shift: FloatArray
    holding: BoolArray
    forced: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.forced = np.zeros(self.holding.shape[:2])

    def hit(self, adverse: FloatArray) -> BoolArray:
        """Who is beyond the trigger at adverse log prices (coins, sides)."""
        gap = (adverse[:, :, None] - self.log_entry - self.trigger_shift) * _SIGN
        return np.asarray(self.holding & (gap <= 0.0))

    def nearest(self) -> FloatArray:
        """The first trigger of each coin and side; infinitely far where nobody holds."""
        far = -np.inf * _SIGN
        triggers = np.where(self.holding, self.log_entry + self.trigger_shift, far) * _SIGN
        return np.asarray(triggers.max(axis=2) * SIDES)


def run_cascade(
    rng: np.random.Generator,
    parameters: WorldParameters,
    market: Market,
    snapshot_steps: frozenset[int],
) -> Cascade:
    """Let holders be closed where the price, moved by those before them, reaches their trigger.

    Long trigger entry * (1 - 1/L) / (1 - m), short entry * (1 + 1/L) / (1 + m); offset
    = impact * sigma_day * sum over sides of -side * sqrt(Q_side / depth), with Q the fading
    forced volume as a share of a day's. Rounds within a step go on until nobody more is hit.
    Snapshots are of steps with forced closing and of `snapshot_steps`; -1 is before the first.
    """
    steps = market.close.shape[1]
    run = _Run(rng, parameters, market, snapshot_steps)
    width = max(1, round(parameters.leverage.block_hours / parameters.step_hours))
    for begin in range(0, steps, width):
        run.renew(begin)
        block = slice(begin, min(begin + width, steps))
        if run.is_quiet(block):
            run.pass_over(block)
        else:
            for step in range(block.start, block.stop):
                run.walk(step)
    return Cascade(run.offset, run.closed, run.held, run.losses, run.snapshots)


class _Run:
    """The state of one cascade while it is being walked."""

    def __init__(
        self,
        rng: np.random.Generator,
        parameters: WorldParameters,
        market: Market,
        wanted: frozenset[int],
    ) -> None:
        p = parameters.leverage
        coins, steps = market.close.shape
        self._rng, self._p, self._market, self._wanted = rng, p, market, wanted
        self._kept = kept_share(parameters.step_hours, p.impact_half_life_hours)
        vol = np.array([coin.vol_annual for coin in parameters.coins])
        self._impact = (p.impact * vol / np.sqrt(365.0))[:, None]
        self._holders = _draw_holders(rng, p, market.close[:, 0])
        self.offset = np.zeros((coins, steps))
        self.closed = np.zeros((coins, 2, steps))
        self.held = np.zeros((coins, 2, steps))
        self.losses: dict[int, tuple[FloatArray, BoolArray]] = {}
        self.snapshots: dict[int, Snapshot] = {}
        self._remember(-1)

    def renew(self, begin: int) -> None:
        """Some holders open anew at the present price, some who were closed come back."""
        h, p = self._holders, self._p
        life = np.where(h.holding, p.life_hours, p.return_hours)
        opening = self._rng.random(h.holding.shape) < p.block_hours / life
        last = begin - 1
        price = self._market.close[:, max(last, 0)] + (self.offset[:, last] if begin else 0.0)
        h.log_entry = np.where(opening, price[:, None, None], h.log_entry)
        h.holding = h.holding | opening

    def is_quiet(self, block: slice) -> bool:
        """Whether nobody can be hit within the block, even at its worst prices and depth."""
        depth = np.full(1, self._market.depth[block].min())
        parts = self._parts(self._holders.forced, depth)
        nearest = self._holders.nearest()
        lowest = self._market.low[:, block].min(axis=1) - parts[:, 0]
        highest = self._market.high[:, block].max(axis=1) + parts[:, 1]
        return bool((lowest > nearest[:, 0]).all() and (highest < nearest[:, 1]).all())

    def pass_over(self, block: slice) -> None:
        """A block in which only what was forced before fades."""
        h = self._holders
        ages = np.arange(1, block.stop - block.start + 1)
        forced = h.forced[:, :, None] * self._kept**ages
        parts = np.sqrt(forced / self._market.depth[block]) * self._impact[:, :, None]
        self.offset[:, block] = parts[:, 1] - parts[:, 0]
        self.held[:, :, block] = h.holding.mean(axis=2)[:, :, None]
        h.forced = forced[:, :, -1].copy()
        for step in range(block.start, block.stop):
            self._remember(step)

    def walk(self, step: int) -> None:
        """One step: fade, close whoever is hit, move the price, and look again."""
        h = self._holders
        h.forced = h.forced * self._kept
        adverse = np.stack([self._market.low[:, step], self._market.high[:, step]], axis=1)
        before = h.holding
        offset = self._offset(step)
        for _ in range(ROUNDS_MAX):
            hit = h.hit(adverse + offset[:, None])
            if not hit.any():
                break
            h.holding = h.holding & ~hit
            h.forced = h.forced + hit.mean(axis=2) * self._p.interest_share
            offset = self._offset(step)
        self.offset[:, step] = offset
        self.held[:, :, step] = h.holding.mean(axis=2)
        gone = before & ~h.holding
        if gone.any():
            self.closed[:, :, step] = gone.mean(axis=2)
            self.losses[step] = (h.log_entry + h.bankrupt_shift, gone)
        self._remember(step)

    def _remember(self, step: int) -> None:
        """Keep holders as they stand now, after the step, where that is wanted."""
        if step in self._wanted or step in self.losses:
            h = self._holders
            self.snapshots[step] = Snapshot(h.log_entry, h.leverage, h.holding)

    def _parts(self, forced: FloatArray, depth: FloatArray) -> FloatArray:
        return np.asarray(self._impact * np.sqrt(forced / depth))

    def _offset(self, step: int) -> FloatArray:
        parts = self._parts(self._holders.forced, self._market.depth[step : step + 1])
        return np.asarray(parts[:, 1] - parts[:, 0])


def _draw_holders(rng: np.random.Generator, p: Leverage, log_price: FloatArray) -> _Holders:
    shape = (log_price.size, 2, p.holders)
    # One draw from each of as many equal parts of the law, so that no coin lacks its tail.
    z = ndtri((np.arange(p.holders) + rng.random(shape)) / p.holders)
    drawn = p.leverage_median * np.exp(p.leverage_deviation * z)
    leverage = np.clip(drawn, 1.2, p.leverage_max)
    bankrupt = np.log1p(-_SIGN / leverage)
    near = np.minimum(0.02, 0.2 / leverage)
    return _Holders(
        log_entry=log_price[:, None, None] + near * rng.uniform(-1.0, 1.0, shape),
        leverage=leverage,
        trigger_shift=bankrupt - np.log1p(-_SIGN * p.maintenance),
        bankrupt_shift=bankrupt,
        holding=np.ones(shape, dtype=np.bool_),
    )
