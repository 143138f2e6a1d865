# SPDX-License-Identifier: Apache-2.0
"""The paper accounts, their credentials in a private file, and who a request comes from.

Sources: docs.deribit.com, Authentication: `public/auth` with client_credentials, client_signature
and refresh_token, and the header `deri-hmac-sha256`; read in November 2026. A signature is
HMAC-SHA256 in hexadecimal under the client secret, of timestamp, nonce and data, or of timestamp,
nonce, method, path with query, and body, each followed by a line feed (but for data).
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

from tidegate.execution.secret_file import read_private, write_private
from tidegate.model.errors import InputError
from tidegate.venues.deribit_server.params import Params
from tidegate.venues.deribit_server.refusals import INVALID_CREDENTIALS, UNAUTHORIZED, Refusal

FULL_SCOPE = ("account:read_write", "trade:read_write", "wallet:read_write")
STALE_MS, TOKEN_S, TOKENS_MAX = 60_000, 900, 256
FILE_MAX, ACCOUNTS_MAX = 65_536, 20
_HEADER = re.compile(r"(\w+)=([^,\s]+)")


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One account's key as the file holds it; `scope` is what the key may do."""

    client_id: str
    client_secret: str
    name: str
    scope: tuple[str, ...] = FULL_SCOPE

    def __repr__(self) -> str:
        return f"Credentials({self.client_id})"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    accounts: tuple[Credentials, ...]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the account's number, and what may be asked."""

    user_id: int
    client_id: str
    name: str
    scope: frozenset[str]

    @property
    def key(self) -> str:
        """Its account on the street."""
        return self.client_id

    def may(self, wanted: str) -> bool:
        """Whether a scope is given, reading where writing is."""
        kind = wanted.partition(":")[0]
        return wanted in self.scope or f"{kind}:read_write" in self.scope


def credentials(path: Path, count: int) -> tuple[Credentials, ...]:
    """Those of a file, or new ones that are written there where nothing stands. Raises
    `InputError`, which never quotes the file."""
    if not path.exists() and not path.is_symlink():
        made = tuple(new_credentials(number) for number in range(count))
        text = msgspec.json.format(msgspec.json.encode(_File(made)), indent=1)
        write_private(path, text + b"\n")
        return made
    try:
        held = msgspec.json.decode(read_private(path, FILE_MAX), type=_File).accounts
    except msgspec.MsgspecError:
        raise InputError(str(path), "accounts", "expected paper accounts, a JSON file") from None
    sound = all(c.client_id and c.client_secret and set(c.scope) <= _scopes() for c in held)
    distinct = len({c.client_id for c in held}) == len(held)
    if not (1 <= len(held) <= ACCOUNTS_MAX and sound and distinct):
        expected = f"expected 1 to {ACCOUNTS_MAX}, ids of their own, secrets and known scopes"
        raise InputError(str(path), "accounts", expected)
    return held


def _scopes() -> set[str]:
    return {f"{k}:{how}" for k in ("account", "trade", "wallet") for how in ("read", "read_write")}


def new_credentials(number: int) -> Credentials:
    """A key of the paper account of a number."""
    name = "main" if number == 0 else f"sub_{number}"
    return Credentials(secrets.token_hex(4), secrets.token_urlsafe(32), name)


