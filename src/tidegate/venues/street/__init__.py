# SPDX-License-Identifier: Apache-2.0
"""One simulated market with accounts: what local servers of real protocols face."""
