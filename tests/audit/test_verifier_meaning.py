# SPDX-License-Identifier: Apache-2.0
"""What the verifier recomputes from payloads: approvals, time, ledger and waterfall."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.audit import verifier, verify
from tidegate.journal import Journal

Entry = tuple[str, dict[str, object]]


def written(entries: list[Entry]) -> bytes:
    journal = Journal.in_memory({"book": "test"})
    for kind, payload in entries:
        journal.append(kind, payload)
    journal.seal()
    return journal.content()


def failed(entries: list[Entry]) -> dict[str, str]:
    checks = verify(written(entries))
    return {check.name: check.detail for check in checks if not check.passed}


def approved(**changes: object) -> Entry:
    return "approved", {"id": "a1", "content": "c1", "expires_ms": 2000, "ts_ms": 1000} | changes


def acted(kind: str = "submitted", **changes: object) -> Entry:
    return kind, {"approval": "a1", "content": "c1", "ts_ms": 1500} | changes


def without(entry: Entry, name: str) -> Entry:
    return entry[0], {key: value for key, value in entry[1].items() if key != name}


@pytest.mark.parametrize("kind", ["submitted", "sent"])
def test_action_within_its_approval_passes_to_the_millisecond(kind: str) -> None:
    for ts_ms in (1500, 2000):
        assert failed([approved(), acted(kind, ts_ms=ts_ms)]) == {}


@pytest.mark.parametrize("kind", ["submitted", "sent"])
@pytest.mark.parametrize(
    ("entries", "frame", "reason"),
    [
        ([acted()], 1, "not granted"),
        ([acted(ts_ms=900), approved()], 1, "not granted"),
        ([approved(), acted(approval="a2")], 2, "not granted"),
        ([approved(), acted(content="c2")], 2, "for this"),
        ([approved(), acted(ts_ms=2001)], 2, "expired"),
        ([approved(), acted(), acted()], 3, "was used"),
        ([approved(), approved(expires_ms=9000)], 2, "granted twice"),
        ([approved(), acted(), approved(ts_ms=1600)], 3, "granted twice"),
        ([approved(content="")], 1, "content"),
        ([approved(expires_ms=2e3)], 1, "expiry"),
    ],
)
def test_action_beyond_its_approval_fails_and_names_the_frame(
    kind: str, entries: list[Entry], frame: int, reason: str
) -> None:
    as_kind = [(kind if k == "submitted" else k, payload) for k, payload in entries]
    found = failed(as_kind)
    assert list(found) == ["approvals precede actions"]
    assert f"frame {frame} at byte" in found["approvals precede actions"]
    assert reason in found["approvals precede actions"]


@pytest.mark.parametrize(
    ("entries", "frame"),
    [
        ([without(approved(), "content"), without(acted(), "content")], 1),
        ([without(approved(), "id"), without(acted(), "approval")], 1),
        ([without(approved(), "expires_ms")], 1),
        ([approved(), without(acted(), "approval")], 2),
        ([approved(), without(acted(), "content")], 2),
        ([approved(), without(acted(), "ts_ms")], 2),
        ([approved(id=["a1"])], 1),
        ([("events", {"ts_ms": 1, "events": []})], 1),
        ([("events", {"postings": [["market/x", "USDC", -5, -5]], "events": []})], 1),
        ([("events", {"postings": [[7, "USDC", -5, -5, "fee"]], "events": []})], 1),
        ([("events", {"postings": [], "events": [{}]})], 1),
        ([("events", {"postings": [], "events": [7]})], 1),
        ([("checked", {"decision": 1})], 1),
        ([("checked", {"decision": 1, "checks": [["a", True, [["b", "c", None, 1]]]]})], 1),
        ([("result", {"waterfall": {}, "equity_end_micro": 0})], 1),
    ],
)
def test_payload_without_what_its_kind_must_hold_fails_the_structure(
    entries: list[Entry], frame: int
) -> None:
    assert f"frame {frame} at byte" in failed(entries)["structure"]


def test_two_actions_under_two_approvals_pass() -> None:
    entries = [approved(), approved(id="a2"), acted("sent", approval="a2"), acted()]
    assert failed(entries) == {}


@given(st.lists(st.integers(0, 50), max_size=12))
def test_time_passes_exactly_when_it_never_decreases(times: list[int]) -> None:
    entries: list[Entry] = [("market", {"ts_ms": ts_ms}) for ts_ms in times]
    found = failed(entries)
    falls = [n for n in range(1, len(times)) if times[n] < times[n - 1]]
    assert bool(found) == bool(falls)
    if falls:
        assert f"frame {falls[0] + 1} at byte" in found["time never runs back"]


@pytest.mark.parametrize("ts_ms", [-1, "5", 5.0, True, None])
def test_time_that_is_no_whole_millisecond_after_1970_fails(ts_ms: object) -> None:
    assert list(failed([("market", {"ts_ms": ts_ms})])) == ["time never runs back"]


def events(*postings: object, ts_ms: int = 1000) -> Entry:
    return "events", {"ts_ms": ts_ms, "events": [], "postings": list(postings)}


def moved(asset: str, quanta: int, value_micro: int, cause: str) -> tuple[list[object], ...]:
    ours: list[object] = ["own/x/wallet", asset, quanta, value_micro, cause]
    return ours, ["market/x", asset, -quanta, -value_micro, cause]


def test_ledger_that_sums_to_zero_in_every_frame_passes() -> None:
    assert failed([events(), events(*moved("USDC", 5, 5, "fee"))]) == {}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (["market/x", "USDC", -4, -5, "fee"], "'USDC' sum to 1"),
        (["market/x", "USDT", -5, -5, "fee"], "'USDC' sum to 5"),
        (["market/x", "USDC", -5, -4, "fee"], "micro sum to 1"),
        (["market/x", "USDC", -5.0, -5, "fee"], "'USDC' sum to 0.0"),
        (["market/x", ["USDC"], -5, -5, "fee"], "'USDC' sum to 5"),
    ],
)
def test_ledger_that_does_not_sum_to_zero_fails_and_names_the_frame(
    row: object, reason: str
) -> None:
    ours = moved("USDC", 5, 5, "fee")[0]
    found = failed([events(), events(ours, row)])["ledger sums to zero"]
    assert "frame 2 at byte" in found
    assert reason in found


def test_ledger_that_sums_to_zero_only_over_two_frames_fails() -> None:
    ours, theirs = moved("USDC", 5, 5, "fee")
    assert "ledger sums to zero" in failed([events(ours), events(theirs)])


def result(waterfall: object, start: object = 100, end: object = 112) -> Entry:
    stated = {"waterfall": waterfall, "equity_start_micro": start, "equity_end_micro": end}
    return "result", stated


RUN = [
    events(*moved("USDC", 100, 100, "capital")),
    events(*moved("USDC", 15, 15, "funding"), *moved("USDC", -2, -2, "fee")),
    events(*moved("USDC", -1, -1, "fee")),
]
TRUE = {"funding": 15, "fee": -3}


@pytest.mark.parametrize("extra", [{}, {"capital": 100}, {"borrow": 0}])
def test_waterfall_that_is_the_fold_of_the_postings_passes(extra: dict[str, int]) -> None:
    assert failed([*RUN, result(TRUE | extra)]) == {}


@pytest.mark.parametrize(
    "claim",
    [
        result(TRUE | {"fee": -2}),
        result(TRUE | {"fee": -2}, end=113),
        result({"funding": 15}),
        result({"funding": 15}, end=115),
        result({"funding": 12, "fee": 0}),
        result(TRUE | {"luck": 1}, end=113),
        result(TRUE | {"capital": 99}),
        result(TRUE | {"fee": -3.0}),
        result(TRUE | {"fee": None}),
        result(TRUE, end=113),
        result(TRUE, start=101, end=113),
        result(TRUE, end=112.0),
    ],
)
def test_waterfall_that_is_off_by_one_or_unreadable_fails(claim: Entry) -> None:
    found = failed([*RUN, claim])
    assert list(found) == ["waterfall equals equity"]
    assert "frame 4 at byte" in found["waterfall equals equity"]


def test_waterfall_counts_own_accounts_alone() -> None:
    inner = [["own/a", "USDC", 5, 5, "transfer"], ["own/b", "USDC", -5, -5, "transfer"]]
    other = [["owner/a", "USDC", 5, 5, "gift"], ["market/b", "USDC", -5, -5, "gift"]]
    assert failed([*RUN, events(*inner), events(*other), result(TRUE)]) == {}


def test_result_that_is_not_the_last_frame_before_the_seal_fails() -> None:
    found = failed([*RUN, result(TRUE), ("note", {})])
    assert "between the result and the seal" in found["waterfall equals equity"]


def test_figures_too_long_to_be_printed_fail_without_a_traceback() -> None:
    most = 10**4300 - 1
    assert len(str(most)) == 4300
    rows = [["own/a", "USDC", most, 0, "fee"], ["market/b", "USDC", most, 0, "fee"]]
    found = failed([events(*rows)])
    assert "frame 1 at byte" in found["structure"]
    assert len(found["structure"]) <= 240


def test_hostile_text_in_a_payload_is_printed_in_ascii_and_on_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = "\x1b[2J\nok   j: seal: head 00 \u202e"
    (tmp_path / "j").write_bytes(written([acted(approval=hostile)]))
    monkeypatch.setattr("sys.argv", ["verifier", str(tmp_path / "j")])
    assert verifier.main() == 1
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 14
    assert all(" " <= letter <= "~" for letter in printed.replace("\n", ""))
