# SPDX-License-Identifier: Apache-2.0
"""/exchange: who signed, whether the nonce is new, whether so much may be asked, then the action.

Nothing is done for an action that was signed for mainnet: who sends one here has a key in use
there, and whoever sees it could send it on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidegate.venues.hyperliquid_server import money, trading
from tidegate.venues.hyperliquid_server.actions import (
    SHOWN,
    Action,
    ApproveAgent,
    ApproveBuilderFee,
    CancelCloids,
    CancelOrders,
    Envelope,
    ModifyOrder,
    ModifyOrders,
    ModifyWire,
    Noop,
    PlaceOrders,
    ScheduleCancel,
    SendAsset,
    SetReferrer,
    SubAccountTransfer,
    Unoffered,
    UpdateIsolatedMargin,
    UpdateLeverage,
    UsdClassTransfer,
    UsdSend,
    Withdraw,
    read_envelope,
)
from tidegate.venues.hyperliquid_server.house import House
from tidegate.venues.hyperliquid_server.settings_of_user import (
    schedule_cancel,
    update_leverage,
)
from tidegate.venues.hyperliquid_server.signatures import Unsigned, signer
from tidegate.venues.hyperliquid_server.users import User

Reply = dict[str, Any]
DEFAULT: Reply = {"status": "ok", "response": {"type": "default"}}
MAINNET = (
    "Signed for mainnet: refused. This is a paper venue: sign for testnet (source 'b', chain"
    " Testnet), with a key that holds nothing."
)
# The venue's own words, and what to do here.
UNKNOWN = (
    "does not exist. Here an address exists once it stands in the file of keys or was asked about"
    " on /info, and signs for testnet."
)


class Refusal(Exception):
    """An action that is not done, in the venue's form of an error."""


def error(why: str) -> Reply:
    """The venue's form of an error."""
    return {"status": "err", "response": why}


def answer(house: House, body: bytes) -> tuple[Reply, int]:
    """The reply to a body, and how many things it asked for.

    Raises what `tidegate.model.parsing.UNREADABLE_JSON` names.
    """
    envelope, action = read_envelope(body)
    if isinstance(action, Unoffered):
        return error(f"{action.type} is not offered by this paper venue."), 1
    count = _count(action)
    try:
        signed_by = _signer(house, envelope, action)
        user = _user(house, signed_by, envelope, action)
        _take_nonce(house, user, signed_by, envelope)
        _check_expiry(house, user, envelope, action)
        _check_limit(house, user, action, count)
        return _HANDLERS[type(action)](house, user, action), count
    except Refusal as why:
        return error(str(why)), count


def _count(action: Action) -> int:
    for name in ("orders", "cancels", "modifies"):
        if (batch := getattr(action, name, None)) is not None:
            return len(batch)
    return 1


def _signer(house: House, envelope: Envelope, action: Action) -> str:
    if isinstance(action, SHOWN) and action.hyperliquidChain == "Mainnet":
        raise Refusal(MAINNET)
    try:
        found = signer(envelope, action, "Testnet")
        if house.users.acting(found) is None:
            meant = signer(envelope, action, "Mainnet")
            known = house.users.acting(meant) is not None
            raise Refusal(MAINNET if known else f"User or API Wallet {found} {UNKNOWN}")
    except Unsigned:
        raise Refusal("Unable to recover signer.") from None
    return found


def _user(house: House, signed_by: str, envelope: Envelope, action: Action) -> User:
    own = house.users.get(signed_by)
    if isinstance(action, SHOWN):
        if own is None:
            raise Refusal(f"Must deposit before performing actions. User: {signed_by}")
        return own
    user = house.users.acting(signed_by)
    if user is None or envelope.vaultAddress is not None:
        raise Refusal(f"Vault not registered: {envelope.vaultAddress}")
    return user


def _take_nonce(house: House, user: User, signed_by: str, envelope: Envelope) -> None:
    refusal = house.nonces.refusal(signed_by, envelope.nonce, house.wall_ms())
    if refusal is not None:
        raise Refusal(refusal)
    house.nonces.use(signed_by, envelope.nonce)


