# SPDX-License-Identifier: Apache-2.0
"""Private methods that trade and move money. Labels are not unique: nothing is done once only.

Source: docs.deribit.com, private/buy, private/edit, private/cancel and their kin, and
private/submit_transfer_to_subaccount, read in November 2026.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidegate.model.instruments import Instrument
from tidegate.model.units import claim_to_quanta, from_quanta
from tidegate.venues.deribit_server.contracts import VENUES
from tidegate.venues.deribit_server.figures import contract_size, lots_of, price, ticks_of
from tidegate.venues.deribit_server.market_shapes import Shape, band, kind
from tidegate.venues.deribit_server.params import Params
from tidegate.venues.deribit_server.public_methods import KINDS
from tidegate.venues.deribit_server.reading_methods import (
    currency,
    find_order,
    matches,
    transfer,
)
from tidegate.venues.deribit_server.refusals import (
    INVALID_ARGUMENTS,
    NOT_FOUND_ORDER,
    NOT_IMPLEMENTED,
    NOT_OPEN_ORDER,
    TIMED_OUT,
    Refusal,
    bad_param,
    because,
)
from tidegate.venues.deribit_server.session import Session
from tidegate.venues.street.account import StreetAccount
from tidegate.venues.street.values import InForce, NewOrder, OrderState, Refused

if TYPE_CHECKING:
    from tidegate.venues.deribit_server.house import House

LABEL_MAX, TRANSFERS_MAX = 64, 1_000
TYPES = ("limit", "market")
IN_FORCE: dict[str, InForce] = {
    "good_til_cancelled": "gtc",
    "immediate_or_cancel": "ioc",
    "fill_or_kill": "fok",
}
# What is documented there and is not done here; asked for, it is refused and never overlooked.
NOT_HERE = (
    "trigger_price trigger trigger_offset advanced mmp display_amount max_show "
    "linked_order_type otoco_config trigger_fill_condition"
).split()


def trader(house: House, session: Session) -> StreetAccount:
    """The account of who may trade; spends one of its matching requests."""
    who = session.who("trade:read_write")
    house.limits.matching(who.key, house.wall_ms())
    return house.account(who)


def _side(side: int) -> Callable[[Any, Session, Params], Any]:
    def trade(house: House, session: Session, params: Params) -> Shape:
        account = trader(house, session)
        _in_time(house, params)
        one = house.instrument(params.text("instrument_name"))
        new = _new_order(house, one, params, side)
        return _placed(house, session, account, new)

    return trade


def _placed(house: House, session: Session, account: StreetAccount, new: NewOrder) -> Shape:
    after = _last_fill(account)
    state = account.place(new)
    if state.state == "rejected":
        raise because(state.reason)
    if state.state == "open":
        session.orders &= {one.id for one in account.open_orders()}
        session.orders.add(state.id)
    return _with_trades(house, account, state, after)


def _with_trades(house: House, account: StreetAccount, state: OrderState, after: int) -> Shape:
    own = [f for f in account.fills(after) if f.order == state.id]
    trades = [house.accounts.trade(account, fill) for fill in own]
    return {"order": house.accounts.order(account, state), "trades": trades}


def _last_fill(account: StreetAccount) -> int:
    fills = account.fills()
    return fills[-1].number if fills else 0


def _new_order(house: House, one: Instrument, params: Params, side: int) -> NewOrder:
    _refuse_unknown(params)
    word = params.text("type", "limit")
    if word not in TYPES:
        raise Refusal(NOT_IMPLEMENTED, {"reason": word, "param": "type"})
    label = params.text("label", "")
    if len(label) > LABEL_MAX:
        raise bad_param("label", f"must be at most {LABEL_MAX} characters")
    ticks = None if word == "market" else ticks_of(one, params.number("price"))
    new = NewOrder(
        symbol=one.symbol,
        lots=side * _lots(one, params),
        ticks=ticks,
        in_force=_in_force(params),
        post_only=params.flag("post_only"),
        reduce_only=params.flag("reduce_only"),
        label=label,
    )
    if new.post_only and (ticks is None or new.in_force != "gtc"):
        raise Refusal(INVALID_ARGUMENTS, {"reason": "post_only", "param": "post_only"})
    return _behind(house, one, _within_band(house, one, new), params.flag("reject_post_only"))


def _in_time(house: House, params: Params) -> None:
    """Refuse what was to begin before a time, by the venue's clock, that has come."""
    if params.has("valid_until") and params.integer("valid_until") <= house.street.now_ms:
        raise Refusal(TIMED_OUT, {"reason": "valid_until", "param": "valid_until"})


