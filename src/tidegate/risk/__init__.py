# SPDX-License-Identifier: Apache-2.0
"""Risk says how far each account is from liquidation and refuses what would break a limit."""
