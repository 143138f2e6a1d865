# SPDX-License-Identifier: Apache-2.0
"""What a rebalance may cost: the benchmark's own figures, from receipts, against its aims."""

from __future__ import annotations

import json

import pytest

from benchmarks import vault_gas

pytestmark = pytest.mark.contracts


def test_rebalance_of_five_venues_with_every_check_and_two_signatures_is_within_its_aims() -> None:
    rows = vault_gas.measure(5)
    for name, aim in vault_gas.AIMS.items():
        assert rows[name] <= aim, f"{name}: {rows[name]:,}"
    assert rows["5 venues, one moves"] < rows["5 venues, all move"]


def test_benchmark_says_what_it_measured_and_what_it_is_beside(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(vault_gas, "measure", lambda venues: {f"{venues} venues, all move": 1})
    assert vault_gas.main(["--quick", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["gas"] == {"2 venues, all move": 1}
    assert vault_gas.main([]) == 0
    assert "Morpho Vault V2, multicall of 5 allocations" in capsys.readouterr().out
