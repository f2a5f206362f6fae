"""The Binance spot dialect: its routes, parameters, answers and errors.

Pure: an answer depends only on a view of the account and a request's parameters.
"""
