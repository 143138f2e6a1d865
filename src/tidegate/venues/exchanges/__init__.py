# SPDX-License-Identifier: Apache-2.0
"""Sessions with real exchanges: credentials, ccxt as transport, one file for each venue's words."""
