# SPDX-License-Identifier: Apache-2.0
"""Market data on its way into a folder: fetched, imported, and checked before a run reads it."""
