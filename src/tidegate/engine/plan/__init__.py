# SPDX-License-Identifier: Apache-2.0
"""From a book and a mandate to a plan: the joint question, its answer made whole lots, and why."""
