# SPDX-License-Identifier: Apache-2.0
"""Levels of a book, from the text of a message into sorted arrays of whole ticks and lots.

A side is kept by keys that grow toward the best price: a bid's is its price in ticks, an ask's the
negative of it. The best level is the last one, so that what changes most moves least. Numbers are
read as integers and never as floats: a price that is no whole tick, or a size that is no whole lot,
ends the reading with a code, as does any text that is not levels. `tests/venues/order_books` holds
this to a plain dictionary.
"""

from __future__ import annotations

from typing import Any

from tidegate.pricing._kernels import exact_inline, exact_kernel

FRESH, MALFORMED, FINER, LARGE, FULL, CROSSED = range(6)
# Of digits in a number, with which no product below leaves 64 bits.
DIGITS_MAX = 17
LARGEST = 10**DIGITS_MAX

QUOTE, OPEN, CLOSE, OPEN_NAMED, CLOSE_NAMED, COMMA, COLON = (ord(c) for c in '"[]{},:')
PLUS, MINUS, POINT, ZERO, NINE, LETTER_E, LETTER_BIG_E = (ord(c) for c in "+-.09eE")
LETTER_P, LETTER_S, ESCAPE = (ord(c) for c in "ps\\")
SPACE, TAB, LINE, RETURN = (ord(c) for c in " \t\n\r")


@exact_inline
def _after_space(text: Any, at: int) -> int:
    while at < len(text) and (
        text[at] == SPACE or text[at] == TAB or text[at] == LINE or text[at] == RETURN
    ):
        at += 1
    return at


@exact_inline
def _is(text: Any, at: int, letter: int) -> bool:
    return at < len(text) and text[at] == letter


@exact_inline
def _after_cell(text: Any, at: int) -> int:
    """Behind a text in quotes or a bare word; -1 where there is neither."""
    if _is(text, at, QUOTE):
        at += 1
        while at < len(text) and text[at] != QUOTE:
            if text[at] == ESCAPE:
                return -1
            at += 1
        return at + 1 if at < len(text) else -1
    start = at
    while at < len(text) and text[at] not in (COMMA, CLOSE, CLOSE_NAMED, OPEN, OPEN_NAMED):
        at += 1
    return at if at > start else -1


@exact_inline
def _number(text: Any, at: int, decimals: int, step: int) -> tuple[int, int, int]:
    """A number in steps of `step` x 10^-`decimals`, where it ends, and a code."""
    quoted = _is(text, at, QUOTE)
    at += quoted
    negative = _is(text, at, MINUS)
    at += negative
    value = digits = fraction = 0
    pointed = False
    while at < len(text) and (ZERO <= text[at] <= NINE or (text[at] == POINT and not pointed)):
        if text[at] == POINT:
            pointed = True
        else:
            if value >= LARGEST // 10:
                return 0, at, LARGE
            value = value * 10 + (text[at] - ZERO)
            digits += 1
            fraction += pointed
        at += 1
    if digits == 0:
        return 0, at, MALFORMED
    if at < len(text) and (text[at] == LETTER_E or text[at] == LETTER_BIG_E):
        at += 1
        down = _is(text, at, MINUS)
        at += 1 if down or _is(text, at, PLUS) else 0
        power = digits = 0
        while at < len(text) and ZERO <= text[at] <= NINE and digits < 3:
            power = power * 10 + (text[at] - ZERO)
            digits += 1
            at += 1
        if digits == 0:
            return 0, at, MALFORMED
        fraction += power if down else -power
    if quoted:
        if not _is(text, at, QUOTE):
            return 0, at, MALFORMED
        at += 1
    shift = decimals - fraction
    while shift > 0 and value != 0:
        if value >= LARGEST // 10:
            return 0, at, LARGE
        value *= 10
        shift -= 1
    while shift < 0 and value != 0:
        if value % 10 != 0:
            return 0, at, FINER
        value //= 10
        shift += 1
    if step != 1:
        if value % step != 0:
            return 0, at, FINER
        value //= step
    return (-value if negative else value), at, FRESH


