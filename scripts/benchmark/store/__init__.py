"""The store alone: rows reconciled with answers that are already in memory, in six ways.

compare           the comparison: its contenders and targets
planned           ours: the parent plans, workers lock by id, decide and apply
limit             what PostgreSQL itself can do: one statement a connection
take_rows         each worker takes its rows: by locks that it holds, or by lease columns
by_pgqueuer       a job an order, by pgqueuer
by_procrastinate  a job an order, by procrastinate
jobs              the work of such a job for its order
apply_step        the product's apply step, without its event loop
decisions         deciding and writing without our store, for those that need it
single_process    the base of contenders whose workers need no parent
"""
