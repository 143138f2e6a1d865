# SPDX-License-Identifier: Apache-2.0
"""A real node on this machine, and real protocols on it: packed from npm when asked for.

Nothing of them is shipped. The packages are pinned by version and SHA-512 and lie in a folder that
the caller names; the node listens on loopback alone and dies with whoever started it.
"""
