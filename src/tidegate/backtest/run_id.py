# SPDX-License-Identifier: Apache-2.0
"""What makes one run the same as another: an id over all that its result depends on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import msgspec

import tidegate
from tidegate.backtest.experiment import Spec
from tidegate.history.digest import digest_files
from tidegate.history.window import Window
from tidegate.simulation.tape import Freeze

_encoder = msgspec.json.Encoder(order="deterministic")
DIGITS = 24


class Strain(msgspec.Struct, frozen=True):
    """By how much costs and the times that money travels are multiplied."""

    costs: float = 1.0
    latency: float = 1.0

    @property
    def label(self) -> str:
        """Words for a table."""
        return f"costs x{self.costs:g}, latency x{self.latency:g}"


@dataclass(frozen=True, slots=True)
class RunKey:
    """The mandate's version, digests of data and code, and what is run on them."""

    mandate: str
    data_sha256: str
    code_sha256: str
    window: Window
    freezes: tuple[Freeze, ...]
    spec: Spec
    seed: int
    strain: Strain

    @property
    def id(self) -> str:
        """First 24 hexadecimal digits of the SHA-256 of the key's canonical JSON."""
        return sha256(_encoder.encode(self)).hexdigest()[:DIGITS]


@cache
def code_digest() -> str:
    """Digest of the package's Python files, by their names and bytes."""
    root = Path(tidegate.__file__).parent
    return digest_files(root, [path.relative_to(root).as_posix() for path in root.rglob("*.py")])
