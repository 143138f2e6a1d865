# SPDX-License-Identifier: Apache-2.0
"""Why a contract refused, from the bytes that a revert returns."""

from __future__ import annotations

from string import hexdigits

ERROR, PANIC = "08c379a0", "4e487b71"
NO_REASON = "no reason"
WORD = 64  # hexadecimal digits
LONGEST_CHARS = 200


def reason(returned: str) -> str:
    """The reason in what a revert returned, as hexadecimal digits with or without `0x`.

    `Error(string)` gives its text, `Panic(uint256)` its code, an error of a contract's own its
    selector, anything else "no reason". What is no text is shown escaped; it never raises.
    Source: Solidity documentation, "Panic via assert and Error via require", which Vyper follows.
    """
    digits = returned.removeprefix("0x").lower()
    if not set(digits) <= set(hexdigits):
        return NO_REASON
    if digits.startswith(PANIC) and len(digits) >= 8 + WORD:
        return f"panic {_number(digits[8 : 8 + WORD]):#x}"
    if digits.startswith(ERROR):
        return _text(digits[8:]) or NO_REASON
    return f"error 0x{digits[:8]}" if len(digits) >= 8 else NO_REASON


def _text(digits: str) -> str:
    length = _number(digits[WORD : 2 * WORD])
    body = digits[2 * WORD : 2 * WORD + 2 * min(length, LONGEST_CHARS)]
    whole = body[: len(body) // 2 * 2]
    said = bytes.fromhex(whole).decode("utf-8", errors="backslashreplace")
    return "".join(char if char.isprintable() else "?" for char in said)


def _number(digits: str) -> int:
    return int(digits or "0", 16)
