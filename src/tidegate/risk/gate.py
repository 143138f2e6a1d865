# SPDX-License-Identifier: Apache-2.0
"""The gate: the only maker of approvals, and approvals are all that venues accept.

An approval binds one action to the journal sequence, the snapshot, the mandate's version and an
expiry by a keyed hash. A venue session asks the gate that made it to verify it, so a copy with any
field changed is refused. There is no bypass and no trusted caller.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence

import msgspec

from tidegate.model.actions import Action
from tidegate.risk.limits import Breach, findings
from tidegate.risk.plan import Plan, Situation, Terms

APPROVAL_LIFE_MS = 60_000
CHECKED = "checked"
Note = Callable[[str, object], object]
_encoder = msgspec.json.Encoder(order="deterministic")


class Approval(msgspec.Struct, frozen=True):
    """Leave to do one action; made by `Gate.review` alone and void if any field is changed."""

    action: Action
    id: str
    sequence: int
    snapshot: str
    mandate_version: str
    expires_ms: int
    seal: str

    @property
    def content(self) -> str:
        """SHA-256 of the action alone; the journal pairs approvals and submissions by it."""
        return hashlib.sha256(_encoder.encode(self.action)).hexdigest()


class ApprovalError(Exception):
    """An approval was changed, has expired, or was used before."""


class Gate:
    """Reviews plans against the limits and seals what passes.

    `key` is a secret of this process; it is never journalled and not part of any decision.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def review(
        self,
        terms: Terms,
        situation: Situation,
        plan: Plan,
        sequence: int,
        note: Note | None = None,
    ) -> tuple[Approval, ...] | list[Breach]:
        """Approvals for every action in order, or the breaches when any rule is broken.

        `sequence` is the journal's of the decision; `note` writes what every check found there,
        before anything is approved.
        """
        found = findings(terms, situation, plan)
        if note is not None:
            note(CHECKED, _checked(situation.snapshot.ts_ms, sequence, found))
        broken = [breach for breaches in found.values() for breach in breaches]
        if broken:
            return broken
        snapshot, now_ms = situation.snapshot.id, situation.snapshot.ts_ms
        version = terms.mandate.version
        # A step that is to wait may be sent for as long after its time as any other.
        ends = [now_ms + s.offset_ms + APPROVAL_LIFE_MS for s in plan.steps for _ in s.actions]
        return tuple(
            self._approve(action, (sequence, index), (snapshot, version), ends[index])
            for index, action in enumerate(plan.actions)
        )

    def _approve(
        self, action: Action, place: tuple[int, int], basis: tuple[str, str], expires_ms: int
    ) -> Approval:
        sequence, index = place
        snapshot, version = basis
        draft = Approval(action, f"{sequence}.{index}", sequence, snapshot, version, expires_ms, "")
        return msgspec.structs.replace(draft, seal=self._seal(draft))

    def _seal(self, approval: Approval) -> str:
        bare = msgspec.structs.replace(approval, seal="")
        return hmac.new(self._key, _encoder.encode(bare), hashlib.sha256).hexdigest()

    def verify(self, approval: Approval, now_ms: int) -> None:
        """Raise `ApprovalError` unless this gate made the approval and it has not expired."""
        if not hmac.compare_digest(self._seal(approval).encode(), approval.seal.encode()):
            raise ApprovalError(f"approval {approval.id}: not made by this gate, or changed")
        if now_ms > approval.expires_ms:
            raise ApprovalError(f"approval {approval.id}: expired")


def _checked(ts_ms: int, decision: int, found: Mapping[str, Sequence[Breach]]) -> dict[str, object]:
    """What every check found, as [name, passed, figures]; a figure is [rule, where, value, most],
    and a check has passed when no value is above its most. A breach counts 1 where 0 may be."""
    checks = [
        (name, not breaches, [(breach.rule, breach.where, 1, 0) for breach in breaches])
        for name, breaches in found.items()
    ]
    return {"ts_ms": ts_ms, "decision": decision, "checks": checks}
