# SPDX-License-Identifier: Apache-2.0
"""The market of a margin book: every figure that it gives, with its time and confidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from tidegate.engine.book_fields import Reader
from tidegate.engine.margin_book.fields import (
    SaidBook,
    SaidCoin,
    SaidContract,
    SaidFigure,
    shaped,
)
from tidegate.margin.market_values import (
    Key,
    MarketValues,
    Seen,
    dollar_of,
    fixed_of,
    fixed_share_of,
    forward_of,
    funding_of,
    index_of,
    mark_of,
    rate_of,
    vol_of,
)
from tidegate.model.times import SECOND_MS, parse_time_ms

LONGEST_S = Decimal(31_536_000)
BY_EXPIRY: Mapping[str, Callable[[str, int], Key]] = {
    "forwards": forward_of,
    "rates": rate_of,
    "fixed": fixed_of,
    "fixed_shares": fixed_share_of,
}


def market_of(
    reader: Reader, said: SaidBook, contracts: Mapping[str, SaidContract], now_ms: int
) -> MarketValues:
    """The figures, those without a time of their own as old as `figures_as_of` says."""
    if not 0 <= said.stale_after_s <= LONGEST_S:
        raise reader.refuse("stale_after_s", f"expected 0 to {LONGEST_S} seconds")
    if not 0 <= said.least_confidence <= 1:
        raise reader.refuse("least_confidence", "expected 0 to 1")
    figures = _Figures(reader, now_ms)
    if said.figures_as_of is not None:
        figures.as_of_ms = parse_time_ms(said.figures_as_of, reader.where, "figures_as_of")
    for asset, value in said.stable.items():
        figures.add(dollar_of(asset), value, f"stable.{asset}")
        # Rules that ask for a dollar coin's index mean the same price.
        figures.add(index_of(asset), value, f"stable.{asset}")
    for coin, value in said.coins.items():
        _add_coin(figures, coin, value)
    for place, one in contracts.items():
        name = f"{said.venue}:{one.symbol}"
        figures.add(mark_of(name), one.mark, f"{place}.mark")
        figures.add(vol_of(name), one.vol, f"{place}.vol")
        figures.add(funding_of(name), one.funding_next, f"{place}.funding_next")
    stale_after_ms, least = int(said.stale_after_s * SECOND_MS), float(said.least_confidence)
    return MarketValues(now_ms, figures.values, stale_after_ms, least)


class _Figures:
    """The figures read so far."""

    def __init__(self, reader: Reader, now_ms: int) -> None:
        self.reader, self.as_of_ms = reader, now_ms
        self.values: dict[Key, Seen] = {}

    def add(self, key: Key, value: object, field: str) -> None:
        """One figure: a number, or an object with its time; null is missing."""
        if value is None:
            return
        if not isinstance(value, dict):
            number = shaped(self.reader, value, Decimal, field)
            self.values[key] = Seen(float(number), self.as_of_ms)
            return
        said = shaped(self.reader, value, SaidFigure, field)
        self.reader.share(None if said.confidence == 1 else said.confidence, f"{field}.confidence")
        as_of_ms = self.as_of_ms
        if said.as_of is not None:
            as_of_ms = parse_time_ms(said.as_of, self.reader.where, f"{field}.as_of")
        self.values[key] = Seen(float(said.value), as_of_ms, float(said.confidence))


def _add_coin(figures: _Figures, coin: str, value: object) -> None:
    reader, field = figures.reader, f"coins.{coin}"
    said = shaped(reader, value, SaidCoin, field)
    figures.add(index_of(coin), said.index, f"{field}.index")
    for name, key_of in BY_EXPIRY.items():
        for expiry, figure in getattr(said, name).items():
            place = f"{field}.{name}.{expiry}"
            expiry_ms = parse_time_ms(expiry, reader.where, place)
            if key_of(coin, expiry_ms) in figures.values:
                raise reader.refuse(place, "expected each expiry once")
            figures.add(key_of(coin, expiry_ms), figure, place)
