# SPDX-License-Identifier: Apache-2.0
"""Jumps and betas to them that a history determines; arrays in, estimates out.

A quarter-hour is a jump where it is beyond some local deviations, which are read from bipower
variation (Barndorff-Nielsen and Shephard 2004), as it hardly sees a jump itself. An exponential
size has no memory: what is beyond a threshold u is again exponential of mean m, and of all jumps
the share exp(-u / m) passes. Only calm time counts, as stress multiplies the rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.model.errors import InputError
from tidegate.simulation.world.arrays import FloatArray
from tidegate.simulation.world.parameters import Coin, WorldParameters

PER_MAD = 1.4826
# Blocks of volatility above this share are left out where stress would tell.
CALM_SHARE = 0.85
_QUARTERS_PER_DAY = 96
_QUARTERS_PER_HOUR = 4
# Local volatility is that of four hours before and after; a jump and its neighbours have no say.
_REACH = 16
_COMMON, _OWN = 5.0, 7.0
_LEAST_JUMPS = 5
CRASH_MOVE = 0.08
# What makes one law: sizes of a fit beside rates of a default would be a market that nobody saw.
LAWS = (
    ("common_per_day", "down_share", "common_down", "common_up"),
    ("coin_per_day", "coin_size"),
)
# Noise in a crash, as a multiple of that in all hours; the crisis of the world brings four.
_CRASH_VOL = 4.0
_OWN_SHAPE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class _Bars:
    """Returns (coins, quarter-hours), local deviations, and which quarter-hours are calm."""

    moves: FloatArray
    local: FloatArray
    calm: np.ndarray

    @property
    def scaled(self) -> FloatArray:
        return np.asarray(self.moves / self.local)


def world_coin(name: str) -> Coin:
    """A coin as the world has it by default; raises `InputError` for one that it has not."""
    known = {coin.name: coin for coin in WorldParameters().coins}
    if name not in known:
        raise InputError("world fit", "--coins", f"{name}: expected one of {', '.join(known)}")
    return known[name]


def local_deviation(moves: FloatArray) -> FloatArray:
    """sqrt(pi / 2 * mean |r_j| |r_j+1|) about each quarter-hour, without it and its neighbours."""
    size = np.abs(moves)
    products = np.pi / 2.0 * size[:, 1:] * size[:, :-1]
    sums = np.concatenate([np.zeros((len(size), 1)), np.cumsum(products, axis=1)], axis=1)
    at, last = np.arange(moves.shape[1]), moves.shape[1] - 1
    total, count = np.zeros_like(moves), np.zeros(moves.shape[1])
    for low, high in ((at - _REACH, at - 2), (at + 2, at + _REACH)):
        begin, end = np.clip(low, 0, last), np.clip(high, 0, last)
        total += sums[:, end] - sums[:, begin]
        count += end - begin
    return np.asarray(np.sqrt(np.maximum(total / np.maximum(count, 1.0), 1e-14)))


def jump_point(coins: tuple[str, ...], moves: FloatArray) -> dict[str, float]:
    """Jumps of all coins together and of one alone, and betas to the first coin's, by name.

    `moves` (coins, quarter-hours) are log returns. NaN stands where fewer than five jumps were
    seen; of one coin alone nothing is said, as its own jumps cannot be told from the market's.
    """
    if len(coins) < 2:
        return {}
    local = local_deviation(moves)
    logs = np.log(local)
    level = np.median(logs - np.median(logs, axis=1, keepdims=True), axis=0)
    bars = _Bars(moves, local, level <= np.quantile(level, CALM_SHARE))
    middle = _middle(bars.scaled)
    struck = bars.calm & (np.abs(middle) > _COMMON)
    betas = _betas(coins, moves[:, struck])
    found = {f"coins.{c}.jump_beta": float(b) for c, b in zip(coins[1:], betas[1:], strict=True)}
    return found | _common(bars, middle, betas) | _own(bars, middle)


def _middle(scaled: FloatArray) -> FloatArray:
    """The middle coin's move in deviations, of two middle ones the smaller: one coin alone does
    not lift it."""
    ordered = np.sort(scaled, axis=0)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return np.asarray(np.where(np.abs(low) < np.abs(high), low, high))


def _betas(coins: tuple[str, ...], jumps: FloatArray) -> FloatArray:
    """Slopes through zero on the first coin, times its own beta in the world."""
    if jumps.shape[1] < _LEAST_JUMPS:
        return np.full(len(coins), np.nan)
    slopes = (jumps * jumps[0]).sum(axis=1) / (jumps[0] ** 2).sum()
    return np.asarray(slopes * world_coin(coins[0]).jump_beta)


def _common(bars: _Bars, middle: FloatArray, betas: FloatArray) -> dict[str, float]:
    """Rate a day, share of falls and mean sizes of what moves all coins, at a beta of one."""
    unit = np.median(bars.local / betas[:, None], axis=0)
    rates, sizes = [], []
    for sign in (-1.0, 1.0):
        struck = bars.calm & (sign * middle > _COMMON)
        beyond = (sign * middle[struck] - _COMMON) * unit[struck]
        rate, size = _exponential(beyond, _COMMON * unit[bars.calm])
        rates.append(rate)
        sizes.append(size)
    return {
        "jumps.common_per_day": sum(rates),
        "jumps.down_share": rates[0] / sum(rates),
        "jumps.common_down": sizes[0],
        "jumps.common_up": sizes[1],
    }


def _own(bars: _Bars, middle: FloatArray) -> dict[str, float]:
    """Rate a day and mean size of what moves one coin: beyond what the others' moves explain."""
    scaled, count = bars.scaled, len(bars.scaled)
    others = (scaled.sum(axis=0) - scaled) / (count - 1)
    others /= PER_MAD * np.median(np.abs(others), axis=1, keepdims=True)
    alike = np.sin(np.pi / 2.0 * (np.sign(scaled) * np.sign(others)).mean(axis=1, keepdims=True))
    alone = np.abs(scaled - alike * others)
    unit = PER_MAD * np.median(alone[:, bars.calm], axis=1, keepdims=True)
    quiet = bars.calm & (np.abs(middle) < _COMMON)
    # Another coin's jump stands in the others' mean, so that only the farthest coin counts.
    farthest = alone / unit >= np.max(alone / unit, axis=0)
    struck = quiet & farthest & (alone > _OWN * unit)
    threshold = _OWN * unit * bars.local
    rate, size = _exponential((alone * bars.local - threshold)[struck], threshold[:, quiet])
    return {"jumps.coin_per_day": rate, "jumps.coin_size": size}


