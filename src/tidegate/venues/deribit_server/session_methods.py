# SPDX-License-Identifier: Apache-2.0
"""Methods about the connection itself: who it is, heartbeat, subscriptions, cancel on disconnect.

Source: docs.deribit.com, Authentication, Session Management and Subscriptions, November 2026.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tidegate.venues.deribit_server.channels import channel
from tidegate.venues.deribit_server.market_shapes import Shape
from tidegate.venues.deribit_server.params import CHANNELS_MAX, Params
from tidegate.venues.deribit_server.refusals import Refusal, bad_param
from tidegate.venues.deribit_server.session import (
    HEARTBEAT_LEAST_S,
    HEARTBEAT_MOST_S,
    Session,
)

if TYPE_CHECKING:
    from tidegate.venues.deribit_server.house import House

WEBSOCKET_ONLY = 10030


def _websocket(session: Session) -> None:
    if not session.is_websocket:
        raise Refusal(WEBSOCKET_ONLY)


def _auth(house: House, session: Session, params: Params) -> Shape:
    who, answer = house.keyring.auth(params, house.wall_ms())
    session.principal = who
    return answer


def _logout(house: House, session: Session, params: Params) -> str:
    _websocket(session)
    session.who("account:read")
    # As there, logging out cancels nothing.
    session.principal, session.cancels_on_disconnect = None, False
    session.channels = {n: c for n, c in session.channels.items() if not n.startswith("user.")}
    session.drop("logout")
    return "ok"


def _set_heartbeat(house: House, session: Session, params: Params) -> str:
    _websocket(session)
    seconds = params.within("interval", HEARTBEAT_LEAST_S, HEARTBEAT_MOST_S, 0)
    session.heartbeat_s, session.asked = seconds, False
    session.beat_ms = house.wall_ms()
    return "ok"


def _disable_heartbeat(house: House, session: Session, params: Params) -> str:
    _websocket(session)
    session.heartbeat_s, session.asked = None, False
    return "ok"


def _subscribe(house: House, session: Session, params: Params) -> list[str]:
    """Names that stand afterwards; those of nothing are left out."""
    _websocket(session)
    accepted = []
    for name in params.channels():
        if name not in session.channels and len(session.channels) >= CHANNELS_MAX:
            raise bad_param("channels", f"expected at most {CHANNELS_MAX} of a connection")
        made = session.channels.get(name) or channel(house, session, name)
        if made is not None:
            session.channels[name] = made
            accepted.append(name)
    return accepted


def _subscribe_private(house: House, session: Session, params: Params) -> list[str]:
    session.who("account:read")
    return _subscribe(house, session, params)


def _unsubscribe(house: House, session: Session, params: Params) -> list[str]:
    _websocket(session)
    return [n for n in params.channels() if session.channels.pop(n, None) is not None]


def _unsubscribe_all(house: House, session: Session, params: Params) -> str:
    _websocket(session)
    session.channels.clear()
    return "ok"


def _on_disconnect(house: House, session: Session, params: Params, wanted: bool) -> str:
    _websocket(session)
    who = session.who("account:read_write")
    if params.choice("scope", ("connection", "account"), "connection") == "connection":
        session.cancels_on_disconnect = wanted
    elif wanted:
        house.cancels_on_disconnect.add(who.key)
    else:
        house.cancels_on_disconnect.discard(who.key)
    return "ok"


def _enable(house: House, session: Session, params: Params) -> str:
    return _on_disconnect(house, session, params, True)


def _disable(house: House, session: Session, params: Params) -> str:
    return _on_disconnect(house, session, params, False)


def _enabled(house: House, session: Session, params: Params) -> Shape:
    who = session.who("account:read")
    scope = params.choice("scope", ("connection", "account"), "connection")
    whole = who.key in house.cancels_on_disconnect
    own = session.cancels_on_disconnect
    return {"scope": scope, "enabled": own if scope == "connection" and own is not None else whole}


METHODS: dict[str, Callable[[Any, Session, Params], Any]] = {
    "public/auth": _auth,
    "private/logout": _logout,
    "public/set_heartbeat": _set_heartbeat,
    "public/disable_heartbeat": _disable_heartbeat,
    "public/subscribe": _subscribe,
    "private/subscribe": _subscribe_private,
    "public/unsubscribe": _unsubscribe,
    "private/unsubscribe": _unsubscribe,
    "public/unsubscribe_all": _unsubscribe_all,
    "private/unsubscribe_all": _unsubscribe_all,
    "private/enable_cancel_on_disconnect": _enable,
    "private/disable_cancel_on_disconnect": _disable,
    "private/get_cancel_on_disconnect": _enabled,
}
