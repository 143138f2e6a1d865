# SPDX-License-Identifier: Apache-2.0
"""Whether a forecast may widen the buffers of the engine: the owner's switch, off if not said."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


class Widening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Stress moves, in logarithms, times 1 + `strength` g, with g in [0, 1] of each coin:

    by `volatility` how far its forecast of the next day is above the typical day of half a year,
    1 at twice that; by `gauge` the mean past rank of its range variance of day, week and month. A g
    that is not known counts as 1. Nothing else follows it: no edge, position or direction.
    """

    by: Literal["volatility", "gauge"]
    strength: Annotated[float, msgspec.Meta(gt=0, le=10)]
