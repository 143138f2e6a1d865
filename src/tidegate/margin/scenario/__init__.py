# SPDX-License-Identifier: Apache-2.0
"""The one scenario core of portfolio margin: shocks, revaluation, the worst of many, charges.

A venue's rule is a set of parameters of it: `shocks` says how prices and volatilities move,
`revaluation` what one unit of an instrument is then worth, `table` what a book loses at worst,
`charges` what is asked besides, and `prepared` puts them together for one book or for many.
"""
