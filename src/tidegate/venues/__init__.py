# SPDX-License-Identifier: Apache-2.0
"""Faces on venues; they hold no rule and take only approvals."""
