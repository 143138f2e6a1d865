# SPDX-License-Identifier: Apache-2.0
"""A latch that was killed, one of whose files holds what somebody else put there."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tidegate.execution.latch import Confirmation, Kill, Latch, Leave, VenueQuiet
from tidegate.execution.operators import public_key, sign
from tidegate.model.errors import InputError

NOW = 1_700_000_000_000
KEYS = {name: bytes([number]) * 32 for number, name in enumerate(("anna", "bert"), 1)}
KILL = msgspec.json.encode(Kill("anna", NOW, "a test")) + b"\n"
KILL_ID = "0" * 64
_CONSENT = sign("bert", KEYS["bert"], KILL_ID, NOW)
_QUIET = {"alpha": VenueQuiet(1, 0, NOW)}
_OPERATORS = "".join(f'{name} = "{public_key(key).hex()}"\n' for name, key in KEYS.items())
# No leave here can hold: its consents are to another kill than the one below.
LATCH_FILES: dict[str, bytes] = {
    "kill-000001.json": KILL,
    "leave.json": msgspec.json.encode(Leave(KILL_ID, (_CONSENT,))),
    "consent-bert.json": msgspec.json.encode(_CONSENT),
    "confirmation.json": msgspec.json.encode(Confirmation(KILL_ID, NOW, NOW, _QUIET)),
    "operators.toml": f"[operators]\n{_OPERATORS}".encode(),
}


def latch_with(folder: Path, name: str, content: bytes) -> None:
    """Ask a latch all that it answers; it stays set, and one consent does not lift it."""
    for each, valid in LATCH_FILES.items():
        (folder / each).write_bytes(content if each == name else valid)
    latch = Latch(folder)
    assert latch.exists()
    assert latch.is_set()
    assert latch.number == 1
    latch.kill()
    latch.confirmation()
    refusal = ""
    try:
        latch.consent("anna", KEYS["anna"], NOW)
    except InputError as error:
        refusal = str(error)
    if name != "operators.toml" and not (name == "kill-000001.json" and "larger than" in refusal):
        assert refusal == ""
    assert latch.is_set()
