# SPDX-License-Identifier: Apache-2.0
"""The peers of the compiled exchange are pinned."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_lock_of_the_exchange_peers_pins_each_by_hash_and_names_no_address() -> None:
    text = (REPOSITORY / "requirements-bench-exchange.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^([a-z0-9-]+)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", text, re.M)
    assert {"hftbacktest", "nautilus-trader"} <= set(pinned)
    assert len(pinned) == len(re.findall(r"^[a-z0-9-]+==", text, re.M))
    assert "://" not in text