def _check_expiry(house: House, user: User, envelope: Envelope, action: Action) -> None:
    expires_ms = envelope.expiresAfter
    if isinstance(action, SHOWN):
        said = getattr(action, "nonce", None) or getattr(action, "time", None)
        if expires_ms is not None:
            raise Refusal("expiresAfter is not supported for user-signed actions.")
        if said != envelope.nonce:
            raise Refusal(f"Invalid nonce: {envelope.nonce} is not the one that was signed.")
    elif expires_ms is not None and house.due_ms() > expires_ms:
        user.limit.stale()
        raise Refusal(f"Action expired: {house.due_ms()} is after {expires_ms}.")


def _check_limit(house: House, user: User, action: Action, count: int) -> None:
    cancels = isinstance(action, CancelOrders | CancelCloids)
    traded = house.desk(user).volume_micro
    refusal = user.limit.refusal(count, cancels, traded, house.wall_ms())
    if refusal is not None:
        raise Refusal(refusal)


def _statuses(kind: str, statuses: list[Any]) -> Reply:
    return {"status": "ok", "response": {"type": kind, "data": {"statuses": statuses}}}


def _orders(house: House, user: User, action: PlaceOrders) -> Reply:
    if action.grouping != "na":
        raise Refusal("Only the grouping na is offered by this paper venue.")
    desk = house.desk(user)
    return _statuses("order", [trading.place(house, desk, wire) for wire in action.orders])


def _cancels(house: House, user: User, action: CancelOrders) -> Reply:
    desk = house.desk(user)
    return _statuses("cancel", [trading.cancel(house, desk, wire) for wire in action.cancels])


def _cloids(house: House, user: User, action: CancelCloids) -> Reply:
    desk = house.desk(user)
    return _statuses("cancel", [trading.cancel_cloid(house, desk, wire) for wire in action.cancels])


def _modify(house: House, user: User, action: ModifyOrder) -> Reply:
    wire = ModifyWire(action.oid, action.order)
    became = trading.modify(house, house.desk(user), wire)
    if "error" in became:
        raise Refusal(became["error"])
    return DEFAULT


def _modifies(house: House, user: User, action: ModifyOrders) -> Reply:
    desk = house.desk(user)
    return _statuses("order", [trading.modify(house, desk, wire) for wire in action.modifies])


def _checked(handle: Callable[[House, User, Any], str | None]) -> Callable[..., Reply]:
    """A handler out of a function that says why not."""

    def handler(house: House, user: User, action: Any) -> Reply:
        if (refusal := handle(house, user, action)) is not None:
            raise Refusal(refusal)
        return DEFAULT

    return handler


def _isolated(house: House, user: User, action: UpdateIsolatedMargin) -> str:
    return "Isolated margin is not offered by this paper venue: accounts are margined cross."


def _referrer(house: House, user: User, action: SetReferrer) -> str | None:
    if user.referrer is not None:
        return "Referrer already set."
    user.referrer = action.code
    return None


def _builder_fee(house: House, user: User, action: ApproveBuilderFee) -> str | None:
    user.approve_builder(action.builder, action.maxFeeRate)
    return None


def _agent(house: House, user: User, action: ApproveAgent) -> str | None:
    refusal, replaced = house.users.approve(user, action.agentAddress, action.agentName)
    if replaced is not None:
        house.nonces.forget(replaced)
    return refusal


def _nothing(house: House, user: User, action: Noop) -> None:
    return None


_HANDLERS: Mapping[type, Callable[[House, User, Any], Reply]] = {
    PlaceOrders: _orders,
    CancelOrders: _cancels,
    CancelCloids: _cloids,
    ModifyOrder: _modify,
    ModifyOrders: _modifies,
    ScheduleCancel: _checked(schedule_cancel),
    UpdateLeverage: _checked(update_leverage),
    UpdateIsolatedMargin: _checked(_isolated),
    SetReferrer: _checked(_referrer),
    Noop: _checked(_nothing),
    ApproveBuilderFee: _checked(_builder_fee),
    ApproveAgent: _checked(_agent),
    UsdClassTransfer: _checked(money.class_transfer),
    UsdSend: _checked(money.usd_send),
    SendAsset: _checked(money.send_asset),
    Withdraw: _checked(money.withdraw),
    SubAccountTransfer: _checked(money.sub_account),
}
