# SPDX-License-Identifier: Apache-2.0
"""The watchdog's settings: what it watches, and its own sessions with the venues."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from tidegate.execution.secret_file import read_secret
from tidegate.model.errors import InputError
from tidegate.ports import Stops
from tidegate.venues.remote import RemoteGateway
from tidegate.venues.toml_file import beside, read_toml


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Watch(_Strict, frozen=True):
    """The latch's folder, the file that the engine touches, the longest silence that the mandate
    allows, where journals are written, and how often to look. Paths start where this file is."""

    latch: str
    heartbeat: str
    journals: str
    silence_limit_s: Annotated[float, msgspec.Meta(ge=0.5, le=3_600)]
    poll_ms: Annotated[int, msgspec.Meta(ge=5, le=1_000)] = 20


class Session(_Strict, frozen=True):
    """A session with some venues behind a port of this machine; `token` names a file of mode
    0600."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]
    token: str
    venues: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=30)] = 2.0


class WatchdogFile(_Strict, frozen=True):
    """The whole file."""

    watchdog: Watch
    session: Annotated[tuple[Session, ...], msgspec.Meta(min_length=1)]


def read_watchdog_file(path: Path) -> WatchdogFile:
    """A checked file, in which no venue has two sessions; raises `InputError`."""
    said = read_toml(path, WatchdogFile)
    venues = [venue for session in said.session for venue in session.venues]
    if len(set(venues)) < len(venues):
        raise InputError(str(path), "session", "expected every venue in one session")
    return said


def open_sessions(path: Path, said: WatchdogFile) -> dict[str, Stops]:
    """A session for each venue; raises `InputError` where a token's file cannot be used."""
    sessions: dict[str, Stops] = {}
    for session in said.session:
        token = read_secret(beside(path, session.token))
        gateway = RemoteGateway(session.port, token, session.venues, session.timeout_s)
        sessions.update(dict.fromkeys(session.venues, gateway))
    return sessions
