# SPDX-License-Identifier: Apache-2.0
"""One mandate at other sizes, and with parts of Tidegate switched off to see what each is worth."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.less import Kept
from tidegate.model.engine_sections import Allocation
from tidegate.model.errors import InputError
from tidegate.model.mandate import Mandate

BUFFERS, TRANSFERS, REDUCTIONS, CADENCE = "buffers", "transfers", "reductions", "cadence"
PARTS = (BUFFERS, TRANSFERS, REDUCTIONS, CADENCE)
# Parts that only the joint plan has; see `backtest.less`.
LATENCY, MARGIN, BANDS, CERTIFICATE = "latency", "margin", "bands", "certificate"
JOINT_PARTS = (LATENCY, MARGIN, BANDS, CERTIFICATE)
# Without buffers nothing beyond the inner level is kept.
NO_BUFFER = 1.02
SLOW_S = 3600
# The share of equity that a venue may owe where claims are watched, and of the stress counted.
CLAIM_CAP, CLAIMS_COUNTED = 0.4, 1.0


def variant(mandate: Mandate, leverage: float | None, without: tuple[str, ...]) -> Mandate:
    """The mandate at another limit of gross leverage, and without the parts named; a part that it
    does not have raises `InputError`."""
    parts = (*PARTS, *JOINT_PARTS) if mandate.is_joint else PARTS
    unknown = set(without) - set(parts)
    if unknown:
        raise InputError("policy", "without", f"expected parts among {parts}, got {unknown}")
    changed = mandate if leverage is None else _sized(mandate, leverage)
    if BUFFERS in without:
        inner = changed.stress.inner
        outer = {coin: min(0.99, NO_BUFFER * move) for coin, move in inner.items()}
        stress = msgspec.structs.replace(changed.stress, outer=outer)
        limits = msgspec.structs.replace(changed.limits, solvency_tail=0.2)
        changed = msgspec.structs.replace(changed, stress=stress, limits=limits)
    if TRANSFERS in without:
        changed = msgspec.structs.replace(changed, transfer=())
    if CADENCE in without:
        slow = msgspec.structs.replace(
            changed.mandate, decision_interval_s=SLOW_S, watch_interval_s=SLOW_S
        )
        changed = msgspec.structs.replace(changed, mandate=slow)
    return changed


def jointly(mandate: Mandate) -> Mandate:
    """The mandate with the joint plan for its programme."""
    return msgspec.structs.replace(mandate, allocation=Allocation("joint"))


def with_claims(
    mandate: Mandate, cap: float = CLAIM_CAP, claims: float = CLAIMS_COUNTED
) -> Mandate:
    """The mandate with a cap on what each venue may owe, watched at a share of the stress."""
    venues = {n: msgspec.structs.replace(v, claim_cap=cap) for n, v in mandate.venue.items()}
    stress = msgspec.structs.replace(mandate.stress, claims=claims)
    return msgspec.structs.replace(mandate, venue=venues, stress=stress)


def kept(mandate: Mandate, without: tuple[str, ...]) -> Kept:
    """What is left of the joint plan."""
    flat = frozenset(mandate.venue) if MARGIN in without else frozenset[str]()
    return Kept(CERTIFICATE not in without, BANDS not in without, LATENCY not in without, flat)


def _sized(mandate: Mandate, leverage: float) -> Mandate:
    limits = msgspec.structs.replace(mandate.limits, gross_leverage=leverage)
    return msgspec.structs.replace(mandate, limits=limits)


def with_mandate(arrangement: Arrangement, mandate: Mandate | None) -> Arrangement:
    """The arrangement under another mandate, with only the routes that this one allows."""
    if mandate is None or mandate == arrangement.mandate:
        return arrangement
    routes = {(route.source, route.destination) for route in mandate.transfer}
    passages = {ends: p for ends, p in arrangement.terms.passages.items() if ends in routes}
    terms = replace(arrangement.terms, passages=passages)
    return replace(arrangement, mandate=mandate, terms=terms)
