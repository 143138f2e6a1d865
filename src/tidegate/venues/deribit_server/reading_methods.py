# SPDX-License-Identifier: Apache-2.0
"""Private methods that change nothing: accounts, positions, orders, trades, transfers.

Source: docs.deribit.com, private methods, read in November 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tidegate.model.instruments import Instrument
from tidegate.venues.deribit_server.accounts import Principal
from tidegate.venues.deribit_server.contracts import VENUES
from tidegate.venues.deribit_server.figures import money
from tidegate.venues.deribit_server.market_shapes import Shape, kind
from tidegate.venues.deribit_server.params import Params
from tidegate.venues.deribit_server.public_methods import KINDS
from tidegate.venues.deribit_server.refusals import NOT_FOUND, NOT_FOUND_ORDER, Refusal, bad_param
from tidegate.venues.deribit_server.session import Session
from tidegate.venues.street.account import StreetAccount
from tidegate.venues.street.values import Fill, OrderState, Sent

if TYPE_CHECKING:
    from tidegate.venues.deribit_server.house import House

COUNT_MAX, HISTORY, TRADES = 1_000, 20, 10
FOREVER = 1 << 62


def currency(params: Params) -> str:
    """A wallet's currency."""
    found = params.text("currency").upper()
    if found not in VENUES:
        raise bad_param("currency", "invalid currency")
    return found


def matches(house: House, params: Params, by_instrument: bool) -> Callable[[str], bool]:
    """Which symbols are asked for: one, or those of a currency and kind."""
    if by_instrument:
        symbol = params.text("instrument_name")
        if not house.trades(symbol):
            raise Refusal(NOT_FOUND, {"param": "instrument_name"})
        return lambda name: name == symbol
    settle = params.text("currency", "any").upper()
    if settle not in ("ANY", *VENUES):
        raise bad_param("currency", "invalid currency")
    wanted = params.choice("kind", KINDS, "any")

    def fits(name: str) -> bool:
        one = house.known(name)
        return settle in ("ANY", one.settle) and wanted in ("any", kind(one))

    return fits


def find_order(house: House, account: StreetAccount, text: str) -> OrderState:
    """An order by its id; raises `Refusal`."""
    settle, _, number = text.partition("-")
    sound = number.isascii() and number.isdecimal() and len(number) <= 18
    found = account.order(int(number)) if sound else None
    if found is None or not house.trades(found.order.symbol):
        raise Refusal(NOT_FOUND_ORDER)
    if house.known(found.order.symbol).settle != settle:
        raise Refusal(NOT_FOUND_ORDER)
    return found


def _reader(house: House, session: Session, scope: str) -> StreetAccount:
    return house.account(session.who(scope))


def _summary(house: House, session: Session, params: Params) -> Shape:
    who = session.who("account:read")
    said = house.accounts.summary(house.account(who), currency(params))
    return said | (_identity(house, who) if params.flag("extended") else {})


def _summaries(house: House, session: Session, params: Params) -> Shape:
    who = session.who("account:read")
    account = house.account(who)
    every = [house.accounts.summary(account, each) for each in VENUES]
    return _identity(house, who) | {"summaries": every}


def _identity(house: House, who: Principal) -> Shape:
    return {
        "id": who.user_id,
        "username": who.name,
        "system_name": who.name,
        "type": "main" if who.user_id == 1 else "subaccount",
        "creation_timestamp": house.street.market.begin_ms,
        "interuser_transfers_enabled": False,
        "login_enabled": False,
        "mmp_enabled": False,
        "security_keys_enabled": False,
        "self_trading_extended_to_subaccounts": False,
        "self_trading_reject_mode": "reject_taker",
        "referrer_id": None,
    }


def _subaccounts(house: House, session: Session, params: Params) -> list[Shape]:
    session.who("account:read")
    return [_identity(house, who) for who in house.keyring.principals.values()]


def _positions(house: House, session: Session, params: Params) -> list[Shape]:
    account = _reader(house, session, "trade:read")
    fits = matches(house, params, by_instrument=False)
    found = (one for one in _held(house, account) if fits(one.symbol))
    return [house.accounts.position(account, one) for one in found]


def _held(house: House, account: StreetAccount) -> Iterable[Instrument]:
    """What is held, and what was closed in a session in which it was funded."""
    funded = house.settlements.funding(account.key)
    for venue in VENUES.values():
        names = {n for n in funded if house.street.market.instruments[n].venue == venue}
        for name in sorted(names | set(account.positions(venue))):
            yield house.street.market.instruments[name]


def _position(house: House, session: Session, params: Params) -> Shape:
    account = _reader(house, session, "trade:read")
    return house.accounts.position(account, house.instrument(params.text("instrument_name")))


def _open_orders(by_instrument: bool) -> Callable[[Any, Session, Params], Any]:
    def read(house: House, session: Session, params: Params) -> list[Shape]:
        account = _reader(house, session, "trade:read")
        fits = matches(house, params, by_instrument)
        found = [s for s in account.open_orders() if fits(s.order.symbol)]
        return [house.accounts.order(account, state) for state in found]

    return read


def _open_orders_by_label(house: House, session: Session, params: Params) -> list[Shape]:
    account, settle = _reader(house, session, "trade:read"), currency(params)
    label = params.text("label", "")
    found = [s for s in account.open_orders() if label in ("", s.order.label)]
    shapes = [s for s in found if house.known(s.order.symbol).settle == settle]
    return [house.accounts.order(account, state) for state in shapes]


