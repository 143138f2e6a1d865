# SPDX-License-Identifier: Apache-2.0
"""One account under one margin rule, as a file states it: its reading, its figures, its page."""
