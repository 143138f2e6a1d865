# SPDX-License-Identifier: Apache-2.0
"""What our size changes in the same crowd's cascade."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.ended import runner
from tidegate.model.errors import InputError
from tidegate.simulation.protocol.arguments import assumed
from tidegate.simulation.protocol.cascade import Shock
from tidegate.simulation.protocol.command import footprint_table, words
from tidegate.simulation.protocol.footprint import (
    Contagion,
    Question,
    harmless_share,
    play,
    run_contagion,
)
from tidegate.simulation.protocol.picture import contagion_page
from tidegate.simulation.protocol.population import Crowd, Own

CROWD = Crowd(accounts=400, interest_usd=1e8, size_tail=3.0, fund_share=0.05)
SHOCK = Shock(
    move=-0.1, move_s=240, end_s=400, step_s=4, depth_usd=2e8, depth_floor=1.0, step_d=0.02
)
ASKED = Question(CROWD, SHOCK, Own(side=1, leverage=10.0), (0, 1), (0.001, 0.2))


@pytest.fixture(scope="module")
def found() -> Contagion:
    return run_contagion(ASKED)


def test_long_that_is_liquidated_drives_the_price_further_the_larger_it_is(
    found: Contagion,
) -> None:
    for seed in (0, 1):
        small, large = (f for f in found.footprints if f.seed == seed)
        assert large.price > small.price
        assert large.price > 0.002
        assert large.closed > 0
        assert large.with_us.ours_closed
        assert not large.harmless
    assert found.harmless_share in (None, 0.001)


def test_size_of_nothing_leaves_no_footprint() -> None:
    for seed in (0, 1):
        alone = play(CROWD, SHOCK, Own(0.0, 1, 10.0), seed)[0]
        other = play(CROWD, SHOCK, Own(0.0, -1, 2.0), seed)[0]
        assert alone == other
        assert not alone.ours_closed


def test_short_in_a_fall_is_a_winner_that_is_deleveraged_and_never_liquidated() -> None:
    crowd, fall = replace(CROWD, fund_share=0.0), replace(SHOCK, move=-0.3, move_s=60)
    ours = play(crowd, fall, Own(0.1, -1, 10.0), 0)[0]
    alone = play(crowd, fall, Own(0.0, -1, 10.0), 0)[0]
    assert not ours.ours_closed
    assert 0.0 < ours.ours_adl_share <= 1.0
    assert ours.ours_lost < 0.0
    # What is closed against us is not closed against others.
    assert ours.adl_usd < alone.adl_usd


def test_harmless_share_ends_before_the_first_size_that_harms_more_than_one_crowd_in_ten(
    found: Contagion,
) -> None:
    good = msgspec.structs.replace(found.footprints[0], harmless=True)

    def judged(*harmless: bool, share: float) -> list[object]:
        return [msgspec.structs.replace(good, share=share, harmless=h) for h in harmless]

    nine = judged(*[True] * 9, False, share=1.0)
    eight = judged(*[True] * 8, False, False, share=2.0)
    ten = judged(*[True] * 10, share=3.0)
    assert harmless_share((1.0, 2.0, 3.0), [*nine, *eight, *ten]) == 1.0  # type: ignore[list-item]
    assert harmless_share((2.0, 3.0), [*eight, *ten]) is None  # type: ignore[list-item]
    assert harmless_share((1.0, 3.0), [*nine, *ten]) == 3.0  # type: ignore[list-item]


def test_answer_is_the_same_again(found: Contagion) -> None:
    assert msgspec.json.encode(run_contagion(ASKED)) == msgspec.json.encode(found)


def test_table_and_page_show_every_size(found: Contagion) -> None:
    assert footprint_table(found).row_count == 2
    assert "Without us" in words(found)[1]
    page = contagion_page(found)
    assert page.count("<tr>") >= len(found.footprints)
    assert "20.00%" in page


@pytest.mark.parametrize("sizes", [(), (0.2, 0.1), (0.0, 0.1)])
def test_sizes_that_do_not_ascend_from_above_nothing_are_refused(
    sizes: tuple[float, ...],
) -> None:
    with pytest.raises(InputError, match="sizes"):
        Question(CROWD, SHOCK, Own(), (0,), sizes)


def test_command_writes_page_and_document_and_refuses_a_folder_that_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    crisis, out = runner(capsys, monkeypatch, "crisis"), tmp_path / "cascade"
    words = ["contagion", "--move", "-0.01", "--out", str(out), "--json"]
    for said in ("accounts=100", "seeds=1", "end_s=800", "step_s=4", "adl=false"):
        words += ["--assume", said]
    told = crisis(*words)
    assert told.status == 0, told.err
    document = msgspec.json.decode((out / "contagion.json").read_bytes())
    assert msgspec.json.decode(told.out.encode()) == document
    assert (out / "contagion.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert crisis(*words).status == 2
    assert document["crowd"]["accounts"] == 100
    assert document["shock"]["adl"] is False


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--move", "-1.5"), "--move: expected -0.9 to 2, got -1.5"),
        (("--leverage", "0"), "--leverage: expected 0.1 to 100, got 0"),
        (("--assume", "accounts=0"), "--assume accounts: expected 10 to 1e+06, got 0"),
        (("--assume", "accounts=x"), "--assume accounts: expected int, got 'x'"),
        (("--assume", "move_s=0"), "--assume move_s: expected 1 to 86400, got 0"),
    ],
)
def test_figure_out_of_range_is_refused_under_the_option_that_said_it(
    words: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = runner(capsys, monkeypatch, "crisis")("contagion", *words)
    assert (ended.status, ended.err) == (2, f"tidegate: tidegate crisis contagion: {said}\n")


def test_folder_that_cannot_be_made_is_found_before_the_play(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    ended = runner(capsys, monkeypatch, "crisis")("contagion", "--out", tmp_path / "file" / "new")
    assert (ended.status, "a folder that can be made" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("word", "field"),
    [
        ("depth=1", "depth"),
        ("move=0.1", "move"),
        ("accounts=many", "accounts"),
        ("adl=no", "adl"),
        ("seeds=0", "seeds"),
        ("fund_share=2", "fund_share"),
    ],
)
def test_assumption_that_nobody_has_or_that_is_no_figure_is_refused_by_name(
    word: str, field: str
) -> None:
    with pytest.raises(InputError, match=field):
        assumed([word])
