# SPDX-License-Identifier: Apache-2.0
"""A paper venue that speaks Hyperliquid's protocol: /info, /exchange and /ws, on loopback alone."""
