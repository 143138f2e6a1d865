# SPDX-License-Identifier: Apache-2.0
"""Golden runs over files: latches, operators, secrets, books that people write, journals that are
torn, resumed and anchored, and seals of approvals."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from tests.audit.made_logs import SIGNER, chained, entries
from tests.engine.book_files import changed, raw_book, seen
from tests.regressions.golden_offline import Told, attempt, digits
from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, BETA_BTC
from tidegate.audit import verify
from tidegate.audit.anchor import add_checkpoint, read_anchor
from tidegate.engine.observation import observe
from tidegate.engine.record_frames import open_record
from tidegate.engine.restart import resume_file
from tidegate.execution.durable_file import put, put_new
from tidegate.execution.heartbeat import Heartbeat, Pulse
from tidegate.execution.latch import Confirmation, Latch, VenueQuiet
from tidegate.execution.operators import new_key, public_key, read_operators
from tidegate.execution.secret_file import read_secret, write_secret
from tidegate.journal import Journal, partial_path, read_frames, whole
from tidegate.model.errors import InputError
from tidegate.model.events import Deposited
from tidegate.model.units import MICRO
from tidegate.risk.gate import ApprovalError, Gate


def files(told: Told) -> None:
    """Latches, operators and secrets as they stand in good and bad files."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        key = folder / "key"
        for path in (key, key):
            attempt(told, "write", lambda path=path: write_secret(path, b"s" * 32), home)
        attempt(told, "read", lambda: read_secret(key).hex(), home)
        for text, mode in (("00", 0o600), ("zz" * 32, 0o600), ("00" * 32, 0o644)):
            key.write_text(text)
            key.chmod(mode)
            attempt(told, "read", lambda: read_secret(key).hex(), home)
        attempt(told, "read", lambda: read_secret(folder / "none").hex(), home)
        attempt(told, "read", lambda: read_secret(folder).hex(), home)
        for path in (folder / "kept", folder / "kept"):
            told.append(("put", {"new": put_new(path, b"x")}))
        with contextlib.suppress(OSError):
            put(folder / "nowhere" / "kept", b"x")
        told.append(("keys", {"bytes": len(new_key()), "left": sorted(os.listdir(folder))}))
        _latches(told, folder)
        _operators(told, folder / "operators.toml", home)
        _beats(told, folder)


def _latches(told: Told, folder: Path) -> None:
    home, latch = str(folder), Latch(folder / "latch")
    told.append(("none", {"set": latch.is_set(), "is": latch.exists()}))
    attempt(told, "create", lambda: Latch.create(folder / "latch").is_set(), home)
    attempt(told, "create", lambda: Latch.create(folder / "latch").is_set(), home)
    attempt(told, "create", lambda: Latch.create(folder / "key").is_set(), home)
    attempt(told, "consent", lambda: latch.consent("ada", b"a" * 32, 5), home)
    kills = [latch.kill()]
    attempt(told, "set", lambda: latch.set("ada\x00", " why\n" * 400, 7), home)
    attempt(told, "set", lambda: Latch(folder / "key").set("ada", "no folder", 7), home)
    told.append(("kills", {"of": [*kills, latch.kill()], "set": latch.is_set()}))
    told.append(("confirmed", {"said": latch.confirmation(), "exists": latch.exists()}))
    for kill in (latch.kill_id, "another"):
        latch.confirm(Confirmation(kill, 1, 2, {"alpha": VenueQuiet(3, 0, 4)}))
        told.append(("confirmed", {"said": latch.confirmation()}))
    keys = {n: public_key(n[0].encode() * 32).hex() for n in ("ada", "bob", "cleo")}
    lines = "".join(f'{n} = "{k}"\n' for n, k in keys.items())
    (latch.folder / "operators.toml").write_text(f"[operators]\n{lines}")
    (latch.folder / "consent-broken.json").write_text("{")
    forged = {"who": "bob", "kill": latch.kill_id, "ts_ms": 10, "signature": "00" * 64}
    (latch.folder / "consent-bob.json").write_bytes(msgspec.json.encode(forged))
    for who, late in (("ada", 0), ("ada", 1), ("bob", 4_000_000), ("cleo", 4_000_001)):
        given = latch.consent(who, who[0].encode() * 32, 10 + late)
        told.append(("consent", {"of": given, "set": latch.is_set(), "number": latch.number}))
    leave = latch.folder / "leave.json"
    for content in (leave.read_text(), "", '{"kill": "", "consents": []}', "x" * 70_000):
        leave.write_text(content)
        told.append(("leave", {"set": latch.is_set(), "again": latch.is_set()}))


