# SPDX-License-Identifier: Apache-2.0
"""Answers have the fields of the venue's real payloads, of the same kinds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

for name in ("coincurve", "Crypto", "aiohttp", "hyperliquid"):
    pytest.importorskip(name, reason="needs the extra `live` and the official SDK")

from tests.venues.hyperliquid_server.running import ADDRESSES, Venue, wire  # noqa: E402
from tidegate.model.times import HOUR_MS  # noqa: E402
from tidegate.venues.hyperliquid_server import feeds  # noqa: E402
from tidegate.venues.hyperliquid_server.house import News  # noqa: E402
from tidegate.venues.hyperliquid_server.questions import Subscription  # noqa: E402

USER = ADDRESSES[0]


def missing(real: Any, ours: Any, place: str) -> Iterator[str]:
    """Fields of a real payload that ours lacks, and those of another kind. Null is of any kind."""
    if real is None or ours is None:
        return
    kind = type(real) if not isinstance(real, int | float) else int | float
    if isinstance(real, dict) and isinstance(ours, dict):
        for key, value in real.items():
            if key not in ours:
                yield f"{place}.{key} is missing"
            else:
                yield from missing(value, ours[key], f"{place}.{key}")
    elif not isinstance(ours, kind):
        yield f"{place} is {type(ours).__name__}"
    elif isinstance(real, list) and real and ours:
        yield from missing(real[0], ours[0], f"{place}[0]")


def first(feed: str, **fields: Any) -> Callable[[Venue], Any]:
    def told(venue: Venue) -> Any:
        topic = Subscription(feed, **fields)
        return feeds.FEEDS[feed].first(venue.house, topic)

    return told


def last_fill(venue: Venue) -> Any:
    (row, *_) = venue.desk().fills()
    news = News(fills={USER: [row]})
    (told,) = feeds.FEEDS["userEvents"].then(
        venue.house, Subscription("userEvents", user=USER), news
    )
    return {"channel": feeds.FEEDS["userEvents"].channel, "data": told}


def asked(kind: str, **fields: Any) -> Callable[[Venue], Any]:
    return lambda venue: venue.ask(kind, **fields)


SAME: dict[str, tuple[Callable[[Venue], Any], frozenset[str]]] = {
    "http_meta_perp_sample.json": (asked("meta"), frozenset({"isDelisted", "onlyIsolated"})),
    "http_l2_book_btc.json": (asked("l2Book", coin="BTC"), frozenset()),
    "http_l2_book_snapshot.json": (asked("l2Book", coin="BTC"), frozenset()),
    "http_recent_trades_btc.json": (asked("recentTrades", coin="BTC"), frozenset()),
    "http_funding_history.json": (asked("fundingHistory", coin="BTC"), frozenset()),
    "http_spot_clearinghouse_state.json": (
        asked("spotClearinghouseState", user=USER),
        frozenset(),
    ),
    "http_clearinghouse_state_negative_total_raw_usd.json": (
        asked("clearinghouseState", user=USER),
        frozenset(),
    ),
    "http_user_fills_dust_conversion.json": (asked("userFills", user=USER), frozenset()),
    "http_all_perp_metas_non_usdc_collateral.json": (asked("allPerpMetas"), frozenset()),
    "ws_book_data.json": (first("l2Book", coin="BTC"), frozenset()),
    "ws_user_fill_liquidation.json": (last_fill, frozenset({"cloid", "liquidation"})),
}


@pytest.fixture(scope="module")
def venue() -> Venue:
    found = Venue(tick_ms=60_000)
    found.order(wire("105000", tif="Ioc"))
    found.passes(HOUR_MS)
    return found


@pytest.mark.parametrize("name", SAME)
def test_an_answer_has_every_field_of_the_real_payload(
    name: str, venue: Venue, data_root: Path
) -> None:
    file = data_root / "wire" / "hyperliquid" / name
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    ask, without = SAME[name]
    found = missing(json.loads(file.read_bytes()), ask(venue), "$")
    assert [line for line in found if not without & set(line.split()[0].split("."))] == []


def test_mids_and_contexts_have_every_field_of_the_real_payloads(
    venue: Venue, data_root: Path
) -> None:
    folder = data_root / "wire" / "hyperliquid"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    real = json.loads((folder / "ws_allmids.json").read_bytes())["data"]
    ours = first("allMids")(venue)
    assert set(real) == set(ours)
    assert all(isinstance(text, str) for text in ours["mids"].values())
    real = json.loads((folder / "ws_all_dexs_asset_ctxs.json").read_bytes())["data"]["ctxs"]
    context = venue.ask("metaAndAssetCtxs")[1][0]
    assert list(missing(real[0][1][0], context, "$")) == []


def test_a_payload_with_another_field_is_found() -> None:
    assert list(missing({"a": [{"b": "1"}]}, {"a": [{}]}, "$")) == ["$.a[0].b is missing"]
    assert list(missing({"a": "1"}, {"a": 1}, "$")) == ["$.a is int"]
