# SPDX-License-Identifier: Apache-2.0
"""Whether the tests find planted bugs: `python -m tests.planted [--only P07,P12] [--minutes 30]`.

For each bug the tree is copied, the bug put into the copy, and the detection command run there; it
finds the bug when it fails. The unpatched tree goes first and must pass, since a command that fails
anyway finds nothing. Ends with 1 when fewer than 95 in 100 are found. It takes long and is no part
of `make test`; `test_planted.py` holds that the patches still apply.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.planted.bugs import HOME, Bug, plant, read_bugs

# Quick ones first: most bugs are found before the crashes of a scripted day are reached.
DEFAULT = (
    "python -m pytest -q -x -p no:cacheprovider -m 'not soak' tests/engine/test_inputs.py"
    " tests/engine/test_memory.py tests/engine/test_alarm.py tests/engine/test_alarm_edges.py"
    " tests/engine/test_cycle_rules.py tests/engine/test_cycle.py"
    " tests/regressions/test_golden_runs.py tests/regressions/test_faults_found.py"
    " tests/execution tests/ledger tests/costs tests/venues tests/branches tests/journal"
    " tests/audit tests/engine --ignore=tests/engine/plan --ignore=tests/engine/survival"
    " --ignore-glob=tests/engine/test_margin_*"
    " tests/risk/test_gate.py tests/risk/test_limits.py tests/risk/test_limits_at_the_edge.py"
    " tests/risk/test_limits_in_doubt.py tests/risk/test_plan.py tests/risk/test_stress.py"
    " tests/risk/test_worst_accounts.py tests/risk/test_scenarios.py tests/risk/test_distance.py"
    " tests/risk/test_settlement.py tests/risk/test_unknown_orders.py tests/risk/test_bad_data.py"
    " tests/allocation --ignore=tests/allocation/joint --ignore=tests/allocation/test_growth.py"
    " tests/simulation/faults/test_fault_runs.py tests/simulation/faults"
)
FOUND_SHARE = 0.95
# A bug may make the engine wait for ever; a run that does not end by then has found it.
HANGS_S = 1800
COPIED = ("src", "tests", "pyproject.toml")
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


class Run(msgspec.Struct, frozen=True):
    """One run of the detection command: of which bug, whether it failed, by what, in how long."""

    id: str
    what: str
    found: bool
    by: str
    seconds: float


@contextmanager
def copied_tree() -> Iterator[Path]:
    """A copy of the sources and tests, beside links to all else, that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="planted-") as name:
        home = Path(name).resolve()
        for entry in HOME.iterdir():
            if entry.name not in COPIED and not entry.name.startswith("."):
                (home / entry.name).symlink_to(entry)
        for part in COPIED:
            source = HOME / part
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, home / part)
        yield home


def environment(home: Path) -> dict[str, str]:
    """Ours, with the copy's package before any that is installed."""
    own = {"PYTHONPATH": str(home / "src"), "HYPOTHESIS_PROFILE": "ci"}
    return {**os.environ, **own}


def check_import(home: Path) -> None:
    """Raise `RuntimeError` unless the copy's engine is what is imported there."""
    says = "import tidegate.engine.cycle as c; print(c.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", says],
        cwd=home,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode or home not in Path(found.stdout.strip()).parents:
        raise RuntimeError(f"the copy is not what is imported: {found.stdout}{found.stderr}")


def detect(command: str, bug: Bug | None) -> Run:
    """Run the command over a tree with a bug, or without one."""
    words = shlex.split(command)
    words = [sys.executable if word == "python" else word for word in words]
    with copied_tree() as home:
        if bug is not None:
            plant(bug, home)
        check_import(home)
        began = time.monotonic()
        failed, by = _outcome(words, home)
        seconds = round(time.monotonic() - began, 1)
    name, what = (bug.id, bug.what) if bug else ("none", "the tree as it is")
    return Run(name, what, failed, by, seconds)


def _outcome(words: list[str], home: Path) -> tuple[bool, str]:
    try:
        ended = subprocess.run(
            words,
            cwd=home,
            env=environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=HANGS_S,
        )
    except subprocess.TimeoutExpired:
        return True, f"no end within {HANGS_S} s"
    if ended.returncode == 0:
        return False, ""
    named = FAILED.search(ended.stdout)
    last = (ended.stdout.strip().splitlines() or [""])[-1]
    return True, named[1] if named else f"exit {ended.returncode}: {last}"


def told(run: Run) -> str:
    """One line on a run."""
    verdict = f"found by {run.by}" if run.found else "MISSED"
    return f"{run.id} {verdict} ({run.seconds:g} s): {run.what}"


def all_runs(options: argparse.Namespace) -> tuple[list[Run], int]:
    """A run per bug that was asked for, and how many there was no time for."""
    wanted = options.only.split(",") if options.only else []
    bugs = [bug for bug in read_bugs() if not wanted or bug.id in wanted]
    if unknown := set(wanted) - {bug.id for bug in bugs}:
        raise SystemExit(f"--only: expected ids of planted bugs, not {', '.join(sorted(unknown))}")
    began, runs = time.monotonic(), list[Run]()
    if not options.trust:
        clean = detect(options.command, None)
        if clean.found:
            raise SystemExit(f"the tree as it is does not pass: {clean.by}")
        print(f"the tree as it is passes ({clean.seconds:g} s)", file=sys.stderr, flush=True)
    for bug in bugs:
        if time.monotonic() - began > options.minutes * 60:
            break
        runs.append(detect(options.command, bug))
        print(told(runs[-1]), file=sys.stderr, flush=True)
    return runs, len(bugs) - len(runs)


def main() -> int:
    """Run all, report, and say by the exit code whether enough were found."""
    parser = argparse.ArgumentParser(prog="python -m tests.planted", description=__doc__)
    parser.add_argument("--only", default="", help="ids of bugs, with commas between")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start none after")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    parser.add_argument("--with", dest="command", default=DEFAULT, help="the detection command")
    parser.add_argument("--trust", action="store_true", help="do not run the unpatched tree first")
    options = parser.parse_args()
    os.nice(10)
    runs, left = all_runs(options)
    found = sum(run.found for run in runs)
    share = found / len(runs) if runs else 0.0
    if options.json:
        report = {"runs": runs, "found": found, "share": share, "not_run": left}
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        print("\n".join(told(run) for run in runs))
        print(f"{found} of {len(runs)} found ({share:.1%}); {left} not run")
    return 0 if share >= FOUND_SHARE and left == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