def _refuse_unknown(params: Params) -> None:
    for name in NOT_HERE:
        if params.has(name):
            raise Refusal(NOT_IMPLEMENTED, {"reason": "not simulated", "param": name})


def _lots(one: Instrument, params: Params) -> int:
    if params.has("amount"):
        return lots_of(one, params.number("amount"))
    if params.has("contracts"):
        return lots_of(one, params.number("contracts") * contract_size(one), "contracts")
    raise bad_param("amount", "value_required")


def _in_force(params: Params) -> InForce:
    word = params.text("time_in_force", "good_til_cancelled")
    if word not in IN_FORCE:
        raise Refusal(NOT_IMPLEMENTED, {"reason": word, "param": "time_in_force"})
    return IN_FORCE[word]


def _within_band(house: House, one: Instrument, new: NewOrder) -> NewOrder:
    quote = house.street.quote(one.symbol)
    if quote is None or new.ticks is None:
        return new
    low, high = band(one, quote)
    if new.lots > 0 and new.ticks > high:
        raise Refusal(10007, None, f"price_too_high {price(one, high)}")
    if new.lots < 0 and new.ticks < low:
        raise Refusal(10005, None, f"price_too_low {price(one, low)}")
    return new


def _behind(house: House, one: Instrument, new: NewOrder, rejects: bool) -> NewOrder:
    """A post-only order that would cross is put just behind the other side, unless it is to be
    rejected then."""
    quote = house.street.quote(one.symbol)
    if not new.post_only or rejects or quote is None or new.ticks is None:
        return new
    if new.lots > 0 and quote.ask_ticks is not None:
        return replace(new, ticks=max(1, min(new.ticks, quote.ask_ticks - 1)))
    if new.lots < 0 and quote.bid_ticks is not None:
        return replace(new, ticks=max(new.ticks, quote.bid_ticks + 1))
    return new


def _edit(house: House, session: Session, params: Params) -> Shape:
    account = trader(house, session)
    state = find_order(house, account, params.text("order_id"))
    return _edited(house, account, state, params)


def _edit_by_label(house: House, session: Session, params: Params) -> Shape:
    account, label = trader(house, session), params.text("label")
    one = house.instrument(params.text("instrument_name"))
    found = [s for s in account.open_orders(one.symbol) if s.order.label == label]
    if len(found) != 1:
        reason = "no open order of this label" if not found else "several open orders of this label"
        raise Refusal(NOT_FOUND_ORDER, {"reason": reason, "param": "label"})
    return _edited(house, account, found[0], params)


def _edited(house: House, account: StreetAccount, state: OrderState, params: Params) -> Shape:
    _refuse_unknown(params)
    _in_time(house, params)
    if state.state != "open":
        raise Refusal(NOT_OPEN_ORDER)
    one, old = house.known(state.order.symbol), state.order
    side = 1 if old.lots > 0 else -1
    sized = params.has("amount") or params.has("contracts")
    lots = side * _lots(one, params) if sized else old.lots
    ticks = ticks_of(one, params.number("price")) if params.has("price") else old.ticks
    post_only = params.flag("post_only", old.post_only)
    wished = replace(old, lots=lots, ticks=ticks, post_only=post_only)
    wished = _within_band(house, one, wished)
    wished = _behind(house, one, wished, params.flag("reject_post_only"))
    after = _last_fill(account)
    done = account.amend(state.id, wished.lots, wished.ticks)
    if isinstance(done, Refused):
        raise because(done.reason)
    return _with_trades(house, account, done, after)


