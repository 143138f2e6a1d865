# SPDX-License-Identifier: Apache-2.0
"""When to act: a book that follows its last plan is held, and each trigger ends that."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.ended import Run, runner
from tests.engine.plan.plain_books import (
    book_values,
    decided,
    liquid,
    mandate_text,
    read,
    set_balance,
    set_carry,
)
from tests.engine.plan.synthetic_history import history
from tidegate.allocation.joint.question import Answer, Question
from tidegate.engine.plan.asking import ask
from tidegate.engine.plan.collateral_levels import level_of
from tidegate.engine.plan.deciding import Decision, Outcome, decide, fast
from tidegate.engine.plan.document import PlanDocument
from tidegate.engine.plan.last_plan import LastPlan, last_of
from tidegate.engine.plan.levels import worst_move
from tidegate.engine.plan.moves import Move, moved
from tidegate.engine.plan.price_room import price_watches
from tidegate.engine.plan.proving import Proof
from tidegate.engine.plan.reasons import document
from tidegate.engine.plan.watching import watched
from tidegate.model.times import parse_time_ms

Values = dict[str, Any]
TEXT = mandate_text(options=False)


def carried_out(values: Values, decision: Decision) -> Values:
    """The book's file once the plan is done, at the same prices."""
    place, lots = 0, decision.changed.lots
    for account in values["accounts"]:
        for row in account["positions"]:
            size = int(lots.target[place]) * float(row["lot"])
            row.update(size=f"{size:.8f}", entry=row["mark"], funding="0")
            place += 1
    return values


class Followed:
    """A book that has followed its plan, and that plan; both are made once."""

    def __init__(self, folder: Path) -> None:
        values = book_values(liquid, options=False)
        self.first = decided(folder, values, TEXT)
        found = document(self.first, "mandate.toml")
        self.document = found
        self.last = last_of(found, "plan.json", parse_time_ms(found.as_of, "", ""))
        self.text = json.dumps(carried_out(values, self.first))

    def values(self) -> Values:
        found: Values = json.loads(self.text)
        return found


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    return Followed(tmp_path_factory.mktemp("followed"))


def kinds(decision: Decision) -> set[str]:
    """What triggered."""
    assert decision.seen is not None
    return {each.kind for each in decision.seen.triggers}


def again(folder: Path, values: Values, last: LastPlan, text: str = TEXT) -> tuple[Decision, int]:
    """The next decision, and how often it solved."""
    asked: list[Question] = []

    def counting(question: Question) -> Answer:
        asked.append(question)
        return fast(question)

    return decide(*read(folder, values, text), counting, last), len(asked)


def test_book_that_follows_its_last_plan_is_held_and_nothing_is_solved(
    followed: Followed, tmp_path: Path
) -> None:
    assert followed.first.outcome is Outcome.PLAN
    decision, solved = again(tmp_path, followed.values(), followed.last)
    assert (decision.outcome, solved, kinds(decision)) == (Outcome.UNTRIGGERED, 0, set())
    assert not decision.negative
    assert decision.changed.empty
    found = document(decision, "mandate.toml")
    assert found.outcome == "hold"
    assert {each.venue for each in found.accounts if each.before.certificate == "proved"} == {
        "binance",
        "hyperliquid",
    }
    rooms = {(each.kind, each.where, each.coin): each.room for each in found.watches}
    for coin in ("BTC", "ETH"):
        assert ("drift", "", coin) in rooms or coin == "BTC"
        for venue in ("binance", "hyperliquid"):
            assert ("price up", venue, coin) in rooms
    assert all(room > 0.0 for room in rooms.values() if room is not None)


def poorer(venue: int, asset: str, amount: str) -> Callable[[Values], object]:
    return set_balance(venue, asset, amount)


def _scaled(share: float) -> Callable[[Values], None]:
    """Both ETH legs changed by a share of what is held."""

    def change(values: Values) -> None:
        for account in values["accounts"]:
            row = account["positions"][1]
            row["size"] = f"{round(float(row['size']) * (1.0 + share), 3):.3f}"

    return change


