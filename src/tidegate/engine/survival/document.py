# SPDX-License-Identifier: Apache-2.0
"""Everything that `tidegate observe` says of a book of whole accounts; None is UNKNOWN."""

from __future__ import annotations

from typing import Literal

import msgspec

from tidegate.engine.observed_book import Unknown
from tidegate.engine.survival.terms import Term

SCHEMA = "tidegate-observe-2"
Status = Literal["dies", "never", "unknown"]


class AccountHealth(msgspec.Struct, frozen=True):
    """One account in USD under its rule; `why` says what leaves it UNKNOWN. `needed_usd` is what
    its health lacks to stand the target by beta, both ways."""

    venue: str
    rule: str
    insolvent: bool | None
    equity_usd: float | None = None
    initial_usd: float | None = None
    maintenance_usd: float | None = None
    health_usd: float | None = None
    withdrawable_usd: float | None = None
    needed_usd: float | None = None
    why: str = ""


class Distance(msgspec.Struct, frozen=True):
    """How far one thing may move before an account dies, the rest standing still.

    `kind` is price (of one coin), beta (all coins), vol, skew, term, spread, stable or funding;
    `move` is relative, of skew in vol points per unit of log moneyness, of term an exponent, of
    funding in days. `sds` counts the move in daily standard deviations where one was given.
    "never" is within `searched_to`; "unknown" is what the rule cannot judge, for the reason `why`.
    """

    venue: str
    kind: str
    of: str
    side: str
    status: Status
    move: float | None = None
    price: float | None = None
    sds: float | None = None
    searched_to: float | None = None
    why: str = ""


class Factor(msgspec.Struct, frozen=True):
    """One factor's part of a failure point: its relative move (a dollar coin's is its fall)."""

    name: str
    move: float


class Level(msgspec.Struct, frozen=True):
    """The failure point by some factors, the others standing still, in daily standard
    deviations."""

    factors: tuple[str, ...]
    distance: float | None


class FailurePoint(msgspec.Struct, frozen=True):
    """The most likely death of an account over price, vol, spread and dollar coins together.

    `levels` add a kind of factor each; `health_usd` is by the exact rule at the point.
    `unjudged_from` is how near, in the same units, the rule could not judge: what lies there may be
    sooner. `chance_per_day` is that a diffusion comes so far within a day, 2 Phi(-distance).
    """

    venue: str
    status: Status
    distance: float | None = None
    chance_per_day: float | None = None
    at: tuple[Factor, ...] = ()
    health_usd: float | None = None
    unjudged_from: float | None = None
    levels: tuple[Level, ...] = ()
    why: str = ""


class Passing(msgspec.Struct, frozen=True):
    """Money that could come to an account: what may leave the source now, the chance, by a
    diffusion, that the account dies before the money lands (p95), what sending all that it lacks
    costs, and whether the source has so much."""

    source: str
    destination: str
    available_usd: float | None
    median_s: float
    p95_s: float
    blocked: bool
    dies_before: float | None
    cost_usd: float | None
    covers: bool | None


class First(msgspec.Struct, frozen=True):
    """The account that goes first, by its failure point; those of which that is UNKNOWN may be
    sooner."""

    venue: str | None
    perhaps_sooner: tuple[str, ...]
    needed_usd: float | None
    passings: tuple[Passing, ...]


class Orphan(msgspec.Struct, frozen=True):
    """A coin's delta that others hold against the lost account, USD (+ long), and what dealing it
    away costs on the cheapest instrument left."""

    coin: str
    delta_usd: float
    instrument: str | None
    rehedge_usd: float | None


class Default(msgspec.Struct, frozen=True):
    """What a venue's failure costs: equity with unrealised profit, and re-hedging the legs that it
    orphans. `against_usd` is lost on them if prices first go 10 % against them. Survivors are asked
    there, each as if it paid for all re-hedging: `dead` do not stand it, `unsure` cannot be
    judged."""

    venue: str
    equity_usd: float | None
    orphans: tuple[Orphan, ...]
    rehedge_usd: float | None
    cost_usd: float | None
    against_usd: float | None
    dead: tuple[str, ...]
    unsure: tuple[str, ...]


class Cut(msgspec.Struct, frozen=True):
    """A trade of the fix, size signed."""

    venue: str
    symbol: str
    size: float
    cost_usd: float


class Wire(msgspec.Struct, frozen=True):
    """A transfer of the fix."""

    source: str
    destination: str
    asset: str
    sent: float
    lost_usd: float
    p95_s: float


class Fix(msgspec.Struct, frozen=True):
    """The cheapest fix that was found: reductions and transfers of the joint plan, after which the
    exact rules hold at the target, also while money is under way, and a certificate proves the
    accounts it changes. `money` are the routes to accounts that lack health for the target by beta:
    money alone is a fix only once it has landed."""

    needed: bool
    found: bool
    cost_usd: float | None = None
    cuts: tuple[Cut, ...] = ()
    wires: tuple[Wire, ...] = ()
    proved: tuple[str, ...] = ()
    money: tuple[Passing, ...] = ()
    why: str = ""


class Document(msgspec.Struct, frozen=True):
    """The whole answer."""

    schema: str
    book: str
    as_of: str
    target: float
    solvent: bool
    accounts: tuple[AccountHealth, ...]
    distances: tuple[Distance, ...]
    nearest: tuple[Distance, ...]
    failure_points: tuple[FailurePoint, ...]
    first: First
    defaults: tuple[Default, ...]
    fix: Fix
    terms: tuple[Term, ...]
    unknown: tuple[Unknown, ...]
