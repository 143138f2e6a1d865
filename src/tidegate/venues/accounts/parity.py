# SPDX-License-Identifier: Apache-2.0
"""Our margin of an account held against its venue's own: what differs is not understood.

    share = |ours - theirs| / max(|theirs|, `LEAST`)

for equity and maintenance each; where a venue tells its initial margin and no maintenance (dYdX),
initial in its stead. Beyond the tolerance the venue may only be reduced; where a figure is missing
on either side nothing is known, which is not parity.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from tidegate.venues.accounts.told import Stated, Whose

# A share of a sum below this many units says nothing; prices tick between two answers.
LEAST = 100.0
TOLERANCE = 0.005
Verdict = Literal["agrees", "beyond", "unknown"]


class Compared(msgspec.Struct, frozen=True):
    """One sum: ours, the venue's, and the share by which they differ; None is UNKNOWN."""

    name: str
    ours: float | None
    theirs: float | None
    share: float | None


class Parity(msgspec.Struct, frozen=True):
    """An account's verdict, with what it rests on and whose account it is."""

    venue: str
    unit: str
    verdict: Verdict
    tolerance: float
    sums: tuple[Compared, ...]
    whose: Whose | None = None


class Ours(NamedTuple):
    """What our rule says of an account."""

    equity: float
    initial: float
    maintenance: float


def parity(
    venue: str,
    ours: Ours | None,
    stated: Stated,
    tolerance: float = TOLERANCE,
    whose: Whose | None = None,
) -> Parity:
    """Compare ours, None where our rule could not judge, with the venue's own sums."""
    by_initial = stated.maintenance is None and stated.initial is not None
    names = ("equity", "initial" if by_initial else "maintenance")
    sums = tuple(
        _compared(name, getattr(ours, name, None), getattr(stated, name)) for name in names
    )
    return Parity(venue, stated.unit, _verdict(sums, tolerance), tolerance, sums, whose)


def reduce_only(parities: Iterable[Parity]) -> frozenset[str]:
    """Venues that may only be reduced: those whose parity is beyond tolerance, or not known."""
    return frozenset(one.venue for one in parities if one.verdict != "agrees")


def _compared(name: str, ours: float | None, said: Decimal | None) -> Compared:
    share, theirs = None, None if said is None else float(said)
    if ours is not None and theirs is not None:
        share = abs(ours - theirs) / max(abs(theirs), LEAST)
    return Compared(name, ours, theirs, share)


def _verdict(sums: tuple[Compared, ...], tolerance: float) -> Verdict:
    shares = [one.share for one in sums]
    known = [share for share in shares if share is not None]
    if any(share > tolerance for share in known):
        return "beyond"
    return "agrees" if len(known) == len(shares) else "unknown"
