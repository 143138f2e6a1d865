# SPDX-License-Identifier: Apache-2.0
"""The joint programme: positions, collateral, transfers and conversions of a book with options."""
