"""Measured sweeps, for `reconciler tune` and the benchmark.

sweep             one sweep of the real supervisor, timed from when all workers are ready
scratch_database  the database to measure on, our own or a given one
orders_snapshot   restore the rows of `orders` before each measurement
"""
