# SPDX-License-Identifier: Apache-2.0
"""Reads a margin book: strictly, in exact numbers, each refusal with file, field, expectation."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from tidegate.engine.book_fields import Reader
from tidegate.engine.json_file import read_json
from tidegate.engine.margin_book.account_book import AccountBook, named
from tidegate.engine.margin_book.fields import SaidBook, SaidContract, SaidOrder, shaped
from tidegate.engine.margin_book.instruments import instrument_of
from tidegate.engine.margin_book.market_figures import market_of
from tidegate.engine.margin_book.rules import WITHOUT_ORDERS, build, require_parameters
from tidegate.engine.margin_book.said_account import SaidAccount
from tidegate.margin.holdings import Holding, Holdings, WorkingOrder
from tidegate.margin.registry import card
from tidegate.margin.rule_card import RuleCard
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument
from tidegate.model.times import parse_time_ms


def read_account(path: Path | str, rule: str | None = None) -> AccountBook:
    """The account in a file, under its own rule or another one for which it says enough.

    Raises: `InputError` naming file, field and what was expected.
    """
    file = Path(path)
    reader = Reader(file.name)
    return account_of(reader, read_json(reader, file), rule)


def account_of(reader: Reader, value: object, rule: str | None = None) -> AccountBook:
    """The account in a JSON value, as `read_account` finds it in a file; the reader's name stands
    for the file in what is refused."""
    said = shaped(reader, value, SaidBook, "")
    chosen = _card(reader, said.rule, "rule") if rule is None else _card(reader, rule, "--rule")
    now_ms = parse_time_ms(said.as_of, reader.where, "as_of")
    contracts = _contracts(reader, said)
    instruments = {
        one.symbol: instrument_of(reader, said.venue, one, now_ms, place)
        for place, one in contracts.items()
    }
    market = market_of(reader, said, contracts, now_ms)
    holdings = _holdings(reader, said, contracts, instruments)
    require_parameters(reader, said)
    account = SaidAccount(reader, said, contracts, instruments)
    with named(reader.where):
        made = build(chosen.name, account)
    _note_unknown(reader, said, contracts, chosen.name)
    unknown = tuple(reader.unknown)
    return AccountBook(
        reader.where, said.venue, chosen, made, holdings, market, instruments, unknown
    )


def _card(reader: Reader, name: str, field: str) -> RuleCard:
    try:
        return card(name)
    except InputError as error:
        raise reader.refuse(field, f"{error.expected}, got {name!r}") from None


def _contracts(reader: Reader, said: SaidBook) -> dict[str, SaidContract]:
    """The contracts by their place in the file; a symbol stands once and can be said in a word."""
    found: dict[str, SaidContract] = {}
    for index, value in enumerate(said.positions):
        place = f"positions[{index}]"
        one = shaped(reader, value, SaidContract, place)
        if one.symbol != "".join(one.symbol.split()) or not one.symbol:
            raise reader.refuse(f"{place}.symbol", f"expected no spaces in it, got {one.symbol!r}")
        if any(one.symbol == other.symbol for other in found.values()):
            raise reader.refuse(f"{place}.symbol", f"expected {one.symbol!r} once")
        found[place] = one
    return found


def _holdings(
    reader: Reader,
    said: SaidBook,
    contracts: Mapping[str, SaidContract],
    instruments: Mapping[str, Instrument],
) -> Holdings:
    positions = tuple(
        Holding(
            instruments[one.symbol],
            float(one.size),
            float(one.entry or 0),
            float(one.funding or 0),
        )
        for one in contracts.values()
        if one.size
    )
    orders = tuple(_orders(reader, said, instruments))
    return Holdings(positions, _floats(said.balances), orders, _floats(said.realised or {}))


def _floats(amounts: Mapping[str, Decimal]) -> dict[str, float]:
    return {asset: float(amount) for asset, amount in amounts.items()}


def _orders(
    reader: Reader, said: SaidBook, instruments: Mapping[str, Instrument]
) -> list[WorkingOrder]:
    found = []
    for index, value in enumerate(said.orders):
        place = f"orders[{index}]"
        one = shaped(reader, value, SaidOrder, place)
        if one.symbol not in instruments:
            known = ", ".join(sorted(instruments)) or "none"
            raise reader.refuse(f"{place}.symbol", f"expected one of the positions: {known}")
        reader.positive(one.price, f"{place}.price")
        if not one.size:
            raise reader.refuse(f"{place}.size", "expected a size other than 0")
        found.append(
            WorkingOrder(
                instruments[one.symbol], float(one.size), float(one.price), one.reduce_only
            )
        )
    return found


def _note_unknown(
    reader: Reader, said: SaidBook, contracts: Mapping[str, SaidContract], rule: str
) -> None:
    """What the file leaves out and the figures are therefore without."""
    for one in contracts.values():
        if one.kind == "perpetual" and one.size and one.funding is None:
            reader.missing(f"{one.symbol}.funding", "what is accrued and not yet paid")
    if rule.startswith("deribit") and said.realised is None:
        reader.missing("realised", "profit since the last settlement that is not in balances")
    if said.orders and rule in WITHOUT_ORDERS:
        reader.missing("orders", f"what they reserve: {rule} does not pin it, nothing is counted")