@exact_inline
def _put(keys: Any, sizes: Any, count: int, key: int, size: int) -> int:
    """The new count of a side after one level; -1 where the side is full."""
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    known = low < count and keys[low] == key
    if known and size != 0:
        sizes[low] = size
    elif known:
        for place in range(low, count - 1):
            keys[place], sizes[place] = keys[place + 1], sizes[place + 1]
        count -= 1
    elif size != 0:
        if count == len(keys):
            return -1
        for place in range(count, low, -1):
            keys[place], sizes[place] = keys[place - 1], sizes[place - 1]
        keys[low], sizes[low] = key, size
        count += 1
    return count


@exact_inline
def _cells(text: Any, at: int, layout: Any, terms: Any) -> tuple[int, int, int, int]:
    """Price and size of one level, where it ends, and a code."""
    named = _is(text, at, OPEN_NAMED)
    if not named and not _is(text, at, OPEN):
        return 0, 0, at, MALFORMED
    closing = CLOSE_NAMED if named else CLOSE
    price = size = cell = seen = 0
    while True:
        at = _after_space(text, at + 1)
        role = 1 if cell == layout[0] else 2 if cell == layout[1] else 0
        if named:
            if not _is(text, at, QUOTE) or at + 1 >= len(text):
                return 0, 0, at, MALFORMED
            first = text[at + 1]
            role = 1 if first == LETTER_P else 2 if first == LETTER_S else 0
            at = _after_cell(text, at)
            if at < 0:
                return 0, 0, 0, MALFORMED
            at = _after_space(text, at)
            if not _is(text, at, COLON):
                return 0, 0, at, MALFORMED
            at = _after_space(text, at + 1)
        if role == 0:
            at = _after_cell(text, at)
            if at < 0:
                return 0, 0, 0, MALFORMED
        else:
            value, at, code = _number(text, at, terms[2 * role - 2], terms[2 * role - 1])
            if code != FRESH:
                return 0, 0, at, code
            if role == 1:
                price = value
            else:
                size = value
            seen += role
        cell += 1
        at = _after_space(text, at)
        if _is(text, at, closing):
            break
        if not _is(text, at, COMMA):
            return 0, 0, at, MALFORMED
    wrong = seen != 3 or size < 0 or (not named and cell != layout[2])
    return price, size, at + 1, MALFORMED if wrong else FRESH


@exact_inline
def _side(text: Any, side: int, book: Any, state: Any) -> tuple[int, int]:
    """The new count of a side, 0 the bids and 1 the asks, after all levels of a text; a code."""
    keys, sizes, count, sign = book[2 * side], book[2 * side + 1], state[side], 1 - 2 * side
    terms, layout = state[2:6], state[6:9]
    at = _after_space(text, 0)
    if not _is(text, at, OPEN):
        return count, MALFORMED
    at = _after_space(text, at + 1)
    if _is(text, at, CLOSE):
        return count, FRESH if _after_space(text, at + 1) == len(text) else MALFORMED
    while True:
        price, size, at, code = _cells(text, at, layout, terms)
        if code != FRESH:
            return count, code
        count = _put(keys, sizes, count, sign * price, size)
        if count < 0:
            return 0, FULL
        at = _after_space(text, at)
        if _is(text, at, CLOSE):
            return count, FRESH if _after_space(text, at + 1) == len(text) else MALFORMED
        if not _is(text, at, COMMA):
            return count, MALFORMED
        at = _after_space(text, at + 1)


@exact_kernel
def put_levels(bids: Any, asks: Any, book: Any) -> Any:
    """Put levels of both sides; a size of 0 takes one away.

    Args: the two texts as bytes; `book`, five rows of integers: keys and sizes of the bids, keys
    and sizes of the asks, and a state. The state is two counts, decimals and step of price and of
    size, the cells of a level that hold price and size, and how many cells it has.
    Returns: a code, then price and size of the best bid and of the best ask, in ticks and lots; 0
    and 0 for an empty side.
    """
    state = book[4]
    state[0], code = _side(bids, 0, book, state)
    if code == FRESH:
        state[1], code = _side(asks, 1, book, state)
    bid = bid_size = ask = ask_size = 0
    if state[0] > 0:
        bid, bid_size = book[0, state[0] - 1], book[1, state[0] - 1]
    if state[1] > 0:
        ask, ask_size = -book[2, state[1] - 1], book[3, state[1] - 1]
    if code == FRESH and state[0] > 0 and state[1] > 0 and bid >= ask:
        code = CROSSED
    return code, bid, bid_size, ask, ask_size
