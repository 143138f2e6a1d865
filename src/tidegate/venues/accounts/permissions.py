# SPDX-License-Identifier: Apache-2.0
"""What a venue says that a key may do: whether it can take money out.

A key that can is refused unless the mandate allows transfers. Where a venue does not tell, a key is
refused that is to act; one that only looks is let through, and what is not known is said.

Sources, read November 2026: Deribit `public/auth` (scope `wallet:read_write`), Binance
`/sapi/v1/account/apiRestrictions`, OKX `/api/v5/account/config` (`perm`), Bybit
`/v5/user/query-api`; at Hyperliquid an account's own key can withdraw and an agent's cannot.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import partial
from hashlib import sha256

import msgspec

from tidegate.model.errors import InputError
from tidegate.venues.accounts.answers import NotTold, answer
from tidegate.venues.exchanges.client import Client


class _Scope(msgspec.Struct, frozen=True):
    scope: str


class _Auth(msgspec.Struct, frozen=True):
    result: _Scope


class _Restrictions(msgspec.Struct, frozen=True, rename="camel"):
    enable_withdrawals: bool


class _Config(msgspec.Struct, frozen=True):
    perm: str


class _Configs(msgspec.Struct, frozen=True):
    data: tuple[_Config]


class _Wallet(msgspec.Struct, frozen=True):
    wallet: list[str] = msgspec.field(name="Wallet")


class _Key(msgspec.Struct, frozen=True, rename="camel"):
    read_only: int
    permissions: _Wallet


class _Queried(msgspec.Struct, frozen=True):
    result: _Key


def expect_key(field: str, kind: str, client: Client, *, transfers: bool, acts: bool) -> str:
    """Let a key through or raise `InputError` with its `field`; returns a warning, or nothing.

    Args: `transfers` whether the mandate allows them; `acts` whether the key is to sign orders.
    """
    needed = [name for name, is_so in client.requiredCredentials.items() if is_so]
    if lacking := [name for name in needed if not getattr(client, name, None)]:
        raise InputError("credentials", field, f"expected a key with {' and '.join(lacking)}")
    try:
        withdraws, why = can_withdraw(kind, client), "the venue does not tell"
    except NotTold as error:
        withdraws, why = None, str(error)
    if transfers or withdraws is False:
        return ""
    if withdraws:
        expected = "expected a key without the right to withdraw, as transfers are not allowed"
        raise InputError("credentials", field, expected)
    if acts:
        expected = f"expected a key of which is known that it cannot withdraw ({why})"
        raise InputError("credentials", field, expected)
    return f"whether the key can withdraw: {why}"


def can_withdraw(kind: str, client: Client) -> bool | None:
    """Whether a venue lets a key take money out; None where it has no word for it. Raises
    `NotTold`."""
    return _READERS[kind](client) if kind in _READERS else None


def _deribit(client: Client) -> bool:
    # Signed, so that the secret itself is in no request.
    ts, nonce = str(client.milliseconds()), str(client.nonce())
    signature = hmac.new(client.secret.encode(), f"{ts}\n{nonce}\n".encode(), sha256).hexdigest()
    request = {
        "grant_type": "client_signature",
        "client_id": client.apiKey,
        "timestamp": ts,
        "nonce": nonce,
        "data": "",
        "signature": signature,
    }
    scope = answer("auth", partial(client.publicGetAuth, request), _Auth).result.scope
    return "wallet:read_write" in scope.split()


def _binance(client: Client) -> bool:
    told = answer("apiRestrictions", client.sapiGetAccountApiRestrictions, _Restrictions)
    return told.enable_withdrawals


def _okx(client: Client) -> bool:
    (told,) = answer("account config", client.privateGetAccountConfig, _Configs).data
    return "withdraw" in told.perm.split(",")


def _bybit(client: Client) -> bool:
    told = answer("query-api", client.privateGetV5UserQueryApi, _Queried).result
    return not told.read_only and "Withdraw" in told.permissions.wallet


def _hyperliquid(client: Client) -> bool:
    try:
        own = str(client.eth_get_address_from_private_key(client.privateKey))
    except Exception as error:
        # What cannot be read as a key may be quoted in the words of whoever tried.
        raise NotTold(f"no private key ({type(error).__name__})") from None
    return own.lower() == str(client.walletAddress).lower()


_READERS: dict[str, Callable[[Client], bool]] = {
    "deribit": _deribit,
    "binance": _binance,
    "okx": _okx,
    "bybit": _bybit,
    "hyperliquid": _hyperliquid,
}
