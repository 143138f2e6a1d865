# SPDX-License-Identifier: Apache-2.0
"""Unmodified ccxt on the local Deribit; the table in docs is what comes out."""

from __future__ import annotations

import pytest

from tests.venues import conformance


@pytest.mark.filterwarnings("ignore")
def test_unmodified_ccxt_does_on_the_local_deribit_what_the_table_says() -> None:
    pytest.importorskip("aiohttp", reason="the extra `live` is not installed")
    pytest.importorskip("ccxt", reason="ccxt is not installed")
    from tests.venues.deribit_server import cases

    rows = cases.run()
    assert [f"{r.what}: {r.outcome}" for r in rows if r.outcome != "yes"] == []
    assert conformance.section("Deribit", cases.CLIENT, rows) == conformance.written("Deribit")
