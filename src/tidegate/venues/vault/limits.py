# SPDX-License-Identifier: Apache-2.0
"""Venues with what they may hold: what the adapters and the policy say, made `VenueState`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.venues.vault.state import BPS, VenueState

NOTHING_OWED = 2**256 - 1
MICRO_IN_BPS = 100


@dataclass(frozen=True, slots=True)
class ToldVenue:
    """One venue of the vault's own book (`book.vy`)."""

    adapter: str
    value: int
    health_bps: int
    as_of_s: int


@dataclass(frozen=True, slots=True)
class VenueLimit:
    """The policy's limit of a venue (`RiskPolicy.vy`); one without a limit may hold nothing."""

    cap: int = 0
    cap_bps: int = 0
    group: int = 0
    health_min_bps: int = 0
    age_max_s: int = 0
    discount_bps: int = 0


@dataclass(frozen=True, slots=True)
class GroupLimit:
    """The policy's limit of a risk group."""

    cap: int = 0
    cap_bps: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits by adapter and by group, as they hold at one block."""

    venues: Mapping[str, VenueLimit]
    groups: Mapping[int, GroupLimit]

    def venue(self, adapter: str) -> VenueLimit:
        """The limit of a venue, by default nothing."""
        return self.venues.get(adapter, VenueLimit())

    def group(self, group: int) -> GroupLimit:
        """The limit of a group, by default nothing."""
        return self.groups.get(group, GroupLimit())


def venue_states(
    told: Sequence[ToldVenue],
    limits: Limits,
    total: int,
    now_s: int,
    names: Mapping[str, str],
) -> tuple[VenueState, ...]:
    """Every venue in the vault's order, with the room that the caps of it and its group leave.

    cap = min(absolute, relative x total), rounded down; room = min(cap - value,
    cap of the group - value of the group), zero at least. Source: `RiskPolicy.vy`, `_check_venue`
    and `_check_group`.
    """
    held = dict[int, int]()
    for venue in told:
        group = limits.venue(venue.adapter).group
        held[group] = held.get(group, 0) + venue.value
    states = []
    for venue in told:
        limit = limits.venue(venue.adapter)
        cap, group_limit = _cap(limit, total), limits.group(limit.group)
        room = min(cap - venue.value, _cap(group_limit, total) - held[limit.group])
        known, owes = venue.as_of_s != 0, venue.health_bps != NOTHING_OWED
        states.append(
            VenueState(
                adapter=venue.adapter,
                name=names.get(venue.adapter, venue.adapter),
                group=limit.group,
                value_quanta=venue.value,
                health_micro=venue.health_bps * MICRO_IN_BPS if owes else None,
                report_age_s=now_s - venue.as_of_s if known else None,
                cap_quanta=cap,
                headroom_quanta=max(0, room),
                health_min_micro=limit.health_min_bps * MICRO_IN_BPS,
                age_max_s=limit.age_max_s,
            )
        )
    return tuple(states)


def _cap(limit: VenueLimit | GroupLimit, total: int) -> int:
    return min(limit.cap, limit.cap_bps * total // BPS)
