# SPDX-License-Identifier: Apache-2.0
"""What venues send, as frozen values that lose nothing (docs/payloads.md)."""
