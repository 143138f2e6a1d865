# SPDX-License-Identifier: Apache-2.0
"""What `tidegate kill` and `tidegate resume` do.

A kill sets the latch before it does anything else but read settings that it is given, so this
module imports only what that needs; everything for the cancelling comes after.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tidegate.execution.latch import Confirmation, Kill, Latch, VenueQuiet
from tidegate.model.errors import InputError
from tidegate.model.times import format_time

if TYPE_CHECKING:
    from tidegate.ports import Stops

PAUSE_S = 0.02
WATCHDOG_SILENCE_S = 5.0


class Ask(NamedTuple):
    """Who asks for a kill and why, how long to wait for venues to be quiet, and the watchdog's
    settings, with which to cancel here and now."""

    who: str
    why: str
    wait_s: float
    config: Path | None


class Result(NamedTuple):
    """What is known at the end: whether nothing may be sent, and what each venue said (None: no
    watchdog answered)."""

    stopped: bool
    venues: dict[str, VenueQuiet] | None

    @property
    def quiet(self) -> bool:
        """Whether nothing may be sent and every venue says that no order works."""
        venues = self.venues
        return self.stopped and venues is not None and all(v.left == 0 for v in venues.values())


def kill(folder: Path, ask: Ask, as_json: bool) -> bool:
    """Stop everything; True when nothing may be sent and no order is left anywhere.

    Raises `InputError` where the folder holds no latch, since whatever sends asks another one; what
    the settings allow to cancel is cancelled before.
    """
    latch, until_s = Latch(folder), time.monotonic() + ask.wait_s
    missing = _missing(latch)
    if missing and ask.config is None:
        raise missing
    if missing:
        _say(f"{missing}; cancelling all the same")
    stopped = not missing and _stop(latch, ask)
    here = ask.config
    venues = _cancel_here(here, until_s) if here else _await_watchdog(latch, until_s)
    result = Result(stopped, venues)
    _report(folder, result, as_json)
    if missing:
        raise missing
    return result.quiet


def latch_of(named: Path | None, config: Path | None) -> Path | None:
    """The latch's folder that was named, or that of a watchdog's settings; raises `InputError`
    where they differ. Settings that cannot be used keep nobody from setting a latch by its name."""
    if config is None:
        return named
    try:
        said = _latch_in(config)
    except InputError:
        if named is None:
            raise
        return named
    if named is not None and os.path.realpath(named) != os.path.realpath(said):
        expected = f"expected {said}, the latch that {config} names; NOTHING IS STOPPED"
        raise InputError(str(named), "latch", expected)
    return said


def resume(folder: Path, who: str, key: Path, as_json: bool) -> bool:
    """Give one operator's consent; True when there are two and the latch is lifted."""
    from tidegate.execution.secret_file import read_secret

    latch = Latch(folder)
    if missing := _missing(latch):
        raise missing
    if not latch.is_set():
        raise InputError(str(folder), "latch", "expected a latch that is set; this one is not")
    _say(_words(latch.kill()))
    consenting = latch.consent(who, read_secret(key), _now_ms())
    lifted = not latch.is_set()
    if as_json:
        print(json.dumps({"lifted": lifted, "consents": consenting}))
    else:
        state = "LIFTED" if lifted else "still set; another operator must resume within an hour"
        print(f"{folder}: {state} (consents: {', '.join(consenting)})")
    return lifted


def show_latch(folder: Path, as_json: bool) -> bool:
    """Say what a latch holds; True when things may be sent."""
    latch = Latch(folder)
    if missing := _missing(latch):
        raise missing
    is_set, last = latch.is_set(), latch.kill()
    if as_json:
        said = None if last is None else {"who": last.who, "ts_ms": last.ts_ms, "why": last.why}
        print(json.dumps({"set": is_set, "last_kill": said}))
    elif is_set:
        print(f"{folder}: SET, nothing may be sent. {_words(last)}")
    else:
        print(f"{folder}: not set")
    return not is_set


def make_key(path: Path) -> None:
    """Make an operator's key in a new file of mode 0600, and print the line for its public one."""
    from tidegate.execution.operators import new_key, public_key
    from tidegate.execution.secret_file import write_secret

    secret = new_key()
    write_secret(path, secret)
    print(f'NAME = "{public_key(secret).hex()}"')


