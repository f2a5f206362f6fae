"""OKX API v5, spot.

    dialect     `OkxDialect`: what the exchange asks of a dialect
    routes      the routes: parameters, cost and answer of each
    access      the signature, the passphrase and the timestamp of a request
    answers     rows and errors, with OKX's names and codes
    spelling    symbols, ids and states as OKX writes them

Source: OKX API guide, https://www.okx.com/docs-v5/en/, read 2026-11-28.
"""

from reconciler.paper.dialects.okx.dialect import OkxDialect

DIALECT = OkxDialect()
"""For `reconciler.paper.dialects`."""
