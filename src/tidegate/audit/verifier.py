# SPDX-License-Identifier: Apache-2.0
"""Check Tidegate journals with the standard library alone: `python verifier.py JOURNAL...`

A frame is `length u32 | sequence u64 | crc32 u32 | previous hash 32 | kind length u8 | kind |
payload`, little-endian; its hash is sha256 over all but length and crc32. The last frame, the
seal, holds the count and the RFC 6962 Merkle root of the hashes before it.

A journal that passes agrees with itself. Whoever can rewrite all of it can make another that
does too: only a head published elsewhere, given with --head, shows that it is the same one.
Exit status: 0 all checks passed, 1 one failed, 2 they could not be run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from hashlib import sha256
from typing import Any, BinaryIO, NamedTuple
from zlib import crc32

FORMAT, LENGTH_MIN, LENGTH_MAX = "tidegate-journal/1", 48, (1 << 24) - 4
READING = ("structure", "checksum", "sequence", "hash chain")


class Check(NamedTuple):
    """One property of a journal, whether it holds, and the figures or the first frame against."""

    name: str
    passed: bool
    detail: str


class _Frame(NamedTuple):
    place: str
    sequence: int
    kind: str
    payload: dict[str, Any]
    digest: bytes


def _need(condition: object, reason: str, *check: str) -> None:
    if not condition:
        raise ValueError(reason, *check)


def _field(payload: dict[str, Any], name: str, kind: type) -> Any:
    value = payload.get(name)  # Of the exact type: a bool is an int to Python, and no amount.
    _need(type(value) is kind and value != "", f"{name!r} must be a non-empty {kind.__name__}")
    return value


def _read(file: BinaryIO, size: int) -> Iterator[_Frame]:
    offset, sequence, previous = 0, 0, bytes(32)
    while offset < size:
        place, left = f"frame {sequence} at byte {offset}", max(size - offset - 4, 0)
        try:
            length = int.from_bytes(file.read(4), "little")
            fits = LENGTH_MIN <= length <= min(LENGTH_MAX, left)
            _need(fits, f"{length} bytes announced, {left} are left")
            frame = _decode(file.read(length), place, sequence, previous)
        except ValueError as error:
            raise ValueError(
                f"{place}: {error.args[0]}", *(error.args[1:] or READING[:1])
            ) from None
        yield frame
        offset, sequence, previous = offset + 4 + length, sequence + 1, frame.digest


def _decode(body: bytes, place: str, sequence: int, previous: bytes) -> _Frame:
    _need(len(body) >= LENGTH_MIN, "the file shrank while it was read")
    found, crc = int.from_bytes(body[:8], "little"), int.from_bytes(body[8:12], "little")
    _need(found == sequence, f"sequence {found} where {sequence} is due", "sequence")
    _need(body[12:44] == previous, "previous hash differs from the frame before", "hash chain")
    kind, payload = body[45 : 45 + body[44]].decode("latin-1"), body[45 + body[44] :]
    _need(crc32(payload) == crc, "payload differs from its checksum", "checksum")
    _need(re.fullmatch(r"[a-z][a-z0-9_.-]{0,63}", kind), "malformed kind")
    return _Frame(place, sequence, kind, _parse(payload), sha256(body[:8] + body[12:]).digest())


def _parse(payload: bytes) -> dict[str, Any]:
    try:
        value: Any = json.loads(payload.decode(), object_pairs_hook=_once, parse_constant=_once)
    except (ValueError, RecursionError):
        value = None
    _need(type(value) is dict, "no JSON object with each name once")
    return dict(value)


def _once(pairs: Any) -> dict[str, Any]:
    found = dict(pairs)  # A word, such as NaN, is no list of pairs: ValueError as well.
    _need(len(found) == len(pairs), "a name stands twice")
    return found


# A rule is sent all frames in order, yields what they show so far, raises at one against it.
_Rule = Generator[str, _Frame, None]


def _header() -> _Rule:
    frame = yield ""
    stated, durability = frame.payload.get("format"), frame.payload.get("durability")
    fits = stated == FORMAT and durability in ("fsync", "seal-at-close")
    _need(frame.kind == "header" and fits, f"no {FORMAT} header with a known durability")
    while (yield f"{stated}, {durability}").kind != "header":
        pass
    _need(False, "a second header")


def _seal(head: str | None) -> _Rule:
    peaks = list[bytes]()
    while (frame := (yield "")).kind != "seal":
        node, size = sha256(b"\x00" + frame.digest).digest(), frame.sequence
        while size & 1:
            node, size = sha256(b"\x01" + peaks.pop() + node).digest(), size >> 1
        peaks.append(node)
    root = peaks.pop() if peaks else sha256(b"").digest()
    while peaks:
        root = sha256(b"\x01" + peaks.pop() + root).digest()
    seal, found, stated = frame.payload, frame.digest.hex(), _field(frame.payload, "frames", int)
    _need(seal.keys() == {"frames", "merkle_root"}, "it must hold frames and merkle_root alone")
    _need(stated == frame.sequence, f"{stated} stated, {frame.sequence} precede", "frame count")
    _need(seal["merkle_root"] == root.hex(), "not that of the frames before", "merkle root")
    _need(head is None or head.lower() == found, f"the head is {found}, not the one published")
    yield f"head {found}; {stated} before the seal; {root.hex()}"
    _need(False, "it stands after the seal")


def _approvals() -> _Rule:
    granted, used = dict[str, tuple[str, int]](), set[str]()
    while True:
        _, _, kind, payload, _ = yield f"{len(used)} actions, {len(granted)} approvals"
        if kind == "approved":
            key = _field(payload, "id", str)
            _need(key not in granted, f"approval {key!r} is granted twice")
            granted[key] = _field(payload, "content", str), _field(payload, "expires_ms", int)
        elif kind in ("submitted", "sent"):
            key = _field(payload, "approval", str)
            _need(key in granted, f"approval {key!r} was not granted before")
            _need(key not in used, f"approval {key!r} is used twice")
            content, expires_ms = granted[key]
            _need(payload.get("content") == content, f"content differs from approval {key!r}")
            _need(_field(payload, "ts_ms", int) <= expires_ms, f"approval {key!r} had expired")
            used.add(key)


def _time() -> _Rule:
    now_ms = 0
    while True:
        payload = (yield f"up to {now_ms} ms").payload
        ts_ms = _field(payload, "ts_ms", int) if "ts_ms" in payload else now_ms
        _need(ts_ms >= now_ms, f"{ts_ms} ms comes after {now_ms} ms")
        now_ms = ts_ms


def _ledger() -> _Rule:
    posted = 0
    while True:
        frame = yield f"{posted} postings"
        sums = Counter[str]()
        for _, asset, quanta, value_micro, _ in _postings(frame):
            posted += 1
            sums.update({f"quanta of {asset!r}": quanta, "values in micro": value_micro})
        for what, total in sums.items():
            _need(total == 0, f"the {what} sum to {total}, not 0")


def _waterfall() -> _Rule:
    causes = Counter[str]()
    while (frame := (yield "no result is claimed")).kind != "result":
        for account, _, _, value_micro, cause in _postings(frame):
            causes[cause] += value_micro if account.startswith("own/") else 0
    start, end = (_field(frame.payload, f"equity_{when}_micro", int) for when in ("start", "end"))
    stated, capital = _field(frame.payload, "waterfall", dict), causes["capital"]
    _need(capital == start, f"equity starts at {start}, the capital posted is {capital}")
    for cause in sorted(stated.keys() | causes.keys() - {"capital"}):
        claimed = _field(stated, cause, int) if cause in stated else 0
        _need(claimed == causes[cause], f"{cause!r} is stated as {claimed}, not {causes[cause]}")
    gain = causes.total() - capital
    _need(gain == end - start, f"equity gains {end - start}, the waterfall {gain}")
    while (yield f"{gain} micro gained, in {len(causes)} causes").kind == "seal":
        pass
    _need(False, "it stands between the result and the seal")


def _postings(frame: _Frame) -> Iterator[list[Any]]:
    for row in _field(frame.payload, "postings", list) if frame.kind == "events" else ():
        fits = type(row) is list and [*map(type, row)] == [str, str, int, int, str]
        _need(fits, "a posting is [account, asset, quanta, value_micro, cause]")
        yield row


def verify(path: str, head: str | None = None) -> list[Check]:
    """Return every check of a journal, also against its published head; OSError if unreadable."""
    rules = {
        ("header",): _header(),
        ("seal", "frame count", "merkle root"): _seal(head),
        ("approvals precede actions",): _approvals(),
        ("time never runs back",): _time(),
        ("ledger sums to zero",): _ledger(),
        ("waterfall equals equity",): _waterfall(),
    }
    shown = {READING: "", **{names: next(rule) for names, rule in rules.items()}}
    failed: dict[tuple[str, ...], tuple[str, ...]] = {}
    with open(path, "rb") as file:
        try:
            for frame in _read(file, os.fstat(file.fileno()).st_size):
                shown[READING] = "; ".join([f"to {frame.place}"] * len(READING))
                for names in rules.keys() - failed.keys():
                    try:
                        shown[names] = rules[names].send(frame)
                    except ValueError as error:
                        failed[names] = f"{frame.place}: {error.args[0]}"[:240], *error.args[1:]
        except ValueError as error:
            failed[READING] = error.args
    stop = failed.get(READING, ())
    return [check for n in shown for check in _judge(n, shown[n], failed.get(n, stop))]


def _judge(names: tuple[str, ...], shown: str, against: tuple[str, ...]) -> list[Check]:
    if shown and not against:
        return [Check(n, True, detail) for n, detail in zip(names, shown.split("; "), strict=True)]
    reason, broken = (*(against or ("the journal ends without it",)), names[0])[:2]
    return [Check(n, False, reason if n == broken else f"not shown: {reason}") for n in names]


def main() -> int:
    """Print the checks of every journal named on the command line and return the exit status."""
    parser = argparse.ArgumentParser(description="Check that Tidegate journals are whole.")
    parser.add_argument("--head", help="published hash of the last frame, in hex")
    parser.add_argument("journals", nargs="+", metavar="JOURNAL")
    asked, failed = parser.parse_args(), False
    for path in asked.journals:
        try:
            checks = verify(path, asked.head)
        except OSError as error:
            parser.exit(2, f"{path}: journal: expected a readable file: {error.strerror}\n")
        for name, passed, detail in checks:
            failed |= not passed
            print(ascii(f"{'ok  ' if passed else 'FAIL'} {path}: {name}: {detail}")[1:-1])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
