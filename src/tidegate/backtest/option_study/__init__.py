# SPDX-License-Identifier: Apache-2.0
"""Options on real history: strangles sold on Deribit and hedged on Binance, by several policies."""
