"""The dialect of Coinbase Advanced Trade.

    dialect    what the exchange asks of a dialect
    routes     the routes, and how each is answered
    access     web tokens of requests
    answers    orders, products and errors as the venue writes them
    spelling   symbols, order ids and statuses

Imports point down this list only.
"""

from reconciler.paper.dialects.coinbase.dialect import Coinbase
from reconciler.paper.dialects.dialect import Dialect

DIALECT: Dialect = Coinbase()
