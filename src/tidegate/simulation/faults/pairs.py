# SPDX-License-Identifier: Apache-2.0
"""Which fault can meet which state: what a run of many seeds must have reached, or be blind."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.execution.orders import State
from tidegate.execution.transfers import Leg
from tidegate.simulation.faults.coverage import IDLE
from tidegate.simulation.faults.menu import PER_REQUEST, Fault

ORDERS = tuple(f"order {state.value}" for state in State)
TRANSFERS = tuple(f"transfer {leg.value}" for leg in Leg)
STATES = (IDLE, *ORDERS, *TRANSFERS)


def unreached(reached: Mapping[tuple[Fault, str], int]) -> list[tuple[Fault, str]]:
    """Pairs that can occur and did not, in the menu's order."""
    return [
        (fault, state)
        for fault in Fault
        for state in STATES
        if state in POSSIBLE.get(fault, ()) and not reached.get((fault, state))
    ]


_O = {state: f"order {state.value}" for state in State}
_T = {leg: f"transfer {leg.value}" for leg in Leg}
_AT_VENUE = (_O[State.INTENDED], _O[State.UNKNOWN], _O[State.WORKING])
_OPEN_ORDERS = (*_AT_VENUE, _O[State.CANCELLING], _O[State.CLOSING])
_OPEN_TRANSFERS = tuple(_T[leg] for leg in Leg if leg is not Leg.CLOSED)
_ANY = (IDLE, *_OPEN_ORDERS, *_OPEN_TRANSFERS)
# Seconds in which an order is intended or closing are too few for what strikes once an hour.
_SELDOM = (IDLE, _O[State.UNKNOWN], _T[Leg.UNDER_WAY])
_OFTEN = (*_SELDOM, _O[State.WORKING], _T[Leg.ACCEPTED])
_LEAVING = (_T[Leg.INTENDED],)

# A request is about what it names, or about all that is open where it asks for a log or an account;
# a report likewise. What venues do with an action meets the state in which it was sent or asked.
POSSIBLE: dict[Fault, tuple[str, ...]] = {
    **dict.fromkeys(PER_REQUEST, _ANY),
    Fault.SIGNER_REFUSAL: (_O[State.INTENDED], _O[State.UNKNOWN], _T[Leg.INTENDED]),
    Fault.WRONG_TEXT: _ANY,
    Fault.REPORT_LOST: (*_AT_VENUE, _T[Leg.INTENDED], _T[Leg.UNDER_WAY]),
    Fault.REPORT_LATE: (*_AT_VENUE, _T[Leg.INTENDED], _T[Leg.UNDER_WAY]),
    Fault.REPORT_TWICE: (*_AT_VENUE, _T[Leg.INTENDED], _T[Leg.UNDER_WAY]),
    Fault.FILL_FIRST: (_O[State.UNKNOWN],),
    Fault.PARTIAL_FILL: (*_AT_VENUE, _O[State.CANCELLING]),
    Fault.FILL_LAST: (_O[State.CANCELLING],),
    Fault.CANCEL_TOO_LATE: (_O[State.UNKNOWN],),
    Fault.REVIEW: _LEAVING,
    Fault.REVIEW_REFUSED: (_T[Leg.ACCEPTED],),
    Fault.TRANSFER_LATE: _LEAVING,
    Fault.TRANSFER_LOST: _LEAVING,
    Fault.TRANSFER_BACK: (_T[Leg.UNDER_WAY],),
    Fault.REPORTS_STOP: (IDLE, *_AT_VENUE, _T[Leg.UNDER_WAY]),
    Fault.REQUESTS_STOP: (*_OFTEN, _O[State.INTENDED], _T[Leg.UNKNOWN]),
    Fault.CLOCK_STEP: _SELDOM,
    Fault.SILENT_RESET: _SELDOM,
    Fault.BALANCE_WRONG: (IDLE, _T[Leg.UNDER_WAY]),
    Fault.POSITION_WRONG: (IDLE, _T[Leg.UNDER_WAY]),
    Fault.STATEMENT_OLD: _SELDOM,
    Fault.FEED_STALE: _OFTEN,
    Fault.QUOTE_FROZEN: _OFTEN,
    Fault.QUOTE_CROSSED: _OFTEN,
    Fault.QUOTE_GAP: _OFTEN,
    Fault.BAD_PRINT: _SELDOM,
    Fault.PRICE_JUMP: _SELDOM,
    Fault.DEPTH_COLLAPSE: _SELDOM,
    Fault.FUNDING_SPIKE: _SELDOM,
    Fault.MAINTENANCE: _SELDOM,
    Fault.MONEY_FROZEN: _SELDOM,
    Fault.DELEVERAGING: _SELDOM,
    Fault.LIQUIDATION: (IDLE, _T[Leg.UNDER_WAY]),
    Fault.RULE_CHANGE: (IDLE, _T[Leg.UNDER_WAY]),
    Fault.DISK_FULL: (IDLE, _T[Leg.UNDER_WAY]),
    Fault.FORCE_FAILED: _SELDOM,
    Fault.BIT_ROT: (IDLE,),
    Fault.TORN_WRITE: _SELDOM,
    Fault.KILL: (IDLE, *_AT_VENUE, _O[State.CLOSING], *_OPEN_TRANSFERS),
    Fault.HANG: _SELDOM,
}
