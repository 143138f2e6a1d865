# SPDX-License-Identifier: Apache-2.0
"""`tidegate world fit`: the world's parameters from a folder of history, into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidegate.model.errors import InputError

EXAMPLE = (
    "Example: tidegate world fit history --from 2024-09-05 --to 2025-03-31 --out parameters.toml"
)


def fit(
    folder: Annotated[Path, typer.Argument(help="Folder of market data; see docs/data.md.")],
    start: Annotated[str, typer.Option("--from", help="First day.")],
    end: Annotated[str, typer.Option("--to", help="Last day (included).")],
    out: Annotated[Path, typer.Option(help="New TOML file to write.")],
    coins: Annotated[str, typer.Option(help="Comma between coins.")] = "BTC,ETH,SOL",
    json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """Fit what a history determines of the generated market, with standard errors."""
    import msgspec

    from tidegate.simulation.world.fit_sample import read_sample
    from tidegate.simulation.world.fitting import fit_world
    from tidegate.simulation.world.parameter_file import parameter_text

    if out.exists():
        raise InputError(str(out), "--out", "expected a file that does not exist yet")
    sample = read_sample(folder, tuple(coins.split(",")), start, end)
    estimates = fit_world(sample)
    beside = out.with_name(f".{out.name}.partial")
    try:
        beside.write_text(parameter_text(estimates, f"{coins}, {start} to {end}"), encoding="utf-8")
        beside.replace(out)
    except OSError as error:
        raise InputError(str(out), "--out", f"expected a place to write to ({error})") from error
    if json:
        print(msgspec.json.encode(estimates).decode())
        return
    for one in estimates:
        left = "" if one.determined else "  not determined, left at its default"
        print(f"{one.name} = {one.value:.4g} +- {one.error:.2g}{left}")
    print(f"{out}; what was left at its default stands in it")
