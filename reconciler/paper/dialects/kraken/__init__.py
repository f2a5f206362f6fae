"""Kraken's spot REST dialect.

dialect     everything that the exchange asks of a dialect
routes      its routes, their parameters and their costs
access      keys, signatures and nonces
answers     orders, pairs and errors as Kraken writes them
names       its spelling of symbols and order ids

Sources, read 2026-11-28: docs.kraken.com, "Spot REST" (guides and API reference), and the OpenAPI
description that it is made from, github.com/krakenfx/api-specs, `spot-rest`.
"""

from reconciler.paper.dialects.kraken.dialect import Kraken

DIALECT = Kraken()
