# SPDX-License-Identifier: Apache-2.0
"""A venue's API through ccxt, which signs, paces and carries requests, and decides nothing.

Only ccxt's methods for one endpoint each are used, so that what is sent is what stands in this
room. Its Hyperliquid class would approve a builder's fee and name a referrer by itself when markets
are loaded with a key (ccxt 4.5.90); here it cannot send either, nor an order with a builder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from tidegate.model.errors import InputError
from tidegate.model.replies import NotTaken, Unclear
from tidegate.venues.exchanges.credentials import Credentials
from tidegate.venues.exchanges.wording import WORDS, worded

# The name that ccxt has for each venue's derivatives.
CCXT_NAMES = {
    "deribit": "deribit",
    "hyperliquid": "hyperliquid",
    "binance": "binanceusdm",
    "okx": "okx",
    "bybit": "bybit",
    "derive": "derive",
    "dydx": "dydx",
}
LOOPBACK = frozenset(("127.0.0.1", "localhost"))
# Actions of Hyperliquid that give part of our fees to somebody else.
GIVES_AWAY = frozenset(("approveBuilderFee", "setReferrer"))
TIMEOUT_MS = 5_000
Client = Any


class VenueRefused(Exception):
    """The venue read a request, understood it, and certainly did nothing; its words, shortened."""


class Unheard(VenueRefused):
    """As `VenueRefused`: there is no such order or transfer there."""


def open_client(venue: str, credentials: Credentials | None, url: str | None = None) -> Client:
    """A client of one venue; without credentials it can read public data alone.

    `url` is the base of a server on this machine, which then is spoken to as the venue's test net.
    Raises `InputError` for an unknown venue, another address, or where ccxt is not installed.
    """
    if venue not in CCXT_NAMES:
        raise InputError("venue", venue, f"expected one of {', '.join(CCXT_NAMES)}")
    expect_here(venue, url)
    made = _class_of(venue)
    settings: dict[str, Any] = {**(credentials or {}), "timeout": TIMEOUT_MS}
    if url is None:
        return made(settings)
    here = _all_at(made().urls["api"], url.rstrip("/"))
    client = made({**settings, "urls": {"test": here}, "enableRateLimit": False})
    client.set_sandbox_mode(True)
    return client


def expect_here(venue: str, url: str | None) -> None:
    """Raises `InputError` where a venue's address is neither its own nor on this machine."""
    if url is not None and not _is_here(url):
        raise InputError("venue", f"{venue}.url", "expected an address on this machine")


def _is_here(url: str) -> bool:
    try:
        return urlsplit(url).hostname in LOOPBACK
    except ValueError:
        return False


def _library() -> Any:
    """ccxt, which takes a third of a second to import and is not always there."""
    import ccxt

    return ccxt


def _class_of(venue: str) -> type[Any]:
    try:
        made: type[Any] = getattr(_library(), CCXT_NAMES[venue])
    except ImportError:
        raise InputError("venue", venue, "expected the extra `live`, which has ccxt") from None
    if venue in WORDS:
        return worded(_library(), made, WORDS[venue])
    if venue == "deribit":
        return _naming_refusals(made)
    return _keeping_our_fees(made) if venue == "hyperliquid" else made


def _all_at(urls: Any, base: str) -> Any:
    """The same tree of addresses with `base` for the host of each."""
    if isinstance(urls, Mapping):
        return {name: _all_at(part, base) for name, part in urls.items()}
    return base + urlsplit(urls).path if isinstance(urls, str) else urls


def _naming_refusals(made: type[Any]) -> type[Any]:
    class NamingRefusals(made):  # type: ignore[misc]
        """Deribit, where ccxt counts two plain refusals among errors of which nothing is known."""

        def describe(self) -> Any:
            ccxt = _library()
            # other_reject, not_found (docs.deribit.com, RPC error codes, November 2026).
            exact = {"11030": ccxt.InvalidOrder, "13020": ccxt.BadSymbol}
            return self.deep_extend(super().describe(), {"exceptions": exact})

    return NamingRefusals


def _keeping_our_fees(made: type[Any]) -> type[Any]:
    class KeepingOurFees(made):  # type: ignore[misc]
        """Hyperliquid, without what ccxt does there of its own accord."""

        def initialize_client(self) -> bool:
            return True

        def sign(self, path: str, api: Any = "public", *rest: Any, **more: Any) -> Any:
            for part in (*rest, *more.values()):
                _expect_ours(part)
            return super().sign(path, api, *rest, **more)

    return KeepingOurFees


def _expect_ours(request: object) -> None:
    action = request.get("action") if isinstance(request, dict) else None
    if isinstance(action, dict) and (action.get("type") in GIVES_AWAY or "builder" in action):
        raise VenueRefused(f"{action.get('type')}: not sent, since it gives fees away")


def asked(call: Callable[[], Any]) -> Any:
    """What one request answers, or what is known after its failure: `NotTaken` where nothing was
    done, `Unclear` where it may have been.

    Raises `VenueRefused` where the venue said no, and `Unheard` for what it does not know.
    """
    ccxt = _library()
    nothing_done = ccxt.RateLimitExceeded, ccxt.AuthenticationError, ccxt.PermissionDenied
    said_no = ccxt.InsufficientFunds, ccxt.InvalidOrder, ccxt.BadRequest, ccxt.BadSymbol
    try:
        return call()
    except nothing_done as error:
        return NotTaken(type(error).__name__)
    except ccxt.OrderNotFound as error:
        raise Unheard(_words(error)) from None
    except said_no as error:
        raise VenueRefused(_words(error)) from None
    except (ccxt.BaseError, OSError) as error:
        return Unclear(type(error).__name__)


def _words(error: Exception) -> str:
    """The venue's words. A request is never among them, so no key can be."""
    return str(error)[:200]
