# SPDX-License-Identifier: Apache-2.0
"""Every parser ends at a value or in a named error, whatever bytes it meets.

Each input has a number, from which alone it is drawn: the parser's name and that number stand on
every failure. `make soak` draws a million others, or as many as its minutes allow.
"""

from __future__ import annotations

import random
import resource
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from tests.fuzz.hanging import no_hang
from tests.fuzz.mutations import mutated, noise
from tests.fuzz.parsers import PARSERS
from tests.soak import Budget

Draw = Callable[[random.Random, Sequence[bytes]], bytes]
DRAWS: dict[str, Draw] = {"mutated": mutated, "noise": noise}
INPUTS, SOAK_INPUTS = 10_000, 1_000_000
MEMORY_KB_MAX = 400_000  # which all inputs of a parser together may add to the process


def fed(name: str, how: str, numbers: Iterable[int], folder: Path) -> int:
    """Feed the inputs of these numbers; how many were refused."""
    parser, refused = PARSERS[name], 0
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in numbers:
        content = DRAWS[how](random.Random(f"{name}/{how}/{number}"), parser.seeds)
        try:
            with no_hang():
                parser.feed(content, folder)
        except parser.refusals:
            refused += 1
        except BaseException as error:
            error.add_note(f"{name}, {how}, input {number}: {content[:300]!r}")
            raise
    after_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after_kb - before_kb < MEMORY_KB_MAX, (name, how)
    return refused


def share(total: int, name: str) -> range:
    """The numbers of a parser's inputs by each draw."""
    weights = sum(parser.weight for parser in PARSERS.values())
    return range(-(-total * PARSERS[name].weight // (weights * len(DRAWS))))


# A payload is read as a header, which the seeds of other kinds are not.
@pytest.mark.parametrize("name", sorted(PARSERS.keys() - {"payload"}))
def test_valid_inputs_of_a_parser_are_taken(name: str, tmp_path: Path) -> None:
    for content in PARSERS[name].seeds:
        PARSERS[name].feed(content, tmp_path)


@pytest.mark.parametrize("how", DRAWS)
@pytest.mark.parametrize("name", PARSERS)
def test_parser_fed_with_bad_input_ends_in_a_value_or_a_named_error(
    name: str, how: str, tmp_path: Path
) -> None:
    fed(name, how, share(INPUTS, name), tmp_path)


@pytest.mark.soak(promise="R23", weight=4)
def test_fresh_inputs_of_every_parser_end_in_a_value_or_a_named_error(
    budget: Budget, tmp_path: Path
) -> None:
    turns = [(name, how) for name in PARSERS for _ in range(PARSERS[name].weight) for how in DRAWS]
    budget.each(
        "input", lambda n: fed(*turns[n % len(turns)], (n // len(turns),), tmp_path), SOAK_INPUTS
    )
