# SPDX-License-Identifier: Apache-2.0
"""What a venue's error codes say of a request: that nothing was done, or that nobody can tell.

ccxt files codes under errors of its own, not the same ones at each address, and counts some that
leave all open among refusals. Here only codes are listed that a venue's documents describe as an
order or a request not taken; whatever is not listed is an answer that tells nothing. An id that the
venue has already is left out on purpose: the order of that id may have traded.

Sources (docs/live.md says which were read when): developers.binance.com, USD-M futures, error
codes and general info (503 with -1008: nothing was done); bybit-exchange.github.io/docs/v5/error;
okx.com/docs-v5, error codes (50011, 50061 rate limits, 50036, 50037 `expTime` passed, 51603 no
such order).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

Meaning = Literal["fine", "too often", "not let in", "refused", "unheard"]
TOO_OFTEN = frozenset((403, 418, 429))


class Words(msgspec.Struct, frozen=True):
    """One venue's codes by what they mean, and where they stand in an answer."""

    codes: Mapping[str, Meaning]
    said: Callable[[Any], Sequence[tuple[str, str]]]


def _codes(meaning: Meaning, *codes: int) -> Iterator[tuple[str, Meaning]]:
    return ((str(code), meaning) for code in codes)


def _binance(answer: Any) -> list[tuple[str, str]]:
    if not isinstance(answer, dict) or "code" not in answer:
        return []
    return [(str(answer["code"]), str(answer.get("msg")))]


def _bybit(answer: Any) -> list[tuple[str, str]]:
    return [(str(answer.get("retCode")), str(answer.get("retMsg")))]


def _okx(answer: Any) -> list[tuple[str, str]]:
    """Each row of an answer has a code of its own, which says more than the answer's."""
    rows = [row for row in answer.get("data") or () if isinstance(row, dict) and row.get("sCode")]
    told = [(str(row["sCode"]), str(row.get("sMsg"))) for row in rows if row["sCode"] != "0"]
    return told or [(str(answer.get("code")), str(answer.get("msg")))]


# What is wrong with a parameter, a price, a size or the margin, so that no order came of it.
_BINANCE_REFUSED = (
    -1021, *range(-1130, -1099), -2010, -2018, -2019, -2020, -2021, -2022, -2024, -2025, -2027,
    -2028, -4001, -4002, -4003, -4004, -4005, -4014, -4015, -4016, -4023, -4024, -4061, -4131,
    -4164, -5021, -5022,
)  # fmt: skip
_BYBIT_REFUSED = (
    10001, 10002, 110003, 110004, 110007, 110012, 110017, 110020, 110021, 110040, 110044, 110045,
    110094,
)  # fmt: skip
_OKX_REFUSED = (
    50036, 50037, 50102, 50112, 51000, 51001, 51004, 51006, 51008, 51010, 51020, 51022, 51028,
    51119, 51121, 51131, 51169, 51205,
)  # fmt: skip
WORDS: Mapping[str, Words] = {
    "binance": Words(
        dict(
            (
                *_codes("fine", 0, 200),
                *_codes("too often", -1003, -1008, -1015),
                *_codes("not let in", -1002, -1022, -2014, -2015),
                *_codes("refused", *_BINANCE_REFUSED),
                *_codes("unheard", -2011, -2013),
            )
        ),
        _binance,
    ),
    "bybit": Words(
        dict(
            (
                *_codes("fine", 0),
                *_codes("too often", 10006, 10018),
                *_codes("not let in", 10003, 10004, 10005, 10010),
                *_codes("refused", *_BYBIT_REFUSED),
                *_codes("unheard", 110001),
            )
        ),
        _bybit,
    ),
    "okx": Words(
        dict(
            (
                *_codes("fine", 0),
                *_codes("too often", 50011, 50061),
                *_codes("not let in", 50100, 50101, *range(50103, 50112), 50113, 50114, 50120),
                *_codes("refused", *_OKX_REFUSED),
                *_codes("unheard", 51400, 51401, 51402, 51410, 51603),
            )
        ),
        _okx,
    ),
}


def worded(ccxt: Any, made: type[Any], words: Words) -> type[Any]:
    """A client whose errors are what the venue's own codes say, and which names no broker."""
    errors = {
        "too often": ccxt.RateLimitExceeded,
        "not let in": ccxt.AuthenticationError,
        "refused": ccxt.InvalidOrder,
        "unheard": ccxt.OrderNotFound,
    }

    class Worded(made):  # type: ignore[misc]
        """A venue as ccxt speaks to it, with the deadlines of single requests.

        `until` among the parameters is the venue's time after which it shall not act, `now` what
        its time is: Bybit takes both in headers that ccxt fills by this machine's clock, and OKX
        takes `expTime`. The name of a broker, who would have a part of our fees, is left out.
        """

        _stamp_ms: int | None = None

        def nonce(self) -> int:
            return super().nonce() if self._stamp_ms is None else self._stamp_ms

        def sign(self, path: str, api: Any = "public", method: str = "GET", *rest: Any) -> Any:
            params = dict(rest[0]) if rest else {}
            until_ms, now_ms = params.pop("until", None), params.pop("now", None)
            if now_ms is None:
                signed = super().sign(path, api, method, params, *rest[1:])
            else:
                signed = self._signed_until(now_ms, until_ms, (path, api, method, params))
            headers = signed.get("headers") or {}
            headers.pop("Referer", None)
            if until_ms is not None and self.id == "okx":
                headers["expTime"] = str(until_ms)
            return signed

        def _signed_until(self, now_ms: int, until_ms: int, request: tuple[Any, ...]) -> Any:
            kept = self.options.get("recvWindow")
            self._stamp_ms, self.options["recvWindow"] = now_ms, until_ms - now_ms
            try:
                return super().sign(*request)
            finally:
                self._stamp_ms, self.options["recvWindow"] = None, kept

        def handle_errors(self, status: int, *rest: Any) -> None:
            answer = rest[5]
            said = words.said(answer) if isinstance(answer, dict | list) else []
            for code, text in said:
                meaning = words.codes.get(code)
                if meaning == "fine":
                    return
                if meaning is not None:
                    raise errors[meaning](f"{code} {text}")
            if status in TOO_OFTEN:
                raise ccxt.RateLimitExceeded(str(status))
            if said:
                raise ccxt.ExchangeNotAvailable(f"{status} {said[:1]}")

    return Worded
