"""What stays the same when everything grows: ended orders, backlog, symbols, shards.

compare   the comparison
grown     the orders beside ever more ended ones
drained   how fast ours drains orders of one shape or another
"""
