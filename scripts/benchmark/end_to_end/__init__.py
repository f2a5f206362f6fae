"""Everything, HTTP included: the supervisor beside plain loops that ask for one order at a time.

compare    the comparison: who takes part, what is to be shown
scene      the paper exchange, the rows that have fallen behind it, and what they are to say
swept      ours: the real supervisor and its workers
looped     a plain loop: one request and one update an order, one after another or many at once
by_ccxt    the same with ccxt's fetchOrder
updating   what such loops write
"""
