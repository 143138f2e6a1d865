# SPDX-License-Identifier: Apache-2.0
"""A node for each test that asks for one, with npm's packages in build/npm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidegate.venues.chain.anvil import Anvil
from tidegate.venues.chain.client import Chain

PACKAGES = Path(__file__).resolve().parents[2] / "build" / "npm"


@pytest.fixture
def packages() -> Path:
    """Where npm's packages lie, or will once they are fetched."""
    return PACKAGES


@pytest.fixture
def anvil(packages: Path) -> Iterator[Anvil]:
    """A fresh node that ends with the test; blocks come with transactions."""
    with Anvil(packages) as node:
        yield node


@pytest.fixture
def chain(anvil: Anvil) -> Chain:
    """The fresh node, spoken to in anybody's name."""
    return Chain(anvil.port)
