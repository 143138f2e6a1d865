# SPDX-License-Identifier: Apache-2.0
"""The id under which a venue knows an order of ours.

Venues take other alphabets and lengths than our ids have, so each gets 128 bits of a hash: two of
n orders share them with a probability below n^2 / 2^129.
"""

from __future__ import annotations

from hashlib import sha256

HEXADECIMALS = 32


def client_id(venue: str, order: str) -> str:
    """Hexadecimal digits, with 0x before them at Hyperliquid (`cloid`, 128 bits)."""
    digits = sha256(order.encode()).hexdigest()[:HEXADECIMALS]
    return f"0x{digits}" if venue == "hyperliquid" else digits
