"""The Binance spot dialect: its routes, parameters, answers, errors and limit.

    dialect        what the paper exchange asks of it
    routes         the weight, the parameters and the answer of each route
    parameters     validate what a request sends
    answers        field names, formats, codes
    access         signatures and bearer tokens
    weight_meter   request weight for each address, pauses and bans

Pure: an answer depends only on a view of the account and a request.
"""

from reconciler.paper.dialects.binance.dialect import BinanceDialect

DIALECT = BinanceDialect()
