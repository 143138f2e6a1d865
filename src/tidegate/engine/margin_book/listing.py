# SPDX-License-Identifier: Apache-2.0
"""What `tidegate margin --rules` prints: every rule, where it comes from, what it does not know."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape

from tidegate.engine.margin_book.output import console, to_reader
from tidegate.margin.registry import CARDS
from tidegate.margin.rule_card import RuleCard

SCHEMA = "tidegate-margin-rules-1"
WIDTH = 110


def show_rules(as_json: bool) -> None:
    """Print all cards of the registry."""
    with to_reader():
        if as_json:
            print(json.dumps({"schema": SCHEMA, "rules": [asdict(card) for card in CARDS]}))
            return
        paper = console(WIDTH)
        for card in CARDS:
            _show(card, paper)


def _show(card: RuleCard, paper: Console) -> None:
    paper.print(f"[bold]{card.name}[/]  {escape(card.subject)}")
    for head, lines in (
        ("source", card.source),
        ("you give", card.user_gives or ("nothing",)),
        ("not pinned", card.not_pinned or ("nothing",)),
        ("closes first", (card.closes_first,)),
    ):
        for number, line in enumerate(lines):
            paper.print(f"  {head if number == 0 else '':12} {escape(line)}", soft_wrap=True)
    paper.print()
