"""The Binance spot dialect: what may be asked, how it is read, and how it is answered.

Pure: an answer is made from a view of the account and a request's parameters.
"""
