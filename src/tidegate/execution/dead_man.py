# SPDX-License-Identifier: Apache-2.0
"""Keeping venues' dead-man's switches armed while any order rests, and saying when one is not.

A device cancels orders only, protective ones among them, and knows nothing of positions: after a
lapse a pair may stand naked. So it is the last of three defences, after the engine's own cancels
and the watchdog's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from tidegate.model.replies import Armed, ArmReply, Device
from tidegate.model.times import SECOND_MS

# Armed anew when this share of the window is left, so that one request may be lost.
REARM_SHARE = 0.6


class Arming(msgspec.Struct, frozen=True):
    """Per venue, until when on our clock its device is known to be armed."""

    until_ms: Mapping[str, int] = {}


def window_s(device: Device, wanted_s: int) -> int:
    """The seconds to arm a device for: what is wanted, within what it takes."""
    return min(max(wanted_s, device.least_s), device.most_s)


def to_arm(
    arming: Arming,
    devices: Mapping[str, Device],
    resting: Iterable[str],
    now_ms: int,
    wanted_s: int,
) -> tuple[tuple[str, int], ...]:
    """Venues to arm now, each with its seconds: those with a device where an order rests, or is
    about to, and whose window is much used up."""
    due = []
    for venue in sorted(set(resting) & devices.keys()):
        seconds = window_s(devices[venue], wanted_s)
        left_ms = arming.until_ms.get(venue, now_ms) - now_ms
        if left_ms <= REARM_SHARE * seconds * SECOND_MS:
            due.append((venue, seconds))
    return tuple(due)


def armed(arming: Arming, venue: str, seconds: int, reply: ArmReply, asked_ms: int) -> Arming:
    """What is known after a reply. The window is counted from when we asked, on our clock, so the
    venue's ends no earlier; a reply that tells nothing changes nothing."""
    if not isinstance(reply, Armed):
        return arming
    until_ms = asked_ms + seconds * SECOND_MS if reply.until_ms is not None else asked_ms
    return Arming({**arming.until_ms, venue: until_ms})


def unguarded(
    arming: Arming, devices: Mapping[str, Device], resting: Iterable[str], now_ms: int
) -> tuple[str, ...]:
    """Venues where an order rests and no device is known to be armed; to be reported at once."""
    return tuple(
        venue
        for venue in sorted(set(resting))
        if venue not in devices or arming.until_ms.get(venue, now_ms) <= now_ms
    )
