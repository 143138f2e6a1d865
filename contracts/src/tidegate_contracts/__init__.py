# SPDX-License-Identifier: AGPL-3.0-only
"""Compiled contracts of Tidegate's vault: ABI and bytecode by name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

SOURCES = Path(__file__).resolve().parent
ARTIFACTS = SOURCES / "artifacts"


@dataclass(frozen=True, slots=True)
class Contract:
    """What is needed to deploy a contract and to call it.

    `abi` is the Ethereum ABI as JSON gives it, `bytecode` the creation code without constructor
    arguments, `runtime_bytes` the length of the code that stays, `compiler` its exact version and
    `sources` the SHA-256 of every file of ours that it was compiled from, by path.
    """

    name: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    runtime_bytes: int
    compiler: str
    sources: dict[str, str]


def names() -> tuple[str, ...]:
    """Every contract that is shipped, in order of its name."""
    return tuple(sorted(path.stem for path in ARTIFACTS.glob("*.json")))


def load(name: str) -> Contract:
    """The compiled contract of that name; raises KeyError where none is shipped."""
    if name not in names():
        raise KeyError(f"no contract {name!r}; there are {', '.join(names())}")
    content = json.loads((ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))
    return Contract(**{**content, "bytecode": bytes.fromhex(content["bytecode"])})
