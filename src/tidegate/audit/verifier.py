# SPDX-License-Identifier: Apache-2.0
"""Check Tidegate journals with the standard library alone: `python verifier.py JOURNAL...`
A frame is `length u32 | sequence u64 | crc32 u32 | previous hash 32 | kind length u8 | kind |
payload`; crc32 from kind length on (format 1: payload). Exit: 0 passed, 1 failed, 2 not run."""

import argparse
import json
import re
from base64 import b64decode
from collections import Counter
from functools import reduce
from hashlib import sha256, sha512
from pathlib import Path
from struct import unpack_from
from typing import Any, NamedTuple
from zlib import crc32

FORMATS, MODES = ("tidegate-journal/1", "tidegate-journal/2"), ("fsync", "seal-at-close")
BYTES, NONE = ("structure", "checksum", "sequence", "hash chain"), "none: it may be forged whole"
WHOLE = HEADER, SEAL, POINTS = "header", "seal", "checkpoints"
GATE = APPROVALS, LIMITS = "approvals precede actions", "limits held at every decision"
MOVES = ORDERS, TRANSFERS = "orders accounted for", "transfers accounted for"
SUMS = TIME, LEDGER, FOLD = "time never runs back", "ledger sums to zero", "waterfall equals equity"
KIND, ACTION = re.compile(r"[a-z][a-z0-9_.-]{0,63}"), ("id", "instrument", "source", "destination")
NOTE = r"(?m)^((.+)\n(0|[1-9]\d{0,18})\n(.{44})\n(?:.+\n){0,99})\n((?:— \S+ \S+\n)+)\n*"
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493  # RFC 8032, 5.1
D, J = -121665 * pow(121666, -1, P) % P, pow(2, (P - 1) // 4, P)
B = 0x216936D3CD6E53FEC0A4E231FDD6DC5C692CC7609525A7B2C9562D608F25D51A, 4 * pow(5, -1, P) % P


class Check(NamedTuple):
    """One property of a journal, whether it holds, and the figures or the first frame against."""

    name: str
    passed: bool
    detail: str


def _once(pairs: Any) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):  # A word, such as NaN, is no list of pairs.
        raise ValueError("a name stands twice")
    return found


JSON = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_once)


