# SPDX-License-Identifier: Apache-2.0
"""What a new process knows of a journal: the memory, the quotes, the mandate and the run."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.engine.scripted_cycle import scene
from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, BETA_ETH
from tidegate.engine.memory import Memory, Tally
from tidegate.engine.record_frames import conclude, open_record
from tidegate.engine.restart import (
    MANDATE_CHANGED,
    RESTARTED,
    MandateFold,
    MemoryFold,
    Restarted,
    Resumed,
    resume,
)
from tidegate.execution.record import Record
from tidegate.journal.frames import Frame
from tidegate.journal.reader import read_content
from tidegate.journal.writer import Journal, encode_payload
from tidegate.model.errors import InputError
from tidegate.model.events import Deposited, Filled
from tidegate.model.units import MICRO

KEPT = Memory(peak_micro=7, awaits_growth=False, tally=Tally(3, 2, 1, 1))


def frame(kind: str, payload: object) -> Frame:
    return Frame(0, 0, b"", kind, encode_payload(payload), b"")


def folded(*frames: tuple[str, object]) -> MemoryFold:
    fold = MemoryFold()
    for kind, payload in frames:
        fold.take(frame(kind, payload))
    return fold


@pytest.mark.parametrize("curable", [True, False])
def test_refusal_after_the_last_decision_pauses_growth_only_where_it_lasts(curable: bool) -> None:
    refused = {"ts_ms": 9, "breaches": [], "curable": curable}
    found = folded(("decision", {"memory": KEPT}), ("refused", refused)).restarted()
    assert found == KEPT.refused(9, curable).stopped()
    assert (found.refused_ms == 9) == (not curable)


def test_new_process_awaits_what_was_under_way_and_takes_up_the_memory_of_the_one_before() -> None:
    again = KEPT.changed(peak_micro=11)
    found = folded(("decision", {"memory": KEPT}), (RESTARTED, Restarted(5, again))).restarted()
    assert found == again.changed(awaits_growth=True)


def test_peak_is_that_of_the_last_decision_though_it_was_higher_before() -> None:
    """Money was taken out between the two."""
    decided = [("decision", {"memory": KEPT.changed(peak_micro=peak)}) for peak in (90, 40)]
    assert folded(*decided).restarted().peak_micro == 40


def test_quotes_are_those_of_the_last_sight_with_the_columns_that_it_did_not_say_again() -> None:
    made = scene()
    made.at(0)
    made.market.price("BTC", 1.5)
    made.market.quotes[BETA_ETH] = msgspec.structs.replace(
        made.market.quotes[BETA_ETH], volume_day_usd=7.0, half_spread=0.0
    )
    for hour in (1, 2):
        made.at(3_600 * hour)
    fold = MemoryFold()
    for taken in read_content(made.record.journal.content()):  # type: ignore[attr-defined]
        fold.take(taken)
    assert fold.quotes == made.cycle._quotes
    assert fold.quotes[ALPHA_BTC].ticks == round(1.5 * desk.MARKS[ALPHA_BTC])
    assert (fold.quotes[BETA_ETH].volume_day_usd, fold.quotes[BETA_ETH].half_spread) == (7.0, 0.0)


def made_record(journal: Journal, run: str = "") -> Record:
    prices = {"USDT": MICRO, "USDC": MICRO}
    return open_record(desk.INSTRUMENTS, prices, {"BTC": desk.VAULT_BTC}, journal, run)


@pytest.mark.parametrize("flow", [5 * MICRO, -2 * MICRO])
def test_capital_after_the_last_decision_moves_its_peak_once_and_nothing_else_does(
    flow: int,
) -> None:
    journal = Journal.in_memory({"book": "test"})
    record = made_record(journal)
    record.take([Deposited(1, "alpha", "USDT", 100 * MICRO)])
    record.note("decision", {"memory": KEPT.changed(peak_micro=50)})
    ticks = desk.MARKS[ALPHA_BTC]
    fill = Filled(2, ALPHA_BTC, 1, ticks, ticks - 5, 3, 0, 0, "capital", "order")
    record.take([fill])
    record.take([Deposited(2, "beta", "USDC", flow), Deposited(2, "alpha", "USDT", 1)])
    fold = MemoryFold()
    for taken in read_content(journal.content()):
        fold.take(taken)
    assert fold.restarted().peak_micro == 50 + flow + 1


NAMES = ("header", "approved", MANDATE_CHANGED)


@pytest.mark.parametrize("kind", NAMES)
def test_mandate_is_the_one_that_was_named_last_whichever_frame_names_it(kind: str) -> None:
    fold = MandateFold()
    fold.take(frame("header", {"mandate": "first"}))
    fold.take(frame(kind, {"mandate": "second"}))
    fold.take(frame("approved", {"id": "1.0"}))
    fold.take(frame("decision", {"mandate": "no matter"}))
    assert fold.version == "second"


def resumed(
    mandate: str | None, by: str, header: dict[str, Any], now_ms: int = 9
) -> tuple[Resumed, list[dict[str, Any]]]:
    """Go on from a journal of one deposit at time 7, and the frames that this writes."""
    source = Journal.in_memory(header)
    made_record(source, "r.").take([Deposited(7, "alpha", "USDT", MICRO)])
    target = Journal.in_memory({"book": "test"})
    found = resume(read_content(source.content()), target, now_ms, mandate, by)
    frames = [{"kind": f.kind, **f.value()} for f in read_content(target.content())][1:]
    return found, frames


@pytest.mark.parametrize(
    ("mandate", "by", "header", "told", "known"),
    [
        (None, "", {}, [], None),
        (None, "", {"mandate": "old"}, [], "old"),
        ("new", "", {}, [], "new"),
        ("new", "owner", {}, [], "new"),
        ("old", "owner", {"mandate": "old"}, [], "old"),
        ("new", "owner", {"mandate": "old"}, ["new by owner"], "new"),
    ],
)
def test_change_of_mandate_is_told_where_another_was_in_force(
    mandate: str | None, by: str, header: dict[str, str], told: list[str], known: str | None
) -> None:
    found, frames = resumed(mandate, by, header)
    assert found.mandate == known
    said = [f"{f['mandate']} by {f['who']}" for f in frames if f["kind"] == MANDATE_CHANGED]
    assert said == told
    assert frames[0]["kind"] == RESTARTED


def test_change_of_mandate_that_nobody_answers_for_is_refused() -> None:
    with pytest.raises(InputError, match="expected old"):
        resumed("new", "", {"mandate": "old"})


@pytest.mark.parametrize(("now_ms", "at_ms"), [(9, 9), (5, 7)])
def test_clock_that_was_set_back_does_not_turn_the_journals_time(now_ms: int, at_ms: int) -> None:
    found, (said,) = resumed(None, "", {}, now_ms)
    assert said["ts_ms"] == at_ms
    assert found.record.run == "r."
    assert found.record.ledger.wallet("alpha", "USDT") == MICRO


def test_result_states_what_was_counted_and_what_the_book_came_to() -> None:
    journal = Journal.in_memory({"book": "test"})
    record = made_record(journal)
    record.take([Deposited(3, "alpha", "USDT", 10 * MICRO)])
    ticks = desk.MARKS[ALPHA_BTC]
    record.take([Filled(4, ALPHA_BTC, 1, ticks, ticks, 2 * MICRO, 0, 0, "o", "order")])
    conclude(record, Tally(decisions=5, solves=4, refusals=3, failures=2))
    *_, last = read_content(journal.content())
    assert last.value() == {
        "ts_ms": 4,
        "equity_start_micro": 10 * MICRO,
        "equity_end_micro": 8 * MICRO,
        "waterfall": {"capital": 10 * MICRO, "fees": -2 * MICRO},
        "decisions": 5,
        "solves": 4,
        "refusals": 3,
    }
