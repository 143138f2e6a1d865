# SPDX-License-Identifier: Apache-2.0
"""Unmodified ccxt and the official SDK trade on the paper venue; the rows stand in docs too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

for name in ("coincurve", "Crypto", "aiohttp", "hyperliquid", "ccxt"):
    pytest.importorskip(name, reason="needs the extra `live` and the official SDK")

from tests.venues.hyperliquid_server import clients  # noqa: E402
from tests.venues.hyperliquid_server.clients import REST, SOCKET, Row, Sdk  # noqa: E402
from tests.venues.hyperliquid_server.running import Venue, running  # noqa: E402


@pytest.fixture(scope="module")
def venue() -> Venue:
    return Venue()


@pytest.fixture(scope="module")
def url(venue: Venue) -> Iterator[str]:
    with running(venue.house) as address:
        yield address


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as one:
        yield one


@pytest.fixture(scope="module", params=["async_support", "pro"])
def ccxt_rest(request: Any, url: str, runner: asyncio.Runner) -> Iterator[Any]:
    kind = getattr(clients.ccxt, request.param).hyperliquid
    client = runner.run(made(kind, url))
    yield client
    runner.run(client.close())


@pytest.fixture(scope="module")
def ccxt_socket(url: str, runner: asyncio.Runner) -> Iterator[Any]:
    client = runner.run(made(clients.ccxt.pro.hyperliquid, url))
    yield client
    runner.run(client.close())


async def made(kind: Any, url: str) -> Any:
    client = clients.ccxt_client(kind, url)
    await client.load_markets()
    return client


@pytest.fixture(scope="module")
def sdk(url: str) -> Iterator[Sdk]:
    client = clients.sdk_client(url)
    yield client
    client.info.disconnect_websocket()
    client.info.ws_manager.join(15)


def named(rows: tuple[Row, ...], case: str) -> list[Any]:
    return [pytest.param(row, id=row.what) for row in rows if getattr(row, case) is not None]


@pytest.mark.parametrize("row", named(REST, "ccxt_case"))
def test_unmodified_ccxt_does_over_rest(
    row: Row, ccxt_rest: Any, venue: Venue, runner: asyncio.Runner
) -> None:
    assert row.ccxt_case is not None
    runner.run(row.ccxt_case(ccxt_rest, venue))  # type: ignore[arg-type]


@pytest.mark.parametrize("row", named(SOCKET, "ccxt_case"))
def test_unmodified_ccxt_pro_does_over_a_socket(
    row: Row, ccxt_socket: Any, venue: Venue, runner: asyncio.Runner
) -> None:
    assert row.ccxt_case is not None
    runner.run(row.ccxt_case(ccxt_socket, venue))  # type: ignore[arg-type]


@pytest.mark.parametrize("row", named(REST, "sdk_case") + named(SOCKET, "sdk_case"))
def test_the_official_sdk_does(row: Row, sdk: Sdk, venue: Venue) -> None:
    assert row.sdk_case is not None
    row.sdk_case(sdk, venue)


def test_ccxt_without_sandbox_mode_signs_for_mainnet_and_is_refused_clearly(
    venue: Venue, url: str, runner: asyncio.Runner
) -> None:
    async def order() -> str:
        client = clients.ccxt_client(clients.ccxt.async_support.hyperliquid, url)
        client.options["sandboxMode"] = False
        try:
            await client.create_order(clients.SYMBOL, "limit", "buy", 0.1, 90_000)
        except clients.ccxt.ExchangeError as error:
            return str(error)
        finally:
            await client.close()
        return "done"

    before = venue.desk().last_orders()
    assert "Signed for mainnet: refused" in runner.run(order())
    assert venue.desk().last_orders() == before


def test_what_ccxt_sends_on_its_own_is_recorded_and_charges_nothing(
    venue: Venue, ccxt_rest: Any
) -> None:
    user = venue.desk().user
    assert user.referrer == "CCXT1"
    assert set(user.builder_fees.values()) == {"0.01%"}