class _Audit:
    def __init__(self) -> None:
        self.against, self.points, self.place = dict[str, str](), dict[int, set[bytes]](), ""
        self.sequence, self.head, self.peaks, self.sealed = 0, bytes(32), list[bytes](), False
        self.now_ms, self.decision, self.pinned, self.ended = 0, -1, list[str](), False
        self.passed, self.plan, self.granted = False, list[Any](), dict[str, dict[str, Any]]()
        self.due, self.causes, self.law = dict[Any, int](), Counter[str](), ""

    def need(self, check: str, holds: object, reason: str) -> None:
        if not holds:
            self.against.setdefault(check, f"{self.place}: {reason}"[:240])
            if check in BYTES:
                raise ValueError(reason)

    def read(self, data: bytes) -> None:
        need, offset, self.place = self.need, 0, "the journal"
        need("structure", data, "it is empty")
        while offset < len(data):
            self.place, start = f"frame {self.sequence} at byte {offset}", offset + 4
            length, sequence, crc = unpack_from("<IQI", data, offset)
            offset, body = start + length, data[start : start + length]
            need("structure", 48 <= length == len(body) <= (1 << 24) - 4, f"length {length}")
            kind, payload = body[45 : 45 + body[44]].decode("latin-1"), body[45 + body[44] :]
            need("sequence", sequence == self.sequence, "another is due")
            need("hash chain", body[12:44] == self.head, "it holds not the hash of frame before")
            need("checksum", crc in (crc32(body[44:]), crc32(payload)), "it differs")
            value = JSON.decode(payload.decode())
            need("structure", type(value) is dict and KIND.fullmatch(kind), "no kind and object")
            self.judge(kind, value)
            self.head = sha256(body[:8] + body[12:]).digest()
            self.grow(sha256(b"\x00" + self.head).digest(), self.sequence)

    def grow(self, node: bytes, carried: int) -> None:
        while carried & 1:
            node, carried = sha256(b"\x01" + self.peaks.pop() + node).digest(), carried >> 1
        self.peaks, self.sequence = [*self.peaks, node], self.sequence + 1
        if roots := self.points.pop(self.sequence, None):
            self.need(POINTS, roots == {self.root()}, "a fork: one of this size has another root")

    def root(self) -> bytes:
        return reduce(lambda low, high: sha256(b"\x01" + high + low).digest(), self.peaks[::-1])

    def judge(self, kind: str, entry: dict[str, Any]) -> None:
        need, get, now_ms = self.need, entry.get, entry.get("ts_ms", self.now_ms)
        need(TIME, type(now_ms) is int and now_ms >= self.now_ms, f"{now_ms} after {self.now_ms}")
        self.now_ms = now_ms
        need(HEADER, (kind == HEADER) == (self.sequence == 0), "not one header, and first")
        need(SEAL, not self.sealed, "it stands after the seal")
        need(FOLD, kind == SEAL or not self.ended, "it stands between the result and the seal")
        if kind == "header":
            said, self.pinned, self.law = get("format"), get("checks", []), get("mandate", "")
            need(HEADER, said in FORMATS and get("durability") in MODES, "no known format or mode")
        elif kind == "seal":
            self.sealed, true = True, {"frames": self.sequence, "merkle_root": self.root().hex()}
            need(SEAL, entry == true and type(entry["frames"]) is int, f"it must be {true}")
        elif kind == "decision":
            self.decision, self.passed = self.sequence, False
        elif kind == "mandate_changed":
            self.law, _ = entry["mandate"], entry["who"]
        elif kind == "checked":
            names, stated, figures = zip(*entry["checks"], strict=True)
            held = tuple(all(value <= most for *_, value, most in rows) for rows in figures)
            need(LIMITS, held == stated and entry["decision"] == self.decision, "wrong verdict")
            self.passed, self.plan = all(held) and [*names] == self.pinned, get("actions", [])
        elif kind == "approved":
            key, content, expires_ms = (entry[n] for n in ("id", "content", "expires_ms"))
            action, mandate = get("action", {}), get("mandate", "")
            text = json.dumps(action, ensure_ascii=False, separators=(",", ":")).encode()
            own = content and (not action or content == sha256(text).hexdigest())
            new = key and own and type(expires_ms) is int and key not in self.granted
            need(APPROVALS, new, f"{key!r} is granted twice, or lacks its content or expiry")
            need(APPROVALS, not self.plan or [content, expires_ms] in self.plan, "not of its plan")
            passed = not self.pinned or (self.passed and entry["decision"] == self.decision)
            need(LIMITS, passed, f"approval {key!r} of a plan that passed not every check")
            need(LIMITS, self.law in ("", mandate), f"{key!r} cites another mandate")
            self.granted[key], self.due[key, content], self.law = action, expires_ms, mandate
        elif kind in ("submitted", "sent"):
            key, content, now_ms = (entry[n] for n in ("approval", "content", "ts_ms"))
            action, valid = self.granted.get(key, {}), now_ms <= self.due.pop((key, content), -1)
            need(APPROVALS, valid, f"{key!r} was not granted, for this, or was used or expired")
            what = tuple(action.get(name) for name in ACTION)
            need(ORDERS, what not in self.due or not action, f"{what} is sent twice")
            self.due[what] = action.get("lots", action.get("quanta", 0)) if self.pinned else 0
        elif kind == "events":
            self.post(entry["postings"])
            for event in entry["events"]:
                self.follow(event["type"], event)
        elif kind == "result":
            self.ended, end, due = True, entry["equity_end_micro"], self.causes.total()
            claim = {"capital": entry["equity_start_micro"], **entry["waterfall"]}
            both = [sorted(p for p in sums.items() if p[1] != 0) for sums in (claim, self.causes)]
            need(FOLD, repr([end, both[0]]) == repr([due, both[1]]), f"posted {due}: {both[1]}")

    def settle(self, check: str, amount: int, *key: str | None) -> None:
        left = self.due.get(key, 0) if self.pinned else amount
        self.need(check, 0 < amount * left <= left**2, f"{key}: {amount}, where {left} is due")
        self.due[key] = left - amount

    def follow(self, kind: str, e: dict[str, Any]) -> None:
        if kind == "Filled" and e["reason"] == "order" and self.pinned:
            self.settle(ORDERS, e["lots"], e["order"], e["instrument"], None, None)
        elif kind == "TransferSent":
            self.settle(TRANSFERS, e["quanta"], e["id"], None, e["source"], e["destination"])
            self.due[e["id"], e["destination"], e["asset"]] = e["quanta"] - e["fee_quanta"]
        elif kind == "TransferLanded":
            due = self.due.pop((e["id"], e["destination"], e["asset_sent"]), -1)
            whole = e["asset"] != e["asset_sent"] or 0 <= e["quanta"] <= due
            self.need(TRANSFERS, due == e["quanta_sent"] and whole, f"{due} was to land")
        elif kind == "TransferReturned":
            ways = [k for k in self.due if len(k) == 3 and k[::2] == (e["id"], e["asset"])]
            self.need(TRANSFERS, ways and (not e["quanta"] or self.due.pop(ways[0])), "none left")

    def post(self, rows: list[tuple[str, str, int, int, str]]) -> None:
        sums = Counter[str]()
        for account, asset, quanta, value_micro, cause in rows:
            sums.update({f"quanta of {asset!r}": quanta, "values in micro": value_micro})
            self.causes[cause] += value_micro if account.startswith("own/") else 0
        for what, total in sums.items():
            self.need(LEDGER, repr(total) == "0", f"the {what} sum to {total}, not 0")


