# SPDX-License-Identifier: Apache-2.0
"""Deribit's error codes, and which of them a refusal of the street is.

Source: docs.deribit.com, RPC error codes of the API reference v2, read in November 2026; the codes
below 0 are JSON-RPC 2.0's own.
"""

from __future__ import annotations

from typing import Any

PARSE_ERROR, INVALID_REQUEST = -32700, -32600
METHOD_NOT_FOUND, INVALID_PARAMS = -32601, -32602
NOT_FOUND_ORDER, TOO_MANY_REQUESTS, NOT_IMPLEMENTED = 10004, 10028, 10033
INVALID_ARGUMENTS, NOT_OPEN_ORDER = 11029, 11044
INVALID_CREDENTIALS, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 13004, 13009, 13021, 13020
TIMED_OUT = 13888
MESSAGES = {
    PARSE_ERROR: "Parse error",
    INVALID_REQUEST: "Invalid Request",
    METHOD_NOT_FOUND: "Method not found",
    INVALID_PARAMS: "Invalid params",
    10004: "order_not_found",
    10005: "price_too_low",
    10007: "price_too_high",
    10009: "not_enough_funds",
    10012: "book_closed",
    10021: "invalid_amount",
    10028: "too_many_requests",
    10030: "must_be_websocket_request",
    10033: "not_implemented",
    10043: "price_wrong_tick",
    11029: "invalid_arguments",
    11030: "other_reject",
    11044: "not_open_order",
    11051: "system_maintenance",
    11054: "post_only_reject",
    11094: "internal_server_error",
    12100: "transfer_not_allowed",
    13004: "invalid_credentials",
    13009: "unauthorized",
    13020: "not_found",
    13021: "forbidden",
    13888: "timed_out",
}
REASONS = {
    "initial margin": 10009,
    "insufficient balance": 10009,
    "insufficient coin": 10009,
    "more than is withdrawable": 10009,
    "no such instrument": 13020,
    "no such order": 10004,
    "already closed": 11044,
    "below what is filled": 10021,
    "no lots": 10021,
    "below the minimum": 10021,
    "would cross": 11054,
    "venue is out": 11051,
    "withdrawals suspended": 11051,
    "no price": 10012,
    "expired": 10012,
    "no such route": 12100,
    "no such account": 12100,
}
HTTP_STATUS = {UNAUTHORIZED: 401, INVALID_CREDENTIALS: 401, FORBIDDEN: 403, TOO_MANY_REQUESTS: 429}


class Refusal(Exception):
    """An error that the caller is told: code, message and, where it says more, data."""

    def __init__(self, code: int, data: Any = None, message: str | None = None) -> None:
        self.code, self.data = code, data
        self.message = MESSAGES[code] if message is None else message
        super().__init__(f"{code} {self.message}")


def because(reason: str) -> Refusal:
    """The refusal that a reason of the street is."""
    code = REASONS.get(reason, 11030)
    return Refusal(code, None, f"other_reject {reason}" if code == 11030 else None)


def bad_param(name: str, reason: str) -> Refusal:
    """A parameter that cannot be used."""
    return Refusal(INVALID_PARAMS, {"reason": reason, "param": name})
