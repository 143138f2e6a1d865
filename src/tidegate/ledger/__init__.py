# SPDX-License-Identifier: Apache-2.0
"""Double-entry postings by cause; a portfolio is their fold."""