def _operators(told: Told, path: Path, home: str) -> None:
    key = "ab" * 32
    for text in (
        f'[operators]\nada = "{key}"\n',
        f'[operators]\nada = "{key}"\nbob = "{key}"\n',
        "operators = 5\n",
        "[operators]\nada = 5\n",
        '[operators]\nada = "zz"\n',
        f'[operators]\n"a b" = "{key}"\n',
        f'[operators]\n{"a" * 41} = "{key}"\n',
    ):
        path.write_text(text)
        attempt(
            told, "operators", lambda: {n: k.hex() for n, k in read_operators(path).items()}, home
        )
    path.write_bytes(b"\xff")
    attempt(told, "operators", lambda: sorted(read_operators(path)), home)
    attempt(told, "operators", lambda: sorted(read_operators(path.with_name("no"))), home)


def _beats(told: Told, folder: Path) -> None:
    attempt(told, "heart", lambda: Heartbeat(folder / "no" / "beat") and True, str(folder))
    path = folder / "beat"
    pulse = Pulse(path, 0)
    silences = [pulse.silence_ms(100)]
    heart = Heartbeat(path)
    for now_ms, beat_ms in ((200, 5_000), (300, 5_000), (400, 4_000), (900, 4_000)):
        heart.beat(beat_ms * 1_000_000)
        silences.append(pulse.silence_ms(now_ms))
    path.unlink()
    silences.append(pulse.silence_ms(1_000))
    pulse.restart(1_100)
    told.append(("silences", {"ms": [*silences, pulse.silence_ms(1_150)]}))


BOOKS: tuple[tuple[str, object], ...] = (
    ("accounts.0.balances.USDT", "2000"),
    ("accounts.0.balances.USDT", "500"), ("accounts.0.positions.0.size", "1"),
    ("accounts.0.positions.0.half_spread", ...), ("accounts.0.positions.0.taker_fee", ...),
    ("accounts.1.balances.USDC", "1500"), ("routes.0.latency_median_s", 40_000),
    ("routes.0.latency_p95_s", 600), ("routes.0.minimum", "500000"), ("vol_annual", ...),
    ("routes.0.frozen", True), ("routes.0.blocked_until", "2026-11-20T12:00Z"), ("routes", []),
    ("stable", {"USDT": "1"}), ("betas", ...), ("accounts.1.positions", []),
    ("accounts.0.positions.0.mark", ...), ("accounts.0.positions.0.tiers", ...),
)  # fmt: skip


