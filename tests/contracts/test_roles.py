# SPDX-License-Identifier: Apache-2.0
"""Every function that changes something, called by everybody: allowed, or refused by its reason."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from tests.contracts.evm import DAY_S, At, Evm, Refused, account
from tests.contracts.reports import Custody
from tests.contracts.roles import ANYBODY, MATRIX
from tests.contracts.setting import (
    CURATOR,
    KEEPER,
    MANAGER,
    NEVER,
    SNAPSHOT,
    BookLimit,
    Setting,
    VenueLimit,
    signers,
    vault_with_venues,
)

pytestmark = pytest.mark.contracts
VENUE, TARGET = range(2)


@dataclass(slots=True)
class Stage:
    """A vault in which every call of the table can succeed, for one caller at least."""

    setting: Setting
    contracts: dict[str, At]
    custody: Custody
    curie: At


def _fund(setting: Setting) -> None:
    """Everybody has shares, a pending request and a claim, and lets a stranger spend shares."""
    vault = setting.vault
    for holder in (*map(account, sorted(ANYBODY)), setting.owner):
        setting.deposit(holder, 1_000)
        vault.requestRedeem(2 * 10**8, holder, holder, sender=holder)
        vault.fulfil(holder, 10**8, [], 0, sender=setting.stranger)
        for other in sorted(ANYBODY):
            vault.approve(account(other), 10**9, sender=holder)
        setting.give(holder, 10**6)


@cache
def stage() -> Stage:
    setting = vault_with_venues(2)
    evm, vault = setting.evm, setting.vault
    manager = evm.deploy("ActionManager", vault.address, sender=setting.owner)
    pool = evm.deploy("tests/contracts/sources/PoolDouble.vy", sender=setting.owner)
    arguments = setting.token.address, vault.address, pool.address, pool.address
    aave = evm.deploy("AaveV3Adapter", *arguments, sender=setting.owner)
    custody = Custody(setting)
    curie = evm.deploy("tests/contracts/sources/PerpDouble.vy", sender=setting.owner)
    curie.set_price(10**18, sender=setting.owner)
    perp = evm.deploy("PerpV2Adapter", *arguments[:2], *[curie.address] * 4, sender=setting.owner)
    lp = _liquidity(setting)
    for adapter in (aave, custody.adapter, perp, lp):
        setting.add_venue(adapter, VenueLimit())
        setting.venues.append(adapter)
    bounds = vault.address, 30 * DAY_S, 3_600, 1_000, 100
    keeper = evm.deploy("Keeper", *bounds, sender=setting.owner)
    setting.through_timelock(vault, "appoint", KEEPER, account("keeper"))
    setting.through_timelock(vault, "appoint", MANAGER, account("manager"))
    leaf = manager.leaf(*_action(setting))
    setting.through_timelock(manager, "set_root", account("strategist"), leaf)
    vault.transfer_ownership(account("next"), sender=setting.owner)
    _fund(setting)
    setting.rebalance(*(setting.move(i, 200) for i in range(6)))
    _announce(setting, manager)
    custody.report(200)
    contracts = {"CapitalVault": vault, "RiskPolicy": setting.policy, "ActionManager": manager}
    contracts |= {"AttestedAdapter": custody.adapter, "AaveV3Adapter": aave, "PerpV2Adapter": perp}
    contracts |= {"UniswapV3LPAdapter": lp}
    contracts |= {"Keeper": keeper, "AuditAnchor": setting.anchor}
    return Stage(setting, contracts, custody, curie)


def _liquidity(setting: Setting) -> At:
    """An adapter at the double of a Uniswap pool, one to one."""
    evm, owner, token = setting.evm, setting.owner, setting.token.address
    coin = evm.deploy("TestToken", "Test coin", "TETH", 6, sender=owner)
    pool = evm.deploy(
        *("tests/contracts/sources/UniswapDouble.vy", coin.address, token, 3_000, 60, 10**12),
        sender=owner,
    )
    pool.set_spot(2**96, 0, sender=owner)
    coin.mint(pool.address, 10**12, sender=owner)
    at = token, setting.vault.address, pool.address
    return evm.deploy("UniswapV3LPAdapter", *at, (-600, 600, 1_800, 100, 12), sender=owner)


def _action(setting: Setting) -> tuple[str, str, bytes, int]:
    """A call that a strategist may make: the venue's adapter approves the curator."""
    data = setting.token.data("approve", setting.curator, 5)
    return setting.venues[0].address, setting.token.address, data, 1


