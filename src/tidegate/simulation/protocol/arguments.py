# SPDX-License-Identifier: Apache-2.0
"""The words of `tidegate crisis contagion`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tidegate.model.errors import InputError

if TYPE_CHECKING:
    from tidegate.simulation.protocol.cascade import Shock
    from tidegate.simulation.protocol.population import Crowd

EXAMPLE = "Example: tidegate crisis contagion --move -0.15 --leverage 5 --assume fund_share=0.02"
WHERE, OPTIONS = "tidegate crisis contagion", ("move", "side", "leverage")
SEEDS = 10


def contagion_command(
    move: Annotated[float, typer.Option(help="The outside price's move, as a share.")] = -0.15,
    side: Annotated[Literal["long", "short"], typer.Option(help="Our side.")] = "long",
    leverage: Annotated[float, typer.Option(help="Our leverage.")] = 5.0,
    assume: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE of the crowd or the shock, or seeds=N; may be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A new folder for page and document.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Play a cascade among many accounts of one venue, with and without us; exit 1 where not even
    the least size tried is harmless."""
    from tidegate.simulation.protocol.command import show_contagion
    from tidegate.simulation.protocol.footprint import Question
    from tidegate.simulation.protocol.population import Own

    try:
        crowd, shock, seeds = assumed(assume or ())
        own = Own(side=1 if side == "long" else -1, leverage=leverage)
        question = Question(crowd, replace(shock, move=move), own, range(seeds))
    except InputError as error:
        raise _as_said(error) from None
    found = show_contagion(question, out, as_json=as_json)
    raise typer.Exit(1 if found.harmless_share is None else 0)


def _as_said(error: InputError) -> InputError:
    """The same under the option by which the figure was said."""
    option = f"--{error.field}" if error.field in OPTIONS else f"--assume {error.field}"
    return InputError(WHERE, option, error.expected)


def assumed(words: Sequence[str]) -> tuple[Crowd, Shock, int]:
    """Crowd, shock and number of seeds, with what is said in place of their own figures; raises
    `InputError` for an unknown name or another kind of value."""
    from tidegate.simulation.protocol.cascade import Shock
    from tidegate.simulation.protocol.population import Crowd

    kinds = {each.name: str(each.type) for kind in (Crowd, Shock) for each in fields(kind)}
    kinds["seeds"] = "int"
    said: dict[str, Any] = {}
    for word in words:
        name, _, text = word.partition("=")
        if name not in kinds or name == "move":
            names = ", ".join(sorted(kinds.keys() - {"move"}))
            raise InputError("--assume", name, f"expected one of {names}")
        said[name] = _value(name, kinds[name], text)
    crowd, shock = (
        {each.name: said[each.name] for each in fields(kind) if each.name in said}
        for kind in (Crowd, Shock)
    )
    seeds = said.get("seeds", SEEDS)
    if seeds < 1:
        raise InputError("--assume", "seeds", f"expected at least 1, got {seeds}")
    return Crowd(**crowd), Shock(**shock), seeds


def _value(name: str, kind: str, text: str) -> float | int | bool:
    try:
        if kind == "bool":
            return {"true": True, "false": False}[text]
        return int(text) if kind == "int" else float(text)
    except (ValueError, KeyError):
        raise InputError("--assume", name, f"expected {kind}, got {text!r}") from None
