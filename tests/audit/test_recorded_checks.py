# SPDX-License-Identifier: Apache-2.0
"""What the verifier demands of a journal that pins a gate's checks: limits, orders, transfers."""

from __future__ import annotations

import pytest

from tests.audit.made_logs import (
    PINNED,
    Entry,
    action,
    chained,
    checked,
    content_of,
    decided,
    header,
)
from tidegate.audit import verify

LIMITS, ORDERS = "limits held at every decision", "orders accounted for"
APPROVALS = "approvals precede actions"
TRANSFERS = "transfers accounted for"
DAY = decided(1, 1)


def failed(*entries: Entry, pinned: list[str] | None = None) -> dict[str, str]:
    content = b"".join(chained([header(checks=PINNED if pinned is None else pinned), *entries]))
    return {check.name: check.detail for check in verify(content) if not check.passed}


def changed(place: int, **changes: object) -> list[Entry]:
    kind, payload = DAY[place]
    return [*DAY[:place], (kind, payload | changes), *DAY[place + 1 :]]


def rows(*found: tuple[str, bool, int]) -> list[object]:
    return [[name, stated, [["rule", "where", value, 0]]] for name, stated, value in found]


def test_day_whose_every_approval_passed_every_check_is_accepted() -> None:
    assert failed(*DAY) == {}


@pytest.mark.parametrize(
    "day",
    [
        DAY[:1] + DAY[2:],
        DAY[1:],
        changed(1, decision=0),
        changed(1, checks=rows(("fresh", True, 0))),
        changed(1, checks=rows(("small", True, 0), ("fresh", True, 0))),
        changed(1, checks=rows(("fresh", True, 0), ("other", True, 0))),
        changed(1, checks=rows(("fresh", True, 0), ("small", False, 1))),
        changed(1, checks=rows(("fresh", True, 0), ("small", True, 1))),
        changed(1, checks=rows(("fresh", True, 0), ("small", False, 0))),
        changed(2, decision=0),
        [DAY[0], *DAY[2:4], DAY[1], *DAY[4:]],
        [*DAY[:2], ("decision", {"number": 2}), checked(1, 1001)],
    ],
)
def test_approval_without_a_passing_record_of_every_pinned_check_fails_the_limits(
    day: list[Entry],
) -> None:
    assert list(failed(*day)) == [LIMITS]


def approving(**changes: object) -> list[Entry]:
    """The day with its approval changed and submitted as that says."""
    _, approval = DAY[2]
    content = content_of(changes["action"]) if "action" in changes else approval["content"]
    approval = {**approval, "content": content, **changes}
    submission = {**DAY[3][1], "approval": approval["id"], "content": approval["content"]}
    return [*DAY[:2], ("approved", approval), ("submitted", submission)]


HUGE = {**action(1), "lots": 10_000_000}


@pytest.mark.parametrize(
    "changes",
    [
        {"action": HUGE},
        {"action": HUGE, "content": DAY[2][1]["content"]},
        {"action": HUGE, "content": "e" * 64},
        {"content": "e" * 64},
        {"expires_ms": 1001 + 86_400_000},
    ],
)
def test_approval_of_what_the_checked_plan_does_not_list_fails_the_approvals(
    changes: dict[str, object],
) -> None:
    assert failed(*approving()) == {}
    assert list(failed(*approving(**changes))) == [APPROVALS]


def test_approval_of_another_content_than_its_action_fails_where_no_plan_is_listed() -> None:
    day = [(kind, {k: v for k, v in p.items() if k != "actions"}) for kind, p in DAY]
    assert failed(*day) == {}
    day[2] = "approved", {**day[2][1], "action": HUGE}
    assert APPROVALS in failed(*day)


def test_approval_that_cites_a_plan_of_before_the_last_decision_fails_the_limits() -> None:
    late = [DAY[0], DAY[1], ("decision", {"number": 2}), *DAY[2:]]
    assert list(failed(*late)) == [LIMITS]


def under(*steps: str, named: str | None = "law") -> dict[str, str]:
    """What fails where the header names a mandate, and plans and changes cite these in turn."""
    found: list[Entry] = [header(checks=PINNED, **({"mandate": named} if named else {}))]
    for step in steps:
        if step.startswith("to "):
            changed_to = {"mandate": step[3:], "who": "the owner"}
            found.append(("mandate_changed", changed_to))
            continue
        day = decided(len(found), len(found))
        found += [*day[:2], ("approved", {**day[2][1], "mandate": step}), *day[3:]]
    checks = verify(b"".join(chained(found)))
    return {check.name: check.detail for check in checks if not check.passed}


def test_approval_under_a_mandate_that_header_or_change_names_is_accepted() -> None:
    assert under("law", "law") == {}
    assert under("law", "to wild", "wild") == {}
    assert under("law", "law", named=None) == {}


@pytest.mark.parametrize(
    "steps", [("wild",), ("law", "wild"), ("to wild", "law"), ("law", "to wild", "wild", "law")]
)
def test_approval_under_a_mandate_that_nobody_named_fails_the_limits(
    steps: tuple[str, ...],
) -> None:
    assert list(under(*steps)) == [LIMITS]


def test_mandate_that_nobody_named_first_is_that_of_the_first_approval() -> None:
    assert list(under("law", "wild", named=None)) == [LIMITS]


