# SPDX-License-Identifier: Apache-2.0
"""Order books kept from venues' streams: equal to the venue's, or known to be stale."""
