# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the compiled exchange runs from the command line and says what each models."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.exchange_kernel import DECIDED, LOOP, MODELS, OURS, PEERS, TWIN

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.soak
def test_quick_run_prints_every_engine_with_what_it_models_or_why_it_is_missing() -> None:
    printed = subprocess.run(
        [sys.executable, "benchmarks/exchange_kernel.py", "--quick", "--json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout
    found = json.loads(printed)
    rows = {row["name"]: row for row in found["rows"]}
    assert {OURS, DECIDED, LOOP, TWIN} <= set(rows)
    assert set(rows) | set(found["missing"]) == set(MODELS)
    assert all(name in PEERS for name in found["missing"])
    assert all(row["events_per_s"] > 0 and row["models"] for row in rows.values())
    assert [len(aim) for aim in found["aims"]] == [3, 3, 3]


def test_lock_of_the_exchange_peers_pins_each_by_hash_and_names_no_address() -> None:
    text = (REPOSITORY / "requirements-bench-exchange.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^([a-z0-9-]+)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", text, re.M)
    assert {"hftbacktest", "nautilus-trader"} <= set(pinned)
    assert len(pinned) == len(re.findall(r"^[a-z0-9-]+==", text, re.M))
    assert "://" not in text
