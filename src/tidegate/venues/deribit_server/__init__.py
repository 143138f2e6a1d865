# SPDX-License-Identifier: Apache-2.0
"""A local server that speaks Deribit's JSON-RPC version 2 over the simulated street."""
