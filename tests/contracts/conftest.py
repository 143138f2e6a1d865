# SPDX-License-Identifier: Apache-2.0
"""Brings in the chain's libraries before a test that needs them begins."""

from __future__ import annotations

from functools import cache

import pytest

from tests.contracts.setting import sign_order, signers, vault_with_venues


@cache
def _bring_in() -> None:
    sign_order(vault_with_venues(0).vault.address, (0, 0, bytes(32), 0), [], signers(1))


@pytest.fixture(autouse=True)
def libraries(request: pytest.FixtureRequest) -> None:
    """One of them raises the limit of recursion, and in a test Hypothesis would not have that."""
    if request.node.get_closest_marker("contracts"):
        _bring_in()
