"""The paper exchange: a server that speaks the Binance spot dialect about simulated orders.

process, server    run it: as a child, or in this process
app, admin         the routes: of the dialect, and under /paper/ to steer it
exchange           the state behind them
dialect            what may be asked, how it is read and answered
auth, tokens       who may ask
limits, traffic    how much was asked, and what came of it
faults             what goes wrong on purpose
book, listing      every order, and how the admin routes show them
orders, lives      the simulation: orders written from a seed, and what becomes of each
market, fixed      what is traded, in exact numbers
"""
