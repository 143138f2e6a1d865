# SPDX-License-Identifier: Apache-2.0
"""One venue from its own side: many accounts, its fund, and whom it makes pay in a cascade."""
