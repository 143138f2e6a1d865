# SPDX-License-Identifier: Apache-2.0
"""The node: it listens on loopback, dies with its caller, and tells why a call was refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chain.conftest import PACKAGES
from tidegate.model.errors import InputError
from tidegate.venues.chain.anvil import CHAIN_ID, Anvil
from tidegate.venues.chain.artifacts import Artifacts
from tidegate.venues.chain.client import Chain, Refused
from tidegate.venues.chain.npm import UNISWAP_V3, fetch

pytestmark = pytest.mark.chain
OWNER = "0x" + "11" * 20


def test_node_of_a_block_ends_with_it() -> None:
    with Anvil(PACKAGES) as node:
        assert int(Chain(node.port).rpc("eth_chainId"), 16) == CHAIN_ID
    assert node.process.poll() is not None


def test_node_with_an_option_that_is_none_is_one_line() -> None:
    with pytest.raises(InputError, match="anvil: start: expected it to listen"):
        Anvil(PACKAGES, ["--no-such-option"])


def test_state_that_a_stopped_node_saved_is_there_again(tmp_path: Path) -> None:
    options = ["--state", str(tmp_path / "state.json")]
    with Anvil(PACKAGES, options) as node:
        Chain(node.port).rpc("anvil_setBalance", OWNER, hex(7))
        node.stop()
    with Anvil(PACKAGES, options) as node:
        assert int(Chain(node.port).rpc("eth_getBalance", OWNER, "latest"), 16) == 7


def test_call_of_a_real_contract_is_answered_and_refused(chain: Chain, packages: Path) -> None:
    artifacts = Artifacts(fetch(UNISWAP_V3, packages))
    factory = chain.create(artifacts["UniswapV3Factory"], sender=OWNER)
    factory.enableFeeAmount(100, 1, sender=OWNER)
    assert factory.feeAmountTickSpacing(100) == 1
    with pytest.raises(Refused, match="no reason"):
        factory.enableFeeAmount(200, 4, sender="0x" + "22" * 20)


def test_time_passes_by_as_much_as_is_asked_for(chain: Chain) -> None:
    before_s = chain.now_s
    chain.wait(86_400)
    assert chain.now_s == before_s + 86_400
