# SPDX-License-Identifier: Apache-2.0
"""The point-in-time reader of market data, and a writer of a generated folder of its layout."""