def _route(**fields: object) -> Callable[[Values], None]:
    return lambda values: values["routes"][0].update(fields)


def _closing(minutes: int) -> Callable[[Values], None]:
    return _route(closes_at=f"2026-11-20T{8 + minutes // 60:02d}:{minutes % 60:02d}Z")


def _half_edge(values: Values) -> None:
    del values["edges"]["binance:BTCUSDT"]


# The plan means to hold 1.58 million of ETH a leg and has 1.30 now; the band is 325,000. A deal on
# Hyperliquid costs 5.5 bp, which a change of 2 % a year pays within ten days.
CASES: list[tuple[str, Callable[[Values], object], set[str]]] = [
    ("legs a hundredth too small", _scaled(-0.01), set()),
    ("legs a tenth too small", _scaled(-0.1), {"drift"}),
    ("edge moved by 1 %", set_carry("hyperliquid:ETH", "-0.17"), set()),
    ("edge moved by 4 %", set_carry("hyperliquid:ETH", "-0.20"), {"edge"}),
    ("edge not known any more", _half_edge, {"edge"}),
    ("route that closes in an hour and more", _closing(90), set()),
    ("route that closes within the hour", _closing(30), {"route"}),
    ("route that has closed", _route(frozen=True), {"route"}),
]


@pytest.mark.parametrize(("change", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_each_change_triggers_what_it_is_and_its_twin_does_not(
    change: Callable[[Values], object], expected: set[str], followed: Followed, tmp_path: Path
) -> None:
    values = followed.values()
    change(values)
    decision, solved = again(tmp_path, values, followed.last)
    assert kinds(decision) == expected
    assert (decision.outcome is Outcome.UNTRIGGERED) == (not expected)
    assert bool(solved) == bool(expected)


def test_leg_that_is_left_alone_triggers_by_its_limit(followed: Followed, tmp_path: Path) -> None:
    values = followed.values()
    values["accounts"][0]["positions"][0]["size"] = "1"
    assert {"limit"} <= kinds(again(tmp_path, values, followed.last)[0])


def test_other_mandate_and_negative_answer_trigger(followed: Followed, tmp_path: Path) -> None:
    other = mandate_text(("gross_leverage = 6", "gross_leverage = 7"), options=False)
    assert kinds(again(tmp_path, followed.values(), followed.last, other)[0]) == {"mandate"}
    bad = replace(followed.last, negative=True)
    assert kinds(again(tmp_path, followed.values(), bad)[0]) == {"last plan"}


@pytest.mark.parametrize(
    ("wallet", "expected"), [("330000", set()), ("240000", {"stress 1"}), ("90000", {"stress 2"})]
)
def test_account_that_is_drained_triggers_at_its_stress_level(
    wallet: str, expected: set[str], followed: Followed, tmp_path: Path
) -> None:
    """1.3 million of ETH short lose 260,000 at the outer move and 156,000 at the inner one."""
    values = followed.values()
    poorer(0, "USDT", wallet)(values)
    found = kinds(again(tmp_path, values, followed.last)[0])
    # So little equity is also beyond the gross leverage that the mandate allows.
    assert found - {"limit"} == (expected | {"collateral"} if expected else set())


def seen_kinds(folder: Path, values: Values, text: str) -> set[str]:
    """What triggers in a book whose last plan knew nothing of it."""
    asked = ask(*read(folder, values, text))
    last = LastPlan("plan.json", asked.book.ts_ms, "", False, {}, {}, frozenset())
    before = {each.venue: Proof(each.venue, None, "not asked") for each in asked.accounts}
    return {each.kind for each in watched(asked, before, last).triggers}


def test_expiry_before_the_next_look_and_the_time_to_unwind_triggers(tmp_path: Path) -> None:
    """The options expire 35 days and 0 hours from now."""
    for ahead, expected in ((35 * 86_400 - 3_601, False), (35 * 86_400 - 3_600, True)):
        swap = ("unwind_before_expiry_s = 86_400", f"unwind_before_expiry_s = {ahead}")
        found = seen_kinds(tmp_path, book_values(), mandate_text(swap))
        assert ("expiry" in found) == expected


def test_profit_of_a_session_triggers_before_it_becomes_cash(tmp_path: Path) -> None:
    """A tenth of a bitcoin is 6,000 USD, and the least transfer 5,000."""
    for profit, time, expected in (
        ("0.1", "2026-11-20T07:30Z", True),
        ("0.1", "2026-11-20T08:30Z", False),
        ("0.01", "2026-11-20T07:30Z", False),
    ):
        values = book_values()
        values["accounts"][2]["realised"]["BTC"] = profit
        values["as_of"] = time
        assert ("settlement" in seen_kinds(tmp_path, values, mandate_text())) == expected


def test_idle_money_triggers_only_where_it_earns_more_elsewhere(
    followed: Followed, tmp_path: Path
) -> None:
    values = followed.values()
    poorer(0, "USDT", "900000")(values)
    text = mandate_text(("claim_cap = 0.6", "claim_cap = 1.0"), options=False)
    last = replace(followed.last, mandate_version=read(tmp_path, values, text)[1].mandate.version)
    assert kinds(again(tmp_path, values, last, text)[0]) == set()
    values["yields"] = {"hyperliquid": "0.02"}
    assert kinds(again(tmp_path, values, last, text)[0]) == {"surplus"}


# Levels.


def test_least_collateral_is_the_fall_of_the_outer_stress_or_of_the_tail(tmp_path: Path) -> None:
    """8 BTC short against 15 % and the venue's half per cent: 480,000 x (0.15 + 1.15 x 0.005), and
    maintenance of 0.5 % on what is above."""
    values = book_values(options=False)
    asked = ask(*read(tmp_path, values, TEXT))
    plain = level_of(asked, asked.accounts[0])
    notional = 480_000 * 1.15 * 1.005
    loss = notional - 480_000
    margin = 0.005 * notional - 300 - (0.005 * 480_000 - 300)
    assert plain.least_usd == pytest.approx(loss + margin, rel=1e-3)
    assert plain.set_by.startswith("outer stress")
    values["history"] = history(3, vol=0.02, gap=0.3)
    asked = ask(*read(tmp_path, values, TEXT))
    wild = level_of(asked, asked.accounts[0])
    assert wild.set_by == "tail of the history"
    assert wild.least_usd > plain.least_usd


def test_tail_without_a_history_is_wider_where_money_is_slower(tmp_path: Path) -> None:
    calm = mandate_text(("BTC = 0.15, ETH = 0.20", "BTC = 0.02, ETH = 0.02"), options=False)
    calm = calm.replace("BTC = 0.08, ETH = 0.12", "BTC = 0.01, ETH = 0.01")
    found = []
    for seconds in (1_500, 90_000):
        values = book_values(options=False)
        values["routes"][1]["latency_p95_s"] = seconds
        asked = ask(*read(tmp_path, values, calm))
        level = level_of(asked, asked.accounts[0])
        assert level.set_by.startswith("tail of a diffusion")
        found.append(level.least_usd)
    assert found[1] > 1.5 * found[0]


def test_account_below_its_least_is_filled_to_its_level(tmp_path: Path) -> None:
    """Health at the outer moves is then S less the fall to them, not just nought."""
    carry = [set_carry("binance:BTCUSDT", "-0.3"), set_carry("hyperliquid:BTC", "0.3")]
    values = book_values(liquid, *carry, set_balance(0, "USDT", "62000"), options=False)
    poorer(1, "USDC", "600000")(values)
    text = mandate_text(("claim_cap = 0.6", "claim_cap = 1.0"), options=False)
    decision = decided(tmp_path, values, text)
    asked = decision.asked
    level = level_of(asked, asked.accounts[0])
    assert level.fill_usd is not None
    assert level.health_usd < level.least_usd < level.fill_usd
    sent = sum(each.sent_usd - each.lost_usd for each in decision.changed.transfers)
    lots = decision.changed.lots
    assert not lots.traded[asked.members(asked.accounts[0])].any()
    assert sent == pytest.approx(level.short_usd, abs=150.0)
    assert sent > level.least_usd - level.health_usd + 1_000.0


@pytest.mark.parametrize("venue", ["binance", "hyperliquid", "deribit"])
def test_price_at_which_an_account_triggers_is_where_its_outer_stress_fails(
    venue: str, tmp_path: Path
) -> None:
    """Asked of the exact rule just before and just beyond."""
    poor = [set_balance(0, "USDT", "100000"), set_balance(1, "USDC", "100000")]
    options = venue == "deribit"
    poor += [set_balance(2, "BTC", "2")] if options else []
    values = book_values(*poor, options=options)
    book, terms = read(tmp_path, values, mandate_text(options=options))
    asked = ask(book, terms)
    account = book.accounts[venue]
    found = [w for w in price_watches(asked, (level_of(asked, account),)) if w.at is not None]
    assert found
    for line in found:
        assert line.at is not None
        for share, stands in ((0.98, True), (1.02, False)):
            market = moved(account, Move("", {line.coin: 1.0 + share * line.at}), terms.vol)
            there = replace(account, book=replace(account.book, market=market))
            short = worst_move(terms, there, terms.mandate.stress.outer)[0]
            assert (short == 0.0) == stands, line


# As a user meets it.


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(capsys, monkeypatch, "plan")


def files(folder: Path, followed: Followed) -> list[Any]:
    """Arguments for a book that has followed its plan."""
    (folder / "book.json").write_text(followed.text)
    (folder / "mandate.toml").write_text(TEXT)
    (folder / "plan.json").write_bytes(msgspec.json.encode(followed.document))
    return [folder / "mandate.toml", "--book", folder / "book.json", "--last", folder / "plan.json"]


def test_hold_is_said_in_words_and_json_with_the_distance_to_the_next_trigger(
    run: Run, followed: Followed, tmp_path: Path
) -> None:
    words = run(*files(tmp_path, followed))
    assert (words.status, words.err) == (0, "")
    assert words.out.startswith("HOLD, as nothing triggers")
    for text in ("next trigger", "fill to (S)", "price down", "drift"):
        assert text in words.out
    found = msgspec.json.decode(run(*files(tmp_path, followed), "--json").out, type=PlanDocument)
    assert (found.outcome, found.triggers) == ("hold", ())
    assert {each.venue for each in found.levels} == {"binance", "hyperliquid"}


def test_trigger_is_said_before_the_plan_that_it_makes(
    run: Run, followed: Followed, tmp_path: Path
) -> None:
    arguments = files(tmp_path, followed)
    values = followed.values()
    poorer(0, "USDT", "240000")(values)
    (tmp_path / "book.json").write_text(json.dumps(values))
    ended = run(*arguments)
    assert ended.status == 0
    assert "Triggered by stress 1, binance" in ended.out
    assert "Triggered by collateral, binance" in ended.out


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "plan.json: document: expected what `tidegate plan --json` prints"),
        ('{"schema": "x"}', "plan.json: document"),
        (None, "--last: expected a readable file"),
    ],
)
def test_last_plan_that_cannot_be_read_is_refused_in_one_line(
    content: str | None, expected: str, run: Run, followed: Followed, tmp_path: Path
) -> None:
    arguments = files(tmp_path, followed)
    path = tmp_path / "plan.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    ended = run(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert expected in ended.err


def test_last_plan_of_a_later_time_is_refused(run: Run, followed: Followed, tmp_path: Path) -> None:
    arguments = files(tmp_path, followed)
    later = msgspec.structs.replace(followed.document, as_of="2026-11-21T08:00Z")
    (tmp_path / "plan.json").write_bytes(msgspec.json.encode(later))
    assert "as_of: expected a time not after the book's" in run(*arguments).err