def _latch_in(config: Path) -> Path:
    from tidegate.venues.toml_file import beside
    from tidegate.venues.watchdog_file import read_watchdog_file

    return beside(config, read_watchdog_file(config).watchdog.latch)


def _missing(latch: Latch) -> InputError | None:
    """What to say of a folder without a latch, which is set for whoever asks but stops nobody."""
    if latch.exists():
        return None
    expected = "expected a folder that holds a latch; NOTHING IS STOPPED"
    return InputError(str(latch.folder), "latch", expected)


def _stop(latch: Latch, ask: Ask) -> bool:
    try:
        latch.set(ask.who, ask.why, _now_ms())
    except InputError as error:
        _say(str(error))
    stopped = latch.is_set()
    _say("the latch is set: nothing may be sent" if stopped else "THE LATCH IS NOT SET")
    return stopped


def _await_watchdog(latch: Latch, until_s: float) -> dict[str, VenueQuiet] | None:
    """The last word of a watchdog on this kill, as soon as all is quiet."""
    if (age_s := _watchdog_age_s(latch)) is None or age_s > WATCHDOG_SILENCE_S:
        _say("NO WATCHDOG LIVES here; with --config its orders are cancelled from here")
    word: Confirmation | None = None
    while (word is None or not word.quiet) and time.monotonic() < until_s:
        time.sleep(PAUSE_S)
        word = latch.confirmation()
    return None if word is None else word.venues


def _watchdog_age_s(latch: Latch) -> float | None:
    try:
        return time.time() - (latch.folder / "watchdog.beat").stat().st_mtime
    except OSError:
        return None


def _cancel_here(config: Path, until_s: float) -> dict[str, VenueQuiet]:
    """Sweep every venue at once, each until it is quiet or time is over."""
    from concurrent.futures import ThreadPoolExecutor

    from tidegate.venues.watchdog_file import open_sessions, read_watchdog_file

    sessions = open_sessions(config, read_watchdog_file(config))
    with ThreadPoolExecutor(len(sessions)) as threads:
        running = {
            venue: threads.submit(_quieten, stops, venue, until_s)
            for venue, stops in sessions.items()
        }
        return {venue: future.result() for venue, future in running.items()}


def _quieten(stops: Stops, venue: str, until_s: float) -> VenueQuiet:
    from tidegate.execution.sweep import sweep

    cancelled = 0
    while True:
        found = sweep(stops, venue, _now_ms)
        cancelled += len(found.cancelled)
        for problem in found.problems:
            _say(f"{venue}: {problem}")
        left = None if found.left is None else len(found.left)
        if left == 0 or time.monotonic() >= until_s:
            return VenueQuiet(cancelled, left, found.ended_ms)
        time.sleep(PAUSE_S)


def _report(folder: Path, result: Result, as_json: bool) -> None:
    if as_json:
        venues = None
        if result.venues is not None:
            venues = {
                name: {"cancelled": v.cancelled, "left": v.left, "ts_ms": v.ts_ms}
                for name, v in result.venues.items()
            }
        print(json.dumps({"stopped": result.stopped, "quiet": result.quiet, "venues": venues}))
        return
    print(f"{folder}: {'STOPPED' if result.stopped else 'NOT STOPPED'}")
    if result.venues is None:
        print("no watchdog has answered: orders may still work")
    for name, v in sorted((result.venues or {}).items()):
        left = "UNKNOWN whether any order works" if v.left is None else f"{v.left} orders left"
        print(f"  {name}: {v.cancelled} cancelled, {left} at {format_time(v.ts_ms)}")


def _words(last: Kill | None) -> str:
    if last is None:
        return "no kill can be read"
    return f"last killed at {format_time(last.ts_ms)} by {last.who}: {last.why}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _say(words: str) -> None:
    # Nobody who listens is no reason to leave an order alive.
    with suppress(OSError):
        print(f"tidegate: {words}", file=sys.stderr, flush=True)


def this_user() -> str:
    """Who runs this, by the system's word, which no variable can change."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
