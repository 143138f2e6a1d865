# SPDX-License-Identifier: Apache-2.0
"""The exchange over single events, compiled, and its plain twin, which is the exchange itself."""