def books(told: Told) -> None:
    """What is seen of a small book, and the cheapest remedy, with one place of it changed."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        for target in (0.02, 0.1, 0.4):
            found = replace(seen(raw_book(), folder), target=target)
            told.append(("book", digits(observe(found))))
        for place, value in BOOKS:
            shown = "nothing" if value is ... else value
            told.append(("changed", {"place": place, "to": shown}))
            attempt(told, "book", lambda p=place, v=value: observe(seen(_poor(p, v), folder)), home)


def coins(told: Told) -> None:
    """A wallet's coins hedge a short, and go with it where the short must be cut; two coins."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        for size, wallet in (("-0.4", "400"), ("-0.5", "900"), ("-1", "1500")):
            for entry in ("60000", "50000"):
                raw = raw_book()
                short = raw["accounts"][0]
                short["balances"] = {"USDT": wallet}
                short["positions"][0] |= {"size": size, "entry": entry}
                other = {**short["positions"][0], "symbol": "ETH", "base": "ETH", "size": "-1"}
                short["positions"].append({**other, "mark": "3000", "entry": "3000"})
                raw["betas"]["ETH"] = 1.2
                raw["accounts"][1] = {**WALLET, "venue": "south"}
                attempt(told, "book", lambda raw=raw: observe(seen(raw, folder)), home)
                raw["routes"] = []
                attempt(told, "book", lambda raw=raw: observe(seen(raw, folder)), home)


WALLET: dict[str, object] = {
    "rule": "spot",
    "collateral": "USDC",
    "as_of": "2026-11-20T08:00Z",
    "balances": {"USDC": "1000", "BTC": "0.500001"},
    "positions": [
        {
            "symbol": "BTCUSDC", "base": "BTC", "tick": "0.01", "lot": "0.00001", "mark": "60000",
            "taker_fee": "0.001", "half_spread": "0.0001",
        }
    ],
}  # fmt: skip


def _poor(place: str, value: object) -> Any:
    raw = changed(place, value)
    if place != "accounts.0.balances.USDT":
        raw["accounts"][0]["balances"] = {"USDT": "4000"}
    return raw


def journals(told: Told) -> None:
    """A process that starts again from a file: under its mandate, under another, and from what is
    no journal of an engine."""
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "a.journal"
        journal = Journal.create(path, {"mandate": "one", "nonce": "golden"}, durable=True)
        attempt(told, "resume", lambda: resume_file(path, 5).memory, home)
        journal.close()
        attempt(told, "resume", lambda: resume_file(path, 5).memory, home)
        journal = Journal.resume(path)
        record = open_record(desk.INSTRUMENTS, {"USDT": MICRO, "USDC": MICRO}, {}, journal, "run")
        record.take([Deposited(3, "alpha", "USDT", 70 * MICRO)])
        journal.append("refused", {"ts_ms": 4, "breaches": [], "curable": True})
        journal.append("decision", {"memory": {"peak_micro": 9, "reviewed_ms": 4}})
        record.take([Deposited(5, "beta", "USDC", 30 * MICRO)])
        journal.append("refused", {"ts_ms": 6, "breaches": []})
        journal.close()
        for now_ms, mandate, who in (
            (4, None, ""),
            (9, "one", ""),
            (9, "two", ""),
            (9, "two", "a"),
            (9, "two", ""),
            (9, "one", ""),
            (9, None, ""),
        ):
            attempt(
                told,
                "resume",
                lambda now=now_ms, law=mandate, who=who: _resumed(path, now, law, who),
                home,
            )
        for frame in read_frames(partial_path(path), sealed=False):
            told.append((f"frame {frame.kind}", frame.value()))


def _resumed(path: Path, now_ms: int, mandate: str | None, who: str) -> object:
    resumed = resume_file(path, now_ms, mandate, who)
    resumed.record.journal.close()  # type: ignore[attr-defined]
    accounts = {venue: resumed.record.ledger.account(venue) for venue in ("alpha", "beta")}
    return {"memory": resumed.memory, "mandate": resumed.mandate, "accounts": accounts}


def tears(told: Told) -> None:
    """What is left of a journal that ends anywhere, and of one with a bit turned anywhere."""
    content = b"".join(chained(entries(6)))
    for end in range(0, len(content), 7):
        told.append(("end", {"at": end, "is": _left(content[:end])}))
    for place in range(0, len(content) - 60, 13):
        spoiled = bytearray(content[: len(content) - 60])
        spoiled[place] ^= 1 << (place % 8)
        told.append(("bit", {"at": place, "is": _left(bytes(spoiled))}))


