# SPDX-License-Identifier: Apache-2.0
"""The settings of a running engine: its journal, its session, what stops it, where prices are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from tidegate.model.errors import InputError
from tidegate.venues.toml_file import read_toml


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Engine(_Strict, frozen=True):
    """Files beside the settings: the journal, the gate's key, the session's token, the latch's
    folder and the heartbeat; the port of the session that holds the venues' keys, how long it may
    take to answer, and how often the engine ticks. With a record of parity, which `tidegate observe
    --parity` keeps, only venues of which it says within its age that they agree may be raised. A
    tick comes early once a middle has moved by `wake_move`, a share. Venues with a dead-man's
    switch are told to cancel our orders after `switch_s` of silence."""

    journal: str
    gate_key: str
    token: str
    latch: str
    heartbeat: str
    session_port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    tick_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 1.0
    parity: str | None = None
    parity_age_s: Annotated[float, msgspec.Meta(gt=0)] = 3_600.0
    wake_move: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.001
    switch_s: Annotated[int, msgspec.Meta(ge=5, le=86_400)] = 60
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] | None = None


class Market(_Strict, frozen=True):
    """A venue's public data: whose words it speaks, and the address of a paper server on this
    machine, if it is one."""

    kind: Literal["hyperliquid", "deribit"]
    url: str | None = None


class RunFile(_Strict, frozen=True):
    """The whole file."""

    engine: Engine
    market: Annotated[dict[str, Market], msgspec.Meta(min_length=1)]


def read_run_file(path: Path) -> RunFile:
    """A checked file; raises `InputError` that names the field."""
    said = read_toml(path, RunFile)
    for name, market in said.market.items():
        if name != market.kind:
            raise InputError(str(path), f"market.{name}.kind", f"expected {name}: one of a kind")
    return said
