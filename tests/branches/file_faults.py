# SPDX-License-Identifier: Apache-2.0
"""Faults of small files: the latch, operators, heartbeats, secrets, anchors."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.branches.faults import Place, failing, provokes
from tests.fuzz.latches import KEYS, LATCH_FILES, NOW, latch_with
from tidegate.audit.anchor import mend, publish, read_anchor
from tidegate.execution.durable_file import put, put_new
from tidegate.execution.heartbeat import Heartbeat, Pulse
from tidegate.execution.latch import Latch
from tidegate.execution.operators import check_name, is_valid, read_operators, sign
from tidegate.execution.secret_file import read_secret, write_secret
from tidegate.model.errors import InputError
from tidegate.model.mandate import read_mandate
from tidegate.model.parsing import TOML_LETTERS_MAX

LATCH, OPERATORS = "execution/latch.py", "execution/operators.py"
FULL = failing(28, "No space left on device")
DENIED = failing(13, "Permission denied")


@provokes("execution/durable_file.py", "put_new: except FileExistsError")
def name_is_taken(place: Place) -> None:
    assert put_new(place.folder / "file", b"first")
    assert not put_new(place.folder / "file", b"second")
    assert (place.folder / "file").read_bytes() == b"first"


@provokes("execution/durable_file.py", "_written_aside: except BaseException")
def disk_is_full_while_a_small_file_is_written(place: Place) -> None:
    put(place.folder / "file", b"old")
    place.patch.setattr("os.fsync", FULL)
    with pytest.raises(OSError, match="No space left"):
        put(place.folder / "file", b"new")
    assert [path.name for path in place.folder.iterdir()] == ["file"]
    assert (place.folder / "file").read_bytes() == b"old"


@provokes("execution/heartbeat.py", "__init__: except OSError", "_look: except OSError")
def heartbeat_has_no_folder(place: Place) -> None:
    with pytest.raises(InputError, match="a file that can be made"):
        Heartbeat(place.folder / "none" / "beat")
    pulse = Pulse(place.folder / "none" / "beat", 0)
    assert pulse.silence_ms(900) == 900


@provokes(LATCH, "create: except OSError", "create: raise InputError")
def latch_cannot_be_made(place: Place) -> None:
    (place.folder / "file").write_bytes(b"")
    with pytest.raises(InputError, match="a new folder"):
        Latch.create(place.folder)
    with pytest.raises(InputError, match="can be read and written"):
        Latch.create(place.folder / "file" / "latch")


@provokes(LATCH, "exists: except OSError")
def latch_cannot_be_looked_into(place: Place) -> None:
    latch = Latch.create(place.folder / "latch")
    place.patch.setattr(Path, "exists", DENIED)
    assert not latch.exists()


@provokes(
    LATCH,
    "kill: except (OSError, *UNREADABLE_JSON)",
    "confirmation: except (OSError, *UNREADABLE_JSON)",
    "_leave_holds: except (OSError, InputError, *UNREADABLE_JSON)",
    "_consents: except (OSError, *UNREADABLE_JSON)",
)
def files_of_the_latch_are_garbage(place: Place) -> None:
    for garbage in (b"\xff", b"{", b'{"who":"\xff"', b"[" * 60_000):
        for name in LATCH_FILES.keys() - {"operators.toml"}:
            latch_with(place.folder, name, garbage)
        latch_with(place.folder, "kill-000001.json", garbage)
        assert Latch(place.folder).kill() is None


@provokes(LATCH, "consent: raise InputError")
def consent_has_the_key_of_another(place: Place) -> None:
    latch_with(place.folder, "", b"")
    with pytest.raises(InputError, match="the key of the operator 'anna'"):
        Latch(place.folder).consent("anna", KEYS["bert"], NOW)


@provokes(LATCH, "consent: except OSError")
def disk_is_full_while_consenting(place: Place) -> None:
    latch_with(place.folder, "", b"")
    place.patch.setattr("os.fsync", FULL)
    with pytest.raises(InputError, match="No space left"):
        Latch(place.folder).consent("anna", KEYS["anna"], NOW)
    assert Latch(place.folder).is_set()


@provokes(
    OPERATORS,
    "read_operators: except (OSError, UnicodeDecodeError)",
    "read_operators: raise InputError",
    "read_operators: raise InputError 2",
    "check_name: raise InputError",
    "_public_key: except ValueError",
    "_public_key: raise InputError",
)
def operators_cannot_be_read(place: Place) -> None:
    path, key = place.folder / "operators.toml", "ab" * 32
    for content, words in (
        (b"\xff", "a readable TOML file"),
        (b"operators = 1", "with lines NAME"),
        (f'[operators]\na = "{key}"\nb = "{key}"'.encode(), "a key of their own"),
        (f'[operators]\n"a b" = "{key}"'.encode(), "1 to 40 of"),
        (b'[operators]\na = "xy"', "64 hexadecimal digits"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=words):
            read_operators(path)
    with pytest.raises(InputError, match="1 to 40 of"):
        check_name("../anna", "name")


@provokes(OPERATORS, "is_valid: except (ValueError, InvalidSignature)")
def consent_is_signed_by_nobody(place: Place) -> None:
    consent = sign("anna", KEYS["anna"], "kill", NOW)
    assert not is_valid(consent, {"anna": bytes(32)})


@provokes(
    "execution/secret_file.py",
    "read_private: except OSError",
    "read_secret: except ValueError",
    "read_secret: raise InputError",
    "_check_owner: raise InputError",
    "_check_owner: raise InputError 2",
    "write_private: except OSError",
)
def secret_cannot_be_used(place: Place) -> None:
    path = place.folder / "secret"
    write_secret(path, bytes(32))
    with pytest.raises(InputError, match="a new file"):
        write_secret(path, bytes(32))
    path.chmod(0o644)
    with pytest.raises(InputError, match="mode 0600"):
        read_secret(path)
    path.chmod(0o600)
    for content in (b"\xff" * 64, b"ab" * 31):
        path.write_bytes(content)
        with pytest.raises(InputError, match="64 hexadecimal digits"):
            read_secret(path)
    with pytest.raises(InputError, match="a plain file"):
        read_secret(place.folder)
    with pytest.raises(InputError, match="a readable file"):
        read_secret(place.folder / "none")


@provokes("execution/secret_file.py", "write_private: except OSError 2")
def disk_is_full_while_a_secret_is_written(place: Place) -> None:
    path = place.folder / "secret"
    place.patch.setattr("os.fsync", FULL)
    with pytest.raises(InputError, match="No space left"):
        write_secret(path, bytes(32))
    assert not path.exists()


@provokes(
    "audit/anchor.py",
    "_read_file: except FileNotFoundError",
    "_read_file: except (OSError, UnicodeDecodeError)",
    "_append: except OSError",
    "mend: except OSError",
)
def anchor_is_no_file_of_text(place: Place) -> None:
    path = place.folder / "anchor"
    assert read_anchor(str(path)) == ""
    path.write_bytes(b"\xff")
    for anchor, words in ((path, "it is no text"), (place.folder, "Is a directory")):
        with pytest.raises(InputError, match=words):
            read_anchor(str(anchor))
    with pytest.raises(InputError, match="can be written"):
        publish(str(place.folder), "note", 1)
    with pytest.raises(InputError, match="can be written"):
        mend(str(place.folder), "example.com/log")


@provokes("audit/anchor.py", "_write_whole: except OSError")
def disk_is_full_while_a_checkpoint_is_published(place: Place) -> None:
    """Half a note would make every later reader refuse the whole anchor."""
    path = place.folder / "anchor"
    publish(str(path), "first", 1)
    place.patch.setattr("os.fsync", FULL)
    with pytest.raises(InputError, match="No space left"):
        publish(str(path), "second", 2)
    assert path.read_bytes() == b"first\n"


@provokes(
    "audit/anchor.py",
    "_git: except (OSError, subprocess.TimeoutExpired)",
    "_git: raise InputError",
)
def git_fails_or_hangs(place: Place) -> None:
    with pytest.raises(InputError, match="expected git for-each-ref to work"):
        read_anchor(f"git:{place.folder / 'none'}")

    def hangs(command: list[str], **_given: object) -> None:
        raise subprocess.TimeoutExpired(command, 60)

    place.patch.setattr(subprocess, "run", hangs)
    with pytest.raises(InputError, match="git to run, within a minute"):
        read_anchor(f"git:{place.folder}")


@provokes("model/parsing.py", "toml_tables: raise InputError")
def mandate_is_too_large(place: Place) -> None:
    with pytest.raises(InputError, match="letters"):
        read_mandate("#" * (TOML_LETTERS_MAX + 1), "mandate")
