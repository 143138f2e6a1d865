# SPDX-License-Identifier: Apache-2.0
"""The latch: a folder on disk that says whether anything may be sent.

What it holds is the leave to send, `leave.json`, and a kill takes it away: removing one name is a
single call that needs neither memory nor room on disk, and whatever else goes wrong with the
folder also means that there is no leave. `kill-NNNNNN.json` says who stopped, when and why. A leave
that lifts a kill carries the consents of two operators to that kill's content id, and counts only
while no kill is newer; a leave that does not hold is none.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from tidegate.execution.durable_file import content, put, put_new, sync_folder
from tidegate.execution.operators import (
    CONSENT_LIFE_MS,
    Consent,
    check_name,
    enough,
    is_valid,
    read_operators,
    sign,
)
from tidegate.model.errors import InputError
from tidegate.model.parsing import UNREADABLE_JSON

WORDS_MAX = 1_000
NEVER_KILLED = ""
OPERATORS = "operators.toml"


class Kill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who stopped everything, when and why."""

    who: str
    ts_ms: int
    why: str


class Leave(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That things may be sent although the kill of this content id was (empty: there was none)."""

    kill: str
    consents: tuple[Consent, ...]


class VenueQuiet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a watchdog found at one venue: orders cancelled, and orders left (None: unknown)."""

    cancelled: int
    left: int | None
    ts_ms: int


class Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A watchdog's word on one kill: when it saw it, when cancels had gone to every venue, and
    what each venue then said; `quiet` when no order was left anywhere."""

    kill: str
    seen_ms: int
    asked_ms: int
    venues: dict[str, VenueQuiet]

    @property
    def quiet(self) -> bool:
        """Whether every venue said that none of our orders works."""
        return all(venue.left == 0 for venue in self.venues.values())


class Latch:
    """The latch in one folder. It is set unless a leave that holds can be read there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made, self._leave = folder / "made", folder / "leave.json"
        self._leave_name = os.fspath(self._leave)
        self._verified: tuple[int, ...] = ()

    @classmethod
    def create(cls, folder: Path) -> Latch:
        """A new latch that is not set; raises `InputError` where the folder holds anything but
        `operators.toml`, which may be written before or after.

        `made` stays for good, so that a latch whose leave was taken away is never taken for none.
        """
        latch = cls(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            fresh = set(os.listdir(folder)) <= {OPERATORS} and put_new(latch._made, b"")
            if fresh:
                put(latch._leave, _encode(Leave(NEVER_KILLED, ())))
        except OSError as error:
            raise latch._unusable(error) from None
        if not fresh:
            expected = f"expected a new folder, or one that holds {OPERATORS} alone"
            raise InputError(str(folder), "latch", expected)
        return latch

    def exists(self) -> bool:
        """Whether a latch was made here: what is set where there is none stops nobody.

        False also where the folder cannot be looked into, since nothing can be set there either.
        """
        try:
            return self._made.exists() or self._leave.exists() or bool(self._kills())
        except OSError:
            return False

    def is_set(self) -> bool:
        """Whether nothing may be sent. One call to the system while nothing has changed."""
        try:
            found = os.stat(self._leave_name)
        except OSError:
            return True
        seen = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if seen == self._verified:
            return False
        if not self._leave_holds():
            return True
        self._verified = seen
        return False

    def set(self, who: str, why: str, ts_ms: int) -> Kill:
        """Stop everything, then say who did and why; on disk on return.

        Each call makes a kill of its own, so consents to an earlier one lift nothing. Raises
        `InputError` where the folder cannot be written; ask `is_set` what holds then.
        """
        kill = Kill(_printable(who), ts_ms, _printable(why))
        try:
            self._take_leave_away()
            while not put_new(self._kill_path(self.number + 1), _encode(kill)):
                continue
            # A kill may come between an operator's reading of the last one and the leave.
            self._take_leave_away()
        except OSError as error:
            raise self._unusable(error) from None
        return kill

    @property
    def number(self) -> int:
        """How many kills there were."""
        return max((int(path.stem[-6:]) for path in self._kills()), default=0)

    @property
    def kill_id(self) -> str:
        """Content id of the newest kill, SHA-256 in hexadecimal; raises `OSError`."""
        number = self.number
        if number == 0:
            return NEVER_KILLED
        return hashlib.sha256(content(self._kill_path(number))).hexdigest()

    def kill(self) -> Kill | None:
        """The newest kill; None where there is none or it cannot be read."""
        try:
            return msgspec.json.decode(content(self._kill_path(self.number)), type=Kill)
        except (OSError, *UNREADABLE_JSON):
            return None

    def consent(self, who: str, secret: bytes, ts_ms: int) -> tuple[str, ...]:
        """One operator's consent to lift the newest kill; the operators whose consents count now.

        The latch is lifted once there are two. Raises `InputError` where the name and the key do
        not belong together.
        """
        operators = read_operators(self.folder / OPERATORS)
        try:
            kill = self.kill_id
            consent = sign(who, secret, kill, ts_ms)
            if not is_valid(consent, operators):
                expected = f"expected the key of the operator {who!r} of operators.toml"
                raise InputError(str(self.folder), "key", expected)
            put(self.folder / f"consent-{check_name(who, 'latch')}.json", _encode(consent))
            given = self._consents(kill, ts_ms)
            if enough(given, kill, operators):
                self._lift(Leave(kill, given))
        except OSError as error:
            raise self._unusable(error) from None
        return tuple(sorted(c.who for c in given if is_valid(c, operators)))

    def confirm(self, confirmation: Confirmation) -> None:
        """Leave a watchdog's word for whoever asks; raises `OSError`."""
        put(self.folder / "confirmation.json", _encode(confirmation))

    def confirmation(self) -> Confirmation | None:
        """A watchdog's word on the newest kill, if there is one."""
        try:
            found = content(self.folder / "confirmation.json")
            said = msgspec.json.decode(found, type=Confirmation)
            return said if said.kill == self.kill_id else None
        except (OSError, *UNREADABLE_JSON):
            return None

    def _lift(self, leave: Leave) -> None:
        for path in self.folder.glob("consent-*.json"):
            path.unlink()
        put(self._leave, _encode(leave))
        if self.kill_id != leave.kill:
            self._take_leave_away()

    def _leave_holds(self) -> bool:
        try:
            leave = msgspec.json.decode(content(self._leave), type=Leave)
            if leave.kill != self.kill_id:
                return False
            if leave.kill == NEVER_KILLED and not leave.consents:
                return True
            operators = read_operators(self.folder / OPERATORS)
        except (OSError, InputError, *UNREADABLE_JSON):
            return False
        return enough(leave.consents, leave.kill, operators)

    def _consents(self, kill: str, ts_ms: int) -> tuple[Consent, ...]:
        found = []
        for path in sorted(self.folder.glob("consent-*.json")):
            try:
                consent = msgspec.json.decode(content(path), type=Consent)
            except (OSError, *UNREADABLE_JSON):
                continue
            if consent.kill == kill and abs(ts_ms - consent.ts_ms) <= CONSENT_LIFE_MS:
                found.append(consent)
        return tuple(found)

    def _take_leave_away(self) -> None:
        self._leave.unlink(missing_ok=True)
        sync_folder(self.folder)

    def _kills(self) -> list[Path]:
        digits = "[0-9]" * 6
        return list(self.folder.glob(f"kill-{digits}.json"))

    def _kill_path(self, number: int) -> Path:
        return self.folder / f"kill-{number:06d}.json"

    def _unusable(self, error: OSError) -> InputError:
        expected = f"expected a latch folder that can be read and written ({error.strerror})"
        return InputError(str(self.folder), "latch", expected)


def _encode(value: msgspec.Struct) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _printable(text: str) -> str:
    """The text on one line, without what a terminal would obey, cut at a length."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line.strip()[:WORDS_MAX]
