# SPDX-License-Identifier: Apache-2.0
"""Dollars that move: between the two wallets of a user, to another user, and out to the chain.

Each function says why it does not, or None. Money between wallets lands when the street says so,
a second later; until then it is in neither.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.model.units import MICRO
from tidegate.venues.hyperliquid_server.actions import (
    SendAsset,
    SubAccountTransfer,
    UsdClassTransfer,
    UsdSend,
    Withdraw,
)
from tidegate.venues.hyperliquid_server.amounts import amount_quanta, quanta_text
from tidegate.venues.hyperliquid_server.house import House
from tidegate.venues.hyperliquid_server.listing import ASSET, SPOT_VENUE, VENUE
from tidegate.venues.hyperliquid_server.market_shapes import USDC_TOKEN
from tidegate.venues.hyperliquid_server.users import User
from tidegate.venues.street.values import Refused

WALLETS = {"": VENUE, "spot": SPOT_VENUE}
TOKENS = frozenset({"USDC", f"USDC:{USDC_TOKEN['tokenId']}"})
INVALID = "Invalid amount."
INSUFFICIENT = "Insufficient balance for token transfer."
# What the venue takes for a withdrawal.
WITHDRAWAL_FEE = MICRO
WORDS = {
    "more than is withdrawable": INSUFFICIENT,
    "withdrawals suspended": "Transfers are halted.",
}

Place = tuple[str, str]


def class_transfer(house: House, user: User, action: UsdClassTransfer) -> str | None:
    """Between the spot and the perpetuals' wallet."""
    quanta = amount_quanta(action.amount)
    if " " in action.amount:
        return "Sub-account transfers are not offered by this paper venue."
    wallets = (SPOT_VENUE, VENUE) if action.toPerp else (VENUE, SPOT_VENUE)
    source, destination = ((user.address, wallet) for wallet in wallets)
    said = {"type": "accountClassTransfer", "toPerp": action.toPerp}
    return _move(house, source, destination, quanta, said)


def usd_send(house: House, user: User, action: UsdSend) -> str | None:
    """To the perpetuals' wallet of another user."""
    quanta, payee = amount_quanta(action.amount), action.destination.lower()
    said = {"type": "internalTransfer", "user": user.address, "destination": payee, "fee": "0.0"}
    return _move(house, (user.address, VENUE), (payee, VENUE), quanta, said)


def send_asset(house: House, user: User, action: SendAsset) -> str | None:
    """From a wallet of the user to a wallet of his or of another."""
    if action.fromSubAccount:
        return "Sub-account transfers are not offered by this paper venue."
    if action.token not in TOKENS:
        return "Only USDC is offered by this paper venue."
    if action.sourceDex not in WALLETS or action.destinationDex not in WALLETS:
        return "Unknown perp dex."
    payee, quanta = action.destination.lower(), amount_quanta(action.amount)
    source = (user.address, WALLETS[action.sourceDex])
    destination = (payee, WALLETS[action.destinationDex])
    said = {
        "type": "send",
        "user": user.address,
        "destination": payee,
        "sourceDex": action.sourceDex,
        "destinationDex": action.destinationDex,
        "token": "USDC",
        "amount": action.amount,
    }
    return _move(house, source, destination, quanta, said)


def _move(
    house: House, source: Place, destination: Place, quanta: int | None, said: Mapping[str, object]
) -> str | None:
    if quanta is None:
        return INVALID
    if house.users.get(destination[0]) is None:
        return f"User {destination[0]} has no account here."
    if source == destination:
        return "Cannot send to the same wallet."
    moved = house.street.transfer(source, destination, ASSET, quanta)
    if isinstance(moved, Refused):
        return WORDS.get(moved.reason, f"Transfer was not done: {moved.reason}.")
    _write(house, {source[0], destination[0]}, {**said, "usdc": quanta_text(quanta)})
    return None


def withdraw(house: House, user: User, action: Withdraw) -> str | None:
    """To the chain, which is no part of the market: the money is gone, a dollar of it as a fee."""
    quanta, desk = amount_quanta(action.amount), house.desk(user)
    if quanta is None or quanta <= WITHDRAWAL_FEE:
        return INVALID
    if quanta > desk.withdrawable():
        return "Insufficient balance for withdrawal."
    desk.pay_out(quanta)
    fee, sent = quanta_text(WITHDRAWAL_FEE), quanta_text(quanta - WITHDRAWAL_FEE)
    _write(
        house, {user.address}, {"type": "withdraw", "usdc": sent, "fee": fee, "nonce": action.time}
    )
    return None


def sub_account(house: House, user: User, action: SubAccountTransfer) -> str:
    """There are none."""
    return "Sub-accounts are not offered by this paper venue."


def _write(house: House, addresses: set[str], delta: Mapping[str, object]) -> None:
    for address in sorted(addresses):
        if (desk := house.desk_of(address)) is not None:
            house.write(desk, delta)