def _exponential(beyond: FloatArray, thresholds: FloatArray) -> tuple[float, float]:
    """Jumps a day (of one row of thresholds' time) and their mean size: m = mean excess, and rate =
    number / sum exp(-u / m)."""
    if len(beyond) < _LEAST_JUMPS:
        return float("nan"), float("nan")
    size = float(beyond.mean())
    passed = float(np.exp(-thresholds / size).sum())
    return len(beyond) / passed * _QUARTERS_PER_DAY if passed > 0 else float("nan"), size


def crash_betas(coins: tuple[str, ...], moves: FloatArray) -> dict[str, tuple[float, float]]:
    """Slopes on the first coin over the hours in which it moved 8 % or more, with errors, by name.

    beta = sum x y / sum x^2 over crashes a day or more apart; its error is that of an hour's own
    noise, four times as wide in a crash, over sqrt(sum x^2), and a tenth of the value for the
    shape. Empty without such an hour.
    """
    sums = np.concatenate([np.zeros((len(moves), 1)), np.cumsum(moves, axis=1)], axis=1)
    hours = sums[:, _QUARTERS_PER_HOUR:] - sums[:, :-_QUARTERS_PER_HOUR]
    crashes = _crashes(hours[0])
    if not crashes:
        return {}
    first = hours[0, crashes]
    anchor = world_coin(coins[0]).crisis_beta
    found = {}
    for coin, hourly in zip(coins[1:], hours[1:], strict=True):
        beta = float((hourly[crashes] * first).sum() / (first**2).sum())
        rest = PER_MAD * float(np.median(np.abs(hourly - beta * hours[0])))
        noise = _CRASH_VOL * rest / float(np.sqrt((first**2).sum()))
        error = anchor * float(np.hypot(noise, _OWN_SHAPE * beta))
        found[f"coins.{coin}.crisis_beta"] = (anchor * beta, error)
    return found


def _crashes(hours: FloatArray) -> list[int]:
    """Where the largest hourly moves are, each a day or more from the others."""
    left, found = np.abs(hours), []
    while left.size and left[at := int(np.argmax(left))] >= CRASH_MOVE:
        found.append(at)
        left[max(at - _QUARTERS_PER_DAY, 0) : at + _QUARTERS_PER_DAY] = 0.0
    return found