def test_plan_that_failed_a_check_and_was_not_approved_is_accepted() -> None:
    assert failed(DAY[0], checked(1, 1001, found=3)) == {}


def test_journal_that_pins_no_checks_says_so_and_demands_none() -> None:
    content = b"".join(chained([header(), *DAY[:1], *DAY[2:]]))
    found = {check.name: check for check in verify(content)}
    assert all(check.passed for check in found.values())
    assert found[LIMITS].detail == "none pinned"


FILL = {"type": "Filled", "reason": "order", "order": "o1", "instrument": "x:B", "lots": 2}


def filled(*fills: dict[str, object]) -> list[Entry]:
    return changed(4, events=list(fills))


@pytest.mark.parametrize(
    "fills",
    [[], [FILL | {"lots": 1}], [FILL | {"lots": 1}, FILL | {"lots": 1}],
     [FILL | {"reason": "liquidation", "order": "z", "lots": -9}],
     [{"type": "OrderRefused", "order": "o1", "instrument": "x:B"}]],
)  # fmt: skip
def test_order_that_fills_within_what_was_sent_or_not_at_all_is_accepted(
    fills: list[dict[str, object]],
) -> None:
    assert failed(*filled(*fills)) == {}


@pytest.mark.parametrize(
    "fills",
    [[FILL, FILL], [FILL | {"lots": 3}], [FILL | {"lots": -1}], [FILL | {"lots": 0}],
     [FILL | {"order": "o2"}], [FILL | {"instrument": "x:C"}],
     [FILL | {"lots": 1}, FILL | {"lots": 2}]],
)  # fmt: skip
def test_fill_of_no_order_or_beyond_it_fails_the_orders(fills: list[dict[str, object]]) -> None:
    assert list(failed(*filled(*fills))) == [ORDERS]


def test_order_sent_twice_under_two_approvals_fails_the_orders() -> None:
    again = [(DAY[n][0], DAY[n][1] | {"id": "9", "approval": "9"}) for n in (2, 3)]
    assert list(failed(*DAY, *again)) == [ORDERS]


ASKED = {"type": "Transfer", "id": "t", "source": "x", "destination": "y", "asset": "C"}
SENT = {"type": "TransferSent", "id": "t", "source": "x", "destination": "y", "asset": "C"}
SENT |= {"quanta": 100, "fee_quanta": 1}
LANDED = {"type": "TransferLanded", "id": "t", "destination": "y", "asset_sent": "C", "asset": "C"}
LANDED |= {"quanta_sent": 99, "quanta": 99}
BACK = {"type": "TransferReturned", "id": "t", "venue": "x", "asset": "C", "quanta": 100}
LOST = BACK | {"quanta": 0}


def moved(*events: dict[str, object]) -> list[Entry]:
    asked = ASKED | {"quanta": 100}
    approval = {**DAY[2][1], "action": asked, "content": content_of(asked)}
    return [
        DAY[0],
        checked(1, 1001, 0, (content_of(asked), 1061)),
        ("approved", approval),
        ("sent", {**DAY[3][1], "content": content_of(asked)}),
        ("events", {"events": [*events], "postings": []}),
    ]


@pytest.mark.parametrize(
    "events",
    [[], [SENT], [SENT, LANDED], [SENT, LANDED | {"asset": "D", "quanta": 98}],
     # What a carrier keeps is a cost of its own in the ledger.
     [SENT, LANDED | {"quanta": 98}], [{"type": "TransferRefused", "id": "t"}],
     # What was given up as lost may come after all.
     [SENT, BACK], [SENT, LOST], [SENT, LOST, LANDED], [SENT, LOST, BACK]],
)  # fmt: skip
def test_transfer_that_leaves_as_approved_and_lands_is_accepted(
    events: list[dict[str, object]],
) -> None:
    assert failed(*moved(*events)) == {}


@pytest.mark.parametrize(
    "events",
    [[SENT | {"quanta": 101}], [SENT | {"destination": "z"}], [SENT | {"source": "z"}],
     [SENT | {"id": "u"}], [LANDED], [SENT, LANDED, LANDED], [SENT, SENT],
     [SENT, LANDED | {"quanta_sent": 98, "quanta": 98}],
     [SENT, LANDED | {"quanta_sent": 100, "quanta": 100}], [SENT, LANDED | {"quanta": 100}],
     [SENT, LANDED | {"destination": "x"}], [SENT, LANDED | {"id": "u"}],
     [SENT, LANDED | {"asset_sent": "D", "asset": "D"}], [BACK], [SENT, BACK, LANDED],
     [SENT, BACK, BACK], [SENT, LANDED, LOST], [SENT, BACK | {"asset": "D"}]],
)  # fmt: skip
def test_transfer_that_leaves_or_lands_other_than_approved_fails_the_transfers(
    events: list[dict[str, object]],
) -> None:
    assert list(failed(*moved(*events))) == [TRANSFERS]


def test_money_that_has_not_landed_is_listed_as_in_transit() -> None:
    content = b"".join(chained([header(checks=PINNED), *moved(SENT)]))
    (detail,) = [check.detail for check in verify(content) if check.name == TRANSFERS]
    assert detail == "in transit: [('t', 'y', 'C')]"
