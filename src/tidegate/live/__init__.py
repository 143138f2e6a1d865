# SPDX-License-Identifier: Apache-2.0
"""The engine on running venues: their public past and present as a feed, and the loop over it."""