def _cancel(house: House, session: Session, params: Params) -> Shape:
    account = trader(house, session)
    state = find_order(house, account, params.text("order_id"))
    done = account.cancel(state.id)
    if isinstance(done, Refused):
        raise because(done.reason)
    return house.accounts.order(account, done)


def _cancel_by_label(house: House, session: Session, params: Params) -> int:
    account, label = trader(house, session), params.text("label")
    settle = currency(params) if params.has("currency") else None

    def fits(state: OrderState) -> bool:
        own = house.known(state.order.symbol).settle
        return state.order.label == label and settle in (None, own)

    return len(account.cancel_all(fits))


def _cancel_all(by_instrument: bool) -> Callable[[Any, Session, Params], Any]:
    def cancel(house: House, session: Session, params: Params) -> Any:
        account = trader(house, session)
        fits = matches(house, params, by_instrument)
        done = account.cancel_all(lambda state: fits(state.order.symbol))
        if not params.flag("detailed"):
            return len(done)
        return [house.accounts.order(account, state) for state in done]

    return cancel


def _cancel_by_kind(house: House, session: Session, params: Params) -> int:
    account, wanted = trader(house, session), params.choice("kind", KINDS, "any")
    settle = params.text("currency", "any").upper()
    if settle not in ("ANY", *VENUES):
        raise bad_param("currency", "invalid currency")

    def fits(state: OrderState) -> bool:
        one = house.known(state.order.symbol)
        return wanted in ("any", kind(one)) and settle in ("ANY", one.settle)

    return len(account.cancel_all(fits))


def _close_position(house: House, session: Session, params: Params) -> Shape:
    account = trader(house, session)
    one = house.instrument(params.text("instrument_name"))
    held = account.positions(one.venue).get(one.id)
    if held is None:
        raise Refusal(11030, None, "other_reject no position")
    word = params.choice("type", TYPES)
    ticks = None if word == "market" else ticks_of(one, params.number("price"))
    new = NewOrder(one.symbol, -held.lots, ticks, reduce_only=True)
    return _placed(house, session, account, _within_band(house, one, new))


def _transfer(house: House, session: Session, params: Params) -> Shape:
    who, asset = session.who("wallet:read_write"), currency(params)
    amount = params.number("amount")
    quanta = claim_to_quanta(amount, asset)
    if amount <= 0 or from_quanta(quanta, asset) != amount:
        raise bad_param("amount", "must be positive and of the currency's precision")
    payee = house.keyring.by_user(params.text("destination"))
    if payee is None:
        raise bad_param("destination", "unknown account")
    ends = (who.key, VENUES[asset]), (payee.key, VENUES[asset])
    sent = house.street.transfer(*ends, asset, quanta)
    if isinstance(sent, Refused):
        raise because(sent.reason)
    house.sent.append(sent)
    del house.sent[:-TRANSFERS_MAX]
    return transfer(house, who, sent)


METHODS: dict[str, Callable[[Any, Session, Params], Any]] = {
    "private/buy": _side(1),
    "private/sell": _side(-1),
    "private/edit": _edit,
    "private/edit_by_label": _edit_by_label,
    "private/cancel": _cancel,
    "private/cancel_by_label": _cancel_by_label,
    "private/cancel_all": _cancel_all(False),
    "private/cancel_all_by_currency": _cancel_all(False),
    "private/cancel_all_by_instrument": _cancel_all(True),
    "private/cancel_all_by_kind_or_type": _cancel_by_kind,
    "private/close_position": _close_position,
    "private/submit_transfer_to_subaccount": _transfer,
    "private/submit_transfer_to_user": _transfer,
}
