# SPDX-License-Identifier: Apache-2.0
"""The vault's state machine, short in the tests and long in soak, and what it reached."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contracts.vault_machine import TALLY, VaultMachine

CHECKS_OFF = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
RULES = {
    *(
        "deposit",
        "mint",
        "transfer",
        "request",
        "fulfil",
        "leave",
        "unwinding",
        "claim",
        "round trip",
    ),
    *("rebalance", "sentinel", "keeper", "pause", "resume", "report"),
}


def run(examples: int, steps: int) -> None:
    TALLY.taken.clear()
    TALLY.refused.clear()
    given = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=CHECKS_OFF,
    )
    run_state_machine_as_test(VaultMachine, settings=given)
    print(f"taken {dict(TALLY.taken)}, refused {dict(TALLY.refused)}")
    assert RULES <= set(TALLY.taken), "every rule was taken at least once"
    assert TALLY.share_taken() >= 0.5


@pytest.mark.contracts
def test_vault_keeps_every_promise_in_256_random_lives_of_50_steps() -> None:
    run(256, 50)


@pytest.mark.contracts
@pytest.mark.soak
def test_vault_keeps_every_promise_in_375_random_lives_of_500_steps() -> None:
    run(375, 500)
