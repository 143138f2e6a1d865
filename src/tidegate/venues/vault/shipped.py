# SPDX-License-Identifier: Apache-2.0
"""ABI and creation code of the vault's contracts, as `tidegate-contracts` ships them.

They are read as the files that they are: no code of that distribution is imported (ADR 8).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tidegate.model.errors import InputError

DISTRIBUTION = "tidegate_contracts"


@dataclass(frozen=True, slots=True)
class Shipped:
    """One contract: its ABI as JSON gives it, and its creation code as `0x` text."""

    name: str
    abi: list[dict[str, Any]]
    code: str


@lru_cache(maxsize=64)
def shipped(name: str) -> Shipped:
    """The contract of that name; raises `InputError` where the distribution or it is not there."""
    found = find_spec(DISTRIBUTION)
    if found is None or found.origin is None:
        expected = "expected the distribution tidegate-contracts, beside the extra `vault`"
        raise InputError("vault", "contracts", expected)
    path = Path(found.origin).parent / "artifacts" / f"{name}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise InputError("vault", name, "expected a contract that is shipped") from None
    return Shipped(name, content["abi"], "0x" + content["bytecode"])