def _order_state(house: House, session: Session, params: Params) -> Shape:
    account = _reader(house, session, "trade:read")
    return house.accounts.order(account, find_order(house, account, params.text("order_id")))


def _order_state_by_label(house: House, session: Session, params: Params) -> list[Shape]:
    """Every order of a label, since labels are not unique; the newest first."""
    account, settle = _reader(house, session, "trade:read"), currency(params)
    label = params.text("label")
    known = [*reversed(account.open_orders()), *_ended(house, account)]
    found = [s for s in known if s.order.label == label]
    own = [s for s in found if house.known(s.order.symbol).settle == settle]
    return [house.accounts.order(account, state) for state in own]


def _ended(house: House, account: StreetAccount) -> list[OrderState]:
    """Orders that were taken and have ended; a rejected one never was an order there."""
    return [s for s in account.closed_orders() if s.state != "rejected"]


def _order_history(by_instrument: bool) -> Callable[[Any, Session, Params], Any]:
    def read(house: House, session: Session, params: Params) -> list[Shape]:
        account = _reader(house, session, "trade:read")
        fits = matches(house, params, by_instrument)
        count = params.within("count", 1, COUNT_MAX, HISTORY)
        offset = params.within("offset", 0, 10**9, 0)
        unfilled = params.flag("include_unfilled")
        found = [
            s
            for s in _ended(house, account)
            if fits(s.order.symbol) and (s.filled_lots or unfilled)
        ]
        return [house.accounts.order(account, s) for s in found[offset : offset + count]]

    return read


def _user_trades(by_instrument: bool) -> Callable[[Any, Session, Params], Any]:
    def read(house: House, session: Session, params: Params) -> Shape:
        account = _reader(house, session, "trade:read")
        fits = matches(house, params, by_instrument)
        count = params.within("count", 1, COUNT_MAX, TRADES)
        ascending = params.choice("sorting", ("asc", "desc", "default"), "default") == "asc"
        found = [f for f in account.fills() if fits(f.symbol) and _within(f, params)]
        ordered = found if ascending else found[::-1]
        trades = [house.accounts.trade(account, f) for f in ordered[:count]]
        return {"trades": trades, "has_more": len(found) > count}

    return read


def _within(fill: Fill, params: Params) -> bool:
    first = params.integer("start_timestamp", 0) <= fill.ts_ms
    last = fill.ts_ms <= params.integer("end_timestamp", FOREVER)
    return first and last and _numbered(fill, params)


def _numbered(fill: Fill, params: Params) -> bool:
    least, most = params.integer("start_seq", 0), params.integer("end_seq", FOREVER)
    return least <= fill.number <= most


def _trades_by_order(house: House, session: Session, params: Params) -> list[Shape]:
    account = _reader(house, session, "trade:read")
    state = find_order(house, account, params.text("order_id"))
    own = [f for f in account.fills() if f.order == state.id]
    return [house.accounts.trade(account, f) for f in own]


def _transfers(house: House, session: Session, params: Params) -> Shape:
    who, asset = session.who("wallet:read"), currency(params)
    count = params.within("count", 1, COUNT_MAX, TRADES)
    offset = params.within("offset", 0, 10**9, 0)
    ours = [
        s for s in reversed(house.sent) if s.asset == asset and who.key in (s.source, s.destination)
    ]
    shown = [transfer(house, who, sent) for sent in ours[offset : offset + count]]
    return {"count": len(ours), "data": shown}


def transfer(house: House, who: Principal, sent: Sent) -> Shape:
    """A transfer as one of its ends sees it."""
    pays = sent.source == who.key
    other = house.keyring.principals[sent.destination if pays else sent.source]
    landed = sent.lands_ms <= house.street.now_ms
    return {
        "id": sent.id,
        "type": "subaccount",
        "currency": sent.asset,
        "amount": money(sent.quanta, sent.asset),
        "direction": "payment" if pays else "income",
        "other_side": other.name,
        "state": "confirmed" if landed else "prepared",
        "created_timestamp": sent.sent_ms,
        "updated_timestamp": sent.lands_ms if landed else sent.sent_ms,
    }


def _none(house: House, session: Session, params: Params) -> Shape:
    """Nothing is ever deposited from outside or withdrawn to there."""
    session.who("wallet:read")
    currency(params)
    return {"count": 0, "data": []}


METHODS: dict[str, Callable[[Any, Session, Params], Any]] = {
    "private/get_account_summary": _summary,
    "private/get_account_summaries": _summaries,
    "private/get_subaccounts": _subaccounts,
    "private/get_positions": _positions,
    "private/get_position": _position,
    "private/get_open_orders": _open_orders(False),
    "private/get_open_orders_by_currency": _open_orders(False),
    "private/get_open_orders_by_instrument": _open_orders(True),
    "private/get_open_orders_by_label": _open_orders_by_label,
    "private/get_order_state": _order_state,
    "private/get_order_state_by_label": _order_state_by_label,
    "private/get_order_history_by_currency": _order_history(False),
    "private/get_order_history_by_instrument": _order_history(True),
    "private/get_user_trades_by_currency": _user_trades(False),
    "private/get_user_trades_by_currency_and_time": _user_trades(False),
    "private/get_user_trades_by_instrument": _user_trades(True),
    "private/get_user_trades_by_instrument_and_time": _user_trades(True),
    "private/get_user_trades_by_order": _trades_by_order,
    "private/get_transfers": _transfers,
    "private/get_deposits": _none,
    "private/get_withdrawals": _none,
}
