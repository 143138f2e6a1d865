# SPDX-License-Identifier: Apache-2.0
"""Proof for others: the stand-alone verifier of a journal.

`verifier.py` imports nothing but the standard library, so that it can be read in one sitting,
copied elsewhere and run against us. It shares no code with the room that writes journals.
"""

from tidegate.audit.verifier import Check, verify

__all__ = ["Check", "verify"]