def _trade(stage: Stage) -> None:
    """A position at the double of curie, by an allowed call."""
    at = stage.curie.address
    data = stage.curie.data("openPosition", (at, False, False, 10, 0, NEVER, 0, bytes(32)))
    adapter = stage.contracts["PerpV2Adapter"].address
    stage.setting.vault.act(adapter, at, data, sender=account("manager"))


def _announce(setting: Setting, manager: At) -> None:
    """Something that waits in each timelock, and whose time has come."""
    for contract, name, args in _announced(setting, manager):
        contract.submit(contract.data(name, *args), sender=setting.curator)
    setting.evm.wait(2 * DAY_S)


def _announced(setting: Setting, manager: At) -> list[tuple[At, str, tuple[Any, ...]]]:
    return [
        (setting.vault, "appoint", (KEEPER, account("another"))),
        (setting.policy, "set_group_limit", (3, (1, 1))),
        (manager, "set_root", (account("another"), SNAPSHOT)),
    ]


def _another_venue(setting: Setting) -> str:
    token, vault = setting.token.address, setting.vault.address
    return setting.evm.deploy("TestVenue", token, vault, sender=setting.owner).address


def arguments(stage: Stage, contract: str, name: str, caller: str) -> tuple[Any, ...]:
    """Arguments with which the call succeeds for whoever may make it."""
    setting, me = stage.setting, caller
    venue, token = setting.venues[VENUE].address, setting.token.address
    waiting = {
        at.address: at.data(what, *args)
        for at, what, args in _announced(setting, stage.contracts["ActionManager"])
    }
    at = stage.contracts[contract]
    order, moves = setting.order(), [(venue, 10, 10)]
    book = setting.vault.current_book()
    calls: dict[str, tuple[Any, ...]] = {
        "transfer": (setting.curator, 1),
        "transferFrom": (setting.owner, me, 1),
        "approve": (setting.curator, 1),
        "deposit": (1, me),
        "mint": (10**6, me),
        "setOperator": (setting.curator, True),
        "requestRedeem": (1, me, me),
        "fulfil": (account("stranger"), 10**8, [], 0),
        "redeem": (1, me, me),
        "withdraw": (1, me, me),
        "execute": (waiting.get(at.address, b""),),
        "revoke": (waiting.get(at.address, b""),),
        "submit": (b"anything",),
        "rebalance": (order, moves, setting.sign(order, moves, signers(3)[:2])),
        "bring_home": (venue, 10, 10),
        "deleverage": (venue, 1_000, 0),
        "transfer_ownership": (setting.curator,),
        "appoint": (CURATOR, account("another")),
        "set_signers": ([key.address for key in signers(2)], 2),
        "add_venue": (_another_venue(setting),),
        "retire_venue": (setting.venues[TARGET].address,),
        "set_venue_limit": (venue, VenueLimit(cap=1).values()),
        "set_group_limit": (0, (1, 1)),
        "set_book_limit": (BookLimit(idle_min_bps=1).values(),),
        "check": (book, book, 0),
        "set_root": (setting.curator, SNAPSHOT),
        "clear_root": (account("strategist"),),
        "mark_down": (1,),
        "allocate": (1,),
        "deallocate": (1,),
        "anchor": (SNAPSHOT,),
    }
    special: dict[tuple[str, str], tuple[Any, ...]] = {
        ("CapitalVault", "act"): _action(setting)[:3],
        ("ActionManager", "act"): (*_action(setting), []),
        ("Keeper", "act"): (venue,),
        ("AttestedAdapter", "report"): stage.custody.signed(100),
    }
    ours = {"deleverage": (1,), "perform": (token, b"")} if "Adapter" in contract else {}
    callbacks = dict.fromkeys(("uniswapV3MintCallback", "uniswapV3SwapCallback"), (1, 1, b""))
    return special.get((contract, name), {**calls, **ours, **callbacks}.get(name, ()))


