# SPDX-License-Identifier: Apache-2.0
"""Options on real history: short strangles on Deribit, hedged on Binance, under several policies."""
