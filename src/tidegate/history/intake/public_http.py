# SPDX-License-Identifier: Apache-2.0
"""The one door to the network outside: public history over HTTP, no secret sent, at a user's word.

2xx is a body, checked for its length; 429, and 418 as Binance says it, ask for patience; 5xx, a
broken connection, a time-out and a cut body are worth another try; anything else is a refusal.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request

import msgspec

from tidegate import __version__
from tidegate.history.intake.venue_answers import Busy, Cut
from tidegate.history.intake.venue_sources import Ask
from tidegate.model.errors import InputError

TIMEOUT_S = 30.0
BODY_BYTES_MAX = 32 * 1024 * 1024
_WORDS_BYTES = 200
_PATIENCE = frozenset({418, 429})


def public_fetch(ask: Ask) -> bytes:
    """The body that a venue answers with; raises `Busy`, `Cut` or `InputError`."""
    headers = {"User-Agent": f"tidegate/{__version__}", "Accept": "application/json"}
    if ask.posts:
        headers["Content-Type"] = "application/json"
        request = urllib.request.Request(ask.url, msgspec.json.encode(ask.params), headers)
    else:
        query = urllib.parse.urlencode({name: str(value) for name, value in ask.params.items()})
        request = urllib.request.Request(f"{ask.url}?{query}", None, headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return _body(response, ask)
    except urllib.error.HTTPError as error:
        with error:
            raise _answered(error, ask) from error
    except (OSError, http.client.HTTPException) as error:
        raise Cut(f"no whole answer ({error or type(error).__name__})") from error


def _body(response: http.client.HTTPResponse, ask: Ask) -> bytes:
    body = response.read(BODY_BYTES_MAX + 1)
    if len(body) > BODY_BYTES_MAX:
        raise InputError(ask.url, "answer", f"expected at most {BODY_BYTES_MAX} bytes")
    said = response.headers.get("Content-Length")
    if said is not None and said.isdigit() and int(said) != len(body):
        raise Cut(f"an answer of {said} bytes was cut to {len(body)}")
    return body


def _answered(error: urllib.error.HTTPError, ask: Ask) -> Exception:
    words = error.read(_WORDS_BYTES).decode(errors="replace")
    text = " ".join(f"answered {error.code} {error.reason}: {words}".split())
    if error.code in _PATIENCE:
        after = error.headers.get("Retry-After") or ""
        return Busy(text, float(after) if after.isdigit() else None)
    return Cut(text) if error.code >= 500 else InputError(ask.url, "answer", text)
