# SPDX-License-Identifier: Apache-2.0
"""Unmodified ccxt and the official SDK trade on the paper venue; the page says how it came out."""

from __future__ import annotations

from types import ModuleType

import pytest

for name in ("coincurve", "Crypto", "aiohttp", "hyperliquid", "ccxt"):
    pytest.importorskip(name, reason="needs the extra `live` and the clients themselves")

from tests.venues import conformance  # noqa: E402
from tests.venues.hyperliquid_server import cases_ccxt, cases_sdk  # noqa: E402

SECTIONS = {"Hyperliquid by ccxt": cases_ccxt, "Hyperliquid by its own SDK": cases_sdk}


@pytest.mark.parametrize("title", SECTIONS)
def test_the_client_does_every_case_and_the_page_says_so(title: str) -> None:
    module: ModuleType = SECTIONS[title]
    rows = module.run()
    assert [row for row in rows if row.outcome != "yes"] == []
    assert conformance.section(title, module.CLIENT, rows) == conformance.written(title)
