"""Single look-ups: the best concurrency where no list answers for several orders.

compare   the comparison
asking    our adapter and client, fetching one order at a time
"""
