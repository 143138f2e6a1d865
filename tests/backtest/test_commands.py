# SPDX-License-Identifier: Apache-2.0
"""The command line on a generated history: answers, records, and bad input in one line."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.backtest.generated import CARRY, DAYS, FIRST_DAY, SEED, carry, day, tidegate
from tidegate.audit import Check
from tidegate.audit.replay import replay
from tidegate.backtest.claims import folder_checks
from tidegate.backtest.commands import parse_request, run_study
from tidegate.backtest.compare import run_all
from tidegate.cli import main
from tidegate.history.generated import write_generated
from tidegate.model.errors import InputError
from tidegate.model.events import TransferSent

KEYS = {
    "liquidations", "near_liquidations", "return_on_capital", "carry_kept", "avg_leverage",
    "avg_collateral_usd", "max_drawdown", "worst_health_ratio", "turnover", "transfers",
    "fees_usd", "funding_usd", "solves", "decisions", "journal_head",
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated data folder."""
    root = tmp_path_factory.mktemp("data") / "market-data"
    write_generated(root, SEED, DAYS)
    return root


Refusal = Callable[[list[str], Path], str]


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Refusal:
    """Runs the command line in this process; it must end with status 2 and exactly one line."""

    def refuse(words: list[str], data: Path) -> str:
        monkeypatch.setenv("TIDEGATE_DATA", str(data))
        monkeypatch.setattr(sys, "argv", ["tidegate", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        lines = capsys.readouterr().err.strip().splitlines()
        assert ended.value.code == 2
        assert len(lines) == 1
        return lines[0]

    return refuse


@pytest.fixture(scope="module")
def study(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """A folder of results of a week with a freeze, and the document that was printed."""
    out = tmp_path_factory.mktemp("study") / "week"
    freeze = f"binance:{day(FIRST_DAY + 2)}:{day(FIRST_DAY + 3)}"
    window = (CARRY, world, day(FIRST_DAY), day(FIRST_DAY + 6))
    request = parse_request(window, ["tidegate", "threshold=3"], [freeze], (1, 1))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        run_study(request, out, as_json=True)
    return out, json.loads(printed.getvalue())


def test_backtest_json_has_every_measure_for_every_policy(
    study: tuple[Path, dict[str, object]],
) -> None:
    """One document on standard output, the same as in the folder but for what the ledger of trials
    makes of it, which changes with every run."""
    out, document = study
    policies = document["policies"]
    assert isinstance(policies, dict)
    assert set(policies) == {"tidegate", "threshold 3"}
    assert all(measures.keys() >= KEYS for measures in policies.values())
    kept = {name: value for name, value in document.items() if name != "luck"}
    assert json.loads((out / "results.json").read_text()) == kept
    assert policies["tidegate"]["decisions"] >= 7 * 24


def failed_beside_the_manifest(folder: Path) -> list[Check]:
    """The checks that fail; the manifest's is among them and is left out."""
    failed = [check for _, check in folder_checks(folder) if not check.passed]
    assert [check.name for check in failed].count("manifest") == 1
    return [check for check in failed if check.name != "manifest"]


def test_verify_of_a_study_passes_with_a_line_per_check(
    world: Path, study: tuple[Path, dict[str, object]]
) -> None:
    """Every line says ok, for two journals and the results."""
    done = tidegate("verify", str(study[0]), data=world)
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert len(lines) == 35
    assert all(line.startswith("ok") for line in lines[:-2])
    assert lines[-2].startswith("held by the manifest, not recomputed: ")
    assert lines[-1].startswith("not proved without an anchor: ")


def test_replay_of_a_study_makes_every_decision_again_and_of_a_plain_rule_none(
    study: tuple[Path, dict[str, object]],
) -> None:
    """A week of real funding stamps, transfers and a freeze, with every programme solved again."""
    journals = study[0] / "journals"
    found = replay(journals / "tidegate.journal")
    assert found.difference is None
    assert found.decisions >= 7 * 24
    assert found.resolved == {"identical": found.solves}
    with pytest.raises(InputError, match=r"policy 'threshold 3' journals none"):
        replay(journals / "threshold-3.journal")


@pytest.mark.parametrize("change", ["flip", "drop", "add"])
def test_verify_of_a_changed_journal_fails_and_names_the_frame(
    world: Path, study: tuple[Path, dict[str, object]], tmp_path: Path, change: str
) -> None:
    """A byte flipped, removed or added in the middle of a copy of the study."""
    copy = tmp_path / "copy"
    shutil.copytree(study[0], copy)
    path = copy / "journals" / "tidegate.journal"
    content = path.read_bytes()
    middle = len(content) // 2
    changed = {
        "flip": bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "drop": content[middle + 1 :],
        "add": b"x" + content[middle:],
    }[change]
    path.write_bytes(content[:middle] + changed)
    failed = [check for _, check in folder_checks(copy) if not check.passed]
    assert any("frame " in check.detail for check in failed)
    if change == "flip":
        assert tidegate("verify", str(copy), data=world).returncode == 1


def test_verify_of_results_with_another_head_fails(
    world: Path, study: tuple[Path, dict[str, object]], tmp_path: Path
) -> None:
    """Results and journals must belong together."""
    copy = tmp_path / "copy"
    shutil.copytree(study[0], copy)
    document = json.loads((copy / "results.json").read_text())
    document["policies"]["tidegate"]["journal_head"] = "0" * 64
    (copy / "results.json").write_text(json.dumps(document))
    failed = [check.name for check in failed_beside_the_manifest(copy)]
    assert failed == ["journal of tidegate"]


EDITS = {
    "return_on_capital": 9.99,
    "liquidations": 7,
    "transfers": 99,
    "fees_usd": 0.0,
    "decisions": 1,
    "death_ms": 1,
    "carry_kept": 0.5,
    "carry_kept_usd": 0.5,
    "return_annual": 9.99,
    "leverage": 2.0,
    "policy": "cash",
}


@pytest.mark.parametrize("field", EDITS)
def test_verify_of_an_edited_claim_fails_and_names_the_field(
    study: tuple[Path, dict[str, object]], tmp_path: Path, field: str
) -> None:
    """A figure that the journal determines cannot be edited in the results."""
    copy = tmp_path / "copy"
    shutil.copytree(study[0], copy)
    document = json.loads((copy / "results.json").read_text())
    document["policies"]["tidegate"][field] = EDITS[field]
    (copy / "results.json").write_text(json.dumps(document))
    failed = failed_beside_the_manifest(copy)
    assert [check.name for check in failed] == ["claims of tidegate"]
    assert field in failed[0].detail


@pytest.mark.parametrize(
    ("field", "value"), [("seed", 77), ("freezes", []), ("from", "2020"), ("provenance", [])]
)
def test_verify_of_an_edited_study_fails(
    study: tuple[Path, dict[str, object]], tmp_path: Path, field: str, value: object
) -> None:
    """What was asked stands in every journal's header."""
    copy = tmp_path / "copy"
    shutil.copytree(study[0], copy)
    document = json.loads((copy / "results.json").read_text())
    document[field] = value
    (copy / "results.json").write_text(json.dumps(document))
    failed = [check.name for check in failed_beside_the_manifest(copy)]
    assert failed == ["claims of threshold 3", "claims of tidegate"]


def test_verify_of_swapped_journals_fails(
    study: tuple[Path, dict[str, object]], tmp_path: Path
) -> None:
    """Two journals exchanged together with their heads still say whose they are."""
    copy = tmp_path / "copy"
    shutil.copytree(study[0], copy)
    first, second = (copy / "journals" / f"{n}.journal" for n in ("tidegate", "threshold-3"))
    spare = tmp_path / "spare"
    first.rename(spare)
    second.rename(first)
    spare.rename(second)
    document = json.loads((copy / "results.json").read_text())
    policies = document["policies"]
    heads = [policies[n]["journal_head"] for n in ("threshold 3", "tidegate")]
    policies["tidegate"]["journal_head"], policies["threshold 3"]["journal_head"] = heads
    (copy / "results.json").write_text(json.dumps(document))
    failed = {check.name for check in failed_beside_the_manifest(copy)}
    assert failed == {"claims of threshold 3", "claims of tidegate"}


def test_folder_beside_the_results_is_left_alone(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is deleted that the run did not make, whatever it is called."""
    other = tmp_path / "out.partial"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    window = (CARRY, world, day(FIRST_DAY), day(FIRST_DAY))
    run_study(parse_request(window, ["cash"], [], (1, 1)), tmp_path / "out", as_json=True)
    assert (other / "thesis.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.partial"]
    assert capsys.readouterr().out


def test_digest_of_the_data_covers_the_venue_tables(world: Path, tmp_path: Path) -> None:
    """A run under other margin tables says that its data were others."""
    copy = copied(world, tmp_path)
    table = copy / "venues" / "binance.json"
    table.write_text(table.read_text() + "\n")
    digests = []
    for data in (world, copy):
        request = parse_request((CARRY, data, day(FIRST_DAY), day(FIRST_DAY)), ["cash"], [], (1, 1))
        experiment, _ = run_all(request, None, lambda shares: None)
        digests.append(experiment.market.digest)
    assert digests[0] != digests[1]


def test_plain_rules_without_a_route_run(world: Path, tmp_path: Path) -> None:
    """Where no money can move, a rule that would send some sends none."""
    text = CARRY.read_text()
    mandate = tmp_path / "alone.toml"
    mandate.write_text(text[: text.index("[[transfer]]")])
    window = (mandate, world, day(40), day(44))
    _experiment, outcomes = run_all(
        parse_request(window, ["threshold=8", "tidegate"], [], (1, 1)), None, lambda shares: None
    )
    assert all(not isinstance(e, TransferSent) for o in outcomes for e in o.events)


def test_observer_sends_nothing(world: Path, tmp_path: Path) -> None:
    """Below `act` not even a transfer that only prepares growth leaves."""
    mandate = tmp_path / "observe.toml"
    mandate.write_text(CARRY.read_text().replace('level = "act"', 'level = "observe"'))
    window = (mandate, world, day(FIRST_DAY), day(FIRST_DAY + 8))
    _, outcomes = run_all(
        parse_request(window, ["tidegate"], [], (1, 1)), None, lambda shares: None
    )
    kinds = {type(event).__name__ for event in outcomes[0].events}
    assert kinds <= {"Deposited", "Marked"}


def test_same_seed_and_data_give_the_same_heads_whatever_the_hash_seed(world: Path) -> None:
    """Nothing that is decided depends on the order of a set or the hash of a string."""
    words = carry("--json", "--policy", "tidegate", "--policy", "threshold=3")
    heads = []
    for hash_seed, jobs in (("1", "1"), ("2", "2")):
        done = tidegate(*words, "--jobs", jobs, data=world, hash_seed=hash_seed)
        policies = json.loads(done.stdout)["policies"]
        heads.append({name: m["journal_head"] for name, m in policies.items()})
    assert heads[0] == heads[1]


def test_demo_without_data_runs_on_a_generated_history(tmp_path: Path) -> None:
    """The demo as it is shipped, with two of its policies, leaves a record that checks."""
    out = tmp_path / "demo"
    words = ("demo", "--policies", "tidegate,threshold", "--out", str(out), "--json")
    done = tidegate(*words, data=tmp_path / "nowhere", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    policies = json.loads(done.stdout)["policies"]
    assert policies["tidegate 4"]["liquidations"] == 0
    assert policies["threshold 4"]["liquidations"] > 0
    assert (out / "report.html").stat().st_size > 10_000
    assert all(check.passed for _, check in folder_checks(out))


def changed(text: str, old: str, new: str) -> str:
    """A mandate's text with one change, which must be there to make."""
    assert old in text
    return text.replace(old, new, 1)


TOO_MUCH_DELTA = 'target_delta_usd = "99000000"\n[authority]'
WIDE = 'half_spread = { value = "2"'
LATE_OLD = 'mark = { value = "mark", as_of = "2024-01-01", source = "Binance'
LATE_NEW = 'mark = { value = "mark", as_of = "2031-01-01", source = "Binance'
BAD_MANDATES = {
    "unknown venue": ('source = "binance"', 'source = "mtgox"', "transfer[0]"),
    "a venue without a rule": ("[venue.hyperliquid]\n", "[venue.mtgox]\n", "venue.hyperliquid"),
    "conflicting limits": ("naked_usd = 150_000", "naked_usd = 1_000", "limits.naked_usd"),
    "negative limit": ("gross_leverage = 8", "gross_leverage = -1", "limits.gross_leverage"),
    "unknown field": ("loss_from_peak", "loss_from_top", "limits"),
    "infeasible caps": ("claim_cap = 0.9", "claim_cap = 0.05", "claim_cap"),
    "infeasible delta": ("[authority]", TOO_MUCH_DELTA, "target_delta_usd"),
    "a conversion that pays": (
        'conversion_rate = "1"',
        'conversion_rate = "1.5"',
        "conversion_rate",
    ),
    "a spread beyond the price": ('half_spread = { value = "0.00005"', WIDE, "BTCUSDT"),
    "a mark of the future": (LATE_OLD, LATE_NEW, "mark"),
    "no lot": ('lot = { value = "0.00001"', 'tock = { value = "0.00001"', "BTC"),
    "no fee table": ("taker_fee = {", "taker_fea = {", "taker_fe"),
    "not toml": ("[mandate]", "[mandate", "TOML"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_MANDATES)
def test_bad_mandate_is_one_line_and_exit_2_and_nothing_is_written(
    world: Path, tmp_path: Path, name: str, refusal: Refusal
) -> None:
    """The line names the file and the field."""
    old, new, field = BAD_MANDATES[name]
    mandate = tmp_path / "bad.toml"
    mandate.write_text(changed(CARRY.read_text(), old, new))
    out = tmp_path / "out"
    line = refusal(carry("--out", str(out), mandate=mandate), world)
    assert "bad.toml" in line
    assert field in line
    assert sorted(tmp_path.iterdir()) == [mandate]


def test_missing_fee_on_the_date_is_refused_by_name(
    world: Path, tmp_path: Path, refusal: Refusal
) -> None:
    """Neither the tables nor the mandate state Binance's fee then."""
    lines = CARRY.read_text().splitlines()
    without = [line for line in lines if not line.startswith("taker_fee")]
    mandate = tmp_path / "feeless.toml"
    mandate.write_text("\n".join(without))
    for path in (world / "venues").glob("*.json"):
        shutil.copy(path, tmp_path / path.name)
    copy = copied(world, tmp_path)
    for path in (copy / "venues").glob("*.json"):
        document = json.loads(path.read_text())
        if isinstance(document, dict) and "fees" in document:
            document["fees"] = []
            path.write_text(json.dumps(document))
    assert "taker_fee" in refusal(carry(mandate=mandate), copy)


def test_venue_without_prices_or_tables_is_refused_by_name(
    world: Path, tmp_path: Path, refusal: Refusal
) -> None:
    """A venue that the data does not know is not proxied by another."""
    text = CARRY.read_text().replace("venue.hyperliquid", "venue.mtgox")
    mandate = tmp_path / "unknown.toml"
    mandate.write_text(text.replace('"hyperliquid"', '"mtgox"'))
    assert "mtgox" in refusal(carry(mandate=mandate), world)


def copied(world: Path, tmp_path: Path) -> Path:
    """A data folder of one's own to damage."""
    copy = tmp_path / "damaged"
    shutil.copytree(world, copy)
    return copy


def without_rows(path: Path, condition: str) -> None:
    """Rewrite a Parquet file without some rows."""
    database = duckdb.connect()
    other = path.with_suffix(".new")
    database.execute(
        f"COPY (SELECT * FROM '{path}' WHERE NOT ({condition})) TO '{other}' (FORMAT parquet)"
    )
    other.replace(path)


def truncate(path: Path) -> None:
    """Cut a file short."""
    path.write_bytes(path.read_bytes()[:2000])


HALF_DAY = f"'{day(FIRST_DAY)} 16:00:00+00'"
DAMAGE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "missing funding": (
        "funding/funding_hyperliquid.parquet",
        lambda path: without_rows(path, f"ts = {HALF_DAY} AND coin = 'ETH'"),
    ),
    "a gap in prices": (
        "ohlcv/binance_usdm_perp_15m.parquet",
        lambda path: without_rows(path, f"ts = {HALF_DAY} AND symbol = 'BTCUSDT'"),
    ),
    "a truncated file": ("ohlcv/binance_usdm_mark_1h.parquet", truncate),
    "a missing file": ("ohlcv/hyperliquid_perp_1h.parquet", lambda path: path.unlink()),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_data_is_one_line_and_exit_2(
    world: Path, tmp_path: Path, name: str, refusal: Refusal
) -> None:
    """The line names the file; missing funding is never zero."""
    file, damage = DAMAGE[name]
    copy = copied(world, tmp_path)
    damage(copy / file)
    out = tmp_path / "out"
    assert Path(file).name in refusal(carry("--out", str(out)), copy)
    assert not out.exists()


BAD_WORDS = {
    "half an hour": (["--to", "2024-01-26T00:30Z"], "whole bars"),
    "freeze outside the run": (["--freeze", "binance:2024-02-20:2024-02-21"], "--freeze"),
    "results without a name": (["--out", "/"], "--out"),
    "non-UTC time": (["--from", "2024-01-26T00:00+02:00"], "--from"),
    "time without zone": (["--from", "2024-01-26T00:00"], "--from"),
    "window not covered": (["--from", "2023-06-01"], "2023"),
    "end before start": (["--to", "2024-01-01"], "window"),
    "unknown policy": (["--policy", "hope"], "--policy"),
    "leverage zero": (["--policy", "fixed=0"], "--policy"),
    "freeze of an unknown venue": (["--freeze", "mtgox:2024-01-26:2024-01-27"], "--freeze"),
    "freeze backwards": (["--freeze", "binance:2024-01-28:2024-01-26"], "--freeze"),
    "freeze unreadable": (["--freeze", "binance"], "--freeze"),
}


@pytest.mark.parametrize("name", BAD_WORDS)
def test_bad_words_are_one_line_and_exit_2(
    world: Path, tmp_path: Path, name: str, refusal: Refusal
) -> None:
    """Later words win, so each case replaces one word of a good command."""
    words, named = BAD_WORDS[name]
    out = tmp_path / "out"
    assert named in refusal([*carry("--out", str(out)), *words], world)
    assert not out.exists()


def test_results_are_not_written_over_a_folder_that_holds_something(
    world: Path, tmp_path: Path, refusal: Refusal
) -> None:
    """What stands there stays as it was."""
    (tmp_path / "note.txt").write_text("mine")
    assert "--out" in refusal(carry("--out", str(tmp_path), "--policy", "cash"), world)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]
