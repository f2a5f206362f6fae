"""What asking costs at the exchange, in request weight; counted, not timed.

compare    the comparison, by number of symbols and share of ended orders
imagined   an imagined exchange, and the adapter played against it
optimum    the least that a few orders can cost, by trying every strategy
"""
