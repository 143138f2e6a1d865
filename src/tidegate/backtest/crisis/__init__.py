# SPDX-License-Identifier: Apache-2.0
"""Named crises, on generated markets and on real history, and every policy through them."""
