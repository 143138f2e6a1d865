# SPDX-License-Identifier: Apache-2.0
"""What the audit commands print; True is exit status 0, False a negative answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tidegate.audit.anchor import add_checkpoint, follow, mend, read_anchor
from tidegate.audit.chain_roots import chain_checks, read_roots
from tidegate.audit.checkpoint import make_key, public_key, read_key
from tidegate.audit.verifier import verify
from tidegate.model.errors import InputError

# Said wherever a journal is checked against nothing that was published.
UNPROVED = (
    "not proved without an anchor: that this is the only journal. Whoever writes all of it anew "
    "can leave out frames and checks, and it passes; see docs/audit.md"
)
MARGINS = "as recorded; margins and prices themselves are proved by `tidegate replay` alone"


def new_key(path: Path, origin: str, *, as_json: bool) -> bool:
    """Make a key file and print its public key, which belongs where anybody can read it."""
    public = make_key(path, origin)
    print(json.dumps({"origin": origin, "public_key": str(public)}) if as_json else public)
    return True


def checkpoint(journal: Path, key: str, anchors: Sequence[str], *, as_json: bool) -> bool:
    """Sign and publish the present state of a journal, and print the note. The beginning of a note
    at an anchor's end, whose writer died, is cut off, which is said."""
    signer = read_key(key)
    for anchor in anchors:
        if cut_bytes := mend(anchor, signer.public.name):
            words = f"cut {cut_bytes} bytes of a note that was never finished"
            print(f"tidegate: {anchor}: {words}", file=sys.stderr)
    point, note, against = add_checkpoint(journal, signer, anchors)
    if as_json:
        said = {"origin": point.origin, "size": point.size, "root": point.root.hex()}
        print(json.dumps({**said, "note": note, "against": against}))
    else:
        print(note, end="")
        for reason in against:
            print(f"FAIL {journal}: {reason}")
    return not against


def keep_up(
    journal: Path, key: str, anchors: Sequence[str], trusted: Path, *, as_json: bool
) -> bool:
    """Check that a journal extends all that was seen of it, and keep the newest checkpoint."""
    point, against = follow(journal, public_key(key), anchors, trusted)
    size = None if point is None else point.size
    if point is None:
        against = ["no checkpoint is known, so nothing can be compared"]
    if as_json:
        print(json.dumps({"trusted_size": size, "against": against}))
    elif not against:
        print(f"ok   {journal}: extends every checkpoint; trusted up to {size} entries")
    else:
        for reason in against:
            print(f"FAIL {journal}: {reason}")
    return not against


def check_journal(
    journal: Path,
    head: str | None,
    key: str | None,
    anchors: Sequence[str],
    *,
    as_json: bool,
    chains: Sequence[Path] = (),
) -> bool:
    """Print every check of one journal, also against published checkpoints, and against the roots
    that a contract on a chain holds."""
    if anchors and key is None:
        raise InputError("tidegate verify", "--public-key", "expected one, to check signatures")
    known = str(public_key(key)) if key is not None else ""
    texts = [_published(anchor) for anchor in anchors]
    try:
        checks = verify(str(journal), head, known, *texts)
    except OSError as error:
        raise InputError(
            str(journal), "journal", f"expected a readable file ({error.strerror})"
        ) from None
    for chain in chains:
        checks += chain_checks(journal, read_roots(chain))
    if as_json:
        rows = [{"file": journal.name, **check._asdict()} for check in checks]
        print(json.dumps([{"check" if k == "name" else k: v for k, v in r.items()} for r in rows]))
    else:
        for name, passed, detail in checks:
            print(ascii(f"{'ok  ' if passed else 'FAIL'} {journal}: {name}: {detail}")[1:-1])
        print(f"limits are {MARGINS}")
        if not anchors and not chains:
            print(UNPROVED)
    return all(check.passed for check in checks)


def _published(anchor: str) -> str:
    text = read_anchor(anchor)
    if not text:
        raise InputError(anchor, "checkpoint", "expected at least one signed checkpoint")
    return text