def _left(content: bytes) -> str:
    try:
        return str(len(whole(content)))
    except InputError as error:
        return sha256(str(error).encode()).hexdigest()[:8]


def seals(told: Told) -> None:
    """Approvals of a plan of three steps, as they are, changed, and too late."""
    gate, terms = Gate(b"golden"), desk.terms()
    situation = desk.situation(desk.portfolio({"alpha": 400_000, "beta": 400_000}))
    first, later = (
        (desk.order(ALPHA_BTC, 100, key=key), desk.order(BETA_BTC, -10_000, key=key))
        for key in ("a", "b")
    )
    money = (desk.send("alpha", "beta", 20_000),)
    plan = desk.plan(money, first, later, raises=True)
    steps = tuple(
        msgspec.structs.replace(step, offset_ms=offset_ms)
        for step, offset_ms in zip(plan.steps, (0, 20_000, 90_000), strict=True)
    )
    plan = msgspec.structs.replace(plan, steps=steps)
    approvals = gate.review(terms, situation, plan, 9, lambda kind, said: told.append((kind, said)))
    for approval in approvals:
        told.append(("approval", digits(approval)))
        for name in ("id", "sequence", "snapshot", "mandate_version", "expires_ms", "seal"):
            value = getattr(approval, name)
            other = value + 1 if isinstance(value, int) else f"{value}x"
            _shown(told, gate, msgspec.structs.replace(approval, **{name: other}), desk.NOW_MS)
        for late_ms in (-1, 0, 1, 59_000, 61_000):
            _shown(told, gate, approval, approval.expires_ms + late_ms)
        _shown(told, Gate(b"another"), approval, desk.NOW_MS)


def _shown(told: Told, gate: Gate, approval: Any, now_ms: int) -> None:
    try:
        gate.verify(approval, now_ms)
    except ApprovalError as error:
        told.append(("refused", {"why": str(error)}))
    else:
        told.append(("good", {"until": approval.expires_ms - now_ms}))


def points(told: Told) -> None:
    """A journal that grows, its checkpoints in two files of which one fails for a while, and what
    is said of a past that was signed twice."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        frames, path = chained(entries(24)), folder / "book"
        anchors = [str(folder / "one"), str(folder / "two" / "points")]
        for size in (8, 8, 16, 24):
            path.write_bytes(b"".join(frames[:size]))
            attempt(told, "point", lambda: add_checkpoint(path, SIGNER, anchors)[0], home)
            (folder / "two").mkdir(exist_ok=True)
        for anchor in anchors:
            told.append(("anchor", {"holds": read_anchor(anchor)}))
        key = str(SIGNER.public)
        published = read_anchor(anchors[0])
        for others in ((16,), (24, 16)):
            forged = "\n".join(SIGNER.sign(size, bytes(32)) for size in others)
            checks = verify(str(path), None, key, published, forged)
            told.append(("checks", {"of": [tuple(check) for check in checks]}))
        for pinned in (["a", "b"], ["b", "a"], ["a"], ["a", "b", "c"]):
            content = b"".join(chained(_checked(pinned)))
            checks = verify(content)
            told.append(("pinned", {"of": [tuple(check) for check in checks]}))


def _checked(pinned: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """A journal whose header pins names of checks, and a decision that held two of them."""
    held = [["a", True, []], ["b", True, []]]
    return [
        ("header", {"format": "tidegate-journal/2", "durability": "fsync", "checks": pinned}),
        ("decision", {"ts_ms": 1}),
        ("checked", {"ts_ms": 1, "decision": 1, "checks": held}),
        ("approved", {"ts_ms": 1, "id": "1.0", "content": "x", "decision": 1, "expires_ms": 5}),
        ("result", {"ts_ms": 2, "equity_start_micro": 0, "equity_end_micro": 0, "waterfall": {}}),
    ]


FILES = {run.__name__: run for run in (files, books, coins, journals, tears, seals, points)}
