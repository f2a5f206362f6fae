"""The paper exchange: a server that speaks the Binance spot dialect about simulated orders.

process, server             run it as a child process, or in this process
app, admin                  the HTTP routes: the dialect's, and those under /paper/ that control it
exchange                    the state behind the routes
dialect                     the requests of Binance: parameters, answers, errors
auth, tokens, public_key    check signatures and bearer tokens
weight_meter, request_log   count request weight, pause and ban addresses, log requests
faults                      the faults that can be injected
order_store, listing        all orders, and the form in which the admin routes show them
orders, lifecycle           generate orders from a seed, with the states of each
market, fixed_point         symbols and their precision; exact numbers
"""
