# SPDX-License-Identifier: Apache-2.0
"""What `tidegate vault demo` does: play the story, write its folder, check its record."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from tidegate.audit.chain_roots import chain_checks, read_roots
from tidegate.audit.verifier import Check, verify
from tidegate.backtest.narrow import console_of
from tidegate.backtest.results_folder import replacing
from tidegate.live.vault.told import WIDTH, document, sending_of, show
from tidegate.model.errors import InputError

JOURNAL, VAULT_ROOTS, OPERATOR_ROOTS = "vault.journal", "vault-roots.json", "operator-roots.json"
DOCUMENT = "demo.json"
WRITTEN = {JOURNAL, VAULT_ROOTS, OPERATOR_ROOTS, DOCUMENT}
NEEDS = ("web3", "eth_account", "eth_tester", "tidegate_contracts")
EXTRA = "expected the extra `vault` and the distribution tidegate-contracts, for want of"


def run_demo(out: Path, *, as_json: bool) -> bool:
    """Play the demonstration and write its folder whole or not at all; whether its record checks.

    Raises `InputError` where the extra is missing or the folder is somebody else's.
    """
    check_extra()
    earlier = out.is_dir() and {path.name for path in out.iterdir()} == WRITTEN
    with replacing(out, earlier) as folder, tempfile.TemporaryDirectory() as work:
        told = _play(Path(work), folder, None if as_json else console_of(WIDTH))
    checks = _checks(out)
    _close(told, checks, out, as_json=as_json)
    return all(check.passed for check in checks)


def check_extra() -> None:
    """Raise `InputError` that names the first thing that the demonstration lacks."""
    for name in NEEDS:
        if find_spec(name) is None:
            raise InputError("tidegate vault demo", "extra", f"{EXTRA} {name}")


def _play(work: Path, folder: Path, console: Console | None) -> dict[str, Any]:
    from tidegate.live.vault.story import Story

    story, acts = Story(work), list[dict[str, Any]]()
    try:
        for number, act in enumerate(story.play(), start=1):
            acts.append(document(act))
            if console is not None:
                show(console, number, act)
        roots = {VAULT_ROOTS: story.roots("vault"), OPERATOR_ROOTS: story.roots("operator")}
    finally:
        story.close()
    sent = [sending_of(one) for one in story.sendings]
    told = {"acts": acts, "sent": sent, "refused": story.refusals, "journal_head": story.head}
    shutil.copyfile(work / JOURNAL, folder / JOURNAL)
    for name, content in {**roots, DOCUMENT: told}.items():
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return told


def _checks(out: Path) -> list[Check]:
    """The journal's own checks, and that each anchored root is of a beginning of it."""
    checks = verify(str(out / JOURNAL))
    for name in (VAULT_ROOTS, OPERATOR_ROOTS):
        checks += chain_checks(out / JOURNAL, read_roots(out / name))
    return checks


def _close(told: dict[str, Any], checks: list[Check], out: Path, *, as_json: bool) -> None:
    if as_json:
        rows = [check._asdict() for check in checks]
        print(json.dumps({**told, "checks": rows}, sort_keys=True))
        return
    console = Console(stderr=True)
    for line in _last_words(checks, out):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _last_words(checks: list[Check], out: Path) -> Iterator[str]:
    for check in checks:
        if not check.passed or "root" in check.name:
            yield f"{'ok  ' if check.passed else 'FAIL'} {check.name}: {check.detail}"
    good = sum(check.passed for check in checks)
    yield f"{good} of {len(checks)} checks of the record hold; check it yourself:"
    chains = f"--chain {out / VAULT_ROOTS} --chain {out / OPERATOR_ROOTS}"
    yield f"  tidegate verify {out / JOURNAL} {chains}"
