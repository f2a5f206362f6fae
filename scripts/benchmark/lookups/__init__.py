"""Single look-ups: how many at once are best where no list answers for several orders.

compare   the comparison
asking    our adapter and client, asking for one order at a time
"""
