# SPDX-License-Identifier: Apache-2.0
"""The one exchange: matching, funding, margin calls, transfers that take time, freezes."""
