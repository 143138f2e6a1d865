# SPDX-License-Identifier: Apache-2.0
"""Each decision of an outbox beside its twin, and what its journal refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.venues.vault.chain_model import ADDRESS, START_S, ChainModel, KnownKey, run
from tidegate.model.errors import InputError, InvariantError
from tidegate.venues.vault.outbox import (
    Attempt,
    Call,
    Entry,
    Fees,
    Outbox,
    Receipt,
    Resend,
    Sight,
    Sign,
    Stage,
    Terms,
    Turn,
    Wait,
    decide,
)
from tidegate.venues.vault.outbox_log import OutboxLog
from tidegate.venues.vault.sender import Sender

TERMS = Terms(fee_ceiling_wei=1_000, gas_ceiling=10**6, tip_wei=8)
CALL = Call("call", "0xbb", "0x01", 10**5, START_S + 600)
FIRST = Attempt("0xaa", "raw", Fees(208, 8), at_block=10)
SENT = Entry(CALL, Stage.SENT, nonce=7, attempts=(FIRST,))
SIGHT = Sight(11, START_S, 100, nonce=7, settled_nonce=7, pooled=frozenset(("0xaa",)))


def test_first_attempt_leaves_room_for_the_base_fee_to_double() -> None:
    assert decide(Entry(CALL), SIGHT, TERMS) == Sign(7, Fees(208, 8))


def test_first_attempt_waits_while_gas_is_above_the_ceiling() -> None:
    dear = replace(SIGHT, base_fee_wei=50 * 100)
    assert decide(Entry(CALL), dear, TERMS) == Wait("gas is above the ceiling")


def test_first_attempt_that_needs_more_gas_than_the_ceiling_is_refused() -> None:
    step = decide(Entry(replace(CALL, gas=10**6 + 1)), SIGHT, TERMS)
    assert isinstance(step, Turn)
    assert step.stage is Stage.REFUSED


def test_call_that_would_revert_is_refused_with_its_reason_before_anything_is_sent() -> None:
    step = decide(Entry(CALL), replace(SIGHT, refusal="policy: venue cap"), TERMS)
    assert step == Turn(Stage.REFUSED, reason="policy: venue cap")


def test_attempt_in_the_pool_waits_for_its_patience_and_is_then_replaced_at_a_higher_fee() -> None:
    assert isinstance(decide(SENT, SIGHT, TERMS), Wait)
    step = decide(SENT, replace(SIGHT, block_number=13), TERMS)
    assert step == Sign(7, Fees(234, 9))
    assert Fees(234, 9).max_fee_wei >= 208 * 1.125


def test_replacement_never_pays_more_than_the_ceiling() -> None:
    stuck = replace(SENT, attempts=(replace(FIRST, fees=Fees(950, 8)),))
    assert isinstance(decide(stuck, replace(SIGHT, block_number=13), TERMS), Wait)


def test_dropped_attempt_is_sent_again_as_it_was() -> None:
    assert decide(SENT, replace(SIGHT, pooled=frozenset()), TERMS) == Resend(FIRST)


def test_dropped_attempt_that_would_revert_now_is_cancelled_and_not_sent_again() -> None:
    step = decide(SENT, replace(SIGHT, pooled=frozenset(), refusal="vault: paused"), TERMS)
    assert step == Sign(7, Fees(234, 9), cancels=True)


def test_attempt_past_its_deadline_is_cancelled_under_its_own_nonce() -> None:
    step = decide(SENT, replace(SIGHT, ts_s=START_S + 601), TERMS)
    assert step == Sign(7, Fees(234, 9), cancels=True)


def test_nonce_used_by_another_transaction_displaces_the_call_only_once_that_is_settled() -> None:
    taken = replace(SIGHT, nonce=8, pooled=frozenset())
    assert isinstance(decide(SENT, taken, TERMS), Wait)
    step = decide(SENT, replace(taken, settled_nonce=8), TERMS)
    assert isinstance(step, Turn)
    assert step.stage is Stage.DISPLACED


def test_settled_nonce_displaces_nothing_that_the_node_knows_though_it_has_no_receipt() -> None:
    settled = replace(SIGHT, nonce=8, settled_nonce=8)
    assert isinstance(decide(SENT, settled, TERMS), Wait)


def test_node_that_is_behind_what_was_settled_gets_nothing_to_send(tmp_path: Path) -> None:
    log, chain = OutboxLog(tmp_path / "outbox", 1, ADDRESS), ChainModel()
    sender = Sender(log, KnownKey(), chain, TERMS)
    sender.queue(CALL)
    for _ in range(8):
        run(sender.step())
        chain.mine()
    assert sender.entry("call").stage is Stage.DONE
    chain.reorganise(8, forget=True)
    sender.queue(replace(CALL, id="next", data="0x02"))
    progress = run(sender.step())
    assert progress.step == Wait("the node is behind what was settled")
    assert chain.pool == {}
    log.close()


def test_receipt_is_believed_for_good_only_when_enough_blocks_stand_on_it() -> None:
    receipt = Receipt("0xaa", 11, "0xb11", True)
    seen = replace(SIGHT, receipt=receipt, nonce=8)
    assert decide(SENT, seen, TERMS) == Turn(Stage.INCLUDED, receipt)
    included = replace(SENT, stage=Stage.INCLUDED, receipt=receipt)
    assert isinstance(decide(included, replace(seen, block_number=13), TERMS), Wait)
    deep = replace(seen, block_number=14)
    assert decide(included, deep, TERMS) == Turn(Stage.DONE, receipt)


def test_reverted_receipt_is_an_end_of_its_own() -> None:
    receipt = Receipt("0xaa", 11, "0xb11", False)
    included = replace(SENT, stage=Stage.INCLUDED, receipt=receipt)
    assert included.inclusion_blocks == 1
    deep = replace(SIGHT, receipt=receipt, nonce=8, block_number=14, refusal="vault: nonce")
    assert decide(included, deep, TERMS) == Turn(Stage.REVERTED, receipt, "vault: nonce")


def test_included_call_whose_receipt_is_gone_is_open_again() -> None:
    included = replace(SENT, stage=Stage.INCLUDED, receipt=Receipt("0xaa", 11, "0xb11", True))
    assert decide(included, SIGHT, TERMS) == Turn(Stage.SENT, reason="reorganised")


def test_nonce_of_another_call_stops_the_outbox() -> None:
    outbox = Outbox().queued(CALL).queued(replace(CALL, id="other"))
    outbox = outbox.attempted("call", 7, FIRST)
    with pytest.raises(InvariantError, match="nonce 7 belongs to another call"):
        outbox.attempted("other", 7, replace(FIRST, hash="0xcc"))


def test_ended_call_takes_no_further_turn() -> None:
    outbox = Outbox().queued(CALL).turned("call", Turn(Stage.REFUSED))
    with pytest.raises(InvariantError, match="cannot be sent after refused"):
        outbox.turned("call", Turn(Stage.SENT))


def test_id_that_comes_twice_changes_nothing_and_with_another_call_stops_the_outbox() -> None:
    outbox = Outbox().queued(CALL)
    assert outbox.queued(CALL) is outbox
    with pytest.raises(InvariantError, match="names another call"):
        outbox.queued(replace(CALL, data="0x02"))


def test_journal_read_again_gives_the_same_outbox(tmp_path: Path) -> None:
    log, chain = OutboxLog(tmp_path / "outbox", 1, ADDRESS), ChainModel()
    sender = Sender(log, KnownKey(), chain, TERMS)
    sender.queue(CALL)
    for _ in range(8):
        run(sender.step())
        chain.mine()
    log.close()
    again = OutboxLog(tmp_path / "outbox", 1, ADDRESS)
    assert again.outbox == log.outbox
    assert again.outbox.entries["call"].stage is Stage.DONE
    again.close()


def test_journal_has_one_writer(tmp_path: Path) -> None:
    first = OutboxLog(tmp_path / "outbox", 1, ADDRESS)
    with pytest.raises(InputError, match="expected no other writer"):
        OutboxLog(tmp_path / "outbox", 1, ADDRESS)
    first.close()


@pytest.mark.parametrize(("chain_id", "address"), [(2, ADDRESS), (1, "0x" + "00" * 20)])
def test_journal_of_another_key_or_chain_is_refused(
    tmp_path: Path, chain_id: int, address: str
) -> None:
    OutboxLog(tmp_path / "outbox", 1, ADDRESS).close()
    with pytest.raises(InputError, match="expected the outbox of this key on this chain"):
        OutboxLog(tmp_path / "outbox", chain_id, address)
