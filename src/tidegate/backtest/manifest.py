# SPDX-License-Identifier: Apache-2.0
"""The manifest of a folder of results: a digest of every file, and of every field of its documents.

Journals determine only a part of what a folder publishes; the manifest fixes all of it. Whoever can
rewrite the folder can rewrite its manifest too, so its own digest is what to publish.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import msgspec

from tidegate.audit.verifier import Check
from tidegate.model.errors import InputError

MANIFEST = "manifest.json"
DOCUMENTS = ("results.json", "summary.json")
# Deep enough for one measure of one policy.
DEPTH = 3
NAMED_MAX = 5


class Manifest(msgspec.Struct, frozen=True, tag_field="format", tag="tidegate-manifest/1"):
    """Digests of files by their place in the folder, and of the fields of each document."""

    files: dict[str, str]
    fields: dict[str, dict[str, str]]


def write_manifest(folder: Path) -> str:
    """Write the manifest of all that stands in a folder; returns its own digest."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    files = {path.relative_to(folder).as_posix(): _digest(path) for path in paths}
    fields = {name: _field_digests(folder / name) for name in DOCUMENTS if name in files}
    content = msgspec.json.encode(Manifest(files, fields), order="sorted")
    (folder / MANIFEST).write_bytes(msgspec.json.format(content, indent=1) + b"\n")
    return _digest(folder / MANIFEST)


def manifest_digest(folder: Path) -> str:
    """The digest that says what a folder holds; `InputError` where it has no manifest."""
    try:
        return _digest(folder / MANIFEST)
    except OSError:
        raise InputError(str(folder), MANIFEST, "expected a folder with a manifest") from None


def manifest_check(folder: Path) -> Check:
    """Whether every file is as it was written, and which files and fields are not."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError):
        return Check("manifest", False, f"expected a readable {MANIFEST}")
    found = [word for file in sorted(manifest.files) for word in _changed(folder, file, manifest)]
    found += [f"{name} is not listed" for name in _unlisted(folder, manifest)]
    if not found:
        stated = f"{len(manifest.files)} files as written; digest {_digest(folder / MANIFEST)}"
        return Check("manifest", True, stated)
    more = f" and {len(found) - NAMED_MAX} more" if len(found) > NAMED_MAX else ""
    return Check("manifest", False, f"changed: {', '.join(found[:NAMED_MAX])}{more}")


def _unlisted(folder: Path, manifest: Manifest) -> list[str]:
    return [n for n in DOCUMENTS if (folder / n).exists() and n not in manifest.files]


def _changed(folder: Path, file: str, manifest: Manifest) -> list[str]:
    """A file that changed, by its fields where they show it."""
    try:
        if _digest(folder / file) == manifest.files[file]:
            return []
        now = _field_digests(folder / file) if file in manifest.fields else {}
    except (OSError, ValueError, RecursionError):
        return [file]
    was = manifest.fields.get(file, {})
    fields = sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
    return [f"{file} {name}" for name in fields] or [file]


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _field_digests(path: Path) -> dict[str, str]:
    document = json.loads(path.read_text(encoding="utf-8"))
    return {name: sha256(text.encode()).hexdigest() for name, text in _fields("", document, 0)}


def _fields(name: str, value: object, depth: int) -> Iterator[tuple[str, str]]:
    """Names such as `policies.desk.turnover`, and their values as text."""
    if isinstance(value, Mapping) and depth < DEPTH:
        for key, inner in value.items():
            yield from _fields(f"{name}.{key}" if name else str(key), inner, depth + 1)
    else:
        yield name, json.dumps(value, sort_keys=True)
