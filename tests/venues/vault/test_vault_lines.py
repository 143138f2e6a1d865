# SPDX-License-Identifier: Apache-2.0
"""The vault's logs as lines of its venues: every unit that moves is told once, by its cause."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tidegate.ledger.book import Ledger
from tidegate.model.actions import Transfer
from tidegate.model.events import Deposited, TransferLanded, TransferSent, YieldAccrued
from tidegate.venues.vault.lines import VAULT, Line, Names, change, lines, marked
from tidegate.venues.vault.logs import Log

NAMES = Names({"0xA": "aave", "0xB": "lp"}, "USDC")
ROOT = "0x" + "0a" * 32
OTHER = "0x" + "0b" * 32
AT_S = dict.fromkeys(range(100), 1_800_000_000)
OUT = Transfer("t1", VAULT, "aave", "USDC", 400, "")
HOME = Transfer("t2", "aave", VAULT, "USDC", 400, "")
ACROSS = Transfer("t3", "aave", "lp", "USDC", 400, "")


def log(index: int, name: str, **args: Any) -> Log:
    return Log(name, 7, index, args)


def moved(index: int, adapter: str, delta: int) -> Log:
    return log(index, "VenueMoved", adapter=adapter, delta=delta)


def rebalanced(index: int, root: str = ROOT) -> Log:
    return log(index, "Rebalanced", snapshot=root, nonce=0, idle=0, values=())


def told(*logs: Log, transfer: Transfer = OUT) -> list[Line]:
    return list(lines(logs, AT_S, {ROOT: transfer}, NAMES))


def held(found: list[Line]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for line in found:
        sums[line.venue] = sums.get(line.venue, 0) + change(line.event, line.venue)
    return sums


def test_deposit_and_fulfilment_are_capital_that_comes_and_goes() -> None:
    found = told(log(1, "Deposit", assets=900), log(2, "Fulfilled", assets=300))
    events = [line.event for line in found]
    assert [(type(e), e.quanta) for e in events] == [(Deposited, 900), (Deposited, -300)]  # type: ignore[union-attr]
    assert held(found) == {VAULT: 600}


def test_order_of_ours_is_its_transfer_in_both_logs_under_its_id() -> None:
    sent, landed = told(moved(1, "0xA", 400), rebalanced(3))
    assert (sent.venue, landed.venue) == (VAULT, "aave")
    assert isinstance(sent.event, TransferSent)
    assert isinstance(landed.event, TransferLanded)
    assert sent.event.id == landed.event.id == "t1"
    assert held([sent, landed]) == {VAULT: -400, "aave": 400}


def test_homeward_order_that_brings_less_lost_it_on_the_way() -> None:
    found = told(moved(1, "0xA", -390), rebalanced(3), transfer=HOME)
    assert held(found) == {"aave": -400, VAULT: 390}


def test_order_across_takes_both_moves() -> None:
    found = told(moved(1, "0xA", -399), moved(2, "0xB", 395), rebalanced(4), transfer=ACROSS)
    assert held(found) == {"aave": -400, "lp": 395}


def test_move_before_an_order_in_the_same_block_is_not_taken_for_its_own() -> None:
    found = told(moved(1, "0xB", -50), moved(2, "0xA", 400), rebalanced(4))
    assert held(found) == {"lp": -50, VAULT: 50 - 400, "aave": 400}
    assert [type(line.event) for line in found].count(Deposited) == 2


def test_order_of_another_record_and_a_keepers_move_are_capital_that_changes_place() -> None:
    for logs in ([moved(1, "0xA", -70)], [moved(1, "0xA", -70), rebalanced(2, OTHER)]):
        found = told(*logs)
        assert held(found) == {"aave": -70, VAULT: 70}
        assert all(isinstance(line.event, Deposited) for line in found)


def test_mark_is_a_yield_and_a_loss_a_negative_one() -> None:
    line = marked("aave", (7, 1_800_000_000), -12, "USDC")
    assert isinstance(line.event, YieldAccrued)
    assert line.event.quanta == -12


MOVES = st.lists(
    st.tuples(st.sampled_from(["0xA", "0xB"]), st.integers(1, 10**6), st.booleans()), max_size=12
)


@given(MOVES)
def test_ledger_over_the_lines_of_any_moves_has_what_the_vault_has(moves: Any) -> None:
    """Whatever moved, and by whose order: idle money and adapters end as the chain has them, each
    line under a source of its own."""
    ledger = Ledger({}, {"USDC": 10**6}, {})
    deposit = 10**9
    logs, truth = [log(0, "Deposit", assets=deposit)], {VAULT: deposit, "aave": 0, "lp": 0}
    transfers = {}
    for number, (adapter, quanta, ours) in enumerate(moves, start=1):
        venue = NAMES.venues[adapter]
        home = truth[venue] >= quanta
        delta = -quanta if home else quanta
        logs.append(moved(2 * number, adapter, delta))
        if ours:
            root = "0x" + number.to_bytes(32, "big").hex()
            ends = (venue, VAULT) if home else (VAULT, venue)
            transfers[root] = Transfer(f"t{number}", *ends, "USDC", quanta, "")
            logs.append(rebalanced(2 * number + 1, root))
        truth[venue] += delta
        truth[VAULT] -= delta
    found = list(lines(logs, AT_S, transfers, NAMES))
    for line in found:
        ledger.post(line.event)
    assert {venue: ledger.wallet(venue, "USDC") for venue in truth} == truth
    assert len({(line.venue, line.source) for line in found}) == len(found)
    assert {venue: held(found).get(venue, 0) for venue in truth} == truth
