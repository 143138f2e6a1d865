# SPDX-License-Identifier: Apache-2.0
"""Any well-signed action, however odd its numbers, gets an answer in the venue's form."""

from __future__ import annotations

from typing import Any

import pytest

for name in ("coincurve", "Crypto", "aiohttp", "hyperliquid"):
    pytest.importorskip(name, reason="needs the extra `live` and the official SDK")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from tests.venues.hyperliquid_server.running import ADDRESSES, Venue  # noqa: E402
from tidegate.venues.hyperliquid_server.amounts import without_trailing_zeros  # noqa: E402

NUMBERS = st.one_of(
    st.sampled_from(["0", "1", "0.00001", "98000", "9" * 20, "9" * 20 + "." + "9" * 12, "-1"]),
    st.integers(0, 10**21).map(str),
    st.decimals(0, 10**6, places=6).map(lambda d: f"{d:f}"),
    st.text(min_size=1, max_size=12),
).map(without_trailing_zeros)
INTEGERS = st.integers(0, 7) | st.integers(0, 2**62)
ADDRESS = st.sampled_from([*ADDRESSES, "0x" + "00" * 20])
ORDER = st.fixed_dictionaries(
    {
        "a": INTEGERS,
        "b": st.booleans(),
        "p": NUMBERS,
        "s": NUMBERS,
        "r": st.booleans(),
        "t": st.sampled_from(["Gtc", "Ioc", "Alo"]).map(lambda tif: {"limit": {"tif": tif}}),
    },
    optional={"c": st.sampled_from(["0x" + "ab" * 16, "0x" + "cd" * 16])},
)
OID = st.integers(10**10, 10**10 + 30) | INTEGERS | st.just("0x" + "ab" * 16)


def action(kind: str, **fields: Any) -> Any:
    return st.fixed_dictionaries({"type": st.just(kind)} | fields)


ACTIONS = st.one_of(
    action("order", orders=st.lists(ORDER, min_size=1, max_size=3), grouping=st.just("na")),
    action(
        "cancel",
        cancels=st.lists(st.fixed_dictionaries({"a": INTEGERS, "o": INTEGERS}), min_size=1),
    ),
    action(
        "batchModify",
        modifies=st.lists(
            st.fixed_dictionaries({"oid": OID, "order": ORDER}), min_size=1, max_size=2
        ),
    ),
    action("modify", oid=OID, order=ORDER),
    action("scheduleCancel", time=INTEGERS),
    action("updateLeverage", asset=INTEGERS, isCross=st.booleans(), leverage=st.integers(1, 60)),
    action("usdClassTransfer", amount=NUMBERS, toPerp=st.booleans()),
    action("usdSend", destination=ADDRESS, amount=NUMBERS),
    action("withdraw3", destination=ADDRESS, amount=NUMBERS),
    action(
        "sendAsset",
        destination=ADDRESS,
        sourceDex=st.sampled_from(["", "spot", "x"]),
        destinationDex=st.sampled_from(["", "spot"]),
        token=st.sampled_from(["USDC", "HYPE"]),
        amount=NUMBERS,
        fromSubAccount=st.just(""),
    ),
    action("approveBuilderFee", maxFeeRate=NUMBERS.map(lambda text: text[:30]), builder=ADDRESS),
)


@settings(max_examples=25)
@given(st.lists(ACTIONS, min_size=1, max_size=6), st.integers(0, 90))
def test_any_signed_actions_are_answered_and_no_money_is_made(
    said: list[dict[str, Any]], minutes: int
) -> None:
    venue = Venue(tick_ms=60_000)
    for one in said:
        reply = venue.post(dict(one))
        assert reply["status"] in ("ok", "err")
        assert reply["status"] == "ok" or isinstance(reply["response"], str)
        venue.house.advance()
        for kind in ("webData2", "historicalOrders", "userFills", "maxBuilderFee"):
            venue.ask(kind, user=ADDRESSES[0], builder=ADDRESSES[1])
    held = [venue.desk(who) for who in (0, 1)]
    # Nothing but fees, spread and withdrawals has happened yet, and none of them pays.
    assert (
        sum(desk.held().state.equity + desk.spot_quanta() for desk in held) <= 2 * 10**11 + PROFIT
    )
    venue.passes(minutes * 60_000)


# A fill against a mark that stands away from the middle shows as profit at once.
PROFIT = 10**9
