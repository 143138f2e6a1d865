# SPDX-License-Identifier: Apache-2.0
"""Who is known here: addresses with an account, and the keys that may sign for them.

A signature that was made for mainnet gives, read as one for testnet, the address of nobody. So an
address has an account only after it was named: in the settings, or by a question about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tidegate.venues.hyperliquid_server.rate_limits import AddressLimit

USERS_MAX, AGENTS_MAX, BUILDERS_MAX = 64, 4, 10


@dataclass(slots=True)
class User:
    """One address, and what it has told the venue beside its orders.

    Builders' fees and the referrer are recorded and without effect; `fired` is a day, and how
    often the dead man's switch went off on it.
    """

    address: str
    limit: AddressLimit
    leverages: dict[str, int] = field(default_factory=dict)
    builder_fees: dict[str, str] = field(default_factory=dict)
    referrer: str | None = None
    cancel_at_ms: int | None = None
    fired: tuple[int, int] = (0, 0)
    agents: dict[str, str] = field(default_factory=dict)

    def approve_builder(self, builder: str, rate: str) -> None:
        """Record what a builder may ask for; of the last few builders."""
        self.builder_fees[builder.lower()] = rate
        if len(self.builder_fees) > BUILDERS_MAX:
            del self.builder_fees[next(iter(self.builder_fees))]


@dataclass(slots=True)
class Users:
    """All of them; `buffer` is each one's limit of requests."""

    buffer: int
    _users: dict[str, User] = field(default_factory=dict)
    _masters: dict[str, str] = field(default_factory=dict)

    def open(self, address: str) -> User | None:
        """The account of an address, new where it has none; None where there are too many."""
        address = address.lower()
        if address not in self._users:
            if len(self._users) >= USERS_MAX:
                return None
            self._users[address] = User(address, AddressLimit(self.buffer))
        return self._users[address]

    def all(self) -> tuple[User, ...]:
        """Every user there is."""
        return tuple(self._users.values())

    def get(self, address: str) -> User | None:
        """The user who has an address."""
        return self._users.get(address.lower())

    def acting(self, signer: str) -> User | None:
        """The user for whom an address may trade: itself, or its master."""
        return self.get(self._masters.get(signer, signer))

    def master(self, agent: str) -> str | None:
        """For whom a key signs."""
        return self._masters.get(agent.lower())

    def approve(self, user: User, agent: str, name: str) -> tuple[str | None, str | None]:
        """Let a key sign for a user: why not, and the key whose name it takes."""
        agent = agent.lower()
        if agent in self._users or self._masters.get(agent, user.address) != user.address:
            return "Agent address is already in use.", None
        replaced = next((a for a, said in user.agents.items() if said == name), None)
        if replaced is None and len(user.agents) >= AGENTS_MAX:
            return "Too many agents.", None
        if replaced is not None:
            del user.agents[replaced], self._masters[replaced]
        user.agents[agent], self._masters[agent] = name, user.address
        return None, replaced