class Keyring:
    """Who holds which credentials and tokens; `wall_ms` is the machine's own clock."""

    def __init__(self, held: Iterable[Credentials]) -> None:
        self._secrets: dict[str, bytes] = {}
        self.principals: dict[str, Principal] = {}
        for number, one in enumerate(held, 1):
            self._secrets[one.client_id] = one.client_secret.encode()
            scope = frozenset(one.scope)
            self.principals[one.client_id] = Principal(number, one.client_id, one.name, scope)
        # Token, kind: (who, expires in milliseconds). The oldest go first.
        self._tokens: OrderedDict[tuple[str, str], tuple[Principal, int]] = OrderedDict()

    def by_user(self, user_id: str) -> Principal | None:
        """An account by its number or name."""
        known = self.principals.values()
        return next((p for p in known if user_id in (str(p.user_id), p.name)), None)

    def auth(self, params: Params, wall_ms: int) -> tuple[Principal, dict[str, object]]:
        """`public/auth`: who it is, and the answer with new tokens."""
        kinds = ("client_credentials", "client_signature", "refresh_token")
        kind = params.choice("grant_type", kinds)
        if kind == "refresh_token":
            who = self._by_token(params.text("refresh_token"), "refresh", wall_ms)
        elif kind == "client_credentials":
            who = self._by_secret(params.text("client_id"), params.text("client_secret"))
        else:
            who = self._by_signed_params(params, wall_ms)
        who = self._narrowed(who, params.text("scope", ""))
        return who, self._answer(who, params.text("state", ""), wall_ms)

    def by_header(self, header: str, signed: tuple[str, str, str], wall_ms: int) -> Principal:
        """Who sends a header `Authorization`; `signed` is (method, path with query, body)."""
        kind, _, rest = header.partition(" ")
        if kind.lower() == "bearer":
            return self._by_token(rest.strip(), "access", wall_ms)
        if kind.lower() == "basic":
            return self._by_basic(rest)
        if kind != "deri-hmac-sha256":
            raise Refusal(UNAUTHORIZED, {"reason": "unknown_authorization"})
        fields = dict(_HEADER.findall(rest))
        text = "".join(f"{part}\n" for part in (fields.get("ts"), fields.get("nonce"), *signed))
        return self._by_signature(fields, text, wall_ms)

    def _by_signed_params(self, params: Params, wall_ms: int) -> Principal:
        names = (("id", "client_id"), ("ts", "timestamp"), ("nonce", "nonce"), ("sig", "signature"))
        fields = {short: params.text(name) for short, name in names}
        text = f"{fields['ts']}\n{fields['nonce']}\n{params.text('data', '')}"
        return self._by_signature(fields, text, wall_ms)

    def _by_signature(self, fields: Mapping[str, str], text: str, wall_ms: int) -> Principal:
        secret = self._secrets.get(fields.get("id", ""))
        made = hmac.new(secret or b"", text.encode(), sha256).hexdigest()
        same = hmac.compare_digest(made.encode(), fields.get("sig", "").encode())
        if secret is None or not same:
            raise Refusal(INVALID_CREDENTIALS)
        ts = fields.get("ts", "")
        if not (ts.isascii() and ts.isdecimal() and abs(int(ts[:20]) - wall_ms) <= STALE_MS):
            raise Refusal(INVALID_CREDENTIALS, {"reason": "timestamp", "param": "timestamp"})
        return self.principals[fields["id"]]

    def _by_secret(self, client_id: str, secret: str) -> Principal:
        held = self._secrets.get(client_id)
        same = hmac.compare_digest(held or b"", secret.encode())
        if held is None or not same:
            raise Refusal(INVALID_CREDENTIALS)
        return self.principals[client_id]

    def _by_basic(self, encoded: str) -> Principal:
        try:
            client_id, _, secret = b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            raise Refusal(INVALID_CREDENTIALS) from None
        return self._by_secret(client_id, secret)

    def _by_token(self, token: str, kind: str, wall_ms: int) -> Principal:
        who, expires_ms = self._tokens.get((token, kind), (None, 0))
        if who is None or expires_ms <= wall_ms:
            reason = "invalid_token" if who is None else "token has expired"
            raise Refusal(UNAUTHORIZED, {"reason": reason})
        return who

    @staticmethod
    def _narrowed(who: Principal, scope: str) -> Principal:
        """The principal with no more than it asked for; scopes of connections do not matter."""
        wanted = {word for word in scope.split() if word in _scopes()}
        if not wanted:
            return who
        return Principal(who.user_id, who.client_id, who.name, frozenset(filter(who.may, wanted)))

    def _answer(self, who: Principal, state: str, wall_ms: int) -> dict[str, object]:
        access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        expires_ms = wall_ms + TOKEN_S * 1_000
        self._tokens[access, "access"] = who, expires_ms
        self._tokens[refresh, "refresh"] = who, expires_ms + TOKEN_S * 1_000
        while len(self._tokens) > TOKENS_MAX:
            self._tokens.popitem(last=False)
        answer: dict[str, object] = {
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": TOKEN_S,
            "scope": " ".join(sorted(who.scope)),
            "token_type": "bearer",
            "enabled_features": [],
        }
        return answer | ({"state": state} if state else {})
