# SPDX-License-Identifier: Apache-2.0
"""What kills a book of whole accounts under any rule, what a venue's failure costs, and the fix."""
