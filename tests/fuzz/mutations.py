# SPDX-License-Identifier: Apache-2.0
"""Inputs that a parser may meet: valid ones changed in their structure or bytes, and noise."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**30, 0.5, -0.0),
    *("", " ", "0", "-1", "1e400", "NaN", "Infinity", "\u0000", "é", "\u202e", "a" * 3_000),
    *([], {}, [[]], {"": None}, "../../x", "1970-01-01T00:00Z", "9999-12-31T23:59Z", "1e-30"),
)
TOKENS = (
    *(b"", b"\x00", b"\xff", b"\xed\xa0\x80", b"\r\n", b"\n\n", b'"', b"'''", b"\\", b"\\ud800"),
    *(b"{", b"}", b"[", b"]", b"[[", b"]]", b",", b":", b"=", b".", b"a." * 300, b"-", b"\xe2\x80"),
    *(b"[" * 3_000, b'{"a":' * 3_000, b"a={" * 900, b"9" * 5_000, b"1e999", b"inf", b"nan", b"-1"),
    *(b"null", b"true", b"0x", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"999999999999", b"#"),
)


def mutated(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A valid input with its values rearranged where it is JSON, its bytes changed, or both."""
    content = dice.choice(seeds)
    if dice.random() < 0.5 and (tree := _tree(content)) is not None:
        for _ in range(dice.randint(1, 3)):
            tree = _changed(dice, tree)
        content = json.dumps(tree, ensure_ascii=dice.random() < 0.5).encode("utf-8", "replace")
        if dice.random() < 0.7:
            return content
    for _ in range(1 + int(dice.expovariate(0.7))):
        content = _edited(dice, content, seeds)
    return content


def noise(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Random bytes: of all values, of printable letters, or a string of tokens."""
    size = int(dice.expovariate(1 / 200))
    match dice.randrange(3):
        case 0:
            return dice.randbytes(size)
        case 1:
            return bytes(dice.choices(range(9, 127), k=size))
        case _:
            return b"".join(dice.choices(TOKENS, k=dice.randint(1, 12)))


def _tree(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _changed(dice: random.Random, tree: Any) -> Any:
    """The value with one place in it replaced, left out, doubled or wrapped."""
    if isinstance(tree, dict) and tree and dice.random() < 0.9:
        key = dice.choice(list(tree))
        match dice.randrange(8):
            case 0:
                return {name: value for name, value in tree.items() if name != key}
            case 1:
                return {**tree, dice.choice(("x", "", "type", key + key)): tree[key]}
            case _:
                return {**tree, key: _changed(dice, tree[key])}
    if isinstance(tree, list) and tree and dice.random() < 0.9:
        index = dice.randrange(len(tree))
        match dice.randrange(8):
            case 0:
                return tree[:index] + tree[index + 1 :]
            case 1:
                return tree[: index + 1] + tree[index:]
            case _:
                return [*tree[:index], _changed(dice, tree[index]), *tree[index + 1 :]]
    return dice.choice((*ODD, [tree], {"x": tree}, str(tree)))


def _edited(dice: random.Random, content: bytes, seeds: Sequence[bytes]) -> bytes:
    start, end = sorted((dice.randint(0, len(content)), dice.randint(0, len(content))))
    match dice.randrange(7):
        case 0:
            return content[:start]
        case 1:
            return content[:start] + content[end:]
        case 2:
            return content[:end] + content[start:]
        case 3:
            return content[:start] + dice.choice(TOKENS) + content[start:]
        case 4:
            return content[:start] + dice.choice(TOKENS) + content[start + 4 :]
        case 5:
            return content[:start] + dice.choice(seeds)[start:]
        case _:
            flipped = bytearray(content)
            if flipped:
                flipped[min(start, len(flipped) - 1)] ^= 1 << dice.randrange(8)
            return bytes(flipped)
