"""End to end, HTTP included: the supervisor compared with loops that fetch one order at a time.

compare           the comparison: its contenders and targets
fixture           the paper exchange, stale rows, and what they must become
supervisor_sweep  the reconciler: the real supervisor and its workers
sequential_loop   a loop: one request and one update an order, in sequence or concurrently
by_ccxt           the same with ccxt's fetchOrder
updating          the update that such loops make
"""
