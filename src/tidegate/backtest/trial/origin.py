# SPDX-License-Identifier: Apache-2.0
"""What scores came from: the first line of their file, without which nobody may add to them."""

from __future__ import annotations

from pathlib import Path

import msgspec

import tidegate
from tidegate.backtest.experiment import Spec
from tidegate.backtest.trial.contest import book
from tidegate.backtest.trial.worlds import world_of
from tidegate.history.digest import digest_files
from tidegate.model.errors import InputError
from tidegate.model.market import content_id
from tidegate.simulation.world import WorldParameters

OTHER_FOLDER = "name another folder"


class Origin(msgspec.Struct, frozen=True, tag_field="format", tag="tidegate scores 1"):
    """World and the digest of its parameters, version of the mandate, policies, the package's
    version and the digest of its source."""

    world: str
    world_parameters: str
    mandate: str
    specs: tuple[Spec, ...]
    tidegate: str
    source: str


def origin_of(world: str, specs: tuple[Spec, ...], fitted: WorldParameters | None = None) -> Origin:
    """What policies on a world are played with, as the package stands on this machine."""
    maker = world_of(world, fitted)
    source = source_digest(Path(tidegate.__file__).parent)
    return Origin(world, maker.digest, book().version, specs, tidegate.__version__, source)


def source_digest(root: Path) -> str:
    """Digest of the Python files below a folder, by their names and bytes."""
    return digest_files(root, [path.relative_to(root).as_posix() for path in root.rglob("*.py")])


def header_line(origin: Origin) -> bytes:
    """The first line of a file of scores."""
    return msgspec.json.encode(origin) + b"\n"


def require_origin(file: Path, line: bytes, wanted: Origin) -> None:
    """Raise `InputError`, in one line, unless a first line states the wanted origin."""
    try:
        found = msgspec.json.decode(line, type=Origin)
    except (msgspec.DecodeError, UnicodeDecodeError):
        expected = f"expected a header that says what the scores came from; {OTHER_FOLDER}"
        raise InputError(str(file), "line 1", expected) from None
    for name in Origin.__struct_fields__:
        if getattr(found, name) != getattr(wanted, name):
            expected = f"expected {_words(wanted, name)}, got {_words(found, name)}; {OTHER_FOLDER}"
            raise InputError(str(file), name, expected)


def _words(origin: Origin, name: str) -> str:
    """A field in a few words; of policies, as there may be many, how many and a digest."""
    value = getattr(origin, name)
    return f"{len(value)} policies {content_id(value)}" if name == "specs" else str(value)
