# SPDX-License-Identifier: Apache-2.0
"""The named crises, and what the seed draws of one: its minute, its venue, its force and lean."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from tidegate.simulation.world.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class CrisisShape:
    """What a name fixes of a crisis.

    `move` is the fall or rise of the first coin as a share, spread over `minutes`; other coins
    move by their `crisis_beta` in logs. `depth_floor` is the share of depth left at the struck
    venue. `freeze_hours` bounds how long its money is held (zeros: it is not). `depeg` is the
    stablecoin's loss, `adl_share` the share of winners closed at the struck venue whatever its
    fund holds, and `premium_8h` how far the perpetuals leave the index.

    What fails at the struck venue alone: its marks stand still for `stuck_mark_minutes` while the
    market goes; it counts collateral at `collateral_depeg` less, at worst, within
    `collateral_depeg_minutes`; and its clients ask for all of their money within `rush_hours`,
    which takes it `drain_hours` to pay out, one after another. Money is held after the rush.

    The sizes: 2025-10-10 moved BTC by about -14 % and smaller coins by far more within the hour,
    with 2.1 bn USD of winners closed in 12 minutes (arXiv 2512.01112); 2020-03-12 by more than
    -20 % in an hour; USDC stood at -12 % at worst in March 2023, USDT at -5 % in May 2022.
    """

    name: str
    move: float = 0.0
    minutes: int = 60
    depth_floor: float = 0.08
    freeze_hours: tuple[float, float] = (0.0, 0.0)
    depeg: float = 0.0
    adl_share: float = 0.0
    premium_8h: float = 0.0
    basis_kick: float = 0.0
    outage_probability: float = 0.0
    stuck_mark_minutes: int = 0
    collateral_depeg: float = 0.0
    collateral_depeg_minutes: int = 0
    rush_hours: float = 0.0
    drain_hours: float = 0.0


# What shapes did not have from the start: where it is unused, digests of worlds do not name it.
LATER = frozenset(
    "stuck_mark_minutes collateral_depeg collateral_depeg_minutes rush_hours drain_hours".split()
)
_SHAPES = (
    CrisisShape("calm"),
    CrisisShape("crash", -0.18, 60, premium_8h=0.0015, basis_kick=0.007, outage_probability=0.5),
    CrisisShape("gap", -0.15, 1, premium_8h=0.0015, basis_kick=0.007, outage_probability=0.3),
    CrisisShape("squeeze", 0.20, 60, premium_8h=0.0015, basis_kick=0.007, outage_probability=0.3),
    CrisisShape(
        "freeze",
        -0.18,
        60,
        freeze_hours=(3.0, 12.0),
        premium_8h=0.0015,
        basis_kick=0.007,
        outage_probability=0.5,
    ),
    CrisisShape("depeg", -0.18, 60, depeg=0.03, premium_8h=0.0015, basis_kick=0.007),
    CrisisShape(
        "insolvency",
        -0.15,
        30,
        depth_floor=0.05,
        freeze_hours=(24.0, 24.0),
        adl_share=0.5,
        premium_8h=0.0015,
        basis_kick=0.010,
    ),
)
CRISES = MappingProxyType({shape.name: shape for shape in _SHAPES})


@dataclass(frozen=True, slots=True, eq=False)
class CrisisPlan:
    """A crisis as the seed has drawn it; sub-steps count from the world's first.

    `moves` are log moves (coins), `venue` the struck one, `lean` (venues) how far each venue's
    price is dragged beyond the others in units of the shape's kick: 1 at the struck venue;
    `rebound` is the share of the moves that is taken back in the hours after.
    """

    shape: CrisisShape
    start: int
    length: int
    venue: int
    moves: FloatArray
    lean: FloatArray
    freeze_hours: float
    stablecoin: int
    rebound: float

    @property
    def sign(self) -> float:
        """Direction of the move: -1, 0 or +1."""
        return float(np.sign(self.shape.move))

    @property
    def on(self) -> bool:
        """Whether there is a crisis at all."""
        return self.shape.move != 0.0


@dataclass(frozen=True, slots=True)
class CrisisDraw:
    """Bounds of what the seed draws of a crisis: its hour of the day, how its force varies
    overall and by coin, how far
    venues that are not struck lean, and how evenly the move spreads over its minutes (the shape
    of gamma weights: below 1 a few minutes carry most of it), and what share of it comes back, with
    which half-life (2020-03-12, 2025-02-03 and 2025-10-10 took back between a third and two thirds
    of their fall within hours)."""

    hours: tuple[float, float] = (1.0, 20.0)
    force: tuple[float, float] = (0.95, 1.05)
    coin_deviation: float = 0.08
    venue_lean: tuple[float, float] = (-0.35, 0.25)
    evenness: float = 0.6
    rebound: tuple[float, float] = (0.2, 0.7)
    rebound_half_life_hours: float = 0.5


def draw_crisis(
    rng: np.random.Generator,
    shape: CrisisShape,
    draw: CrisisDraw,
    betas: FloatArray,
    venues: int,
    substeps: tuple[int, int],
) -> CrisisPlan:
    """Draw a crisis of a shape; `substeps` is (first of the crisis' day, number in a day).

    Log move of coin i: log(1 + move) * force * beta_i * exp(deviation * z_i), with the first
    coin's z held at zero, so that its move is the one that the name states. Draws the same
    numbers whatever the shape, so that worlds of one seed differ by their crisis alone.
    """
    first, per_day = substeps
    hour = rng.uniform(*draw.hours)
    z = rng.standard_normal(betas.size)
    z[0] = 0.0
    force = rng.uniform(*draw.force)
    lean = rng.uniform(*draw.venue_lean, venues)
    venue = int(rng.integers(venues))
    lean[venue] = 1.0
    return CrisisPlan(
        shape=shape,
        start=first + int(hour / 24.0 * per_day),
        length=max(1, round(shape.minutes / 1440.0 * per_day)),
        venue=venue,
        moves=np.log1p(shape.move) * force * betas * np.exp(draw.coin_deviation * z),
        lean=lean,
        freeze_hours=float(rng.uniform(*shape.freeze_hours)),
        stablecoin=int(rng.integers(2)),
        rebound=float(rng.uniform(*draw.rebound)),
    )
