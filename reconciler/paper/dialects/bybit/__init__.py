"""The dialect of Bybit v5, spot: its routes, parameters, answers and errors.

    dialect      what the paper exchange asks for
    routes       what each route answers, and what the exchange forgets
    access       keys and signatures
    parameters   the query, read strictly
    pages        pages by cursor
    answers      the envelope, orders, errors
    statuses     the words for an order's states
    order_ids    19 digits

Pure: an answer depends only on a view of the account and a request.
"""

from reconciler.paper.dialects.bybit.dialect import BybitDialect

DIALECT = BybitDialect()
"""For the mapping of dialects."""
