"""The paper exchange: a server that speaks an exchange's dialect about simulated orders.

process, server             run it as a child process, or in this process
app, admin                  the HTTP routes: the dialect's, and those under /paper/ that control it
exchange                    the state behind the routes
dialects                    how each venue spells, signs, answers and refuses
account_view                the account as one request sees it
auth, tokens, public_key    the accepted credentials
new_keys                    make keys as venues issue them
meters, request_log         count requests against limits, pause and ban callers, log requests
faults                      the faults that can be injected
order_store, listing        all orders, and the form in which the admin routes show them
orders, lifecycle           generate orders from a seed, with the states of each
market, fixed_point         symbols and their precision; exact numbers
"""
