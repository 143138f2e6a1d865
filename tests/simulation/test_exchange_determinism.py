# SPDX-License-Identifier: Apache-2.0
"""The same seed gives the same events, in any process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def digests() -> dict[tuple[str, str], str]:
    """Hashes of all events by (hash seed of the process, seed of the exchange)."""
    return {(hashes, seed): played(hashes, seed) for hashes, seed in (("0", "5"), ("4242", "5"))}


def played(hash_seed: str, seed: str) -> str:
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)]),
    }
    command = [sys.executable, "-m", "tests.simulation.run_small_market", seed]
    done = subprocess.run(
        command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_same_seed_under_two_hash_seeds_gives_the_same_events(
    digests: dict[tuple[str, str], str],
) -> None:
    one, other = digests.values()
    assert one == other
    assert int(one.split()[1]) > 60


def test_another_seed_gives_other_events(digests: dict[tuple[str, str], str]) -> None:
    assert played("0", "6") != digests["0", "5"]
