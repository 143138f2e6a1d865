# SPDX-License-Identifier: Apache-2.0
"""What the verifier demands of a journal that pins a gate's checks: limits, orders, transfers."""

from __future__ import annotations

import pytest

from tests.audit.made_logs import PINNED, Entry, chained, checked, decided, header
from tidegate.audit import verify

LIMITS, ORDERS = "limits held at every decision", "orders accounted for"
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


def moved(*events: dict[str, object]) -> list[Entry]:
    approval = {**DAY[2][1], "action": ASKED | {"quanta": 100}}
    sent = ("sent", DAY[3][1])
    return [
        *DAY[:2],
        ("approved", approval),
        sent,
        ("events", {"events": [*events], "postings": []}),
    ]


@pytest.mark.parametrize(
    "events",
    [[], [SENT], [SENT, LANDED], [SENT, LANDED | {"asset": "D", "quanta": 98}],
     # What a carrier keeps is a cost of its own in the ledger.
     [SENT, LANDED | {"quanta": 98}], [{"type": "TransferRefused", "id": "t"}]],
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
     [SENT, LANDED | {"asset_sent": "D", "asset": "D"}]],
)  # fmt: skip
def test_transfer_that_leaves_or_lands_other_than_approved_fails_the_transfers(
    events: list[dict[str, object]],
) -> None:
    assert list(failed(*moved(*events))) == [TRANSFERS]


def test_money_that_has_not_landed_is_listed_as_in_transit() -> None:
    content = b"".join(chained([header(checks=PINNED), *moved(SENT)]))
    (detail,) = [check.detail for check in verify(content) if check.name == TRANSFERS]
    assert detail == "in transit: [('t', 'y', 'C')]"
