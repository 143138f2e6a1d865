# SPDX-License-Identifier: Apache-2.0
"""A comparison times all who can run, lists all who cannot, and reports what it found."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.side_by_side.aims import aims, fastest
from benchmarks.side_by_side.comparing import Comparison, Row, Settings, compare
from benchmarks.side_by_side.entries import OURS, Entry, Prepared, Topic
from benchmarks.side_by_side.forced_target import serve
from benchmarks.side_by_side.report import Report, to_json, to_text
from benchmarks.side_by_side.timing import Run, Timing

SETTINGS = Settings(quick=True, rounds=5, least_s=1e-5)


def adds(things: int) -> Any:
    return lambda given: Prepared(lambda: [value + 1 for value in given], things)


def raises(given: Any) -> Prepared:
    raise OSError("no such symbol")


def judge(given: list[int], entry: Entry) -> dict[str, Any]:
    prepared = entry.prepare(given)
    return {"error": float(prepared.call()[0] - given[0] - 1)}


TOPIC = Topic(
    "adding",
    "Adding",
    "sums",
    "One more than each number.",
    (
        Entry("Tidegate", (OURS,), "All of them.", adds(3)),
        Entry("other", ("other",), "Less: no checks.", adds(3)),
        Entry("absent", ("gone",), "More: a rate.", adds(3)),
        Entry("broken", ("other",), "More: a rate.", raises),
        Entry("slow", ("other",), "More: a rate.", adds(3), slow=True),
    ),
    lambda quick: [1, 2, 3],
    judge,
    {"error": lambda errors: f"{errors['error']:.1f}"},
)
ABSENT = {"gone": "ModuleNotFoundError: No module named 'gone'"}


class FakeWorker:
    """Answers as a worker does, twice as slow as a second a call."""

    def ask(self, **request: Any) -> Any:
        return [2.0 * request["calls"], 2.0] if request["do"] == "time" else {"error": 0.5}


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(TOPIC, SETTINGS, ABSENT, None)


def report_of(comparison: Comparison) -> Report:
    machine = {
        "processor": "some",
        "family_model": ["1"],
        "architecture": "any",
        "cores": 1,
        "pinned_to_core": 0,
        "cache": "",
        "flags": [],
        "system": "any",
        "python": "3",
        "versions": {"numpy": "2"},
        "load_average": [0.0],
        "load_average_after": [0.0],
        "subnormals_kept": True,
    }
    peers = [{"name": "gone", "version": "", "licence": "MIT", "absent": ABSENT["gone"]}]
    return Report(machine, peers, SETTINGS, {}, {"adding": comparison}, {}, [])


def test_all_who_can_run_are_timed_in_the_same_rounds(comparison: Comparison) -> None:
    assert [row.name for row in comparison.rows] == ["Tidegate", "other"]
    assert {len(row.timing.runs) for row in comparison.rows} == {5}
    assert comparison.rows[0].times_slower == 1.0
    assert comparison.rows[1].per_second == 1.0 / comparison.rows[1].timing.median_s


def test_all_who_cannot_run_are_listed_with_their_reason(comparison: Comparison) -> None:
    assert comparison.left_out == {
        "absent": "gone: ModuleNotFoundError: No module named 'gone'",
        "broken": "raised OSError: no such symbol",
        "slow": "slow; not in the quick mode",
    }


def test_text_and_json_name_everyone_and_why_one_is_left_out(comparison: Comparison) -> None:
    report = report_of(comparison)
    for text in (to_text(report), to_json(report)):
        for entry in TOPIC.entries:
            assert entry.name in text
        assert text.count("No module named 'gone'") == 2
    rows = json.loads(to_json(report))["topics"][0]["rows"]
    assert [row["differs"] for row in rows] == ["All of them.", "Less: no checks."]
    assert all(row["rounds"] == 5 and row["per_second"] > 0.0 for row in rows)


def test_ours_that_raises_is_not_left_out() -> None:
    broken = replace(TOPIC, entries=(Entry("Tidegate", (OURS,), "All.", raises),))
    with pytest.raises(OSError, match="no such symbol"):
        compare(broken, SETTINGS, {}, None)


def test_ours_alone_is_measured_with_the_forced_target_too() -> None:
    worker: Any = FakeWorker()
    rows = compare(TOPIC, SETTINGS, ABSENT, worker).rows
    assert [row.name for row in rows] == ["Tidegate", "Tidegate, AVX2", "other"]
    assert rows[1].timing.median_s == 2.0 / 3
    assert rows[1].errors == {"error": 0.5}
    assert "AVX2" in rows[1].differs


def test_what_is_not_a_number_is_null_in_json(comparison: Comparison) -> None:
    odd = replace(comparison.rows[0], errors={"error": math.nan, "deep": [math.inf, 1.0]})
    report = report_of(replace(comparison, rows=(odd,)))
    found = json.loads(to_json(report))["topics"][0]["rows"][0]["errors"]
    assert found == {"error": None, "deep": [None, 1.0]}


def test_worker_answers_each_request_in_turn_and_says_what_went_wrong() -> None:
    requests = [
        {"do": "judge", "topic": "adding", "entry": "Tidegate"},
        {"do": "time", "topic": "adding", "entry": "Tidegate", "calls": 3},
        {"do": "time", "topic": "adding", "entry": "broken", "calls": 1},
    ]
    replies = io.StringIO()
    serve([json.dumps(request) for request in requests], replies, [TOPIC], quick=True)
    answers = [json.loads(line) for line in replies.getvalue().splitlines()]
    assert answers[0] == {"answer": {"error": 0.0}}
    assert len(answers[1]["answer"]) == 2
    assert answers[2] == {"error": "OSError: no such symbol"}


def test_worker_with_an_entry_that_prints_keeps_its_replies_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def prints(given: Any) -> Prepared:
        return Prepared(lambda: print("noise"), 1)

    loud = replace(TOPIC, entries=(Entry("Tidegate", (OURS,), "All.", prints),))
    replies, request = io.StringIO(), {"do": "time", "topic": "adding", "entry": "Tidegate"}
    serve([json.dumps({**request, "calls": 2})], replies, [loud], quick=True)
    assert len(replies.getvalue().splitlines()) == 1
    assert capsys.readouterr().err.count("noise") == 2


def row(name: str, peers: tuple[str, ...], seconds: float, **errors: Any) -> Row:
    given = {"max_error_generator": 1e-13, "not_a_number": 0, "hard_wrong": {"deep": 0}, **errors}
    timing = Timing(name, 1, 1, (Run(seconds, seconds),) * 5)
    return Row(name, peers, "", timing, seconds, given)


def volatility(*rows: Row) -> dict[str, Comparison]:
    key = "implied-vol"
    return {key: Comparison(replace(TOPIC, key=key, title="Vols"), rows, {})}


def test_fastest_accurate_peer_is_a_library_that_is_never_far_off() -> None:
    found = volatility(
        row("Tidegate", (OURS,), 1.0),
        row("by hand", ("numpy", "scipy"), 2.0),
        row("rough", ("rough",), 3.0, max_error_generator=1e-3),
        row("gaps", ("gaps",), 4.0, not_a_number=1),
        row("fragile", ("fragile",), 5.0, hard_wrong={"deep": 2}),
        row("sound", ("sound",), 9.0),
        row("slower", ("slower",), 10.0),
    )["implied-vol"]
    accurate, any_of_them = fastest(found, accurate=True), fastest(found, accurate=False)
    assert accurate is not None
    assert accurate.name == "sound"
    assert any_of_them is not None
    assert any_of_them.name == "rough"


@pytest.mark.parametrize(("seconds", "met"), [(8.0, (True, True)), (7.9, (False, True))])
def test_aim_is_met_from_eight_times_on_and_with_avx2_from_a_third_of_that(
    seconds: float, met: tuple[bool, bool]
) -> None:
    ours, forced = row("Tidegate", (OURS,), 1.0), row("Tidegate, AVX2", (OURS,), 2.0)
    found = aims(volatility(ours, forced, row("sound", ("sound",), seconds)), {})
    assert tuple(aim.met for aim in found) == met
    assert found[0].reached == f"{seconds:.1f} x sound"
    assert found[1].reached == f"{seconds / 2:.1f} x sound"


def test_aim_with_avx2_is_missed_below_a_third_of_eight_times() -> None:
    ours, forced = row("Tidegate", (OURS,), 1.0), row("Tidegate, AVX2", (OURS,), 4.0)
    found = aims(volatility(ours, forced, row("sound", ("sound",), 10.0)), {})
    assert [aim.met for aim in found] == [True, False]


@pytest.mark.parametrize(
    ("key", "seconds", "met"),
    [
        ("surface", 1.9e-3, True),
        ("surface", 2.1e-3, False),
        ("scenario-grid", 1 / 301e6, True),
        ("scenario-paths", 1 / 299e6, False),
    ],
)
def test_aims_of_surface_and_scenarios_are_met_at_their_figures(
    key: str, seconds: float, met: bool
) -> None:
    comparison = Comparison(replace(TOPIC, key=key), (row("Tidegate", (OURS,), seconds),), {})
    (found,) = aims({key: comparison}, {})
    assert found.met is met


@pytest.mark.parametrize(("wall", "met"), [(0.49, True), (0.51, False)])
def test_aim_of_the_start_is_met_under_half_a_second(wall: float, met: bool) -> None:
    (found,) = aims({}, {"import tidegate": {"wall_s": wall, "cpu_s": 0.1}})
    assert found.met is met
