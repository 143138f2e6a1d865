# SPDX-License-Identifier: Apache-2.0
"""A venue off the chain with its reporter: what it holds, and what is said of it."""

from __future__ import annotations

from typing import Any

from tests.contracts.evm import At, account
from tests.contracts.setting import NEVER, Setting, signer

REPORT_TYPES = {
    "Report": [
        {"name": name, "type": "uint256"}
        for name in ("sequence", "value", "healthBps", "sentSeen", "returnedSeen", "asOf")
    ]
}
REPORTER = 40


class Custody:
    """The adapter of such a venue, and a reporter who signs whatever he is asked to."""

    def __init__(self, setting: Setting, up_bps_day: int = 50, name: str = "custody") -> None:
        self.setting, self.address = setting, account(name)
        self.adapter: At = setting.evm.deploy(
            "AttestedAdapter",
            setting.token.address,
            setting.vault.address,
            signer(REPORTER).address,
            self.address,
            up_bps_day,
            sender=setting.owner,
        )

    def signed(self, value: int, /, **changes: Any) -> tuple[tuple[int, ...], bytes]:
        """A report of now that has seen every flow, changed as asked, and its signature."""
        from eth_account import Account
        from eth_account.messages import encode_typed_data

        adapter = self.adapter
        report = {
            "sequence": adapter.sequence() + 1,
            "value": value,
            "healthBps": NEVER,
            "sentSeen": adapter.sent(),
            "returnedSeen": adapter.returned(),
            "asOf": self.setting.evm.now_s,
        }
        key = signer(changes.pop("key", REPORTER))
        report |= changes
        domain = {
            "name": "Tidegate attested venue",
            "version": "1",
            "chainId": 1,
            "verifyingContract": adapter.address,
        }
        message = encode_typed_data(domain, REPORT_TYPES, report)
        signature = bytes(Account.sign_message(message, key.key).signature)
        return tuple(report.values()), signature

    def report(self, value: int, /, **changes: Any) -> int:
        """Reports, and says what was accepted."""
        self.adapter.report(*self.signed(value, **changes), sender=self.setting.stranger)
        return int(self.adapter.accepted())

    def send_back(self, amount: int) -> None:
        """The venue sends money to the adapter."""
        self.setting.token.transfer(self.adapter.address, amount, sender=self.address)