def _signed(public: bytes, text: bytes, signature: bytes) -> bool:  # Ed25519: RFC 8032, 5.1
    def add(p: tuple[int, int], q: tuple[int, int]) -> tuple[int, int]:
        d = D * p[0] * q[0] * p[1] * q[1]
        x, y, inverse = p[0] * q[1] + p[1] * q[0], p[1] * q[1] + p[0] * q[0], pow(1 - d * d, -1, P)
        return x * (1 - d) * inverse % P, y * (1 + d) * inverse % P

    sign, y = divmod(int.from_bytes(public, "little"), 1 << 255)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = x if (x := pow(square, (P + 3) // 8, P)) ** 2 % P == square else x * J % P
    minus = x if x & 1 != sign else P - x, y
    r, s = (int.from_bytes(part, "little") for part in (signature[:32], signature[32:]))
    k = int.from_bytes(sha512(signature[:32] + public + text).digest(), "little") % L
    terms, total = ((0, 1), B, minus, add(B, minus)), (0, 1)
    for bit in reversed(range(256)):
        total = add(add(total, total), terms[(s >> bit & 1) + 2 * (k >> bit & 1)])
    return len(signature) == 64 and s < L and r == total[1] | (total[0] & 1) << 255


def _points(key: str, notes: tuple[str, ...]) -> dict[int, set[bytes]]:
    found = dict[int, set[bytes]]()
    for text in notes:
        name, _, encoded = key.strip().split("+", 2)
        public, parts = b64decode(encoded), [*re.finditer(NOTE, text)]
        number = sha256(f"{name}\n".encode() + public).digest()[:4]
        good = "".join(part[0] for part in parts) == text != "" and public[0] == 1
        for body, origin, size, root, lines in (part.groups() for part in parts):
            seals = [(who, b64decode(seal)) for _, who, seal in map(str.split, lines.splitlines())]
            ours = [s[4:] for who, s in seals if (origin, who, s[:4]) == (name, name, number)]
            good &= ours != [] and all(_signed(public[1:], body.encode(), seal) for seal in ours)
            found.setdefault(int(size), set()).add(b64decode(root))
        if not good:
            raise ValueError(f"some are malformed, or not signed by {name}")
    return found


def verify(source: str | bytes, head: str | None = None, key: str = "", *notes: str) -> list[Check]:
    """Return a journal's checks, also against its head in hex and notes signed by `key`."""
    data, audit = source if isinstance(source, bytes) else Path(source).read_bytes(), _Audit()
    key = Path(key).read_text("utf-8", "replace") if key and "+" not in key else key
    told = dict.fromkeys(BYTES + WHOLE + GATE + MOVES + SUMS, "holds")
    try:
        audit.points = _points(key, notes)
        audit.read(data)
    except Exception as error:  # A hostile payload fails in many ways, and each is a failed check.
        broken = [n for n in BYTES if n in audit.against] + ["structure" if audit.place else POINTS]
        why = audit.against.setdefault(broken[0], f"{audit.place or 'malformed'}: {error}"[:240])
        audit.against = dict.fromkeys(told, f"not shown: {why}") | audit.against
    audit.place = "the journal"
    audit.need(POINTS, not audit.points, f"ends before size {[*audit.points]}: its tail was cut")
    audit.need(SEAL, audit.sealed, "ends without it")
    audit.need(SEAL, head is None or head.lower() == audit.head.hex(), "not the one published")
    due = {n: [k[: 6 - n] for k, v in audit.due.items() if v and len(k) == n][:9] for n in (3, 4)}
    audit.need(POINTS, notes or not key, "none is given, so that nothing was checked with the key")
    told |= {SEAL: f"the head is {audit.head.hex()}", TRANSFERS: f"in transit: {due[3]}"}
    told |= {POINTS: f"{len(notes)} texts" if notes else NONE, ORDERS: f"unfilled: {due[4]}"}
    told[LIMITS] = "as recorded; `tidegate replay` proves them" if audit.pinned else "none pinned"
    return [Check(n, n not in audit.against, audit.against.get(n, told[n])) for n in told]


def main() -> int:
    """Print the checks of every journal named on the command line and return the exit status."""
    parser = argparse.ArgumentParser(description="Check that Tidegate journals are whole.")
    parser.add_argument("--head", help="published hash of the last frame, in hex")
    parser.add_argument("--public-key", default="", help="of the checkpoints: text, or its file")
    parser.add_argument("--checkpoint", "--anchor", type=Path, action="append", default=[])
    parser.add_argument("journals", nargs="+", metavar="JOURNAL")
    asked, failed = parser.parse_args(), False
    for path in asked.journals:
        try:
            texts = [file.read_text("utf-8", "replace") for file in asked.checkpoint]
            checks = verify(path, asked.head, asked.public_key, *texts)
        except OSError as error:
            parser.exit(2, f"{error.filename}: expected a readable file: {error.strerror}\n")
        for name, passed, detail in checks:
            failed |= not passed
            print(ascii(f"{'ok  ' if passed else 'FAIL'} {path}: {name}: {detail}")[1:-1])
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
