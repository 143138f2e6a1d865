# SPDX-License-Identifier: Apache-2.0
"""Nonces, so that an action that was signed once happens once.

A nonce is a time in milliseconds. Of each signer the highest are kept; a new one is larger than
the smallest of them, was never used, and lies between two days before and one day after now.
Source: hyperliquid.gitbook.io, Nonces and API wallets (stored copy read in November 2026).
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field

from tidegate.model.times import DAY_MS

KEPT = 100
OLDEST_MS, NEWEST_MS = 2 * DAY_MS, DAY_MS


@dataclass(slots=True)
class Nonces:
    """Used nonces of every signer."""

    _used: dict[str, list[int]] = field(default_factory=dict)

    def refusal(self, signer: str, nonce: int, now_ms: int) -> str | None:
        """Why a nonce cannot be used."""
        used = self._used.get(signer, [])
        if nonce in used:
            return f"Invalid nonce: duplicate nonce: {nonce}"
        low, high = now_ms - OLDEST_MS, now_ms + NEWEST_MS
        if len(used) == KEPT:
            low = max(low, used[0])
        if not low < nonce < high:
            return f"Invalid nonce: {nonce} is not between {low} and {high}"
        return None

    def use(self, signer: str, nonce: int) -> None:
        """Take a nonce that is not refused."""
        used = self._used.setdefault(signer, [])
        insort(used, nonce)
        del used[:-KEPT]

    def forget(self, signer: str) -> None:
        """Of a signer that signs no more."""
        self._used.pop(signer, None)
