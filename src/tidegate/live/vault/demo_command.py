# SPDX-License-Identifier: Apache-2.0
"""What `tidegate vault demo` does: play the story, write its folder, check its record."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from tidegate.audit.chain_roots import chain_checks, read_roots
from tidegate.audit.verifier import Check, verify
from tidegate.backtest.narrow import console_of
from tidegate.backtest.results_folder import replacing
from tidegate.live.vault.ground import Ground
from tidegate.live.vault.local_chain import AnvilChain, LocalChain, TesterChain
from tidegate.live.vault.setting import MarketOf
from tidegate.live.vault.story import BEGIN_S, Story
from tidegate.live.vault.told import WIDTH, document, refusal_of, sending_of, show
from tidegate.model.errors import InputError

JOURNAL, VAULT_ROOTS, OPERATOR_ROOTS = "vault.journal", "vault-roots.json", "operator-roots.json"
DOCUMENT = "demo.json"
WRITTEN = {JOURNAL, VAULT_ROOTS, OPERATOR_ROOTS, DOCUMENT}
NEEDS = ("web3", "eth_account", "tidegate_contracts")
EXTRA = "expected the extra `vault` and the distribution tidegate-contracts, for want of"


def run_demo(out: Path, packages: Path | None = None, *, as_json: bool) -> bool:
    """Play the demonstration and write its folder whole or not at all; whether its record checks.

    With `packages` it is played over real protocols, whose packages lie there or will. Raises
    `InputError` where the extra, or npm, is missing or the folder is somebody else's.
    """
    check_extra(() if packages is not None else ("eth_tester",))
    earlier = out.is_dir() and {path.name for path in out.iterdir()} == WRITTEN
    with replacing(out, earlier) as folder, tempfile.TemporaryDirectory() as work:
        console = None if as_json else console_of(WIDTH)
        told = _play(Path(work), folder, packages, console)
    checks = _checks(out)
    _close(told, checks, out, as_json=as_json)
    return all(check.passed for check in checks)


def check_extra(more: tuple[str, ...] = ()) -> None:
    """Raise `InputError` that names the first thing that the demonstration lacks."""
    for name in (*NEEDS, *more):
        if find_spec(name) is None:
            raise InputError("tidegate vault demo", "extra", f"{EXTRA} {name}")


def _play(
    work: Path, folder: Path, packages: Path | None, console: Console | None
) -> dict[str, Any]:
    acts = list[dict[str, Any]]()
    with _staged(work, packages) as (ground, market_of):
        story = Story(ground, work, market_of)
        for number, act in enumerate(story.play(), start=1):
            acts.append(document(act))
            if console is not None:
                show(console, number, act)
        roots = {VAULT_ROOTS: story.roots("vault"), OPERATOR_ROOTS: story.roots("operator")}
    told = {
        "acts": acts,
        "sent": [sending_of(one) for one in story.sendings],
        "refused": [refusal_of(one) for one in story.refusals],
        "paid_quanta": story.paid_quanta,
        "journal_head": story.head,
    }
    shutil.copyfile(work / JOURNAL, folder / JOURNAL)
    for name, content in {**roots, DOCUMENT: told}.items():
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return told


@contextmanager
def _staged(work: Path, packages: Path | None) -> Iterator[tuple[Ground, MarketOf]]:
    """The ground and market of the demonstration; its chain ends here, whatever happens."""
    market_of: MarketOf
    chain: LocalChain
    if packages is None:
        from tidegate.live.vault.played_market import PlayedMarket

        chain, market_of = TesterChain(BEGIN_S), PlayedMarket
    else:
        from tidegate.live.vault.real_market import PAST_S, RealMarket

        anvil = AnvilChain(packages, BEGIN_S - PAST_S)
        chain, market_of = anvil, partial(RealMarket, anvil.world, packages)
    with closing(chain), closing(Ground(work, chain)) as ground:
        yield ground, market_of


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
