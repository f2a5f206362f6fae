"""The cost of look-ups at the exchange, in request weight; counted, not timed.

compare       the comparison, by number of symbols and share of ended orders
sweep_weight  the weight of a sweep, cut into pages and batches as the supervisor does
simulated     a simulated exchange for the query plan
optimum       the least possible cost of a few orders, by exhaustive search
"""
