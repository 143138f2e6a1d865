# SPDX-License-Identifier: Apache-2.0
"""The arguments of `tidegate forecast`; the folder and the maker of pages are the caller's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: tidegate forecast --coins BTC,ETH --horizons 1,7 --html forecast.html"
PageMaker = Callable[[str, str, Mapping[str, object]], str]


def command(default_folder: Callable[[], Path], page: PageMaker) -> Callable[..., None]:
    """The command for a command line that knows where data lies and how a page is made."""

    def forecast(
        data: Annotated[
            Path | None,
            typer.Option(help="Folder of market data; else TIDEGATE_DATA or ../shared/market-data"),
        ] = None,
        coins: Annotated[str, typer.Option(help="Comma between coins.")] = "BTC,ETH",
        horizons: Annotated[str, typer.Option(help="Of volatility, days, comma between.")] = "1",
        start: Annotated[
            str | None, typer.Option("--from", help="First day, or a UTC time.")
        ] = None,
        end: Annotated[
            str | None, typer.Option("--to", help="Last day (included), or a UTC time.")
        ] = None,
        funding: Annotated[
            bool,
            typer.Option("--funding", help="All venues, ten largest coins, value of acting: slow."),
        ] = False,
        stress: Annotated[
            bool, typer.Option("--stress", help="All sets of features, margin-days: slow.")
        ] = False,
        html: Annotated[Path | None, typer.Option(help="Page to write, with charts.")] = None,
        json: Annotated[
            bool, typer.Option("--json", help="One JSON document on standard output.")
        ] = False,
    ) -> None:
        """Score forecasts of volatility, funding and stress, and forecast from the last row.

        Exit 1 if the pool's regret exceeds its bound.
        """
        from tidegate.history.forecast_command import parse_question, show_forecasts

        words = (data or default_folder(), coins, horizons)
        question = parse_question(words, (start, end), funding=funding, stress=stress)
        if not show_forecasts(question, html, page, as_json=json):
            raise typer.Exit(1)

    return forecast
