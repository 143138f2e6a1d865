# SPDX-License-Identifier: Apache-2.0
"""The commands `tidegate data`; where data lies by default is the caller's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tidegate.model.errors import InputError

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
_TABLES = "Table of the layout; `tidegate data tables` lists them."


def data_commands(default_folder: Callable[[], Path]) -> typer.Typer:
    """The group of commands, for a command line that knows where data lies."""
    group = typer.Typer(no_args_is_help=True, help="Market data: fetch, import, check.")

    @group.command(
        epilog="Example: tidegate data check history --coins BTC --from 2024-09-05 --to 2025-03-31"
    )
    def check(
        folder: Annotated[
            Path | None,
            typer.Argument(help="Folder; else TIDEGATE_DATA or ../shared/market-data."),
        ] = None,
        start: Annotated[
            str | None, typer.Option("--from", help="First day that must be there, or a UTC time.")
        ] = None,
        end: Annotated[
            str | None, typer.Option("--to", help="Last day (included), or a UTC time.")
        ] = None,
        coins: Annotated[str | None, typer.Option(help="Of these alone, comma between.")] = None,
        json: Json = False,
    ) -> None:
        """Holes, repeats, wrong units, spot as perpetual; exit 1 at what no run may be made on."""
        from tidegate.history.intake.data_commands import show_check

        if not show_check(folder or default_folder(), (start, end), coins, as_json=json):
            raise typer.Exit(1)

    group.command("tables")(_tables)
    group.command("import", epilog=_IMPORT_EXAMPLE)(_import)
    group.command("fetch", epilog=_FETCH_EXAMPLE)(_fetch)
    return group


def _tables(json: Json = False) -> None:
    """List the tables of the layout: file, columns, and the units that an import must say."""
    from tidegate.history.intake.data_commands import show_tables

    show_tables(as_json=json)


_IMPORT_EXAMPLE = (
    "Example: tidegate data import bars.csv --as hyperliquid-bars --map ts=time --set coin=BTC "
    "--unit ts=ms --unit stamp=open --unit price=1 --unit volume=1 --out history"
)


def _import(
    file: Annotated[Path, typer.Argument(help="A CSV file with a header, or a Parquet file.")],
    table: Annotated[str, typer.Option("--as", help=_TABLES)],
    out: Annotated[Path, typer.Option(help="Folder of market data, made if absent.")],
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", help="COLUMN=NAME: the file's name of a column; repeatable."),
    ] = None,
    constants: Annotated[
        list[str] | None, typer.Option("--set", help="COLUMN=WORD in every row; repeatable.")
    ] = None,
    units: Annotated[
        list[str] | None,
        typer.Option("--unit", help="ts=ms, stamp=open, price=1, rate=percent; repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Bring a file into a table of a folder; what a reader would refuse is refused, whole."""
    from tidegate.history.intake.data_commands import show_import
    from tidegate.history.intake.recipe import Recipe

    words = [_pairs(given, name) for given, name in _named(columns, constants, units)]
    show_import(file, Recipe(table, *words), out, as_json=json)


_FETCH_EXAMPLE = (
    "Example: tidegate data fetch binance BTCUSDT ETHUSDT --what bars --what funding "
    "--from 2024-01-01 --to 2024-12-31 --out history"
)


def _fetch(
    venue: Annotated[str, typer.Argument(help="binance, hyperliquid, bybit, okx or deribit.")],
    symbols: Annotated[list[str], typer.Argument(help="Symbols as the venue writes them.")],
    out: Annotated[Path, typer.Option(help="Folder of market data, made if absent.")],
    start: Annotated[str, typer.Option("--from", help="First day, or a UTC time.")],
    end: Annotated[str, typer.Option("--to", help="Last day (included), or a UTC time.")],
    what: Annotated[
        list[str] | None, typer.Option(help="bars, marks, funding or dvol; repeatable.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="Another address than the venue's, such as a mirror's.")
    ] = None,
    json: Json = False,
) -> None:
    """Fetch a venue's public history into a folder; what is there is not fetched again."""
    from tidegate.history.intake.data_commands import Order, show_fetch

    order = Order(venue, tuple(symbols), tuple(what or ["bars", "funding"]), start, end, server)
    show_fetch(order, out, as_json=json)


def _named(*given: list[str] | None) -> Sequence[tuple[list[str], str]]:
    names = ("--map", "--set", "--unit")
    return [(words or [], name) for words, name in zip(given, names, strict=True)]


def _pairs(words: Sequence[str], option: str) -> dict[str, str]:
    """NAME=VALUE words as a mapping; a word without both, or a name twice, raises."""
    pairs: dict[str, str] = {}
    for word in words:
        name, _, value = word.partition("=")
        if not name or not value or name in pairs:
            raise InputError("data import", option, f"expected NAME=VALUE once, got {word!r}")
        pairs[name] = value
    return pairs
