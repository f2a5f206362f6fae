"""Growth: the figures with ever more ended orders, backlog, symbols, shards.

compare       the comparison
table_growth  the same orders among ever more ended ones
drain_rate    the rate at which ours drains orders of several shapes
"""
