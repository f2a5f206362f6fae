"""Making rows true with the exchange's answers at hand: ours beside the limit and what others do.

compare           the comparison: who takes part, what is to be shown
planned           ours: the parent plans, workers lock by id, decide and apply
limit             what PostgreSQL itself can do: one statement a connection
held              each worker runs the stale query and holds the rows' locks
leased            each worker leases rows with columns of `orders`, then updates them
by_pgqueuer       a job an order, by pgqueuer
by_procrastinate  a job an order, by procrastinate
jobs              what such a job does for its order
changes           deciding and writing without our store, for those that need it
alone             what those have in common whose workers need no parent
"""
