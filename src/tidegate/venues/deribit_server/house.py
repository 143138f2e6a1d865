# SPDX-License-Identifier: Apache-2.0
"""The local Deribit without its wires: what a request is answered with, and what is pushed.

One thread calls it. Every request first lets the market's time pass, so that it meets the present;
what happened goes to the sessions that subscribed, in order, after the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tidegate.model.errors import InvariantError
from tidegate.model.instruments import Instrument
from tidegate.venues.deribit_server import (
    log_methods,
    public_methods,
    reading_methods,
    session_methods,
    trading_methods,
)
from tidegate.venues.deribit_server.account_shapes import AccountShapes
from tidegate.venues.deribit_server.accounts import Keyring, Principal
from tidegate.venues.deribit_server.contracts import VENUES
from tidegate.venues.deribit_server.credits import Limits
from tidegate.venues.deribit_server.market_shapes import MarketShapes, Shape
from tidegate.venues.deribit_server.params import Params
from tidegate.venues.deribit_server.refusals import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    NOT_FOUND,
    PARSE_ERROR,
    TOO_MANY_REQUESTS,
    Refusal,
)
from tidegate.venues.deribit_server.session import Session
from tidegate.venues.deribit_server.settlements import Settlements
from tidegate.venues.street.account import StreetAccount
from tidegate.venues.street.street import Street

BODY_MAX = 65_536
TICKS_A_LOOK = 600
Method = Callable[[Any, Session, Params], Any]
METHODS: dict[str, Method] = {
    **log_methods.METHODS,
    **public_methods.METHODS,
    **reading_methods.METHODS,
    **session_methods.METHODS,
    **trading_methods.METHODS,
}
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def encode(message: object) -> bytes:
    """JSON with exact numbers."""
    return _ENCODER.encode(message)


class House:
    """Everything that is served; `wall_ms` is the machine's clock, for tokens and limits."""

    def __init__(
        self,
        street: Street,
        keyring: Keyring,
        limits: Limits,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.street, self.keyring, self.limits, self.wall_ms = street, keyring, limits, wall_ms
        self.market = MarketShapes(street)
        users = {key: who.user_id for key, who in keyring.principals.items()}
        self.settlements = Settlements(street)
        self.accounts = AccountShapes(street, self.market, users, self.settlements)
        self.cancels_on_disconnect: set[str] = set()
        self.sent: list[Any] = []
        self._sessions: dict[str, Session] = {}

    def join(self, session: Session) -> None:
        """A connection is there."""
        self._sessions[session.name] = session

    @property
    def sessions(self) -> int:
        """How many connections there are."""
        return len(self._sessions)

    def connections(self) -> tuple[Session, ...]:
        """Every connection."""
        return tuple(self._sessions.values())

    def leave(self, session: Session) -> None:
        """A connection is gone; what it wished to have cancelled then is."""
        self._sessions.pop(session.name, None)
        who = session.principal
        if who is None:
            return
        own = session.cancels_on_disconnect
        if who.key in self.cancels_on_disconnect if own is None else own:
            self.account(who).cancel_all(lambda state: state.id in session.orders)
            self.look()

    def look(self) -> bool:
        """Let time pass and push what happened; whether the market is up to its clock."""
        before_ms = self.street.now_ms
        ticks = min(TICKS_A_LOOK, self.settlements.ticks_left())
        news = self.street.advance(ticks)
        self.settlements.take(news)
        for session in self._sessions.values():
            for name, one in list(session.channels.items()):
                for data in one.feed(news):
                    params = {"channel": name, "data": data}
                    message = {"jsonrpc": "2.0", "method": "subscription", "params": params}
                    session.push(message)
            session.beat(self.wall_ms())
        tick_ms = self.street.market.terms.tick_ms
        return self.street.now_ms - before_ms < ticks * tick_ms

    def answer(self, session: Session, raw: bytes) -> dict[str, Any]:
        """The answer to one request in JSON."""
        began_us = time.time_ns() // 1_000
        number: object = None
        try:
            request = _request(raw)
            number = _id_of(request)
            method, params = request.get("method"), request.get("params", {})
            if not isinstance(method, str) or not isinstance(params, dict | None):
                raise Refusal(INVALID_REQUEST)
            said = {"result": self.call(session, method, params or {})}
        except Refusal as refusal:
            said = {"error": self.error(session, refusal)}
        return envelope(number, said, began_us)

    def call(self, session: Session, method: str, params: Mapping[str, Any]) -> Any:
        """What a method returns; raises `Refusal`."""
        asked_by = session.principal.key if session.principal else "anonymous"
        self.limits.ordinary(asked_by, self.wall_ms())
        found = METHODS.get(method)
        if found is None:
            raise Refusal(METHOD_NOT_FOUND)
        self.look()
        return found(self, session, Params(params))

    def error(self, session: Session, refusal: Refusal) -> dict[str, Any]:
        """What is said of a refusal; one of limits ends the session."""
        if refusal.code == TOO_MANY_REQUESTS and session.is_websocket:
            session.drop("too_many_requests")
        said: dict[str, Any] = {"code": refusal.code, "message": refusal.message}
        return said if refusal.data is None else said | {"data": refusal.data}

    def account(self, who: Principal) -> StreetAccount:
        """Somebody's account on the street."""
        found = self.street.account(who.key)
        if found is None:
            raise InvariantError(f"no account of {who.name}")
        return found

    def instrument(self, symbol: str) -> Instrument:
        """An instrument that is listed; raises `Refusal`."""
        found = self.street.instrument(symbol)
        if found is None:
            raise Refusal(NOT_FOUND, {"param": "instrument_name"})
        return found

    def trades(self, symbol: str) -> bool:
        """Whether an instrument is or was listed."""
        return self.street.has(symbol)

    def known(self, symbol: str) -> Instrument:
        """An instrument that is or was listed."""
        return self.street.market.instruments[self.street.name(symbol)]

    def ticker(self, one: Instrument) -> Shape:
        """What `public/ticker` says."""
        quote, ladder = self.street.quote(one.symbol), self.street.ladder(one.symbol)
        if quote is None or ladder is None:
            raise Refusal(NOT_FOUND)
        return self.market.ticker(one, quote, ladder)

    def portfolio(self, account: StreetAccount, currency: str) -> Shape:
        """What `user.portfolio` says."""
        said = self.accounts.summary(account, currency)
        usd = self.market.usd(currency)
        totals = (
            ("total_equity_usd", "equity"),
            ("total_margin_balance_usd", "margin_balance"),
            ("total_initial_margin_usd", "initial_margin"),
            ("total_maintenance_margin_usd", "maintenance_margin"),
            ("total_delta_total_usd", "delta_total"),
        )
        return said | {name: said[of] * usd for name, of in totals}

    @property
    def currencies(self) -> tuple[str, ...]:
        """Currencies of wallets."""
        return tuple(VENUES)


def envelope(number: object, said: dict[str, Any], began_us: int) -> dict[str, Any]:
    """A JSON-RPC answer with the venue's times in microseconds."""
    ended_us = max(time.time_ns() // 1_000, began_us)
    times = {"usIn": began_us, "usOut": ended_us, "usDiff": ended_us - began_us}
    head = {"jsonrpc": "2.0"} | ({} if number is None else {"id": number})
    return head | said | times | {"testnet": True}


def _request(raw: bytes) -> dict[str, Any]:
    if len(raw) > BODY_MAX:
        raise Refusal(INVALID_REQUEST, {"reason": f"expected at most {BODY_MAX} bytes"})
    try:
        request = _DECODER.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ArithmeticError, ValueError):
        raise Refusal(PARSE_ERROR) from None
    if not isinstance(request, dict):
        raise Refusal(INVALID_REQUEST)
    return request


def _id_of(request: Mapping[str, Any]) -> object:
    number = request.get("id")
    if isinstance(number, bool) or not isinstance(number, int | str | None):
        raise Refusal(INVALID_REQUEST, {"reason": "id"})
    if isinstance(number, str) and len(number) > 256:
        raise Refusal(INVALID_REQUEST, {"reason": "id"})
    return number
