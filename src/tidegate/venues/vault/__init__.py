# SPDX-License-Identifier: Apache-2.0
"""A vault on a chain: what it holds, orders for it, and one outbox for each key that sends.

The pure core (`state`, `logs`, `orders`, `outbox`) knows no node; `edge` speaks to one, and imports
web3 when it is first used (extra `vault`).
"""
