# SPDX-License-Identifier: Apache-2.0
"""Anchors: places outside the journal's reach where its checkpoints are published.

An anchor is a file that notes are appended to (on another disk, say), `git:FOLDER`, a repository
in which they are committed, or `git+push:FOLDER`, from which they are pushed as well. Nobody who
rewrites the journal later can rewrite what others have of its anchor.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from io import FileIO
from pathlib import Path

from tidegate.audit.checkpoint import Checkpoint, PublicKey, Signer, parse, roots_at, torn_at
from tidegate.model.errors import InputError

COMMITTED = "checkpoints.txt"
GIT_SECONDS_MAX = 60
_GIT = ("git", "-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false")
_AUTHOR = ("-c", "user.name=tidegate", "-c", "user.email=tidegate@localhost")


def read_anchor(anchor: str) -> str:
    """Return all notes of an anchor, in their order; nothing where none was published yet.

    Raises `InputError` where it cannot be read.
    """
    folder, pushes = _repository(anchor)
    if folder is None:
        return _read_file(Path(anchor))
    if pushes:
        _git(anchor, folder, "fetch", "--quiet")
    reference = "@{upstream}" if pushes else "HEAD"
    if not _git(anchor, folder, "for-each-ref", "--count=1", "refs/"):
        return ""
    named = _git(anchor, folder, "ls-tree", "--name-only", reference, "--", COMMITTED)
    return _git(anchor, folder, "show", f"{reference}:{COMMITTED}") if named else ""


def mend(anchor: str) -> int:
    """Cut the beginning of a note off the end of an anchor's file, if whoever wrote it died before
    it was whole; how many bytes that were. Anything else that is no note stays as it is."""
    folder, _ = _repository(anchor)
    path = Path(anchor) if folder is None else folder / COMMITTED
    try:
        data = path.read_bytes() if path.exists() else b""
        # It may be torn within a letter of several bytes.
        text = data.decode("utf-8", "surrogateescape")
        whole = text[: torn_at(text)].encode("utf-8", "surrogateescape")
        if whole != data:
            os.truncate(path, len(whole))
    except OSError as error:
        expected = f"expected a file that can be written ({error.strerror})"
        raise InputError(str(path), "anchor", expected) from None
    return len(data) - len(whole)


def publish(anchor: str, note: str, size: int) -> None:
    """Add a note to an anchor; it is there, on disk or pushed, when this returns.

    Raises `InputError` where it cannot be.
    """
    folder, pushes = _repository(anchor)
    _append(Path(anchor) if folder is None else folder / COMMITTED, note)
    if folder is None:
        return
    _git(anchor, folder, "add", "--", COMMITTED)
    message = f"Checkpoint of {size} entries"
    _git(anchor, folder, "commit", "--quiet", "-m", message, "--", COMMITTED)
    if pushes:
        _git(anchor, folder, "push", "--quiet")


def _repository(anchor: str) -> tuple[Path | None, bool]:
    for prefix, pushes in (("git:", False), ("git+push:", True)):
        if anchor.startswith(prefix):
            return Path(anchor.removeprefix(prefix)), pushes
    return None, False


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InputError(str(path), "anchor", f"expected a readable file ({reason})") from None


def _append(path: Path, note: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        with os.fdopen(descriptor, "ab", buffering=0) as file:
            _write_whole(file, f"{note}\n".encode())
    except OSError as error:
        expected = f"expected a file that can be written ({error.strerror})"
        raise InputError(str(path), "anchor", expected) from None


def _write_whole(file: FileIO, content: bytes) -> None:
    """Append and force to disk, or leave the file as it was: half a note spoils an anchor."""
    before_bytes, left = os.fstat(file.fileno()).st_size, memoryview(content)
    try:
        while left:
            left = left[file.write(left) :]
        os.fsync(file.fileno())
    except OSError:
        file.truncate(before_bytes)
        raise


def _git(anchor: str, folder: Path, *arguments: str) -> str:
    """Run git in a folder without a shell, hooks or questions, and return what it printed."""
    author = _AUTHOR if arguments[0] == "commit" else ()
    command = (*_GIT, *author, "-C", str(folder), *arguments)
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=GIT_SECONDS_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        raise InputError(anchor, "anchor", "expected git to run, within a minute") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise InputError(anchor, "anchor", f"expected git {arguments[0]} to work ({said[-1]})")
    return done.stdout.decode("utf-8", "replace")


def contradictions(
    size: int, roots: dict[int, bytes], known: Iterable[tuple[str, Checkpoint]]
) -> list[str]:
    """Say which known checkpoints are of no beginning of a journal with these roots.

    A larger size means that the journal's tail was cut off, another root that it was forked:
    something before that entry is not what it was when the checkpoint was published.
    """
    found = []
    for where, point in known:
        if point.size > size:
            found.append(f"cut: {where} knows {point.size} entries, the journal has {size}")
        elif roots[point.size] != point.root:
            found.append(f"fork: {where} knows another root of the first {point.size} entries")
    return found


def known_checkpoints(anchors: Sequence[str], key: PublicKey) -> list[tuple[str, Checkpoint]]:
    """Fetch every anchor's checkpoints; raises `InputError` at one that the key did not sign."""
    return [(a, point) for a in anchors for point in parse(read_anchor(a), key, a)]


def add_checkpoint(
    journal: Path, signer: Signer, anchors: Sequence[str]
) -> tuple[Checkpoint, str, list[str]]:
    """Sign the present state of a journal and publish it; return it, its note and what is against.

    Nothing is signed where the journal does not extend every checkpoint of the anchors: a log
    never signs two that cannot both be true (C2SP, tlog-checkpoint). The same state is not
    published twice.
    """
    known = known_checkpoints(anchors, signer.public)
    size, roots = roots_at(journal, (point.size for _, point in known))
    point = Checkpoint(signer.public.name, size, roots[size])
    if against := contradictions(size, roots, known):
        return point, "", against
    note = signer.sign(size, roots[size])
    for anchor in anchors:
        if (anchor, point) not in known:
            publish(anchor, note, size)
    return point, note, []


def follow(
    journal: Path, key: PublicKey, anchors: Sequence[str], trusted: Path
) -> tuple[Checkpoint | None, list[str]]:
    """Check a journal against all anchors and the last checkpoint that was trusted before.

    If nothing is against it the largest becomes the trusted one, kept in the file `trusted`;
    otherwise the file stays as it was. Returns that checkpoint, and what is against.
    """
    known = known_checkpoints([str(trusted), *anchors], key)
    size, roots = roots_at(journal, (point.size for _, point in known))
    against = contradictions(size, roots, known)
    newest = max((point for _, point in known), key=lambda point: point.size, default=None)
    if newest is not None and not against:
        notes = "".join(read_anchor(anchor) for anchor in (str(trusted), *anchors))
        _replace(trusted, _note_of(newest, notes))
    return newest, against


def _note_of(point: Checkpoint, notes: str) -> str:
    start = notes.index(point.text)
    end = notes.find("\n\n", start + len(point.text) + 1)
    return notes[start:] if end < 0 else notes[start : end + 1]


def _replace(path: Path, note: str) -> None:
    """Put a whole note in place of the old one: a crash leaves one of the two."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    _append(fresh, note.rstrip("\n"))
    fresh.replace(path)
