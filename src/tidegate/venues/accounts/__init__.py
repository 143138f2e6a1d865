# SPDX-License-Identifier: Apache-2.0
"""Accounts as venues tell them, written as margin books: one file for each venue's words."""
