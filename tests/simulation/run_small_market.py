# SPDX-License-Identifier: Apache-2.0
"""Play a fixed script over a fixed tape and print the SHA-256 of all events; run as a program."""

from __future__ import annotations

import sys
from dataclasses import replace
from hashlib import sha256

import msgspec

from tests.simulation.small_market import (
    BIN,
    CALM,
    COIN,
    DEAR,
    HYPER,
    HYPER_B,
    PRICE,
    START,
    STEPS,
    Prices,
    desk,
    tape,
    terms,
)
from tidegate.model.times import MINUTE_MS
from tidegate.model.units import MICRO
from tidegate.simulation.tape import Freeze, FundingStamp


def wave(step: int, phase: int) -> int:
    return PRICE + 4_000 * ((step * 7 + phase) % 11 - 5)


def prices(phase: int) -> Prices:
    first = tuple(wave(step, phase) for step in range(STEPS))
    last = (*first[1:], first[-1])
    pairs = list(zip(first, last, strict=True))
    high, low = tuple(max(p) + 900 for p in pairs), tuple(min(p) - 900 for p in pairs)
    return replace(CALM, open=first, high=high, low=low, close=last)


def digest(seed: int) -> tuple[str, int]:
    """Hash and number of all events of the script."""
    stamps = [FundingStamp(START + k * 3 * MINUTE_MS, HYPER.id, 10**8 * (k - 4)) for k in range(9)]
    moving = {i.id: prices(phase) for phase, i in enumerate((HYPER, HYPER_B, BIN, COIN))}
    freeze = Freeze("bin", START + 9 * MINUTE_MS, START + 14 * MINUTE_MS)
    book = desk(tape(moving, stamps, (freeze,)), terms(DEAR), seed)
    for venue in ("hyper", "bin", "wallet"):
        book.deposit(venue, 5_000)
    for step in range(1, STEPS):
        book.at_step(step)
        book.trade((HYPER, BIN, HYPER_B, COIN)[step % 4], (-1) ** step * (step * 37 % 400))
        book.send(*(("hyper", "bin"), ("bin", "wallet"))[step % 2], (20 + step) * MICRO)
    book.at_step(STEPS)
    encoded = msgspec.json.encode(book.events, order="deterministic")
    return sha256(encoded).hexdigest(), len(book.events)


if __name__ == "__main__":
    print(*digest(int(sys.argv[1])))