def _ready(stage: Stage, contract: str, name: str) -> None:
    """What must hold for one call and would stand in the way of others."""
    setting = stage.setting
    if name == "retire_venue":
        setting.vault.bring_home(setting.venues[TARGET].address, 200, 200, sender=setting.sentinel)
    if name == "deleverage" and contract == "CapitalVault":
        setting.venues[VENUE].set_market(200, 100, 0, sender=setting.owner)
    if name == "report":
        setting.evm.wait(60)
    if contract == "Keeper":
        setting.through_timelock(
            setting.vault, "appoint", KEEPER, stage.contracts[contract].address
        )
        setting.evm.wait(40 * DAY_S)
    if contract == "ActionManager" and name == "act":
        address = stage.contracts[contract].address
        setting.through_timelock(setting.vault, "appoint", MANAGER, address)


def _judge(stage: Stage, contract: str, name: str, person: str) -> None:
    allowed, refusal = MATRIX[contract][name]
    _ready(stage, contract, name)
    at, caller = stage.contracts[contract], account(person)
    given = arguments(stage, contract, name, caller)
    if person in allowed:
        getattr(at, name)(*given, sender=caller)
    else:
        with pytest.raises(Refused) as refused:
            getattr(at, name)(*given, sender=caller)
        assert str(refused.value) == refusal


def _contract_acts(stage: Stage, contract: str, name: str) -> None:
    """The timelock, or the vault by an order, makes the call that people may not make."""
    setting, at = stage.setting, stage.contracts[contract]
    if "itself" in MATRIX[contract][name][0]:
        given = arguments(stage, contract, name, setting.curator)
        setting.through_timelock(at, name, *given)
    elif name == "deleverage":
        _trade(stage)
        setting.vault.deleverage(at.address, 5_000, 0, sender=account("keeper"))
    elif name == "perform":
        _trade(stage)
    else:
        delta = -10 if name == "deallocate" else 10
        if contract == "AttestedAdapter" and name == "deallocate":
            stage.custody.send_back(10)
        target = at if contract != "RiskPolicy" else setting.venues[VENUE]
        # The pool calls back while an order goes in, and takes its fee of it.
        least = 5 if contract == "UniswapV3LPAdapter" else 10
        setting.rebalance((target.address, delta, least))


@pytest.mark.parametrize(
    ("contract", "name"), [(contract, name) for contract in MATRIX for name in MATRIX[contract]]
)
def test_function_called_by_everybody_lets_in_whom_the_table_lets_in(
    contract: str, name: str
) -> None:
    here = stage()
    evm: Evm = here.setting.evm
    for person in sorted(ANYBODY):
        now_s, mark = evm.now_s, evm.raw.snapshot()
        _judge(here, contract, name, person)
        evm.raw.revert(mark)
        evm.wait(now_s - evm.now_s)


@pytest.mark.parametrize(
    ("contract", "name"),
    [
        (contract, name)
        for contract in MATRIX
        for name, (allowed, _) in MATRIX[contract].items()
        if allowed & {"itself", "vault", "pool"}
    ],
)
def test_function_of_a_contract_alone_is_called_by_it(contract: str, name: str) -> None:
    here = stage()
    evm: Evm = here.setting.evm
    now_s, mark = evm.now_s, evm.raw.snapshot()
    _contract_acts(here, contract, name)
    evm.raw.revert(mark)
    evm.wait(now_s - evm.now_s)
